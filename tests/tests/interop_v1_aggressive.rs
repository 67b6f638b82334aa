//! IKEv1 aggressive mode with strongSwan: the peer is known by its name, whatever its address, so several behind one NAT can
//! have secrets of their own; and what does not fit is explained.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);
const ALLOWED: &str = "i_dont_care_about_security_and_use_aggressive_mode_psk = yes";

fn aggressive(connection: Connection) -> Connection {
    connection
        .v1()
        .with("aggressive = true")
        .with("retransmit_timeout = \"500ms\"")
        .with("retransmit_tries = 2")
        .with_swanctl("aggressive = yes")
}

/// Two connections for peers from anywhere, each with a secret of its own: main mode could not tell them apart.
#[test]
fn the_name_tells_peers_from_anywhere_apart() {
    need!(Namespaces, StrongSwan, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut theirs = aggressive(Connection::new("aes256-sha256-ecp256", "aes128gcm16"));
    theirs.local.address = "10.76.0.1".into();
    let mut ours = theirs.flipped();
    ours.remote.address = "any".into();
    // The first that fits by address is somebody else's.
    let mut other = ours.clone();
    other.name = "another".into();
    other.remote.id = "another.test".into();
    other.remote.subnet = "10.90.0.0/16".into();
    other.secret = "another peer's secret".into();
    let daemon = Handfast::start(&lab, &b, &format!("{}{}", other.toml(), ours.toml()));
    let charon = StrongSwan::start_with(&lab, &a, &theirs, &[ALLOWED]);
    charon.initiate("office");
    daemon.wait_up("office", SOON);
    let sa = &daemon.sas("office")[0];
    assert_eq!(sa["nat"]["remote"], true, "{sa:#}");
    assert!(sa["remote"]["port"] != 500, "{sa:#}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20, "{}", daemon.log());
    assert_eq!(b.ping("10.78.2.1", "10.78.1.1", 20, "0.01"), 20, "{}", daemon.log());
}

#[test]
fn through_a_nat_as_initiator() {
    need!(Namespaces, StrongSwan, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut ours = aggressive(Connection::new("aes256-sha256-ecp256", "aes128gcm16-ecp256"));
    ours.local.address = "10.76.0.1".into();
    let mut theirs = ours.flipped();
    theirs.remote.address = "%any".into();
    let daemon = Handfast::start(&lab, &a, &ours.toml());
    let charon = StrongSwan::start_with(&lab, &b, &theirs, &[ALLOWED]);
    daemon.up("office");
    charon.wait_up("office");
    let sa = &daemon.sas("office")[0];
    assert_eq!(
        (&sa["nat"]["local"], &sa["local"]["port"]),
        (&true.into(), &4500.into()),
        "{sa:#}"
    );
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20, "{}", daemon.log());
    daemon.down("office");
    charon.wait_down("office");
}

fn refusal(daemon: &Handfast) -> Value {
    let status = daemon.status();
    let refusals = status["refusals"].as_array().cloned().unwrap_or_default();
    let found = refusals.into_iter().find(|r| r["connection"] == "office");
    found.unwrap_or_else(|| panic!("no refusal\n{status:#}\n{}", daemon.log()))
}

/// The responder proves itself first, so as initiator it is we who see that the secrets differ.
#[test]
fn a_wrong_secret_is_explained_in_both_roles() {
    need!(Namespaces, StrongSwan);
    for we_begin in [true, false] {
        let (lab, a, b) = Lab::pair();
        let ours = aggressive(Connection::new("aes256-sha256-ecp256", "aes128gcm16"));
        let mut theirs = ours.flipped();
        theirs.secret = "not the same secret".into();
        let daemon = Handfast::start(&lab, &a, &ours.toml());
        let charon = StrongSwan::start_with(&lab, &b, &theirs, &[ALLOWED]);
        if we_begin {
            assert!(!daemon.try_up("office").status.success());
        } else {
            assert!(!charon.try_initiate("office", 3));
        }
        let refusal = refusal(&daemon);
        let by = if we_begin { "us" } else { "peer" };
        assert_eq!(
            (&refusal["cause"], &refusal["by"]),
            (&"authentication".into(), &by.into()),
            "{refusal:#}"
        );
        let place = refusal["look_at"].as_str().unwrap_or_default();
        assert!(place.contains("(secret)"), "{refusal:#}");
        assert!(!daemon.is_up("office") && !charon.is_up("office"));
    }
}

/// A peer that asks for aggressive mode where nobody allows it is told no, and its owner why.
#[test]
fn it_is_refused_where_nobody_asked_for_it() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let ours = Connection::new("aes256-sha256-ecp256", "aes128gcm16").v1();
    let theirs = ours.clone().with_swanctl("aggressive = yes").flipped();
    let daemon = Handfast::start(&lab, &a, &ours.toml());
    let charon = StrongSwan::start_with(&lab, &b, &theirs, &[ALLOWED]);
    assert!(!charon.try_initiate("office", 3));
    assert!(charon.log().contains("received NO_PROPOSAL_CHOSEN"), "{}", charon.log());
    let refusal = refusal(&daemon);
    assert_eq!(
        (&refusal["cause"], &refusal["by"]),
        (&"mode".into(), &"us".into()),
        "{refusal:#}"
    );
    assert!(
        refusal["look_at"]
            .as_str()
            .is_some_and(|place| place.contains("(aggressive")),
        "{refusal:#}"
    );
}
