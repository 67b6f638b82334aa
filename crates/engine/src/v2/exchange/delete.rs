//! Deleting SAs (RFC 7296 sections 1.4.1 and 3.11).

use handfast_wire::numbers::Protocol;
use handfast_wire::v2::{Delete, Payload, PayloadChain};

use crate::child::sa::ChildSa;
use crate::context::Context;
use crate::v2::established::Established;
use crate::v2::exchange::create_child;
use crate::v2::state::Sa;

pub(super) fn request_ike() -> PayloadChain {
    let mut chain = PayloadChain::new();
    chain.push(&Payload::Delete(Delete::IKE));
    chain
}

/// Our half of a pair, by the SPI that we receive on.
pub(super) fn request_spi(spi_in: u32) -> PayloadChain {
    let mut chain = PayloadChain::new();
    chain.push(&Payload::Delete(Delete::esp(&spi_in.to_be_bytes())));
    chain
}

/// The peer deletes ESP SAs, named by the SPIs it receives on. Our halves of the pairs go too and are named in the
/// answer, unless we have asked the same; SPIs that we do not know are passed over (sections 1.4.1 and 2.25.1).
pub(super) fn children(
    this: &mut Established,
    sa: &Sa,
    cx: &mut Context,
    delete: &Delete<'_>,
    answer: &mut PayloadChain,
) {
    if delete.protocol != Protocol::ESP || delete.spi_size != 4 {
        return;
    }
    let wanted: Vec<u32> = delete
        .iter()
        .filter_map(|spi| <[u8; 4]>::try_from(spi).ok())
        .map(u32::from_be_bytes)
        .collect();
    let (gone, kept): (Vec<ChildSa>, Vec<ChildSa>) = std::mem::take(&mut this.children)
        .into_iter()
        .partition(|c| wanted.contains(&c.spi_out));
    this.children = kept;
    let mut ours = vec![];
    for child in gone {
        this.held.retain(|(new, ..)| *new != child.id);
        create_child::switch(this, sa, cx, |_, old| old == child.id);
        if !this.turn.deletes(child.id) {
            ours.extend_from_slice(&child.spi_in.to_be_bytes());
        }
        if child.replaced {
            this.drain(sa, cx, &child, "replaced");
        } else {
            this.forget_child(sa, cx, &child, "deleted by the peer");
            this.further_lost(cx, &child.policy);
        }
    }
    if !ours.is_empty() {
        answer.push(&Payload::Delete(Delete::esp(&ours)));
    }
}
