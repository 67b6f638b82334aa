//! IKEv1 as ike-scan sees it, and the attack on aggressive mode that psk-crack makes: whoever hears HASH_R can try out
//! secrets. That it finds ours shows that the hash is right, computed by somebody else.

use std::fs;
use std::process::Command;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::process::run;

/// AES-256, SHA-1, preshared key, group 14.
const TRANSFORM: &str = "--trans=7/256,2,1,14";

/// One question, one answer.
fn scan(from: &Namespace, options: &[&str]) -> String {
    from.run(
        "ike-scan",
        &[&["--retry=1", "--timeout=5000", TRANSFORM], options, &["10.77.0.1"]].concat(),
    )
}

#[test]
fn ike_scan_finds_us_and_psk_crack_confirms_our_hash() {
    need!(Namespaces, IkeScan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("aes256-sha1-modp2048", "")
        .v1()
        .with("aggressive = true");
    let ours = Handfast::start(&lab, &a, &connection.toml());

    let main = scan(&b, &[]);
    assert!(main.contains("Main Mode Handshake returned"), "{main}\n{}", ours.log());
    assert!(
        main.contains("Enc=AES") && main.contains("KeyLength=256") && main.contains("Hash=SHA1"),
        "{main}"
    );
    assert!(main.contains("1 returned handshake"), "{main}");

    let crack = lab.dir().join("crack");
    let to_crack = format!("--pskcrack={}", crack.display());
    let name = ["--aggressive", "--dhgroup=14", "--idtype=2", "--id=b.test", &to_crack];
    let aggressive = scan(&b, &name);
    assert!(
        aggressive.contains("Aggressive Mode Handshake returned"),
        "{aggressive}\n{}",
        ours.log()
    );
    assert!(aggressive.contains("ID(Type=ID_FQDN, Value=a.test)"), "{aggressive}");

    let words = lab.dir().join("words");
    let try_out = |list: &str| {
        fs::write(&words, list).expect("the word list is written");
        run(Command::new("psk-crack").arg("--dictionary").arg(&words).arg(&crack))
    };
    let found = try_out(&format!("wrong\nanother\n{}\n", connection.secret));
    assert!(
        found.contains(&format!("key \"{}\" matches SHA1 hash", connection.secret)),
        "{found}"
    );
    let not_found = try_out("wrong\nanother\n");
    assert!(!not_found.contains("matches"), "{not_found}");

    // Nobody asks for aggressive mode, or the identity is nobody's: told why not, and no hash leaves.
    let nobody = ["--aggressive", "--dhgroup=14", "--idtype=2", "--id=nobody.test"];
    let refused = scan(&b, &nobody);
    assert!(
        refused.contains("Notify message 18 (INVALID-ID-INFORMATION)"),
        "{refused}"
    );
    let main_only = Connection::new("aes256-sha1-modp2048", "").v1();
    ours.configure(&main_only.toml());
    assert_eq!(ours.reload(&[]).0, Some(0));
    let refused = scan(&b, &name[..4]);
    assert!(refused.contains("Notify message 14 (NO-PROPOSAL-CHOSEN)"), "{refused}");
    let refusals = ours.status()["refusals"].to_string();
    assert!(refusals.contains("aggressive mode is not asked for here"), "{refusals}");
}
