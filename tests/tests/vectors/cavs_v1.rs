//! `ikev1_psk.fax` and `ikev1_dsa.fax`: all blocks, all values.

use std::collections::{BTreeMap, BTreeSet};

use handfast_crypto::hash::Hash;
use handfast_crypto::provider::Provider;
use handfast_crypto::providers;
use handfast_crypto::schedule::v1::{phase_one_keys, skeyid_preshared, skeyid_signature};
use handfast_crypto::secret::Secret;
use handfast_tests::golden::{data_dir, unhex};

type Case = BTreeMap<String, Vec<u8>>;

fn hash(name: &str) -> Option<Hash> {
    Some(match name {
        "SHA-1" => Hash::Sha1,
        "SHA-256" => Hash::Sha256,
        "SHA-384" => Hash::Sha384,
        "SHA-512" => Hash::Sha512,
        _ => return None,
    })
}

fn check(provider: &Provider, hash: Hash, case: &Case) {
    let at = |name: &str| case[name].as_slice();
    let prf = provider.prf(hash.prf()).unwrap();
    let (ni, nr, shared) = (at("Ni"), at("Nr"), Secret::from(at("g^xy")));
    let skeyid = match case.get("pre-shared-key") {
        Some(key) => skeyid_preshared(prf, &Secret::from(&key[..]), ni, nr),
        None => skeyid_signature(prf, ni, nr, &shared),
    };
    let (cky_i, cky_r) = (at("CKY_I").try_into().unwrap(), at("CKY_R").try_into().unwrap());
    let keys = phase_one_keys(prf, skeyid, &shared, cky_i, cky_r);
    assert_eq!(keys.skeyid.as_bytes(), at("SKEYID"));
    assert_eq!(keys.skeyid_d.as_bytes(), at("SKEYID_d"));
    assert_eq!(keys.skeyid_a.as_bytes(), at("SKEYID_a"));
    assert_eq!(keys.skeyid_e.as_bytes(), at("SKEYID_e"));
}

/// Checks every case of a file; gives their number and the combinations of hash and lengths.
fn check_file(provider: &Provider, file: &str) -> (usize, usize) {
    let text = std::fs::read_to_string(data_dir().join("vectors").join(file)).unwrap();
    let (mut algorithm, mut case, mut cases) = (None, Case::new(), 0);
    let mut lengths = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        if let Some(found) = name.and_then(hash) {
            algorithm = Some(found);
        } else if let Some((name, value)) = line.split_once(" = ")
            && name != "COUNT"
            && !name.starts_with('[')
        {
            case.insert(name.to_owned(), unhex(value.trim()).unwrap());
            if name == "SKEYID_e" {
                let algorithm = algorithm.unwrap();
                check(provider, algorithm, &case);
                let key_len = case.get("pre-shared-key").map(Vec::len);
                lengths.insert((algorithm.prf(), case["g^xy"].len(), case["Ni"].len(), key_len));
                case.clear();
                cases += 1;
            }
        }
    }
    assert_eq!(cases, text.lines().filter(|line| line.starts_with("COUNT = ")).count());
    (cases, lengths.len())
}

/// Eight cases for each of seventeen combinations of hash and lengths.
const HELD: (usize, usize) = (136, 17);

#[test]
fn key_schedule_of_ikev1_with_a_preshared_key() {
    for provider in providers() {
        assert_eq!(check_file(provider, "ikev1_psk.fax"), HELD, "{}", provider.name);
    }
}

#[test]
fn key_schedule_of_ikev1_with_signatures() {
    for provider in providers() {
        assert_eq!(check_file(provider, "ikev1_dsa.fax"), HELD, "{}", provider.name);
    }
}
