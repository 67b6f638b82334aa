//! Hashes that IKE uses bare, outside any keyed construction.

use sha1::{Digest, Sha1};

/// SHA-1 of the concatenation of `data`, for NAT_DETECTION payloads (RFC 7296 section 2.23), where nothing depends on
/// its resistance to collisions.
pub fn sha1(data: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    for part in data {
        hash.update(part);
    }
    hash.finalize().into()
}
