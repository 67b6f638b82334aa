//! Two engines that talk to each other, and nothing else: no network, no store, no plane, no log.

use std::collections::VecDeque;
use std::sync::Arc;

use handfast_auth::certificate::{PeerQuestion, PeerRefusal, Proven, Time};
use handfast_crypto::default_provider;
use handfast_crypto::provider::{CryptoError, KeyAgreement};
use handfast_engine::policy::{Policy, Versions};
use handfast_engine::{Answer, Command, Engine, EngineConfig, Event, Input, Instant, Output, Question, Transmit};
use handfast_plane::op::{Counters, PlaneOp, PlaneReply};
use handfast_sim::pki::NOW;
use handfast_sim::policies::{connection, parsed, policy};

use crate::Random;

/// The algorithms of the handshake, which are the daemon's first choice.
pub const IKE: &str = "aes128gcm16-prfsha256-x25519";
/// Those of its child.
pub const ESP: &str = "aes128gcm16";

/// An initiator and a responder.
pub struct Ends {
    engines: [Engine; 2],
    /// What was sent, with the index of its sender, if it is wanted.
    pub sent: Option<Vec<(usize, Transmit)>>,
    /// How many ends have a child SA that carries traffic.
    pub up: usize,
}

impl Ends {
    /// Both with a policy of one connection, nothing sent yet.
    pub fn new(policies: &[Arc<Policy>; 2]) -> Self {
        let engine = |i: usize| {
            let config = EngineConfig {
                seed: seed(),
                key_log: false,
                provider: default_provider(),
            };
            let mut engine = Engine::new(config, policies[i].clone());
            // As the daemon has it at its usual level of logging.
            engine.tell_messages(false);
            engine
        };
        Self {
            engines: [engine(0), engine(1)],
            sent: None,
            up: 0,
        }
    }

    /// Both phases with a child, both ends in this thread.
    pub fn handshake(&mut self) {
        self.command(Command::Up {
            connection: "office".into(),
        });
    }

    /// The initiator is given a command; both ends run until neither has anything to send.
    pub fn command(&mut self, command: Command) {
        let mut on_the_way = VecDeque::new();
        self.feed(0, Input::Command(command), &mut on_the_way);
        while let Some((sender, transmit)) = on_the_way.pop_front() {
            let input = Input::Datagram {
                local: transmit.remote,
                remote: transmit.local,
                bytes: &transmit.bytes,
            };
            self.feed(1 - sender, input, &mut on_the_way);
            if let Some(sent) = &mut self.sent {
                sent.push((sender, transmit));
            }
        }
    }

    fn feed(&mut self, end: usize, input: Input<'_>, on_the_way: &mut VecDeque<(usize, Transmit)>) {
        let now = Instant::default();
        let engine = &mut self.engines[end];
        engine.handle(now, input);
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Transmit(transmit) => on_the_way.push_back((end, transmit)),
                Output::Ask(ticket, question) => engine.handle(now, Input::Answer(ticket, answer(question, NOW))),
                Output::Event(Event::ChildEstablished { .. }) => self.up += 1,
                Output::Event(_) | Output::Record(_) | Output::KeyLog(_) => {}
            }
        }
    }
}

/// Of an engine.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap_or_else(|e| panic!("the system has no randomness: {e}"));
    seed
}

/// The algorithms of phase 1 in IKEv1.
pub const IKE_V1: &str = "aes128-sha256-ecp256";

/// The policies of both ends in IKEv1.
pub fn policies_v1(aggressive: bool) -> [Arc<Policy>; 2] {
    [0, 1].map(|i| {
        let mut connection = connection(i);
        connection.versions = Versions::One;
        connection.aggressive = aggressive;
        connection.ike = vec![parsed(IKE_V1)];
        Arc::new(policy(connection))
    })
}

/// The policies of both ends.
pub fn policies() -> [Arc<Policy>; 2] {
    [0, 1].map(|i| Arc::new(policy(connection(i))))
}

/// Answers a question at once; there is no plane, and certificates are judged as of `today`.
pub fn answer(question: Question, today: Time) -> Answer {
    let group = |id| default_provider().group(id).ok_or(CryptoError::Unsupported);
    let generate = |group: &dyn KeyAgreement| group.generate(&mut Random);
    match question {
        Question::GenerateKey(id) => Answer::Key(group(id).and_then(generate)),
        Question::Agree { key, peer } => Answer::Shared(key.agree(&peer)),
        Question::Respond { group: id, peer } => Answer::Responded(group(id).and_then(generate).and_then(|key| {
            let public = key.public().to_vec();
            Ok((public, key.agree(&peer)?))
        })),
        Question::Sign(question) => Answer::Signed(question.answer()),
        Question::Judge(question) => Answer::Judged(judge(&question, today)),
        Question::Gss(question) => Answer::Gss(question.answer()),
        Question::Plane(PlaneOp::Query(_)) => Answer::Plane(PlaneReply::Counters(Counters::default())),
        Question::Plane(_) => Answer::Plane(PlaneReply::Done),
        Question::Resolve(_) => Answer::Addresses(Err("no names here".into())),
        Question::LocalAddress(_) => Answer::LocalAddress(Err("it is configured".into())),
    }
}

fn judge(question: &PeerQuestion, today: Time) -> Result<Proven, PeerRefusal> {
    let judged = question.judge(today)?;
    Ok(Proven::new(judged.finish(&[], &[], today)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_messages_bring_both_ends_up() {
        let mut ends = Ends::new(&policies());
        ends.sent = Some(Vec::new());
        ends.handshake();
        assert_eq!(ends.up, 2);
        let senders: Vec<usize> = ends.sent.iter().flatten().map(|(sender, _)| *sender).collect();
        assert_eq!(senders, [0, 1, 0, 1]);
        let connection = &policies()[0].connections[0];
        assert_eq!(
            (connection.ike[0].to_string(), connection.children[0].esp[0].to_string()),
            (IKE.into(), ESP.into())
        );
    }
}
