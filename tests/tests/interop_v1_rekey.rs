//! IKEv1: both phases are replaced, from either side, while packets flow at ten a second; several subnets, and several quick
//! modes at once, under one phase 1.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::process::until;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_first_times;

const SOON: Duration = Duration::from_secs(20);
const PINGS: u32 = 120;

fn children(ours: &Handfast, name: &str) -> Vec<String> {
    let sas = ours.sas(name);
    let children = sas
        .iter()
        .flat_map(|sa| sa["children"].as_array().cloned().unwrap_or_default());
    let there = children.filter(|c| c["state"] == "installed");
    there.map(|c| c["spi_in"].to_string()).collect()
}

fn cookies(ours: &Handfast, name: &str) -> Vec<String> {
    ours.sas(name).iter().map(|sa| sa["spi_i"].to_string()).collect()
}

/// 12 seconds of pings through a tunnel while `work` is at work; none is lost.
fn without_loss(from: &Namespace, tunnel: &Connection, work: impl FnOnce() + Send, logs: impl Fn() -> String) {
    let received = std::thread::scope(|scope| {
        let pings = scope.spawn(|| from.ping(&tunnel.local.host, &tunnel.remote.host, PINGS, "0.1"));
        work();
        pings.join().expect("the pings run")
    });
    assert_eq!(received, PINGS, "{}: {}\n{}", tunnel.name, tunnel.esp, logs());
}

/// One of each phase, twice, by whoever `child` and `ike` are.
fn replaced_twice(ours: &Handfast, name: &str, child: impl Fn(&str), ike: impl Fn(&str)) {
    for _ in 0..2 {
        let before = children(ours, name);
        child(name);
        ours.wait("the child is replaced", SOON, |ours| {
            let now = children(ours, name);
            now.len() == 1 && now != before
        });
        let before = cookies(ours, name);
        ike(name);
        ours.wait(
            "the ISAKMP SA is replaced, and the child lives on under the new one",
            SOON,
            |ours| {
                let now = cookies(ours, name);
                now.len() == 1 && now != before
            },
        );
    }
}

#[test]
fn of_each_phase_from_either_side_without_a_lost_ping() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let ike = "aes128-sha256-ecp256";
    // By command, by the clock; the peer began the last.
    let tunnels = [
        Connection::nth(3, ike, "aes128gcm16").v1(),
        Connection::nth(4, ike, "aes128-sha256-ecp256").v1(),
        Connection::nth(5, ike, "aes256gcm16-ecp256")
            .v1()
            .with("rekey = \"2s\"")
            .with("ike_rekey = \"3s\""),
        Connection::nth(6, ike, "aes128gcm16-ecp256").v1(),
    ];
    tunnels.iter().for_each(|tunnel| lab.add(&a, &b, tunnel));
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &tunnels.iter().map(Connection::toml).collect::<String>());
    let flipped: Vec<Connection> = tunnels.iter().map(Connection::flipped).collect();
    let theirs = StrongSwan::start_all(&lab, &b, &flipped);
    let [by_them, by_us, by_the_clock, begun_by_them] = &tunnels;
    for tunnel in [by_them, by_us, by_the_clock] {
        ours.up(&tunnel.name);
        theirs.wait_up(&tunnel.name);
    }
    theirs.initiate(&begun_by_them.name);
    ours.wait_up(&begun_by_them.name, SOON);
    let logs = || format!("{}\n{}", ours.log(), theirs.log());
    let (they_child, they_ike) = (|n: &str| theirs.rekey_child_only(n), |n: &str| theirs.rekey_ike_only(n));
    let (we_child, we_ike) = (|n: &str| ours.rekey(n, false), |n: &str| ours.rekey(n, true));
    std::thread::scope(|scope| {
        let parts = [
            scope.spawn(|| {
                let work = || replaced_twice(&ours, &by_them.name, they_child, they_ike);
                without_loss(&a, by_them, work, logs);
            }),
            scope.spawn(|| {
                let work = || replaced_twice(&ours, &by_us.name, we_child, we_ike);
                without_loss(&a, by_us, work, logs);
            }),
            scope.spawn(|| without_loss(&a, by_the_clock, || (), logs)),
            scope.spawn(|| {
                let work = || replaced_twice(&ours, &begun_by_them.name, we_child, they_ike);
                without_loss(&a, begun_by_them, work, logs);
            }),
        ];
        parts.into_iter().for_each(|part| part.join().expect("no ping is lost"));
    });
    let log = ours.log();
    let of_clock = |what: &str| {
        let lines = log.lines().filter(|line| line.contains(what));
        lines
            .filter(|line| line.contains(&format!("connection=\"{}\"", by_the_clock.name)))
            .count()
    };
    assert!(of_clock("child SA rekeyed") >= 3, "{log}");
    assert!(of_clock("IKE SA rekeyed") >= 2, "{log}");
    judge_first_times(&capture.stop(), &ours.keylog_dir()).assert_good();
}

/// Three subnets there, one here: three quick modes under one phase 1, ours at once or the peer's one after the other.
#[test]
fn three_subnets_under_one_phase_1() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    for we_begin in [true, false] {
        let (lab, a, b) = Lab::pair();
        let subnets = ["10.78.2.0/24", "10.78.3.0/24", "10.78.4.0/24"];
        b.own("10.78.3.1/32");
        b.own("10.78.4.1/32");
        let ours = Connection::new("aes128-sha256-ecp256", "aes128gcm16-ecp256").v1();
        let list = subnets.map(|s| format!("\"{s}\"")).join(", ");
        let toml = ours.toml().replace("\"10.78.2.0/24\"", &format!("[{list}]"));
        // strongSwan has a child for each pair, as IKEv1 has one pair in a quick mode.
        let mut theirs = ours.flipped();
        let more = ["10.78.3.0/24", "10.78.4.0/24"].iter().enumerate().map(|(n, subnet)| {
            format!(
                "}}\nmore{n} {{\nlocal_ts = {subnet}\nremote_ts = 10.78.1.0/24\nesp_proposals = {}",
                theirs.esp
            )
        });
        theirs.swanctl_child = more.collect();
        let capture = Capture::start(&lab, &a, &b);
        let ours = Handfast::start(&lab, &a, &toml);
        let theirs = StrongSwan::start(&lab, &b, &theirs);
        if we_begin {
            ours.up("office");
        } else {
            ["office", "more0", "more1"]
                .iter()
                .for_each(|child| theirs.initiate(child));
        }
        ours.wait("three children are up", SOON, |ours| {
            children(ours, "office").len() == 3
        });
        theirs.wait_children(3);
        assert_eq!(cookies(&ours, "office").len(), 1, "one phase 1: {:#}", ours.status());
        for to in ["10.78.2.1", "10.78.3.1", "10.78.4.1"] {
            assert_eq!(
                a.ping("10.78.1.1", to, 10, "0.01"),
                10,
                "{to}\n{}\n{}",
                ours.log(),
                theirs.log()
            );
        }
        // All at once, and each is replaced by one for the same traffic.
        let before = children(&ours, "office");
        ours.rekey("office", false);
        ours.wait("all three are replaced", SOON, |ours| {
            let now = children(ours, "office");
            now.len() == 3 && now.iter().all(|spi| !before.contains(spi))
        });
        theirs.wait_children(3);
        for to in ["10.78.2.1", "10.78.3.1", "10.78.4.1"] {
            assert_eq!(
                a.ping("10.78.1.1", to, 10, "0.01"),
                10,
                "{to}\n{}\n{}",
                ours.log(),
                theirs.log()
            );
        }
        ours.down("office");
        judge_first_times(&capture.stop(), &ours.keylog_dir()).assert_good();
    }
}

/// Both sides replace the child at once, twice: one pair is left in use, and no ping is lost on the way there.
#[test]
fn by_both_at_once() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let tunnel = Connection::new("aes128-sha256-ecp256", "aes128gcm16-ecp256").v1();
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &tunnel.toml());
    let theirs = StrongSwan::start(&lab, &b, &tunnel.flipped());
    ours.up("office");
    theirs.wait_up("office");
    let logs = || format!("{}\n{}", ours.log(), theirs.log());
    let asked = || theirs.log().matches("vici rekey CHILD_SA").count();
    let work = || {
        for round in 1..=2 {
            let before = children(&ours, "office");
            // We hear of the peer's request when we are to make ours, and it of ours when its own is on its way.
            std::thread::scope(|scope| {
                ours.paused(|| {
                    scope.spawn(|| ours.rekey("office", false));
                    theirs.rekey_child_only("office");
                    until("the peer has asked", SOON, || asked() == round);
                    std::thread::sleep(Duration::from_millis(200));
                });
            });
            ours.wait("one new pair is left", SOON, |ours| {
                let now = children(ours, "office");
                now.len() == 1 && now != before
            });
            // Each deletes the pairs that its own has replaced. While there is another pair charon does not ask again.
            theirs.wait_children(1);
        }
    };
    without_loss(&a, &tunnel, work, logs);
    // The first pair, and two at each time: both sides did ask.
    assert_eq!(ours.log().matches("child SA established").count(), 5, "{}", logs());
    ours.down("office");
    theirs.wait_down("office");
    judge_first_times(&capture.stop(), &ours.keylog_dir()).assert_good();
}

/// Both sides replace phase 1 at once, twice: one ISAKMP SA with the child is left, and no ping is lost on the way there.
#[test]
fn of_phase_1_by_both_at_once() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let tunnel = Connection::new("aes128-sha256-ecp256", "aes128gcm16").v1();
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &tunnel.toml());
    let theirs = StrongSwan::start(&lab, &b, &tunnel.flipped());
    ours.up("office");
    theirs.wait_up("office");
    let logs = || format!("{}\n{}", ours.log(), theirs.log());
    let work = || {
        for _ in 0..2 {
            let before = cookies(&ours, "office");
            std::thread::scope(|scope| {
                scope.spawn(|| theirs.rekey_ike_only("office"));
                scope.spawn(|| ours.rekey("office", true));
            });
            std::thread::sleep(Duration::from_secs(1));
            ours.wait("one new ISAKMP SA is left, with one child", SOON, |ours| {
                let now = cookies(ours, "office");
                now.len() == 1 && now != before && children(ours, "office").len() == 1
            });
        }
    };
    without_loss(&a, &tunnel, work, logs);
    assert!(ours.is_up("office") && theirs.is_up("office"), "{}", logs());
    // The first, and two at each time: both sides did ask.
    assert!(ours.log().matches("IKE SA established").count() >= 5, "{}", logs());
    ours.down("office");
    theirs.wait_down("office");
    judge_first_times(&capture.stop(), &ours.keylog_dir()).assert_good();
}
