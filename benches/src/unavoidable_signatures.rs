//! The signatures that no handshake by certificate can do without: each end makes one, checks the peer's, and checks that
//! of the CA on the peer's certificate.

use std::hint::black_box;
use std::sync::Arc;

use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::ikev2::{self, SignatureHashes};
use handfast_auth::certificate::path::signed_by;
use handfast_auth::certificate::{Certificate, Form, LocalCertificate, PathPolicy, ikev1};
use handfast_engine::policy::{Authentication, Policy};
use handfast_sim::pki::{Ca, NOW};
use handfast_sim::policies::policy;

/// Octets of an IKE_SA_INIT, a nonce and a prf.
const OCTETS: usize = 500;

/// Both ends' certificates, and how they sign.
pub struct Signatures {
    own: [Arc<LocalCertificate>; 2],
    ca: Certificate,
    form: Form,
    octets: Vec<u8>,
}

/// Makes of two policies that say all but whom to trust such as use certificates with keys of this kind, all in one piece,
/// and tells the signatures of their handshake.
pub fn by_certificate(policies: &[Arc<Policy>; 2], kind: KeyKind) -> ([Arc<Policy>; 2], Signatures) {
    let ca = Ca::root("CN=Root", kind);
    let made = [0, 1].map(|i: usize| {
        let mut connection = policies[i].connections[0].as_ref().clone();
        let own = ca.peer(&connection.local_id, kind);
        connection.auth = Authentication::certificate(vec![Arc::clone(&own)], ca.trusted());
        connection.fragment_size = None;
        (Arc::new(policy(connection)), own)
    });
    let [(a, own_a), (b, own_b)] = made;
    let key = own_a.signer.public_key().clone();
    let is_v1 = a.connections[0].versions == handfast_engine::policy::Versions::One;
    let v1 = ikev1::method(&key)
        .filter(|_| is_v1)
        .map(|(_, form)| (form, vec![9; 32]));
    let v2 = || {
        let all = Some(SignatureHashes::ours(false));
        let choice = ikev2::choose(&key, all, own_a.preference).unwrap_or_else(|e| panic!("{e}"));
        (choice.form, vec![9; OCTETS])
    };
    let (form, octets) = v1.unwrap_or_else(v2);
    let signatures = Signatures {
        own: [own_a, own_b],
        ca: ca.certificate,
        form,
        octets,
    };
    ([a, b], signatures)
}

impl Signatures {
    /// Those of both ends.
    pub fn both_ends(&self) {
        for own in &self.own {
            let signature = own
                .signer
                .sign(self.form, &self.octets)
                .unwrap_or_else(|e| panic!("{e}"));
            let key = own.signer.public_key();
            let checked = match self.form {
                Form::Scheme(scheme) => key.verify(scheme, &self.octets, &signature),
                Form::RsaBare => key.verify_rsa_bare(&self.octets, &signature),
                Form::EcdsaPrehashed => key.verify_ecdsa_prehashed(&self.octets, &signature),
                Form::EcdsaFixed(hash) => key.verify_ecdsa_fixed(hash, &self.octets, &signature),
            };
            black_box(checked).unwrap_or_else(|e| panic!("{e}"));
            let certificate = &own.chain[0];
            signed_by(certificate, &self.ca, &PathPolicy::at(NOW)).unwrap_or_else(|e| panic!("{e}"));
        }
    }
}
