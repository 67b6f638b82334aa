//! SA payloads to send, as owned values.

use bytes::BufMut;

use super::{Attribute, AttributeValue, PROPOSAL_HEADER_LEN};
use crate::numbers::{AttributeType, Protocol, TransformType};
use crate::read::length16;

/// A proposal to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProposalDef {
    /// Proposal number, from 1.
    pub number: u8,
    /// The kind of SA.
    pub protocol: Protocol,
    /// Our SPI: empty, 4 or 8 octets.
    pub spi: Vec<u8>,
    /// What is offered, best first; at most 255.
    pub transforms: Vec<TransformDef>,
}

/// A transform to send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TransformDef {
    /// What the algorithm is for.
    pub kind: TransformType,
    /// The algorithm's number within its kind.
    pub id: u16,
    /// The Key Length attribute, for ciphers whose key varies (RFC 7296 section 3.3.5).
    pub key_bits: Option<u16>,
}

/// Octets of the one proposal that is chosen.
const USUAL: usize = 64;

/// The body of an SA payload with these proposals. More than 255 transforms or SPI octets of one are cut off.
pub fn encode(proposals: &[ProposalDef]) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    for (index, proposal) in proposals.iter().enumerate() {
        let spi = proposal.spi.get(..255).unwrap_or(&proposal.spi);
        let transforms = proposal.transforms.get(..255).unwrap_or(&proposal.transforms);
        let mut bytes = Vec::with_capacity(USUAL);
        for (index, transform) in transforms.iter().enumerate() {
            transform.encode(index + 1 < transforms.len(), &mut bytes);
        }
        out.put_u8(if index + 1 < proposals.len() { 2 } else { 0 });
        out.put_u8(0);
        out.put_u16(length16(PROPOSAL_HEADER_LEN + spi.len() + bytes.len()));
        out.put_u8(proposal.number);
        out.put_u8(proposal.protocol.0);
        out.put_u8(spi.len() as u8);
        out.put_u8(transforms.len() as u8);
        out.put_slice(spi);
        out.put_slice(&bytes);
    }
    out
}

impl TransformDef {
    fn encode(&self, more: bool, out: &mut Vec<u8>) {
        let mut attribute_bytes = Vec::new();
        if let Some(bits) = self.key_bits {
            let value = AttributeValue::Short(bits);
            Attribute {
                kind: AttributeType::KEY_LENGTH,
                value,
            }
            .encode(&mut attribute_bytes);
        }
        let more = if more { 3 } else { 0 };
        let attribute_bytes = &attribute_bytes;
        super::Transform {
            more,
            reserved: 0,
            kind: self.kind,
            reserved2: 0,
            id: self.id,
            attribute_bytes,
        }
        .encode(out);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::v2::Sa;

    #[test]
    fn what_is_written_is_read_back() {
        let transform = |kind, id, key_bits| TransformDef { kind, id, key_bits };
        let wanted = vec![
            ProposalDef {
                number: 1,
                protocol: Protocol::IKE,
                spi: vec![],
                transforms: vec![
                    transform(TransformType::ENCR, 20, Some(256)),
                    transform(TransformType::PRF, 6, None),
                    transform(TransformType::KE, 20, None),
                ],
            },
            ProposalDef {
                number: 2,
                protocol: Protocol::ESP,
                spi: vec![1, 2, 3, 4],
                transforms: vec![transform(TransformType::ESN, 0, None)],
            },
        ];
        let body = encode(&wanted);
        let read: Vec<ProposalDef> = Sa { body: &body }
            .proposals()
            .map(|proposal| {
                let proposal = proposal.unwrap();
                let transforms = proposal.transforms().map(|transform| {
                    let transform = transform.unwrap();
                    let key_bits = transform
                        .attributes()
                        .next()
                        .map(|attribute| match attribute.unwrap().value {
                            AttributeValue::Short(bits) => bits,
                            AttributeValue::Long(_) => panic!("key length is short"),
                        });
                    TransformDef {
                        kind: transform.kind,
                        id: transform.id,
                        key_bits,
                    }
                });
                let transforms = transforms.collect();
                ProposalDef {
                    number: proposal.number,
                    protocol: proposal.protocol,
                    spi: proposal.spi.to_vec(),
                    transforms,
                }
            })
            .collect();
        assert_eq!(read, wanted);
    }

    #[test]
    fn octets_are_those_of_the_rfc() {
        let body = encode(&[ProposalDef {
            number: 1,
            protocol: Protocol::ESP,
            spi: vec![9, 9, 9, 9],
            transforms: vec![TransformDef {
                kind: TransformType::ENCR,
                id: 20,
                key_bits: Some(128),
            }],
        }]);
        let wanted = [
            0, 0, 0, 24, 1, 3, 4, 1, 9, 9, 9, 9, 0, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 0, 128,
        ];
        assert_eq!(body, wanted);
    }
}
