//! Certificates in IKEv1: which are asked for, which are sent (RFC 2408 sections 3.9 and 3.10, RFC 4945 section 3.2).

use std::sync::Arc;

use handfast_auth::certificate::{LocalCertificate, Sent, ikev1};
use handfast_wire::numbers::CertEncoding;
use handfast_wire::numbers::v1::AuthMethod;

use crate::policy::{Connection, Method};
use crate::v1::message::{Chain, Parsed};

/// More CAs than these are neither asked for nor looked at: each is a payload of its own.
const MOST: usize = 32;

/// The CAs whose certificates the peer asks for, as names in DER.
#[derive(Clone, Default)]
pub(crate) struct Wishes(Vec<Vec<u8>>);

impl Wishes {
    /// CERTREQs may come in any message of phase 1.
    pub fn learn(&mut self, parsed: &Parsed<'_>) {
        let asked = parsed
            .certificate_requests()
            .filter(|r| r.encoding == CertEncoding::X509_SIGNATURE);
        for request in asked.take(MOST.saturating_sub(self.0.len())) {
            self.0.push(request.authority.to_vec());
        }
    }

    /// Of our certificates whose key has this way of signing, the first that the peer asks for, or else the very first.
    pub fn choose<'c>(&self, connection: &'c Connection, way: AuthMethod) -> Option<&'c Arc<LocalCertificate>> {
        let able = |own: &&Arc<LocalCertificate>| {
            !own.chain.is_empty() && ikev1::method(own.signer.public_key()).is_some_and(|(number, _)| number == way.0)
        };
        let wanted = |own: &&Arc<LocalCertificate>| self.0.iter().any(|authority| own.is_wanted_v1(authority));
        let own = || connection.auth.certificates.iter().filter(able);
        own().find(wanted).or_else(|| own().next())
    }
}

/// Asks for certificates below the CAs that these connections trust.
pub(crate) fn push_requests<'c>(chain: &mut Chain, connections: impl Iterator<Item = &'c Arc<Connection>>) {
    let mut asked: Vec<&[u8]> = Vec::new();
    for connection in connections.filter(|c| c.auth.accepts(Method::Certificate)) {
        for authority in connection.auth.peers.requests_v1() {
            if asked.len() < MOST && !asked.contains(&authority) {
                asked.push(authority);
                chain.certificate_request(authority);
            }
        }
    }
}

/// Our certificate first, then those between it and the CA.
pub(crate) fn push_certificates(chain: &mut Chain, own: &LocalCertificate) {
    own.chain
        .iter()
        .for_each(|certificate| chain.certificate(certificate.as_der()));
}

/// What the peer sent with its signature.
pub(crate) fn sent(parsed: &Parsed<'_>) -> Sent {
    let mut sent = Sent::default();
    for certificate in parsed.certificates() {
        sent.add(certificate.encoding, certificate.data);
    }
    sent
}
