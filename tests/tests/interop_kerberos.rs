//! Contexts of MIT's library against a real MIT KDC, driven as the engine would: two processes, the tokens carried
//! between them. The KDC and the library judge; every refusal has the library's words.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use handfast_tests::kerberos::{GssPeer, HEIMDAL, Kdc};
use handfast_tests::need;
use handfast_tests::process::run;
use serde_json::{Value, json};

const PEER: &str = env!("CARGO_BIN_EXE_gss-peer");
const A: &str = "a.ike.test";
const B: &str = "b.ike.test";
const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The initiator's options: it is `from`, and wants `to`.
fn towards(kdc: &Kdc, from: &str, to: &str) -> Value {
    json!({
        "keytab": kdc.keytab(from),
        "principal": format!("host/{from}"),
        "target": format!("host/{to}@IKE.TEST"),
        "peers": [format!("host/{to}@IKE.TEST")],
    })
}

/// The responder's options: it is `own`, and accepts `from`.
fn accepting(kdc: &Kdc, own: &str, from: &str) -> Value {
    json!({"keytab": kdc.keytab(own), "peers": [format!("host/{from}@IKE.TEST")]})
}

fn with(mut options: Value, key: &str, value: impl Into<Value>) -> Value {
    options[key] = value.into();
    options
}

#[track_caller]
fn token(answer: &Value) -> String {
    answer["token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token: {answer}"))
        .to_owned()
}

#[track_caller]
fn complete(answer: &Value, peer: &str) {
    assert_eq!(answer["complete"], true, "{answer}");
    assert_eq!(answer["peer"], format!("host/{peer}@IKE.TEST"), "{answer}");
    assert_eq!(answer["confidential"], true, "{answer}");
}

/// Each side's fault, kind and words.
#[track_caller]
fn refused(answer: &Value, kind: &str, local: bool, words: &str) {
    assert_eq!(
        (&answer["error"], &answer["local"]),
        (&json!(kind), &json!(local)),
        "{answer}"
    );
    assert!(
        answer["text"].as_str().is_some_and(|text| text.contains(words)),
        "no {words:?}: {answer}"
    );
}

/// A context of one token each way; the hashes go through in both directions.
#[track_caller]
fn establish(kdc: &Kdc, from: &str, to: &str) -> (GssPeer, GssPeer) {
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    let first = i.initiate(towards(kdc, from, to));
    assert_eq!(first["complete"], false, "{first}");
    let second = r.accept(&token(&first), accepting(kdc, to, from));
    complete(&second, from);
    let last = i.step(&token(&second));
    complete(&last, to);
    assert_eq!(last["token"], Value::Null);
    assert!(
        last["lifetime"].as_u64().is_some_and(|s| s > 30_000 && s <= 36_000),
        "{last}"
    );
    hashes_pass(&mut i, &mut r);
    hashes_pass(&mut r, &mut i);
    (i, r)
}

#[track_caller]
fn hashes_pass(from: &mut GssPeer, to: &mut GssPeer) {
    let wrapped = token(&from.wrap(HASH));
    assert!(!wrapped.contains(HASH), "it went in the clear");
    assert_eq!(to.unwrap(&wrapped, 32), json!({"data": HASH}));
}

#[test]
fn both_directions() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    establish(&kdc, A, B);
    establish(&kdc, B, A);
    // Nothing was asked of a person or of the environment: the tickets are in memory.
    assert!(
        kdc.log()
            .contains("host/a.ike.test@IKE.TEST for host/b.ike.test@IKE.TEST"),
        "{}",
        kdc.log()
    );
}

#[test]
fn a_service_of_a_host_is_a_target_too_and_a_cache_serves_without_a_keytab() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let cache = format!("FILE:{}/cache", kdc.dir().display());
    let mut kinit = kdc.command("kinit");
    run(kinit
        .args(["-c", &cache, "-k", "-t"])
        .arg(kdc.keytab(A))
        .arg("host/a.ike.test"));
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    let first = i.initiate(json!({
        "ccache": cache, "target": "service:host@b.ike.test", "peers": ["host/*.ike.test@IKE.TEST"],
    }));
    let second = r.accept(
        &token(&first),
        json!({"keytab": kdc.keytab(B), "peers": ["host/*.ike.test@IKE.TEST"]}),
    );
    complete(&second, A);
    complete(&i.step(&token(&second)), B);
}

#[test]
fn three_tokens() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    // MUTUAL, CONF, INTEG and DCE_STYLE.
    let first = i.initiate(with(towards(&kdc, A, B), "flags", 0x1032));
    let second = r.accept(&token(&first), accepting(&kdc, B, A));
    assert_eq!(second["complete"], false, "{second}");
    let third = i.step(&token(&second));
    complete(&third, B);
    let last = r.step(&token(&third));
    complete(&last, A);
    assert_eq!(last["token"], Value::Null);
    hashes_pass(&mut i, &mut r);
    hashes_pass(&mut r, &mut i);
}

#[test]
fn a_token_above_8_kilobytes() {
    need!(Kdc);
    let long = "x".repeat(2000);
    let kdc = Kdc::start(&[&long, B]);
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    let first = token(&i.initiate(towards(&kdc, &long, B)));
    assert!(first.len() / 2 > 8192, "{} octets", first.len() / 2);
    let second = r.accept(&first, accepting(&kdc, B, &long));
    complete(&second, &long);
    complete(&i.step(&token(&second)), B);
    hashes_pass(&mut i, &mut r);
}

#[test]
fn without_a_kdc_it_is_our_own_trouble_until_the_kdc_is_back() {
    need!(Kdc);
    let mut kdc = Kdc::start(&[A, B]);
    kdc.stop();
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    let options = towards(&kdc, A, B);
    let ready = json!({"do": "ready", "with": options});
    refused(
        &i.ask(&ready),
        "no-kdc",
        true,
        "Cannot contact any KDC for realm 'IKE.TEST'",
    );
    for _ in 0..2 {
        refused(
            &i.initiate(options.clone()),
            "no-kdc",
            true,
            "Cannot contact any KDC for realm 'IKE.TEST'",
        );
    }
    // A responder needs none.
    let of_b = r.ask(&json!({"do": "ready", "with": accepting(&kdc, B, A)}));
    assert_eq!(of_b["ready"], "host/b.ike.test@IKE.TEST", "{of_b}");
    kdc.resume();
    let of_a = i.ask(&ready);
    assert_eq!(of_a["ready"], "host/a.ike.test@IKE.TEST", "{of_a}");
    assert!(
        of_a["lifetime"].as_u64().is_some_and(|s| s > 30_000 && s <= 36_000),
        "{of_a}"
    );
    let first = i.initiate(options.clone());
    let second = r.accept(&token(&first), accepting(&kdc, B, A));
    complete(&i.step(&token(&second)), B);
    // A ticket that is here already needs no KDC; another one does.
    kdc.stop();
    let first = i.initiate(options);
    complete(&r.accept(&token(&first), accepting(&kdc, B, A)), A);
    let other = with(towards(&kdc, A, B), "target", "host/a.ike.test@IKE.TEST");
    refused(&i.initiate(other), "no-kdc", true, "Cannot contact any KDC");
}

#[test]
fn without_credentials_it_is_our_own_trouble() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let mut i = kdc.peer(PEER);
    let nowhere = with(towards(&kdc, A, B), "keytab", "/nonexistent/keytab");
    let ready = |options: &Value| json!({"do": "ready", "with": options});
    refused(
        &i.initiate(nowhere.clone()),
        "no-credentials",
        true,
        "/nonexistent/keytab",
    );
    refused(&i.ask(&ready(&nowhere)), "no-credentials", true, "/nonexistent/keytab");
    let other = with(towards(&kdc, A, B), "principal", "host/c.ike.test");
    refused(&i.initiate(other), "no-credentials", true, "host/c.ike.test");
    let no_cache = json!({"ccache": "FILE:/nonexistent/cache", "target": "host/b.ike.test"});
    refused(&i.initiate(no_cache), "no-credentials", true, "/nonexistent/cache");
    // The responder, before anything came.
    let nowhere = with(accepting(&kdc, B, A), "keytab", "/nonexistent/keytab");
    refused(&i.ask(&ready(&nowhere)), "no-credentials", true, "/nonexistent/keytab");
    let other = with(accepting(&kdc, B, A), "principal", "host/c.ike.test");
    refused(&i.ask(&ready(&other)), "no-credentials", true, "host/c.ike.test");
    let of_b = i.ask(&ready(&accepting(&kdc, B, A)));
    assert_eq!(of_b["ready"], "host/b.ike.test@IKE.TEST", "{of_b}");
    // Without a principal, the keytab's first.
    let mut nameless = towards(&kdc, A, B);
    nameless.as_object_mut().unwrap().remove("principal");
    let of_a = i.ask(&ready(&nameless));
    assert_eq!(of_a["ready"], "host/a.ike.test@IKE.TEST", "{of_a}");
}

#[test]
fn whom_the_kdc_does_not_know() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let mut i = kdc.peer(PEER);
    let target = |target: &str| with(towards(&kdc, A, B), "target", target);
    refused(
        &i.initiate(target("host/c.ike.test@IKE.TEST")),
        "unknown-principal",
        true,
        "Server host/c.ike.test@IKE.TEST not found in Kerberos database",
    );
    // A realm that no KDC is known for.
    let answer = i.initiate(target("host/b.ike.test@OTHER.TEST"));
    assert_eq!(answer["local"], true, "{answer}");
    assert!(
        ["unknown-principal", "no-kdc", "wrong-realm"]
            .map(Value::from)
            .contains(&answer["error"]),
        "{answer}"
    );
    // Our own principal is gone from the database.
    kdc.admin("delprinc -force host/a.ike.test");
    let mut i = kdc.peer(PEER);
    refused(
        &i.initiate(towards(&kdc, A, B)),
        "unknown-principal",
        true,
        "not found in Kerberos database",
    );
}

#[test]
fn the_wrong_principal_is_refused_by_either_side_before_it_proves_anything() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B, "evil.ike.test"]);
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    // host/evil, a member of the same realm with a ticket of its own.
    let first = i.initiate(towards(&kdc, "evil.ike.test", B));
    let second = r.accept(&token(&first), accepting(&kdc, B, A));
    refused(&second, "wrong-principal", false, "host/evil.ike.test@IKE.TEST");
    assert_eq!(second["token"], Value::Null, "the responder proved itself to it");
    // host/evil in the place of b: it cannot open b's ticket.
    let first = i.initiate(towards(&kdc, A, B));
    let evil = r.accept(&token(&first), accepting(&kdc, "evil.ike.test", A));
    refused(&evil, "stale-keytab", false, "");
    // A target that the configuration does not accept as a peer.
    let first = i.initiate(with(
        towards(&kdc, A, "evil.ike.test"),
        "peers",
        json!(["host/b.ike.test@IKE.TEST"]),
    ));
    let second = r.accept(&token(&first), accepting(&kdc, "evil.ike.test", A));
    refused(
        &i.step(&token(&second)),
        "wrong-principal",
        false,
        "host/evil.ike.test@IKE.TEST",
    );
    // Another realm.
    let first = i.initiate(towards(&kdc, A, B));
    let strict = with(accepting(&kdc, B, A), "peers", json!(["host/a.ike.test@OTHER.TEST"]));
    refused(&r.accept(&token(&first), strict), "wrong-realm", false, "OTHER.TEST");
}

#[test]
fn wrong_clocks_and_expired_tickets() {
    need!(Kdc, Faketime);
    let kdc = Kdc::start(&[A, B]);
    // The KDC sees that our clock is wrong. By default the library puts it right for itself, which is turned off here.
    kdc.write("krb5.conf", &kdc.krb5_conf("kdc_timesync = 0"));
    for offset in ["+20m", "-20m"] {
        let mut i = kdc.peer_at(PEER, offset);
        let answer = i.initiate(towards(&kdc, A, B));
        refused(&answer, "clock-skew", true, "Clock skew too great");
    }
    kdc.write("krb5.conf", &kdc.krb5_conf(""));
    let mut i = kdc.peer(PEER);
    let options = towards(&kdc, A, B);
    // The responder sees it: a ticket that is good, a ticket of the future, one that is long over.
    for (offset, kind, words) in [
        ("+20m", "clock-skew", "Clock skew too great"),
        ("-20m", "clock-skew", ""),
        ("+2d", "expired", "Ticket expired"),
    ] {
        let first = i.initiate(options.clone());
        let mut r = kdc.peer_at(PEER, offset);
        refused(&r.accept(&token(&first), accepting(&kdc, B, A)), kind, false, words);
    }
    // Tickets in a cache that nobody renews.
    let cache = format!("FILE:{}/cache", kdc.dir().display());
    let mut kinit = kdc.command("kinit");
    run(kinit
        .args(["-c", &cache, "-k", "-t"])
        .arg(kdc.keytab(A))
        .arg("host/a.ike.test"));
    let mut late = kdc.peer_at(PEER, "+2d");
    let options = json!({"ccache": cache, "target": "host/b.ike.test", "peers": ["host/b.ike.test@IKE.TEST"]});
    refused(&late.initiate(options), "expired", true, "");
}

#[test]
fn a_stale_keytab_and_a_rotated_one() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let (_, mut r) = establish(&kdc, A, B);
    // A new key for b, written elsewhere: b's own keytab is stale now.
    let fresh = kdc.dir().join("fresh.keytab");
    kdc.new_key(B, &fresh);
    let mut i = kdc.peer(PEER);
    let first = i.initiate(towards(&kdc, A, B));
    let stale = accepting(&kdc, B, A);
    refused(
        &r.accept(&token(&first), stale.clone()),
        "stale-keytab",
        false,
        "kvno 3",
    );
    // The rotated keytab is used at once by the process that runs.
    fs::copy(&fresh, kdc.keytab(B)).unwrap();
    let first = i.initiate(towards(&kdc, A, B));
    let second = r.accept(&token(&first), stale);
    complete(&second, A);
    complete(&i.step(&token(&second)), B);
    // An initiator that has a ticket of before, and a responder that has only the new key.
    let mut i = kdc.peer(PEER);
    i.initiate(towards(&kdc, A, B));
    let newest = kdc.dir().join("newest.keytab");
    kdc.new_key(B, &newest);
    let only_new = with(accepting(&kdc, B, A), "keytab", newest.to_str());
    let first = i.initiate(towards(&kdc, A, B));
    refused(
        &r.accept(&token(&first), only_new.clone()),
        "stale-keytab",
        false,
        "kvno 3",
    );
    let first = i.initiate(with(towards(&kdc, A, B), "fresh", true));
    complete(&r.accept(&token(&first), only_new), A);
    // A new key for a: the initiator's keytab is stale, which its own KDC tells it.
    kdc.new_key(A, &kdc.dir().join("fresh-a.keytab"));
    let mut i = kdc.peer(PEER);
    refused(&i.initiate(towards(&kdc, A, B)), "stale-keytab", true, "");
    fs::copy(kdc.dir().join("fresh-a.keytab"), kdc.keytab(A)).unwrap();
    assert_eq!(i.initiate(towards(&kdc, A, B))["complete"], false);
}

#[test]
fn a_replayed_token() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    let rcache = format!("file2:{}/rcache", kdc.dir().display());
    let options = with(accepting(&kdc, B, A), "rcache", rcache);
    let first = token(&i.initiate(towards(&kdc, A, B)));
    complete(&r.accept(&first, options.clone()), A);
    refused(
        &r.accept(&first, options.clone()),
        "replay",
        false,
        "Request is a replay",
    );
    // Another process with the same cache knows it too.
    refused(
        &kdc.peer(PEER).accept(&first, options.clone()),
        "replay",
        false,
        "Request is a replay",
    );
    complete(&r.accept(&token(&i.initiate(towards(&kdc, A, B))), options), A);
}

#[test]
fn tokens_that_are_cut_swapped_or_altered() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    let first = token(&i.initiate(towards(&kdc, A, B)));
    let accept = |r: &mut GssPeer, token: &str| {
        let answer = r.accept(token, accepting(&kdc, B, A));
        assert_eq!(answer["local"], false, "{answer}");
        answer["error"]
            .as_str()
            .unwrap_or_else(|| panic!("accepted: {answer}"))
            .to_owned()
    };
    for len in [0, 2, 4, 40, first.len() / 4 * 2, first.len() - 2] {
        let kind = accept(&mut r, &first[..len]);
        assert_eq!(kind, "bad-token", "{len} digits");
    }
    // One octet in the middle is another: within the ticket, or the authenticator.
    for at in [first.len() / 2, first.len() - 10] {
        let mut altered = first.clone();
        let other = if &altered[at..=at] == "0" { "1" } else { "0" };
        altered.replace_range(at..=at, other);
        let kind = accept(&mut r, &altered);
        assert!(["bad-token", "stale-keytab"].contains(&kind.as_str()), "{at}: {kind}");
    }
    // An answer where a question belongs, and a token of another mechanism (NTLM in SPNEGO's frame).
    let second = token(&r.accept(&first, accepting(&kdc, B, A)));
    assert_eq!(accept(&mut r, &second), "bad-token");
    let spnego = "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d535350000100000097b208e2\
                  0000000000000000000000000000000000000a00614a0000000f";
    let foreign = r.accept(spnego, accepting(&kdc, B, A));
    refused(&foreign, "bad-token", false, "");

    // The initiator: the answer to another question, its own token, a cut one, a repeated one.
    let mut other = kdc.peer(PEER);
    let other_first = token(&other.initiate(towards(&kdc, A, B)));
    let other_second = token(&r.accept(&other_first, accepting(&kdc, B, A)));
    for bad in [&other_second, &first, &second[..second.len() - 2], &second[..20]] {
        let mut i = kdc.peer(PEER);
        i.initiate(towards(&kdc, A, B));
        refused(&i.step(bad), "bad-token", false, "");
    }
    complete(&i.step(&second), B);
    // A complete context takes no more.
    assert_eq!(i.step(&second), json!({"misuse": "no context waits for a token"}));
}

#[test]
fn a_hash_of_another_context() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let (mut i, mut r) = establish(&kdc, A, B);
    let (mut other, _) = establish(&kdc, A, B);
    let theirs = token(&other.wrap(HASH));
    refused(&r.unwrap(&theirs, 32), "bad-token", false, "");
    // Its own hash comes back, is cut, has another length, is altered; and the right one still passes.
    let ours = token(&i.wrap(HASH));
    refused(&i.unwrap(&ours, 32), "bad-token", false, "");
    refused(&r.unwrap(&ours[..ours.len() - 2], 32), "bad-token", false, "");
    refused(&r.unwrap(HASH, 32), "bad-token", false, "");
    refused(&r.unwrap("", 32), "bad-token", false, "0 octets");
    refused(&r.unwrap(&ours, 20), "bad-token", false, "32 octets, a hash has 20");
    hashes_pass(&mut i, &mut r);
}

#[test]
fn a_peer_that_drops_mutual_or_integrity() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let (mut i, mut r) = (kdc.peer(PEER), kdc.peer(PEER));
    // CONF and INTEG: complete after one token, and our own rules do not take it.
    let alone = i.initiate(with(towards(&kdc, A, B), "flags", 0x30));
    refused(&alone, "unprotected", false, "no mutual authentication");
    // A peer that has no such rules: its token comes from the library alone.
    let raw = i.ask(&json!({"do": "raw", "with": with(towards(&kdc, A, B), "flags", 0x30)}));
    let second = r.accept(&token(&raw), accepting(&kdc, B, A));
    refused(&second, "unprotected", false, "no mutual authentication");
    assert_eq!(second["token"], Value::Null);
}

#[test]
fn a_library_that_is_not_mits_is_refused() {
    need!(Heimdal);
    let mut side = GssPeer::start(Command::new(PEER));
    for (library, words) in [
        (HEIMDAL, "is not MIT's library, it lacks gss_acquire_cred_from"),
        ("/nonexistent/libgssapi_krb5.so.2", "cannot be loaded"),
    ] {
        let answer = side.initiate(json!({"library": library, "target": "host/b.ike.test"}));
        refused(&answer, "no-library", true, words);
        assert_eq!(answer["text"].as_str().unwrap().lines().count(), 1);
    }
    assert!(Path::new(HEIMDAL).exists());
}
