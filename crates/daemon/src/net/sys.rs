//! What needs `unsafe`: this is the one file of the daemon that the tidy check allows that.

#![allow(unsafe_code)]

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use socket2::Socket;
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
