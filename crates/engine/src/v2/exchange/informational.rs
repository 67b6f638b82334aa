//! The peer's INFORMATIONAL requests (RFC 7296 section 1.4). Each is answered, whatever it holds.

use handfast_wire::numbers::{NotifyType, Protocol};
use handfast_wire::v2::PayloadChain;

use crate::context::Context;
use crate::refusal::{Cause, Party, Refusal};
use crate::v2::established::Established;
use crate::v2::exchange::delete;
use crate::v2::message::{Envelope, Parsed};
use crate::v2::state::{Next, Sa, State, gone, refuse};

pub(crate) fn informational(
    mut this: Box<Established>,
    sa: &mut Sa,
    cx: &mut Context,
    envelope: Envelope,
    parsed: &Parsed<'_>,
    request: &[u8],
) -> Next {
    let mut answer = PayloadChain::new();
    let ends = parsed.deletes().any(|d| d.protocol == Protocol::IKE);
    let unproven = parsed.notify(NotifyType::AUTHENTICATION_FAILED).is_some();
    if ends || unproven {
        let reason = if unproven {
            "the peer does not accept our proof"
        } else if this.succession.over || this.succession.theirs.is_some() {
            "replaced"
        } else {
            "deleted by the peer"
        };
        // A rekey of the peer's that was answered has taken over, whatever becomes of one of ours.
        this.hand_over(sa, cx);
        this.forget_all(sa, cx, reason);
        this.respond(sa, cx, envelope, &answer);
        this.farewell(sa, cx, request);
        if unproven {
            let cause = Cause::Notified(NotifyType::AUTHENTICATION_FAILED);
            let c = &this.parties.connection;
            let offered = format!("{} by preshared key", c.local_id);
            return refuse(
                Refusal::new(Party::Peer, cause)
                    .offered(vec![offered])
                    .look_at(c.place.of(&["local_id"])),
            );
        }
        return Ok(gone(reason));
    }
    let had_children = !this.children.is_empty();
    for payload in parsed.deletes() {
        delete::children(&mut this, sa, cx, payload, &mut answer);
    }
    this.respond(sa, cx, envelope, &answer);
    if had_children && this.children.is_empty() {
        // An IKE SA without children is of no use to its connection, which decides whether to come again.
        this.close("the peer deleted the last child SA");
        return this.advance(sa, cx);
    }
    Ok(State::Established(this))
}
