//! `ikev2.fax`: all blocks, all values.

use std::collections::{BTreeMap, BTreeSet};

use handfast_crypto::provider::{PrfAlgorithm, Provider};
use handfast_crypto::providers;
use handfast_crypto::schedule::v2::{prf_plus, skeyseed, skeyseed_rekey};
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Prf;
use handfast_tests::golden::{data_dir, unhex};

fn prf(provider: &Provider, name: &str) -> Option<&'static dyn PrfAlgorithm> {
    let id = match name {
        "SHA-1" => Prf::HMAC_SHA1,
        "SHA-256" => Prf::HMAC_SHA2_256,
        "SHA-384" => Prf::HMAC_SHA2_384,
        "SHA-512" => Prf::HMAC_SHA2_512,
        _ => return None,
    };
    provider.prf(id)
}

/// prf+ in the length of the answer.
fn expand(prf: &dyn PrfAlgorithm, key: &[u8], seed: &[&[u8]], like: &[u8]) -> Vec<u8> {
    let mut out = vec![0; like.len()];
    prf_plus(prf, key, seed, &mut out).unwrap();
    out
}

fn check(prf: &dyn PrfAlgorithm, case: &BTreeMap<String, Vec<u8>>) {
    let at = |name: &str| case[name].as_slice();
    let (ni, nr) = (at("Ni"), at("Nr"));
    let seed = skeyseed(prf, ni, nr, &Secret::from(at("g^ir")));
    assert_eq!(seed.as_bytes(), at("SKEYSEED"));
    let dkm = expand(prf, seed.as_bytes(), &[ni, nr, at("SPIi"), at("SPIr")], at("DKM"));
    assert_eq!(dkm, at("DKM"));
    // SK_d is the first of the keys.
    let sk_d = Secret::from(&dkm[..prf.key_len()]);
    assert_eq!(
        expand(prf, sk_d.as_bytes(), &[ni, nr], at("DKM(Child SA)")),
        at("DKM(Child SA)")
    );
    let shared = Secret::from(at("g^ir (new)"));
    let seed = [shared.as_bytes(), ni, nr];
    assert_eq!(
        expand(prf, sk_d.as_bytes(), &seed, at("DKM(Child SA D-H)")),
        at("DKM(Child SA D-H)")
    );
    let rekeyed = skeyseed_rekey(prf, &sk_d, &shared, ni, nr);
    assert_eq!(rekeyed.as_bytes(), at("SKEYSEED(Rekey)"));
}

#[test]
fn key_schedule_of_ikev2() {
    for provider in providers() {
        let text = std::fs::read_to_string(data_dir().join("vectors/ikev2.fax")).unwrap();
        let (mut algorithm, mut case, mut cases) = (None, BTreeMap::new(), 0);
        let mut lengths = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(found) = line
                .strip_prefix('[')
                .and_then(|line| prf(provider, line.trim_end().trim_end_matches(']')))
            {
                algorithm = Some(found);
            } else if let Some((name, value)) = line.split_once(" = ")
                && name != "COUNT"
                && !name.starts_with('[')
            {
                case.insert(name.to_owned(), unhex(value.trim()).unwrap());
                if name == "SKEYSEED(Rekey)" {
                    let algorithm = algorithm.unwrap();
                    check(algorithm, &case);
                    lengths.insert((algorithm.id(), case["g^ir"].len(), case["Ni"].len()));
                    case.clear();
                    cases += 1;
                }
            }
        }
        assert_eq!(cases, text.lines().filter(|line| line.starts_with("COUNT = ")).count());
        // Eight cases for each of nine combinations of PRF and lengths.
        assert_eq!((cases, lengths.len()), (72, 9));
        let prfs: BTreeSet<Prf> = lengths.iter().map(|(prf, ..)| *prf).collect();
        assert_eq!(prfs.len(), 4);
    }
}
