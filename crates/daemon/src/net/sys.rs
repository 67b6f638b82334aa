//! What needs `unsafe`: this is the one file of the daemon that the tidy check allows that.

#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Packets up to the known path MTU are sent with DF and so discover it (IPv4); larger ones the kernel fragments, since
/// an IKE message may be larger than any path and a peer need not support IKE fragmentation.
pub(super) fn discover_path_mtu(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_int(
            socket,
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_WANT,
        )?;
        set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)
    } else {
        set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT)
    }
}

/// No time of arrival with each datagram: quinn-udp asks for it, nobody reads it, and with it there is no room for the TOS.
pub(super) fn no_timestamps(socket: &impl AsFd) -> io::Result<()> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 0)
}

/// The path MTU of a connected socket.
pub(super) fn connected_path_mtu(socket: &impl AsFd, remote: IpAddr) -> io::Result<u32> {
    let mtu = match remote {
        IpAddr::V4(_) => get_int(socket, libc::IPPROTO_IP, libc::IP_MTU)?,
        IpAddr::V6(_) => get_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU)?,
    };
    u32::try_from(mtu).map_err(io::Error::other)
}

/// Registers a socket with the current runtime, to be read.
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns its descriptor, always returns the same one, and closes it only when the `AsyncFd` that
    // now owns it is dropped.
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(io::Error::from)
}

/// One datagram of several that leave by one system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving<'a> {
    /// From which address of this host; an unspecified one lets the kernel choose.
    pub source: IpAddr,
    /// Where to; in the family of the socket.
    pub remote: SocketAddr,
    /// Its octets, in two parts.
    pub octets: [&'a [u8]; 2],
}

/// Datagrams handed to the kernel at once.
const AT_ONCE: usize = 64;
/// Octets of a control message that names the source, in IPv6.
// SAFETY: it computes a size.
const SOURCE_SPACE: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as u32) } as usize;

/// Room for one control message, aligned as the kernel has it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; SOURCE_SPACE]);

/// Sends as many of these as one call takes, from wherever and to wherever each is to go: nix's sendmmsg has one list of
/// control messages for all, so that all would leave from one address. Returns how many it took; an error is that of the
/// first, and those after it were not tried.
pub(super) fn send_many(socket: &impl AsRawFd, datagrams: &[Leaving<'_>]) -> io::Result<usize> {
    let datagrams = datagrams.get(..AT_ONCE).unwrap_or(datagrams);
    let mut names: Vec<SockAddr> = datagrams.iter().map(|d| SockAddr::from(d.remote)).collect();
    let mut parts: Vec<[libc::iovec; 2]> = datagrams.iter().map(|d| d.octets.map(part)).collect();
    let mut controls = vec![Control([0; SOURCE_SPACE]); datagrams.len()];
    let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(datagrams.len());
    for (((datagram, name), parts), control) in datagrams.iter().zip(&mut names).zip(&mut parts).zip(&mut controls) {
        // SAFETY: all zeros is a valid header: no name, no parts, no control messages.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let fields = &mut header.msg_hdr;
        fields.msg_namelen = name.len();
        fields.msg_name = name.as_ptr().cast_mut().cast();
        fields.msg_iov = parts.as_mut_ptr();
        fields.msg_iovlen = parts.len() as _;
        name_source(fields, control, datagram.source);
        headers.push(header);
    }
    // SAFETY: each header points to a name, parts and a control message in the vectors above, which were not changed since
    // and outlive the call, and the parts to octets that are borrowed for longer; the kernel reads all of them and writes
    // only `msg_len` of the headers, of which there are as many as is said.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as _, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn part(octets: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: octets.as_ptr().cast_mut().cast(),
        iov_len: octets.len(),
    }
}

/// Writes the control message that names the source address, if one is wanted.
fn name_source(header: &mut libc::msghdr, control: &mut Control, source: IpAddr) {
    let (level, kind) = match source {
        source if source.is_unspecified() => return,
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
    };
    let size = match source {
        IpAddr::V4(_) => size_of::<libc::in_pktinfo>(),
        IpAddr::V6(_) => size_of::<libc::in6_pktinfo>(),
    } as u32;
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the macro computes a size.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(size) } as _;
    // SAFETY: `msg_control` is aligned and has room for one control message with the larger of both structures, whose
    // size `msg_controllen` is; so the first header is not null, and the data after it is ours to write.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        (*first).cmsg_level = level;
        (*first).cmsg_type = kind;
        (*first).cmsg_len = libc::CMSG_LEN(size) as _;
        match source {
            IpAddr::V4(source) => {
                let mut info: libc::in_pktinfo = std::mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(source.octets());
                libc::CMSG_DATA(first).cast::<libc::in_pktinfo>().write_unaligned(info);
            }
            IpAddr::V6(source) => {
                let mut info: libc::in6_pktinfo = std::mem::zeroed();
                info.ipi6_addr.s6_addr = source.octets();
                libc::CMSG_DATA(first).cast::<libc::in6_pktinfo>().write_unaligned(info);
            }
        }
    }
}

fn set_int(socket: &impl AsFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    let (pointer, size) = ((&raw const value).cast(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the descriptor is borrowed and so open; the pointer is to a C int of the given size, which the kernel
    // only reads, and which outlives the call.
    match unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, pointer, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn get_int(socket: &impl AsFd, level: i32, name: i32) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed and so open; the kernel writes at most `size` octets, the size of the C int
    // that the pointer is to, and the new size; both outlive the call.
    match unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut size,
        )
    } {
        0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}
