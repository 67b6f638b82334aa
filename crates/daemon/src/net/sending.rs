//! Datagrams to one place, many by one system call where the kernel can.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sendmsg};

/// Datagrams handed to the kernel at once (sendmmsg).
const AT_ONCE: usize = 64;

/// How datagrams leave a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// The socket.
    pub fd: RawFd,
    /// From which address of this host; an unspecified one lets the kernel choose.
    pub source: IpAddr,
    /// Where to; in the family of the socket.
    pub remote: SocketAddr,
    /// TOS or traffic class; 0 is the socket's own.
    pub tos: u8,
}

impl Sending {
    /// Sends one datagram; with `segment` it is one for each so many octets (UDP_SEGMENT).
    pub fn one(&self, octets: &[u8], segment: Option<u16>) -> io::Result<()> {
        let to = SockaddrStorage::from(self.remote);
        self.with_controls(segment.as_ref(), |controls| {
            sendmsg(self.fd, &[IoSlice::new(octets)], controls, MsgFlags::empty(), Some(&to))?;
            Ok(())
        })
    }

    /// Sends datagrams of `segment` octets each, the last one maybe shorter. An error ends it.
    pub fn each(&self, octets: &[u8], segment: usize) -> io::Result<()> {
        let segment = segment.max(1);
        if octets.len() <= segment {
            return self.one(octets, None);
        }
        octets
            .chunks(segment.saturating_mul(AT_ONCE))
            .try_for_each(|some| self.at_once(some, segment))
    }

    fn at_once(&self, octets: &[u8], segment: usize) -> io::Result<()> {
        let datagrams: Vec<_> = octets
            .chunks(segment)
            .map(|datagram| [IoSlice::new(datagram)])
            .collect();
        let to = [Some(SockaddrStorage::from(self.remote)); AT_ONCE];
        self.with_controls(None, |controls| {
            let mut rest = datagrams.as_slice();
            while !rest.is_empty() {
                // The kernel reads exactly as much of control messages as there is room for.
                let room = Some(Vec::with_capacity(controls.iter().map(space).sum()));
                let mut headers = MultiHeaders::preallocate(rest.len(), room);
                let sent = sendmmsg(self.fd, &mut headers, rest, to, controls, MsgFlags::empty())?.count();
                rest = rest.get(sent.max(1)..).unwrap_or_default();
            }
            Ok(())
        })
    }

    /// Calls with the control messages that say how.
    fn with_controls(
        &self,
        segment: Option<&u16>,
        send: impl FnOnce(&[ControlMessage<'_>]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (info4, info6);
        let tos6 = i32::from(self.tos);
        let source = match self.source {
            source if source.is_unspecified() => None,
            IpAddr::V4(source) => {
                info4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(source.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                Some(ControlMessage::Ipv4PacketInfo(&info4))
            }
            IpAddr::V6(source) => {
                info6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: source.octets(),
                    },
                    ipi6_ifindex: 0,
                };
                Some(ControlMessage::Ipv6PacketInfo(&info6))
            }
        };
        let tos = (self.tos != 0).then_some(match self.remote {
            SocketAddr::V4(_) => ControlMessage::Ipv4Tos(&self.tos),
            SocketAddr::V6(_) => ControlMessage::Ipv6TClass(&tos6),
        });
        let segment = segment.map(ControlMessage::UdpGsoSegments);
        let all = [source, tos, segment];
        let mut controls = all.iter().flatten().copied();
        let none = ControlMessage::ScmRights(&[]);
        let list = [(); 3].map(|()| controls.next().unwrap_or(none));
        send(list.get(..all.iter().flatten().count()).unwrap_or_default())
    }
}

/// Octets that a control message takes.
fn space(control: &ControlMessage<'_>) -> usize {
    match control {
        ControlMessage::Ipv4PacketInfo(_) => nix::cmsg_space!(libc::in_pktinfo),
        ControlMessage::Ipv6PacketInfo(_) => nix::cmsg_space!(libc::in6_pktinfo),
        ControlMessage::Ipv4Tos(_) => nix::cmsg_space!(u8),
        ControlMessage::Ipv6TClass(_) => nix::cmsg_space!(i32),
        ControlMessage::UdpGsoSegments(_) => nix::cmsg_space!(u16),
        _ => Vec::new(),
    }
    .capacity()
}
