//! Raw sockets for ESP as IP protocol 50 (RFC 4303), where no NAT is found.
//!
//! An IPv4 raw socket receives the IP header too, an IPv6 one does not. Packets arrive reassembled.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sending::Sending;
use super::{NetError, host, sys};

/// IP protocol number of ESP.
const ESP: i32 = 50;
/// The ECN bits of TOS and traffic class.
const ECN: u8 = 3;
/// The largest IP packet.
const PACKET: usize = 65_535;
/// Room for packets received one after the other: the last one must find room whatever its size.
const BURST: usize = PACKET + (128 << 10);
/// Kernel buffer of each socket; the kernel grants what it may.
const SOCKET_BUFFER: usize = 4 << 20;

/// Where one ESP packet came from and was sent to, and where in the buffer its ESP header begins and its data ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedEsp {
    /// Where it was sent to: an address of this host.
    pub local: IpAddr,
    /// Where it came from.
    pub remote: IpAddr,
    /// Where in the buffer it lies.
    pub esp: std::ops::Range<usize>,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
}

/// ESP packets that were received one after the other.
#[derive(Debug, Default)]
pub struct EspBurst {
    buffer: Vec<u8>,
    packets: Vec<ReceivedEsp>,
}

impl EspBurst {
    /// All packets; they can be held at the same time.
    pub fn packets(&mut self) -> impl Iterator<Item = (&ReceivedEsp, &mut [u8])> {
        let mut rest = self.buffer.as_mut_slice();
        let mut before = 0;
        self.packets.iter().map(move |received| {
            // They lie in the order in which they came.
            let (_, from) = std::mem::take(&mut rest).split_at_mut(received.esp.start - before);
            let (packet, after) = from.split_at_mut(received.esp.len());
            (rest, before) = (after, received.esp.end);
            (received, packet)
        })
    }
}

/// The raw sockets of a daemon, one of each address family.
pub struct RawEsp {
    sockets: Vec<RawSocket>,
    /// The socket that is asked first, so that a busy one does not silence the other.
    first: usize,
    /// Only packets to these addresses are received; empty is any.
    addresses: Vec<IpAddr>,
}

struct RawSocket {
    fd: AsyncFd<Socket>,
    ipv4: bool,
}

impl RawEsp {
    /// Opens the sockets. `addresses`: the local addresses to receive on, empty for all of both families.
    /// `mark`: the mark of the packets sent. Must be called within a tokio runtime.
    pub fn bind(addresses: &[IpAddr], mark: u32) -> Result<Self, NetError> {
        let addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
        let mut sockets = Vec::new();
        for ipv4 in [true, false] {
            if addresses.is_empty() || addresses.iter().any(|address| address.is_ipv4() == ipv4) {
                sockets.extend(RawSocket::open(ipv4, mark)?);
            }
        }
        Ok(RawEsp {
            sockets,
            first: 0,
            addresses,
        })
    }

    /// Receives one ESP packet; `buf` should hold 65,535 octets. Safe to drop before it completes.
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<ReceivedEsp> {
        std::future::poll_fn(|cx| self.poll_recv(cx, buf)).await
    }

    /// Receives one ESP packet if one is there; otherwise `WouldBlock`.
    pub fn try_recv(&mut self, buf: &mut [u8]) -> io::Result<ReceivedEsp> {
        for turn in 0..self.sockets.len() {
            let index = (self.first + turn) % self.sockets.len();
            let Some(socket) = self.sockets.get(index) else { break };
            loop {
                match socket.fd.try_io(Interest::READABLE, |_| socket.recv(buf)) {
                    Ok(Some(received)) if self.wants(received.local) => {
                        self.first = index + 1;
                        return Ok(received);
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Waits until there is a packet. Safe to drop before it completes.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            for socket in &self.sockets {
                if let Poll::Ready(ready) = socket.fd.poll_read_ready(cx) {
                    return Poll::Ready(ready.map(drop));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Puts into `burst` the packets that wait, as many as it has room for; `WouldBlock` if there are none.
    pub fn try_burst(&mut self, burst: &mut EspBurst) -> io::Result<()> {
        burst.buffer.resize(BURST, 0);
        burst.packets.clear();
        let mut used = 0;
        while let Some(room) = burst.buffer.get_mut(used..).filter(|room| room.len() >= PACKET) {
            match self.try_recv(room) {
                Ok(mut received) => {
                    received.esp = received.esp.start + used..received.esp.end + used;
                    used = received.esp.end;
                    burst.packets.push(received);
                }
                Err(_) if !burst.packets.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends one ESP packet from `local`, an address of this host; an unspecified one lets the kernel choose.
    ///
    /// `WouldBlock` means that the kernel's queue is full: the packet is lost, as it may be anywhere further on.
    pub fn send(&self, local: IpAddr, remote: IpAddr, esp: &[u8]) -> io::Result<()> {
        self.send_each(local, remote, esp, esp.len(), 0)
    }

    /// Sends ESP packets of `segment` octets each, the last one maybe shorter, with this TOS or traffic class (0: none in
    /// particular).
    pub fn send_each(&self, local: IpAddr, remote: IpAddr, esp: &[u8], segment: usize, tos: u8) -> io::Result<()> {
        let (local, remote) = (local.to_canonical(), remote.to_canonical());
        let Some(socket) = self.sockets.iter().find(|socket| socket.ipv4 == remote.is_ipv4()) else {
            let what = format!("no socket to send ESP from {local} to {remote}");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
        };
        let sending = Sending {
            fd: socket.fd.as_raw_fd(),
            source: local,
            remote: SocketAddr::new(remote, 0),
            tos,
        };
        sending.each(esp, segment)
    }

    fn wants(&self, local: IpAddr) -> bool {
        self.addresses.is_empty() || self.addresses.contains(&local)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<ReceivedEsp>> {
        // Each socket is asked until it says that it is empty: only then will it wake this task.
        for turn in 0..self.sockets.len() {
            let index = (self.first + turn) % self.sockets.len();
            while let Some(socket) = self.sockets.get(index) {
                let Poll::Ready(ready) = socket.fd.poll_read_ready(cx) else {
                    break;
                };
                let mut guard = ready?;
                match socket.recv(buf) {
                    Ok(Some(received)) if self.wants(received.local) => {
                        self.first = index + 1;
                        return Poll::Ready(Ok(received));
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        Poll::Pending
    }
}

impl RawSocket {
    /// `None` where the kernel does not have the address family.
    fn open(ipv4: bool, mark: u32) -> Result<Option<Self>, NetError> {
        let fail = |e: io::Error| match e.kind() {
            io::ErrorKind::PermissionDenied => NetError::NoPermission {
                what: "open a raw socket for ESP".to_owned(),
                capability: "CAP_NET_RAW",
            },
            _ => NetError::io("open a raw socket for ESP", e),
        };
        let domain = if ipv4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = match Socket::new(domain, Type::RAW, Some(Protocol::from(ESP))) {
            Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) => return Ok(None),
            other => other.map_err(fail)?,
        };
        socket.set_nonblocking(true).map_err(fail)?;
        if !ipv4 {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true).map_err(|e| fail(e.into()))?;
            setsockopt(&socket, sockopt::Ipv6RecvTClass, &true).map_err(|e| fail(e.into()))?;
        }
        sys::discover_path_mtu(&socket, !ipv4).map_err(fail)?;
        host::set_mark(&socket, mark);
        host::set_buffers(&socket, SOCKET_BUFFER);
        let fd = sys::register(socket).map_err(fail)?;
        Ok(Some(RawSocket { fd, ipv4 }))
    }

    /// `None`: a packet that is none.
    fn recv(&self, buf: &mut [u8]) -> io::Result<Option<ReceivedEsp>> {
        let fd = self.fd.as_raw_fd();
        let mut control = nix::cmsg_space!(libc::in6_pktinfo, i32);
        let mut slices = [IoSliceMut::new(buf)];
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
        let len = message.bytes;
        if self.ipv4 {
            return Ok(strip_ipv4(buf.get(..len).unwrap_or_default()));
        }
        let remote = message
            .address
            .as_ref()
            .and_then(SockaddrStorage::as_sockaddr_in6)
            .map(SockaddrIn6::ip);
        let (mut local, mut ecn) = (None, 0);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv6PacketInfo(info) => local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
                ControlMessageOwned::Ipv6TClass(class) => ecn = class as u8 & ECN,
                _ => {}
            }
        }
        let found = remote.zip(local);
        Ok(found.map(|(remote, local)| ReceivedEsp {
            local: local.into(),
            remote: remote.into(),
            esp: 0..len,
            ecn,
        }))
    }
}

/// Reads the IPv4 header (RFC 791 section 3.1) that a raw socket delivers; `None` if it is not whole.
fn strip_ipv4(packet: &[u8]) -> Option<ReceivedEsp> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let whole = packet.first()? >> 4 == 4 && header >= 20 && header <= packet.len();
    let (remote, local) = (address(12)?.into(), address(16)?.into());
    whole.then_some(ReceivedEsp {
        local,
        remote,
        esp: header..packet.len(),
        ecn: packet.get(1)? & ECN,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_ipv4_header_is_stripped() {
        let mut packet = vec![0u8; 24];
        (packet[0], packet[1]) = (0x46, 0xb9);
        packet[12..16].copy_from_slice(&[192, 0, 2, 1]);
        packet[16..20].copy_from_slice(&[192, 0, 2, 2]);
        packet.extend(b"esp");
        let received = strip_ipv4(&packet).unwrap();
        assert_eq!((&packet[received.esp.clone()], received.ecn), (&b"esp"[..], 1));
        assert_eq!(
            (received.remote, received.local),
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap())
        );
    }

    #[test]
    fn a_broken_ipv4_header_is_none() {
        let mut packet = [0u8; 28];
        for (first, len) in [(0x45, 19), (0x4f, 28), (0x44, 28), (0x65, 28), (0x45, 0)] {
            packet[0] = first;
            assert_eq!(strip_ipv4(&packet[..len]), None, "{first:#x} {len}");
        }
    }
}
