//! IKEv1: what does not fit between a Handfast and a strongSwan is explained on both sides, in both roles.

use std::process::Output;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::strongswan::StrongSwan;
use serde_json::Value;

const IKE: &str = "aes128-sha256-ecp256";
const ESP: &str = "aes128gcm16";

/// What does not fit: our connection, theirs as they see it, and what is expected to be said.
struct Misfit {
    ours: Connection,
    theirs: Connection,
    /// As initiator: the cause in our status, and a key of the place in the configuration.
    initiator: (&'static str, &'static str),
    /// As responder.
    responder: (&'static str, &'static str),
    /// In charon's log when we begin, and when it does. It has keys before we can tell who it is, and ignores what is
    /// said in the clear from then on, but for its log.
    charon: (&'static str, &'static str),
}

fn misfits() -> Vec<Misfit> {
    let pair = |n: u8| {
        let ours = Connection::nth(n, IKE, ESP)
            .v1()
            .with("retransmit_timeout = \"500ms\"")
            .with("retransmit_tries = 2");
        let theirs = ours.flipped();
        (ours, theirs)
    };
    let mut list = vec![];
    let mut add = |(ours, theirs), initiator, responder, charon| {
        list.push(Misfit {
            ours,
            theirs,
            initiator,
            responder,
            charon,
        });
    };
    let (ours, mut theirs) = pair(3);
    theirs.secret = "not the same secret".into();
    add(
        (ours, theirs),
        ("authentication", "(secret)"),
        ("authentication", "(secret)"),
        ("could not decrypt payloads", "ignoring unprotected INFORMATIONAL"),
    );
    let (ours, mut theirs) = pair(4);
    theirs.ike = "aes256-sha384-modp2048".into();
    add(
        (ours, theirs),
        ("no_ike_proposal", "(ike)"),
        ("no_ike_proposal", "(ike)"),
        ("no proposal found", "received NO_PROPOSAL_CHOSEN"),
    );
    let (ours, mut theirs) = pair(5);
    theirs.esp = "aes256-sha512".into();
    add(
        (ours, theirs),
        ("no_child_proposal", "(esp)"),
        ("no_child_proposal", "(esp)"),
        (
            "no matching proposal found, sending NO_PROPOSAL_CHOSEN",
            "received NO_PROPOSAL_CHOSEN",
        ),
    );
    let (ours, mut theirs) = pair(6);
    theirs.local.subnet = "10.99.0.0/16".into();
    add(
        (ours, theirs),
        ("selectors", "(local_subnet)"),
        ("selectors", "(local_subnet)"),
        ("no matching CHILD_SA config found", "received INVALID_ID_INFORMATION"),
    );
    let (ours, mut theirs) = pair(7);
    theirs.local.id = "somebody.else.test".into();
    add(
        (ours, theirs),
        ("wrong_identity", "(remote_id)"),
        ("wrong_identity", "(remote_id)"),
        ("somebody.else.test", "N(AUTH_FAILED)"),
    );
    list
}

fn start(list: &[Misfit]) -> (Lab, Namespace, Handfast, StrongSwan) {
    let (lab, a, b) = Lab::pair();
    list.iter().for_each(|misfit| lab.add(&a, &b, &misfit.ours));
    let toml: String = list.iter().map(|misfit| misfit.ours.toml()).collect();
    let ours = Handfast::start(&lab, &a, &toml);
    let theirs: Vec<Connection> = list.iter().map(|misfit| misfit.theirs.clone()).collect();
    let theirs = StrongSwan::start_all(&lab, &b, &theirs);
    (lab, a, ours, theirs)
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[&out.stdout[..], &out.stderr[..]].concat()).into_owned()
}

/// The refusal of a connection in our status.
#[track_caller]
fn refusal(ours: &Handfast, name: &str) -> Value {
    let status = ours.status();
    let refusals = status["refusals"].as_array().cloned().unwrap_or_default();
    let found = refusals.into_iter().find(|r| r["connection"] == name);
    found.unwrap_or_else(|| panic!("{name}: no refusal\n{status:#}\n{}", ours.log()))
}

#[track_caller]
fn explains(ours: &Handfast, misfit: &Misfit, by: &str, (cause, key): (&str, &str)) {
    let name = &misfit.ours.name;
    let refusal = refusal(ours, name);
    assert_eq!(refusal["cause"], cause, "{name}: {refusal:#}\n{}", ours.log());
    assert_eq!(refusal["by"], by, "{name}: {refusal:#}");
    let place = refusal["look_at"].as_str().unwrap_or_default();
    assert!(
        place.contains("handfast.toml:") && place.contains(key),
        "{name}: {refusal:#}"
    );
}

#[test]
fn when_we_begin() {
    need!(Namespaces, StrongSwan);
    let list = misfits();
    let (_lab, _a, ours, theirs) = start(&list);
    for misfit in &list {
        let name = &misfit.ours.name;
        let out = ours.try_up(name);
        assert!(!out.status.success(), "{name} came up");
        // The peer alone knows, unless its identity is wrong: that is ours to judge.
        let by = if misfit.initiator.0 == "wrong_identity" {
            "us"
        } else {
            "peer"
        };
        explains(&ours, misfit, by, misfit.initiator);
        let why = refusal(&ours, name)["why"].as_str().unwrap_or_default().to_owned();
        assert!(said(&out).contains(&why), "{name}: {}", said(&out));
        let log = theirs.log();
        assert!(
            log.contains(misfit.charon.0),
            "{name}: no {:?} in\n{log}",
            misfit.charon.0
        );
        assert!(!ours.is_up(name) && !theirs.is_up(name));
    }
    assert!(!ours.log().contains("not the same secret") && !ours.log().contains("0123456789abcdef"));
}

#[test]
fn when_the_peer_begins() {
    need!(Namespaces, StrongSwan);
    let list = misfits();
    let (_lab, _a, ours, theirs) = start(&list);
    for misfit in &list {
        let name = &misfit.ours.name;
        let before = theirs.log().len();
        assert!(!theirs.try_initiate(name, 3), "{name} came up");
        explains(&ours, misfit, "us", misfit.responder);
        let log = theirs.log();
        let log = log.get(before..).unwrap_or_default();
        assert!(
            log.contains(misfit.charon.1),
            "{name}: no {:?} in\n{log}",
            misfit.charon.1
        );
        assert!(!ours.is_up(name) && !theirs.is_up(name));
    }
}

/// `version = "any"` answers both, and begins with IKEv2; where only one is answered, the other is explained.
#[test]
fn versions() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    // Their version, ours.
    let pairs = [(1, "\"any\""), (2, "\"any\""), (1, "2"), (2, "1")];
    let tunnels = (3..).zip(pairs).map(|(n, (theirs, ours))| {
        let base = Connection::nth(n, IKE, ESP);
        let ours = base.clone().with(&format!("version = {ours}"));
        let theirs = Connection {
            version: theirs,
            ..base.flipped()
        };
        (ours, theirs)
    });
    let (ours, theirs): (Vec<Connection>, Vec<Connection>) = tunnels.unzip();
    ours.iter().for_each(|tunnel| lab.add(&a, &b, tunnel));
    let daemon = Handfast::start(&lab, &a, &ours.iter().map(Connection::toml).collect::<String>());
    let charon = StrongSwan::start_all(&lab, &b, &theirs);
    for (tunnel, version) in ours.iter().zip([1, 2]) {
        charon.initiate(&tunnel.name);
        daemon.wait_up(&tunnel.name, std::time::Duration::from_secs(20));
        assert_eq!(daemon.sas(&tunnel.name)[0]["ike_version"], version);
        assert_eq!(a.ping(&tunnel.local.host, &tunnel.remote.host, 5, "0.01"), 5);
    }
    let any = &ours[1].name;
    daemon.down(any);
    daemon.up(any);
    assert_eq!(daemon.sas(any)[0]["ike_version"], 2);
    for (tunnel, version) in ours[2..].iter().zip(["IKEv1", "IKEv2"]) {
        let name = &tunnel.name;
        assert!(!charon.try_initiate(name, 3), "{name} came up");
        let refusal = refusal(&daemon, name);
        assert_eq!(
            (&refusal["cause"], &refusal["by"]),
            (&"version".into(), &"us".into()),
            "{refusal:#}"
        );
        assert!(
            refusal["why"].as_str().is_some_and(|why| why.contains(version)),
            "{refusal:#}"
        );
        assert!(
            refusal["look_at"]
                .as_str()
                .is_some_and(|place| place.contains("(version)")),
            "{refusal:#}"
        );
        assert!(charon.log().contains("received NO_PROPOSAL_CHOSEN"), "{}", charon.log());
    }
}
