//! The informational exchange (RFC 2409 section 5.7): one message, which proves itself by its HASH. What is not encrypted or
//! has a wrong hash never changes anything.

use bytes::Bytes;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::{NotifyType, Protocol};
use handfast_wire::v1::Message;
use handfast_wire::v1::notify::cookies;

use crate::context::{Context, Effect};
use crate::datagrams::Datagrams;
use crate::refusal::{Cause, Refusal};
use crate::v1::established::{Established, NO_CHILD};
use crate::v1::exchanges::Finished;
use crate::v1::isakmp::{Isakmp, Iv};
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::notices;
use crate::v1::state::{Next, Sa, State, gone};

/// Says something under the keys of a phase 1 that is not complete; `last` is its last block of ciphertext so far.
pub(crate) fn before_established(
    isakmp: &Isakmp,
    last: &Iv,
    sa: &mut Sa,
    cx: &mut Context,
    chain: Chain,
) -> Option<Bytes> {
    let id = cx.rng.u32() | 1;
    let chain = isakmp.hashed(id, chain);
    let exchange = ExchangeType::V1_INFORMATIONAL;
    let bytes = seal(isakmp, &mut isakmp.phase_two_after(last, id), sa, exchange, id, &chain).ok()?;
    sa.send(cx, bytes.clone(), |sa| Plain::describe(sa, exchange, id, &chain));
    Some(bytes)
}

/// Tells a peer that takes us for connected that we are not. The deletion comes first: strongSwan reads no further than an
/// error, and would keep its ISAKMP SA.
pub(crate) fn renounce(isakmp: &Isakmp, last: &Iv, sa: &mut Sa, cx: &mut Context) {
    let mut chain = Chain::new();
    chain.delete_isakmp(sa);
    chain.notify(notices::AUTHENTICATION_FAILED, &[]);
    before_established(isakmp, last, sa, cx, chain);
}

impl Established {
    /// Sends these payloads in an exchange of their own.
    pub fn inform(&mut self, sa: &mut Sa, cx: &mut Context, chain: Chain) -> Option<Datagrams> {
        if self.deleted {
            return None;
        }
        let id = self.fresh_id(cx);
        self.use_up(id);
        let chain = self.isakmp.hashed(id, chain);
        let mut iv = self.isakmp.phase_two(id);
        self.seal(&mut iv, sa, cx, ExchangeType::V1_INFORMATIONAL, id, &chain)
            .ok()
    }

    /// Whether a message that begins an exchange is the peer's own.
    pub fn opens(&self, message: &Message<'_>) -> bool {
        let id = message.header.message_id;
        let opened = message
            .ciphertext()
            .filter(|_| id != 0 && !self.exchanges.contains_key(&id))
            .and_then(|c| self.isakmp.decrypt(&self.isakmp.phase_two(id), c));
        opened.is_some_and(|o| self.isakmp.proved(message.header, &o).is_some())
    }

    pub fn on_informational(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let id = message.header.message_id;
        let Some(ciphertext) = message.ciphertext().filter(|_| id != 0) else {
            sa.dropped(cx, "informational message in the clear");
            return Ok(State::Established(self));
        };
        if self.is_repeated(sa, cx, message) {
            return Ok(State::Established(self));
        }
        let opened = self.isakmp.decrypt(&self.isakmp.phase_two(id), ciphertext);
        let proved = opened.as_ref().and_then(|o| self.isakmp.proved(message.header, o));
        let Some(parsed) = proved else {
            sa.dropped(cx, "informational message with a wrong hash");
            return Ok(State::Established(self));
        };
        self.finished(Finished::unanswered(id, message.bytes));
        self.heard(sa, cx);
        sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
        self.obey(sa, cx, &parsed)
    }

    fn obey(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, parsed: &Parsed<'_>) -> Next {
        let mut refusal = None;
        for notify in parsed.notifies() {
            match notify.notify {
                NotifyType::R_U_THERE if notify.spi == cookies(sa.spi_i, sa.spi_r) => {
                    self.answer_there(sa, cx, notify.data);
                }
                NotifyType::R_U_THERE_ACK if self.dpd.is_answer(notify.data) => self.dpd.settle(),
                NotifyType::INITIAL_CONTACT => {
                    let (connection, peer) = (self.parties.connection.name.clone(), self.parties.peer.clone());
                    cx.effects.push(Effect::InitialContact {
                        fresh: sa.id,
                        connection,
                        peer,
                    });
                }
                // We finished phase 1 before the peer did (aggressive mode), and it does not want us.
                NotifyType::AUTHENTICATION_FAILED if !self.had_children && self.estate.children.is_empty() => {
                    let method = self.parties.proofs.local;
                    let told = notices::of_the_peer(notify.notify, &self.parties.connection, method);
                    refusal = refusal.or(Some(Box::new(told)));
                }
                kind if kind.is_error() => refusal = refusal.or(self.on_refused(sa, cx, kind, notify.spi)),
                _ => {}
            }
        }
        for delete in parsed.deletes() {
            match delete.protocol {
                Protocol::ISAKMP if delete.iter().any(|spi| spi == cookies(sa.spi_i, sa.spi_r)) => {
                    if refusal.is_none() && !self.over && !self.deleted && self.outlives(sa, cx) {
                        return Ok(State::Established(self));
                    }
                    let reason = match &refusal {
                        Some(refusal) => refusal.to_string(),
                        None if self.over => "replaced".into(),
                        None => "deleted by the peer".into(),
                    };
                    self.forget_all(sa, cx, &reason);
                    return match refusal {
                        Some(refusal) => Err(Box::new((gone(reason), *refusal))),
                        None => Ok(gone(reason)),
                    };
                }
                Protocol::ESP => {
                    let spis: Vec<u32> = delete
                        .iter()
                        .filter_map(|spi| <[u8; 4]>::try_from(spi).ok())
                        .map(u32::from_be_bytes)
                        .collect();
                    self.on_deleted(sa, cx, &spis);
                }
                _ => {}
            }
        }
        let deleted = parsed.deletes().next().is_some();
        let reason = match &refusal {
            Some(refusal) => refusal.to_string(),
            None if deleted => "the peer deleted the last child SA".into(),
            None => NO_CHILD.into(),
        };
        self.follow(sa, cx, refusal, &reason)
    }

    /// The peer deletes SAs that it receives on; our halves go too.
    fn on_deleted(&mut self, sa: &Sa, cx: &mut Context, spis: &[u32]) {
        let gone = self.estate.children.iter().filter(|c| spis.contains(&c.spi_out));
        let gone: Vec<_> = gone.map(|c| c.id).collect();
        self.had_children |= !self.estate.children.is_empty();
        for id in gone {
            self.estate.deleted_by_peer(sa, cx, id);
        }
    }

    /// The peer refuses a quick mode of ours: the one whose SPI it names, or the only one that it can mean.
    fn on_refused(&mut self, sa: &mut Sa, cx: &mut Context, kind: NotifyType, spi: &[u8]) -> Option<Box<Refusal>> {
        let spi = <[u8; 4]>::try_from(spi).ok().map(u32::from_be_bytes);
        let (id, wish) = self.asked(spi)?;
        self.exchanges.remove(&id);
        let cause = match kind {
            NotifyType::NO_PROPOSAL_CHOSEN => Cause::NoChildProposal,
            NotifyType::INVALID_ID_INFORMATION => Cause::Selectors,
            other => Cause::NotifiedV1(other),
        };
        let offered = match kind {
            NotifyType::INVALID_ID_INFORMATION => vec![format!("here {}, there {}", wish.local, wish.remote)],
            _ => wish.policy.esp.iter().map(ToString::to_string).collect(),
        };
        let keys: &[&str] = match cause {
            Cause::Selectors => &["local_subnet", "remote_subnet"],
            _ => &["esp"],
        };
        let refusal = Refusal::told(kind, cause)
            .offered(offered)
            .look_at(wish.policy.place.of(keys));
        self.not_granted(sa, cx, wish);
        Some(Box::new(refusal))
    }
}
