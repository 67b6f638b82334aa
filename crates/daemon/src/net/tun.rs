//! The TUN device: IP packets that the host routes into the tunnel are read here, those out of it written.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;

use handfast_esp::tunnel::{Joined, Offload};
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::link::LinkAttribute;
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::{NetError, vnet};

/// A frame of so many octets, sealed, is less than the 65,535 that leave by one system call (UDP_SEGMENT).
const FRAME_MAX: u32 = 60_000;

/// Which device to open.
#[derive(Clone, Debug)]
pub struct TunSettings {
    /// Its name: 1 to 15 letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// The largest packet it takes. Below 1280 the kernel gives it no IPv6 (RFC 8200 section 5).
    pub mtu: u16,
    /// Exchange frames that stand for several packets with the host, and leave checksums to each other, if the kernel
    /// can.
    pub offload: bool,
}

impl Default for TunSettings {
    fn default() -> Self {
        TunSettings {
            name: "handfast0".to_owned(),
            mtu: 1400,
            offload: true,
        }
    }
}

/// An open TUN device. It vanishes with this value, and so do the routes through it.
pub struct Tun {
    device: AsyncDevice,
    name: String,
    /// Each frame has a header (see [`vnet`]).
    offload: bool,
}

impl Tun {
    /// Creates the device and brings it up; one of this name that someone made persistent is taken over. Must be called within a tokio runtime.
    pub fn open(settings: &TunSettings) -> Result<Self, NetError> {
        let name = settings.name.clone();
        if !is_device_name(&name) {
            return Err(NetError::BadDeviceName(name));
        }
        let open = |offload| {
            let builder = DeviceBuilder::new().name(&name).mtu(settings.mtu).enable(false);
            let builder = builder.with(|device| {
                device.offload(offload);
            });
            builder.build_async()
        };
        let device = match open(settings.offload) {
            // What is amiss may be the offload: the error of the second attempt counts.
            Err(error) if settings.offload => {
                tracing::debug!(%error, name, "no TUN device with offload");
                open(false)
            }
            opened => opened,
        };
        let device = device.map_err(|e| open_error(&name, e))?;
        let offload = device.tcp_gso();
        quiet(&name);
        device
            .enabled(true)
            .map_err(|e| NetError::io(format!("bring up {name}"), e))?;
        Ok(Tun { device, name, offload })
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

    /// Whether frames can stand for several packets of TCP.
    pub fn offload(&self) -> bool {
        self.offload
    }

    /// Whether frames can stand for several packets of UDP too (Linux 6.2).
    pub fn offload_udp(&self) -> bool {
        self.device.udp_gso()
    }

    /// Asks the host for frames of at most `FRAME_MAX` octets. Without it all works, a little slower.
    pub async fn limit_frames(&self) -> Result<(), NetError> {
        if !self.offload {
            return Ok(());
        }
        let fail = |e: io::Error| NetError::io(format!("limit the frames of {}", self.name), e);
        let (connection, handle, _) = rtnetlink::new_connection().map_err(fail)?;
        let task = tokio::spawn(connection);
        let index = self.device.if_index().map_err(fail)?;
        let message = LinkUnspec::new_with_index(index)
            .append_extra_attribute(LinkAttribute::GsoMaxSize(FRAME_MAX))
            .build();
        let done = handle.link().set(message).execute().await;
        task.abort();
        done.map_err(|e| fail(io::Error::other(e)))
    }

    /// Reads one frame, for which `buf` should hold 65,535 octets. Safe to drop before it completes.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<(usize, Offload)> {
        loop {
            self.readable().await?;
            match self.try_recv(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Reads one frame if one is there; otherwise `WouldBlock`.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<(usize, Offload)> {
        if !self.offload {
            return Ok((self.device.try_recv(buf)?, Offload::default()));
        }
        let mut header = [0; vnet::LEN];
        let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(buf)];
        let len = self.device.try_recv_vectored(&mut parts)?;
        // A frame of a kind that was not asked for does not come; if it did it would be no packet.
        match vnet::read(&header) {
            Some(offload) => Ok((len.saturating_sub(vnet::LEN), offload)),
            None => Ok((0, Offload::default())),
        }
    }

    /// Waits until [`try_recv`](Self::try_recv) may have a frame.
    pub async fn readable(&self) -> io::Result<()> {
        self.device.readable().await
    }

    /// Writes one IP packet; `WouldBlock` means that it was not taken.
    pub fn try_send(&self, packet: &[u8]) -> io::Result<()> {
        self.try_send_joined(&Joined::alone(packet))
    }

    /// Writes a packet, or a frame that stands for several, which only a device with offload understands.
    pub fn try_send_joined(&self, joined: &Joined<'_, '_>) -> io::Result<()> {
        if !self.offload {
            return self.device.try_send(joined.head).map(drop);
        }
        let header = vnet::header(joined);
        let head = [IoSlice::new(&header), IoSlice::new(joined.head)];
        if joined.payloads.is_empty() {
            return self.device.try_send_vectored(&head).map(drop);
        }
        let payloads = joined.payloads.iter().map(|payload| IoSlice::new(payload));
        let parts: Vec<IoSlice<'_>> = head.into_iter().chain(payloads).collect();
        self.device.try_send_vectored(&parts).map(drop)
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
