//! Facts as the memory store keeps them: what many SAs have in common once for all, the rest in as few octets as it takes. A
//! gateway has tens of thousands of SAs, and is seldom asked.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::delta::{CertificateFacts, ChildFacts, End, IkeSaFacts, SaId};

/// What is the same for many.
#[derive(Clone, Debug)]
pub(crate) struct Shared<T>(HashSet<Arc<T>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash> Shared<T> {
    fn of(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.0.get(&value) {
            return known.clone();
        }
        let value = Arc::new(value);
        self.0.insert(value.clone());
        value
    }

    /// One of those who have it in common is gone; after the last, so is it.
    fn release(&mut self, value: &Arc<T>) {
        if Arc::strong_count(value) <= 2 {
            self.0.remove(value);
        }
    }
}

/// What IKE SAs have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct IkeCommon {
    connection: Option<String>,
    ike_version: u8,
    state: String,
    initiator: bool,
    local: (String, u16, String),
    proposal: String,
    auth: (String, String),
    anchor: Option<String>,
    nat: (bool, bool),
}

/// The facts of an IKE SA.
#[derive(Clone, Debug)]
pub(crate) struct PackedIke {
    common: Arc<IkeCommon>,
    own: Box<[u8]>,
}

impl PackedIke {
    pub(crate) fn new(facts: &IkeSaFacts, shared: &mut Shared<IkeCommon>) -> Self {
        let certificate = facts.peer_certificate.as_ref();
        let common = shared.of(IkeCommon {
            connection: facts.connection.clone(),
            ike_version: facts.ike_version,
            state: facts.state.clone(),
            initiator: facts.initiator,
            local: (facts.local.address.clone(), facts.local.port, facts.local.id.clone()),
            proposal: facts.proposal.clone(),
            auth: (facts.auth_local.clone(), facts.auth_remote.clone()),
            anchor: certificate.and_then(|c| c.anchor.clone()),
            nat: (facts.nat_local, facts.nat_remote),
        });
        let mut own = Writer::default();
        own.text(&facts.remote.address);
        own.number(facts.remote.port.into());
        own.text(&facts.remote.id);
        own.text(&facts.spi_i);
        own.text(&facts.spi_r);
        own.optional(certificate, |own, certificate| {
            own.text(&certificate.subject);
            own.optional(certificate.not_after, |own, time| own.number(time.cast_unsigned()));
        });
        own.optional(facts.peer_principal.as_deref(), Writer::text);
        own.optional(facts.established_ms, Writer::number);
        own.optional(facts.took_us, Writer::number);
        own.optional(facts.rekey_ms, Writer::number);
        own.number(facts.messages);
        Self { common, own: own.end() }
    }

    pub(crate) fn release(&self, shared: &mut Shared<IkeCommon>) {
        shared.release(&self.common);
    }

    pub(crate) fn facts(&self, id: SaId) -> IkeSaFacts {
        let common = &*self.common;
        let mut own = Reader(&self.own);
        let (address, port, local_id) = common.local.clone();
        IkeSaFacts {
            id,
            connection: common.connection.clone(),
            ike_version: common.ike_version,
            state: common.state.clone(),
            initiator: common.initiator,
            local: End {
                address,
                port,
                id: local_id,
            },
            remote: End {
                address: own.text(),
                port: own.number() as u16,
                id: own.text(),
            },
            spi_i: own.text(),
            spi_r: own.text(),
            proposal: common.proposal.clone(),
            auth_local: common.auth.0.clone(),
            auth_remote: common.auth.1.clone(),
            peer_certificate: own.optional(|own| CertificateFacts {
                subject: own.text(),
                anchor: common.anchor.clone(),
                not_after: own.optional(Reader::number).map(u64::cast_signed),
            }),
            peer_principal: own.optional(Reader::text),
            nat_local: common.nat.0,
            nat_remote: common.nat.1,
            established_ms: own.optional(Reader::number),
            took_us: own.optional(Reader::number),
            rekey_ms: own.optional(Reader::number),
            messages: own.number(),
        }
    }
}

/// What children have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ChildCommon {
    name: String,
    mode: String,
    state: String,
    proposal: String,
    local_ts: Vec<String>,
}

/// The facts of a child.
#[derive(Clone, Debug)]
pub(crate) struct PackedChild {
    pub(crate) ike: SaId,
    common: Arc<ChildCommon>,
    own: Box<[u8]>,
}

impl PackedChild {
    pub(crate) fn new(facts: &ChildFacts, shared: &mut Shared<ChildCommon>) -> Self {
        let common = shared.of(ChildCommon {
            name: facts.name.clone(),
            mode: facts.mode.clone(),
            state: facts.state.clone(),
            proposal: facts.proposal.clone(),
            local_ts: facts.local_ts.clone(),
        });
        let mut own = Writer::default();
        own.text(&facts.spi_in);
        own.text(&facts.spi_out);
        own.number(facts.remote_ts.len() as u64);
        facts.remote_ts.iter().for_each(|text| own.text(text));
        own.optional(facts.rekey_ms, Writer::number);
        own.optional(facts.took_us, Writer::number);
        Self {
            ike: facts.ike,
            common,
            own: own.end(),
        }
    }

    pub(crate) fn release(&self, shared: &mut Shared<ChildCommon>) {
        shared.release(&self.common);
    }

    pub(crate) fn facts(&self, id: u64) -> ChildFacts {
        let common = &*self.common;
        let mut own = Reader(&self.own);
        ChildFacts {
            id,
            ike: self.ike,
            name: common.name.clone(),
            mode: common.mode.clone(),
            state: common.state.clone(),
            spi_in: own.text(),
            spi_out: own.text(),
            proposal: common.proposal.clone(),
            local_ts: common.local_ts.clone(),
            remote_ts: (0..own.number()).map(|_| own.text()).collect(),
            rekey_ms: own.optional(Reader::number),
            took_us: own.optional(Reader::number),
        }
    }
}

/// Writes numbers seven bits an octet, the lowest first, and texts after their length.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn end(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }
}

/// Reads what [`Writer`] wrote, in the same order.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn octet(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let octet = self.octet();
            number |= u64::from(octet & 0x7f) << shift;
            shift += 7;
            if octet < 0x80 || shift >= u64::BITS {
                return number;
            }
        }
    }

    fn text(&mut self) -> String {
        let len = self.number() as usize;
        let octets = self.0.split_off(..len).unwrap_or_default();
        String::from_utf8_lossy(octets).into_owned()
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.octet() != 0).then(|| read(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(n: u16, text: &str) -> End {
        End {
            address: text.repeat(n.into()),
            port: n,
            id: text.into(),
        }
    }

    fn ike(n: u64) -> IkeSaFacts {
        let certificate = CertificateFacts {
            subject: "CN=peer".into(),
            anchor: (!n.is_multiple_of(2)).then(|| "CN=CA".into()),
            not_after: (n > 4).then_some(-(n as i64)),
        };
        IkeSaFacts {
            id: SaId(n),
            connection: (!n.is_multiple_of(3)).then(|| "office".into()),
            ike_version: 2,
            state: "established".into(),
            initiator: n.is_multiple_of(2),
            local: end(500, "wir"),
            remote: end(n as u16, "日本"),
            spi_i: "0011223344556677".into(),
            spi_r: String::new(),
            proposal: "aes128gcm16".into(),
            auth_local: "psk".into(),
            auth_remote: "certificate".into(),
            peer_certificate: (n > 2).then_some(certificate),
            peer_principal: (n > 5).then(|| "host/a".into()),
            nat_local: n.is_multiple_of(2),
            nat_remote: true,
            established_ms: (n > 1).then_some(u64::MAX - n),
            took_us: (n > 3).then_some(0x7f + n),
            rekey_ms: None,
            messages: 1 << (7 * n),
        }
    }

    fn child(n: u64) -> ChildFacts {
        let many = |of: &str| (0..n).map(|i| format!("{of}{i}")).collect();
        ChildFacts {
            id: n,
            ike: SaId(n / 2),
            name: "net".into(),
            mode: "tunnel".into(),
            state: "installed".into(),
            spi_in: "c0000001".into(),
            spi_out: format!("{n:08x}"),
            proposal: "aes128gcm16".into(),
            local_ts: many("10.1.0."),
            remote_ts: many("10.2.0."),
            rekey_ms: (n > 2).then_some(n),
            took_us: (n > 4).then_some(n << 40),
        }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let (mut ikes, mut children) = (Shared::default(), Shared::default());
        for n in 0..10 {
            assert_eq!(PackedIke::new(&ike(n), &mut ikes).facts(SaId(n)), ike(n));
            assert_eq!(PackedChild::new(&child(n), &mut children).facts(n), child(n));
        }
    }

    #[test]
    fn what_nobody_has_in_common_any_more_is_forgotten() {
        let mut shared = Shared::default();
        let all: Vec<_> = [1, 1, 2].map(|n| PackedChild::new(&child(n), &mut shared)).into();
        assert_eq!(shared.0.len(), 2);
        for (left, packed) in [2, 1, 0].into_iter().zip(all) {
            packed.release(&mut shared);
            assert_eq!(shared.0.len(), left);
        }
    }
}
