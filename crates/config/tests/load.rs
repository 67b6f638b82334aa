//! Whole configurations: what is accepted, and how every mistake is told.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use handfast_auth::certificate::Time;
use handfast_config::{FileReader, Loaded, LogFormat, load};
use handfast_engine::policy::{Cookies, Remote, Selector, Start, UdpEncapsulation};

/// Files with these permission bits: those of `tests/pki`, and any other with a secret inside.
struct Files(u32);

impl FileReader for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        if path.ends_with("missing") {
            Err("no such file".into())
        } else if let Ok(octets) = std::fs::read(pki(path)) {
            Ok(octets)
        } else {
            Ok(b"a secret in a file\n".to_vec())
        }
    }

    fn mode(&self, _: &Path) -> Result<u32, String> {
        Ok(self.0)
    }

    fn list(&self, path: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        if path != Path::new("all") {
            return Ok(None);
        }
        let all = ["a.ocsp", "b.pub", "ca.crl", "ca.crt", "make.sh", "old.crt"];
        Ok(Some(all.map(PathBuf::from).to_vec()))
    }

    fn now(&self) -> Time {
        Time(1_800_000_000)
    }
}

fn pki(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki").join(path)
}

fn good(text: &str) -> Loaded {
    load("t.toml", text, &Files(0o600)).unwrap_or_else(|e| panic!("{e}"))
}

/// All mistakes, a line each.
fn bad(text: &str) -> String {
    load("t.toml", text, &Files(0o600)).map(|_| ()).unwrap_err().to_string()
}

const BASE: &str = "[connection.a]\nremote = \"192.0.2.2\"\nlocal_id = \"a.test\"\nsecret = \"0123456789\"\n";

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_example_is_right_and_the_smallest_is_short() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        good(&text);
        count += 1;
    }
    assert!(count >= 4, "{count} examples");
    let smallest = std::fs::read_to_string(root().join("examples/a.toml")).unwrap();
    assert!(smallest.lines().count() < 15);
}

#[test]
fn every_block_of_the_documentation_is_right() {
    for (file, least) in [
        ("docs/configuration.md", 2),
        ("README.md", 1),
        ("crates/daemon/README.md", 1),
    ] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let blocks: Vec<&str> = text
            .split("```toml\n")
            .skip(1)
            .map(|b| b.split("```").next().unwrap())
            .collect();
        assert!(blocks.len() >= least, "{file}");
        blocks.into_iter().for_each(|block| drop(good(block)));
    }
}

#[test]
fn the_smallest_file_has_sane_defaults() {
    let loaded = good(BASE);
    let c = &loaded.policy.connections[0];
    assert_eq!(c.remote, Remote::Address("192.0.2.2".parse().unwrap()));
    assert_eq!(c.start, Start::Wait);
    assert_eq!(c.place, "t.toml:1");
    assert_eq!(c.children[0].rekey, Duration::from_secs(3600));
    assert_eq!(c.remote_id.to_string(), "192.0.2.2");
    assert!(c.ike[0].to_string().contains("gcm16"), "modern first: {}", c.ike[0]);
    assert!(!c.ike.iter().any(|p| p.to_string().contains("sha1")));
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end() {
    let text = BASE.replace("secret = \"0123456789\"", "secret_file = \"x\"");
    assert_eq!(
        good(&text).policy.connections[0].auth.psk.as_bytes(),
        b"a secret in a file"
    );
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let with = |line: &str| bad(&format!("{BASE}{line}\n"));
    let cases = [
        (bad(""), "t.toml:1:1: the file is empty"),
        (bad("[daemon]\n"), "t.toml:1:1: no connection"),
        (bad("[connection.a\n"), "t.toml:1:14: not TOML"),
        (with("remot_id = \"x\""), "t.toml:5:1: unknown key remot_id"),
        (with("remot_id = \"x\""), "did you mean remote_id?"),
        (with("remotid = \"x\""), "did you mean remote_id?"),
        (
            with("start = \"later\""),
            "t.toml:5:9: start is \"later\"; expected \"now\" or \"wait\"",
        ),
        (with("start = true"), "t.toml:5:9: start is true or false"),
        (
            with("local = \"192.0.2\""),
            "t.toml:5:9: local: \"192.0.2\" is not an address",
        ),
        (with("local = \"2001:db8::1\""), "of different families"),
        (with("ike = \"aes128gcm17-prfsha256-x25519\""), "t.toml:5:8: ike:"),
        (with("ike = \"3des-sha1-modp1024\""), "too weak"),
        (with("esp = \"aes128\""), "t.toml:5:7: esp:"),
        (with("local_subnet = \"10.1.0.0/33\""), "t.toml:5:16: local_subnet:"),
        (
            with("local_subnet = [\"10.1.0.0/16\", 3]"),
            "t.toml:5:32: local_subnet is a number",
        ),
        (with("secret_file = \"x\""), "both secret and secret_file"),
        (
            with("liveness = \"30\""),
            "t.toml:5:12: liveness: \"30\" is not a duration",
        ),
        (with("remote_port = 0"), "a whole number from 1 to 65535"),
        (with("mode = \"transports\""), "\"transport-or-tunnel\""),
        (
            with("mode = \"transport\"\nremote_subnet = \"10.2.0.0/16\""),
            "transport mode carries no packets of 10.2.0.0/16",
        ),
        (with("version = 3"), "a whole number from 1 to 2"),
        (with("version = \"one\""), "version is \"one\""),
        (
            with("version = 1\nike = \"aes128gcm16-prfsha256-ecp256\""),
            "nothing in it can be used in IKEv1",
        ),
        (with("aggressive = true"), "aggressive mode is of IKEv1"),
        (
            bad("[connection.a]\nremote = \"192.0.2.2\"\nlocal_id = \"a\"\n"),
            "t.toml:1:13: a has no secret",
        ),
        (bad(&BASE.replace("0123456789", "")), "is empty"),
        (
            bad(&BASE
                .replace("192.0.2.2", "any")
                .replace("secret =", "start = \"now\"\nsecret =")),
            "cannot start now",
        ),
        (
            bad(&BASE.replace("192.0.2.2", "192.0.2.300")),
            "neither an address nor a name",
        ),
        (
            bad(&BASE.replace("local_id = \"a.test\"\n", "")),
            "does not say who we are",
        ),
    ];
    for (told, wanted) in cases {
        assert!(told.contains(wanted), "wanted {wanted:?} in: {told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = bad(&format!("{BASE}start = 1\nliveness = 2\nnonsense = 3\n"));
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn a_file_with_a_secret_is_its_owners_alone() {
    let refused = load("t.toml", BASE, &Files(0o640)).map(|_| ()).unwrap_err().to_string();
    assert!(
        refused.contains("mode 640") && refused.contains("chmod 600 t.toml"),
        "{refused}"
    );
    let text = BASE.replace("secret = \"0123456789\"", "secret_file = \"x\"");
    let refused = load("/etc/t.toml", &text, &Files(0o644))
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("chmod 600 /etc/x"), "{refused}");
    let missing = BASE.replace("secret = \"0123456789\"", "secret_file = \"missing\"");
    assert!(bad(&missing).contains("no such file"));
}

#[test]
fn the_same_subnets_towards_two_peers_are_refused() {
    let subnets = "local_subnet = \"10.1.0.0/16\"\nremote_subnet = \"10.2.0.0/16\"\n";
    let one = format!("{BASE}{subnets}");
    let two = one
        .replace("connection.a", "connection.b")
        .replace("192.0.2.2", "192.0.2.3");
    assert!(bad(&format!("{one}{two}")).contains("have the same subnets"));
    // Peers from anywhere are told apart when they come.
    good(&format!("{one}{}", two.replace("192.0.2.3", "any")));
}

#[test]
fn children_take_what_they_do_not_say_from_their_connection() {
    let loaded = good(&format!(
        "{BASE}local_subnet = \"10.1.0.0/16\"\nrekey = \"2h\"\nesp = \"aes256gcm16\"\n\
         [connection.a.child.web]\nremote_subnet = \"[tcp/443]\"\nrekey = \"off\"\n\
         [connection.a.child.all]\nremote_subnet = \"10.2.0.0/16\"\nesp = \"aes128gcm16\"\nsingle_pair = true\n"
    ));
    let c = &loaded.policy.connections[0];
    assert_eq!(c.max_children, 64);
    let [web, all] = c.children.as_slice() else {
        panic!("two children")
    };
    assert_eq!((web.name.as_str(), web.place.as_str()), ("web", "t.toml:8"));
    assert_eq!((web.rekey, all.rekey), (Duration::ZERO, Duration::from_secs(7200)));
    assert_eq!(
        (web.esp[0].to_string(), all.esp[0].to_string()),
        ("aes256gcm16".into(), "aes128gcm16".into())
    );
    assert_eq!(web.local_ts, all.local_ts);
    assert_eq!(
        (web.remote_ts[0].to_string(), web.single_pair),
        ("[tcp/443]".into(), false)
    );
    assert!(all.single_pair);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let short = good(&BASE.replace("0123456789", "abc"));
    assert!(short.warnings[0].to_string().contains("only 3 octets"));
    let anyone = good(&BASE.replace("192.0.2.2", "any"));
    assert!(anyone.warnings[0].to_string().contains("accepts any peer"));
}

#[test]
fn a_mistake_is_drawn_with_its_line() {
    let drawn = load("t.toml", &format!("{BASE}start = 1\n"), &Files(0o600))
        .map(|_| ())
        .unwrap_err()
        .render(false);
    assert!(drawn.contains("start = 1") && drawn.contains("t.toml:5:9"), "{drawn}");
}

/// Every key that the code knows is in a table of the documentation, and no other.
#[test]
fn the_documentation_has_every_key() {
    let text = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut documented: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split('`').next())
        .collect();
    documented.sort_unstable();
    let known = |text: &str| -> Vec<String> {
        let told = bad(text);
        let list = told.split("expected one of ").nth(1).unwrap();
        list.trim().split(", ").map(str::to_string).collect()
    };
    let mut keys = known(&format!("{BASE}quite_another = 1\n"));
    keys.extend(known(&format!("[daemon]\nquite_another = 1\n{BASE}")));
    keys.extend(known(&format!(
        "{BASE}kerberos = {{ target = \"host/b\", quite_another = 1 }}\n"
    )));
    keys.sort_unstable();
    assert_eq!(documented, keys);
}

#[test]
fn every_key_reaches_the_policy() {
    let loaded = good(
        r#"
        [daemon]
        ike_port = 1500
        natt_port = 14500
        socket = "/run/other.sock"
        log = "json"
        log_level = "info,handfast::net=debug"
        half_open_limit = 7
        half_open_per_address = 3
        cookies = "always"
        tun = "vpn0"
        mtu = 1400
        offload = false
        prepared_keys = 0

        [connection.a]
        local = ["2001:db8::1", "192.0.2.1", "192.0.2.1"]
        remote = "192.0.2.2"
        secret = "0x00010203040506070809"
        remote_id = "*.example.net"
        local_subnet = ["10.1.0.0/16", "2001:db8:1::/48"]
        remote_subnet = "10.2.0.0/16[tcp/443]"
        ike = ["aes256-sha256-modp2048", "aes128gcm16-prfsha384-ecp384"]
        esp = "aes256gcm16-esn"
        udp_encapsulation = "always"
        liveness = "off"
        rekey = "8h"
        keepalive = "1m"
        retransmit_timeout = "45s"
        retransmit_tries = 0
        fragment_size = 576
        remote_port = 2500
        remote_natt_port = 24500
        version = 2
        start = "now"

        [connection.b]
        remote = "b.example.net."
        rekey = "off"
        fragment_size = "off"
        local_id = "keyid:b"
        secret = "0sAAECAwQFBgcICQ=="
        "#,
    );
    let d = &loaded.config.daemon;
    assert_eq!(
        (
            d.ike_port,
            d.natt_port,
            d.half_open_limit,
            d.mtu,
            d.offload,
            d.prepared_keys
        ),
        (1500, 14500, 7, Some(1400), false, 0)
    );
    assert_eq!(
        (d.tun.as_str(), d.log_level.as_str()),
        ("vpn0", "info,handfast::net=debug")
    );
    assert_eq!(
        (d.socket.to_str().unwrap(), d.log),
        ("/run/other.sock", LogFormat::Json)
    );
    let policy = &loaded.policy;
    assert_eq!(
        (policy.ports.ike, policy.ports.natt, policy.half_open_limit),
        (1500, 14500, 7)
    );
    assert_eq!((policy.half_open_per_address, policy.cookies), (3, Cookies::Always));
    let [a, b] = policy.connections.as_slice() else {
        panic!("two connections")
    };
    assert_eq!(a.local.len(), 2);
    assert_eq!(a.local_id.to_string(), "192.0.2.1", "of the peer's family");
    assert_eq!(a.remote_id.to_string(), "*.example.net");
    assert_eq!(a.auth.psk.as_bytes(), b.auth.psk.as_bytes());
    assert_eq!((a.fragment_size, b.fragment_size), (Some(576), None));
    assert_eq!(a.ike.len(), 2);
    assert_eq!(a.ike[0].to_string(), "aes256-sha256-modp2048");
    let child = &a.children[0];
    assert_eq!((child.name.as_str(), child.place.as_str()), ("a", a.place.as_str()));
    assert_eq!(child.esp[0].to_string(), "aes256gcm16-esn");
    let text = |ts: &[Selector]| ts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(child.rekey, Duration::from_secs(8 * 3600));
    assert_eq!(b.children[0].rekey, Duration::ZERO);
    assert_eq!(text(&child.local_ts), "10.1.0.0/16 2001:db8:1::/48");
    assert_eq!(text(&child.remote_ts), "10.2.0.0/16[tcp/443]");
    assert_eq!((a.start, a.udp_encapsulation), (Start::Now, UdpEncapsulation::Always));
    assert_eq!((a.liveness, a.keepalive), (Duration::ZERO, Duration::from_secs(60)));
    assert_eq!((a.retransmit.first, a.retransmit.tries), (Duration::from_secs(45), 0));
    assert!(a.retransmit.most >= a.retransmit.first);
    assert_eq!((a.remote_port, a.remote_natt_port), (2500, 24500));
    assert_eq!(b.remote, Remote::Name("b.example.net".into()));
    assert_eq!(b.remote_id.to_string(), "b.example.net");
    assert!(loaded.warnings.is_empty());
}

/// A keytab with a key of host/a.example.net@R.
fn keytab() -> Vec<u8> {
    let counted = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let mut entry = [&[0, 2][..], &counted("R"), &counted("host"), &counted("a.example.net")].concat();
    entry.extend([0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 18]);
    entry.extend(counted(&"k".repeat(32)));
    [&[5, 2][..], &u32::try_from(entry.len()).unwrap().to_be_bytes(), &entry].concat()
}

#[test]
fn kerberos_reaches_the_policy() {
    use handfast_auth::kerberos::Target;
    use handfast_auth::kerberos::ikev1::HashedIdentity;
    use handfast_engine::policy::{Method, Versions};
    use handfast_wire::v1::gss::{Framing, IdentityEncoding};

    struct Keytabs;
    impl FileReader for Keytabs {
        fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
            match path.to_str() {
                Some("/etc/krb5.keytab" | "own.keytab") => Ok(keytab()),
                _ => Err("no such file".into()),
            }
        }
        fn mode(&self, _: &Path) -> Result<u32, String> {
            Ok(0o600)
        }
        fn list(&self, _: &Path) -> Result<Option<Vec<std::path::PathBuf>>, String> {
            Ok(None)
        }
        fn now(&self) -> handfast_auth::certificate::Time {
            handfast_auth::certificate::Time(1_800_000_000)
        }
    }
    let text = r#"
        [connection.short]
        remote = "files.example.net"
        kerberos = {}

        [connection.long]
        version = "any"
        remote = "192.0.2.2"
        auth = ["kerberos", "psk"]
        secret = "a long secret that both ends share"
        [connection.long.kerberos]
        keytab = "own.keytab"
        principal = "host/a.example.net"
        ccache = "FILE:/run/tickets"
        rcache = "dfl:"
        target = "PC$@AD.EXAMPLE"
        peer_principals = ["PC$", "host/*.example.net@R"]
        realms = "AD.EXAMPLE"
        fallback = false
        identity = "A$@AD.EXAMPLE"
        identity_encoding = "latin-1"
        hashed_identity = "as-sent"
        token_octet = "present"
    "#;
    let loaded = handfast_config::load("t.toml", text, &Keytabs).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let [short, long] = &loaded.policy.connections[..] else {
        panic!("two connections")
    };
    assert_eq!(
        (short.versions, short.auth.local.as_slice()),
        (Versions::One, &[Method::Kerberos][..])
    );
    assert_eq!(short.auth.remote, [Method::Kerberos]);
    assert_eq!(
        (short.local_id.to_string(), short.remote_id.to_string()),
        ("a.example.net".into(), "files.example.net".into())
    );
    let kerberos = short.auth.kerberos.as_ref().unwrap();
    assert_eq!(kerberos.identity, "host/a.example.net@R");
    assert!(kerberos.fallback && kerberos.framing.is_none() && kerberos.hashed.is_none());
    assert_eq!(kerberos.local.target, Some(Target::host("files.example.net")));
    assert_eq!(kerberos.local.credentials.keytab.as_deref(), Some("/etc/krb5.keytab"));
    let own = "host/a.example.net@R".parse().unwrap();
    let accepts = |peer: &str| kerberos.local.peers.check(&peer.parse().unwrap(), &own).is_ok();
    assert!(accepts("host/files.example.net@R"));
    assert!(!accepts("host/evil.example.net@R") && !accepts("host/files.example.net@S"));

    assert_eq!((long.versions, long.auth.local.len()), (Versions::Any, 2));
    let kerberos = long.auth.kerberos.as_ref().unwrap();
    let credentials = &kerberos.local.credentials;
    assert_eq!(
        credentials.principal.as_ref().unwrap().to_string(),
        "host/a.example.net"
    );
    assert_eq!(
        (credentials.ccache.as_deref(), credentials.rcache.as_deref()),
        (Some("FILE:/run/tickets"), Some("dfl:"))
    );
    assert_eq!(credentials.keytab.as_deref(), Some("own.keytab"));
    assert_eq!(kerberos.local.target.as_ref().unwrap().to_string(), "PC$@AD.EXAMPLE");
    let accepts = |peer: &str| kerberos.local.peers.check(&peer.parse().unwrap(), &own).is_ok();
    assert!(accepts("PC$@AD.EXAMPLE") && accepts("host/b.example.net@R"));
    assert!(!accepts("PC$@R") && !accepts("host/b.example.net@AD.EXAMPLE"));
    assert_eq!(
        (kerberos.identity.as_str(), kerberos.encoding),
        ("A$@AD.EXAMPLE", IdentityEncoding::Latin1)
    );
    assert_eq!(
        (kerberos.hashed, kerberos.framing),
        (Some(HashedIdentity::AsSent), Some(Framing::VendorOctet))
    );
    assert!(!kerberos.fallback);
}
