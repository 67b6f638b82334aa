//! The two questions of the engine: a peer's proof from both versions, and every way that it is refused.
#![allow(clippy::unwrap_used)]

mod pki_support;

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::ikev2::{ChoiceError, Preference, SignatureHashes, choose};
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::{
    Certificate, Curve, Form, LocalCertificate, PeerPolicy, PeerProof, PeerQuestion, PublicKey, Scheme, Sent,
    SignQuestion, Signer, Trust,
};
use handfast_auth::v2::ProofContext;
use handfast_crypto::default_provider;
use handfast_crypto::hash::Hash;
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Prf;
use handfast_wire::numbers::{AuthMethod, CertEncoding};
use pki_support::{Entity, NOW, ca_template, peer_template, policy, root, signer};

struct Scene {
    ca: Entity,
    middle: Entity,
    peer: Entity,
}

impl Scene {
    fn new() -> Self {
        let ca = root("CN=Root", 1);
        let middle = ca.issues(&ca_template("CN=Middle"), 2);
        let peer = middle.issues(&peer_template("CN=gw", "gw.example"), 9);
        Self { ca, middle, peer }
    }

    fn local(&self) -> Arc<LocalCertificate> {
        Arc::new(LocalCertificate {
            chain: vec![self.peer.certificate.clone(), self.middle.certificate.clone()],
            signer: Arc::new(signer(9)),
            preference: Preference::default(),
            staple: None,
        })
    }

    fn policy(&self) -> Arc<PeerPolicy> {
        Arc::new(PeerPolicy {
            trust: Trust {
                anchors: vec![self.ca.certificate.clone()],
                intermediates: vec![],
            },
            ..PeerPolicy::default()
        })
    }

    /// The peer's proof as it would come.
    fn question(&self) -> PeerQuestion {
        let mut sent = Sent::default();
        for certificate in &self.local().chain {
            sent.add(CertEncoding::X509_SIGNATURE, certificate.as_der());
        }
        let prf = default_provider().prf(Prf::HMAC_SHA2_256).unwrap();
        let context = ProofContext {
            prf,
            sk_p: &Secret::new(vec![3; 32]),
            first_message: &[1; 300],
            other_nonce: &[2; 32],
            id_body: &[2, 0, 0, 0, b'g', b'w'],
        };
        let ask = SignQuestion::v2(&self.local(), &context, Some(SignatureHashes::ours(false))).unwrap();
        assert_eq!(ask.form(), Form::Scheme(Scheme::Ed25519));
        let proof = ask.answer().unwrap();
        PeerQuestion {
            policy: self.policy(),
            identity: "gw.example".parse().unwrap(),
            sent,
            proof: PeerProof::V2 {
                method: AuthMethod(proof.method),
                data: proof.data,
                octets: handfast_auth::certificate::ikev2::signed_octets(&context),
            },
        }
    }
}

fn refused(question: &PeerQuestion) -> String {
    question.judge(NOW).unwrap_err().to_string()
}

#[test]
fn a_good_peer_is_accepted() {
    let question = Scene::new().question();
    let judged = question.judge(NOW).unwrap();
    assert!(judged.sources(NOW).is_empty());
    assert_eq!(judged.finish(&[], &[], NOW).unwrap().unwrap().certificates().len(), 3);
}

#[test]
fn each_refusal_has_its_reason() {
    let scene = Scene::new();
    let mut question = scene.question();
    question.identity = "other.example".parse().unwrap();
    assert!(refused(&question).contains("is not of domain name \"other.example\""));

    let mut question = scene.question();
    question.sent.certificates.truncate(1);
    assert!(refused(&question).contains("no trusted CA and no certificate that was sent is its issuer \"CN=Middle\""));
    question.sent.certificates.clear();
    assert_eq!(
        refused(&question),
        "the peer sent no certificate, and none of \"gw.example\" is configured"
    );
    question.sent.add(CertEncoding::X509_SIGNATURE, &[0x30, 0x80, 0, 0]);
    assert!(refused(&question).contains("cannot be read (certificate: an indefinite length, which DER forbids)"));
    // Other encodings are none (hostile row A095), and never too many.
    for encoding in 0..=255 {
        for _ in 0..100 {
            question.sent.add(CertEncoding(encoding), &[1]);
        }
    }
    assert_eq!(question.sent.certificates.len(), 64);
    assert_eq!((question.sent.crls.len(), question.sent.ocsp.len()), (64, 64));

    let mut question = scene.question();
    let PeerProof::V2 { method, data, octets } = question.proof.clone() else {
        unreachable!()
    };
    for (method, data, octets, reason) in [
        (method, data.clone(), vec![0; 400], "the signature does not fit"),
        (method, vec![], octets.clone(), "too short"),
        (method, vec![200, 0x30], octets.clone(), "too short"),
        (
            method,
            [&[2, 0x30, 0][..], &data].concat(),
            octets.clone(),
            "cannot be read",
        ),
        (
            AuthMethod::SHARED_KEY,
            data.clone(),
            octets.clone(),
            "a certificate is wanted",
        ),
        (
            AuthMethod::RSA_SIGNATURE,
            data.clone(),
            octets.clone(),
            "the key Ed25519",
        ),
        (
            AuthMethod::ECDSA_256,
            data.clone(),
            octets.clone(),
            "its key is Ed25519",
        ),
        (AuthMethod::DSS_SIGNATURE, data.clone(), octets, "DSS"),
    ] {
        question.proof = PeerProof::V2 { method, data, octets };
        let reason_given = refused(&question);
        assert!(reason_given.contains(reason), "{reason_given}");
    }
    // Another's certificate with one's own signature.
    let mut question = scene.question();
    let thief = scene.middle.issues(&peer_template("CN=thief", "thief.example"), 10);
    question.sent.certificates[0] = thief.certificate.as_der().to_vec();
    question.identity = "thief.example".parse().unwrap();
    assert!(refused(&question).contains("it has another key than its certificate's"));
    // A configured certificate needs not be sent.
    let mut question = scene.question();
    question.sent = Sent::default();
    question.policy = Arc::new(PeerPolicy {
        trust: Trust {
            anchors: vec![scene.peer.certificate.clone()],
            intermediates: vec![],
        },
        ..PeerPolicy::default()
    });
    assert!(question.judge(NOW).is_ok());
}

/// RFC 7670: a key in place of a certificate.
#[test]
fn a_raw_public_key_is_accepted_if_it_is_configured() {
    let scene = Scene::new();
    let mut question = scene.question();
    question.sent = Sent::default();
    question
        .sent
        .add(CertEncoding::RAW_PUBLIC_KEY, &signer(9).public_key().to_spki());
    assert_eq!(
        refused(&question),
        "the peer's raw public key (Ed25519) is not among those that are accepted"
    );
    question.policy = Arc::new(PeerPolicy {
        raw_keys: vec![signer(3).public_key().clone(), signer(9).public_key().clone()],
        ..PeerPolicy::default()
    });
    assert_eq!(question.judge(NOW).unwrap().finish(&[], &[], NOW), Ok(None));
    // Another's key, and no key at all.
    question.sent.raw_keys[0] = signer(3).public_key().to_spki();
    assert!(refused(&question).contains("the signature does not fit"));
    question.sent.raw_keys[0] = vec![0x30, 0];
    assert!(refused(&question).contains("cannot be read"));
    // It sends nothing, for its key is known.
    question.sent = Sent::default();
    assert_eq!(question.judge(NOW).unwrap().finish(&[], &[], NOW), Ok(None));
    question.policy = Arc::new(PeerPolicy {
        raw_keys: vec![signer(3).public_key().clone()],
        ..PeerPolicy::default()
    });
    assert!(refused(&question).contains("the signature does not fit"));
    question.policy = Arc::default();
    assert!(refused(&question).contains("sent no certificate"));
}

#[test]
fn certificate_requests_name_authorities() {
    let scene = Scene::new();
    let (local, trust) = (scene.local(), &scene.policy().trust);
    let request = scene.policy().request_v2();
    assert_eq!(request, scene.ca.certificate.spki_sha1());
    assert!(!local.is_wanted_v2(request.chunks_exact(20), &Trust::default()));
    // The root is not in our chain; the intermediate CA is.
    let middle = scene.middle.certificate.spki_sha1();
    assert!(local.is_wanted_v2(middle.chunks_exact(20), &Trust::default()));
    let root = scene.ca.certificate.spki_sha1();
    assert!(local.is_wanted_v2([&root[..]].into_iter(), trust));
    let many = vec![0x55; 20 * 10_000];
    assert!(!local.is_wanted_v2(many.chunks_exact(20), trust));
    let names: Vec<Vec<u8>> = scene.policy().requests_v1().map(<[u8]>::to_vec).collect();
    assert!(local.is_wanted_v1(&names[0]) && local.is_wanted_v1(&[]));
    assert!(!local.is_wanted_v1(scene.peer.name.as_der()) && !local.is_wanted_v1(&[0x30, 0x80]));
}

/// Hostile row A037: SHA-1 is never chosen by silence, and never by a list either unless its owner allows it.
#[test]
fn sha1_is_never_chosen_by_silence() {
    let mut n = vec![0xff; 256];
    n[255] = 0xfd;
    let rsa = PublicKey::rsa(&n, &[1, 0, 1]).unwrap();
    let strict = Preference::default();
    let lax = Preference { sha1: true, ..strict };
    let only_sha1 = Some(SignatureHashes::from_notify(&[0, 1]));
    assert_eq!(choose(&rsa, None, strict), Err(ChoiceError::OnlySha1));
    assert!(matches!(
        choose(&rsa, only_sha1, strict),
        Err(ChoiceError::NoCommonHash { .. })
    ));
    assert_eq!(choose(&rsa, None, lax).unwrap().method, AuthMethod::RSA_SIGNATURE);
    assert_eq!(
        choose(&rsa, only_sha1, lax).unwrap().form,
        Form::Scheme(Scheme::RsaPkcs1(Hash::Sha1))
    );
    let all = Some(SignatureHashes::ours(true));
    assert_eq!(
        choose(&rsa, all, lax).unwrap().form,
        Form::Scheme(Scheme::pss(Hash::Sha256))
    );
    assert!(!SignatureHashes::ours(false).has(Hash::Sha1));
    assert_eq!(SignatureHashes::ours(false).to_notify(), [0, 2, 0, 3, 0, 4, 0, 5]);
    assert_eq!(
        SignatureHashes::from_notify(&[0, 2, 1, 3, 0, 77, 0]).to_notify(),
        [0, 2]
    );
    // ECDSA has methods without SHA-1, by its curve.
    for (curve, method, generator) in [
        (Curve::P256, AuthMethod::ECDSA_256, P256),
        (Curve::P384, AuthMethod::ECDSA_384, P384),
    ] {
        let point: Vec<u8> = (0..generator.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&generator[at..at + 2], 16).unwrap())
            .collect();
        let key = PublicKey::ec(curve, &point).unwrap();
        assert_eq!(choose(&key, None, strict).unwrap().method, method);
        let choice = choose(&key, Some(SignatureHashes::from_notify(&[0, 4])), strict).unwrap();
        assert_eq!(choice.form, Form::Scheme(Scheme::Ecdsa(Hash::Sha512)));
    }
    let ed = signer(1);
    assert!(matches!(
        choose(ed.public_key(), None, lax),
        Err(ChoiceError::NeedsMethod14(_))
    ));
}

/// Generators of the curves (FIPS 186-4 D.1.2).
const P256: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                    4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const P384: &str = "04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7\
                    3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f";

/// Hostile row A093, by chance: random and mutated octets are refused without a panic, whoever reads them.
#[test]
fn random_octets_are_only_refused() {
    let scene = Scene::new();
    let der = scene.peer.certificate.as_der();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let mut octets = der.to_vec();
        for _ in 0..1 + next() % 4 {
            let at = next() as usize % octets.len();
            octets[at] = next() as u8;
        }
        if let Ok(changed) = Certificate::from_der(&octets)
            && changed != scene.peer.certificate
        {
            let others = [scene.middle.certificate.clone()];
            assert!(find(&changed, &others, &scene.policy().trust, &policy()).is_err());
        }
        let _ = scene.question_of(octets).judge(NOW);
    }
    // Nested ten thousand deep, and lengths of 2^31.
    for bomb in [
        [0x30, 0x80].repeat(10_000),
        [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff].repeat(10_000),
    ] {
        assert!(Certificate::from_der(&bomb).is_err());
    }
    let mut nested = vec![];
    for _ in 0..10_000 {
        let mut next = vec![
            0x30,
            0x83,
            (nested.len() >> 16) as u8,
            (nested.len() >> 8) as u8,
            nested.len() as u8,
        ];
        next.append(&mut nested);
        nested = next;
        if nested.len() > 60_000 {
            break;
        }
    }
    assert!(Certificate::from_der(&nested).is_err());
}

impl Scene {
    fn question_of(&self, certificate: Vec<u8>) -> PeerQuestion {
        let mut sent = Sent::default();
        sent.add(CertEncoding::X509_SIGNATURE, &certificate);
        sent.add(CertEncoding::X509_SIGNATURE, self.middle.certificate.as_der());
        PeerQuestion {
            policy: self.policy(),
            identity: Identity::from_wire(2, b"gw.example"),
            sent,
            proof: PeerProof::V1 {
                method: 3,
                signature: vec![1; 256],
                hash: vec![2; 32],
            },
        }
    }
}
