//! ESP as IP protocol 50.
#![allow(clippy::unwrap_used)]

mod net_support;

use std::net::IpAddr;

use handfast::net::{DEFAULT_MARK, RawEsp};
use net_support::{Namespace, in_namespace, ip};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn add_addresses() {
    for local in ["10.0.0.1/24", "10.0.0.2/24", "fd00::1/64", "fd00::2/64"] {
        ip(&format!("addr add {local} dev lo"));
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
            ip(&format!("addr add {local} dev out"));
        }
        peer.run(|| ["10.0.0.9/24", "fd00::9/64"].map(|a| ip(&format!("addr add {a} dev in"))));
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
