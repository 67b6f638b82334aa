//! Round trips of IKEv1: a chain of payloads read to the last attribute and written again from what was read.

use handfast_wire::ParseError;
use handfast_wire::header::PayloadType;
use handfast_wire::v1::{Payload, PayloadChain, payloads};

/// Reads every payload of a chain with everything inside it, and makes the chain again from the trees. Unlike the
/// encoders, it takes no octets over unread: whatever cannot be read is an error.
pub fn reencode_v1(first: PayloadType, bytes: &[u8]) -> Result<PayloadChain, ParseError> {
    let mut chain = PayloadChain::new();
    for raw in payloads(first, bytes) {
        let raw = raw?;
        let payload = raw.parse()?;
        read_inside(&payload)?;
        let mut body = Vec::new();
        payload.encode_body(&mut body);
        chain.push_bits(raw.kind, raw.reserved, &body);
    }
    Ok(chain)
}

fn read_inside(payload: &Payload<'_>) -> Result<(), ParseError> {
    match payload {
        Payload::Sa(sa) => {
            for proposal in sa.proposals() {
                for transform in proposal?.transforms() {
                    transform?.attributes().try_for_each(|attribute| attribute.map(drop))?;
                }
            }
            Ok(())
        }
        Payload::Config(config) => config.iter().try_for_each(|attribute| attribute.map(drop)),
        _ => Ok(()),
    }
}
