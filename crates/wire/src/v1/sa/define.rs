//! SA payloads to send.

use bytes::BufMut;

use super::{PROPOSAL_HEADER_LEN, Proposal, Sa, Transform};
use crate::numbers::v1::{Doi, Protocol, Situation};
use crate::read::length16;
use crate::v1::attribute::{self, AttributeDef};

/// A proposal to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProposalDef {
    /// Proposal number; those of one number are meant together.
    pub number: u8,
    /// The kind of SA.
    pub protocol: Protocol,
    /// Our SPI: empty in phase 1, 4 octets for AH and ESP, 2 for IPComp.
    pub spi: Vec<u8>,
    /// What is offered, best first; at most 255.
    pub transforms: Vec<TransformDef>,
}

/// A transform to send.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TransformDef {
    /// Transform number.
    pub number: u8,
    /// Transform identifier.
    pub id: u8,
    /// The attributes, in order.
    pub attributes: Vec<AttributeDef>,
}

/// The body of an SA payload of the IPsec DOI, identity only, with these proposals. More than 255 transforms or SPI
/// octets of one are cut off.
pub fn encode(proposals: &[ProposalDef]) -> Vec<u8> {
    let mut out = head(Doi::IPSEC, Situation::IDENTITY_ONLY, &[]);
    for (index, proposal) in proposals.iter().enumerate() {
        let transforms = proposal.transforms.get(..255).unwrap_or(&proposal.transforms);
        let mut bytes = Vec::new();
        for (index, transform) in transforms.iter().enumerate() {
            let attribute_bytes = attribute::encode(&transform.attributes);
            let transform = Transform {
                more: if index + 1 < transforms.len() { 3 } else { 0 },
                reserved: 0,
                number: transform.number,
                id: transform.id,
                reserved2: [0; 2],
                attribute_bytes: &attribute_bytes,
            };
            transform.encode(&mut bytes);
        }
        let more = index + 1 < proposals.len();
        let count = transforms.len() as u8;
        frame(
            &mut out,
            more,
            proposal.number,
            proposal.protocol,
            &proposal.spi,
            count,
            &bytes,
        );
    }
    out
}

/// The body of the SA payload that answers `offer`: of each chosen proposal the one transform, exactly as it was
/// offered (RFC 2408 section 4.2), with our SPI.
pub fn encode_chosen(offer: &Sa<'_>, chosen: &[(Proposal<'_>, Transform<'_>, &[u8])]) -> Vec<u8> {
    let mut out = head(offer.doi, offer.situation, offer.labels);
    for (index, (proposal, transform, spi)) in chosen.iter().enumerate() {
        let mut bytes = Vec::new();
        Transform { more: 0, ..*transform }.encode(&mut bytes);
        let more = index + 1 < chosen.len();
        frame(&mut out, more, proposal.number, proposal.protocol, spi, 1, &bytes);
    }
    out
}

fn head(doi: Doi, situation: Situation, labels: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32(doi.0);
    out.put_u32(situation.0);
    out.put_slice(labels);
    out
}

fn frame(
    out: &mut Vec<u8>,
    more: bool,
    number: u8,
    protocol: Protocol,
    spi: &[u8],
    transform_count: u8,
    transforms: &[u8],
) {
    let spi = spi.get(..255).unwrap_or(spi);
    out.put_u8(if more { 2 } else { 0 });
    out.put_u8(0);
    out.put_u16(length16(PROPOSAL_HEADER_LEN + spi.len() + transforms.len()));
    out.put_u8(number);
    out.put_u8(protocol.0);
    out.put_u8(spi.len() as u8);
    out.put_u8(transform_count);
    out.put_slice(spi);
    out.put_slice(transforms);
}
