//! Hosts that lie while they prove themselves by certificate, in either version, and what must come of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::{Curve, LocalCertificate};
use handfast_engine::policy::{Authentication, Connection, Versions};
use handfast_engine::{Event, Transmit};
use handfast_wire::header::PayloadType;
use handfast_wire::v1::{Message, message};

use crate::forger::{Forger, chain};
use crate::forger_v1::{ForgerV1, Payloads, chain as chain_v1};
use crate::pair::{MINUTE, at, disagreement, named, nothing_left, up, world_with};
use crate::pki::{Ca, template};
use crate::policies::{address, connection, parsed, policy};
use crate::{Host, World};

/// A version, and a mode of IKEv1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// IKEv2.
    V2,
    /// Main mode.
    Main,
    /// Aggressive mode.
    Aggressive,
}

/// All of them.
pub const MODES: [Mode; 3] = [Mode::V2, Mode::Main, Mode::Aggressive];

/// AUTHENTICATION_FAILED, the same number in both versions.
pub const AUTHENTICATION_FAILED: u16 = 24;

impl Mode {
    /// Makes a connection speak so, with messages in one piece, which a forger can change.
    pub fn speak(self, c: &mut Connection) {
        c.fragment_size = None;
        if self != Self::V2 {
            c.versions = Versions::One;
            c.aggressive = self == Self::Aggressive;
            c.ike = vec![parsed("aes128-sha256-ecp256")];
        }
    }

    /// Which of these two a payload has here.
    fn kind(self, of_v2: PayloadType, of_v1: PayloadType) -> PayloadType {
        if self == Self::V2 { of_v2 } else { of_v1 }
    }

    /// The certificate payload.
    pub fn cert(self) -> PayloadType {
        self.kind(PayloadType::CERT, PayloadType::V1_CERT)
    }

    /// The certificate request payload.
    pub fn request(self) -> PayloadType {
        self.kind(PayloadType::CERTREQ, PayloadType::V1_CERTREQ)
    }

    /// The payload with the identity of this host.
    pub fn id(self, host: usize) -> PayloadType {
        let of_v2 = if host == 0 { PayloadType::IDI } else { PayloadType::IDR };
        self.kind(of_v2, PayloadType::V1_ID)
    }

    /// The payload with the signature.
    pub fn proof(self) -> PayloadType {
        self.kind(PayloadType::AUTH, PayloadType::V1_SIG)
    }

    /// Whether this is the message in which this host proves itself.
    fn proves(self, host: usize, transmit: &Transmit) -> bool {
        let bytes = &transmit.bytes;
        if transmit.local.ip() != address(host) || bytes.len() <= 28 {
            return false;
        }
        let encrypted = bytes[19] & 1 != 0;
        match self {
            Self::V2 => bytes[18] == 35,
            Self::Main => bytes[18] == 2 && encrypted,
            // Message 2 is in the clear.
            Self::Aggressive => bytes[18] == 4 && encrypted == (host == 0) && (host == 1 || bytes[8..16] != [0; 8]),
        }
    }
}

/// Changes the payloads of the message in which the liar proves itself; it may compute with the keys of IKEv1.
pub type Change = Arc<dyn Fn(Option<&ForgerV1>, &mut Payloads)>;

/// Such a change that needs no keys.
pub fn change(change: impl Fn(&mut Payloads) + 'static) -> Change {
    Arc::new(move |_, payloads| change(payloads))
}

/// Sits between the hosts with the keys of `liar`.
pub fn between(world: &mut World, mode: Mode, liar: usize, change: Change) {
    let mut wire: Vec<Vec<u8>> = vec![];
    world.tamper = Some(Box::new(move |hosts, transmit| {
        let bytes = transmit.bytes.to_vec();
        if !mode.proves(liar, transmit) {
            wire.push(bytes.clone());
            return vec![bytes];
        }
        let changed = match mode {
            Mode::V2 => changed_v2(hosts, &bytes, &change),
            _ => changed_v1(&hosts[liar], &wire, &bytes, &change),
        };
        vec![changed]
    }));
}

fn changed_v2(hosts: &[Host], bytes: &[u8], change: &Change) -> Vec<u8> {
    let forger = hosts.iter().find_map(|host| Forger::sender_of(host, bytes));
    let mut forger = forger.unwrap_or_else(|| panic!("nobody has the keys"));
    let Some(mut payloads) = forger.open(bytes) else {
        panic!("a message that does not open")
    };
    // An error has nothing to lie about.
    if !payloads.iter().any(|(kind, _)| *kind == PayloadType::AUTH) {
        return bytes.to_vec();
    }
    change(None, &mut payloads);
    let changed = forger.rewrite(bytes, |first, inner| {
        let chain = chain(&payloads);
        (*first, *inner) = (chain.first(), chain.bytes().to_vec());
    });
    changed.unwrap_or_else(|| panic!("it opened before"))
}

fn changed_v1(liar: &Host, wire: &[Vec<u8>], bytes: &[u8], change: &Change) -> Vec<u8> {
    let Ok(read) = Message::parse(bytes) else {
        panic!("not a message")
    };
    let mut seen: Vec<&[u8]> = wire.iter().map(Vec::as_slice).collect();
    let encrypted = read.ciphertext().is_some();
    if !encrypted {
        seen.push(bytes);
    }
    let forger = ForgerV1::new(liar, seen);
    let (header, clear) = (read.header, || {
        read.payloads()
            .map(|p| p.ok().map(|p| (p.kind, p.body.to_vec())))
            .collect()
    });
    let opened = match &forger {
        Some(forger) if encrypted => forger.open(bytes),
        _ => clear(),
    };
    let mut payloads: Payloads = opened.unwrap_or_else(|| panic!("a message that does not open"));
    change(forger.as_ref(), &mut payloads);
    match &forger {
        Some(forger) if encrypted => forger.seal(header.exchange, header.message_id, &payloads),
        _ => message(header, &chain_v1(&payloads)),
    }
}

/// A CA, two hosts that it certifies, and one of them that lies.
pub struct Lie<'a> {
    /// Who certifies both.
    pub ca: &'a Ca,
    /// How they speak.
    pub mode: Mode,
    /// Who lies.
    pub liar: usize,
    /// What the honest sign with.
    pub own: &'a dyn Fn(&Ca, &Connection) -> Arc<LocalCertificate>,
}

/// With a new key of P-256.
pub fn p256(ca: &Ca, c: &Connection) -> Arc<LocalCertificate> {
    ca.peer(&c.local_id, KeyKind::Ec(Curve::P256))
}

/// With the RSA key of the run.
pub fn rsa(ca: &Ca, c: &Connection) -> Arc<LocalCertificate> {
    ca.certify_signer(&template(&c.local_id), crate::rsa_forger::honest())
}

/// What came of a lie.
#[derive(Debug)]
pub struct Outcome {
    /// What its owner reads on the host that was lied to.
    pub explained: String,
    /// What the liar heard: notifies.
    pub told: BTreeSet<u16>,
    /// How many proofs were judged.
    pub judged: usize,
}

impl Lie<'_> {
    /// A connection as it should be.
    pub fn good(&self, i: usize) -> Connection {
        let mut c = connection(i);
        self.mode.speak(&mut c);
        c.auth = Authentication::certificate(vec![(self.own)(self.ca, &c)], self.ca.trusted());
        c
    }

    /// The hosts, whose settings `change` makes those of a lie.
    pub fn world(&self, seed: u64, change: impl Fn(usize, &mut Connection)) -> World {
        world_with(seed, |i, c| {
            *c = self.good(i);
            change(i, c);
        })
    }

    /// Host 0 tries for a while. The other is not taken in: nothing is established and nothing stays, its owner hears
    /// why, and the next good handshake works.
    pub fn refused(&self, mut world: World, what: &str) -> Outcome {
        let (mode, liar, victim) = (self.mode, self.liar, 1 - self.liar);
        let what = &format!("{what}: {mode:?}, host {liar} lies");
        world.command(0, named(true));
        world.run_until(Duration::from_secs(20), |w| !w.hosts[victim].refusals().is_empty());
        world.run(Duration::from_secs(1));
        let host = &world.hosts[victim];
        let established = |e: &Event| matches!(e, Event::IkeEstablished { .. } | Event::ChildEstablished { .. });
        assert_eq!(host.count(established), 0, "{what}: taken in");
        assert!(!host.refusals().is_empty(), "{what}: silent");
        assert_eq!((host.inbound.len(), host.outbound.len()), (0, 0), "{what}");
        let firsts = world.network.sent.iter().filter(|t| t.local.ip() == address(0));
        let attempts: BTreeSet<&[u8]> = firsts.map(|t| &t.bytes[..8]).collect();
        assert!(host.judged <= attempts.len(), "{what}: judged {} times", host.judged);
        let outcome = Outcome {
            explained: host.refusals().join("\n"),
            told: self.told(&world),
            judged: host.judged,
        };
        self.then_good(world, what);
        outcome
    }

    /// Nothing stays, and the next good handshake works.
    pub fn then_good(&self, mut world: World, what: &str) {
        world.tamper = None;
        world.command(0, named(false));
        let done = world.run_until(10 * MINUTE, nothing_left);
        assert!(done, "{what}: {:?}", world.hosts.each_sizes());
        // Answers are kept a while for those that ask again, and then until there are others.
        let is_empty = |(name, size): &(&str, usize)| *size == 0 || (*name == "farewells" && *size <= 64);
        let empty = world.hosts.each_sizes().iter().flatten().all(is_empty);
        assert!(empty, "{what}: {:?}", world.hosts.each_sizes());
        for i in 0..2 {
            world.reload(i, policy(self.good(i)));
        }
        up(&mut world);
        world.run(Duration::from_secs(5));
        assert_eq!(disagreement(&world), None, "{what}");
    }

    /// The notifies that the liar could read.
    fn told(&self, world: &World) -> BTreeSet<u16> {
        let (sent, victim) = (&world.network.sent, 1 - self.liar);
        let mut told = BTreeSet::new();
        for (index, transmit) in sent.iter().enumerate().filter(|(_, t)| t.local == at(victim)) {
            let bytes = &transmit.bytes;
            let payloads = match self.mode {
                Mode::V2 => Forger::sender_of(&world.hosts[victim], bytes).and_then(|forger| forger.open(bytes)),
                _ if bytes[18] != 5 => None,
                _ if bytes[19] & 1 == 0 => clear(bytes),
                _ => {
                    let before = sent[..index].iter().map(|t| &t.bytes[..]);
                    ForgerV1::of(&world.hosts[victim], Some(bytes), before).and_then(|forger| forger.open_hashed(bytes))
                }
            };
            let notify = self.mode.kind(PayloadType::NOTIFY, PayloadType::V1_NOTIFY);
            // In IKEv1 the DOI comes first.
            let at = if self.mode == Mode::V2 { 2 } else { 6 };
            for (_, body) in payloads.iter().flatten().filter(|(kind, _)| *kind == notify) {
                let number = u16::from_be_bytes([body[at], body[at + 1]]);
                // Errors only: others go with every message.
                if number < 16_384 {
                    told.insert(number);
                }
            }
        }
        told
    }
}

fn clear(bytes: &[u8]) -> Option<Payloads> {
    let message = Message::parse(bytes).ok()?;
    let all = message.payloads().map(|p| p.ok().map(|p| (p.kind, p.body.to_vec())));
    all.collect()
}

/// What the hosts hold.
trait Sizes {
    fn each_sizes(&self) -> Vec<[(&'static str, usize); 9]>;
}

impl Sizes for Vec<Host> {
    fn each_sizes(&self) -> Vec<[(&'static str, usize); 9]> {
        self.iter().map(|host| host.engine.sizes()).collect()
    }
}
