//! UDP sockets for IKE and for ESP in UDP: every datagram comes with the local address it was sent to, and an answer can
//! leave from that address (RFC 7296 section 2.11: the responder answers from the address and port that was asked).
//!
//! `UDP_ENCAP` is never set: the kernel would take ESP and keepalives for its own IPsec.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sending::Sending;
use super::{DEFAULT_MARK, NetError, host, sys};
use burst::Filled;

pub use burst::Burst;

mod burst;

/// Datagrams taken from one socket by one system call.
const BATCH: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };
/// The largest UDP payload, which is also the most that the kernel joins into one buffer (GRO).
const BUFFER: usize = 65_535;
/// The most that the kernel takes at once: a packet of IPv6 with its headers.
const GSO_MAX: usize = 65_535 - 40 - 8;
/// Kernel buffer of each socket; the kernel grants what it may.
const SOCKET_BUFFER: usize = 4 << 20;

/// Which sockets to open.
#[derive(Clone, Debug)]
pub struct UdpConfig {
    /// Local addresses. Empty: every address of the host, IPv4 and (where the kernel has it) IPv6.
    pub addresses: Vec<IpAddr>,
    /// Ports, each opened on each address; 500 and 4500 unless configured otherwise. 0 lets the system choose.
    pub ports: Vec<u16>,
    /// The mark of the packets sent; 0 is none.
    pub mark: u32,
}

impl Default for UdpConfig {
    fn default() -> Self {
        UdpConfig {
            addresses: Vec::new(),
            ports: vec![500, 4500],
            mark: DEFAULT_MARK,
        }
    }
}

/// What one received datagram is, beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Where it was sent to: an address of this host and the socket's port.
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
    /// Its length in octets.
    pub len: usize,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
}

/// One datagram of several that are to be sent together.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// From where, as [`UdpSet::send`] has it.
    pub local: SocketAddr,
    /// Where to.
    pub remote: SocketAddr,
    /// Its octets, in two parts so that nobody must put them together.
    pub octets: [&'a [u8]; 2],
}

/// All UDP sockets of a daemon.
pub struct UdpSet {
    sockets: Vec<UdpSocket>,
    /// The socket that is asked first, so that a busy one does not silence the others.
    first: usize,
    /// Datagrams that were received and not handed out yet.
    burst: Burst,
}

struct UdpSocket {
    fd: AsyncFd<Socket>,
    state: UdpSocketState,
    bound: SocketAddr,
    /// Datagrams that the kernel makes of one buffer (UDP_SEGMENT); 1 where it cannot.
    max_segments: AtomicUsize,
}

impl UdpSet {
    /// Opens the sockets. Must be called within a tokio runtime.
    pub fn bind(config: &UdpConfig) -> Result<Self, NetError> {
        let wildcards = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let addresses = if config.addresses.is_empty() {
            &wildcards[..]
        } else {
            &config.addresses
        };
        let mut sockets = Vec::new();
        for port in &config.ports {
            for address in addresses {
                match UdpSocket::bind(SocketAddr::new(address.to_canonical(), *port), config.mark)? {
                    Some(socket) => sockets.push(socket),
                    None if config.addresses.is_empty() => tracing::info!("this kernel has no IPv6"),
                    None => return Err(NetError::NotLocal(*address)),
                }
            }
        }
        Ok(UdpSet {
            sockets,
            first: 0,
            burst: Burst::default(),
        })
    }

    /// The addresses and ports of the sockets; an unspecified address stands for all of its family.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|socket| socket.bound).collect()
    }

    /// Receives one datagram into `buf`, which should hold 65,535 octets; a longer datagram is cut.
    /// Safe to drop before it completes.
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        self.readable().await?;
        self.try_recv(buf)
    }

    /// Receives one datagram if one is there; otherwise `WouldBlock`.
    pub fn try_recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        let (mut received, bytes) = self.try_next()?;
        received.len = bytes.len().min(buf.len());
        buf[..received.len].copy_from_slice(&bytes[..received.len]);
        Ok(received)
    }

    /// The next datagram, in this set's own buffer (decrypt it in place); `WouldBlock` if there is none.
    pub fn try_next(&mut self) -> io::Result<(Received, &mut [u8])> {
        if self.burst.is_empty() {
            self.fill()?;
        }
        self.burst.take_next().ok_or(io::ErrorKind::WouldBlock.into())
    }

    /// Puts into `burst` the datagrams that wait, as many as one system call gives; `WouldBlock` if there are none.
    pub fn try_burst(&mut self, burst: &mut Burst) -> io::Result<()> {
        if self.burst.is_empty() {
            self.fill()?;
        }
        std::mem::swap(&mut self.burst, burst);
        // What was in the other one was taken, or is not wanted.
        self.burst.prepare(BATCH, BUFFER);
        Ok(())
    }

    /// Waits until [`try_next`](Self::try_next) has a datagram. Safe to drop before it completes.
    pub async fn readable(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Sends one datagram from `local`, which is one of [`local_addrs`](Self::local_addrs), or any address of this host
    /// with the port of a wildcard socket; an unspecified address lets the kernel choose.
    ///
    /// `WouldBlock` means that the kernel's queue is full: the datagram is lost, as it may be anywhere further on.
    pub fn send(&self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.socket_for(local, remote)?
            .sending(local, remote, 0)
            .one(bytes, None)
    }

    /// Sends datagrams, those of one socket by one system call, wherever they go. `failed` hears of each that does not
    /// leave, by its number; the others leave all the same. What [`send`](Self::send) says holds for each.
    pub fn send_all<'d>(
        &self,
        datagrams: impl Iterator<Item = Datagram<'d>>,
        mut failed: impl FnMut(usize, io::Error),
    ) {
        let mut by_socket: Vec<(Vec<usize>, Vec<sys::Leaving<'d>>)> = vec![Default::default(); self.sockets.len()];
        for (number, datagram) in datagrams.enumerate() {
            let Datagram { local, remote, octets } = datagram;
            let place = self.index_for(local, remote).and_then(|index| by_socket.get_mut(index));
            let Some((numbers, leaving)) = place else {
                failed(number, no_socket(local, remote));
                continue;
            };
            numbers.push(number);
            leaving.push(sys::Leaving {
                source: local.ip().to_canonical(),
                remote: canonical(remote),
                octets,
            });
        }
        for (socket, (numbers, leaving)) in self.sockets.iter().zip(&by_socket) {
            let mut sent = 0;
            while let Some(rest) = leaving.get(sent..).filter(|rest| !rest.is_empty()) {
                match sys::send_many(&socket.fd, rest) {
                    Ok(count) => sent += count.max(1),
                    Err(error) => {
                        // It is the first of the rest that does not leave.
                        if let Some(number) = numbers.get(sent) {
                            failed(*number, error);
                        }
                        sent += 1;
                    }
                }
            }
        }
    }

    /// Sends `bytes` as datagrams of `segment` octets each (the last one may be shorter), with this TOS or traffic class
    /// (0: none in particular), by as few system calls as the kernel can.
    pub fn send_segments(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        bytes: &[u8],
        segment: usize,
        tos: u8,
    ) -> io::Result<()> {
        let socket = self.socket_for(local, remote)?;
        let sending = socket.sending(local, remote, tos);
        if bytes.len() <= segment {
            return sending.one(bytes, None);
        }
        let Some((segment_size, at_once)) = socket.gso(segment) else {
            return sending.each(bytes, segment);
        };
        for some in bytes.chunks(at_once) {
            match sending.one(some, Some(segment_size)) {
                // The device cannot segment.
                Err(e) if e.raw_os_error() == Some(libc::EIO) => {
                    tracing::info!("UDP is sent packet by packet: the device does not segment it");
                    socket.max_segments.store(1, Ordering::Relaxed);
                    sending.each(some, segment)?;
                }
                // A segment is larger than the path MTU: IP fragments it.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE)) => {
                    sending.each(some, segment)?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// How many datagrams one system call can send.
    pub fn max_segments(&self) -> usize {
        let each = self
            .sockets
            .iter()
            .map(|socket| socket.max_segments.load(Ordering::Relaxed));
        each.min().unwrap_or(1)
    }

    fn socket_for(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<&UdpSocket> {
        let socket = self.index_for(local, remote).and_then(|index| self.sockets.get(index));
        socket.ok_or_else(|| no_socket(local, remote))
    }

    fn index_for(&self, local: SocketAddr, remote: SocketAddr) -> Option<usize> {
        let fits = |socket: &UdpSocket| {
            socket.bound.port() == local.port()
                && socket.bound.is_ipv4() == remote.ip().to_canonical().is_ipv4()
                && (socket.bound.ip().is_unspecified()
                    || local.ip().is_unspecified()
                    || socket.bound.ip() == local.ip().to_canonical())
        };
        let exact = |socket: &UdpSocket| fits(socket) && socket.bound.ip() == local.ip().to_canonical();
        let position = |which: &dyn Fn(&UdpSocket) -> bool| self.sockets.iter().position(which);
        position(&exact).or_else(|| position(&fits))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.burst.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // Each socket is asked until it says that it is empty: only then will it wake this task.
        for turn in 0..self.sockets.len() {
            let index = (self.first + turn) % self.sockets.len();
            while let Some(socket) = self.sockets.get(index) {
                let Poll::Ready(ready) = socket.fd.poll_read_ready(cx) else {
                    break;
                };
                let mut guard = ready?;
                match socket.fill(&mut self.burst) {
                    Ok(()) if !self.burst.is_empty() => {
                        self.first = index + 1;
                        return Poll::Ready(Ok(()));
                    }
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        Poll::Pending
    }

    /// Fills the buffers from the first socket that has something.
    fn fill(&mut self) -> io::Result<()> {
        for turn in 0..self.sockets.len() {
            let index = (self.first + turn) % self.sockets.len();
            let Some(socket) = self.sockets.get(index) else { break };
            match socket.fd.try_io(Interest::READABLE, |_| socket.fill(&mut self.burst)) {
                Ok(()) => {
                    self.first = index + 1;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl UdpSocket {
    /// `None` where the kernel does not have the address family.
    fn bind(address: SocketAddr, mark: u32) -> Result<Option<Self>, NetError> {
        let what = || format!("open UDP port {} on {}", address.port(), address.ip());
        let socket = match Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)) {
            Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) => return Ok(None),
            other => other.map_err(|e| NetError::io(what(), e))?,
        };
        if address.is_ipv6() {
            socket.set_only_v6(true).map_err(|e| NetError::io(what(), e))?;
        }
        socket.bind(&address.into()).map_err(|e| match e.kind() {
            io::ErrorKind::AddrInUse => NetError::PortInUse(address),
            io::ErrorKind::AddrNotAvailable => NetError::NotLocal(address.ip()),
            io::ErrorKind::PermissionDenied => NetError::NoPermission {
                what: what(),
                capability: "CAP_NET_BIND_SERVICE",
            },
            _ => NetError::io(what(), e),
        })?;
        host::set_mark(&socket, mark);
        host::set_buffers(&socket, SOCKET_BUFFER);
        let configure = || {
            let state = UdpSocketState::new((&socket).into())?;
            // quinn-udp forbids fragments; an IKE message may need them.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            sys::discover_path_mtu(&socket, address.is_ipv6())?;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            sys::no_timestamps(&socket)?;
            let bound = socket.local_addr()?.as_socket().unwrap_or(address);
            Ok((state, bound))
        };
        let (state, bound) = configure().map_err(|e| NetError::io(what(), e))?;
        let fd = sys::register(socket).map_err(|e| NetError::io(what(), e))?;
        let max_segments = AtomicUsize::new(state.max_gso_segments().max(1));
        Ok(Some(UdpSocket {
            fd,
            state,
            bound,
            max_segments,
        }))
    }

    /// Takes a batch from the kernel. `burst` must be empty: it is overwritten.
    fn fill(&self, burst: &mut Burst) -> io::Result<()> {
        let mut metas = [RecvMeta::default(); BATCH];
        burst.prepare(BATCH, BUFFER);
        let mut slices: Vec<IoSliceMut<'_>> = burst.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let count = self.state.recv(self.fd.get_ref().into(), &mut slices, &mut metas)?;
        for meta in metas.iter().take(count) {
            burst.push(Filled {
                local: self.local_of(meta),
                remote: canonical(meta.addr),
                len: meta.len,
                stride: meta.stride,
                ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
            });
        }
        Ok(())
    }

    fn local_of(&self, meta: &RecvMeta) -> SocketAddr {
        match meta.dst_ip.map_or(self.bound.ip(), |ip| ip.to_canonical()) {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                SocketAddrV6::new(ip, self.bound.port(), 0, meta.interface_index.unwrap_or(0)).into()
            }
            ip => SocketAddr::new(ip, self.bound.port()),
        }
    }

    fn sending(&self, local: SocketAddr, remote: SocketAddr, tos: u8) -> Sending {
        Sending {
            fd: self.fd.as_raw_fd(),
            source: local.ip().to_canonical(),
            remote: canonical(remote),
            tos,
        }
    }

    /// The size of a segment, and how many octets of such segments the kernel takes at once; `None` where it cannot.
    fn gso(&self, segment: usize) -> Option<(u16, usize)> {
        let segments = self.max_segments.load(Ordering::Relaxed).min(GSO_MAX / segment.max(1));
        let size = u16::try_from(segment).ok()?;
        (segments > 1).then_some((size, segments * segment))
    }
}

fn no_socket(local: SocketAddr, remote: SocketAddr) -> io::Error {
    io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("no socket to send from {local} to {remote}"),
    )
}

/// The address without the IPv4-in-IPv6 form.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}
