//! Outbound SAs that are installed when the peer has its answer. If the plane refuses one, the peer holds a child to be
//! up that cannot send: it is deleted with the peer, and its owner hears why.

use handfast_plane::op::{ChildId, PlaneOp, PlaneReply, SaInstall};
use handfast_store::delta::SaDelta;

use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::refusal::{Cause, Party, Refusal};
use crate::v2::established::Established;
use crate::v2::lifetimes::OVERLAP;
use crate::v2::state::{Next, Sa, State, record};

const NOT_INSTALLED: &str = "could not be installed";

impl Established {
    pub fn install_outbound(&mut self, sa: &Sa, cx: &mut Context, outbound: SaInstall) {
        let child = outbound.child;
        let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::InstallOutbound(outbound)));
        self.outbound.push((ticket, child));
    }

    /// The plane's answer. Others' answers are handed back.
    pub fn on_outbound_answer(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<Next, (Box<Self>, Answer)> {
        let Some(index) = self.outbound.iter().position(|(asked, _)| *asked == ticket) else {
            return Err((self, answer));
        };
        let (_, id) = self.outbound.swap_remove(index);
        let Answer::Plane(PlaneReply::Failed(why)) = answer else {
            return Ok(Ok(State::Established(self)));
        };
        let Some(child) = self.child(id) else {
            return Ok(Ok(State::Established(self)));
        };
        let refusal = Refusal::new(Party::Us, Cause::Plane(why)).look_at(&child.policy.place);
        self.retire_unsendable(sa, cx, id, &refusal);
        Ok(match self.next_request(sa, cx) {
            Ok(state) => Err(Box::new((state, refusal))),
            failed => failed,
        })
    }

    fn retire_unsendable(&mut self, sa: &Sa, cx: &mut Context, id: ChildId, refusal: &Refusal) {
        if self.children.len() == 1 {
            // Nothing is left that the IKE SA is for; its deletion is the child's too.
            self.drop_child(sa, cx, id, NOT_INSTALLED);
            self.close(format!("no child SA: {refusal}"));
            return;
        }
        if let Some(child) = self.children.iter_mut().find(|c| c.id == id) {
            child.replaced = true;
            child.rekey_at = None;
            record(cx, SaDelta::Child(child.facts(sa.id, "deleting")));
        }
        // Not at once: our request must not overtake our answer, by which the peer learns of the child.
        self.overlapping.push((cx.now + OVERLAP, id));
        self.unsendable.push(id);
    }

    /// The peer has confirmed that a child is gone, at our wish.
    pub fn on_child_deleted(&mut self, sa: &Sa, cx: &mut Context, id: ChildId) {
        let unsendable = self.unsendable.contains(&id);
        self.unsendable.retain(|u| *u != id);
        self.drop_child(sa, cx, id, if unsendable { NOT_INSTALLED } else { "replaced" });
        if unsendable && self.children.is_empty() {
            self.close("no child SA is left");
        }
    }
}
