//! Every algorithm there is, and where its published answers are; one without them fails here.

use std::collections::BTreeSet;

use handfast_crypto::legacy_providers;

const RFC: &str = "tests/tests/vectors/rfc.rs";
const AES: &str = "tests/tests/vectors/aes.rs";
const OPENSSL: &str = "tests/tests/vectors/openssl.rs";
const LEGACY: &str = "tests/tests/vectors/legacy.rs";
const WYCHEPROOF: &str = "crates/crypto/tests/wycheproof.rs";
const CURVES: &str = "crates/crypto/src/providers/answers.rs";
const MODP: &str = "crates/modp/tests/openssl.rs";

/// Names, the file with their answers, and a word that must be in it.
#[rustfmt::skip]
const WITNESSES: [(&[&str], &str, &str); 24] = [
    (&["aes128", "aes192", "aes256"], AES, "SP 800-38A"),
    (&["aes128ctr", "aes192ctr", "aes256ctr"], AES, "RFC 3686"),
    (&["aes128gcm16", "aes192gcm16", "aes256gcm16"], WYCHEPROOF, "aes_gcm16"),
    (&["aes128gcm12", "aes192gcm12", "aes256gcm12"], WYCHEPROOF, "aes_gcm12"),
    (&["aes128gcm8", "aes192gcm8", "aes256gcm8"], WYCHEPROOF, "aes_gcm8"),
    (&["aes128ccm16", "aes192ccm16", "aes256ccm16"], OPENSSL, "aes_ccm16"),
    (&["aes128ccm12", "aes192ccm12", "aes256ccm12"], OPENSSL, "aes_ccm12"),
    (&["aes128ccm8", "aes192ccm8", "aes256ccm8"], OPENSSL, "aes_ccm8"),
    (&["chacha20poly1305"], RFC, "CHACHA20_POLY1305"),
    (&["3des"], LEGACY, "TRIPLE_DES"),
    (&["sha1", "sha256", "sha384", "sha512"], WYCHEPROOF, "HMAC_SHA2_512_256"),
    (&["aesxcbc"], AES, "AES_XCBC_96"),
    (&["aescmac"], AES, "AES_CMAC_96"),
    (&["md5"], LEGACY, "HMAC_MD5_96"),
    (&["prfsha1", "prfsha256", "prfsha384", "prfsha512"], RFC, "HMAC_SHA2_512"),
    (&["prfaesxcbc"], AES, "AES128_XCBC"),
    (&["prfaescmac"], AES, "AES128_CMAC"),
    (&["prfmd5"], LEGACY, "HMAC_MD5"),
    (&["x25519"], CURVES, "RFC 8031"),
    (&["ecp256", "ecp384"], CURVES, "RFC 5903 section 8.2"),
    (&["ecp521"], CURVES, "RFC 5903 section 8.3"),
    (&["ecp256bp", "ecp384bp"], CURVES, "RFC 6954"),
    (&["modp2048", "modp3072", "modp4096", "modp6144", "modp8192"], MODP, "group: 18"),
    (&["modp1024", "modp1536"], MODP, "group: 2,"),
];

#[test]
fn no_algorithm_is_without_published_answers() {
    let names = WITNESSES
        .iter()
        .flat_map(|(names, ..)| names.iter().map(|name| (*name).to_owned()));
    let witnessed: BTreeSet<String> = names.collect();
    for provider in legacy_providers() {
        let mut there: BTreeSet<String> = BTreeSet::new();
        there.extend(provider.prfs.iter().map(|prf| prf.id().to_string()));
        there.extend(provider.groups.iter().map(|group| group.id().to_string()));
        for protect in provider.protects {
            there.insert(protect.encr().to_string());
            there.extend(protect.integ().map(|integ| integ.to_string()));
        }
        assert_eq!(there, witnessed, "{}", provider.name);
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (names, file, word) in WITNESSES {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(text.contains(word), "{names:?}: no {word:?} in {file}");
    }
}
