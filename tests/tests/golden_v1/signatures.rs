//! Our own signatures over HASH_I and HASH_R of the recorded exchange with certificates, which OpenSSL accepts.

use std::sync::Arc;

use handfast_auth::certificate::{Bundle, LocalSigner, Signer, ikev1};
use handfast_tests::golden::{data_dir, exchange};
use handfast_tests::need;
use handfast_tests::openssl::{OpenSsl, ecdsa_sig_value};

use super::replay::replay;

#[test]
fn our_signatures_over_the_recorded_hashes_satisfy_openssl() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("golden-v1-signatures");
    let exchange = exchange("v1-main-rsa-aes128-sha256-modp2048");
    let replay = replay(&exchange);
    let (mut count, random) = (0, Arc::new(ring::rand::SystemRandom::new()));
    for (name, side) in [("HASH_I", 'a'), ("HASH_R", 'b')] {
        let hashes: Vec<&Vec<u8>> = replay
            .computed
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, h)| h)
            .collect();
        let [hash] = hashes[..] else {
            panic!("{name}: {} of them", hashes.len())
        };
        openssl.write("hash", hash);
        for kind in ["rsa", "ecdsa"] {
            let file = |end: &str| data_dir().join(format!("golden/pki/{side}-{kind}.{end}"));
            openssl.write("crt", std::fs::read(file("crt")).unwrap());
            openssl.run("x509 -in crt -pubkey -noout -out pub");
            let key = Bundle::read(&std::fs::read(file("key")).unwrap(), None)
                .unwrap()
                .keys
                .remove(0);
            let signer = LocalSigner::new(key, random.clone());
            let (method, form) = ikev1::method(signer.public_key()).unwrap();
            let signature = signer.sign(form, hash).unwrap();
            assert_eq!(ikev1::verify(signer.public_key(), method, hash, &signature), Ok(()));
            // RSA without DigestInfo; ECDSA over the hash as it is.
            let written = if kind == "rsa" {
                signature
            } else {
                ecdsa_sig_value(&signature)
            };
            openssl.write("signature", &written);
            let judge = "pkeyutl -verify -pubin -inkey pub -in hash -sigfile signature";
            openssl.run(judge);
            // It does look at the hash.
            let mut other = hash.clone();
            other[0] ^= 1;
            openssl.write("hash", &other);
            assert!(openssl.try_run(judge).is_err(), "{name} {kind}");
            openssl.write("hash", hash);
            count += 1;
        }
    }
    assert_eq!(count, 4);
}
