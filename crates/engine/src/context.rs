//! What every part of the engine may reach: time, randomness, policy, the queue of outputs.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use handfast_crypto::provider::{CryptoError, Provider, RandomSource};
use handfast_plane::op::{ChildId, Limits, Volume};
use handfast_store::delta::SaId;
use handfast_wire::header::Spi;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::event::Event;
use crate::output::{Output, Question, Ticket, Transmit};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::v2::succession::Succeeded;

/// Who asked a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// The IKE SA in this slot.
    Sa(usize),
    /// The connection with this index in the supervisor's list.
    Connection(u64),
}

/// A place that is kept for the SA of a rekey, with our SPI there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reserved {
    pub slot: usize,
    pub id: SaId,
    pub spi: Spi,
    /// We begin the rekey, so that we are the new SA's original initiator.
    pub initiator: bool,
}

/// What one SA does to others; the endpoint carries it out after the step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// The SA in this slot wants a place for a successor. The peer's SPI is there if the peer begins.
    Reserve { by: usize, peer: Option<Spi> },
    /// Phase 1 of the SA in this slot is complete (IKEv1): it takes over the children of older SAs with the same peer, if it
    /// is to adopt them, and goes on.
    TakeOver { slot: usize, adopt: bool },
    /// The ISAKMP SA in this slot wants to be replaced by a new one (IKEv1).
    Renew { slot: usize },
    /// The peer has deleted the ISAKMP SA in this slot, whose children live on (IKEv1).
    Orphaned { slot: usize },
    /// A place is not needed after all.
    Release { slot: usize, id: SaId },
    /// The peer says that it knows no other SA with us: forget those (RFC 7296 section 2.4).
    InitialContact {
        fresh: SaId,
        connection: String,
        peer: String,
    },
    /// The SA ended with an answer.
    Farewell(Farewell),
}

/// The last answer of an SA that is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Farewell {
    /// What it answers, octet by octet; of fragments the first.
    pub request: Vec<u8>,
    pub answer: Vec<Transmit>,
    pub until: Instant,
}

/// The engine's surroundings, borrowed by whatever runs.
pub(crate) struct Context {
    pub now: Instant,
    pub policy: Arc<Policy>,
    pub provider: &'static Provider,
    pub key_log: bool,
    /// Whether each message is told of.
    pub tells_messages: bool,
    pub rng: EngineRng,
    pub out: VecDeque<Output>,
    pub effects: Vec<Effect>,
    /// SAs that others have made; they begin right after the step.
    pub successions: Vec<Succeeded>,
    /// Connections whose latest attempt with Kerberos has not come to its end: the ticket may be one that the peer cannot
    /// open any more, so the next attempt gets another.
    pub tickets_in_doubt: BTreeSet<String>,
    askers: HashMap<Ticket, Asker>,
    next_ticket: u64,
    next_sa: u64,
    next_child: u64,
}

impl Context {
    pub fn new(seed: [u8; 32], key_log: bool, provider: &'static Provider, policy: Arc<Policy>) -> Self {
        Self {
            now: Instant::default(),
            policy,
            provider,
            key_log,
            tells_messages: true,
            rng: EngineRng::from_seed(seed),
            out: VecDeque::new(),
            effects: Vec::new(),
            successions: Vec::new(),
            tickets_in_doubt: BTreeSet::new(),
            askers: HashMap::new(),
            next_ticket: 1,
            next_sa: 1,
            next_child: 1,
        }
    }

    pub fn ask(&mut self, asker: Asker, question: Question) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.askers.insert(ticket, asker);
        self.out.push_back(Output::Ask(ticket, question));
        ticket
    }

    /// Who waits for this answer; forgets the ticket.
    pub fn redeem(&mut self, ticket: Ticket) -> Option<Asker> {
        self.askers.remove(&ticket)
    }

    /// How many questions wait for an answer.
    pub fn tickets(&self) -> usize {
        self.askers.len()
    }

    pub fn sa_id(&mut self) -> SaId {
        self.next_sa += 1;
        SaId(self.next_sa - 1)
    }

    pub fn child_id(&mut self) -> ChildId {
        self.next_child += 1;
        ChildId(self.next_child - 1)
    }

    /// When an SA made now is to be replaced; `None` for a zero age.
    pub fn rekey_at(&mut self, age: Duration) -> Option<Instant> {
        (!age.is_zero()).then(|| self.now + self.rng.jitter(age))
    }

    /// When an SA made now may be used no longer; `None` for a zero age.
    pub fn expires_at(&self, age: Duration) -> Option<Instant> {
        (!age.is_zero()).then(|| self.now + age)
    }

    /// What a child may carry, its soft limit shortened by up to a quarter.
    pub fn limits(&mut self, of: Limits) -> Limits {
        let Volume { bytes, packets } = of.soft;
        let soft = Volume {
            bytes: self.rng.shortened(bytes),
            packets: self.rng.shortened(packets),
        };
        Limits { soft, ..of }
    }

    /// What is said of a message later, if it is told of at all.
    pub fn words(&self, words: impl FnOnce() -> String) -> String {
        if self.tells_messages { words() } else { String::new() }
    }

    pub fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub fn transmit(&mut self, transmit: Transmit) {
        self.out.push_back(Output::Transmit(transmit));
    }

    pub fn refused(
        &mut self,
        sa: Option<SaId>,
        connection: Option<String>,
        remote: std::net::SocketAddr,
        refusal: Refusal,
    ) {
        self.event(Event::Refused {
            sa,
            connection,
            remote,
            refusal,
        });
    }
}

/// The engine's random numbers: a ChaCha20 stream from the seed that the driver gave.
pub(crate) struct EngineRng(ChaCha20Rng);

impl EngineRng {
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill_bytes(&mut out);
        out
    }

    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// An ESP SPI; 0 to 255 are reserved (RFC 4303 section 2.1).
    pub fn esp_spi(&mut self) -> u32 {
        loop {
            let spi = self.u32();
            if spi > 255 {
                return spi;
            }
        }
    }

    /// The same for an amount; one without end stays so.
    fn shortened(&mut self, amount: u64) -> u64 {
        if amount == u64::MAX {
            return amount;
        }
        let quarter = u64::from(self.u32()) * (amount / 4).min(u64::from(u32::MAX)) / u64::from(u32::MAX);
        // Amounts whose quarter does not fit are shortened by less, which is a great deal all the same.
        amount - quarter
    }

    /// `base` shortened by up to a quarter, so that many SAs do not act at once.
    pub fn jitter(&mut self, base: Duration) -> Duration {
        let share = f64::from(self.u32()) / f64::from(u32::MAX);
        base.mul_f64(1.0 - share / 4.0)
    }
}

impl RandomSource for EngineRng {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.0.fill_bytes(out);
        Ok(())
    }
}
