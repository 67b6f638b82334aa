//! The messages of recorded exchanges, those that were encrypted with their payloads in the clear.

use handfast_crypto::default_provider;
use handfast_crypto::hash::Hash;
use handfast_crypto::schedule::v1::phase_two_iv;
use handfast_crypto::transform::{Encr, Integ};
use handfast_tests::golden::{Exchange, exchange, reencode, reencode_v1, unhex};
use handfast_wire::header::{ExchangeType, Flags, HEADER_LEN, Header, PayloadType};
use handfast_wire::{v1, v2};

/// One message.
pub struct Recorded {
    /// Version, exchange and direction.
    pub name: String,
    /// The octets after decryption, as a message of its own.
    pub bytes: Vec<u8>,
}

/// Of each kind one: the exchanges of IKEv2 with a preshared key, IKE_AUTH with RSA certificates, main mode, quick mode.
pub fn messages() -> Vec<Recorded> {
    let mut all = of_v2("v2-psk-aes256cbc-sha256-modp2048-rekeys", Encr::aes_cbc(256), "psk");
    let certified = of_v2("v2-rsa-pkcs1-sha256-modp2048", Encr::aes_cbc(128), "rsa");
    all.extend(
        certified
            .into_iter()
            .filter(|message| message.name.contains("IKE_AUTH")),
    );
    all.extend(of_v1("v1-main-psk-aes256-sha256-modp2048"));
    all
}

fn name(version: u8, exchange: ExchangeType, what: &str) -> String {
    format!("v{version}/{}/{what}", exchange.to_string().replace(' ', "_"))
}

fn secret(table: &serde_json::Map<String, serde_json::Value>, name: &str) -> Vec<u8> {
    let value = table.get(name).and_then(|value| unhex(value.as_str()?));
    value.unwrap_or_else(|| panic!("{name} was not recorded"))
}

fn add(all: &mut Vec<Recorded>, name: String, bytes: Vec<u8>) {
    if all.iter().all(|one| one.name != name) {
        all.push(Recorded { name, bytes });
    }
}

fn of_v2(recording: &str, encr: Encr, method: &str) -> Vec<Recorded> {
    let exchange = exchange(recording);
    let integ = Some(Integ::HMAC_SHA2_256_128);
    let mut all = Vec::new();
    for captured in &exchange.messages {
        let message = v2::Message::parse(&captured.bytes).unwrap_or_else(|e| panic!("{recording}: {e}"));
        let header = message.header;
        let of_sa = |table: &&serde_json::Map<String, serde_json::Value>| {
            table.get("ispi").and_then(|spi| spi.as_str()) == Some(&header.spi_i.to_string())
        };
        let bytes = match (header.next_payload, exchange.secrets.iter().find(of_sa)) {
            (PayloadType::SK, Some(table)) => {
                let side = if header.flags.is_initiator() { 'i' } else { 'r' };
                let [sk_e, sk_a] = ['e', 'a'].map(|key| secret(table, &format!("Sk_{key}{side} secret")));
                let algorithm = default_provider()
                    .protect(encr, integ)
                    .unwrap_or_else(|| panic!("{encr}"));
                let cipher = algorithm.key(&sk_e, &sk_a).unwrap_or_else(|e| panic!("{e}"));
                let mut packet = captured.bytes.clone();
                let first = PayloadType(packet[HEADER_LEN]);
                let opened = cipher.open(&mut packet, HEADER_LEN + 4, None);
                let padded = opened.unwrap_or_else(|e| panic!("{recording}: {e}"));
                let len = padded.len() - 1 - usize::from(padded[padded.len() - 1]);
                let chain = reencode(first, &padded[..len]).unwrap_or_else(|e| panic!("{recording}: {e}"));
                v2::message(header, &chain)
            }
            _ => captured.bytes.clone(),
        };
        let direction = if header.flags.is_response() {
            "response"
        } else {
            "request"
        };
        let keyed = if bytes_have_ke(&bytes) { "-ke" } else { "" };
        add(
            &mut all,
            name(2, header.exchange, &format!("{method}-{direction}{keyed}")),
            bytes,
        );
    }
    all
}

/// Whether a fresh key exchange goes with it, without which a CREATE_CHILD_SA is another message.
fn bytes_have_ke(bytes: &[u8]) -> bool {
    let message = v2::Message::parse(bytes);
    message.is_ok_and(|message| {
        message.header.exchange == ExchangeType::CREATE_CHILD_SA
            && message.payloads().flatten().any(|raw| raw.kind == PayloadType::KE)
    })
}

fn of_v1(recording: &str) -> Vec<Recorded> {
    let exchange: Exchange = exchange(recording);
    let table = &exchange.secrets[0];
    let cbc = default_provider()
        .cbc(Encr::aes_cbc(256))
        .unwrap_or_else(|| panic!("no AES-CBC"));
    let cipher = cbc
        .key(&secret(table, "encryption key Ka"))
        .unwrap_or_else(|e| panic!("{e}"));
    let block = cbc.block_len();
    let mut phase_one = secret(table, "initial IV");
    let mut phase_two = (0, Vec::new());
    let (mut all, mut main) = (Vec::new(), 0);
    for captured in &exchange.messages {
        let message = v1::Message::parse(&captured.bytes).unwrap_or_else(|e| panic!("{recording}: {e}"));
        let header = message.header;
        if Some(header.spi_i.to_string().as_str()) != table.get("ispi").and_then(|spi| spi.as_str()) {
            break;
        }
        let what = if header.exchange == ExchangeType::V1_MAIN {
            main += 1;
            main.to_string()
        } else {
            "message".into()
        };
        let Some(ciphertext) = message.ciphertext() else {
            add(&mut all, name(1, header.exchange, &what), captured.bytes.clone());
            continue;
        };
        let last = ciphertext[ciphertext.len() - block..].to_vec();
        let iv = if header.message_id == 0 {
            std::mem::replace(&mut phase_one, last)
        } else {
            if phase_two.0 != header.message_id {
                let first = phase_two_iv(Hash::Sha256, &phase_one, header.message_id, block);
                phase_two = (header.message_id, first);
            }
            std::mem::replace(&mut phase_two.1, last)
        };
        let mut plain = ciphertext.to_vec();
        cipher
            .decrypt(&iv, &mut plain)
            .unwrap_or_else(|e| panic!("{recording}: {e}"));
        add(&mut all, name(1, header.exchange, &what), clear(header, &plain));
    }
    all
}

/// The same message as if it had never been encrypted.
fn clear(mut header: Header, plain: &[u8]) -> Vec<u8> {
    let first = header.next_payload;
    let text = v1::Plaintext::split(first, plain).unwrap_or_else(|e| panic!("not decrypted: {e}"));
    let chain = reencode_v1(first, text.chain).unwrap_or_else(|e| panic!("not decrypted: {e}"));
    header.flags = Flags(header.flags.0 & !Flags::V1_ENCRYPTION.0);
    v1::message(header, &chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_message_is_there() {
        let all = messages();
        for kind in [
            "v2/IKE_SA_INIT/psk-request",
            "v2/IKE_AUTH/psk-response",
            "v2/IKE_AUTH/rsa-request",
            "v2/CREATE_CHILD_SA/psk-request-ke",
            "v1/Main_Mode/1",
            "v1/Main_Mode/5",
            "v1/Quick_Mode/message",
        ] {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            assert!(names.contains(&kind), "{kind} is not among {names:?}");
        }
    }
}
