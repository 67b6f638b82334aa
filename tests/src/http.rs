//! A web server in a namespace, for CRLs: as good or bad as a test needs it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::netns::Namespace;

/// What is served, and what was asked for.
#[derive(Default)]
struct Shelf {
    files: HashMap<String, Vec<u8>>,
    asked: Vec<String>,
}

/// A web server. Its thread ends with the test's process.
#[derive(Clone)]
pub struct Http(Arc<Mutex<Shelf>>);

impl Http {
    /// Listens in `space` at this address.
    #[track_caller]
    pub fn start(space: &Namespace, address: &str) -> Self {
        let this = Self(Arc::default());
        let path = format!("/run/netns/{}", space.name());
        let address: SocketAddr = address.parse().unwrap_or_else(|e| panic!("{address}: {e}"));
        let shelf = this.clone();
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            // A thread is in a namespace of its own, and so are the sockets that it makes.
            let space = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
            setns(space, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("{path}: {e}"));
            let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
            let _ = ready.send(());
            for stream in listener.incoming().flatten() {
                shelf.serve(stream);
            }
        });
        is_ready
            .recv()
            .unwrap_or_else(|e| panic!("the web server at {address}: {e}"));
        this
    }

    /// Puts a file there, or another in its place.
    pub fn put(&self, path: &str, octets: Vec<u8>) {
        self.shelf().files.insert(path.into(), octets);
    }

    /// The paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shelf().asked.clone()
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let (mut request, mut piece) = (Vec::new(), [0; 2048]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(length @ 1..) => request.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let line = String::from_utf8_lossy(&request);
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = {
            let mut shelf = self.shelf();
            shelf.asked.push(path.clone());
            shelf.files.get(&path).cloned()
        };
        let (status, body) = body.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: application/pkix-crl\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    }
}
