//! Quick mode, transactions and informational exchanges.

use handfast_crypto::legacy_provider;
use handfast_crypto::schedule::v1::{QuickMode, hash_1, hash_2, hash_3, keymat};
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::{Encr, Integ};
use handfast_esp::InboundSa;
use handfast_tests::golden::CapturedMessage;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::{AuthAlgorithm, CfgAttribute, EspTransform, Protocol};
use handfast_wire::v1::{AttributeValue, Config, Message, Payload, Sa};

use super::isakmp::{Chain, Isakmp, read, split};
use super::replay::Replay;

/// An exchange under a message ID.
#[derive(Default)]
pub struct PhaseTwo {
    iv: Vec<u8>,
    step: usize,
    ni: Vec<u8>,
    nr: Vec<u8>,
    spi_i: u32,
    shared: Option<Secret>,
}

/// What a child SA is made of.
struct Child {
    encr: Encr,
    integ: Integ,
    spi: u32,
}

impl Isakmp {
    pub fn phase_two(&mut self, replay: &mut Replay<'_>, captured: &CapturedMessage, message: &Message<'_>) {
        let message_id = message.header.message_id;
        assert_ne!(message_id, 0);
        let name = format!("next IV for MID {message_id}");
        if !self.exchanges.contains_key(&message_id) {
            let iv = self.phase_two_iv(message_id);
            replay.push(&name, &iv);
            let fresh = PhaseTwo {
                iv,
                ..PhaseTwo::default()
            };
            self.exchanges.insert(message_id, fresh);
        }
        let mut exchange = self.exchanges.remove(&message_id).unwrap();
        exchange.step += 1;
        let protection = self.protection.as_ref().unwrap();
        let (plaintext, next_iv) = protection.open(&exchange.iv, message.ciphertext().unwrap());
        if message.header.exchange != ExchangeType::V1_INFORMATIONAL {
            replay.push(&name, &next_iv);
        }
        exchange.iv = next_iv;
        let plaintext = split(message, &plaintext, protection.block_len);
        let chain = read(plaintext.payloads());
        let rest = plaintext.after(&chain[0].0);
        let Payload::Hash(proof) = chain[0].1 else {
            panic!("HASH comes first")
        };
        let (prf, skeyid_a) = (self.suite.as_ref().unwrap().prf, &protection.keys.skeyid_a);
        let quick = message.header.exchange == ExchangeType::V1_QUICK;
        if quick {
            exchange.collect(&chain);
        }
        let (name, hash) = match (quick, exchange.step) {
            (true, 1) => ("Hash(1)", hash_1(prf, skeyid_a, message_id, rest)),
            (true, 2) => ("Hash(2)", hash_2(prf, skeyid_a, message_id, &exchange.ni, rest)),
            (true, 3) => ("Hash(3)", hash_3(prf, skeyid_a, message_id, &exchange.ni, &exchange.nr)),
            _ => ("Hash", hash_1(prf, skeyid_a, message_id, rest)),
        };
        replay.push(name, hash.as_bytes());
        replay.verify(name, hash.as_bytes(), proof.data);
        if quick && exchange.step == 2 {
            assert!(
                !self.is_from_initiator(captured),
                "children were asked for by the initiator"
            );
            self.children(replay, &mut exchange, &chain);
        }
        for (_, payload) in &chain {
            match payload {
                Payload::Config(config) => configured(replay, config),
                Payload::Id(id) if quick => drop(id.selector().unwrap()),
                Payload::Notify(notify) if notify.protocol == Protocol::ISAKMP => {
                    assert!(notify.is_about(message.header.spi_i, message.header.spi_r));
                }
                Payload::Delete(delete) if delete.protocol == Protocol::ISAKMP => {
                    let cookies = [message.header.spi_i.0, message.header.spi_r.0].concat();
                    assert_eq!(delete.iter().collect::<Vec<_>>(), [&cookies[..]]);
                }
                _ => {}
            }
        }
        self.exchanges.insert(message_id, exchange);
    }

    fn children(&self, replay: &mut Replay<'_>, exchange: &mut PhaseTwo, chain: &Chain<'_>) {
        let sa = chain.iter().find_map(|(_, payload)| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        });
        if chain.iter().any(|(_, payload)| matches!(payload, Payload::Ke(_))) {
            exchange.shared = Some(replay.given("DH secret"));
        }
        let child = Child::chosen(sa.unwrap());
        let algorithm = legacy_provider().protect(child.encr, Some(child.integ)).unwrap();
        let quick = QuickMode {
            shared: exchange.shared.as_ref(),
            protocol: Protocol::ESP.0,
            ni_b: &exchange.ni,
            nr_b: &exchange.nr,
        };
        let (prf, keys) = (
            self.suite.as_ref().unwrap().prf,
            &self.protection.as_ref().unwrap().keys,
        );
        let (encr_len, integ_len) = (algorithm.encr_key_len(), algorithm.integ_key_len());
        // The SA that the initiator sends with is named by the SPI that the responder chose.
        for (side, spi) in [("initiator", child.spi), ("responder", exchange.spi_i)] {
            let shared = quick.shared.map_or(&[][..], Secret::as_bytes);
            let seed = [shared, &[quick.protocol], &spi.to_be_bytes(), quick.ni_b, quick.nr_b].concat();
            replay.push(&format!("{side} SA seed"), &seed);
            let material = keymat(prf, &keys.skeyid_d, &quick, spi, encr_len + integ_len).unwrap();
            let (encr, integ) = material.as_bytes().split_at(encr_len);
            replay.push(&format!("encryption {side} key"), encr);
            replay.push(&format!("integrity {side} key"), integ);
            let key = algorithm.key(encr, integ).unwrap();
            replay.esp.insert(spi, InboundSa::new(spi, key, false));
        }
        replay.tally.children += 1;
    }
}

impl PhaseTwo {
    fn collect(&mut self, chain: &Chain<'_>) {
        for (raw, payload) in chain {
            match payload {
                Payload::Nonce(_) if self.step == 1 => self.ni = raw.body.to_vec(),
                Payload::Nonce(_) => self.nr = raw.body.to_vec(),
                Payload::Sa(sa) if self.step == 1 => {
                    let proposal = sa.proposals().next().unwrap().unwrap();
                    self.spi_i = u32::from_be_bytes(proposal.spi.try_into().unwrap());
                }
                _ => {}
            }
        }
    }
}

impl Child {
    fn chosen(sa: &Sa<'_>) -> Self {
        let proposal = sa.proposals().next().unwrap().unwrap();
        assert_eq!(proposal.protocol, Protocol::ESP);
        let transform = proposal.transforms().next().unwrap().unwrap();
        let attributes = transform.ipsec().unwrap();
        assert_eq!(
            (EspTransform(transform.id), attributes.unknown),
            (EspTransform::AES_CBC, None)
        );
        assert!(attributes.mode.unwrap().is_tunnel() && attributes.mode.unwrap().is_udp());
        assert!(attributes.lifetimes.seconds.unwrap() > 0);
        Self {
            encr: Encr::aes_cbc(attributes.key_length.unwrap()),
            integ: match attributes.auth.unwrap() {
                AuthAlgorithm::HMAC_SHA1 => Integ::HMAC_SHA1_96,
                AuthAlgorithm::HMAC_SHA2_256 => Integ::HMAC_SHA2_256_128,
                other => panic!("{other}"),
            },
            spi: u32::from_be_bytes(proposal.spi.try_into().unwrap()),
        }
    }
}

fn configured(replay: &mut Replay<'_>, config: &Config<'_>) {
    for attribute in config.iter().map(Result::unwrap) {
        let value = match attribute.value {
            AttributeValue::Short(value) => value.to_be_bytes().to_vec(),
            AttributeValue::Long(octets) => octets.to_vec(),
        };
        let name = CfgAttribute(attribute.class).to_string();
        replay.configured.push((config.cfg_type.to_string(), name, value));
    }
}
