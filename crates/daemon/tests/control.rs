//! The control socket, with a server in this process and no daemon behind it.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handfast::control::client::call;
use handfast::control::{ControlError, MAX_REQUEST, Request, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A socket's path of its own for each test; what is there is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("handfast-{name}-{}.sock", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server that answers with what it was asked.
fn echo(path: &Path) -> tokio::task::JoinHandle<()> {
    let mut server = Server::bind(path).unwrap();
    tokio::spawn(async move {
        loop {
            let call = server.next().await;
            let asked = serde_json::to_value(&call.request).unwrap();
            call.reply.send(json!({ "ok": true, "asked": asked }));
        }
    })
}

async fn ask(path: PathBuf, request: Request) -> Result<Value, ControlError> {
    tokio::task::spawn_blocking(move || call(&path, &request, Duration::from_secs(5)))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_is_answered_and_only_the_owner_may_ask() {
    let path = Scratch::new("owner");
    let server = echo(&path.0);
    let mode = std::fs::metadata(&path.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let connection = "office".to_string();
    let answer = ask(path.0.clone(), Request::Up { connection }).await.unwrap();
    assert_eq!(
        answer,
        json!({"ok": true, "asked": {"cmd": "up", "connection": "office"}})
    );
    server.abort();
    let _ = server.await;
    assert!(!path.0.exists(), "the socket outlives its server");
}

#[tokio::test]
async fn a_live_daemons_socket_is_not_taken_and_a_dead_ones_is() {
    let path = Scratch::new("taken");
    // Dropping a listener leaves its file, as a killed daemon does.
    drop(UnixListener::bind(&path.0).unwrap());
    assert!(path.0.exists());
    let first = echo(&path.0);
    let second = Server::bind(&path.0).err().unwrap();
    assert!(matches!(second, ControlError::Taken(_)), "{second}");
    assert!(second.to_string().contains("another handfast runs"), "{second}");
    // The refused one must not have removed it.
    assert_eq!(ask(path.0.clone(), Request::Status {}).await.unwrap()["ok"], true);
    first.abort();
}

#[tokio::test]
async fn a_file_that_is_no_socket_stays() {
    let path = Scratch::new("file");
    std::fs::write(&path.0, "mine").unwrap();
    let error = Server::bind(&path.0).err().unwrap();
    assert!(matches!(error, ControlError::Bind(..)), "{error}");
    assert_eq!(std::fs::read_to_string(&path.0).unwrap(), "mine");
}

#[tokio::test]
async fn nonsense_is_answered_and_the_conversation_goes_on() {
    let path = Scratch::new("nonsense");
    let server = echo(&path.0);
    let mut stream = BufReader::new(UnixStream::connect(&path.0).await.unwrap());
    for (request, ok) in [
        ("{\"cmd\":\"fly\"}", false),
        ("not json", false),
        ("{\"cmd\":\"up\"}", false),
        ("{\"cmd\":\"status\",\"more\":1}", false),
        ("{\"cmd\":\"status\"}", true),
    ] {
        stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["ok"], ok, "{request}: {answer}");
        assert_eq!(answer["error"].is_string(), !ok, "{request}: {answer}");
    }
    server.abort();
}

#[tokio::test]
async fn an_endless_request_ends_the_conversation() {
    let path = Scratch::new("endless");
    let server = echo(&path.0);
    let mut stream = UnixStream::connect(&path.0).await.unwrap();
    let octets = vec![b'x'; usize::try_from(MAX_REQUEST).unwrap() + 1];
    // The other side may hang up before all is written.
    let _ = stream.write_all(&octets).await;
    let mut answer = vec![];
    let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "it goes on reading");
    assert_eq!(answer, b"");
    server.abort();
}

#[tokio::test]
async fn a_silent_daemon_is_not_waited_for_without_end() {
    let path = Scratch::new("silent");
    let _listener = UnixListener::bind(&path.0).unwrap();
    let silent = path.0.clone();
    let error = tokio::task::spawn_blocking(move || call(&silent, &Request::Status {}, Duration::from_millis(50)))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, ControlError::Timeout(_)), "{error}");
}

#[tokio::test]
async fn a_daemon_that_ends_is_said_to_have_ended() {
    let path = Scratch::new("ended");
    let listener = UnixListener::bind(&path.0).unwrap();
    let hang_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let error = ask(path.0.clone(), Request::Status {}).await.unwrap_err();
    assert!(matches!(error, ControlError::Ended), "{error}");
    hang_up.join().unwrap();
}

/// A caller may say at once that it asks no more, and still wants its answer.
#[tokio::test]
async fn a_caller_that_has_gone_is_known_and_one_that_asks_no_more_is_answered() {
    let path = Scratch::new("gone");
    let mut server = Server::bind(&path.0).unwrap();
    let mut stream = UnixStream::connect(&path.0).await.unwrap();
    let up = b"{\"cmd\":\"up\",\"connection\":\"office\"}\n";
    stream.write_all(up).await.unwrap();
    stream.shutdown().await.unwrap();
    let call = server.next().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!call.reply.is_unwanted());
    call.reply.send(json!({ "ok": true }));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "{\"ok\":true}\n");

    let mut stream = UnixStream::connect(&path.0).await.unwrap();
    stream.write_all(up).await.unwrap();
    let call = server.next().await;
    drop(stream);
    let gone = async {
        while !call.reply.is_unwanted() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let known = tokio::time::timeout(Duration::from_secs(5), gone).await;
    assert!(known.is_ok(), "nobody notices that the caller has gone");
}
