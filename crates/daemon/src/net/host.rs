//! Questions to the host: which address, which MTU, which name.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use super::{NetError, sys};

/// The local address from which this host would send to `remote`, as the route of a packet with `mark` says.
///
/// Pass the mark of the own sockets: without it, a tunnel whose subnet contains the peer would answer for the peer.
pub fn source_address(remote: IpAddr, mark: u32) -> Result<IpAddr, NetError> {
    let socket = connected(None, remote, mark)?;
    let local = socket
        .local_addr()
        .map_err(|e| NetError::io("read a socket's address", e))?;
    match local.as_socket() {
        Some(address) if !address.ip().is_unspecified() => Ok(address.ip().to_canonical()),
        _ => Err(NetError::NoRoute(remote)),
    }
}

/// The path MTU towards `remote` that the kernel knows: the device's, or less where a router has said so.
pub fn path_mtu(local: Option<IpAddr>, remote: IpAddr, mark: u32) -> Result<u32, NetError> {
    let socket = connected(local, remote, mark)?;
    sys::connected_path_mtu(&socket, remote).map_err(|e| NetError::io(format!("read the path MTU to {remote}"), e))
}

/// The addresses of a DNS name (or of a literal address), in the resolver's order.
pub async fn resolve(name: &str) -> Result<Vec<IpAddr>, NetError> {
    let unresolved = |source| NetError::Unresolved {
        name: name.to_owned(),
        source,
    };
    let mut addresses = Vec::new();
    for found in tokio::net::lookup_host((name, 0)).await.map_err(unresolved)? {
        let address = found.ip().to_canonical();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
    }
    Ok(addresses)
}

/// A TCP connection past our own tunnels. It may wait as long as the kernel tries.
pub async fn connect(remote: SocketAddr, mark: u32) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    set_mark(&socket, mark);
    socket.set_nonblocking(true)?;
    TcpSocket::from_std_stream(socket.into()).connect(remote).await
}

/// Marks a socket so that the tunnel's rules leave its packets alone. Without CAP_NET_ADMIN that is refused, but then
/// there are no such rules either.
pub(super) fn set_mark(socket: &Socket, mark: u32) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if mark != 0
        && let Err(error) = socket.set_mark(mark)
    {
        tracing::debug!(%error, mark, "cannot mark own packets");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, mark);
}

/// Asks for larger kernel buffers, past the system's limit where that is allowed. What is granted is enough.
pub(super) fn set_buffers(socket: &Socket, bytes: usize) {
    use nix::sys::socket::{setsockopt, sockopt};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let forced = setsockopt(socket, sockopt::RcvBufForce, &bytes).is_ok();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let forced = false;
    if !forced && let Err(error) = socket.set_recv_buffer_size(bytes) {
        tracing::debug!(%error, "cannot enlarge a receive buffer");
    }
    if let Err(error) = setsockopt(socket, sockopt::SndBuf, &bytes) {
        tracing::debug!(%error, "cannot enlarge a send buffer");
    }
}

/// A UDP socket connected to `remote`, which sends nothing: the kernel only looks up the route.
fn connected(local: Option<IpAddr>, remote: IpAddr, mark: u32) -> Result<Socket, NetError> {
    let what = || format!("look up the route to {remote}");
    let socket = Socket::new(
        Domain::for_address(SocketAddr::new(remote, 0)),
        Type::DGRAM,
        Some(Protocol::UDP),
    )
    .map_err(|e| NetError::io(what(), e))?;
    set_mark(&socket, mark);
    if let Some(local) = local {
        socket
            .bind(&SocketAddr::new(local, 0).into())
            .map_err(|e| match e.kind() {
                io::ErrorKind::AddrNotAvailable => NetError::NotLocal(local),
                _ => NetError::io(what(), e),
            })?;
    }
    // Any port does; 500 is what the route will be used for.
    socket
        .connect(&SocketAddr::new(remote, 500).into())
        .map_err(|e| match e.raw_os_error() {
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL | libc::ENETDOWN) => {
                NetError::NoRoute(remote)
            }
            _ => NetError::io(what(), e),
        })?;
    Ok(socket)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn loopback_answers_for_itself() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(source_address("127.0.0.9".parse().unwrap(), 0).unwrap(), loopback);
        assert!(path_mtu(Some(loopback), loopback, 0).unwrap() >= 1500);
        let elsewhere = "192.0.2.77".parse().unwrap();
        assert!(matches!(path_mtu(Some(elsewhere), loopback, 0), Err(NetError::NotLocal(a)) if a == elsewhere));
    }

    #[tokio::test]
    async fn a_literal_address_is_its_own_name() {
        let expected: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(resolve("2001:db8::1").await.unwrap(), [expected]);
        let text = resolve("no-such-name.invalid").await.unwrap_err().to_string();
        assert!(text.contains("no-such-name.invalid"), "{text}");
    }
}
