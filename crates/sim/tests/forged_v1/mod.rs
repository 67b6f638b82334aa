//! A forger in host 0's place, and what it says.
#![allow(clippy::unwrap_used, dead_code)]

use std::time::Duration;

use handfast_engine::Event;
use handfast_engine::policy::{ChildPolicy, Connection, Versions};
use handfast_sim::forger_v1::Payloads;
use handfast_sim::pair::{at, up, world_with};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{ForgerV1, Host, World};
use handfast_wire::header::{ExchangeType, PayloadType};
use handfast_wire::numbers::v1::{IpsecAttribute, NotifyType, Protocol};
use handfast_wire::v1::attribute::AttributeDef;
use handfast_wire::v1::notify::cookies;
use handfast_wire::v1::sa::{ProposalDef, TransformDef, encode};

pub const QUICK: ExchangeType = ExchangeType::V1_QUICK;
pub const INFORMATIONAL: ExchangeType = ExchangeType::V1_INFORMATIONAL;
pub const SA: PayloadType = PayloadType::V1_SA;
pub const NONCE: PayloadType = PayloadType::V1_NONCE;
pub const ID: PayloadType = PayloadType::V1_ID;
pub const KE: PayloadType = PayloadType::V1_KE;
pub const NOTIFY: PayloadType = PayloadType::V1_NOTIFY;
pub const DELETE: PayloadType = PayloadType::V1_DELETE;

pub fn v1(connection: &mut Connection, esp: &str) {
    connection.versions = Versions::One;
    connection.ike = vec![parsed("aes128-sha256-ecp256")];
    let child = ChildPolicy {
        esp: vec![parsed(esp)],
        ..(*connection.children[0]).clone()
    };
    connection.children = vec![child.into()];
}

/// An established SA, and a forger in host 0's place.
pub struct Play {
    pub world: World,
    pub forger: ForgerV1,
    pub esp: &'static str,
    pub id: u32,
    pub spi_in: u32,
}

impl Play {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, "aes128gcm16")
    }

    pub fn with(seed: u64, esp: &'static str) -> Self {
        let mut world = world_with(seed, |_, c| v1(c, esp));
        up(&mut world);
        world.run(Duration::from_secs(1));
        let wire = world.network.sent.iter().map(|t| &t.bytes[..]);
        let forger = ForgerV1::new(&world.hosts[0], wire).unwrap();
        let spi_in = world.hosts[1].inbound.values().next().unwrap().spi;
        let id = 0x1000;
        Self {
            world,
            forger,
            esp,
            id,
            spi_in,
        }
    }

    pub fn fresh_id(&mut self) -> u32 {
        self.id += 1;
        self.id
    }

    /// Puts a message on the wire, of which host 0 knows nothing. Returns what host 1 says to it.
    pub fn say(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let before = self.world.network.sent.len();
        self.world.network.faults.cut = true;
        self.world.network.inject(self.world.now, at(0), at(1), bytes.to_vec());
        self.world.run(Duration::from_millis(50));
        self.world.network.faults.cut = false;
        let sent = self.world.network.sent[before..].iter();
        sent.filter(|t| t.local == at(1)).map(|t| t.bytes.to_vec()).collect()
    }

    /// A message that is refused: one protected informational answer, the same for the same octets, silence for others.
    pub fn refused(&mut self, what: &str, exchange: ExchangeType, payloads: &[(PayloadType, Vec<u8>)]) -> NotifyType {
        let id = self.fresh_id();
        let message = self.forger.hashed(exchange, id, payloads);
        let answers = self.say(&message);
        assert_eq!(answers.len(), 1, "{what}");
        assert_eq!(answers[0][18], INFORMATIONAL.0, "{what}");
        let told = self.forger.open_hashed(&answers[0]).unwrap();
        assert_eq!((told.len(), told[0].0), (1, NOTIFY), "{what}");
        assert_eq!(self.say(&message), answers, "{what}: the same again");
        let mut good = quick(&[]);
        good[1].1 = vec![8; 32];
        let good = self.forger.hashed(exchange, id, &good);
        assert_eq!(
            self.say(&good),
            [[0u8; 0]; 0],
            "{what}: other content under its message ID"
        );
        self.unharmed(what);
        NotifyType(u16::from_be_bytes([told[0].1[6], told[0].1[7]]))
    }

    /// A message that gets no answer and changes nothing.
    pub fn ignored(&mut self, what: &str, message: &[u8]) {
        let dropped = |w: &World| w.hosts[1].count(|e| matches!(e, Event::Dropped { .. }));
        let before = dropped(&self.world);
        assert_eq!(self.say(message), [[0u8; 0]; 0], "{what}");
        assert_eq!(dropped(&self.world), before + 1, "{what}: one event");
        self.unharmed(what);
    }

    /// Host 1 holds what it held, and packets flow.
    pub fn unharmed(&mut self, what: &str) {
        let host = &self.world.hosts[1];
        let counts = (host.engine.sa_count(), host.inbound.len(), host.outbound.len());
        assert_eq!(counts, (1, 1, 1), "{what}");
        assert_eq!(host.inbound.values().next().unwrap().spi, self.spi_in, "{what}");
        for (name, size) in host.engine.sizes() {
            assert!(size <= 1, "{what}: {name}: {size}");
        }
        let before = [self.world.hosts[0].delivered, self.world.hosts[1].delivered];
        self.world.packet(0, 100);
        self.world.packet(1, 100);
        self.world.run(Duration::from_millis(20));
        let after = [self.world.hosts[0].delivered, self.world.hosts[1].delivered];
        assert_eq!(after, before.map(|n| n + 1), "{what}: packets flow");
    }

    /// The next good handshake works; no event told a secret.
    pub fn then_a_good_one(mut self) {
        let said = format!("{:?}", self.world.hosts[1].events);
        assert!(!said.contains("correct horse"));
        let mut connection = connection(0);
        v1(&mut connection, self.esp);
        self.world.hosts[0] = Host::new(77, vec![address(0)], policy(connection));
        up(&mut self.world);
        self.world.run(Duration::from_secs(1));
        assert_eq!(self.world.hosts[1].engine.sa_count(), 1);
    }
}

pub fn short(class: IpsecAttribute, value: u16) -> AttributeDef {
    AttributeDef::short(class.0, value)
}

pub fn long(class: IpsecAttribute, value: &[u8]) -> AttributeDef {
    AttributeDef::long(class.0, value)
}

/// AES-GCM in a tunnel, with more attributes.
pub fn transform(number: u8, more: &[AttributeDef]) -> TransformDef {
    let mut attributes = vec![
        short(IpsecAttribute::ENCAPSULATION_MODE, 1),
        short(IpsecAttribute::KEY_LENGTH, 128),
    ];
    attributes.extend(more.iter().cloned());
    TransformDef {
        number,
        id: 20,
        attributes,
    }
}

pub fn offer(transforms: Vec<TransformDef>) -> (PayloadType, Vec<u8>) {
    let proposal = ProposalDef {
        number: 1,
        protocol: Protocol::ESP,
        spi: vec![0xab, 0xcd, 0xef, 1],
        transforms,
    };
    (SA, encode(&[proposal]))
}

pub fn subnet(second: u8) -> Vec<u8> {
    vec![4, 0, 0, 0, 10, second, 0, 0, 255, 255, 0, 0]
}

pub fn ids() -> Payloads {
    vec![(ID, subnet(1)), (ID, subnet(2))]
}

/// Message 1 that is good, but for these attributes.
pub fn quick(more: &[AttributeDef]) -> Payloads {
    let mut all = vec![offer(vec![transform(1, more)]), (NONCE, vec![7; 32])];
    all.extend(ids());
    all
}

pub fn notify_isakmp(forger: &ForgerV1, kind: NotifyType, data: &[u8]) -> (PayloadType, Vec<u8>) {
    let mut body = vec![0, 0, 0, 1, 1, 16];
    body.extend(kind.0.to_be_bytes());
    body.extend(cookies(forger.cookies.0, forger.cookies.1));
    body.extend(data);
    (NOTIFY, body)
}

pub fn delete(protocol: u8, spi: &[u8]) -> (PayloadType, Vec<u8>) {
    let mut body = vec![0, 0, 0, 1, protocol, spi.len() as u8, 0, 1];
    body.extend(spi);
    (DELETE, body)
}
