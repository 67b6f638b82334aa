//! Octets to payloads and back.

use std::collections::BTreeSet;

use handfast_tests::golden::{Exchange, capture, exchange, exchanges, pcap, reencode_v1};
use handfast_wire::describe::describe_v1_message;
use handfast_wire::header::{HEADER_LEN, Header, PayloadType};
use handfast_wire::v1::{self, Message};

/// How many IKE messages each recording holds, by tshark's count.
const MESSAGES: [(&str, usize); 7] = [
    ("v1-aggressive-psk-aes128-sha1-modp1024", 8),
    ("v1-dpd", 17),
    ("v1-fail-psk-mismatch", 10),
    ("v1-main-psk-aes128-sha1-modp1536-pfs", 15),
    ("v1-main-psk-aes256-sha256-modp2048", 22),
    ("v1-main-rsa-aes128-sha256-modp2048", 11),
    ("v1-xauth-psk-modecfg-pull", 17),
];

fn recorded() -> Vec<Exchange> {
    exchanges().into_iter().filter(|exchange| !exchange.is_v2()).collect()
}

/// Reads a datagram as IKEv1 and writes it again.
fn read(bytes: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(bytes).ok()?;
    assert!(describe_v1_message(&message).starts_with(&message.header.exchange.to_string()));
    match message.ciphertext() {
        Some(ciphertext) => Some(v1::encrypted_message(
            message.header,
            message.header.next_payload,
            ciphertext,
        )),
        None => {
            let chain = reencode_v1(message.header.next_payload, message.body()).ok()?;
            Some(v1::message(message.header, &chain))
        }
    }
}

#[test]
fn every_message_is_written_as_it_came() {
    let mut kinds = BTreeSet::new();
    let recorded = recorded();
    let counts: Vec<_> = recorded.iter().map(|e| (e.name.as_str(), e.messages.len())).collect();
    assert_eq!(counts, MESSAGES);
    for exchange in &recorded {
        for (index, captured) in exchange.messages.iter().enumerate() {
            let again = read(&captured.bytes);
            assert_eq!(
                again.as_ref(),
                Some(&captured.bytes),
                "{} message {index}",
                exchange.name
            );
            let message = Message::parse(&captured.bytes).unwrap();
            if !message.is_encrypted() {
                kinds.extend(message.payloads().map(|raw| raw.unwrap().kind.0));
            }
        }
    }
    // SA, KE, ID, CERTREQ, HASH, NONCE, V, NAT-D; the replay opens the others.
    assert_eq!(kinds, BTreeSet::from([1, 4, 5, 7, 8, 10, 13, 20]));
}

#[test]
fn a_described_message_reads_like_a_log_line() {
    let lines = |name| -> Vec<String> {
        let messages = exchange(name).messages;
        let describe = |bytes: &[u8]| describe_v1_message(&Message::parse(bytes).unwrap());
        messages.iter().map(|captured| describe(&captured.bytes)).collect()
    };
    let main = lines("v1-main-psk-aes256-sha256-modp2048");
    assert_eq!(
        main[..5],
        [
            "Main Mode [SA V(XAUTH) V(DPD) V(FRAG) V(NAT-T) V(NAT-T-02n)]",
            "Main Mode [SA V(XAUTH) V(DPD) V(FRAG) V(NAT-T)]",
            "Main Mode [KE NONCE NAT-D NAT-D]",
            "Main Mode [KE NONCE NAT-D NAT-D]",
            "Main Mode [encrypted, 96 octets]",
        ]
    );
    assert!(
        main[6].starts_with("Quick Mode M-ID ") && main[6].ends_with(" [encrypted, 160 octets]"),
        "{}",
        main[6]
    );
    let aggressive = lines("v1-aggressive-psk-aes128-sha1-modp1024");
    assert_eq!(
        aggressive[0],
        "Aggressive Mode [SA KE NONCE ID V(XAUTH) V(DPD) V(FRAG) V(NAT-T) V(NAT-T-02n)]"
    );
}

#[test]
fn foreign_captures_are_read_or_refused() {
    let (mut whole, mut refused) = (0, 0);
    for file in [
        "ISAKMP_sa_setup.pcap",
        "ikev2-id-short.pcap",
        "ikev2four.pcap",
        "ikev2pI2.pcap",
        "isakmp-no-none-np.pcapng",
        "isakmp-pointer-loop.pcap",
        "isakmp-rfc3948-oobr.pcap",
        "isakmp4500.pcap",
        "isakmpv1-attr-oobr.pcap",
    ] {
        let bytes = capture(file);
        for captured in pcap::traffic(&bytes).messages {
            match read(&captured.bytes) {
                Some(message) => {
                    assert_eq!(message, captured.bytes, "{file}");
                    whole += 1;
                }
                None => refused += 1,
            }
        }
        // The file itself, as if each of its octets began a datagram or a chain.
        for start in 0..bytes.len().min(8000) {
            let _ = read(&bytes[start..]);
            for first in [1, 4, 5, 11, 12, 14, 20, 21, 132] {
                let _ = reencode_v1(PayloadType(first), &bytes[start..]);
            }
        }
    }
    // Two captures of whole exchanges; those of IKEv2 and the malformed ones are refused.
    assert!(whole >= 20, "{whole}");
    assert!(refused >= 20, "{refused}");
}

#[test]
fn a_message_with_a_wrong_octet_anywhere_never_panics() {
    for exchange in recorded() {
        for captured in &exchange.messages {
            let message = Message::parse(&captured.bytes).unwrap();
            if message.is_encrypted() {
                continue;
            }
            for at in 0..captured.bytes.len() {
                for octet in [0, 1, 3, 0x7f, 0xff] {
                    let mut bytes = captured.bytes.clone();
                    bytes[at] = octet;
                    if let Some(again) = read(&bytes) {
                        assert_eq!(again, bytes, "{} octet {at}", exchange.name);
                    }
                }
            }
        }
    }
}

#[test]
fn the_header_is_shared_with_ikev2() {
    for exchange in recorded() {
        for captured in &exchange.messages {
            let header = Header::parse(&captured.bytes).unwrap();
            assert_eq!((header.version.major, header.version.minor), (1, 0));
            let mut out = Vec::new();
            header.encode(&mut out);
            assert_eq!(out, captured.bytes[..HEADER_LEN]);
            assert!(handfast_wire::v2::Message::parse(&captured.bytes).is_err());
        }
    }
}
