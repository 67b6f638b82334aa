//! ESP as IP protocol 50.
#![allow(clippy::unwrap_used)]

mod net_support;

use std::net::IpAddr;

use handfast::net::{DEFAULT_MARK, EspBurst, RawEsp};
use net_support::{Namespace, add_address, in_namespace};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn add_addresses() {
    for local in ["10.0.0.1/24", "10.0.0.2/24", "fd00::1/64", "fd00::2/64"] {
        add_address(local, "lo");
    }
}

const PAIRS: [(&str, &str); 4] = [
    ("10.0.0.1", "10.0.0.2"),
    ("10.0.0.2", "10.0.0.1"),
    ("fd00::1", "fd00::2"),
    ("fd00::2", "fd00::1"),
];

#[test]
fn what_is_sent_arrives_with_both_addresses() {
    in_namespace(|| async {
        add_addresses();
        let mut raw = RawEsp::bind(&[], DEFAULT_MARK).unwrap();
        let mut buf = vec![0; 65_535];
        for (local, remote) in PAIRS {
            for len in [8, 1400, 9000] {
                let esp: Vec<u8> = (0..len).map(|i: usize| i as u8).collect();
                raw.send(address(local), address(remote), &esp).unwrap();
                let received = raw.recv(&mut buf).await.unwrap();
                assert_eq!((received.local, received.remote), (address(remote), address(local)));
                assert_eq!(buf[received.esp], esp);
            }
        }
        assert_eq!(
            raw.try_recv(&mut buf).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
    });
}

#[test]
fn only_configured_addresses_are_served() {
    in_namespace(|| async {
        add_addresses();
        let mut raw = RawEsp::bind(&[address("10.0.0.2"), address("fd00::2")], DEFAULT_MARK).unwrap();
        for (local, remote) in PAIRS {
            raw.send(address(local), address(remote), local.as_bytes()).unwrap();
        }
        let mut buf = vec![0; 65_535];
        for _ in 0..2 {
            let received = raw.recv(&mut buf).await.unwrap();
            assert!(
                [address("10.0.0.2"), address("fd00::2")].contains(&received.local),
                "{received:?}"
            );
            assert_eq!(
                address(std::str::from_utf8(&buf[received.esp]).unwrap()),
                received.remote
            );
        }
        assert_eq!(
            raw.try_recv(&mut buf).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
    });
}

#[test]
fn larger_than_the_path_is_fragmented_and_reassembled() {
    in_namespace(|| async {
        let peer = Namespace::new();
        peer.connect("out", "in");
        for local in ["10.0.0.1/24", "fd00::1/64"] {
            add_address(local, "out");
        }
        peer.run(|| ["10.0.0.9/24", "fd00::9/64"].map(|a| add_address(a, "in")));
        let here = RawEsp::bind(&[], DEFAULT_MARK).unwrap();
        for (local, remote) in [("10.0.0.1", "10.0.0.9"), ("fd00::1", "fd00::9")] {
            let (ready, is_ready) = std::sync::mpsc::channel();
            let (tell, told) = std::sync::mpsc::channel();
            // The other thread's runtime must have its socket open before the packet is sent.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    peer.run(move || {
                        let runtime = tokio::runtime::Builder::new_current_thread()
                            .enable_all()
                            .build()
                            .unwrap();
                        runtime.block_on(async {
                            let mut there = RawEsp::bind(&[], DEFAULT_MARK).unwrap();
                            ready.send(()).unwrap();
                            let mut buf = vec![0; 65_535];
                            let received = there.recv(&mut buf).await.unwrap();
                            tell.send((received.local, received.remote, buf[received.esp].to_vec()))
                                .unwrap();
                        });
                    });
                });
                is_ready.recv().unwrap();
                here.send(address(local), address(remote), &[5; 4000]).unwrap();
                let received = told.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
                assert_eq!(received, (address(remote), address(local), vec![5; 4000]));
            });
        }
    });
}

#[test]
fn several_leave_at_once_and_arrive_together() {
    in_namespace(|| async {
        add_addresses();
        let mut raw = RawEsp::bind(&[], DEFAULT_MARK).unwrap();
        let mut burst = EspBurst::default();
        for (local, remote) in PAIRS {
            // 150 packets of 700 octets and one shorter: more than one system call takes.
            let esp: Vec<u8> = (0..105_100u32).map(|i| (i / 700) as u8).collect();
            raw.send_each(address(local), address(remote), &esp, 700, 0xb9).unwrap();
            let mut received = Vec::new();
            while received.len() < 151 {
                raw.readable().await.unwrap();
                // Ready does not mean that there is one left.
                if raw.try_burst(&mut burst).is_ok() {
                    received.extend(burst.packets().map(|(from, packet)| {
                        assert_eq!(
                            (from.local, from.remote, from.ecn),
                            (address(remote), address(local), 1)
                        );
                        packet.to_vec()
                    }));
                }
            }
            let expected: Vec<_> = esp.chunks(700).map(<[u8]>::to_vec).collect();
            assert_eq!(received, expected);
            assert_eq!(
                raw.try_burst(&mut burst).unwrap_err().kind(),
                std::io::ErrorKind::WouldBlock
            );
        }
    });
}
