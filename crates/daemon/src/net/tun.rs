//! The TUN device: IP packets that the host routes into the tunnel are read here, those out of it written.

use std::io;
use std::path::Path;

use tun_rs::{AsyncDevice, DeviceBuilder};

use super::NetError;

/// Which device to open.
#[derive(Clone, Debug)]
pub struct TunSettings {
    /// Its name: 1 to 15 letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// The largest packet it takes. Below 1280 the kernel gives it no IPv6 (RFC 8200 section 5).
    pub mtu: u16,
}

impl Default for TunSettings {
    fn default() -> Self {
        TunSettings {
            name: "handfast0".to_owned(),
            mtu: 1400,
        }
    }
}

/// An open TUN device. It vanishes with this value, and so do the routes through it.
pub struct Tun {
    device: AsyncDevice,
    name: String,
}

impl Tun {
    /// Creates the device and brings it up; one of this name that someone made persistent is taken over. Must be called within a tokio runtime.
    pub fn open(settings: &TunSettings) -> Result<Self, NetError> {
        let name = settings.name.clone();
        if !is_device_name(&name) {
            return Err(NetError::BadDeviceName(name));
        }
        let builder = DeviceBuilder::new().name(&name).mtu(settings.mtu).enable(false);
        let device = builder.build_async().map_err(|e| open_error(&name, e))?;
        quiet(&name);
        device
            .enabled(true)
            .map_err(|e| NetError::io(format!("bring up {name}"), e))?;
        Ok(Tun { device, name })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes the largest packet it takes.
    pub fn set_mtu(&self, mtu: u16) -> Result<(), NetError> {
        self.device
            .set_mtu(mtu)
            .map_err(|e| NetError::io(format!("set the MTU of {} to {mtu}", self.name), e))
    }

    /// Reads one IP packet. Safe to drop before it completes.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.device.recv(buf).await
    }

    /// Reads one IP packet if one is there; otherwise `WouldBlock`.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.device.try_recv(buf)
    }

    /// Waits until [`try_recv`](Self::try_recv) may have a packet.
    pub async fn readable(&self) -> io::Result<()> {
        self.device.readable().await
    }

    /// Writes one IP packet.
    pub async fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.device.send(packet).await.map(drop)
    }

    /// Writes one IP packet; `WouldBlock` means that it was not taken.
    pub fn try_send(&self, packet: &[u8]) -> io::Result<()> {
        self.device.try_send(packet).map(drop)
    }
}

/// Whether a string may be a path component below /proc/sys and a device name.
pub(super) fn is_device_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn open_error(name: &str, error: io::Error) -> NetError {
    match error.raw_os_error() {
        Some(libc::EBUSY) => NetError::TunInUse(name.to_owned()),
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => NetError::NoTunDriver,
        _ if error.kind() == io::ErrorKind::PermissionDenied => NetError::NoPermission {
            what: format!("open the TUN device {name}"),
            capability: "CAP_NET_ADMIN and CAP_NET_RAW",
        },
        _ => NetError::io(format!("open the TUN device {name}"), error),
    }
}

/// Settings of the device itself, before it is up: no link-local address, and so no router solicitations into the
/// tunnel; replies from the tunnel are accepted whatever the main table says of their source (loose `rp_filter`).
fn quiet(name: &str) {
    for (file, value) in [
        (format!("/proc/sys/net/ipv6/conf/{name}/addr_gen_mode"), "1"),
        (format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "2"),
    ] {
        if Path::new(&file).exists()
            && let Err(error) = std::fs::write(&file, value)
        {
            tracing::debug!(%error, file, "cannot write a setting of the TUN device");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names() {
        for good in ["handfast0", "a", "tun-1_b.c", "fifteen-letters"] {
            assert!(is_device_name(good), "{good}");
        }
        for bad in ["", "sixteen-letters0", "../all", ".", "..", "a b", "a/b", "h%d"] {
            assert!(!is_device_name(bad), "{bad}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = |code| open_error("handfast0", io::Error::from_raw_os_error(code)).to_string();
        assert!(
            text(libc::EPERM).ends_with("run as root, or grant CAP_NET_ADMIN and CAP_NET_RAW"),
            "{}",
            text(libc::EPERM)
        );
        assert!(text(libc::EBUSY).contains("in use"));
        assert!(text(libc::ENOENT).contains("modprobe tun"));
    }
}
