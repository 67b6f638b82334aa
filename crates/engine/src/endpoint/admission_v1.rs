//! From an IKEv1 datagram to its SA. The header does not say who sent it, so either cookie may be ours.

use std::net::SocketAddr;

use handfast_wire::header::{ExchangeType, Header, Spi};
use handfast_wire::v1::Message;

use crate::endpoint::Engine;
use crate::output::{Transmit, TransmitKind};
use crate::path::Path;
use crate::v1::first_message::{self, FirstMessage};
use crate::v1::fragment::fragment;
use crate::v1::notices::{self, Rejected};
use crate::v1::{aggressive_responder, main_responder};

impl Engine {
    pub(super) fn route_v1(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        let message = Message::parse(bytes).map_err(|_| "not an IKEv1 message")?;
        if header.spi_i.is_zero() {
            return Err("initiator's cookie is zero");
        }
        if header.spi_r.is_zero() {
            // Our own attempt may get a notice in the clear, before the responder has a cookie.
            if let Some(slot) = self.slot_v1(header.spi_i, true) {
                self.deliver_v1(slot, local, remote, &message);
                return Ok(());
            }
            return self.on_first_v1(local, remote, &message);
        }
        let slot = self
            .slot_v1(header.spi_r, false)
            .or_else(|| self.slot_v1(header.spi_i, true))
            .ok_or("no SA has these cookies")?;
        let Some(ike) = self.sas.get(slot) else {
            return Err("no SA has these cookies");
        };
        let fits = if ike.sa.initiator {
            ike.sa.spi_r.is_zero() || ike.sa.spi_r == header.spi_r
        } else {
            ike.sa.spi_i == header.spi_i
        };
        if !fits {
            return Err("cookies do not fit the SA");
        }
        self.deliver_v1(slot, local, remote, &message);
        Ok(())
    }

    /// The SA that has this cookie of ours, in this role.
    fn slot_v1(&self, cookie: Spi, initiator: bool) -> Option<usize> {
        let place = self.mint.place(cookie);
        let slot = place.slot as usize;
        let ike = self.sas.get(slot)?;
        (ike.tag == place.tag && ike.sa.version == 1 && ike.sa.initiator == initiator).then_some(slot)
    }

    fn deliver_v1(&mut self, slot: usize, local: SocketAddr, remote: SocketAddr, message: &Message<'_>) {
        let Some(ike) = self.sas.get_mut(slot) else { return };
        ike.sa.see((local, remote));
        if let Some((number, is_last, data)) = fragment(message) {
            let Some(whole) = ike.reassembly.add(number, is_last, data) else {
                return;
            };
            let cookies = (message.header.spi_i, message.header.spi_r);
            match Message::parse(&whole) {
                // A message of this SA, and not once more a fragment.
                Ok(inner) if (inner.header.spi_i, inner.header.spi_r) == cookies && fragment(&inner).is_none() => {
                    self.step(slot, |state, sa, cx| state.on_message_v1(sa, cx, &inner));
                }
                _ => self.cx.event(crate::event::Event::Dropped {
                    remote,
                    reason: "fragments that make no message",
                }),
            }
            return;
        }
        self.step(slot, |state, sa, cx| state.on_message_v1(sa, cx, message));
    }

    /// The first message of a stranger, or its repetition.
    fn on_first_v1(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        message: &Message<'_>,
    ) -> Result<(), &'static str> {
        let header = message.header;
        let begins = [ExchangeType::V1_MAIN, ExchangeType::V1_AGGRESSIVE].contains(&header.exchange);
        if !begins || header.message_id != 0 || message.is_encrypted() {
            return Err("first message begins neither main nor aggressive mode");
        }
        if let Some(slot) = self.first.get(&(remote, header.spi_i)).copied() {
            self.deliver_v1(slot, local, remote, message);
            return Ok(());
        }
        if let Some((number, is_last, data)) = fragment(message) {
            let now = self.cx.now;
            let Some(whole) = self.fragments.add(now, (remote, header.spi_i), number, is_last, data) else {
                return Ok(());
            };
            let inner = Message::parse(&whole).map_err(|_| "fragments that make no message")?;
            let same = (inner.header.spi_i, inner.header.spi_r) == (header.spi_i, header.spi_r);
            if !same || fragment(&inner).is_some() {
                return Err("fragments that make no message");
            }
            return self.on_first_v1(local, remote, &inner);
        }
        if self.shutdown.is_some() {
            return Err("shutting down");
        }
        if self.half_open.count() >= self.cx.policy.half_open_limit {
            return Err("too many half-open SAs");
        }
        // IKEv1 has no cookie that would show first that the sender gets what is sent to its address.
        if self.half_open.from(remote.ip()) >= self.cx.policy.half_open_per_address {
            return Err("too many half-open SAs from this address");
        }
        let ends = (local, remote);
        if header.exchange == ExchangeType::V1_MAIN {
            self.judge_v1::<main_responder::FirstMessage>(ends, message)
        } else {
            self.judge_v1::<aggressive_responder::FirstMessage>(ends, message)
        }
    }

    fn judge_v1<F: FirstMessage>(
        &mut self,
        ends: (SocketAddr, SocketAddr),
        message: &Message<'_>,
    ) -> Result<(), &'static str> {
        match first_message::read::<F>(&self.cx, ends, message) {
            Ok(first) => {
                let slot = self.admit_v1(ends.0, ends.1, message.header.spi_i)?;
                self.step(slot, |_, sa, cx| Ok(first_message::accept(sa, cx, first).into()));
            }
            Err(rejected) => self.reject_v1(ends, message, *rejected),
        }
        Ok(())
    }

    fn admit_v1(&mut self, local: SocketAddr, remote: SocketAddr, cky_i: Spi) -> Result<usize, &'static str> {
        let path = Path::new(local, remote);
        let slot = self.insert(1, path, false, cky_i).ok_or("no room for another SA")?;
        self.first.insert((remote, cky_i), slot);
        Ok(slot)
    }

    fn reject_v1(&mut self, (local, remote): (SocketAddr, SocketAddr), message: &Message<'_>, rejected: Rejected) {
        let id = self.cx.rng.u32() | 1;
        let bytes = notices::rejection(message, &rejected, id);
        // Anyone can send a first message under any address: never more octets back than came.
        if bytes.len() <= message.bytes.len() {
            self.cx.transmit(Transmit {
                local,
                remote,
                kind: TransmitKind::Ike,
                bytes: bytes.into(),
            });
        }
        self.cx.refused(None, None, remote, rejected.refusal);
    }
}
