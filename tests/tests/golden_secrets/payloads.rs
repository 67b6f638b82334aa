//! What of a message's payloads the key schedule needs.

use handfast_crypto::transform::{Encr, Group, Integ, Prf};
use handfast_wire::header::PayloadType;
use handfast_wire::numbers::{AttributeType, Protocol, TransformType};
use handfast_wire::v2::sa::AttributeValue;
use handfast_wire::v2::{Payload, Sa, payloads};

/// The payloads of a message, or those inside SK, by kind.
#[derive(Clone, Default, Debug)]
pub struct Found {
    pub proposals: Vec<Offer>,
    pub nonce: Option<Vec<u8>>,
    pub has_ke: bool,
    /// RestOfIDPayload.
    pub id_i: Option<Vec<u8>>,
    pub id_r: Option<Vec<u8>>,
    /// Method and data.
    pub auth: Option<(u8, Vec<u8>)>,
    /// Data of CERT payloads of X.509.
    pub certificates: Vec<Vec<u8>>,
}

/// One proposal; in a response, the choice.
#[derive(Clone, Debug)]
pub struct Offer {
    pub protocol: Protocol,
    pub spi: Vec<u8>,
    pub encr: Option<Encr>,
    pub prf: Option<Prf>,
    pub integ: Option<Integ>,
    pub group: Option<Group>,
}

impl Offer {
    /// In the usual notation.
    pub fn name(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.encr.map(|encr| encr.to_string()));
        words.extend(self.integ.map(|integ| integ.to_string()));
        if self.prf != self.integ.and_then(Integ::prf) {
            words.extend(self.prf.map(|prf| prf.to_string()));
        }
        words.extend(self.group.map(|group| group.to_string()));
        words.join("-")
    }
}

/// Sorts a chain of payloads.
pub fn find(first: PayloadType, bytes: &[u8]) -> Found {
    let mut found = Found::default();
    for raw in payloads(first, bytes) {
        let raw = raw.unwrap();
        match raw.parse().unwrap() {
            Payload::Sa(sa) => found.proposals = offers(&sa),
            Payload::Nonce(nonce) => found.nonce = Some(nonce.data.to_vec()),
            Payload::Ke(_) => found.has_ke = true,
            Payload::IdI(_) => found.id_i = Some(raw.body.to_vec()),
            Payload::IdR(_) => found.id_r = Some(raw.body.to_vec()),
            Payload::Cert(cert) => found.certificates.push(cert.data.to_vec()),
            Payload::Auth(auth) => found.auth = Some((auth.method.0, auth.data.to_vec())),
            _ => {}
        }
    }
    found
}

fn offers(sa: &Sa<'_>) -> Vec<Offer> {
    let mut offers = Vec::new();
    for proposal in sa.proposals().map(Result::unwrap) {
        let mut offer = Offer {
            protocol: proposal.protocol,
            spi: proposal.spi.to_vec(),
            encr: None,
            prf: None,
            integ: None,
            group: None,
        };
        for transform in proposal.transforms().map(Result::unwrap) {
            let id = transform.id;
            match transform.kind {
                TransformType::ENCR => {
                    let key_bits = transform
                        .attributes()
                        .map(Result::unwrap)
                        .find_map(|a| match (a.kind, a.value) {
                            (AttributeType::KEY_LENGTH, AttributeValue::Short(bits)) => Some(bits),
                            _ => None,
                        });
                    offer.encr = Some(Encr { id, key_bits });
                }
                TransformType::PRF => offer.prf = Some(Prf(id)),
                TransformType::INTEG => offer.integ = Some(Integ(id)),
                TransformType::KE => offer.group = Some(Group(id)),
                _ => {}
            }
        }
        offers.push(offer);
    }
    offers
}
