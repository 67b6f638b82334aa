//! Dead peer detection (RFC 3706).

use handfast_wire::numbers::v1::NotifyType;

use crate::context::Context;
use crate::policy::Connection;
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::{Due, Pending};
use crate::time::Instant;
use crate::v1::established::Established;
use crate::v1::message::Chain;
use crate::v1::state::Sa;

/// Where both directions stand.
pub(crate) struct Dpd {
    /// Sequence number of our last question.
    sequence: u32,
    /// When it is asked again or given up; there while an answer is awaited.
    pending: Option<Box<Pending>>,
}

impl Dpd {
    /// "The R-U-THERE sequence number SHOULD begin with a random value" below 2^31 (section 5.4).
    pub fn new(cx: &mut Context) -> Self {
        Self {
            sequence: cx.rng.u32() >> 1,
            pending: None,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().map(|p| p.due)
    }

    pub fn is_asking(&self) -> bool {
        self.pending.is_some()
    }

    /// The peer answered, or lives anyway.
    pub fn settle(&mut self) {
        self.pending = None;
    }

    /// Whether this is the answer to our last question.
    pub fn is_answer(&self, data: &[u8]) -> bool {
        data == self.sequence.to_be_bytes()
    }
}

impl Established {
    /// Asks whether the peer lives.
    pub fn probe(&mut self, sa: &mut Sa, cx: &mut Context) {
        self.dpd.sequence = self.dpd.sequence.wrapping_add(1);
        let retransmit = self.parties.connection.retransmit;
        self.dpd.pending = Some(Box::new(Pending::new(vec![], cx.now, retransmit)));
        self.ask_there(sa, cx);
    }

    fn ask_there(&mut self, sa: &mut Sa, cx: &mut Context) {
        let mut chain = Chain::new();
        let sequence = self.dpd.sequence.to_be_bytes();
        chain.notify_isakmp(sa, NotifyType::R_U_THERE, &sequence);
        self.inform(sa, cx, chain);
    }

    /// Asks once more, or concludes that the peer is dead.
    pub fn on_dpd_timer(&mut self, sa: &mut Sa, cx: &mut Context) -> Result<(), Box<Refusal>> {
        let Some(pending) = &mut self.dpd.pending else {
            return Ok(());
        };
        match pending.poll(cx.now) {
            Due::Wait => Ok(()),
            Due::Again => {
                self.ask_there(sa, cx);
                Ok(())
            }
            Due::GiveUp => {
                let sent = pending.sent;
                Err(dead(&self.parties.connection, "answer to R-U-THERE (DPD)", sent))
            }
        }
    }

    /// The peer asks: the same number goes back (section 5.3).
    pub fn answer_there(&mut self, sa: &mut Sa, cx: &mut Context, sequence: &[u8]) {
        let mut chain = Chain::new();
        chain.notify_isakmp(sa, NotifyType::R_U_THERE_ACK, sequence);
        self.inform(sa, cx, chain);
    }
}

/// The peer does not answer.
pub(crate) fn dead(connection: &Connection, waiting_for: &'static str, sent: u32) -> Box<Refusal> {
    let cause = Cause::Timeout { waiting_for, sent };
    Box::new(Refusal::new(Party::Peer, cause).look_at(&connection.place))
}
