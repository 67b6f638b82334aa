//! Paths to trusted CAs: what is accepted, and each way to be refused with its reason.
#![allow(clippy::unwrap_used, clippy::type_complexity)]

mod pki_support;

use std::time::{Duration, Instant};

use handfast_auth::Identity;
use handfast_auth::certificate::extensions::KeyUsage;
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::{Certificate, GeneralName, PathPolicy, Signer, Time, Trust, Usage};
use pki_support::{Entity, NOW, ca_template, name, peer_template, policy, root, root_from};

const PEER: &str = "C=XX, O=Example, CN=gw";

fn trust(anchors: &[&Entity]) -> Trust {
    Trust {
        anchors: anchors.iter().map(|ca| ca.certificate.clone()).collect(),
        intermediates: vec![],
    }
}

fn certificates(entities: &[&Entity]) -> Vec<Certificate> {
    entities.iter().map(|entity| entity.certificate.clone()).collect()
}

fn lengths(peer: &Entity, sent: &[&Entity], trust: &Trust) -> Vec<usize> {
    let paths = find(&peer.certificate, &certificates(sent), trust, &policy()).unwrap();
    paths.iter().map(|path| path.certificates().len()).collect()
}

fn refused(peer: &Entity, sent: &[&Entity], trust: &Trust) -> String {
    refused_by(peer, sent, trust, &policy())
}

fn refused_by(peer: &Entity, sent: &[&Entity], trust: &Trust, policy: &PathPolicy) -> String {
    let refusal = find(&peer.certificate, &certificates(sent), trust, policy).unwrap_err();
    refusal.to_string()
}

fn peer() -> Template {
    peer_template(PEER, "gw.example")
}

#[test]
fn paths_of_one_to_five() {
    let ca = root("CN=Root", 1);
    let direct = ca.issues(&peer(), 9);
    assert_eq!(lengths(&direct, &[], &trust(&[&ca])), [2]);
    // Trusted itself.
    assert_eq!(lengths(&direct, &[], &trust(&[&direct])), [1]);
    let own = root_from(&peer(), 9);
    assert_eq!(lengths(&own, &[], &trust(&[&own])), [1]);

    let a = ca.issues(&ca_template("CN=A"), 2);
    let b = a.issues(&ca_template("CN=B"), 3);
    let c = b.issues(&ca_template("CN=C"), 4);
    let far = c.issues(&peer(), 9);
    // In any order, with others among them, and with the root.
    assert_eq!(lengths(&far, &[&b, &direct, &ca, &c, &a, &a], &trust(&[&ca])), [5]);
    // Known beforehand.
    let mut known = trust(&[&ca]);
    known.intermediates = certificates(&[&a, &b, &c]);
    assert_eq!(lengths(&far, &[], &known), [5]);
    // An intermediate CA can be what is trusted.
    assert_eq!(lengths(&far, &[&b, &c], &trust(&[&b])), [3]);
    assert_eq!(
        refused(&far, &[&b, &c], &trust(&[&ca])),
        "certificate \"CN=B\": no trusted CA and no certificate that was sent is its issuer \"CN=A\""
    );
}

#[test]
fn cas_that_sign_each_other() {
    let (old, new) = (root("CN=Old", 1), root("CN=New", 2));
    let new_by_old = old.issues(&ca_template("CN=New"), 2);
    let peer = new.issues(&peer(), 9);
    assert_eq!(lengths(&peer, &[&new_by_old], &trust(&[&old])), [3]);
    assert_eq!(lengths(&peer, &[], &trust(&[&new])), [2]);
    // Two ways, the short one first.
    assert_eq!(lengths(&peer, &[&new_by_old], &trust(&[&old, &new])), [2, 3]);
    // The same name with another key does not lead astray.
    let other_new = root("CN=New", 3);
    assert_eq!(
        lengths(&peer, &[&other_new, &new_by_old], &trust(&[&other_new, &old])),
        [3]
    );
}

#[test]
fn a_circle_ends() {
    let (a, b) = (root("CN=A", 1), root("CN=B", 2));
    let (a_by_b, b_by_a) = (b.issues(&ca_template("CN=A"), 1), a.issues(&ca_template("CN=B"), 2));
    let peer = a.issues(&peer(), 9);
    let elsewhere = root("CN=Elsewhere", 3);
    let reason = refused(&peer, &[&a_by_b, &b_by_a, &a, &b], &trust(&[&elsewhere]));
    assert!(
        reason.contains("no trusted CA") || reason.contains("signed by itself"),
        "{reason}"
    );
}

#[test]
fn time_and_usage() {
    let ca = root("CN=Root", 1);
    let with = |change: fn(&mut Template)| {
        let mut template = peer();
        change(&mut template);
        ca.issues(&template, 9)
    };
    let trust = trust(&[&ca]);
    let expired = with(|t| t.not_after = Time(NOW.0 - 1));
    assert_eq!(
        refused(&expired, &[], &trust),
        "certificate \"C=XX, O=Example, CN=gw\": it expired on 2026-11-24 11:59:59 UTC"
    );
    let early = with(|t| t.not_before = Time(NOW.0 + 1));
    assert!(refused(&early, &[], &trust).ends_with("it is not valid before 2026-11-24 12:00:01 UTC"));
    let only_encrypts = with(|t| t.key_usage = KeyUsage(0x2000));
    assert!(refused(&only_encrypts, &[], &trust).contains("neither digitalSignature nor nonRepudiation"));
    for usage in [KeyUsage(0), KeyUsage::NON_REPUDIATION, KeyUsage(0xa000)] {
        let mut template = peer();
        template.key_usage = usage;
        assert_eq!(lengths(&ca.issues(&template, 9), &[], &trust), [2]);
    }
    let odd = with(|t| t.others.push((vec![0x2a, 3], true, vec![5, 0])));
    assert!(refused(&odd, &[], &trust).ends_with("its critical extension 1.2.3 is not supported"));
    let harmless = with(|t| t.others.push((vec![0x2a, 3], false, vec![5, 0])));
    assert_eq!(lengths(&harmless, &[], &trust), [2]);
    // A CA too has an end.
    let mut template = ca_template("CN=Sub");
    template.not_after = Time(NOW.0 - 1);
    let sub = ca.issues(&template, 2);
    let below = sub.issues(&peer(), 9);
    assert!(refused(&below, &[&sub], &trust).starts_with("certificate \"CN=Sub\": it expired"));
}

/// RFC 4945 section 5.1.3.12.
#[test]
fn extended_key_usage() {
    let ca = root("CN=Root", 1);
    let trust = trust(&[&ca]);
    let kp = |purpose: u8| vec![0x2b, 6, 1, 5, 5, 7, 3, purpose];
    let any = vec![0x55, 0x1d, 0x25, 0];
    for (usages, by_ike, by_tls) in [
        (vec![kp(17)], true, true),
        (vec![kp(1), kp(17)], true, true),
        (vec![any], true, true),
        (vec![kp(1)], false, true),
        (vec![kp(2)], false, true),
        (vec![kp(5), kp(6), kp(7)], false, false),
        (vec![kp(3)], false, false),
    ] {
        let mut template = peer();
        template.extended_key_usage = usages.clone();
        let peer = ca.issues(&template, 9);
        for (usage, accepted) in [(Usage::Ike, by_ike), (Usage::IkeOrTls, by_tls), (Usage::Any, true)] {
            let policy = PathPolicy { usage, ..policy() };
            let found = find(&peer.certificate, &[], &trust, &policy);
            assert_eq!(found.is_ok(), accepted, "{usages:?} {usage:?}");
        }
    }
    let mut template = peer();
    template.extended_key_usage = vec![kp(1), kp(3)];
    let reason = refused(&ca.issues(&template, 9), &[], &trust);
    assert!(
        reason.contains("made for serverAuth, codeSigning and not for IKE"),
        "{reason}"
    );
}

#[test]
fn only_a_ca_issues() {
    let ca = root("CN=Root", 1);
    let trust = trust(&[&ca]);
    let cases: [(fn(&mut Template), &str); 3] = [
        (|t| t.ca = None, "it issued a certificate and is no CA"),
        (
            |t| t.key_usage = KeyUsage::DIGITAL_SIGNATURE,
            "it issued a certificate, for which its key usage lacks keyCertSign",
        ),
        (
            |t| t.others.push((vec![0x55, 0x1d, 36], true, vec![0x30, 0])),
            "its critical extension policyConstraints is not supported",
        ),
    ];
    for (change, expected) in cases {
        let mut template = ca_template("CN=Sub");
        change(&mut template);
        let sub = ca.issues(&template, 2);
        let reason = refused(&sub.issues(&peer(), 9), &[&sub], &trust);
        assert_eq!(reason, format!("certificate \"CN=Sub\": {expected}"));
    }
    // Path length counts CAs below, not the peer.
    let mut template = ca_template("CN=Sub");
    template.ca = Some(Some(0));
    let sub = ca.issues(&template, 2);
    assert_eq!(lengths(&sub.issues(&peer(), 9), &[&sub], &trust), [3]);
    let third = sub.issues(&ca_template("CN=Third"), 3);
    let reason = refused(&third.issues(&peer(), 9), &[&sub, &third], &trust);
    assert_eq!(
        reason,
        "certificate \"CN=Sub\": more than 0 intermediate CAs are below it, which its path length forbids"
    );
}

#[test]
fn signatures_and_strangers() {
    let ca = root("CN=Root", 1);
    let forger = root("CN=Root", 2);
    let forged = forger.issues(&peer(), 9);
    assert_eq!(
        refused(&forged, &[], &trust(&[&ca])),
        "certificate \"C=XX, O=Example, CN=gw\": its signature is not of \"CN=Root\""
    );
    // The forger sends its root, which nobody trusts.
    let reason = refused(&forged, &[&forger], &trust(&[&ca]));
    assert!(
        reason.contains("signed by itself and not among the trusted"),
        "{reason}"
    );
    let own = root_from(&peer(), 9);
    assert!(refused(&own, &[], &trust(&[&ca])).ends_with("signed by itself and not among the trusted certificates"));
    // One bit anywhere in a certificate, and it is not accepted: it does not read, or its signature does not fit.
    let good = ca.issues(&peer(), 9);
    let der = good.certificate.as_der();
    for at in 0..der.len() {
        let mut der = der.to_vec();
        der[at] ^= 1;
        if let Ok(changed) = Certificate::from_der(&der) {
            assert!(find(&changed, &[], &trust(&[&ca]), &policy()).is_err(), "octet {at}");
        }
        assert!(Certificate::from_der(&der[..at]).is_err());
    }
}

#[test]
fn name_constraints_of_each_form() {
    let text = |tag: u8, text: &str| [&[tag, text.len() as u8], text.as_bytes()].concat();
    let wrap = |tag: u8, value: &[u8]| [&[tag, value.len() as u8][..], value].concat();
    let constraints = |permitted: &[Vec<u8>], excluded: &[Vec<u8>]| {
        let trees = |list: &[Vec<u8>]| -> Vec<u8> { list.iter().flat_map(|base| wrap(0x30, base)).collect() };
        let mut value = Vec::new();
        if !permitted.is_empty() {
            value.extend(wrap(0xa0, &trees(permitted)));
        }
        if !excluded.is_empty() {
            value.extend(wrap(0xa1, &trees(excluded)));
        }
        (vec![0x55, 0x1d, 30], true, wrap(0x30, &value))
    };
    let dn = wrap(0xa4, name("C=XX, O=Example").as_der());
    let net = wrap(0x87, &[192, 0, 2, 0, 255, 255, 255, 0]);
    let ip = |text: &str| GeneralName::Ip(text.parse().unwrap());
    let dns = |text: &str| GeneralName::Dns(text.into());
    let email = |text: &str| GeneralName::Email(text.into());
    let all = [text(0x82, "example"), text(0x81, "example"), dn.clone(), net];
    let cases: [(&[Vec<u8>], &[Vec<u8>], &str, Vec<GeneralName>, Option<&str>); 11] = [
        (
            &all,
            &[],
            PEER,
            vec![dns("gw.example"), email("a@example"), ip("192.0.2.1")],
            None,
        ),
        (
            &all,
            &[],
            PEER,
            vec![dns("gw.example.org")],
            Some("DNS:gw.example.org is not permitted"),
        ),
        (
            &all,
            &[],
            PEER,
            vec![email("a@b.example")],
            Some("email:a@b.example is not permitted"),
        ),
        (
            &all,
            &[],
            PEER,
            vec![ip("192.0.3.1")],
            Some("IP:192.0.3.1 is not permitted"),
        ),
        (
            &all,
            &[],
            "C=XX, O=Other, CN=gw",
            vec![],
            Some("DN:C=XX, O=Other, CN=gw is not permitted"),
        ),
        (
            &all,
            &[],
            "C=XX, O=Example, E=a@other",
            vec![],
            Some("email:a@other is not permitted"),
        ),
        // What has no such name is not held by a constraint of that form.
        (&all[..1], &[], PEER, vec![email("a@any")], None),
        (
            &[],
            &[text(0x82, "bad.example")],
            PEER,
            vec![dns("x.bad.example")],
            Some("is excluded"),
        ),
        (&[], &[text(0x82, "bad.example")], PEER, vec![dns("good.example")], None),
        (&[], &[dn], PEER, vec![], Some("DN:C=XX, O=Example, CN=gw is excluded")),
        (&all[..1], &[], PEER, vec![GeneralName::Other(0)], None),
    ];
    for (permitted, excluded, subject, names, expected) in cases {
        let mut template = ca_template("CN=Root");
        template.others.push(constraints(permitted, excluded));
        let constrained = root_from(&template, 1);
        // Whether the trusted CA says it or one below.
        let ca = root("CN=Top", 3);
        let below = ca.issues(&template, 1);
        let mut template = peer_template(subject, "x");
        template.names = names;
        for (anchor, peer) in [
            (&constrained, constrained.issues(&template, 9)),
            (&ca, below.issues(&template, 9)),
        ] {
            let found = find(
                &peer.certificate,
                &certificates(&[&below]),
                &trust(&[anchor]),
                &policy(),
            );
            match (expected, found) {
                (None, found) => assert!(found.is_ok(), "{found:?}"),
                (Some(expected), found) => {
                    let reason = found.unwrap_err().to_string();
                    assert!(
                        reason.contains(expected) && reason.ends_with("of \"CN=Root\""),
                        "{reason}"
                    );
                }
            }
        }
    }
}

/// Hostile row A093: chains of a thousand, and CAs of one name that all sign each other.
#[test]
fn work_is_bounded() {
    let ca = root("CN=Root", 0);
    let mut chain = vec![ca.issues(&ca_template("CN=1"), 1)];
    for index in 2..=1000u32 {
        let next = chain
            .last()
            .unwrap()
            .issues(&ca_template(&format!("CN={index}")), index);
        chain.push(next);
    }
    let peer = chain.last().unwrap().issues(&peer(), 9);
    let sent: Vec<Certificate> = chain.iter().rev().map(|entity| entity.certificate.clone()).collect();
    let trust = trust(&[&ca]);
    let begin = Instant::now();
    let refusal = find(&peer.certificate, &sent, &trust, &policy())
        .unwrap_err()
        .to_string();
    assert!(
        refusal.ends_with("1000 certificates came with it, 24 at most are looked at"),
        "{refusal}"
    );
    let refusal = find(&peer.certificate, &sent[..20], &trust, &policy())
        .unwrap_err()
        .to_string();
    assert_eq!(refusal, "certificate \"CN=994\": no trusted CA within 8 certificates");

    // All of one name, each signed by the first: every order is a path, were it not for the bound.
    let all: Vec<Entity> = (1..=24).map(|seed| ca.issues(&ca_template("CN=Same"), seed)).collect();
    let mut same: Vec<Certificate> = Vec::new();
    for entity in &all {
        let certificate = ca_template("CN=Same")
            .issue(entity.signer.public_key(), &name("CN=Same"), &all[0].signer)
            .unwrap();
        same.push(certificate);
    }
    let peer = all[0].issues(&self::peer(), 99);
    let refusal = find(&peer.certificate, &same, &trust, &policy())
        .unwrap_err()
        .to_string();
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}: {refusal}",
        begin.elapsed()
    );
}

#[test]
fn identities_are_bound_as_what_they_are() {
    let ca = root("CN=Root", 1);
    let mut template = peer_template("C=XX, O=Example, CN=cn.example", "gw.example");
    template.names.extend([
        GeneralName::Email("carol@Example.net".into()),
        GeneralName::Ip("192.0.2.1".parse().unwrap()),
        GeneralName::Ip("2001:db8::1".parse().unwrap()),
        GeneralName::Dns("*.wild.example".into()),
        GeneralName::Dns("192.0.2.9".into()),
    ]);
    let certificate = ca.issues(&template, 9).certificate;
    let dn = |text: &str| Identity::from_wire(9, name(text).as_der());
    for own in [
        Identity::from_wire(2, b"GW.example"),
        Identity::from_wire(3, b"carol@example.NET"),
        Identity::from_wire(1, &[192, 0, 2, 1]),
        "2001:db8::1".parse().unwrap(),
        dn("C=XX, O=Example, CN=cn.example"),
        dn("C=xx, O=EXAMPLE, CN=CN.example"),
    ] {
        assert_eq!(certificate.is_of(&own), Ok(()), "{own}");
    }
    for other in [
        // The CN is no domain name; a dNSName is no address, no e-mail address and no wildcard.
        Identity::from_wire(2, b"cn.example"),
        Identity::from_wire(2, b"a.wild.example"),
        Identity::from_wire(2, b"gw.example\0.evil"),
        Identity::from_wire(2, b"gw.example."),
        Identity::from_wire(2, b""),
        Identity::from_wire(1, &[192, 0, 2, 9]),
        Identity::from_wire(3, b"Carol@example.net"),
        Identity::from_wire(3, b"gw.example"),
        Identity::from_wire(11, b"gw.example"),
        Identity::from_wire(2, b"192.0.2.1"),
        Identity::from_wire(9, &[0x30, 0]),
        Identity::from_wire(9, &[0x30, 0x80]),
        Identity::from_wire(0, b"gw.example"),
        dn("C=XX, O=Example"),
        dn("CN=cn.example, O=Example, C=XX"),
    ] {
        assert!(certificate.is_of(&other).is_err(), "{other}");
    }
    let reason = certificate
        .is_of(&Identity::from_wire(2, b"other.example"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        reason,
        "certificate \"C=XX, O=Example, CN=cn.example\" is not of domain name \"other.example\": it has \
         DN:C=XX, O=Example, CN=cn.example, DNS:gw.example, email:carol@Example.net, IP:192.0.2.1, IP:2001:db8::1, \
         DNS:*.wild.example, DNS:192.0.2.9"
    );
}
