//! IKEv1: how a connection with strongSwan ends and comes back; NAT between.

use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::{count, judge_first_times};

const SOON: Duration = Duration::from_secs(20);

fn office() -> Connection {
    Connection::new("aes128-sha256-ecp256", "aes128gcm16").v1()
}

#[test]
fn either_side_deletes_what_the_other_began() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let ours = Handfast::start(&lab, &a, &office().toml());
    let theirs = StrongSwan::start(&lab, &b, &office().flipped());
    ours.up("office");
    theirs.terminate("office");
    ours.wait_down("office", SOON);
    // start = "wait": it stays down, and the next one works.
    theirs.initiate("office");
    ours.wait_up("office", SOON);
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    ours.down("office");
    theirs.wait_down("office");
    assert!(theirs.log().contains("received DELETE for IKE_SA"), "{}", theirs.log());
}

#[test]
fn a_dead_peer_is_noticed_and_connected_again_when_it_is_back() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = office()
        .with("start = \"now\"")
        .with("liveness = \"1s\"")
        .with("retransmit_tries = 2")
        .with("retransmit_timeout = \"500ms\"");
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    let ours = Handfast::start(&lab, &a, &connection.toml());
    ours.wait_up("office", SOON);
    // While it lives, it answers.
    let probes = || theirs.log().matches("N(DPD_ACK)").count();
    ours.wait("two probes were answered", SOON, |_| probes() >= 2);
    theirs.kill();
    // Probe after 1 s, then 500 ms and its doubles.
    ours.wait_down("office", Duration::from_secs(10));
    assert!(ours.log().contains("R-U-THERE"), "{}", ours.log());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.wait_up("office", Duration::from_secs(60));
    theirs.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20);
}

#[test]
fn we_answer_the_peers_probes() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let ours = Handfast::start(&lab, &a, &office().toml());
    let theirs = StrongSwan::start(&lab, &b, &office().with_swanctl("dpd_delay = 1s").flipped());
    ours.up("office");
    let cookie = ours.sas("office")[0]["spi_i"].clone();
    let answered = || {
        let log = theirs.log();
        let lines = log.lines().filter(|line| line.contains("parsed INFORMATIONAL_V1"));
        lines.filter(|line| line.contains("N(DPD_ACK)")).count()
    };
    ours.wait("two probes of its were answered", SOON, |_| answered() >= 2);
    assert_eq!(ours.sas("office")[0]["spi_i"], cookie);
}

/// INITIAL-CONTACT: what we had with it before is gone.
#[test]
fn a_peer_that_was_restarted_begins_anew() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let ours = Handfast::start(&lab, &a, &office().toml());
    let theirs = StrongSwan::start(&lab, &b, &office().flipped());
    ours.up("office");
    let before = ours.sas("office")[0]["spi_i"].clone();
    theirs.kill();
    let theirs = StrongSwan::start(&lab, &b, &office().flipped());
    theirs.initiate("office");
    ours.wait("only the new SA is left", SOON, |ours| {
        let sas = ours.sas("office");
        sas.len() == 1 && sas[0]["spi_i"] != before && sas[0]["children"].as_array().is_some_and(|c| c.len() == 1)
    });
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    // And the other way about: the peer forgets what it had with us.
    ours.kill();
    let ours = Handfast::start(&lab, &a, &office().toml());
    ours.up("office");
    ours.wait("the peer has one SA", SOON, |_| {
        theirs
            .list_sas()
            .lines()
            .filter(|line| line.contains("ESTABLISHED"))
            .count()
            == 1
    });
    theirs.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
}

/// The first encrypted message leaves from port 4500, and all after it (RFC 3947 section 4).
#[test]
fn through_a_nat_as_initiator() {
    need!(Namespaces, StrongSwan, Nft, Tshark, Tcpdump);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = office();
    connection.local.address = "10.76.0.1".into();
    let mut other = connection.flipped();
    other.remote.address = "%any".into();
    let capture = Capture::of(&lab, &a, "to-r");
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &other);
    ours.up("office");
    theirs.wait_up("office");
    let sa = &ours.sas("office")[0];
    assert_eq!(sa["nat"]["local"], true, "{sa:#}");
    assert_eq!(sa["local"]["port"], 4500, "{sa:#}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20);
    assert_eq!(b.ping("10.78.2.1", "10.78.1.1", 10, "0.01"), 10);
    // The IP address of the NAT stays the same, and so does the SA, when quick mode comes from the peer.
    theirs.rekey_child_only("office");
    assert_eq!(
        a.ping("10.78.1.1", "10.78.2.1", 20, "0.1"),
        20,
        "{}\n{}",
        ours.log(),
        theirs.log()
    );
    ours.down("office");
    let file = capture.stop();
    let clear = count(&file, &ours.keylog_dir(), "udp.port == 500 && isakmp");
    let encrypted = count(&file, &ours.keylog_dir(), "udp.port == 500 && isakmp.flag_e == 1");
    assert_eq!((clear, encrypted), (4, 0), "messages on port 500");
    judge_first_times(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn a_responder_takes_a_peer_from_behind_a_nat() {
    need!(Namespaces, StrongSwan, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = office();
    connection.local.address = "10.76.0.1".into();
    let mut ours = connection.flipped();
    ours.remote.address = "any".into();
    let theirs = StrongSwan::start(&lab, &a, &connection);
    let ours = Handfast::start(&lab, &b, &ours.toml());
    theirs.initiate("office");
    ours.wait_up("office", SOON);
    let sa = &ours.sas("office")[0];
    assert_eq!(sa["remote"]["address"], "10.77.0.254", "{sa:#}");
    assert_eq!(sa["nat"]["remote"], true, "{sa:#}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20);
    // We reach it through its mapping.
    ours.rekey("office", false);
    assert_eq!(
        b.ping("10.78.2.1", "10.78.1.1", 20, "0.1"),
        20,
        "{}\n{}",
        ours.log(),
        theirs.log()
    );
}

/// Two Handfasts: protocol 50 where nothing is between, UDP where one insists; both modes of phase 1 and of ESP.
#[test]
fn two_handfasts_with_and_without_udp() {
    need!(Namespaces, Tshark, Tcpdump);
    let always = "udp_encapsulation = \"always\"";
    let base = || Connection::new("", "").v1();
    for (connection, in_udp) in [
        (base(), false),
        (base().with(always), true),
        (base().with("aggressive = true").with(always), true),
        (base().with("aggressive = true").transport(), false),
        (base().with(always).transport(), true),
    ] {
        let (lab, a, b) = Lab::pair();
        let capture = Capture::start(&lab, &a, &b);
        let left = Handfast::start(&lab, &a, &connection.toml());
        let right = Handfast::start(&lab, &b, &connection.flipped().toml());
        left.up("office");
        right.wait_up("office", SOON);
        let (from, to) = (&connection.local.host, &connection.remote.host);
        assert_eq!(a.ping(from, to, 20, "0.01"), 20, "{}\n{}", left.log(), right.log());
        right.rekey("office", false);
        left.rekey("office", true);
        assert_eq!(b.ping(to, from, 20, "0.1"), 20, "{}\n{}", left.log(), right.log());
        left.down("office");
        right.wait_down("office", SOON);
        let file = capture.stop();
        let [plain, udp] = ["esp", capture::ESP_IN_UDP].map(|filter| capture::count(&file, filter));
        assert_eq!(
            (plain >= 80, udp >= 80),
            (!in_udp, in_udp),
            "{plain} plain, {udp} in UDP"
        );
        judge_first_times(&file, &left.keylog_dir()).assert_good();
        // NAT-OA of both ends in messages 1 and 2 of each quick mode, for transport mode in UDP alone (RFC 3947 section 5.2).
        let quick = |more: &str| count(&file, &left.keylog_dir(), &format!("isakmp.exchangetype == 32{more}"));
        let field = "isakmp.ike.nat_original_address_ipv4";
        let original = quick(&format!(" && {field} == {from} && {field} == {to}"));
        let in_udp_transport = in_udp && *from == connection.local.address;
        let wanted = if in_udp_transport { quick("") / 3 * 2 } else { 0 };
        assert!(quick("") >= 6);
        assert_eq!((original, quick(&format!(" && {field}"))), (wanted, wanted));
    }
}
