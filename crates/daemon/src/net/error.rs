//! What can go wrong between Handfast and the operating system, said in one sentence with what to do about it.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// An error of the network layer. Each `Display` is one sentence and tells what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// Another process holds the port.
    #[error(
        "UDP port {} on {} is in use: another IKE daemon? `ss -ulpn sport = :{}` shows which; stop it, or configure another port",
        .0.port(), .0.ip(), .0.port()
    )]
    PortInUse(SocketAddr),
    /// The address is not one of this host's.
    #[error("{0} is not an address of this host: `ip address` shows those it has; correct `local` or add the address")]
    NotLocal(IpAddr),
    /// The process lacks a capability.
    #[error("no permission to {what}: run as root, or grant {capability}")]
    NoPermission {
        /// What was attempted, as a verb phrase.
        what: String,
        /// The capabilities that would allow it.
        capability: &'static str,
    },
    /// The kernel has no TUN driver.
    #[error("/dev/net/tun does not exist or has no driver: load it with `modprobe tun`, or give it to this container")]
    NoTunDriver,
    /// Another process has opened the TUN device.
    #[error("the TUN device {0} is in use: another Handfast? stop it, or configure another device name")]
    TunInUse(String),
    /// The name cannot be a device's.
    #[error("\"{0}\" cannot name a network device: use 1 to 15 letters, digits, `-`, `_` or `.`")]
    BadDeviceName(String),
    /// No device has this name.
    #[error("there is no network device {0}: `ip link` shows those there are")]
    NoDevice(String),
    /// The host knows no way to an address.
    #[error("no route to {0}: `ip route get {0}` shows what the host knows; is the network up?")]
    NoRoute(IpAddr),
    /// A DNS name has no address.
    #[error("cannot resolve \"{name}\" ({source}): is the name right, and does DNS work here?")]
    Unresolved {
        /// The name asked for.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Something not foreseen above.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was attempted, as a verb phrase.
        what: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl NetError {
    /// Wraps a system error; a lack of permission becomes [`NetError::NoPermission`].
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        let what = what.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied => NetError::NoPermission {
                what,
                capability: "CAP_NET_ADMIN and CAP_NET_RAW",
            },
            _ => NetError::Io { what, source },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_to_do() {
        let text = NetError::PortInUse("0.0.0.0:500".parse().unwrap()).to_string();
        assert!(
            text.starts_with("UDP port 500 on 0.0.0.0 is in use: another IKE daemon?"),
            "{text}"
        );
        assert!(text.contains("`ss -ulpn"), "{text}");
        let text = NetError::io("open the TUN device", io::Error::from_raw_os_error(libc::EPERM)).to_string();
        assert_eq!(
            text,
            "no permission to open the TUN device: run as root, or grant CAP_NET_ADMIN and CAP_NET_RAW"
        );
    }
}
