//! An ISAKMP SA of a recording: what is known of it, and its cipher.

use std::collections::BTreeMap;

use handfast_crypto::hash::Hash;
use handfast_crypto::legacy_provider;
use handfast_crypto::provider::{Cbc, PrfAlgorithm};
use handfast_crypto::schedule::v1::{Covered, PhaseOneKeys, phase_two_iv};
use handfast_crypto::transform::Encr;
use handfast_tests::golden::{CapturedMessage, reencode_v1};
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::{AuthMethod, EncryptionAlgorithm, HashAlgorithm};
use handfast_wire::v1::raw::check_reserved;
use handfast_wire::v1::{Message, OakleyTransform, Payload, Plaintext, RawPayload, Sa};

use super::phase_two::PhaseTwo;
use super::replay::{Replay, is_from_a};

/// A suite of phase 1.
pub struct Suite {
    pub hash: Hash,
    pub prf: &'static dyn PrfAlgorithm,
    pub encr: Encr,
    pub auth: AuthMethod,
}

/// What the clear messages said of one side.
#[derive(Default)]
pub struct Side {
    pub public: Vec<u8>,
    pub nonce: Vec<u8>,
    pub id_b: Vec<u8>,
}

/// Keys and the state of the IV chain.
pub struct Protection {
    pub keys: PhaseOneKeys,
    pub cbc: Box<dyn Cbc>,
    pub block_len: usize,
    /// The IV of phase 1's next message: the last block of the one before.
    pub iv: Vec<u8>,
}

pub struct Isakmp {
    pub initiator: CapturedMessage,
    pub sai_b: Vec<u8>,
    pub suite: Option<Suite>,
    pub initiator_side: Side,
    pub responder_side: Side,
    pub protection: Option<Protection>,
    /// The same with the key of a peer that has another.
    pub other: Option<Protection>,
    /// How many messages of phase 1 were seen.
    pub step: usize,
    pub exchanges: BTreeMap<u32, PhaseTwo>,
}

/// A chain of payloads in the clear.
pub type Chain<'a> = Vec<(RawPayload<'a>, Payload<'a>)>;

impl Isakmp {
    pub fn new(first: &CapturedMessage) -> Self {
        Self {
            initiator: first.clone(),
            sai_b: Vec::new(),
            suite: None,
            initiator_side: Side::default(),
            responder_side: Side::default(),
            protection: None,
            other: None,
            step: 0,
            exchanges: BTreeMap::new(),
        }
    }

    pub fn take(&mut self, replay: &mut Replay<'_>, captured: &CapturedMessage, message: &Message<'_>) {
        let phase_one = matches!(
            message.header.exchange,
            ExchangeType::V1_MAIN | ExchangeType::V1_AGGRESSIVE
        );
        if message.is_encrypted() {
            replay.tally.encrypted += 1;
        }
        if phase_one {
            self.step += 1;
            self.phase_one(replay, captured, message);
        } else if replay.exchange.name == "v1-fail-psk-mismatch" && !is_from_a(captured) {
            self.of_another_key(replay, message);
        } else {
            self.phase_two(replay, captured, message);
        }
    }

    pub fn is_from_initiator(&self, captured: &CapturedMessage) -> bool {
        captured.src.ip() == self.initiator.src.ip()
    }

    pub fn covered<'a>(&'a self, message: &'a Message<'_>) -> Covered<'a> {
        Covered {
            gxi: &self.initiator_side.public,
            gxr: &self.responder_side.public,
            cky_i: &message.header.spi_i.0,
            cky_r: &message.header.spi_r.0,
            sai_b: &self.sai_b,
        }
    }

    /// The first IV of an exchange of phase 2.
    pub fn phase_two_iv(&self, message_id: u32) -> Vec<u8> {
        let (suite, protection) = (self.suite.as_ref().unwrap(), self.protection.as_ref().unwrap());
        phase_two_iv(suite.hash, &protection.iv, message_id, protection.block_len)
    }
}

impl Protection {
    /// Decrypts a message; gives the plaintext and the next IV. Encrypting gives the same octets again.
    pub fn open(&self, iv: &[u8], ciphertext: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut plaintext = ciphertext.to_vec();
        self.cbc.decrypt(iv, &mut plaintext).unwrap();
        let mut again = plaintext.clone();
        self.cbc.encrypt(iv, &mut again).unwrap();
        assert_eq!(again, ciphertext);
        (plaintext, ciphertext[ciphertext.len() - self.block_len..].to_vec())
    }
}

/// Splits a plaintext, which must be sound, padded with zeros, and written again alike.
pub fn split<'a>(message: &Message<'_>, plaintext: &'a [u8], block_len: usize) -> Plaintext<'a> {
    let first = message.header.next_payload;
    check_reserved(first, plaintext).unwrap();
    let split = Plaintext::split(first, plaintext).unwrap();
    // strongSwan adds a whole block where nothing is missing.
    assert!(split.is_zero_padded() && (1..=block_len).contains(&split.padding.len()));
    let again = reencode_v1(first, split.chain).unwrap();
    assert_eq!((again.first(), again.bytes()), (first, split.chain));
    assert!(plaintext.starts_with(&again.padded(block_len)));
    split
}

/// Every payload of a chain, read.
pub fn read<'a>(payloads: impl Iterator<Item = Result<RawPayload<'a>, handfast_wire::ParseError>>) -> Chain<'a> {
    payloads
        .map(|raw| {
            let raw = raw.unwrap();
            (raw, raw.parse().unwrap())
        })
        .collect()
}

impl Suite {
    /// The suite of an SA payload that holds the one transform chosen.
    pub fn chosen(sa: &Sa<'_>) -> Self {
        let proposal = sa.proposals().next().unwrap().unwrap();
        let transforms: Vec<_> = proposal.transforms().map(Result::unwrap).collect();
        assert_eq!(transforms.len(), 1);
        let OakleyTransform {
            encryption,
            key_length,
            hash,
            auth,
            unknown,
            ..
        } = transforms[0].oakley().unwrap();
        assert_eq!((encryption, unknown), (Some(EncryptionAlgorithm::AES_CBC), None));
        let hash = match hash.unwrap() {
            HashAlgorithm::SHA1 => Hash::Sha1,
            HashAlgorithm::SHA2_256 => Hash::Sha256,
            other => panic!("{other}"),
        };
        Self {
            hash,
            prf: legacy_provider().prf(hash.prf()).unwrap(),
            encr: Encr::aes_cbc(key_length.unwrap()),
            auth: auth.unwrap(),
        }
    }
}
