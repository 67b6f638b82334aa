//! Handfast to Handfast by Kerberos in two namespaces, with a real MIT KDC beside the second.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::handfast::Handfast;
use handfast_tests::kerberos::Kdc;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::pki::Pki;
use handfast_tests::tshark::judge_first_times;

const SOON: Duration = Duration::from_secs(15);
const A: &str = "a.ike.test";
const B: &str = "b.ike.test";

struct Realm {
    lab: Lab,
    a: Namespace,
    b: Namespace,
    kdc: Kdc,
}

impl Realm {
    fn new(hosts: &[&str]) -> Self {
        let (lab, a, b) = Lab::pair();
        let kdc = Kdc::start_in(&lab, &b, "10.77.0.2", hosts);
        Self { lab, a, b, kdc }
    }

    /// A host's side of the connection: it has the keytab of `own` and wants `peer`.
    fn toml(&self, n: u8, own: &str, peer: &str, more: &str) -> String {
        let other = 3 - n;
        format!(
            "[connection.office]\nlocal = \"10.77.0.{n}\"\nremote = \"10.77.0.{other}\"\n\
             local_id = \"{n}.test\"\nremote_id = \"{other}.test\"\n\
             local_subnet = \"10.78.{n}.0/24\"\nremote_subnet = \"10.78.{other}.0/24\"\n\
             ike = \"aes256-sha256-modp2048\"\nesp = \"aes128gcm16\"\n{more}\n\
             [connection.office.kerberos]\nkeytab = \"{}\"\nprincipal = \"host/{own}\"\ntarget = \"host/{peer}@IKE.TEST\"\n",
            self.kdc.keytab(own).display()
        )
    }

    fn start(&self, n: u8, toml: &str) -> Handfast {
        let space = if n == 1 { &self.a } else { &self.b };
        let conf = self.kdc.krb5_conf_path();
        Handfast::start_with(&self.lab, space, toml, &[("KRB5_CONFIG", &conf)])
    }

    #[track_caller]
    fn pings_pass(&self, left: &Handfast, right: &Handfast) {
        let passed = self.a.ping("10.78.1.1", "10.78.2.1", 20, "0.01");
        assert_eq!(passed, 20, "left:\n{}\nright:\n{}", left.log(), right.log());
    }
}

/// What the status says of both proofs, and of the peer's principal.
#[track_caller]
fn proved(host: &Handfast, method: &str, peer: Option<&str>) {
    let sas = host.sas("office");
    let auth = &sas[0]["auth"];
    assert_eq!(
        (&auth["local"], &auth["remote"]),
        (&method.into(), &method.into()),
        "{auth}"
    );
    let principal = peer.map(|peer| format!("host/{peer}@IKE.TEST"));
    assert_eq!(auth["peer_principal"].as_str(), principal.as_deref(), "{auth}");
}

/// Traffic through, in either direction of the negotiation; tshark decrypts all of it with the key log of one side.
#[test]
fn both_directions() {
    need!(Namespaces, Kdc, Tshark, Tcpdump);
    let realm = Realm::new(&[A, B]);
    let capture = Capture::start(&realm.lab, &realm.a, &realm.b);
    let left = realm.start(1, &realm.toml(1, A, B, ""));
    let right = realm.start(2, &realm.toml(2, B, A, ""));
    for (from, to) in [(&left, &right), (&right, &left)] {
        from.up("office");
        to.wait_up("office", SOON);
        realm.pings_pass(&left, &right);
        proved(&left, "kerberos", Some(B));
        proved(&right, "kerberos", Some(A));
        from.down("office");
        to.wait_down("office", SOON);
    }
    left.keys().assert_same_keys(&right.keys());
    // With one suite, message 1 with its names fits into one IP packet; captures have no IP fragments.
    let verdict = judge_first_times(&capture.stop(), &left.keylog_dir());
    verdict.assert_good();
}

/// A ticket of 8.7 kB travels in IKEv1's fragments.
#[test]
fn a_token_above_8_kilobytes() {
    need!(Namespaces, Kdc);
    let long = "x".repeat(2000);
    let realm = Realm::new(&[&long, B]);
    let left = realm.start(1, &realm.toml(1, &long, B, ""));
    let right = realm.start(2, &realm.toml(2, B, &long, ""));
    left.up("office");
    right.wait_up("office", SOON);
    realm.pings_pass(&left, &right);
}

/// host/evil of the same realm, in either role, gets nothing.
#[test]
fn another_principal_of_the_realm_is_refused() {
    need!(Namespaces, Kdc);
    let realm = Realm::new(&[A, B, "evil.ike.test"]);
    let evil = realm.start(1, &realm.toml(1, "evil.ike.test", B, ""));
    let right = realm.start(2, &realm.toml(2, B, A, ""));
    assert!(!evil.try_up("office").status.success());
    let log = right.log();
    assert!(
        log.contains(
            "the peer proved to be host/evil.ike.test@IKE.TEST, and this connection is for host/a.ike.test@IKE.TEST"
        ),
        "{log}"
    );
    assert!(
        !right.is_up("office") && evil.log().contains("AUTHENTICATION"),
        "{}",
        evil.log()
    );
}

/// Without a KDC the next method is used, and where that is forbidden, the attempt ends with Kerberos's own words; when the
/// KDC is back, Kerberos is used again.
#[test]
fn no_kdc() {
    need!(Namespaces, Kdc);
    let mut realm = Realm::new(&[A, B]);
    let secret = "auth = [\"kerberos\", \"psk\"]\nsecret = \"a long secret that both ends share\"";
    realm.kdc.stop();
    let left = realm.start(1, &realm.toml(1, A, B, secret));
    let right = realm.start(2, &realm.toml(2, B, A, secret));
    left.up("office");
    right.wait_up("office", SOON);
    realm.pings_pass(&left, &right);
    assert!(
        left.log().contains("Cannot contact any KDC for realm 'IKE.TEST'"),
        "{}",
        left.log()
    );
    left.down("office");
    right.wait_down("office", SOON);

    left.configure(&(realm.toml(1, A, B, secret) + "fallback = false\n"));
    left.reload(&[]);
    let refused = left.try_up("office");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("Cannot contact any KDC"),
        "{said}\n{}",
        left.log()
    );

    realm.kdc.resume();
    left.up("office");
    right.wait_up("office", SOON);
    proved(&left, "kerberos", Some(B));
    realm.pings_pass(&left, &right);
}

/// A stale keytab at the responder is explained there; a new keytab, and fresh tickets, are used by the daemons that run.
#[test]
fn a_key_that_changes_while_they_run() {
    need!(Namespaces, Kdc);
    let realm = Realm::new(&[A, B]);
    let left = realm.start(1, &realm.toml(1, A, B, ""));
    let right = realm.start(2, &realm.toml(2, B, A, ""));
    left.up("office");
    right.wait_up("office", SOON);
    left.down("office");
    right.wait_down("office", SOON);
    // Rotation as it should be: the keytab has both keys, and the ticket of before still opens.
    realm.kdc.new_key(B, &realm.kdc.keytab(B));
    left.up("office");
    right.wait_up("office", SOON);
    realm.pings_pass(&left, &right);
    left.down("office");
    right.wait_down("office", SOON);
    // As it should not be: the key is new, and the keytab is stale until it comes.
    let fresh = realm.kdc.dir().join("fresh.keytab");
    realm.kdc.new_key(A, &fresh);
    assert!(!right.try_up("office").status.success());
    let log = left.log();
    assert!(
        log.contains("kvno 3") && log.contains("write it again (ktadd)"),
        "{log}"
    );
    std::fs::copy(&fresh, realm.kdc.keytab(A)).unwrap();
    right.up("office");
    left.wait_up("office", SOON);
    realm.pings_pass(&left, &right);
    right.down("office");
    left.wait_down("office", SOON);
    // Nor like this: the old key is gone, and the ticket of before opens no more. The attempt after gets another.
    let alone = realm.kdc.dir().join("alone.keytab");
    realm.kdc.new_key(B, &alone);
    std::fs::copy(&alone, realm.kdc.keytab(B)).unwrap();
    assert!(!left.try_up("office").status.success());
    left.up("office");
    right.wait_up("office", SOON);
}

/// Four orders of the three methods: the first is used that both sides can do, and who cannot says why.
#[test]
fn the_order_of_methods() {
    need!(Namespaces, Kdc, OpenSsl);
    let mut realm = Realm::new(&[A, B]);
    let pki = Pki::new(&realm.lab);
    pki.root("ca", "p256");
    for n in ["1", "2"] {
        pki.host(n, "p256", "ca", &format!("{n}.test"));
    }
    let own = |n: u8, order: &str, lacks: &str| {
        let (stem, ca) = (n.to_string(), pki.crt("ca"));
        let mut keys = format!("auth = [{order}]\nversion = 1\n");
        if lacks != "psk" {
            keys += "secret = \"a long secret that both ends share\"\n";
        }
        if lacks != "certificate" {
            let (crt, key) = (pki.crt(&stem), pki.file(&format!("{stem}.key")));
            keys += &format!("certificate = {crt:?}\nkey = {key:?}\nca = {ca:?}\n");
        }
        keys
    };
    const K: &str = "\"kerberos\"";
    const C: &str = "\"certificate\"";
    const P: &str = "\"psk\"";
    let both = |realm: &Realm, orders: [String; 2], lacks: [&str; 2]| {
        let left = realm.toml(1, A, B, &own(1, &orders[0], lacks[0]));
        let right = realm.toml(2, B, A, &own(2, &orders[1], lacks[1]));
        [left, right]
    };
    let first = format!("{K}, {C}, {P}");
    realm.kdc.stop();
    let [left, right] = both(&realm, [first.clone(), first], ["", ""]);
    let (left, right) = (realm.start(1, &left), realm.start(2, &right));
    let used = |realm: &Realm, method: &str, principal: Option<&str>| {
        left.up("office");
        right.wait_up("office", SOON);
        realm.pings_pass(&left, &right);
        proved(&left, method, principal);
        left.down("office");
        right.wait_down("office", SOON);
    };
    let configure = |[a, b]: [String; 2]| {
        left.configure(&a);
        right.configure(&b);
        left.reload(&[]);
        right.reload(&[]);
    };
    // The initiator has no KDC, and then it has.
    used(&realm, "certificate", None);
    realm.kdc.resume();
    used(&realm, "kerberos", Some(B));
    // The responder has no certificate.
    let orders = [format!("{C}, {K}, {P}"), format!("{K}, {P}")];
    configure(both(&realm, orders, ["", "certificate"]));
    used(&realm, "kerberos", Some(B));
    // The initiator has no secret.
    let orders = [format!("{C}, {K}"), format!("{P}, {C}, {K}")];
    configure(both(&realm, orders, ["psk", ""]));
    used(&realm, "certificate", None);
    // The responder's keytab is gone.
    let order = format!("{K}, {P}, {C}");
    configure(both(&realm, [order.clone(), order], ["", ""]));
    std::fs::remove_file(realm.kdc.keytab(B)).unwrap();
    used(&realm, "psk", None);
    assert!(right.log().contains("kerberos cannot be used now"), "{}", right.log());
}

/// The demo brings up a KDC of its own.
#[test]
fn the_demo() {
    need!(Kdc);
    let output = std::process::Command::new(handfast_tests::handfast::binary())
        .args(["demo", "--auth", "kerberos", "--json", "--packets", "60"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let accepted: Vec<serde_json::Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &serde_json::Value| line["event"] == "principal")
        .collect();
    assert_eq!(accepted.len(), 2, "{text}");
    assert_eq!(accepted[0]["principal"], "host/b.demo.example@DEMO.EXAMPLE");
    assert_eq!(accepted[1]["principal"], "host/a.demo.example@DEMO.EXAMPLE");
}
