//! Every kind of key in every kind of file; signatures of each, made here and checked there, and the other way round.

use std::sync::Arc;

use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::{Bundle, Form, LocalSigner, PrivateKey, PublicKey, Scheme, Signer, ikev1, pem};
use handfast_crypto::hash::Hash;
use handfast_crypto::secret::Secret;
use handfast_tests::need;
use handfast_tests::openssl::OpenSsl;

const KINDS: [(&str, &str); 7] = [
    ("rsa2048", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("rsa3072", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072"),
    ("rsa4096", "-algorithm RSA -pkeyopt rsa_keygen_bits:4096"),
    ("ecdsa256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("ecdsa384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    ("ecdsa521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
    ("ed25519", "-algorithm ED25519"),
];

fn key(openssl: &OpenSsl, file: &str, passphrase: Option<&str>) -> PrivateKey {
    let passphrase = passphrase.map(|text| Secret::from(text.as_bytes()));
    let mut bundle = Bundle::read(&openssl.read(file), passphrase.as_ref()).unwrap();
    assert_eq!(bundle.keys.len(), 1, "{file}");
    bundle.keys.remove(0)
}

fn random() -> Arc<ring::rand::SystemRandom> {
    Arc::new(ring::rand::SystemRandom::new())
}

/// How `pkeyutl` is told of a scheme.
fn options(scheme: Scheme) -> String {
    let digest = match scheme.hash() {
        Some(Hash::Sha1) => "-digest sha1",
        Some(Hash::Sha256) => "-digest sha256",
        Some(Hash::Sha384) => "-digest sha384",
        Some(Hash::Sha512) => "-digest sha512",
        _ => "",
    };
    match scheme {
        Scheme::RsaPss { salt, .. } => {
            format!("{digest} -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:{salt}")
        }
        _ => digest.to_owned(),
    }
}

fn schemes(key: &PublicKey) -> Vec<Scheme> {
    let hashes = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
    match key {
        PublicKey::Rsa(_) => {
            let mut all: Vec<Scheme> = hashes.map(Scheme::RsaPkcs1).to_vec();
            all.extend(hashes.map(Scheme::pss));
            all.push(Scheme::RsaPkcs1(Hash::Sha1));
            all
        }
        PublicKey::Ec(..) => [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512]
            .map(Scheme::Ecdsa)
            .to_vec(),
        PublicKey::Ed25519(_) => vec![Scheme::Ed25519],
    }
}

#[test]
fn every_kind_of_file() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("key-files");
    for (kind, options) in KINDS {
        openssl.run(&format!("genpkey {options} -out pkcs8"));
        openssl.run("pkey -in pkcs8 -pubout -outform DER -out public");
        let mut files = vec![("pkcs8", None)];
        openssl.run("pkey -in pkcs8 -outform DER -out der");
        files.push(("der", None));
        // Ways to encrypt, of which the last is OpenSSL's of today.
        for (name, way) in [
            ("scrypt", "-scrypt -scrypt_N 1024"),
            ("sha1", "-v2 aes-128-cbc -v2prf hmacWithSHA1"),
            ("3des", "-v2 des3"),
            ("sha256", "-v2 aes-256-cbc"),
        ] {
            openssl.run(&format!("pkcs8 -topk8 -in pkcs8 -out {name} {way} -passout pass:gr端n"));
            files.push((name, Some("gr端n")));
        }
        if kind != "ed25519" {
            openssl.run("pkey -in pkcs8 -traditional -out traditional");
            files.push(("traditional", None));
        }
        for (file, passphrase) in files {
            let read = key(&openssl, file, passphrase);
            assert_eq!(read.public().to_spki(), openssl.read("public"), "{kind} {file}");
            assert_eq!(
                PublicKey::from_spki(&openssl.read("public")).as_ref(),
                Ok(read.public())
            );
        }
        for (passphrase, reason) in [
            (None, "line 1: the private key is encrypted and no passphrase is given"),
            (Some("wrong"), "line 1: the passphrase does not open the private key"),
        ] {
            let passphrase = passphrase.map(|text: &str| Secret::from(text.as_bytes()));
            let error = Bundle::read(&openssl.read("sha256"), passphrase.as_ref()).unwrap_err();
            assert_eq!(error.to_string(), reason);
        }
    }
    openssl.run("genrsa -traditional -aes128 -passout pass:x -out old 2048");
    let error = Bundle::read(&openssl.read("old"), Some(&Secret::from(&b"x"[..]))).unwrap_err();
    assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
    for (options, reason) in [
        (
            "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
            "an RSA key of 1024 bits; 2048 to 8192 are accepted",
        ),
        ("-algorithm ED448", "a key of algorithm 1.3.101.113 is not known"),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "a key of algorithm 1.3.132.0.10 is not known",
        ),
    ] {
        openssl.run(&format!("genpkey {options} -out bad"));
        let error = Bundle::read(&openssl.read("bad"), None).unwrap_err();
        assert_eq!(error.to_string(), format!("line 1: {reason}"));
    }
}

#[test]
fn pkcs12_bundles() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("pkcs12");
    openssl.write("cnf", "[req]\ndistinguished_name=dn\n[dn]\n");
    for (kind, made) in KINDS
        .into_iter()
        .filter(|(kind, _)| matches!(*kind, "rsa2048" | "ecdsa521" | "ed25519"))
    {
        openssl.run(&format!("genpkey {made} -out key"));
        openssl.run("req -x509 -new -key key -config cnf -subj /CN=other -out other.crt");
        openssl.run("req -x509 -new -key key -config cnf -subj /CN=bundle -out crt");
        for way in [
            "",
            "-macalg sha1",
            "-macalg sha512 -iter 10",
            "-certpbe NONE",
            "-keypbe NONE",
            "-nomaciter",
        ] {
            openssl.run(&format!(
                "pkcs12 -export -inkey key -in crt -certfile other.crt -passout pass:gr端n -out p12 {way}"
            ));
            let read =
                |passphrase: &str| Bundle::read(&openssl.read("p12"), Some(&Secret::from(passphrase.as_bytes())));
            let bundle = read("gr端n").unwrap_or_else(|error| panic!("{kind} {way}: {error}"));
            assert_eq!(
                (bundle.keys.len(), bundle.certificates.len(), bundle.crls.len()),
                (1, 2, 0),
                "{kind} {way}"
            );
            let (key, chain) = bundle.into_identity().unwrap();
            assert_eq!(
                (chain[0].key(), chain[0].subject().to_string().as_str()),
                (Ok(key.public()), "CN=bundle")
            );
            let error = read("wrong").unwrap_err().to_string();
            assert_eq!(error, "the passphrase does not open the PKCS#12 file");
            assert_eq!(
                Bundle::read(&openssl.read("p12"), None).unwrap_err().to_string(),
                "this is a PKCS#12 file and no passphrase is given"
            );
            // Each octet is covered by the MAC, or is the MAC.
            let whole = openssl.read("p12");
            for at in (0..whole.len()).step_by(97) {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                assert!(
                    Bundle::read(&changed, Some(&Secret::from("gr端n".as_bytes()))).is_err(),
                    "octet {at}"
                );
            }
        }
    }
    for old in ["-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES", "-nomac"] {
        openssl.run(&format!(
            "pkcs12 -export -inkey key -in crt -passout pass:x -out p12 {old}"
        ));
        let error = Bundle::read(&openssl.read("p12"), Some(&Secret::from(&b"x"[..])))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("outdated way; `openssl pkcs12 -legacy") || error.contains("has no MAC"),
            "{error}"
        );
    }
}

#[test]
fn keys_made_here_are_valid_there() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("generated-keys");
    for (kind, _) in KINDS
        .into_iter()
        .filter(|(kind, _)| !matches!(*kind, "rsa3072" | "rsa4096"))
    {
        let pkcs8 = generate(kind.parse::<KeyKind>().unwrap(), &*random()).unwrap();
        openssl.write("key", pem::encode("PRIVATE KEY", pkcs8.as_bytes()));
        openssl.run("pkey -in key -check -noout");
        openssl.run("pkey -in key -pubout -outform DER -out public");
        assert_eq!(
            key(&openssl, "key", None).public().to_spki(),
            openssl.read("public"),
            "{kind}"
        );
    }
}

#[test]
fn signatures_of_every_scheme_both_ways() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("signatures");
    openssl.write("message", vec![0x5a; 700]);
    for (kind, made) in KINDS {
        openssl.run(&format!("genpkey {made} -out key"));
        openssl.run("pkey -in key -pubout -out public");
        let signer = LocalSigner::new(key(&openssl, "key", None), random());
        for scheme in schemes(signer.public_key()) {
            let (message, options) = (openssl.read("message"), options(scheme));
            openssl.write("signature", signer.sign(Form::Scheme(scheme), &message).unwrap());
            openssl.run(&format!(
                "pkeyutl -verify -pubin -inkey public -rawin -in message -sigfile signature {options}"
            ));
            openssl.run(&format!(
                "pkeyutl -sign -inkey key -rawin -in message -out signature {options}"
            ));
            let signature = openssl.read("signature");
            signer
                .public_key()
                .verify(scheme, &message, &signature)
                .unwrap_or_else(|e| panic!("{kind} {scheme}: {e}"));
            assert!(signer.public_key().verify(scheme, &message[1..], &signature).is_err());
        }
        // A salt of another length than the hash is still PSS.
        if kind == "rsa2048" {
            for salt in [0, 20] {
                let scheme = Scheme::RsaPss {
                    hash: Hash::Sha256,
                    salt,
                };
                openssl.run(&format!(
                    "pkeyutl -sign -inkey key -rawin -in message -out signature {}",
                    options(scheme)
                ));
                let (message, signature) = (openssl.read("message"), openssl.read("signature"));
                signer.public_key().verify(scheme, &message, &signature).unwrap();
                assert!(
                    signer
                        .public_key()
                        .verify(Scheme::pss(Hash::Sha256), &message, &signature)
                        .is_err()
                );
            }
        }
    }
}

/// IKEv1 signs HASH_I and HASH_R as they are, of whatever length the negotiated hash has.
#[test]
fn bare_hashes_of_ikev1_both_ways() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("bare-hashes");
    for (kind, made) in KINDS.into_iter().filter(|(kind, _)| *kind != "ed25519") {
        openssl.run(&format!("genpkey {made} -out key"));
        openssl.run("pkey -in key -pubout -out public");
        let signer = LocalSigner::new(key(&openssl, "key", None), random());
        let (method, form) = ikev1::method(signer.public_key()).unwrap();
        for length in [16, 20, 32, 48, 64] {
            let hash: Vec<u8> = (0..length).map(|octet| 0x9b ^ octet).collect();
            openssl.write("hash", &hash);
            let ours = signer.sign(form, &hash).unwrap();
            ikev1::verify(signer.public_key(), method, &hash, &ours).unwrap();
            openssl.write("signature", if method == 3 { ours.clone() } else { der_of(&ours) });
            openssl.run("pkeyutl -verify -pubin -inkey public -in hash -sigfile signature");
            openssl.run("pkeyutl -sign -inkey key -in hash -out signature");
            let theirs = openssl.read("signature");
            let theirs = if method == 3 {
                theirs
            } else {
                fixed_of(&theirs, ours.len())
            };
            ikev1::verify(signer.public_key(), method, &hash, &theirs)
                .unwrap_or_else(|e| panic!("{kind}, {length} octets: {e}"));
            let mut other = hash.clone();
            other[0] ^= 1;
            assert!(ikev1::verify(signer.public_key(), method, &other, &theirs).is_err());
            // With DigestInfo around the hash it is another signature.
            if kind == "rsa2048" && length == 32 {
                openssl.run("pkeyutl -sign -inkey key -in hash -out signature -pkeyopt digest:sha256");
                assert!(ikev1::verify(signer.public_key(), method, &hash, &openssl.read("signature")).is_err());
            }
        }
        for length in [0, 8, 65] {
            let hash = vec![1; length];
            let error = ikev1::verify(signer.public_key(), method, &hash, &[0; 64]).unwrap_err();
            assert_eq!(error.to_string(), format!("a hash of {length} octets is none"));
        }
        for other in [1, 2, 4, 5] {
            assert!(ikev1::verify(signer.public_key(), other, &[1; 20], &[0; 64]).is_err());
        }
    }
}

/// ECDSA-Sig-Value of r and s one after the other.
pub fn der_of(r_s: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let skip = octets.iter().take_while(|octet| **octet == 0).count();
        let mut value = octets[skip..].to_vec();
        if value[0] & 0x80 != 0 {
            value.insert(0, 0);
        }
        [&[2, value.len() as u8], &value[..]].concat()
    };
    let (r, s) = r_s.split_at(r_s.len() / 2);
    let both = [integer(r), integer(s)].concat();
    let mut der = vec![0x30];
    der.extend((both.len() > 127).then_some(0x81));
    der.push(both.len() as u8);
    [der, both].concat()
}

/// r and s one after the other in so many octets, of ECDSA-Sig-Value.
fn fixed_of(der: &[u8], length: usize) -> Vec<u8> {
    let mut rest = if der[1] == 0x81 { &der[3..] } else { &der[2..] };
    let mut fixed = Vec::new();
    for _ in 0..2 {
        let (value, after) = rest[2..].split_at(usize::from(rest[1]));
        let value: Vec<u8> = value.iter().copied().skip_while(|octet| *octet == 0).collect();
        fixed.extend(vec![0; length / 2 - value.len()]);
        fixed.extend(value);
        rest = after;
    }
    fixed
}
