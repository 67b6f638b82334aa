//! Routes into the tunnel: who enters it, who does not, and that nothing stays behind.
#![allow(clippy::unwrap_used)]

mod net_support;

use std::net::IpAddr;
use std::time::Duration;

use handfast::net::{Flow, RouteSettings, Routes, Tun, TunSettings, TunnelRoute, UdpConfig, UdpSet};
use handfast::net::{path_mtu, remove_leftovers, source_address};
use net_support::{Namespace, add_address, in_namespace, ip};

fn route(remote: &str, locals: &[&str], peer: Option<&str>) -> TunnelRoute {
    let locals = locals.iter().map(|local| local.parse().unwrap()).collect();
    TunnelRoute {
        remote: remote.parse().unwrap(),
        locals,
        peer: peer.map(|peer| peer.parse().unwrap()),
        flow: Flow::ANY,
    }
}

/// A host with `out` at 192.0.2.1 (and 2001:db8::1) towards a router and peer at .9 (and ::9), `lan` at 10.1.0.1.
struct Host {
    tun: Option<Tun>,
    peer: Namespace,
}

impl Host {
    fn new() -> Self {
        let peer = Namespace::new();
        peer.connect("out", "in");
        ip("addr add 192.0.2.1/24 dev out");
        add_address("2001:db8::1/64", "out");
        peer.connect("lan", "lan-end");
        ip("addr add 10.1.0.1/16 dev lan");
        ip("addr add fd01::1/64 dev lan nodad");
        ip("route add default via 192.0.2.9");
        ip("route add default via 2001:db8::9");
        peer.run(|| ["192.0.2.9/24", "2001:db8::9/64"].map(|a| add_address(a, "in")));
        Host {
            tun: Some(Tun::open(&TunSettings::default()).unwrap()),
            peer,
        }
    }

    async fn routes(&self) -> Routes {
        Routes::new(&RouteSettings::default(), "handfast0").await.unwrap()
    }
}

/// Device and source by which the host sends to `to`.
fn way(to: &str) -> String {
    let text = ip(&format!("route get {to}"));
    let word = |key: &str| {
        let mut words = text.split_whitespace().skip_while(|word| *word != key);
        words.nth(1).unwrap_or("-").to_owned()
    };
    format!("{} {}", word("dev"), word("src"))
}

/// All rules and all routes of the tunnel's tables.
fn state() -> String {
    let tables = ["18502", "18503", "18504"].map(|table| {
        ["-4", "-6"].map(|family| {
            let arguments = [family, "route", "show", "table", table];
            let output = std::process::Command::new("ip").args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    });
    format!("{}{}{}", ip("-4 rule"), ip("-6 rule"), tables.concat().concat())
}

const MARK: &str = "mark 0x48464846";

#[test]
fn a_default_route_takes_all_but_own_packets_and_neighbours() {
    in_namespace(|| async {
        let host = Host::new();
        let before = state();
        let mut routes = host.routes().await;
        let wanted = [
            route("0.0.0.0/0", &["10.1.0.0/16"], Some("192.0.2.9")),
            route("::/0", &["fd01::/64"], None),
        ];
        routes.apply(&wanted).await.unwrap();
        assert_eq!(way("198.51.100.1"), "handfast0 10.1.0.1");
        assert_eq!(way(&format!("198.51.100.1 {MARK}")), "out 192.0.2.1");
        assert_eq!(way("192.0.2.77"), "out 192.0.2.1");
        assert_eq!(way("10.1.7.7"), "lan 10.1.0.1");
        assert_eq!(way("127.0.0.1"), "lo 127.0.0.1");
        assert_eq!(way("2001:db8:99::1"), "handfast0 fd01::1");
        assert_eq!(way(&format!("2001:db8:99::1 {MARK}")), "out 2001:db8::1");
        assert_eq!(way("2001:db8::77"), "out 2001:db8::1");
        routes.clear().await.unwrap();
        assert_eq!(way("198.51.100.1"), "out 192.0.2.1");
        assert_eq!(state(), before);
    });
}

#[test]
fn marked_packets_leave_by_the_cable_and_unmarked_ones_enter_the_tunnel() {
    in_namespace(|| async {
        let host = Host::new();
        let mut routes = host.routes().await;
        // The subnet contains the peer itself.
        routes
            .apply(&[route("192.0.2.0/24", &["10.1.0.0/16"], Some("192.0.2.9"))])
            .await
            .unwrap();
        let there = host.peer.run(|| std::net::UdpSocket::bind("192.0.2.9:500").unwrap());
        there.set_read_timeout(Some(Duration::from_secs(5))).unwrap();

        let own = UdpSet::bind(&UdpConfig {
            ports: vec![500],
            ..UdpConfig::default()
        })
        .unwrap();
        let to = "192.0.2.9:500".parse().unwrap();
        own.send("192.0.2.1:500".parse().unwrap(), to, b"own").unwrap();
        let mut buf = [0; 2000];
        let (len, from) = there.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (&b"own"[..], "192.0.2.1:500".parse().unwrap()));

        let other = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
        other.send_to(b"other", to).await.unwrap();
        let (len, _) = host.tun.as_ref().unwrap().recv(&mut buf).await.unwrap();
        assert_eq!(
            (&buf[12..20], &buf[28..len]),
            (&[10, 1, 0, 1, 192, 0, 2, 9][..], &b"other"[..])
        );

        let mark = RouteSettings::default().mark;
        let peer: IpAddr = "192.0.2.9".parse().unwrap();
        assert_eq!(
            source_address(peer, mark).unwrap(),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
        assert_eq!(path_mtu(None, peer, mark).unwrap(), 1500);
        assert_eq!(source_address(peer, 0).unwrap(), "10.1.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(path_mtu(None, peer, 0).unwrap(), 1400);
    });
}

#[test]
fn specific_subnets_win_over_the_main_table_and_the_local_one_stays() {
    in_namespace(|| async {
        let host = Host::new();
        ip("route add 10.2.3.0/24 via 192.0.2.9");
        let mut routes = host.routes().await;
        routes
            .apply(&[route("10.0.0.0/8", &["10.1.0.0/16"], None)])
            .await
            .unwrap();
        assert_eq!(way("10.2.3.4"), "handfast0 10.1.0.1");
        assert_eq!(way("10.1.0.99"), "lan 10.1.0.1");
        assert_eq!(way("198.51.100.1"), "out 192.0.2.1");
        // No address of the host lies in the local selectors: the kernel chooses.
        routes
            .apply(&[route("10.2.0.0/16", &["172.16.0.0/12"], None)])
            .await
            .unwrap();
        assert!(way("10.2.3.4").starts_with("handfast0 "), "{}", way("10.2.3.4"));
        assert_eq!(way("10.9.0.1"), "out 192.0.2.1");
    });
}

#[test]
fn applying_changes_only_the_difference() {
    in_namespace(|| async {
        let host = Host::new();
        let before = state();
        let mut routes = host.routes().await;
        let (a, b) = (
            route("10.2.0.0/16", &["10.1.0.0/16"], None),
            route("fd02::/64", &["fd01::/64"], None),
        );
        routes.apply(std::slice::from_ref(&a)).await.unwrap();
        let only_a = state();
        routes.apply(&[a.clone(), b.clone()]).await.unwrap();
        let both = state();
        assert!(
            both.contains("10.2.0.0/16 dev handfast0") && both.contains("fd02::/64 dev handfast0"),
            "{both}"
        );
        routes.apply(&[b.clone(), a.clone()]).await.unwrap();
        assert_eq!(state(), both);
        // A source that has become wrong is replaced, in both families.
        ip("addr add 10.5.0.1/16 dev lan");
        ip("addr add fd05::1/64 dev lan nodad");
        let moved = [
            route("10.2.0.0/16", &["10.5.0.0/16"], None),
            route("fd02::/64", &["fd05::/64"], None),
        ];
        routes.apply(&moved).await.unwrap();
        assert_eq!(
            (way("10.2.0.1"), way("fd02::1")),
            ("handfast0 10.5.0.1".into(), "handfast0 fd05::1".into())
        );
        assert_eq!(state().matches("fd02::/64").count(), 1, "{}", state());
        // What others take away or break is repaired.
        ip("addr del 10.5.0.1/16 dev lan");
        ip("-6 route flush table 18502");
        ip("rule del priority 18502");
        routes.apply(&[a.clone(), b]).await.unwrap();
        assert_eq!(state(), both);
        routes.apply(&[a]).await.unwrap();
        assert_eq!(state(), only_a);
        routes.clear().await.unwrap();
        assert_eq!(state(), before);
    });
}

#[test]
fn what_a_killed_run_left_is_removed_and_nothing_else() {
    in_namespace(|| async {
        let mut host = Host::new();
        ip("rule add fwmark 5 lookup 77 priority 18400");
        ip("route add 10.99.0.0/16 dev lan table 77");
        ip("route add 10.98.0.0/16 dev lan table 18502 proto static");
        let before = state();
        let mut routes = host.routes().await;
        routes
            .apply(&[
                route("10.0.0.0/8", &["10.1.0.0/16"], None),
                route("::/0", &["fd01::/64"], None),
            ])
            .await
            .unwrap();
        // As after kill -9: the device is gone with its process, rules and throw routes are not.
        drop(routes);
        drop(host.tun.take());
        assert!(state().contains("throw 10.1.0.0/16"), "{}", state());
        assert!(state().contains("not from all fwmark 0x48464846"), "{}", state());
        // Another mark in the meantime must not hide them.
        let settings = RouteSettings {
            mark: 9,
            ..RouteSettings::default()
        };
        assert!(remove_leftovers(&settings).await.unwrap() >= 4);
        assert_eq!(state(), before);
        assert_eq!(remove_leftovers(&settings).await.unwrap(), 0);
        assert!(ip("route show table 77").contains("10.99.0.0/16"));
    });
}

#[test]
fn strict_reverse_path_filtering_is_loosened_where_the_peer_comes_in() {
    in_namespace(|| async {
        let host = Host::new();
        let file = |device: &str| format!("/proc/sys/net/ipv4/conf/{device}/rp_filter");
        let read = |device: &str| std::fs::read_to_string(file(device)).unwrap().trim().to_owned();
        for (device, value) in [("all", "0"), ("out", "1"), ("lan", "1")] {
            std::fs::write(file(device), value).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let settings = RouteSettings {
            state_file: Some(dir.path().join("state")),
            ..RouteSettings::default()
        };
        let mut routes = Routes::new(&settings, "handfast0").await.unwrap();
        let mut server = UdpSet::bind(&UdpConfig {
            ports: vec![500],
            ..UdpConfig::default()
        })
        .unwrap();
        let peer = &host.peer;
        let mut arrives = async |within| {
            peer.run(|| {
                let socket = std::net::UdpSocket::bind("192.0.2.9:0").unwrap();
                socket.send_to(b"hello", "192.0.2.1:500").unwrap();
            });
            tokio::time::timeout(Duration::from_millis(within), server.recv(&mut [0; 100]))
                .await
                .is_ok()
        };
        // Without knowing the peer nothing is loosened, and the peer is not heard.
        routes
            .apply(&[route("192.0.2.0/24", &["10.1.0.0/16"], None)])
            .await
            .unwrap();
        assert_eq!(read("out"), "1");
        assert!(!arrives(300).await);
        let wanted = [route("192.0.2.0/24", &["10.1.0.0/16"], Some("192.0.2.9"))];
        routes.apply(&wanted).await.unwrap();
        assert_eq!((read("out"), read("lan")), ("2".to_owned(), "1".to_owned()));
        // The peer repeats its unanswered ARP request after a second.
        assert!(arrives(5000).await);
        routes.clear().await.unwrap();
        assert_eq!(read("out"), "1");
        // A run that dies is put right by the next.
        routes.apply(&wanted).await.unwrap();
        drop(routes);
        remove_leftovers(&settings).await.unwrap();
        assert_eq!(read("out"), "1");
        assert!(!dir.path().join("state").exists());
    });
}

#[test]
fn an_unknown_device_is_named() {
    in_namespace(|| async {
        let error = Routes::new(&RouteSettings::default(), "nothing0").await.err().unwrap();
        assert!(error.to_string().contains("no network device nothing0"), "{error}");
    });
}

/// Packets of a flow enter the tunnel, those of others and our own do not, not even to the peer itself.
#[test]
fn flows_enter_the_tunnel_and_others_do_not() {
    in_namespace(|| async {
        let host = Host::new();
        let before = state();
        let mut routes = host.routes().await;
        let mut web = route("192.0.2.9/32", &["192.0.2.1/32"], Some("192.0.2.9"));
        web.flow = Flow {
            protocol: 6,
            remote_ports: (443, 444),
            ..Flow::ANY
        };
        let mut served = route("2001:db8::9/128", &["2001:db8::1/128"], None);
        served.flow = Flow {
            protocol: 17,
            local_ports: (53, 53),
            ..Flow::ANY
        };
        let wanted = [web, served, route("0.0.0.0/0", &["10.1.0.0/16"], None)];
        routes.apply(&wanted).await.unwrap();
        assert_eq!(way("192.0.2.9 ipproto tcp dport 443"), "handfast0 192.0.2.1");
        assert_eq!(way("192.0.2.9 ipproto tcp dport 445"), "out 192.0.2.1");
        assert_eq!(way("192.0.2.9 ipproto udp dport 443"), "out 192.0.2.1");
        assert_eq!(way(&format!("192.0.2.9 ipproto tcp dport 443 {MARK}")), "out 192.0.2.1");
        assert_eq!(way("198.51.100.1 ipproto tcp dport 443"), "handfast0 10.1.0.1");
        assert_eq!(way("2001:db8::9 ipproto udp sport 53"), "handfast0 2001:db8::1");
        assert_eq!(way("2001:db8::9 ipproto udp sport 54"), "out 2001:db8::1");
        // Again: nothing is added twice.
        let once = state();
        routes.apply(&wanted).await.unwrap();
        assert_eq!(state(), once);
        drop(routes);
        assert!(remove_leftovers(&RouteSettings::default()).await.unwrap() >= 8);
        assert_eq!(state(), before);
    });
}
