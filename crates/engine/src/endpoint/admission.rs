//! From a datagram to its SA; strangers are judged before anything is kept for them.

use std::net::SocketAddr;

use handfast_wire::header::{ExchangeType, Flags, HEADER_LEN, Header};
use handfast_wire::v2::Message;

use crate::endpoint::Engine;
use crate::event::Event;
use crate::output::{Transmit, TransmitKind};
use crate::path::Path;
use crate::v2::sa_init_responder as responder;

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
            1 => return Err("IKEv1, which is not configured"),
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
        let ike = self
            .sas
            .get_mut(slot)
            .filter(|s| s.tag == place.tag)
            .ok_or("no SA has this SPI")?;
        let theirs_fit = if ike.sa.initiator {
            ike.sa.spi_r.is_zero() || ike.sa.spi_r == header.spi_r
        } else {
            ike.sa.spi_i == header.spi_i
        };
        if ike.sa.initiator == from_initiator || !theirs_fit {
            return Err("SPIs or roles do not fit the SA");
        }
        ike.sa.seen = (local, remote);
        self.step(slot, |state, sa, cx| state.on_message(sa, cx, &message));
        Ok(())
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
            self.step(slot, |state, sa, cx| state.on_message(sa, cx, message));
            return Ok(());
        }
        if self.shutdown.is_some() {
            return Err("shutting down");
        }
        if self.half_open >= self.cx.policy.half_open_limit {
            return Err("too many half-open SAs");
        }
        match responder::read(&self.cx, (local, remote), message) {
            Ok(first) => {
                let path = Path::new(local, remote);
                let slot = self.insert(path, false, header.spi_i).ok_or("no room for another SA")?;
                self.first.insert((remote, header.spi_i), slot);
                self.step(slot, |_, sa, cx| Ok(responder::accept(sa, cx, first)));
            }
            Err(rejected) => {
                let bytes = responder::rejection(message, &rejected);
                debug_assert!(bytes.len() <= 2 * message.bytes.len().max(HEADER_LEN));
                self.cx.transmit(Transmit {
                    local,
                    remote,
                    kind: TransmitKind::Ike,
                    bytes,
                });
                self.cx.refused(None, None, remote, rejected.refusal);
            }
        }
        Ok(())
    }
}
