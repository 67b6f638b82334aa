//! The TUN device.
#![allow(clippy::unwrap_used)]

mod net_support;

use std::time::Duration;

use handfast::net::{NetError, Tun, TunSettings};
use net_support::{in_namespace, ip};
use tokio::net::UdpSocket;

/// An IPv4 UDP packet; a UDP checksum of zero is none (RFC 768).
fn udp_packet(source: [u8; 4], destination: [u8; 4], ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let total = u16::try_from(28 + data.len()).unwrap();
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet.extend(source.iter().chain(&destination));
    let sum: u32 = packet
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    for field in [ports.0, ports.1, total - 20, 0] {
        packet.extend(field.to_be_bytes());
    }
    packet.extend(data);
    packet
}

#[test]
fn packets_go_both_ways() {
    in_namespace(|| async {
        let tun = Tun::open(&TunSettings::default()).unwrap();
        assert_eq!(tun.name(), "handfast0");
        ip("addr add 10.7.0.1/24 dev handfast0");
        let link = ip("link show handfast0");
        assert!(link.contains("mtu 1400") && link.contains("UP"), "{link}");
        tun.set_mtu(1300).unwrap();
        assert!(ip("link show handfast0").contains("mtu 1300"));

        let socket = UdpSocket::bind("10.7.0.1:1000").await.unwrap();
        socket.send_to(b"out", "10.7.0.9:2000").await.unwrap();
        let mut buf = [0; 2000];
        // No IPv6 chatter comes first: the device has no link-local address.
        let len = tun.recv(&mut buf).await.unwrap();
        assert_eq!(
            (&buf[12..20], &buf[28..len]),
            (&[10, 7, 0, 1, 10, 7, 0, 9][..], &b"out"[..])
        );
        assert_eq!(
            tun.try_recv(&mut buf).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );

        tun.try_send(&udp_packet([10, 7, 0, 9], [10, 7, 0, 1], (2000, 1000), b"in"))
            .unwrap();
        tun.send(&udp_packet([10, 7, 0, 9], [10, 7, 0, 1], (2000, 1000), b"again"))
            .await
            .unwrap();
        for expected in [&b"in"[..], b"again"] {
            let received = tokio::time::timeout(Duration::from_secs(5), socket.recv_from(&mut buf))
                .await
                .unwrap();
            let (len, from) = received.unwrap();
            assert_eq!((&buf[..len], from), (expected, "10.7.0.9:2000".parse().unwrap()));
        }
        assert!(!ip("-6 addr show dev handfast0").contains("fe80"));
    });
}

#[test]
fn it_vanishes_and_is_nobody_elses() {
    in_namespace(|| async {
        let settings = TunSettings {
            name: "tun-x".to_owned(),
            mtu: 1280,
        };
        let tun = Tun::open(&settings).unwrap();
        let error = Tun::open(&settings).err().unwrap();
        assert!(matches!(&error, NetError::TunInUse(name) if name == "tun-x"), "{error}");
        drop(tun);
        // A child that another test forks just now holds the device until it executes its program.
        while ip("link show").contains("tun-x") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let again = Tun::open(&settings).unwrap();
        assert_eq!(again.name(), "tun-x");
        let error = Tun::open(&TunSettings {
            name: "lo".to_owned(),
            mtu: 1280,
        })
        .err()
        .unwrap();
        assert!(error.to_string().contains("lo"), "{error}");
        assert!(
            Tun::open(&TunSettings {
                name: "../x".to_owned(),
                mtu: 1280
            })
            .is_err()
        );
    });
}
