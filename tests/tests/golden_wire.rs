//! Every recorded IKEv2 message is read and written again to the same octets: the outer payloads of each message, and
//! the payloads inside SK wherever the ciphers of the published crates open it. The malformed captures pass through.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use cipher::{BlockModeDecrypt, KeyIvInit, block_padding::NoPadding};
use handfast_tests::golden::{Exchange, capture, exchange, exchanges, pcap, reencode, unhex};
use handfast_wire::describe::describe_message;
use handfast_wire::header::{ExchangeType, HEADER_LEN, Header, PayloadType};
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{self, Message, Payload, PayloadChain, payloads};
use ring::aead;

/// How many IKE messages each recording holds, by tshark's count.
const MESSAGES: [(&str, usize); 13] = [
    ("v2-config-vip-dns-narrowing", 6),
    ("v2-cookie", 12),
    ("v2-eap-mschapv2", 14),
    ("v2-ecdsa256-x25519", 6),
    ("v2-fail-auth", 4),
    ("v2-invalid-ke-retry", 8),
    ("v2-ppk-required", 10),
    ("v2-psk-3des-md5-modp1024", 6),
    ("v2-psk-aes256cbc-sha256-modp2048-rekeys", 18),
    ("v2-psk-aes256gcm16-prfsha384-ecp384", 14),
    ("v2-rsa-fragmented-600", 10),
    ("v2-rsa-pkcs1-sha256-modp2048", 6),
    ("v2-rsa-pss-aes128gcm-ecp256", 6),
];

#[test]
fn every_message_is_written_as_it_came() {
    let mut kinds = BTreeSet::new();
    let recorded: Vec<Exchange> = exchanges().into_iter().filter(Exchange::is_v2).collect();
    let counts: Vec<_> = recorded
        .iter()
        .map(|exchange| (exchange.name.as_str(), exchange.messages.len()))
        .collect();
    assert_eq!(counts, MESSAGES);
    for exchange in &recorded {
        for (index, captured) in exchange.messages.iter().enumerate() {
            let at = format!("{} message {index}", exchange.name);
            let message = Message::parse(&captured.bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
            let body = &message.bytes[HEADER_LEN..];
            let chain = reencode(message.header.next_payload, body).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(v2::message(message.header, &chain), captured.bytes, "{at}");
            kinds.extend(message.payloads().map(|raw| raw.unwrap().kind));
        }
    }
    let wanted = [
        PayloadType::SA,
        PayloadType::KE,
        PayloadType::CERTREQ,
        PayloadType::NONCE,
        PayloadType::NOTIFY,
        PayloadType::SK,
        PayloadType::SKF,
    ];
    assert_eq!(kinds, BTreeSet::from(wanted));
}

#[test]
fn every_message_that_opens_is_written_as_it_was_inside() {
    let mut opened = 0;
    let mut kinds = BTreeSet::new();
    for exchange in exchanges().into_iter().filter(Exchange::is_v2) {
        for (index, captured) in exchange.messages.iter().enumerate() {
            let at = format!("{} message {index}", exchange.name);
            let message = Message::parse(&captured.bytes).unwrap();
            let Some(raw) = message
                .payloads()
                .map(Result::unwrap)
                .find(|raw| raw.kind == PayloadType::SK)
            else {
                continue;
            };
            let inner = open(&exchange, &message, raw.body).unwrap_or_else(|| panic!("{at}: an unknown suite"));
            opened += 1;
            let chain = reencode(raw.next, &inner).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!((chain.first(), chain.bytes()), (raw.next, &inner[..]), "{at}");
            kinds.extend(payloads(raw.next, &inner).map(|raw| raw.unwrap().kind));
        }
    }
    // Of 120 messages 38 are IKE_SA_INIT or carry SKF, which is put together before it is opened (golden_secrets).
    assert_eq!(opened, 82);
    let wanted = [33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 44, 45, 47, 48].map(PayloadType);
    assert_eq!(kinds, BTreeSet::from(wanted));
}

/// The inner payloads of an SK payload, padding removed; `None` if the suite is none of AES-GCM, AES-CBC and 3DES.
fn open(exchange: &Exchange, message: &Message<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let secrets = exchange.secrets.iter().find(|secrets| {
        secrets["ispi"].as_str() == Some(&message.header.spi_i.to_string())
            && secrets["rspi"].as_str() == Some(&message.header.spi_r.to_string())
    });
    let secrets = secrets.unwrap_or_else(|| panic!("{}: no secrets for this SA", exchange.name));
    let name = if message.header.flags.is_initiator() {
        "Sk_ei secret"
    } else {
        "Sk_er secret"
    };
    let key = unhex(secrets[name].as_str()?)?;
    let suite = secrets["prop"].as_str()?;
    let mut plain = if suite.starts_with("AES_GCM_16") {
        let (key, salt) = key.split_at(key.len() - 4);
        let algorithm = if key.len() == 16 {
            &aead::AES_128_GCM
        } else {
            &aead::AES_256_GCM
        };
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).unwrap());
        let nonce = aead::Nonce::try_assume_unique_for_key(&[salt, &body[..8]].concat()).unwrap();
        let mut sealed = body[8..].to_vec();
        let header = aead::Aad::from(&message.bytes[..HEADER_LEN + 4]);
        key.open_in_place(nonce, header, &mut sealed)
            .unwrap_or_else(|_| panic!("{}: GCM", exchange.name))
            .to_vec()
    } else if suite.starts_with("AES_CBC") {
        let icv = if suite.contains("SHA2_256_128") { 16 } else { 12 };
        let (iv, sealed) = body[..body.len() - icv].split_at(16);
        match key.len() {
            16 => cbc_open::<cbc::Decryptor<aes::Aes128>>(&key, iv, sealed),
            _ => cbc_open::<cbc::Decryptor<aes::Aes256>>(&key, iv, sealed),
        }
    } else if suite.starts_with("3DES_CBC") {
        let (iv, sealed) = body[..body.len() - 12].split_at(8);
        cbc_open::<cbc::Decryptor<des::TdesEde3>>(&key, iv, sealed)
    } else {
        return None;
    };
    let padding = usize::from(plain.pop()?);
    plain.truncate(plain.len() - padding);
    Some(plain)
}

fn cbc_open<C: KeyIvInit + BlockModeDecrypt>(key: &[u8], iv: &[u8], sealed: &[u8]) -> Vec<u8> {
    let cipher = C::new_from_slices(key, iv).unwrap();
    cipher
        .decrypt_padded::<NoPadding>(&mut sealed.to_vec())
        .unwrap()
        .to_vec()
}

#[test]
fn a_described_message_reads_like_a_log_line() {
    let lines = |name| -> Vec<String> {
        let exchange = exchange(name);
        exchange
            .messages
            .iter()
            .map(|captured| describe_message(&Message::parse(&captured.bytes).unwrap()))
            .collect()
    };
    let retry = lines("v2-invalid-ke-retry");
    assert_eq!(
        retry[0],
        "IKE_SA_INIT request 0 [SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) N(REDIR_SUP)]"
    );
    assert_eq!(retry[1], "IKE_SA_INIT response 0 [N(INVAL_KE)]");
    assert!(lines("v2-cookie").contains(&"IKE_SA_INIT response 0 [N(COOKIE)]".to_owned()));
    assert_eq!(lines("v2-rsa-fragmented-600")[4], "IKE_AUTH request 1 [SKF(3/3)]");
}

#[test]
fn the_invalid_ke_notify_names_the_group_that_is_used_next() {
    let exchange = exchange("v2-invalid-ke-retry");
    let group = |index: usize| {
        let message = Message::parse(&exchange.messages[index].bytes).unwrap();
        let group = message.payloads().find_map(|raw| match raw.unwrap().parse().unwrap() {
            Payload::Ke(ke) => Some(ke.group),
            Payload::Notify(notify) if notify.notify == NotifyType::INVALID_KE_PAYLOAD => {
                Some(u16::from_be_bytes(notify.data.try_into().unwrap()))
            }
            _ => None,
        });
        group.unwrap()
    };
    assert_ne!(group(0), group(1));
    assert_eq!(group(1), group(2));
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
        // The IKE messages, and the file itself as if each of its octets began a datagram.
        for captured in pcap::traffic(&bytes).messages {
            match read(&captured.bytes) {
                Some(message) => {
                    assert_eq!(message, captured.bytes, "{file}");
                    whole += 1;
                }
                None => refused += 1,
            }
        }
        for start in 0..bytes.len().min(8000) {
            let _ = read(&bytes[start..]);
            for first in [1, 33, 35, 41, 43, 44, 47] {
                let _ = reencode(PayloadType(first), &bytes[start..]);
            }
        }
    }
    assert!(whole >= 20, "{whole}");
    assert!(refused >= 10, "{refused}");
}

/// Reads a datagram as IKEv2 and writes it again.
fn read(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = Header::parse(bytes).ok()?;
    let message = Message::parse(bytes).ok()?;
    assert_eq!(message.header, header);
    assert!(describe_message(&message).contains(&header.exchange.to_string()));
    let chain: PayloadChain = reencode(header.next_payload, &bytes[HEADER_LEN..]).ok()?;
    Some(v2::message(header, &chain))
}

#[test]
fn a_message_with_a_wrong_length_anywhere_never_panics() {
    for exchange in exchanges().into_iter().filter(Exchange::is_v2) {
        for captured in &exchange.messages {
            let header = Header::parse(&captured.bytes).unwrap();
            if header.exchange != ExchangeType::IKE_SA_INIT {
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
