//! Key exchange groups.

use handfast_crypto::provider::{CryptoError, EphemeralKey, KeyAgreement};

use super::Counter;

pub fn check(group: &dyn KeyAgreement) {
    let id = group.id();
    assert!(!id.to_string().contains('#'), "{id} has no name");
    let mut random = Counter(3);
    let mut key = || -> Box<dyn EphemeralKey> { group.generate(&mut random).unwrap() };

    let (ours, theirs) = (key(), key());
    let (our_public, their_public) = (ours.public().to_vec(), theirs.public().to_vec());
    assert_eq!(our_public.len(), group.public_len(), "{id}");
    assert_ne!(our_public, their_public, "{id}: a key is not fresh");
    let shared = ours.agree(&their_public).unwrap();
    assert_eq!(shared.len(), group.shared_len(), "{id}");
    assert!(
        theirs.agree(&our_public).unwrap().ct_eq(shared.as_bytes()),
        "{id}: no agreement"
    );
    assert!(!key().agree(&their_public).unwrap().ct_eq(shared.as_bytes()), "{id}");

    // RFC 6989: what is no public value is refused.
    let zero = vec![0; group.public_len()];
    let mut bad = vec![zero, Vec::new(), vec![4]];
    bad.push(their_public[1..].to_vec());
    bad.push([&their_public[..], &[0]].concat());
    bad.push([&[4], &their_public[..]].concat());
    bad.push([&[0], &their_public[..]].concat());
    for public in bad {
        let refused = key().agree(&public).map(|_| ());
        assert_eq!(
            refused,
            Err(CryptoError::InvalidPublic),
            "{id}: {} octets",
            public.len()
        );
    }
}
