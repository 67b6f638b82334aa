//! From a datagram to its SA; strangers are judged before anything is kept for them.

use std::net::SocketAddr;
use std::time::Duration;

use handfast_wire::header::{ExchangeType, Flags, HEADER_LEN, Header};
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{self, Message, PayloadChain};

use crate::endpoint::Engine;
use crate::event::Event;
use crate::output::{Transmit, TransmitKind};
use crate::path::Path;
use crate::policy::Cookies;
use crate::time::Instant;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::sa_init_responder as responder;

/// How many unprotected notices of one kind leave in a second.
const NOTICES_PER_SECOND: u32 = 10;

/// Counts what leaves in a second of the engine's time.
#[derive(Default)]
pub(super) struct Limiter {
    since: Instant,
    count: u32,
}

impl Limiter {
    fn allows(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= NOTICES_PER_SECOND
    }
}

impl Engine {
    pub(super) fn on_datagram(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) {
        match self.route(local, remote, bytes) {
            Ok(()) => {}
            Err(reason) => self.cx.event(Event::Dropped { remote, reason }),
        }
    }

    fn route(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> Result<(), &'static str> {
        let header = Header::parse(bytes).map_err(|_| "not an IKE header")?;
        match header.version.major {
            2 => {}
            1 => return self.route_v1(local, remote, &header, bytes),
            3.. => {
                self.refuse_version(local, remote, &header, bytes.len());
                return Err("an IKE version above 2");
            }
            _ => return Err("unknown IKE version"),
        }
        let message = Message::parse(bytes).map_err(|_| "not an IKEv2 message")?;
        if header.spi_i.is_zero() {
            return Err("initiator's SPI is zero");
        }
        let from_initiator = header.flags.contains(Flags::INITIATOR);
        if from_initiator && header.spi_r.is_zero() {
            return self.on_first_message(local, remote, &message);
        }
        // The sender's role decides which SPI is ours; a message of our own that comes back has the wrong role.
        let ours = if from_initiator { header.spi_r } else { header.spi_i };
        let place = self.mint.place(ours);
        let slot = place.slot as usize;
        let Some(ike) = self.sas.get_mut(slot).filter(|s| s.tag == place.tag) else {
            return self.on_message_of_the_dead(bytes);
        };
        let theirs_fit = if ike.sa.initiator {
            ike.sa.spi_r.is_zero() || ike.sa.spi_r == header.spi_r
        } else {
            ike.sa.spi_i == header.spi_i
        };
        if ike.sa.initiator == from_initiator || !theirs_fit {
            return Err("SPIs or roles do not fit the SA");
        }
        ike.sa.see((local, remote));
        self.step(slot, |state, sa, cx| state.on_message_v2(sa, cx, &message));
        Ok(())
    }

    /// The SA is gone; if its end was our answer to this very request, that answer was lost (RFC 7296 section 2.1).
    fn on_message_of_the_dead(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let now = self.cx.now;
        self.farewells.retain(|f| f.until > now);
        let farewell = self.farewells.iter().find(|f| f.request == bytes);
        let answer = farewell.map(|f| f.answer.clone()).ok_or("no SA has this SPI")?;
        answer.into_iter().for_each(|t| self.cx.transmit(t));
        Ok(())
    }

    /// A request of a higher major version hears which one we speak (RFC 7296 sections 1.5 and 2.5). Anyone can send
    /// one under any address, so the answer is never larger, and few are given.
    fn refuse_version(&mut self, local: SocketAddr, remote: SocketAddr, header: &Header, size: usize) {
        if header.flags.is_response() {
            return;
        }
        let mut chain = PayloadChain::new();
        push_notify(&mut chain, NotifyType::INVALID_MAJOR_VERSION, &[]);
        let envelope = Envelope {
            spi_i: header.spi_i,
            spi_r: header.spi_r,
            exchange: header.exchange,
            initiator: !header.flags.contains(Flags::INITIATOR),
            response: true,
            message_id: header.message_id,
        };
        let bytes = v2::message(envelope.header(), &chain);
        if bytes.len() > size || !self.version_notices.allows(self.cx.now) {
            return;
        }
        self.cx.transmit(Transmit {
            local,
            remote,
            kind: TransmitKind::Ike,
            bytes: bytes.into(),
        });
    }

    /// IKE_SA_INIT of a stranger, or its repetition.
    fn on_first_message(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        message: &Message<'_>,
    ) -> Result<(), &'static str> {
        let header = message.header;
        if header.exchange != ExchangeType::IKE_SA_INIT || header.flags.is_response() || header.message_id != 0 {
            return Err("first message is not an IKE_SA_INIT request");
        }
        if let Some(slot) = self.first.get(&(remote, header.spi_i)).copied() {
            self.step(slot, |state, sa, cx| state.on_message_v2(sa, cx, message));
            return Ok(());
        }
        if self.shutdown.is_some() {
            return Err("shutting down");
        }
        if self.half_open.count() >= self.cx.policy.half_open_limit {
            return Err("too many half-open SAs");
        }
        if message.payloads().any(|payload| payload.is_err()) {
            // Not even a message, so nobody waits for an answer.
            return Err("payload lengths do not fit the message");
        }
        self.demand_cookie(local, remote, message)?;
        if self.half_open.from(remote.ip()) >= self.cx.policy.half_open_per_address {
            return Err("too many half-open SAs from this address");
        }
        match responder::read(&self.cx, (local, remote), message) {
            Ok(first) => {
                let path = Path::new(local, remote);
                let slot = self
                    .insert(2, path, false, header.spi_i)
                    .ok_or("no room for another SA")?;
                self.first.insert((remote, header.spi_i), slot);
                self.step(slot, |_, sa, cx| Ok(responder::accept(sa, cx, first).into()));
            }
            Err(rejected) => {
                let bytes = responder::rejection(message, &rejected);
                debug_assert!(bytes.len() <= 2 * message.bytes.len().max(HEADER_LEN));
                self.cx.transmit(Transmit {
                    local,
                    remote,
                    kind: TransmitKind::Ike,
                    bytes: bytes.into(),
                });
                self.cx.refused(None, None, remote, rejected.refusal);
            }
        }
        Ok(())
    }

    /// Where the policy says so, and under load, the sender must first show that it gets what is sent to its address
    /// (RFC 7296 section 2.6). Nothing is kept until it has. A message whose key exchange is refused afterwards
    /// (section 2.6.1) comes again with the cookie, or gets another.
    fn demand_cookie(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        message: &Message<'_>,
    ) -> Result<(), &'static str> {
        let policy = &self.cx.policy;
        let busy = self.half_open.count() >= policy.half_open_limit.div_ceil(2);
        if policy.cookies == Cookies::Auto && !busy {
            return Ok(());
        }
        let header = message.header;
        let body = message.bytes.get(HEADER_LEN..).unwrap_or_default();
        let parsed = Parsed::read(header.next_payload, body).map_err(|_| "first message that cannot be read")?;
        let ni = parsed.nonce().map_err(|_| "first message without a nonce")?;
        let (now, ip, spi_i) = (self.cx.now, remote.ip(), header.spi_i);
        let offered = parsed.notify(NotifyType::COOKIE).map_or(&[][..], |n| n.data);
        if self.cookies.is_valid(now, (ni, ip, spi_i), offered) {
            return Ok(());
        }
        let cookie = self.cookies.make(now, &mut self.cx.rng, ni, ip, spi_i);
        let bytes = responder::notice(message, NotifyType::COOKIE, &cookie);
        debug_assert!(bytes.len() <= 2 * message.bytes.len());
        self.cx.transmit(Transmit {
            local,
            remote,
            kind: TransmitKind::Ike,
            bytes: bytes.into(),
        });
        Err("first message without a valid cookie: it was sent one")
    }
}
