//! Main mode and aggressive mode.

use handfast_crypto::legacy_provider;
use handfast_crypto::schedule::v1::{
    cipher_key, hash_i, hash_r, phase_one_iv, phase_one_keys, skeyid_preshared, skeyid_signature,
};
use handfast_crypto::secret::Secret;
use handfast_tests::golden::CapturedMessage;
use handfast_wire::numbers::v1::{AuthMethod, NotifyType};
use handfast_wire::v1::{Message, Payload};

use super::ecdsa;
use super::isakmp::{Chain, Isakmp, Protection, Suite, read, split};
use super::replay::Replay;

impl Isakmp {
    pub fn phase_one(&mut self, replay: &mut Replay<'_>, captured: &CapturedMessage, message: &Message<'_>) {
        let from_initiator = self.is_from_initiator(captured);
        let Some(ciphertext) = message.ciphertext() else {
            let chain = read(message.payloads());
            self.collect(from_initiator, &chain);
            let ready = !self.initiator_side.public.is_empty() && !self.responder_side.public.is_empty();
            if ready && self.protection.is_none() {
                self.derive(replay, message);
            }
            self.check_nat_d(captured, message, &chain);
            self.check_proof(replay, from_initiator, message, &chain);
            return;
        };
        let protection = self.protection.as_mut().unwrap();
        let (plaintext, next_iv) = protection.open(&protection.iv, ciphertext);
        protection.iv.clone_from(&next_iv);
        let block_len = protection.block_len;
        replay.push("next IV for MID 0", &next_iv);
        let chain = read(split(message, &plaintext, block_len).payloads());
        self.collect(from_initiator, &chain);
        self.check_nat_d(captured, message, &chain);
        self.check_proof(replay, from_initiator, message, &chain);
    }

    /// What the payloads of one message tell of its sender.
    fn collect(&mut self, from_initiator: bool, chain: &Chain<'_>) {
        let side = if from_initiator {
            &mut self.initiator_side
        } else {
            &mut self.responder_side
        };
        for (raw, payload) in chain {
            match payload {
                Payload::Sa(sa) if !from_initiator => self.suite = Some(Suite::chosen(sa)),
                Payload::Sa(_) => self.sai_b = raw.body.to_vec(),
                Payload::Ke(ke) => side.public = ke.data.to_vec(),
                Payload::Nonce(nonce) => {
                    assert!(nonce.is_sound());
                    side.nonce = nonce.data.to_vec();
                }
                Payload::Id(id) => {
                    id.check_phase_1().unwrap();
                    side.id_b = raw.body.to_vec();
                }
                _ => {}
            }
        }
    }

    fn derive(&mut self, replay: &mut Replay<'_>, message: &Message<'_>) {
        let shared = replay.given("shared Diffie Hellman secret");
        replay.tally.isakmp_sas += 1;
        let protection = self.protect(message, &shared, &replay.preshared_if(self, 'a'));
        let keys = &protection.keys;
        replay.push("SKEYID", keys.skeyid.as_bytes());
        replay.push("SKEYID_d", keys.skeyid_d.as_bytes());
        replay.push("SKEYID_a", keys.skeyid_a.as_bytes());
        replay.push("SKEYID_e", keys.skeyid_e.as_bytes());
        let (prf, encr) = self.suite.as_ref().map(|suite| (suite.prf, suite.encr)).unwrap();
        let len = legacy_provider().cbc(encr).unwrap().key_len();
        replay.push(
            "encryption key Ka",
            cipher_key(prf, &keys.skeyid_e, len).unwrap().as_bytes(),
        );
        replay.push("initial IV", &protection.iv);
        self.protection = Some(protection);
        if let Some(other) = replay.other_key() {
            self.other = Some(self.protect(message, &shared, &Some(other)));
        }
    }

    fn protect(&self, message: &Message<'_>, shared: &Secret, preshared: &Option<Secret>) -> Protection {
        let (suite, header) = (self.suite.as_ref().unwrap(), &message.header);
        let (ni, nr) = (&self.initiator_side.nonce, &self.responder_side.nonce);
        let skeyid = match preshared {
            Some(key) => skeyid_preshared(suite.prf, key, ni, nr),
            None => skeyid_signature(suite.prf, ni, nr, shared),
        };
        let keys = phase_one_keys(suite.prf, skeyid, shared, &header.spi_i.0, &header.spi_r.0);
        let algorithm = legacy_provider().cbc(suite.encr).unwrap();
        let key = cipher_key(suite.prf, &keys.skeyid_e, algorithm.key_len()).unwrap();
        let (gxi, gxr) = (&self.initiator_side.public, &self.responder_side.public);
        Protection {
            cbc: algorithm.key(key.as_bytes()).unwrap(),
            block_len: algorithm.block_len(),
            iv: phase_one_iv(suite.hash, gxi, gxr, algorithm.block_len()),
            keys,
        }
    }

    /// The first NAT-D is of the receiver's address (RFC 3947 section 3.2); of the sender's, both daemons sent false
    /// ones, to have UDP used.
    fn check_nat_d(&self, captured: &CapturedMessage, message: &Message<'_>, chain: &Chain<'_>) {
        let first = chain.iter().find_map(|(_, payload)| match payload {
            Payload::NatD(nat_d) => Some(nat_d.hash),
            _ => None,
        });
        let Some(first) = first else { return };
        let std::net::IpAddr::V4(address) = captured.dst.ip() else {
            panic!("recorded over IPv4")
        };
        let (header, port) = (&message.header, captured.dst.port().to_be_bytes());
        let data: [&[u8]; 4] = [&header.spi_i.0, &header.spi_r.0, &address.octets(), &port];
        // The responder of aggressive mode knows both cookies; its initiator sends NAT-D in the third message.
        assert_eq!(first, self.suite.as_ref().unwrap().hash.digest(&data));
    }

    /// HASH_I, HASH_R, or the signature of one.
    fn check_proof(&self, replay: &mut Replay<'_>, from_initiator: bool, message: &Message<'_>, chain: &Chain<'_>) {
        let proof = chain.iter().find_map(|(_, payload)| match payload {
            Payload::Hash(hash) => Some(hash.data),
            Payload::Sig(sig) => Some(sig.data),
            _ => None,
        });
        let (Some(proof), Some(protection), Some(suite)) = (proof, &self.protection, &self.suite) else {
            return;
        };
        let (skeyid, covered) = (&protection.keys.skeyid, self.covered(message));
        let (name, hash, data) = if from_initiator {
            let id_b = &self.initiator_side.id_b;
            let c = &covered;
            let data = [c.gxi, c.gxr, c.cky_i, c.cky_r, c.sai_b, id_b].concat();
            ("HASH_I", hash_i(suite.prf, skeyid, &covered, id_b), data)
        } else {
            let id_b = &self.responder_side.id_b;
            let c = &covered;
            let data = [c.gxr, c.gxi, c.cky_r, c.cky_i, c.sai_b, id_b].concat();
            ("HASH_R", hash_r(suite.prf, skeyid, &covered, id_b), data)
        };
        replay.push(&format!("{name} data"), &data);
        replay.push(name, hash.as_bytes());
        if suite.auth == AuthMethod::ECDSA_256 {
            let certificate = chain.iter().find_map(|(_, payload)| match payload {
                Payload::Cert(cert) => Some(cert.data),
                _ => None,
            });
            let certificate = certificate.unwrap();
            assert!(
                ecdsa::verifies(certificate, hash.as_bytes(), proof),
                "signature of {name}"
            );
            let own = handfast_auth::certificate::Certificate::from_der(certificate).unwrap();
            let verify = |hash: &[u8]| handfast_auth::certificate::ikev1::verify(own.key().unwrap(), 9, hash, proof);
            assert_eq!(verify(hash.as_bytes()), Ok(()));
            let mut other = hash.as_bytes().to_vec();
            other[31] ^= 1;
            assert!(verify(&other).is_err());
            assert!(!ecdsa::verifies(certificate, &other, proof));
            replay.tally.verified += 1;
        } else {
            replay.verify(name, hash.as_bytes(), proof);
        }
    }

    /// What a peer with another key sends is of its own key schedule. Its phase 1 ended before it could read anything,
    /// so the IV of phase 2 comes from the first of phase 1.
    pub fn of_another_key(&mut self, replay: &mut Replay<'_>, message: &Message<'_>) {
        let own = self.phase_two_iv(message.header.message_id);
        replay.push(&format!("next IV for MID {}", message.header.message_id), &own);
        let (hash, other) = (self.suite.as_ref().unwrap().hash, self.other.as_ref().unwrap());
        let ciphertext = message.ciphertext().unwrap();
        let iv =
            handfast_crypto::schedule::v1::phase_two_iv(hash, &other.iv, message.header.message_id, other.block_len);
        let (plaintext, _) = other.open(&iv, ciphertext);
        let plaintext = split(message, &plaintext, other.block_len);
        for (_, payload) in read(plaintext.payloads()) {
            if let Payload::Notify(notify) = payload {
                assert!(notify.notify.is_error());
                let name = notify.notify.name().unwrap_or("unknown");
                replay.refusals.push(name.to_owned());
                assert_eq!(notify.notify, NotifyType::PAYLOAD_MALFORMED);
            }
        }
    }
}

impl Replay<'_> {
    /// The preshared key of a side, if the SA is authenticated with one.
    fn preshared_if(&self, sa: &Isakmp, side: char) -> Option<Secret> {
        let auth = sa.suite.as_ref().unwrap().auth;
        matches!(auth, AuthMethod::PRE_SHARED_KEY | AuthMethod::XAUTH_INIT_PRE_SHARED).then(|| self.preshared(side))
    }

    /// The key of the other daemon, if it is not the same.
    fn other_key(&self) -> Option<Secret> {
        (self.exchange.name == "v1-fail-psk-mismatch").then(|| self.preshared('b'))
    }
}
