//! The TUN device.
#![allow(clippy::unwrap_used)]

mod net_support;

use std::io::{Read, Write};
use std::time::Duration;

use handfast::net::{NetError, Tun, TunSettings};
use handfast_esp::tunnel::{Headers, Joined, Joiner, Split, complete_checksum};
use net_support::{Namespace, add_address, in_namespace, ip};
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
    for offload in [true, false] {
        both_ways(offload);
    }
}

fn both_ways(offload: bool) {
    in_namespace(move || async move {
        let settings = TunSettings {
            offload,
            ..TunSettings::default()
        };
        let tun = Tun::open(&settings).unwrap();
        assert_eq!(tun.offload(), offload);
        assert_eq!(tun.name(), "handfast0");
        ip("addr add 10.7.0.1/24 dev handfast0");
        let link = ip("link show handfast0");
        assert!(link.contains("mtu 1400") && link.contains("UP"), "{link}");
        tun.limit_frames().await.unwrap();
        assert_eq!(ip("-d link show handfast0").contains("gso_max_size 60000"), offload);
        tun.set_mtu(1300).unwrap();
        assert!(ip("link show handfast0").contains("mtu 1300"));

        let socket = UdpSocket::bind("10.7.0.1:1000").await.unwrap();
        socket.send_to(b"out", "10.7.0.9:2000").await.unwrap();
        let mut buf = [0; 2000];
        // No IPv6 chatter comes first: the device has no link-local address.
        let (len, _) = tun.recv(&mut buf).await.unwrap();
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
        tun.try_send(&udp_packet([10, 7, 0, 9], [10, 7, 0, 1], (2000, 1000), b"again"))
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
            ..TunSettings::default()
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
            ..TunSettings::default()
        })
        .err()
        .unwrap();
        assert!(error.to_string().contains("lo"), "{error}");
        assert!(
            Tun::open(&TunSettings {
                name: "../x".to_owned(),
                mtu: 1280,
                ..TunSettings::default()
            })
            .is_err()
        );
    });
}

/// What crosses from one device to the other, counted.
#[derive(Default)]
struct Crossed {
    /// Frames read that stood for several packets.
    split: usize,
    /// Frames written that stand for several packets.
    joined: usize,
    packets: usize,
}

/// Takes all frames of one device, makes packets of them, and gives them to the other, joined if it takes that.
fn cross(from: &Tun, to: &Tun, buf: &mut [u8], crossed: &mut Crossed) {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    while let Ok((len, offload)) = from.try_recv(buf) {
        let frame = &mut buf[..len];
        let headers = Headers::parse(frame).unwrap();
        let Some(segments) = offload.segments else {
            if let Some(partial) = offload.checksum {
                assert!(complete_checksum(frame, partial));
            }
            packets.push(frame.to_vec());
            continue;
        };
        crossed.split += 1;
        let split = Split::new(frame, &headers, segments).unwrap();
        packets.extend((0..split.count()).map(|index| {
            let mut packet = Vec::new();
            split.append(index, &mut packet);
            packet
        }));
    }
    crossed.packets += packets.len();
    let mut write = |joined: Joined<'_, '_>| {
        crossed.joined += usize::from(joined.offload.segments.is_some());
        to.try_send_joined(&joined).unwrap();
    };
    let mut joiner = Joiner::new(to.offload_udp());
    for packet in &packets {
        assert!(packet.len() <= 1400);
        if to.offload() {
            joiner.push(packet, &mut write);
        } else {
            write(Joined::alone(packet));
        }
    }
    joiner.flush(&mut write);
}

/// The host's TCP is the judge of every checksum, length and sequence number, with IPv4 and IPv6, and with a device that
/// takes single packets only.
#[test]
fn tcp_crosses_two_devices_whole() {
    for (addresses, offload_there) in [
        (["10.7.0.1", "10.7.0.2"], true),
        (["fd07::1", "fd07::2"], true),
        (["10.7.0.1", "10.7.0.2"], false),
    ] {
        in_namespace(move || async move {
            let peer = Namespace::new();
            let runtime = tokio::runtime::Handle::current();
            let here = Tun::open(&TunSettings::default()).unwrap();
            let there = peer.run(move || {
                let _runtime = runtime.enter();
                let settings = TunSettings {
                    offload: offload_there,
                    ..TunSettings::default()
                };
                Tun::open(&settings).unwrap()
            });
            let width = if addresses[0].contains(':') { "64" } else { "24" };
            add_address(&format!("{}/{width}", addresses[0]), "handfast0");
            let listener = peer.run(move || {
                add_address(&format!("{}/{width}", addresses[1]), "handfast0");
                std::net::TcpListener::bind((addresses[1], 5000)).unwrap()
            });
            let data: Vec<u8> = (0..3_000_000u32).map(|i| (i / 13) as u8).collect();
            let sent = data.clone();
            let sender = std::thread::spawn(move || {
                std::net::TcpStream::connect((addresses[1], 5000))
                    .unwrap()
                    .write_all(&sent)
                    .unwrap();
            });
            let receiver = std::thread::spawn(move || {
                let mut received = Vec::new();
                listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
                received
            });
            let mut buf = vec![0; 65_536];
            let (mut forth, mut back) = (Crossed::default(), Crossed::default());
            while !receiver.is_finished() {
                tokio::select! {
                    ready = here.readable() => ready.unwrap(),
                    ready = there.readable() => ready.unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
                cross(&here, &there, &mut buf, &mut forth);
                cross(&there, &here, &mut buf, &mut back);
            }
            sender.join().unwrap();
            assert!(receiver.join().unwrap() == data, "the data arrive whole");
            assert!(
                forth.packets > 2000 && forth.split > 0,
                "{} of {}",
                forth.split,
                forth.packets
            );
            assert_eq!(forth.joined > 0, offload_there);
        });
    }
}

/// Each datagram stays one.
#[test]
fn udp_datagrams_are_joined_and_arrive_one_by_one() {
    in_namespace(|| async {
        let tun = Tun::open(&TunSettings::default()).unwrap();
        if !tun.offload_udp() {
            eprintln!("SKIPPED: this kernel's TUN does not join UDP");
            return;
        }
        ip("addr add 10.7.0.1/24 dev handfast0");
        let socket = UdpSocket::bind("10.7.0.1:1000").await.unwrap();
        let packets: Vec<Vec<u8>> = [b"one", b"two", b"six"]
            .iter()
            .enumerate()
            .map(|(id, data)| {
                let mut packet = udp_packet([10, 7, 0, 9], [10, 7, 0, 1], (2000, 1000), *data);
                packet[5] = id as u8;
                packet[6] = 0x40;
                packet
            })
            .collect();
        let packets: Vec<Vec<u8>> = packets.into_iter().map(with_checksums).collect();
        // The runtime has not looked yet whether the device can be written to.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut frames = 0;
        let mut write = |joined: Joined<'_, '_>| {
            frames += 1;
            tun.try_send_joined(&joined).unwrap();
        };
        let mut joiner = Joiner::new(true);
        for packet in &packets {
            joiner.push(packet, &mut write);
        }
        joiner.flush(&mut write);
        assert_eq!(frames, 1);
        let mut buf = [0; 100];
        for expected in [b"one", b"two", b"six"] {
            let received = tokio::time::timeout(Duration::from_secs(5), socket.recv_from(&mut buf)).await;
            let (len, _) = received.unwrap().unwrap();
            assert_eq!(&buf[..len], expected);
        }
    });
}

/// Fills the checksums of IPv4 and UDP.
fn with_checksums(mut packet: Vec<u8>) -> Vec<u8> {
    let sum = |octets: &[u8]| {
        let words = octets
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |o| u32::from(*o)));
        let sum: u32 = words.sum();
        (sum & 0xffff) + (sum >> 16)
    };
    packet[10..12].fill(0);
    let ip = !(sum(&packet[..20]) as u16);
    packet[10..12].copy_from_slice(&ip.to_be_bytes());
    let len = (packet.len() - 20) as u32;
    let total = sum(&packet[20..]) + sum(&packet[12..20]) + 17 + len;
    let udp = !(((total & 0xffff) + (total >> 16)) as u16);
    packet[26..28].copy_from_slice(&udp.to_be_bytes());
    packet
}
