//! What is said in the clear before phase 1 is complete. Nothing of it is authenticated, so it never changes a state: it is
//! kept as a hint for the explanation.

use std::net::SocketAddr;

use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::NotifyType;
use handfast_wire::v1::Message;

use crate::context::Context;
use crate::endpoint::choose;
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::v1::message::{Chain, Parsed, Plain};
use crate::v1::state::{Chosen, Sa};

/// RFC 2408 section 3.14.1.
pub(crate) const NO_PROPOSAL_CHOSEN: NotifyType = NotifyType::NO_PROPOSAL_CHOSEN;
pub(crate) const PAYLOAD_MALFORMED: NotifyType = NotifyType::PAYLOAD_MALFORMED;
pub(crate) const INVALID_ID_INFORMATION: NotifyType = NotifyType::INVALID_ID_INFORMATION;
pub(crate) const AUTHENTICATION_FAILED: NotifyType = NotifyType::AUTHENTICATION_FAILED;
pub(crate) const INVALID_HASH_INFORMATION: NotifyType = NotifyType::INVALID_HASH_INFORMATION;
pub(crate) const UNSUPPORTED_EXCHANGE_TYPE: NotifyType = NotifyType::UNSUPPORTED_EXCHANGE_TYPE;

/// A first message that we cannot accept: what its owner is told, and what the sender is.
pub(crate) struct Rejected {
    pub refusal: Refusal,
    pub notify: NotifyType,
}

pub(crate) fn malformed(cause: Cause) -> Box<Rejected> {
    Box::new(Rejected {
        refusal: Refusal::new(Party::Us, cause),
        notify: PAYLOAD_MALFORMED,
    })
}

pub(crate) fn no_connection(cx: &Context, local: SocketAddr, remote: SocketAddr) -> Box<Rejected> {
    let refusal = choose::nobody(&cx.policy, 1, (local.ip(), remote.ip()));
    Box::new(Rejected {
        refusal,
        notify: NO_PROPOSAL_CHOSEN,
    })
}

pub(crate) fn no_proposal(offered: Vec<String>, acceptable: Vec<String>, meant: &Connection) -> Box<Rejected> {
    let refusal = Refusal::new(Party::Us, Cause::NoIkeProposal)
        .offered(offered)
        .acceptable(acceptable)
        .look_at(meant.place.of(&["ike"]))
        .meant(&meant.name);
    Box::new(Rejected {
        refusal,
        notify: NO_PROPOSAL_CHOSEN,
    })
}

/// The answer to a rejected first message: one notify in the clear.
pub(crate) fn rejection(message: &Message<'_>, rejected: &Rejected, message_id: u32) -> Vec<u8> {
    let mut chain = Chain::new();
    chain.notify(rejected.notify, &[]);
    let header = message.header;
    Plain::with(
        (header.spi_i, header.spi_r),
        ExchangeType::V1_INFORMATIONAL,
        message_id,
        &chain,
    )
}

/// Tells the peer something in the clear.
pub(crate) fn send_clear(sa: &mut Sa, cx: &mut Context, notify: NotifyType) {
    let mut chain = Chain::new();
    chain.notify(notify, &[]);
    let id = cx.rng.u32() | 1;
    let bytes = Plain::message(sa, ExchangeType::V1_INFORMATIONAL, id, &chain);
    sa.send(cx, bytes, |sa| {
        Plain::describe(sa, ExchangeType::V1_INFORMATIONAL, id, &chain)
    });
}

/// What came while a message in the clear was due.
pub(crate) enum Expected<'a> {
    Message(Parsed<'a>),
    /// Somebody, perhaps the peer, says why not.
    Notice(Refusal),
    /// Dropped.
    Nothing,
}

/// Reads a message of phase 1 in the clear.
pub(crate) fn expect<'a>(sa: &Sa, cx: &mut Context, message: &Message<'a>, wanted: ExchangeType) -> Expected<'a> {
    let header = message.header;
    if message.ciphertext().is_some() {
        sa.dropped(cx, "encrypted message before there are keys");
        return Expected::Nothing;
    }
    let parsed = match Parsed::clear(message) {
        Ok(parsed) => parsed,
        Err(_) => {
            sa.dropped(cx, "malformed message");
            return Expected::Nothing;
        }
    };
    if header.exchange == ExchangeType::V1_INFORMATIONAL {
        return match parsed.error() {
            Some(error) => Expected::Notice(Refusal::told(error, meaning(error))),
            None => {
                sa.dropped(cx, "informational message in the clear");
                Expected::Nothing
            }
        };
    }
    // RFC 2409 section 5.2: "the Message ID in the ISAKMP header ... MUST be zero" during phase 1.
    if header.exchange != wanted || header.message_id != 0 {
        sa.dropped(cx, "not the message that is awaited");
        return Expected::Nothing;
    }
    Expected::Message(parsed)
}

/// What an error of the peer means while phase 1 is under way.
fn meaning(error: NotifyType) -> Cause {
    match error {
        NO_PROPOSAL_CHOSEN => Cause::NoIkeProposal,
        other => Cause::NotifiedV1(other),
    }
}

/// An informational message while our proof is under way: in the clear it names an error; encrypted, it is under keys that
/// both sides have only if their secrets are the same, and then the peer would have answered.
pub(crate) fn while_proving(message: &Message<'_>, chosen: &Chosen) -> Refusal {
    let clear = message
        .ciphertext()
        .is_none()
        .then(|| Parsed::clear(message).ok())
        .flatten();
    let why = match chosen.method() {
        Method::Psk => "most likely its secret is another",
        Method::Certificate => "it does not trust our certificate for this name, or not any more",
        Method::Kerberos => "it does not accept our ticket, or not our name",
    };
    let cause = Cause::Authentication(format!("the peer does not accept our proof: {why}"));
    let connection = &chosen.connection;
    let refusal = match clear.and_then(|parsed| parsed.error()) {
        Some(error) => Refusal::told(error, cause),
        None => Refusal::new(Party::Peer, cause),
    };
    refusal
        .look_at(match chosen.method() {
            Method::Psk => connection.place.of(&["secret", "secret_file"]),
            Method::Certificate => connection.place.of(&["certificate", "key"]),
            Method::Kerberos => connection.place.of(&["kerberos"]),
        })
        .meant(&connection.name)
}

/// An error that the peer, which has our secret, says under our keys in place of its own proof.
pub(crate) fn of_the_peer(error: NotifyType, connection: &Connection, method: Method) -> Refusal {
    let cause = match error {
        AUTHENTICATION_FAILED | INVALID_ID_INFORMATION => Cause::Authentication(match method {
            Method::Psk => "the peer has our keys but does not accept who we are: it must expect our local_id".into(),
            Method::Certificate => "the peer does not accept our certificate for our local_id".into(),
            Method::Kerberos => "the peer does not accept our principal, or not our local_id".into(),
        }),
        other => Cause::NotifiedV1(other),
    };
    Refusal::told(error, cause)
        .offered(vec![connection.local_id.to_string()])
        .look_at(connection.place.of(&["local_id"]))
        .meant(&connection.name)
}
