//! CRLs and OCSP answers that OpenSSL made: good, revoked, outdated, forged, of another, and none at all.

use handfast_auth::certificate::path::find;
use handfast_auth::certificate::revocation::{Evidence, RevocationPolicy, Wanted, check, sources};
use handfast_auth::certificate::{Crl, Path, PathPolicy, Time, Trust, ocsp};
use handfast_tests::need;
use handfast_tests::openssl::OpenSsl;

use super::paths::{P256, certificate, issue, now, root};

/// A CA with a database, its certificates `good` and `bad`, of which the latter is revoked.
fn ca(test: &str) -> OpenSsl {
    let openssl = OpenSsl::new(test);
    root(&openssl, "ca", P256, "");
    for name in ["good", "bad"] {
        let where_ =
            "crlDistributionPoints=URI:http://pki.example/ca.crl\nauthorityInfoAccess=OCSP;URI:http://ocsp.example/";
        issue(&openssl, "ca", name, P256, where_);
    }
    openssl.write("index.txt", "");
    openssl.write("crlnumber", "01\n");
    openssl.write(
        "ca.conf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=1\ncertificate=ca.crt\nprivate_key=ca.key\n",
    );
    openssl.run("ca -config ca.conf -valid good.crt");
    openssl.run("ca -config ca.conf -valid bad.crt");
    openssl.run("ca -config ca.conf -gencrl -out before.crl");
    openssl.run("ca -config ca.conf -revoke bad.crt -crl_reason keyCompromise");
    openssl.run("ca -config ca.conf -gencrl -out ca.crl");
    openssl
}

fn path(openssl: &OpenSsl, name: &str) -> Path {
    let trust = Trust {
        anchors: vec![certificate(openssl, "ca.crt")],
        intermediates: vec![],
    };
    let peer = certificate(openssl, &format!("{name}.crt"));
    find(&peer, &[], &trust, &PathPolicy::at(now())).unwrap().remove(0)
}

fn crl(openssl: &OpenSsl, file: &str) -> Crl {
    openssl.run(&format!("crl -in {file} -outform DER -out crl.der"));
    Crl::from_der(&openssl.read("crl.der")).unwrap()
}

fn policy(crl: Wanted, ocsp: Wanted) -> RevocationPolicy {
    RevocationPolicy { crl, ocsp }
}

#[test]
fn by_crl() {
    need!(OpenSsl);
    let openssl = ca("crl");
    let (good, bad) = (path(&openssl, "good"), path(&openssl, "bad"));
    let source = &sources(&good)[0];
    assert_eq!(source.crls, ["http://pki.example/ca.crl"]);
    assert_eq!(source.responders, ["http://ocsp.example/"]);
    let judge = |path: &Path, crls: &[Crl], wanted, now: Time| {
        let evidence = Evidence { crls, ocsp: &[] };
        check(path, &evidence, policy(wanted, Wanted::Off), now).map_err(|refusal| refusal.to_string())
    };
    let (current, before) = ([crl(&openssl, "ca.crl")], [crl(&openssl, "before.crl")]);
    for wanted in [Wanted::Try, Wanted::Require] {
        assert_eq!(judge(&good, &current, wanted, now()), Ok(()));
        assert_eq!(judge(&bad, &before, wanted, now()), Ok(()));
        let refusal = judge(&bad, &current, wanted, now()).unwrap_err();
        assert!(
            refusal.starts_with("certificate \"C=XX, O=Example, CN=bad\": it is revoked since 20"),
            "{refusal}"
        );
        assert!(refusal.ends_with("UTC (key compromise)"), "{refusal}");
    }
    assert_eq!(judge(&bad, &current, Wanted::Off, now()), Ok(()));
    // None, and one that says nothing.
    let required = |crls: &[Crl], now| judge(&good, crls, Wanted::Require, now).unwrap_err();
    assert_eq!(judge(&good, &[], Wanted::Try, now()), Ok(()));
    let none = "certificate \"C=XX, O=Example, CN=good\": no CRL says whether it is revoked, and one is required";
    assert_eq!(required(&[], now()), none);
    assert!(required(&current, now().plus_days(2)).contains("(the CRL is outdated since 20"));
    assert!(required(&current, Time(now().0 - 86_400)).contains("(the CRL is not valid before 20"));
    // Outdated, it revokes nobody; the policy decides.
    assert_eq!(judge(&bad, &current, Wanted::Try, now().plus_days(2)), Ok(()));

    // One octet changed: unreadable, of another, or with a signature that does not fit; never good.
    openssl.run("crl -in ca.crl -outform DER -out crl.der");
    let der = openssl.read("crl.der");
    for at in 0..der.len() {
        let mut der = der.clone();
        der[at] ^= 1;
        if let Ok(changed) = Crl::from_der(&der) {
            assert!(judge(&good, &[changed], Wanted::Require, now()).is_err(), "octet {at}");
        }
        assert!(Crl::from_der(&der[..at]).is_err());
    }
    // Another CA of the same name.
    let other = ca("crl-other");
    let refusal = required(&[crl(&other, "ca.crl")], now());
    assert!(
        refusal.ends_with("(the CRL's signature does not fit its issuer's key)"),
        "{refusal}"
    );
}

#[test]
fn by_ocsp() {
    need!(OpenSsl);
    let openssl = ca("ocsp");
    issue(
        &openssl,
        "ca",
        "responder",
        P256,
        "extendedKeyUsage=OCSPSigning\nnoCheck=ignored",
    );
    issue(&openssl, "ca", "imposter", P256, "extendedKeyUsage=clientAuth");
    let (good, bad) = (path(&openssl, "good"), path(&openssl, "bad"));
    let ask = |name: &str, nonce: Option<&[u8]>, signer: &str, more: &str| {
        let issuer = certificate(&openssl, "ca.crt");
        openssl.write(
            "request",
            ocsp::request(&certificate(&openssl, &format!("{name}.crt")), &issuer, nonce),
        );
        openssl.run(&format!(
            "ocsp -index index.txt -CA ca.crt -rsigner {signer}.crt -rkey {signer}.key -reqin request -respout response {more}"
        ));
        (openssl.read("response"), nonce.map(<[u8]>::to_vec))
    };
    let judge = |path: &Path, answer: (Vec<u8>, Option<Vec<u8>>), now: Time| {
        let evidence = Evidence {
            crls: &[],
            ocsp: &[answer],
        };
        check(path, &evidence, policy(Wanted::Off, Wanted::Require), now).map_err(|refusal| refusal.to_string())
    };
    // Signed by the CA, by its responder (named by name and by key), with and without a nonce.
    for signer in ["ca", "responder"] {
        for more in ["-ndays 1", "-ndays 1 -resp_key_id", ""] {
            for nonce in [None, Some(&[7u8; 16][..])] {
                assert_eq!(
                    judge(&good, ask("good", nonce, signer, more), now()),
                    Ok(()),
                    "{signer} {more}"
                );
                let refusal = judge(&bad, ask("bad", nonce, signer, more), now()).unwrap_err();
                assert!(
                    refusal.contains("it is revoked since 20") && refusal.contains("(key compromise)"),
                    "{refusal}"
                );
            }
        }
    }
    let reason = |answer, now| judge(&good, answer, now).unwrap_err();
    let day = "-ndays 1";
    assert!(reason(ask("good", None, "imposter", day), now()).contains("signed neither by the issuer nor by whom"));
    assert!(reason(ask("bad", None, "ca", day), now()).contains("is about other certificates"));
    let (answer, _) = ask("good", Some(&[7; 16]), "ca", day);
    assert!(reason((answer.clone(), Some(vec![8; 16])), now()).contains("its nonce differs"));
    assert!(reason((answer.clone(), None), now().plus_days(2)).contains("is outdated since"));
    assert!(reason((answer.clone(), None), Time(now().0 - 1000)).contains("is not valid before"));
    assert!(reason((vec![0x30, 3, 0x0a, 1, 6], None), now()).contains("answers \"unauthorized\""));
    // A certificate that the responder never heard of.
    issue(&openssl, "ca", "stranger", P256, "");
    let refusal = judge(&path(&openssl, "stranger"), ask("stranger", None, "ca", day), now()).unwrap_err();
    assert!(refusal.contains("does not know the certificate"), "{refusal}");
    // One octet changed, and it says nothing.
    for at in 0..answer.len() {
        let mut changed = answer.clone();
        changed[at] ^= 1;
        // But for what is not signed: the certificates that come along, at its end.
        if judge(&good, (changed, None), now()).is_ok() {
            assert!(answer.len() - at < 600, "octet {at} of {}", answer.len());
        }
        assert!(judge(&good, (answer[..at].to_vec(), None), now()).is_err());
    }
    let unanswered = Evidence::default();
    assert!(check(&good, &unanswered, policy(Wanted::Off, Wanted::Require), now()).is_err());
    assert!(check(&good, &unanswered, policy(Wanted::Try, Wanted::Try), now()).is_ok());
}
