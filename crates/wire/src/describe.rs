//! A message on one line: `IKE_SA_INIT request 0 [SA KE No N(NATD_S_IP) N(FRAG_SUP)]`. Never fails: what cannot be
//! read is said to be so in its place. The text holds only names and numbers, nothing that the peer wrote.

mod v1;

use std::fmt::Write as _;

pub use v1::{describe_v1, describe_v1_chain, describe_v1_header, describe_v1_message};

use crate::header::{Header, PayloadType};
use crate::numbers::{NotifyType, Protocol};
use crate::v2::{Message, Notify, Payload, Payloads, payloads};

/// A message as it is on the wire; payloads inside SK are not seen.
pub fn describe_message(message: &Message<'_>) -> String {
    format!("{} [{}]", describe_header(&message.header), list(message.payloads()))
}

/// A message by its header and its payloads: those of the message itself or, once SK is opened, those inside it
/// without the padding. `first` is the type of the first of them.
pub fn describe_v2(header: Header, first: PayloadType, bytes: &[u8]) -> String {
    format!("{} [{}]", describe_header(&header), list(payloads(first, bytes)))
}

/// A chain of payloads: `[SA KE No]`.
pub fn describe_chain(first: PayloadType, bytes: &[u8]) -> String {
    format!("[{}]", list(payloads(first, bytes)))
}

/// Exchange, direction and message ID: `IKE_AUTH response 1`.
pub fn describe_header(header: &Header) -> String {
    let direction = if header.flags.is_response() {
        "response"
    } else {
        "request"
    };
    format!("{} {direction} {}", header.exchange, header.message_id)
}

/// So many payloads are named; of the rest only the number is told, since a message has room for thousands.
const NAMED: usize = 40;

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
        // Writing to a String does not fail.
        let _ = match raw {
            Err(error) => write!(text, "({error})"),
            Ok(raw) => match raw.parse() {
                Err(error) => write!(text, "{}({error})", raw.kind),
                Ok(payload) => {
                    payload_name(&mut text, &payload);
                    if raw.critical {
                        text.push('!');
                    }
                    Ok(())
                }
            },
        };
    }
    if unnamed > 0 {
        let _ = write!(text, " +{unnamed}");
    }
    text
}

fn payload_name(text: &mut String, payload: &Payload<'_>) {
    let _ = match payload {
        Payload::Notify(notify) => notify_name(text, notify),
        Payload::Delete(delete) if delete.protocol == Protocol::IKE => write!(text, "D(IKE)"),
        Payload::Delete(delete) => write!(text, "D({} {})", delete.protocol, delete.count),
        Payload::Skf(fragment) => write!(text, "SKF({}/{})", fragment.number, fragment.total),
        Payload::Cp(config) => match config.cfg_type.name() {
            Some(name) => write!(text, "CP({})", name.trim_start_matches("CFG_")),
            None => write!(text, "CP({})", config.cfg_type.0),
        },
        Payload::Eap(eap) => match eap.data.first() {
            Some(1) => write!(text, "EAP(REQ)"),
            Some(2) => write!(text, "EAP(RES)"),
            Some(3) => write!(text, "EAP(SUCC)"),
            Some(4) => write!(text, "EAP(FAIL)"),
            _ => write!(text, "EAP"),
        },
        Payload::Unknown(kind, _) if kind.name().is_none() => write!(text, "?{}", kind.0),
        other => write!(text, "{}", other.kind()),
    };
}

fn notify_name(text: &mut String, notify: &Notify<'_>) -> std::fmt::Result {
    match (short(notify.notify), notify.notify.name()) {
        (Some(name), _) | (None, Some(name)) => write!(text, "N({name})"),
        (None, None) => write!(text, "N({})", notify.notify.0),
    }
}

/// The short names that readers of logs know; other types go by their registered name.
fn short(notify: NotifyType) -> Option<&'static str> {
    Some(match notify {
        NotifyType::NAT_DETECTION_SOURCE_IP => "NATD_S_IP",
        NotifyType::NAT_DETECTION_DESTINATION_IP => "NATD_D_IP",
        NotifyType::IKEV2_FRAGMENTATION_SUPPORTED => "FRAG_SUP",
        NotifyType::SIGNATURE_HASH_ALGORITHMS => "HASH_ALG",
        NotifyType::REDIRECT_SUPPORTED => "REDIR_SUP",
        NotifyType::CHILDLESS_IKEV2_SUPPORTED => "CHDLESS_SUP",
        NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED => "INTERMED_SUP",
        NotifyType::MOBIKE_SUPPORTED => "MOBIKE_SUP",
        NotifyType::ADDITIONAL_IP4_ADDRESS => "ADD_4_ADDR",
        NotifyType::ADDITIONAL_IP6_ADDRESS => "ADD_6_ADDR",
        NotifyType::NO_ADDITIONAL_ADDRESSES => "NO_ADD_ADDR",
        NotifyType::UPDATE_SA_ADDRESSES => "UPD_SA_ADDR",
        NotifyType::MULTIPLE_AUTH_SUPPORTED => "MULT_AUTH",
        NotifyType::EAP_ONLY_AUTHENTICATION => "EAP_ONLY",
        NotifyType::ESP_TFC_PADDING_NOT_SUPPORTED => "ESP_TFC_PAD_N",
        NotifyType::NON_FIRST_FRAGMENTS_ALSO => "NON_FIRST_FRAG",
        NotifyType::INITIAL_CONTACT => "INIT_CONTACT",
        NotifyType::USE_TRANSPORT_MODE => "USE_TRANSP",
        NotifyType::IKEV2_MESSAGE_ID_SYNC_SUPPORTED => "MSG_ID_SYN_SUP",
        NotifyType::NO_PROPOSAL_CHOSEN => "NO_PROP",
        NotifyType::INVALID_KE_PAYLOAD => "INVAL_KE",
        NotifyType::INVALID_SYNTAX => "INVAL_SYN",
        NotifyType::INVALID_MAJOR_VERSION => "INVAL_MAJOR",
        NotifyType::AUTHENTICATION_FAILED => "AUTH_FAILED",
        NotifyType::TS_UNACCEPTABLE => "TS_UNACCEPT",
        NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD => "CRIT",
        NotifyType::TEMPORARY_FAILURE => "TEMP_FAIL",
        NotifyType::CHILD_SA_NOT_FOUND => "NO_CHILD_SA",
        NotifyType::INTERNAL_ADDRESS_FAILURE => "INT_ADDR_FAIL",
        NotifyType::NO_ADDITIONAL_SAS => "NO_ADD_SAS",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::{ExchangeType, Flags, Spi, Version};
    use crate::v2::{Delete, Ke, Nonce, PayloadChain, Sa, message};

    fn header(exchange: ExchangeType, flags: Flags, message_id: u32) -> Header {
        let (spi_i, spi_r, next_payload) = (Spi([1; 8]), Spi::ZERO, PayloadType::NONE);
        Header {
            spi_i,
            spi_r,
            next_payload,
            version: Version::V2,
            exchange,
            flags,
            message_id,
            length: 0,
        }
    }

    #[test]
    fn a_first_message_reads_like_a_log_line() {
        let mut chain = PayloadChain::new();
        chain.push(&Payload::Sa(Sa { body: &[] }));
        chain.push(&Payload::Ke(Ke::new(31, &[0; 32])));
        chain.push(&Payload::Nonce(Nonce { data: &[0; 32] }));
        chain.push(&Payload::Notify(Notify::new(
            NotifyType::NAT_DETECTION_SOURCE_IP,
            &[0; 20],
        )));
        chain.push(&Payload::Notify(Notify::new(
            NotifyType::IKEV2_FRAGMENTATION_SUPPORTED,
            &[],
        )));
        let bytes = message(header(ExchangeType::IKE_SA_INIT, Flags::INITIATOR, 0), &chain);
        let line = describe_message(&Message::parse(&bytes).unwrap());
        assert_eq!(line, "IKE_SA_INIT request 0 [SA KE No N(NATD_S_IP) N(FRAG_SUP)]");
    }

    #[test]
    fn an_opened_message_shows_what_was_inside() {
        let mut chain = PayloadChain::new();
        chain.push(&Payload::Delete(Delete::esp(&[1, 2, 3, 4])));
        chain.push(&Payload::Delete(Delete::IKE));
        chain.push(&Payload::Notify(Notify::new(NotifyType::COOKIE, &[])));
        chain.push(&Payload::Notify(Notify::new(NotifyType(50000), &[])));
        let header = header(ExchangeType::INFORMATIONAL, Flags::RESPONSE, 7);
        let line = describe_v2(header, chain.first(), chain.bytes());
        assert_eq!(line, "INFORMATIONAL response 7 [D(ESP 1) D(IKE) N(COOKIE) N(50000)]");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType(200), true, &[]);
        chain.push_raw(PayloadType::KE, false, &[1]);
        chain.push_raw(PayloadType::VENDOR_ID, false, &[]);
        let text = describe_chain(chain.first(), &chain.bytes()[..chain.bytes().len() - 1]);
        assert!(
            text.starts_with("[?200! KE(KE payload truncated at octet 8) ("),
            "{text}"
        );
        assert_eq!(describe_chain(PayloadType::NONE, &[]), "[]");
    }

    #[test]
    fn a_line_has_an_end() {
        let mut chain = PayloadChain::new();
        for _ in 0..10_000 {
            chain.push_raw(PayloadType::VENDOR_ID, false, &[]);
        }
        let text = describe_chain(chain.first(), chain.bytes());
        assert!(text.ends_with("V V +9960]") && text.len() < 200, "{text}");
    }
}
