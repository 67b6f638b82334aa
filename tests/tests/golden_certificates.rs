//! The recorded IKEv2 exchanges with certificates: every AUTH verifies over the recorded octets, its certificate leads to
//! the CA of the recording and is of the identity claimed, and our own signature over the same octets satisfies OpenSSL.
//! (Those of IKEv1 are in `golden_v1`.)
#![allow(clippy::unwrap_used)]

#[path = "golden_secrets/payloads.rs"]
#[allow(dead_code)]
mod payloads;
#[path = "golden_secrets/replay.rs"]
#[allow(dead_code)]
mod replay;
#[path = "golden_secrets/sa.rs"]
#[allow(dead_code)]
mod sa;

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::ikev2::{self, Preference, SignatureHashes};
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::{Bundle, Certificate, LocalSigner, PathPolicy, Scheme, Signer, Time, Trust, Usage};
use handfast_crypto::hash::Hash;
use handfast_tests::golden::{data_dir, exchanges};
use handfast_tests::need;
use handfast_tests::openssl::{OpenSsl, ecdsa_sig_value};
use handfast_wire::numbers::AuthMethod;
use replay::{Outcome, Signed, replay};

/// A day after the certificates were made.
const NOW: Time = Time(1_795_586_658);

fn pki(file: &str) -> Bundle {
    let path = data_dir().join("golden/pki").join(file);
    Bundle::read(&std::fs::read(path).unwrap(), None).unwrap()
}

/// Name of the exchange, and its signed AUTH payloads.
fn signed() -> Vec<(String, Signed)> {
    let mut all = Vec::new();
    for exchange in exchanges().into_iter().filter(|exchange| exchange.is_v2()) {
        if let Outcome::Done { signed, .. } = replay(&exchange) {
            all.extend(signed.into_iter().map(|one| (exchange.name.clone(), one)));
        }
    }
    all
}

#[test]
fn recorded_signatures_and_certificates_verify() {
    let ca = pki("ca.crt").certificates.remove(0);
    let trust = Trust {
        anchors: vec![ca],
        intermediates: vec![],
    };
    let ours = SignatureHashes::ours(false);
    let mut seen = Vec::new();
    for (exchange, auth) in signed() {
        // EAP's peer has no certificate.
        let Some(der) = auth.certificates.first() else { continue };
        let peer = Certificate::from_der(der).unwrap();
        let key = peer.key().unwrap();
        let method = AuthMethod(auth.method);
        let scheme = ikev2::verify(key, method, &auth.data, &auth.octets, ours).unwrap();
        seen.push((exchange, auth.response, scheme));

        // These certificates say that they are for TLS servers.
        let strict = find(&peer, &[], &trust, &PathPolicy::at(NOW)).unwrap_err().to_string();
        assert!(strict.contains("it is made for serverAuth and not for IKE"), "{strict}");
        let policy = PathPolicy {
            usage: Usage::IkeOrTls,
            ..PathPolicy::at(NOW)
        };
        assert_eq!(find(&peer, &[], &trust, &policy).unwrap()[0].certificates().len(), 2);
        assert!(find(&peer, &[], &Trust::default(), &policy).is_err());
        peer.is_of(&Identity::from_wire(auth.id[0], &auth.id[4..])).unwrap();

        // Each octet counts.
        for at in 0..auth.data.len() {
            let mut data = auth.data.clone();
            data[at] ^= 1;
            assert!(
                ikev2::verify(key, method, &data, &auth.octets, ours).is_err(),
                "octet {at}"
            );
            assert!(ikev2::verify(key, method, &auth.data[..at], &auth.octets, ours).is_err());
        }
        let mut octets = auth.octets.clone();
        octets[40] ^= 1;
        assert!(ikev2::verify(key, method, &auth.data, &octets, ours).is_err());
        // A hash that was not announced is not taken.
        let only_sha512 = SignatureHashes::from_notify(&[0, 4]);
        let hash = scheme.hash().unwrap();
        assert_eq!(
            ikev2::verify(key, method, &auth.data, &auth.octets, only_sha512).is_ok(),
            hash == Hash::Sha512
        );
    }
    let pkcs1 = Scheme::RsaPkcs1(Hash::Sha256);
    let expected = [
        ("v2-eap-mschapv2", true, pkcs1),
        ("v2-ecdsa256-x25519", false, Scheme::Ecdsa(Hash::Sha256)),
        ("v2-ecdsa256-x25519", true, Scheme::Ecdsa(Hash::Sha256)),
        ("v2-rsa-fragmented-600", false, pkcs1),
        ("v2-rsa-fragmented-600", true, pkcs1),
        ("v2-rsa-pkcs1-sha256-modp2048", false, pkcs1),
        ("v2-rsa-pkcs1-sha256-modp2048", true, pkcs1),
        ("v2-rsa-pss-aes128gcm-ecp256", false, Scheme::pss(Hash::Sha256)),
        ("v2-rsa-pss-aes128gcm-ecp256", true, Scheme::pss(Hash::Sha384)),
    ];
    assert_eq!(
        seen,
        expected.map(|(name, response, scheme)| (name.to_owned(), response, scheme))
    );
}

#[test]
fn our_signatures_over_the_same_octets_satisfy_openssl() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("golden-certificates");
    let all = SignatureHashes::ours(true);
    let (mut count, random) = (0, Arc::new(ring::rand::SystemRandom::new()));
    for (_, auth) in signed().into_iter().filter(|(_, auth)| !auth.certificates.is_empty()) {
        openssl.write("octets", &auth.octets);
        let side = if auth.response { 'b' } else { 'a' };
        for kind in ["rsa", "ecdsa", "ed25519"] {
            openssl.write(
                "crt",
                std::fs::read(data_dir().join(format!("golden/pki/{side}-{kind}.crt"))).unwrap(),
            );
            openssl.run("x509 -in crt -pubkey -noout -out pub");
            let key = pki(&format!("{side}-{kind}.key")).keys.remove(0);
            let signer = LocalSigner::new(key, random.clone());
            let certificate = pki(&format!("{side}-{kind}.crt")).certificates.remove(0);
            assert_eq!(certificate.key().unwrap(), signer.public_key());
            for (peer, pss, sha1) in [
                (Some(all), true, false),
                (Some(all), false, false),
                (Some(SignatureHashes::from_notify(&[0, 3, 0, 5])), true, false),
                (Some(SignatureHashes::from_notify(&[0, 1, 0, 5])), true, true),
                (None, true, true),
            ] {
                let Ok(choice) = ikev2::choose(signer.public_key(), peer, Preference { pss, sha1 }) else {
                    assert!(kind == "ed25519" && peer.is_none());
                    continue;
                };
                let proof = choice.proof(&signer.sign(choice.form, &auth.octets).unwrap());
                let method = AuthMethod(proof.method);
                let scheme = ikev2::verify(signer.public_key(), method, &proof.data, &auth.octets, all).unwrap();
                let signature = match method {
                    AuthMethod::DIGITAL_SIGNATURE => proof.data[1 + usize::from(proof.data[0])..].to_vec(),
                    AuthMethod::ECDSA_256 => ecdsa_sig_value(&proof.data),
                    _ => proof.data,
                };
                openssl.write("signature", &signature);
                let digest = match scheme.hash() {
                    Some(Hash::Sha1) => "-digest sha1",
                    Some(Hash::Sha256) => "-digest sha256",
                    Some(Hash::Sha384) => "-digest sha384",
                    _ => "",
                };
                let padding = match scheme {
                    Scheme::RsaPss { .. } => "-pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest",
                    _ => "",
                };
                openssl.run(&format!(
                    "pkeyutl -verify -pubin -inkey pub -rawin -in octets -sigfile signature {digest} {padding}"
                ));
                count += 1;
            }
        }
    }
    // 9 AUTH payloads, 3 keys, 5 ways; Ed25519 cannot without RFC 7427.
    assert_eq!(count, 9 * (5 + 5 + 4));
}
