//! The daemon's side of the control socket.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::{ControlError, MAX_REQUEST, Request};

/// Requests that wait for the daemon; further callers wait at their end.
const QUEUE: usize = 16;
/// Until callers are accepted again after that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// How often to look whether a caller that waits is still there.
const STILL_THERE: Duration = Duration::from_millis(500);
/// Callers that are not accepted yet.
const BACKLOG: i32 = 128;

/// Listens.
pub struct Server {
    path: PathBuf,
    calls: Receiver<Call>,
    accepting: tokio::task::JoinHandle<()>,
}

/// One request and where its answer goes.
pub struct Call {
    /// What is wanted.
    pub request: Request,
    /// To be answered once.
    pub reply: Reply,
}

/// Takes the answer to one request.
pub struct Reply(oneshot::Sender<Value>);

impl Reply {
    /// A reply and where it arrives.
    pub fn new() -> (Self, oneshot::Receiver<Value>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Whether the caller has gone.
    pub fn is_unwanted(&self) -> bool {
        self.0.is_closed()
    }

    /// Answers. A caller that has gone does not matter.
    pub fn send(self, answer: Value) {
        self.0.send(answer).ok();
    }
}

impl Server {
    /// Makes the socket. One that a dead daemon left is replaced. Must be called within a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let fault = |e| ControlError::Bind(path.to_path_buf(), e);
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
        if is_socket {
            match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => return Err(ControlError::Taken(path.to_path_buf())),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(fault)?;
                }
                Err(e) => return Err(fault(e)),
            }
        }
        let listener = listen(path).map_err(fault)?;
        let (to_daemon, calls) = channel(QUEUE);
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(converse(stream, to_daemon.clone()))),
                    // Too many open files, for example: that passes, and the daemon must stay within reach.
                    Err(error) => {
                        tracing::warn!(%error, "a caller of the control socket could not be accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        });
        Ok(Self {
            path: path.to_path_buf(),
            calls,
            accepting,
        })
    }

    /// The next request.
    pub async fn next(&mut self) -> Call {
        match self.calls.recv().await {
            Some(call) => call,
            // The listener has ended; nothing will ever come.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        // Gone already is as good.
        std::fs::remove_file(&self.path).ok();
    }
}

/// A listening socket that only its owner can use. Nobody can connect before it listens, and by then it has its mode.
fn listen(path: &Path) -> std::io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let ready = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| UnixListener::from_std(socket.into()));
    if ready.is_err() {
        // It is ours, and no use.
        std::fs::remove_file(path).ok();
    }
    ready
}

/// Returns when the caller has gone. One that only says that it asks no more (`socat` does) still waits for its answer,
/// so the end of what it sends is no sign.
async fn gone(write: &OwnedWriteHalf) {
    loop {
        match write.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => tokio::time::sleep(STILL_THERE).await,
            _ => return,
        }
    }
}

/// Serves one caller until it goes.
async fn converse(stream: UnixStream, to_daemon: Sender<Call>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = vec![];
        match (&mut read).take(MAX_REQUEST).read_until(b'\n', &mut line).await {
            Ok(n) if n > 0 && line.ends_with(b"\n") => {}
            _ => return,
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => {
                let (reply, answer) = Reply::new();
                let call = Call { request, reply };
                if to_daemon.send(call).await.is_err() {
                    return;
                }
                let answer = tokio::select! {
                    answer = answer => answer,
                    () = gone(&write) => return,
                };
                answer.unwrap_or_else(|_| json!({ "ok": false, "error": "the daemon is stopping" }))
            }
            Err(e) => json!({ "ok": false, "error": format!("not a request: {e}") }),
        };
        if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
