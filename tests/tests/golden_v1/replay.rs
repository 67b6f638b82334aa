//! Walks through a recording and computes what its daemons computed.

use std::collections::{BTreeMap, BTreeSet};

use handfast_crypto::secret::Secret;
use handfast_esp::InboundSa;
use handfast_esp::tunnel::Headers;
use handfast_tests::golden::{CapturedMessage, Exchange};
use handfast_wire::header::Spi;
use handfast_wire::v1::Message;

use super::isakmp::Isakmp;

/// How much of each kind was recomputed or opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    pub isakmp_sas: usize,
    pub encrypted: usize,
    pub verified: usize,
    pub children: usize,
    pub esp: usize,
}

impl Tally {
    pub const fn of(isakmp_sas: usize, encrypted: usize, verified: usize, children: usize, esp: usize) -> Self {
        Self {
            isakmp_sas,
            encrypted,
            verified,
            children,
            esp,
        }
    }
}

pub struct Replay<'a> {
    pub exchange: &'a Exchange,
    /// All that was computed, with the recording's names.
    pub computed: Vec<(String, Vec<u8>)>,
    pub tally: Tally,
    /// Errors that a peer with another key notified, opened with its key.
    pub refusals: Vec<String>,
    /// Attributes of configuration payloads: type of the payload, name, value.
    pub configured: Vec<(String, String, Vec<u8>)>,
    pub esp: BTreeMap<u32, InboundSa>,
    given: BTreeMap<&'static str, usize>,
}

/// Replays one recording.
pub fn replay(exchange: &Exchange) -> Replay<'_> {
    let mut replay = Replay {
        exchange,
        computed: Vec::new(),
        tally: Tally::default(),
        refusals: Vec::new(),
        configured: Vec::new(),
        esp: BTreeMap::new(),
        given: BTreeMap::new(),
    };
    let mut sas: BTreeMap<Spi, Isakmp> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for captured in &exchange.messages {
        if !seen.insert(captured.bytes.clone()) {
            // A retransmission: the same octets, so nothing is computed again.
            continue;
        }
        let message = Message::parse(&captured.bytes).unwrap();
        let sa = sas.entry(message.header.spi_i).or_insert_with(|| Isakmp::new(captured));
        sa.take(&mut replay, captured, &message);
    }
    for packet in &exchange.esp {
        let sa = replay.esp.get_mut(&packet.spi()).expect("ESP packet of no child SA");
        let mut octets = packet.bytes.clone();
        let opened = sa.open(&mut octets).unwrap();
        let headers = Headers::parse(&octets[opened.payload]).expect("an IP packet inside");
        assert_eq!(headers.protocol, 1, "what was carried were pings");
        replay.tally.esp += 1;
    }
    replay
}

impl Replay<'_> {
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.computed.push((name.to_owned(), value.to_vec()));
    }

    /// A value that cannot be computed: the next of its name in the recording.
    pub fn given(&mut self, name: &'static str) -> Secret {
        let used = self.given.entry(name).or_insert(0);
        let value = self.exchange.dumps(name).nth(*used);
        *used += 1;
        let value = Secret::from(value.unwrap_or_else(|| panic!("{}: no more of {name}", self.exchange.name)));
        self.push(name, value.as_bytes());
        value
    }

    /// The preshared key that the configuration of the daemon `side` names first.
    pub fn preshared(&self, side: char) -> Secret {
        let file = self.exchange.dir().join(format!("{side}.swanctl.conf"));
        let text = std::fs::read_to_string(file).unwrap();
        let (_, rest) = text.split_once("secret = \"").unwrap();
        Secret::from(rest.split('"').next().unwrap().as_bytes())
    }

    /// Something that a peer said and that is as it must be.
    pub fn verify(&mut self, what: &str, ours: &[u8], theirs: &[u8]) {
        assert_eq!(ours, theirs, "{}: {what}", self.exchange.name);
        self.tally.verified += 1;
    }
}

/// Whether the recording daemon sent it.
pub fn is_from_a(captured: &CapturedMessage) -> bool {
    captured.src.ip().to_string() == "192.168.0.1"
}
