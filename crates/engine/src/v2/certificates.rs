//! What goes with signatures in IKEv2: the hashes that are known, requests for certificates, certificates (RFC 7296 sections
//! 3.6 and 3.7, RFC 7427 section 4, RFC 7670, RFC 4806).

use std::sync::Arc;

use handfast_auth::certificate::ikev2::SignatureHashes;
use handfast_auth::certificate::revocation::Wanted;
use handfast_auth::certificate::{LocalCertificate, PeerPolicy, Sent};
use handfast_wire::numbers::{CertEncoding, NotifyType};
use handfast_wire::v2::{Cert, CertReq, Payload, PayloadChain};

use crate::policy::{Connection, Method};
use crate::v2::message::{Parsed, push_notify};

/// Octets of a CA's hash in a CERTREQ (RFC 7296 section 3.7).
const HASH: usize = 20;
/// More octets of hashes than this are not looked at.
const MOST: usize = 1024 * HASH;

/// What the peer said of signatures before we prove ourselves.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    /// What its SIGNATURE_HASH_ALGORITHMS names; `None` if it does not know RFC 7427.
    pub hashes: Option<SignatureHashes>,
    /// Hashes of CAs that it trusts.
    authorities: Vec<u8>,
    /// It wants what an OCSP responder says of our certificate (RFC 4806).
    staple: bool,
}

impl Wishes {
    /// From IKE_SA_INIT, and from IKE_AUTH, where an initiator asks.
    pub fn learn(&mut self, parsed: &Parsed<'_>) {
        if let Some(notify) = parsed.notify(NotifyType::SIGNATURE_HASH_ALGORITHMS) {
            self.hashes = Some(SignatureHashes::from_notify(notify.data));
        }
        for request in parsed.certificate_requests() {
            match request.encoding {
                CertEncoding::X509_SIGNATURE => {
                    let room = MOST.saturating_sub(self.authorities.len());
                    let data = request.data.get(..room).unwrap_or(request.data);
                    self.authorities.extend_from_slice(data);
                }
                CertEncoding::OCSP_CONTENT => self.staple = true,
                // Unknown ones are ignored (RFC 7296 section 3.7).
                _ => {}
            }
        }
    }

    /// Our certificates in the order in which they are of use: first those below a CA that the peer trusts.
    pub fn order<'c>(&self, connection: &'c Connection) -> Vec<&'c Arc<LocalCertificate>> {
        let auth = &connection.auth;
        let wanted =
            |c: &&Arc<LocalCertificate>| c.is_wanted_v2(self.authorities.chunks_exact(HASH), &auth.peers.trust);
        let first = auth.certificates.iter().filter(wanted);
        first.chain(auth.certificates.iter().filter(|c| !wanted(c))).collect()
    }

    /// Our CERT payloads: our certificate first, then those between it and the CA; a raw key alone (RFC 7670 section 3).
    pub fn push_certificates(&self, chain: &mut PayloadChain, own: &LocalCertificate) {
        let mut push = |encoding, data: &[u8]| chain.push(&Payload::Cert(Cert { encoding, data }));
        if own.chain.is_empty() {
            push(CertEncoding::RAW_PUBLIC_KEY, &own.signer.public_key().to_spki());
        }
        for certificate in &own.chain {
            push(CertEncoding::X509_SIGNATURE, certificate.as_der());
        }
        if let Some(staple) = own.staple.as_ref().filter(|_| self.staple) {
            push(CertEncoding::OCSP_CONTENT, staple);
        }
    }
}

/// What we announce of signatures in IKE_SA_INIT, if one of these connections has to do with them.
pub(crate) fn announced<'c>(connections: impl Iterator<Item = &'c Arc<Connection>>) -> Option<SignatureHashes> {
    let mut signing = connections.filter(|c| c.auth.has_certificates()).peekable();
    signing.peek()?;
    // SHA-1 is said only where its owner asked for it, never by silence.
    Some(SignatureHashes::ours(signing.any(|c| c.auth.peers.sha1)))
}

/// Says which hashes we know (RFC 7427 section 4).
pub(crate) fn push_hashes(chain: &mut PayloadChain, hashes: SignatureHashes) {
    push_notify(chain, NotifyType::SIGNATURE_HASH_ALGORITHMS, &hashes.to_notify());
}

/// The CERTREQ payloads of whoever accepts certificates, and their octets at most: where there is no room for all, nothing
/// is asked, and the peer sends what it has.
pub(crate) fn push_requests<'c>(
    chain: &mut PayloadChain,
    connections: impl Iterator<Item = &'c Arc<Connection>>,
    room: usize,
) {
    let mut hashes: Vec<u8> = Vec::new();
    let (mut x509, mut raw, mut staple) = (false, false, false);
    for connection in connections.filter(|c| c.auth.accepts(Method::Certificate)) {
        let peers: &PeerPolicy = &connection.auth.peers;
        for hash in peers.request_v2().chunks_exact(HASH) {
            if !hashes.chunks_exact(HASH).any(|known| known == hash) {
                hashes.extend_from_slice(hash);
            }
        }
        x509 |= !peers.trust.anchors.is_empty();
        raw |= !peers.raw_keys.is_empty();
        staple |= peers.revocation.ocsp != Wanted::Off;
    }
    let mut requests = Vec::new();
    if x509 {
        requests.push((CertEncoding::X509_SIGNATURE, hashes));
    }
    if raw {
        // RFC 7670 section 3: the authority is empty.
        requests.push((CertEncoding::RAW_PUBLIC_KEY, Vec::new()));
    }
    if staple && x509 {
        // RFC 4806 section 3.1: empty, any responder will do.
        requests.push((CertEncoding::OCSP_CONTENT, Vec::new()));
    }
    if requests.iter().map(|(_, data)| data.len() + 5).sum::<usize>() > room {
        return;
    }
    for (encoding, data) in requests {
        chain.push(&Payload::CertReq(CertReq { encoding, data: &data }));
    }
}

/// What the peer sent for its proof.
pub(crate) fn sent(parsed: &Parsed<'_>) -> Sent {
    let mut sent = Sent::default();
    for certificate in parsed.certificates() {
        sent.add(certificate.encoding, certificate.data);
    }
    sent
}
