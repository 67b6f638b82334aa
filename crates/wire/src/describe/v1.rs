//! IKEv1 messages on one line: `Main Mode 1 [SA V(DPD) V]`, `Quick Mode 1 M-ID 9f3a2b1c [HASH SA NONCE ID ID]`.

use std::fmt::Write as _;

use super::NAMED;
use crate::header::{Header, PayloadType};
use crate::numbers::v1::{NotifyType, Protocol};
use crate::v1::vendor;
use crate::v1::{Message, Notify, Payload, Payloads, payloads};

/// A message as it is on the wire. Of an encrypted one only the length is seen:
/// `Quick Mode M-ID 9f3a2b1c [encrypted, 160 octets]`.
pub fn describe_v1_message(message: &Message<'_>) -> String {
    let header = describe_v1_header(&message.header, None);
    match message.ciphertext() {
        Some(ciphertext) => format!("{header} [encrypted, {} octets]", ciphertext.len()),
        None => format!("{header} [{}]", list(message.payloads())),
    }
}

/// A message by its header, the number of the message within its exchange if the caller knows it (the wire does not
/// say), and its payloads: those of the message itself or, once it is decrypted, those inside without the padding.
pub fn describe_v1(header: &Header, step: Option<u8>, first: PayloadType, bytes: &[u8]) -> String {
    format!(
        "{} [{}]",
        describe_v1_header(header, step),
        list(payloads(first, bytes))
    )
}

/// A chain of payloads: `[HASH SA NONCE]`.
pub fn describe_v1_chain(first: PayloadType, bytes: &[u8]) -> String {
    format!("[{}]", list(payloads(first, bytes)))
}

/// Exchange, number of the message in it, message ID of phase 2: `Quick Mode 1 M-ID 9f3a2b1c`.
pub fn describe_v1_header(header: &Header, step: Option<u8>) -> String {
    let mut text = header.exchange.to_string();
    // Writing to a String does not fail.
    if let Some(step) = step {
        let _ = write!(text, " {step}");
    }
    if header.message_id != 0 {
        let _ = write!(text, " M-ID {:08x}", header.message_id);
    }
    text
}

fn list(payloads: Payloads<'_>) -> String {
    let mut text = String::new();
    let mut unnamed = 0usize;
    for (index, raw) in payloads.enumerate() {
        if index >= NAMED && raw.is_ok() {
            unnamed += 1;
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        let _ = match raw {
            Err(error) => write!(text, "({error})"),
            Ok(raw) => match raw.parse() {
                Err(error) => write!(text, "{}({error})", raw.kind),
                Ok(payload) => payload_name(&mut text, &payload),
            },
        };
    }
    if unnamed > 0 {
        let _ = write!(text, " +{unnamed}");
    }
    text
}

fn payload_name(text: &mut String, payload: &Payload<'_>) -> std::fmt::Result {
    match payload {
        Payload::Notify(notify) => notify_name(text, notify),
        Payload::Delete(delete) if delete.protocol == Protocol::ISAKMP => write!(text, "D(ISAKMP)"),
        Payload::Delete(delete) => write!(text, "D({} {})", delete.protocol, delete.count),
        Payload::Fragment(fragment) => {
            let last = if fragment.is_last() { " last" } else { "" };
            write!(text, "FRAG({}{last})", fragment.number)
        }
        Payload::Config(config) => match config.cfg_type.name() {
            Some(name) => write!(text, "CP({})", name.trim_start_matches("CFG_")),
            None => write!(text, "CP({})", config.cfg_type.0),
        },
        Payload::VendorId(vendor_id) => match vendor::name(vendor_id.data) {
            Some(name) => write!(text, "V({name})"),
            None => write!(text, "V"),
        },
        Payload::Unknown(kind, _) if kind.name().is_none() => write!(text, "?{}", kind.0),
        other => write!(text, "{}", other.kind()),
    }
}

fn notify_name(text: &mut String, notify: &Notify<'_>) -> std::fmt::Result {
    match (notify.notify, notify.notify.name()) {
        (NotifyType::R_U_THERE, _) => write!(text, "N(DPD)"),
        (NotifyType::R_U_THERE_ACK, _) => write!(text, "N(DPD_ACK)"),
        (_, Some(name)) => write!(text, "N({name})"),
        (NotifyType(number), None) => write!(text, "N({number})"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::{ExchangeType, Flags, Spi, Version};
    use crate::v1::{Delete, Nonce, PayloadChain, VendorId, encrypted_message, message};

    fn header(exchange: ExchangeType, message_id: u32) -> Header {
        Header {
            spi_i: Spi([1; 8]),
            spi_r: Spi::ZERO,
            next_payload: PayloadType::NONE,
            version: Version::V1,
            exchange,
            flags: Flags::default(),
            message_id,
            length: 0,
        }
    }

    #[test]
    fn a_first_message_reads_like_a_log_line() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_SA, &[0, 0, 0, 1, 0, 0, 0, 1]);
        chain.push(&Payload::VendorId(VendorId { data: &vendor::DPD }));
        chain.push(&Payload::VendorId(VendorId { data: b"?" }));
        let header = header(ExchangeType::V1_MAIN, 0);
        let bytes = message(header, &chain);
        let line = describe_v1_message(&Message::parse(&bytes).unwrap());
        assert_eq!(line, "Main Mode [SA V(DPD) V]");
        let line = describe_v1(&header, Some(1), chain.first(), chain.bytes());
        assert_eq!(line, "Main Mode 1 [SA V(DPD) V]");
    }

    #[test]
    fn phase_2_has_its_message_id() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_HASH, &[0; 20]);
        chain.push(&Payload::Nonce(Nonce { data: &[0; 16] }));
        chain.push(&Payload::Delete(Delete::one(Protocol::ESP, &[1, 2, 3, 4])));
        let notify = Notify::new(Protocol::ISAKMP, &[], NotifyType::R_U_THERE, &[0; 4]);
        chain.push(&Payload::Notify(notify));
        let header = header(ExchangeType::V1_QUICK, 0x9f3a_2b1c);
        let line = describe_v1(&header, Some(1), chain.first(), chain.bytes());
        assert_eq!(line, "Quick Mode 1 M-ID 9f3a2b1c [HASH NONCE D(ESP 1) N(DPD)]");
        let bytes = encrypted_message(header, chain.first(), &chain.padded(16));
        let line = describe_v1_message(&Message::parse(&bytes).unwrap());
        assert_eq!(line, "Quick Mode M-ID 9f3a2b1c [encrypted, 80 octets]");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType(200), &[]);
        chain.push_raw(PayloadType::V1_ID, &[1]);
        chain.push_raw(PayloadType::V1_VENDOR_ID, &[]);
        let text = describe_v1_chain(chain.first(), &chain.bytes()[..chain.bytes().len() - 1]);
        assert!(
            text.starts_with("[?200 ID(ID payload truncated at octet 9) ("),
            "{text}"
        );
        for _ in 0..10_000 {
            chain.push_raw(PayloadType::V1_VENDOR_ID, &[]);
        }
        assert!(describe_v1_chain(chain.first(), chain.bytes()).len() < 250);
    }
}
