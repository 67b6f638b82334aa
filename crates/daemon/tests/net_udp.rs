//! UDP sockets: addresses of both ends, in both directions.
#![allow(clippy::unwrap_used)]

mod net_support;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use handfast::net::{Burst, Datagram, NetError, UdpConfig, UdpSet};
use net_support::{Namespace, add_address, in_namespace};

fn config(addresses: &[&str], ports: &[u16]) -> UdpConfig {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    UdpConfig {
        addresses,
        ports: ports.to_vec(),
        ..UdpConfig::default()
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip_of(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_answer_leaves_from_the_address_that_was_asked() {
    let mut server = UdpSet::bind(&config(&["0.0.0.0"], &[0])).unwrap();
    let port = server.local_addrs()[0].port();
    for asked in ["127.0.0.1", "127.0.0.7"] {
        let client = UdpSocket::bind("127.0.0.3:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.send_to(b"question", (asked, port)).unwrap();
        let mut buf = [0; 100];
        let received = server.recv(&mut buf).await.unwrap();
        assert_eq!(received.local, SocketAddr::new(ip_of(asked), port));
        assert_eq!(received.remote, client.local_addr().unwrap());
        assert_eq!(&buf[..received.len], b"question");
        server.send(received.local, received.remote, b"answer").unwrap();
        let (len, from) = client.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (&b"answer"[..], received.local));
    }
    assert_eq!(
        server.try_recv(&mut [0; 10]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn several_sockets_wake_one_receiver() {
    let mut server = UdpSet::bind(&config(&["127.0.0.1", "127.0.0.2", "::1"], &[0, 0])).unwrap();
    let addresses = server.local_addrs();
    assert_eq!(addresses.len(), 6);
    let sender = tokio::spawn(async move {
        for to in addresses.into_iter().rev() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let from = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            UdpSocket::bind(from)
                .unwrap()
                .send_to(to.to_string().as_bytes(), to)
                .unwrap();
        }
    });
    let mut buf = [0; 100];
    for _ in 0..6 {
        let received = server.recv(&mut buf).await.unwrap();
        assert_eq!(&buf[..received.len], received.local.to_string().as_bytes());
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let mut server = UdpSet::bind(&config(&["127.0.0.1"], &[0])).unwrap();
    let client = UdpSet::bind(&config(&["127.0.0.1"], &[0])).unwrap();
    let (to, from) = (server.local_addrs()[0], client.local_addrs()[0]);
    // 20 datagrams of 700 octets and one shorter, by one call where the kernel can.
    let bytes: Vec<u8> = (0..14_100u32).map(|i| (i / 700) as u8).collect();
    assert!(client.max_segments() >= 21, "{}", client.max_segments());
    client.send_segments(from, to, &bytes, 700, 0).unwrap();
    client.send(from, to, b"").unwrap();
    let mut whole = Vec::new();
    for expected in std::iter::repeat_n(700, 20).chain([100, 0]) {
        server.readable().await.unwrap();
        let (received, datagram) = server.try_next().unwrap();
        assert_eq!((received.len, received.remote), (expected, from));
        whole.extend_from_slice(datagram);
    }
    assert_eq!(whole, bytes);
}

#[tokio::test]
async fn more_than_one_call_takes_arrives_with_its_ecn() {
    for host in ["127.0.0.1", "::1"] {
        let mut server = UdpSet::bind(&config(&[host], &[0])).unwrap();
        let client = UdpSet::bind(&config(&[host], &[0])).unwrap();
        let (to, from) = (server.local_addrs()[0], client.local_addrs()[0]);
        let bytes: Vec<u8> = (0..140_700u32).map(|i| (i / 1400) as u8).collect();
        client.send_segments(from, to, &bytes, 1400, 0xba).unwrap();
        client.send_segments(from, to, b"end", 1400, 0).unwrap();
        let (mut whole, mut burst) = (Vec::new(), Burst::default());
        while !whole.ends_with(b"end") {
            server.readable().await.unwrap();
            server.try_burst(&mut burst).unwrap();
            for (received, datagram) in burst.datagrams() {
                let expected = if datagram == b"end" {
                    (3, 0)
                } else {
                    (datagram.len(), 2)
                };
                assert_eq!((received.len, received.ecn), expected);
                assert!(received.len <= 1400);
                whole.extend_from_slice(datagram);
            }
        }
        assert_eq!(whole[..bytes.len()], bytes);
        assert_eq!(
            server.try_burst(&mut burst).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
    }
}

#[tokio::test]
async fn a_datagram_longer_than_the_buffer_is_cut() {
    let mut server = UdpSet::bind(&config(&["127.0.0.1"], &[0])).unwrap();
    let to = server.local_addrs()[0];
    server.send(to, to, b"0123456789").unwrap();
    let mut buf = [0; 4];
    assert_eq!(server.recv(&mut buf).await.unwrap().len, 4);
    assert_eq!(&buf, b"0123");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let error = UdpSet::bind(&config(&["127.0.0.1"], &[taken.port()])).err().unwrap();
    assert!(
        matches!(error, NetError::PortInUse(address) if address == taken),
        "{error}"
    );
    let error = UdpSet::bind(&config(&["192.0.2.200"], &[0])).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("192.0.2.200 is not an address of this host"),
        "{error}"
    );
}

#[tokio::test]
async fn no_socket_of_that_port_is_an_error() {
    let set = UdpSet::bind(&config(&["127.0.0.1"], &[0])).unwrap();
    let error = set
        .send(address("127.0.0.1:1"), address("127.0.0.1:9"), b"x")
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
    let local = set.local_addrs()[0];
    let error = set.send(local, address("[::1]:9"), b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
}

#[test]
fn both_families_on_the_well_known_ports_from_elsewhere() {
    in_namespace(|| async {
        let peer = Namespace::new();
        peer.connect("out", "in");
        for local in ["10.0.0.1/24", "10.0.0.2/24", "fd00::1/64", "fd00::2/64"] {
            add_address(local, "out");
        }
        peer.run(|| ["10.0.0.9/24", "fd00::9/64"].map(|a| add_address(a, "in")));
        let mut server = UdpSet::bind(&UdpConfig::default()).unwrap();
        let bound: Vec<String> = server.local_addrs().iter().map(ToString::to_string).collect();
        assert_eq!(bound, ["0.0.0.0:500", "[::]:500", "0.0.0.0:4500", "[::]:4500"]);
        for (from, to) in [
            ("10.0.0.9:0", "10.0.0.1:500"),
            ("10.0.0.9:0", "10.0.0.2:4500"),
            ("[fd00::9]:0", "[fd00::2]:500"),
            ("[fd00::9]:0", "[fd00::1]:4500"),
        ] {
            let client = peer.run(move || {
                let client = UdpSocket::bind(from).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                client.send_to(b"question", to).unwrap();
                client
            });
            let mut buf = [0; 100];
            let received = server.recv(&mut buf).await.unwrap();
            assert_eq!(
                (received.local, received.remote),
                (address(to), client.local_addr().unwrap())
            );
            // Larger than the path: it must be fragmented, not refused.
            server.send(received.local, received.remote, &[7; 4000]).unwrap();
            let mut answer = [0; 5000];
            let (len, source) = client.recv_from(&mut answer).unwrap();
            assert_eq!((len, source), (4000, address(to)));
        }
        // Two datagrams at once that do not fit the path, after one that does.
        let client = peer.run(|| UdpSocket::bind("10.0.0.9:7").unwrap());
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let local = address("10.0.0.2:4500");
        server
            .send_segments(local, address("10.0.0.9:7"), &[8; 3400], 1700, 0)
            .unwrap();
        for _ in 0..2 {
            assert_eq!(client.recv_from(&mut [0; 5000]).unwrap(), (1700, local));
        }
    });
}

/// From several addresses of ours, to several peers, of several sizes, in both families, more than one call takes; two
/// cannot leave, the first and one in the middle.
#[tokio::test]
async fn datagrams_to_many_leave_together_and_one_that_cannot_holds_none_up() {
    let set = UdpSet::bind(&config(&[], &[0])).unwrap();
    let ports: Vec<SocketAddr> = set.local_addrs();
    let port_of = |v4: bool| ports.iter().find(|a| a.is_ipv4() == v4).unwrap().port();
    let peers = ["127.0.0.3:0", "127.0.0.4:0", "[::1]:0"].map(|bound| {
        let peer = UdpSocket::bind(bound).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        peer
    });
    let to = peers.each_ref().map(|peer| peer.local_addr().unwrap());
    let ours = ["127.0.0.1", "127.0.0.7", "::1"].map(ip_of);
    let contents: Vec<Vec<u8>> = (0..200_usize).map(|n| vec![n as u8; 1 + 7 * n]).collect();
    let datagram = |n: usize| {
        let (mut remote, mut source) = (to[n % 3], ours[if n % 3 == 2 { 2 } else { n % 2 }]);
        if n == 0 {
            // Broadcast, which was not asked for.
            remote = address("255.255.255.255:9");
        }
        if n == 100 {
            source = ip_of("192.0.2.77");
        }
        let local = SocketAddr::new(source, port_of(remote.is_ipv4()));
        let octets = [if n.is_multiple_of(5) { &[0xa5; 4][..] } else { &[] }, &contents[n]];
        Datagram { local, remote, octets }
    };
    let mut failed = Vec::new();
    set.send_all((0..200).map(datagram), |number, error| {
        failed.push((number, error.kind()))
    });
    let numbers: Vec<usize> = failed.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 100], "{failed:?}");
    assert!(failed.iter().all(|(_, kind)| *kind != std::io::ErrorKind::WouldBlock));
    let mut buf = [0; 2000];
    for n in (0..200).filter(|n| !numbers.contains(n)) {
        let sent = datagram(n);
        let (len, from) = peers[n % 3].recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (&sent.octets.concat()[..], sent.local), "{n}");
    }
}

#[tokio::test]
async fn a_datagram_for_which_there_is_no_socket_fails_alone() {
    let set = UdpSet::bind(&config(&["127.0.0.1"], &[0])).unwrap();
    let local = set.local_addrs()[0];
    let peer = UdpSocket::bind("127.0.0.3:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let remotes = [address("[::1]:9"), peer.local_addr().unwrap()];
    let datagrams = remotes.map(|remote| Datagram {
        local,
        remote,
        octets: [b"ab", b"c"],
    });
    let mut failed = Vec::new();
    set.send_all(datagrams.into_iter(), |number, error| {
        failed.push((number, error.kind()))
    });
    assert_eq!(failed, [(0, std::io::ErrorKind::AddrNotAvailable)]);
    let mut buf = [0; 10];
    let (len, from) = peer.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..len], from), (&b"abc"[..], local));
}
