//! Certificates and keys while the daemon runs: files that change, and certificates that expire.

pub mod expiry;
pub mod watch;

use std::sync::Arc;

use handfast_auth::certificate::{Certificate, LocalCertificate, PeerPolicy};
use handfast_engine::policy::Authentication;

/// Whether both hold the same certificates and keys of ours.
pub(crate) fn same_own(a: &[Arc<LocalCertificate>], b: &[Arc<LocalCertificate>]) -> bool {
    let same = |(a, b): (&Arc<LocalCertificate>, &Arc<LocalCertificate>)| {
        a.chain == b.chain
            && a.signer.public_key() == b.signer.public_key()
            && (a.preference, &a.staple) == (b.preference, &b.staple)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Whether both accept the same peers.
pub(crate) fn same_peers(a: &PeerPolicy, b: &PeerPolicy) -> bool {
    a == b
}

/// Our certificates, without their issuers.
pub(crate) fn own(auth: &Authentication) -> impl Iterator<Item = &Certificate> {
    auth.certificates.iter().filter_map(|one| one.chain.first())
}
