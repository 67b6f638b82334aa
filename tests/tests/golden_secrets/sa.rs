//! An IKE SA of a recording, with its keys.

use handfast_crypto::legacy_provider;
use handfast_crypto::provider::{PrfAlgorithm, Protect, ProtectAlgorithm};
use handfast_crypto::schedule::v2::{IkeKeys, ike_keys};
use handfast_crypto::secret::Secret;
use handfast_wire::header::{Header, PayloadType, Spi};
use handfast_wire::v2::{Fragment, Message};

use super::payloads::Offer;

/// What IKE_SA_INIT leaves for AUTH.
#[derive(Clone, Default)]
pub struct Init {
    pub request: Vec<u8>,
    pub response: Vec<u8>,
    pub ni: Vec<u8>,
    pub nr: Vec<u8>,
}

pub struct IkeSa {
    pub spi_i: Spi,
    pub spi_r: Spi,
    pub prf: &'static dyn PrfAlgorithm,
    pub keys: IkeKeys,
    of_i: Box<dyn Protect>,
    of_r: Box<dyn Protect>,
    pub init: Init,
    pub id_i: Vec<u8>,
    pub id_r: Vec<u8>,
    /// SPI that the initiator offers for the child of IKE_AUTH.
    pub child_spi: Vec<u8>,
    /// Of a message that comes in fragments: the first payload's type, and what was opened so far.
    partial: Option<(PayloadType, Vec<u8>)>,
}

/// The implementation of an offer's cipher and integrity algorithm.
pub fn protect(offer: &Offer) -> Option<&'static dyn ProtectAlgorithm> {
    legacy_provider().protect(offer.encr?, offer.integ)
}

impl IkeSa {
    pub fn new(offer: &Offer, skeyseed: &Secret, init: Init, spi_i: Spi, spi_r: Spi) -> Self {
        let prf = legacy_provider().prf(offer.prf.unwrap()).unwrap();
        let protect = protect(offer).unwrap();
        let keys = ike_keys(prf, protect, skeyseed, &init.ni, &init.nr, &spi_i.0, &spi_r.0).unwrap();
        Self {
            spi_i,
            spi_r,
            prf,
            of_i: protect.key(keys.sk_ei.as_bytes(), keys.sk_ai.as_bytes()).unwrap(),
            of_r: protect.key(keys.sk_er.as_bytes(), keys.sk_ar.as_bytes()).unwrap(),
            keys,
            init,
            id_i: Vec::new(),
            id_r: Vec::new(),
            child_spi: Vec::new(),
            partial: None,
        }
    }

    pub fn is_of(&self, header: &Header) -> bool {
        (self.spi_i, self.spi_r) == (header.spi_i, header.spi_r)
    }

    /// Opens SK or SKF. The inner payloads once the message is whole.
    pub fn open(&mut self, message: &Message<'_>) -> Option<(PayloadType, Vec<u8>)> {
        let key = if message.header.flags.is_initiator() {
            &self.of_i
        } else {
            &self.of_r
        };
        let payload = message.payloads().last().unwrap().unwrap();
        let (sealed, end) = match payload.kind {
            PayloadType::SK => (payload.body.len(), None),
            PayloadType::SKF => {
                let fragment = Fragment::parse(payload.body).unwrap();
                (fragment.body.len(), Some((fragment.number, fragment.total)))
            }
            kind => panic!("{kind:?} where SK was expected"),
        };
        let plain = unpad(&open(&**key, message.bytes, message.bytes.len() - sealed));
        let Some((number, total)) = end else {
            return Some((payload.next, plain));
        };
        if number == 1 {
            self.partial = Some((payload.next, Vec::new()));
        }
        self.partial.as_mut().unwrap().1.extend(plain);
        if number == total { self.partial.take() } else { None }
    }
}

/// Opens a packet, and where the IV is a counter seals it again to the same octets.
pub fn open(key: &dyn Protect, packet: &[u8], header_len: usize) -> Vec<u8> {
    let mut work = packet.to_vec();
    let plain = key.open(&mut work, header_len, None).unwrap().to_vec();
    // In CBC mode it is not.
    if key.block_len() == 1 {
        let iv = packet[header_len..][..8].try_into().unwrap();
        key.seal(&mut work, header_len, u64::from_be_bytes(iv), None).unwrap();
        assert_eq!(work, packet, "sealed again");
    }
    plain
}

/// RFC 7296 section 3.14: padding, then its length.
fn unpad(plain: &[u8]) -> Vec<u8> {
    let (padding, rest) = plain.split_last().unwrap();
    rest[..rest.len() - usize::from(*padding)].to_vec()
}
