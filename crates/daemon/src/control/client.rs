//! The command line's side of the control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{ControlError, MAX_ANSWER, Request};

/// Asks the daemon and waits for its answer.
pub fn call(path: &Path, request: &Request, timeout: Duration) -> Result<Value, ControlError> {
    let mut stream = UnixStream::connect(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => ControlError::NotRunning(path.to_path_buf()),
        ErrorKind::PermissionDenied => ControlError::Permission(path.to_path_buf()),
        _ => ControlError::Io(e),
    })?;
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ControlError::Timeout(timeout),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ControlError::Ended,
        _ => ControlError::Io(e),
    };
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    let line = serde_json::to_string(request).map_err(|e| ControlError::Answer(e.to_string()))?;
    stream.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream)
        .take(MAX_ANSWER)
        .read_line(&mut answer)
        .map_err(failed)?;
    if answer.is_empty() {
        return Err(ControlError::Ended);
    }
    serde_json::from_str(&answer).map_err(|e| ControlError::Answer(e.to_string()))
}
