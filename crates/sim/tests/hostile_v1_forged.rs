//! Rows of the catalogue of hostile input that need an IKEv1 peer which holds the true keys: what a forger in host 0's place says
//! under an established ISAKMP SA changes nothing, unless it proves it.
#![allow(clippy::unwrap_used)]

mod forged_v1;

use std::time::Duration;

use forged_v1::*;
use handfast_engine::Event;
use handfast_sim::forger_v1::Payloads;
use handfast_sim::pair::at;
use handfast_wire::header::{ExchangeType, PayloadType};
use handfast_wire::numbers::v1::{IpsecAttribute, NotifyType};
use handfast_wire::v1::notify::cookies;

/// A039 in phase 2, A041 and A043 with true keys.
#[test]
fn what_its_hash_does_not_prove_changes_nothing() {
    let mut play = Play::new(7);
    let esp = play.world.hosts[0].inbound.values().next().unwrap().spi.to_be_bytes();
    let isakmp = cookies(play.forger.cookies.0, play.forger.cookies.1);
    let messages: [(ExchangeType, Payloads); 5] = [
        (QUICK, quick(&[])),
        (INFORMATIONAL, vec![delete(3, &esp)]),
        (INFORMATIONAL, vec![delete(1, &isakmp)]),
        (
            INFORMATIONAL,
            vec![notify_isakmp(&play.forger, NotifyType::INITIAL_CONTACT, &[])],
        ),
        (
            INFORMATIONAL,
            vec![notify_isakmp(&play.forger, NotifyType::R_U_THERE, &[0, 0, 0, 1])],
        ),
    ];
    for (exchange, payloads) in &messages {
        let id = play.fresh_id();
        let good = play.forger.hashed(*exchange, id, payloads);
        let hash = play.forger.open(&good).unwrap()[0].1.clone();
        let longer = [hash.as_slice(), &[0]].concat();
        for (what, hash) in [
            ("truncated", &hash[..31]),
            ("one octet", &hash[..1]),
            ("empty", &[]),
            ("over-long", longer.as_slice()),
            ("zeros", &[0; 32]),
        ] {
            let message = play.forger.after(*exchange, id, hash, payloads);
            play.ignored(what, &message);
        }
        let absent = play.forger.seal(*exchange, id, payloads);
        play.ignored("absent", &absent);
        let mut last = payloads.clone();
        last.push((PayloadType::V1_HASH, hash.clone()));
        let last = play.forger.seal(*exchange, id, &last);
        play.ignored("last", &last);
        let twice = [&[(PayloadType::V1_HASH, hash.clone())], payloads.as_slice()].concat();
        let twice = play.forger.after(*exchange, id, &hash, &twice);
        play.ignored("twice", &twice);
        // Made for another message ID; of no message ID.
        let elsewhere = play.forger.after(*exchange, id + 0x1000_0000, &hash, payloads);
        play.ignored("another message ID", &elsewhere);
        let zero = play.forger.hashed(*exchange, 0, payloads);
        play.ignored("message ID 0", &zero);
        // With a payload more or less than it covers.
        let more = [payloads.as_slice(), &[(PayloadType::V1_VENDOR_ID, vec![1])]].concat();
        let more = play.forger.after(*exchange, id, &hash, &more);
        play.ignored("more than it covers", &more);
    }
    // An exchange of informational messages that is no other: the forger's own are taken, so the rest was not in vain.
    let id = play.fresh_id();
    let there = play.forger.hashed(INFORMATIONAL, id, &messages[4].1);
    let answers = play.say(&there);
    let ack = play.forger.open_hashed(&answers[0]).unwrap();
    assert_eq!(
        ack,
        [notify_isakmp(&play.forger, NotifyType::R_U_THERE_ACK, &[0, 0, 0, 1])]
    );
    play.ignored("R-U-THERE again", &there);
    let id = play.fresh_id();
    let all = [messages[1].1.clone(), messages[2].1.clone()].concat();
    let gone = play.forger.hashed(INFORMATIONAL, id, &all);
    play.say(&gone);
    assert_eq!(play.world.hosts[1].engine.sa_count(), 0, "true Deletes are obeyed");
    play.then_a_good_one();
}

/// Delete payloads whose counts and sizes lie, of SPIs that nobody has.
#[test]
fn deletes_that_lie_delete_nothing() {
    let mut play = Play::new(8);
    let other = cookies(play.forger.cookies.1, play.forger.cookies.0);
    let half = play.forger.cookies.0.0;
    let own = play.spi_in.to_be_bytes();
    let lies = [
        delete(1, &other),
        delete(1, &half),
        delete(3, &own),
        delete(3, &[0; 4]),
        delete(2, &own),
        delete(3, &[1; 16]),
        delete(0, &[]),
        (DELETE, vec![0, 0, 0, 1, 3, 4, 0, 0]),
        (DELETE, [&[0, 0, 0, 1, 3, 4, 0x3e, 0x80][..], &[9; 64_000]].concat()),
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let id = play.fresh_id();
        let message = play.forger.hashed(INFORMATIONAL, id, &[lie]);
        assert_eq!(play.say(&message), [[0u8; 0]; 0], "{index}");
        play.unharmed(&format!("{index}"));
    }
    for body in [
        vec![0, 0, 0, 1, 3, 4, 0xff, 0xff],
        vec![0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4],
        vec![0],
    ] {
        let id = play.fresh_id();
        let message = play.forger.hashed(INFORMATIONAL, id, &[(DELETE, body)]);
        play.ignored("count beyond the payload", &message);
    }
    play.then_a_good_one();
}

/// Both sides have the same keys: what host 1 said does not come back as the peer's.
#[test]
fn own_messages_that_come_back_are_dropped() {
    let mut play = Play::new(9);
    // Silence until host 1 asks whether its peer lives.
    let before = play.world.network.sent.len();
    play.world.network.faults.cut = true;
    play.world.run(Duration::from_secs(31));
    play.world.network.faults.cut = false;
    let own: Vec<_> = play.world.network.sent[before..].to_vec();
    let own: Vec<_> = own.into_iter().filter(|t| t.local == at(1)).collect();
    assert!(!own.is_empty(), "R-U-THERE");
    for message in own {
        play.ignored("its own R-U-THERE", &message.bytes);
    }
    play.then_a_good_one();
}

/// A047 and A055: exchanges that are not supported are refused under the keys if the peer has begun them, and are nothing
/// if not. XAUTH's attributes are never looked at.
#[test]
fn new_group_mode_and_xauth_are_refused_after_phase_1() {
    let mut play = Play::new(10);
    let config = |attributes: &[u8]| (PayloadType::V1_ATTRIBUTES, [&[1, 0, 0, 1], attributes].concat());
    // XAUTH-TYPE of an unknown kind, a user name and a password, an attribute of nobody, one that ends too soon.
    let attributes: [&[u8]; 4] = [
        &[0xc0, 0x88, 0xff, 0xff],
        &[0x40, 0x89, 0, 1, b'u', 0x40, 0x8a, 0, 1, b'p'],
        &[0x7f, 0xff, 0, 0],
        &[0x40, 0x89, 0xff, 0xff],
    ];
    for attributes in attributes {
        let what = format!("{attributes:?}");
        let told = play.refused(&what, ExchangeType::V1_TRANSACTION, &[config(attributes)]);
        assert_eq!(told, NotifyType::UNSUPPORTED_EXCHANGE_TYPE);
    }
    let group = vec![quick(&[])[0].clone()];
    for exchange in [ExchangeType::V1_NEW_GROUP, ExchangeType(3), ExchangeType(200)] {
        let told = play.refused(&exchange.to_string(), exchange, &group);
        assert_eq!(told, NotifyType::UNSUPPORTED_EXCHANGE_TYPE);
        let id = play.fresh_id();
        let message = play.forger.after(exchange, id, &[0; 32], &group);
        play.ignored("with a wrong hash", &message);
        let zero = play.forger.hashed(exchange, 0, &group);
        play.ignored("with message ID 0", &zero);
    }
    play.then_a_good_one();
}

/// A message ID that was used stays used, however many follow.
#[test]
fn an_old_message_id_is_never_taken_again() {
    let mut play = Play::new(11);
    let id = play.fresh_id();
    let first = play
        .forger
        .hashed(QUICK, id, &quick(&[short(IpsecAttribute::KEY_ROUNDS, 8)]));
    assert_eq!(play.say(&first).len(), 1);
    let good = play.forger.hashed(QUICK, id, &quick(&[]));
    play.ignored("other content", &good);
    for _ in 0..200 {
        let id = play.fresh_id();
        let there = notify_isakmp(&play.forger, NotifyType::R_U_THERE, &[0, 0, 0, 1]);
        let message = play.forger.hashed(INFORMATIONAL, id, &[there]);
        assert_eq!(play.say(&message).len(), 1);
    }
    play.ignored("other content after many", &good);
    play.ignored("the same after many", &first);
    play.then_a_good_one();
}

/// A113: text of the peer's in notifies.
#[test]
fn text_of_the_peer_does_not_reach_the_log_as_it_is() {
    let mut play = Play::new(12);
    let evil = b"%n%s\n\x1b[31m$(reboot)`id`;\0\xff'\"";
    for kind in [
        NotifyType::NO_PROPOSAL_CHOSEN,
        NotifyType(9999),
        NotifyType(40_000),
        NotifyType::R_U_THERE,
    ] {
        let id = play.fresh_id();
        let notify = notify_isakmp(&play.forger, kind, evil);
        let vendor = (PayloadType::V1_VENDOR_ID, evil.to_vec());
        let message = play.forger.hashed(INFORMATIONAL, id, &[notify, vendor]);
        play.say(&message);
        play.unharmed("notify");
    }
    for event in &play.world.hosts[1].events {
        if let Event::Message { summary, .. } = event {
            assert!(
                !summary.contains(char::is_control) && !summary.contains("reboot"),
                "{summary:?}"
            );
        }
    }
    play.then_a_good_one();
}
