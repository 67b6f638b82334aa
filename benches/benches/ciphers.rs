//! Every cipher with its integrity algorithm as IKE and ESP use it, sealing and opening in place, beside somebody else's on
//! as many octets, in turns: ring's where it has the cipher, and with the feature `openssl` OpenSSL's.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use handfast_benches::ratio::{cpu_time as time, measure, wanted};
use handfast_crypto::legacy_provider;
use handfast_crypto::provider::{Protect, ProtectAlgorithm};
use handfast_crypto::transform::{Encr, Integ};

/// Octets of plaintext; whole blocks of every cipher.
const SIZES: [usize; 3] = [64, 512, 1408];
/// ESP's: SPI and sequence number.
const HEADER: usize = 8;
/// Octets sealed in one turn, about.
const BATCH: usize = 32_768;
const TURNS: usize = 300;

/// Packets of one turn.
fn packets(size: usize) -> usize {
    (BATCH / size).clamp(8, 64)
}

fn name(algorithm: &dyn ProtectAlgorithm) -> String {
    match algorithm.integ() {
        Some(integ) => format!("{}-{integ}", algorithm.encr()),
        None => algorithm.encr().to_string(),
    }
}

/// Every AEAD; every other cipher with one integrity algorithm, and every integrity algorithm with one cipher.
fn telling(algorithm: &dyn ProtectAlgorithm) -> bool {
    algorithm
        .integ()
        .is_none_or(|integ| integ == Integ::HMAC_SHA2_256_128 || algorithm.encr() == Encr::aes_cbc(128))
}

/// What seals and opens packets `header | IV | plaintext | ICV` with some room behind.
trait Packets {
    fn seal(&mut self, packet: &mut [u8], counter: u64);
    fn open(&mut self, packet: &mut [u8]);
}

struct Ours(Box<dyn Protect>);

impl Packets for Ours {
    fn seal(&mut self, packet: &mut [u8], counter: u64) {
        self.0.seal(packet, HEADER, counter, None).unwrap();
    }

    fn open(&mut self, packet: &mut [u8]) {
        black_box(self.0.open(packet, HEADER, None).unwrap());
    }
}

/// Somebody else's cipher, if they have it, with the same keys as ours.
type Make = dyn Fn(&dyn ProtectAlgorithm, &dyn Protect) -> Option<Box<dyn Packets>>;

/// Both seal the same packets in turns, then open them.
fn beside(algorithm: &dyn ProtectAlgorithm, other: &str, room: usize, make: &Make) {
    let key = || {
        let (encr, integ) = (vec![1; algorithm.encr_key_len()], vec![2; algorithm.integ_key_len()]);
        algorithm.key(&encr, &integ).unwrap()
    };
    let Some(mut theirs) = make(algorithm, &*key()) else {
        return;
    };
    let mut ours = Ours(key());
    for size in SIZES {
        let [seal, open] =
            ["seal", "open"].map(|what| format!("cipher/{}/{}/{size}/{what}", other.to_lowercase(), name(algorithm)));
        let count = packets(size);
        let len = HEADER + ours.0.iv_len() + size + ours.0.icv_len();
        let fresh = |room: usize| -> Vec<Vec<u8>> { (0..count).map(|_| vec![0x5a; len + room]).collect() };
        let (mut of_ours, mut of_theirs) = (fresh(0), fresh(room));
        if wanted(&seal) {
            let whole = || sealing(&mut ours, &mut of_ours);
            measure(TURNS, whole, || sealing(&mut *theirs, &mut of_theirs)).print_beside(&seal, other, count as u32);
        }
        if wanted(&open) {
            let whole = || opening(&mut ours, &mut of_ours);
            measure(TURNS, whole, || opening(&mut *theirs, &mut of_theirs)).print_beside(&open, other, count as u32);
        }
    }
}

fn sealing(by: &mut dyn Packets, packets: &mut [Vec<u8>]) -> Duration {
    time(|| {
        for (counter, packet) in packets.iter_mut().enumerate() {
            by.seal(black_box(packet), counter as u64);
        }
    })
}

/// Only what was sealed just before can be opened.
fn opening(by: &mut dyn Packets, packets: &mut [Vec<u8>]) -> Duration {
    sealing(by, packets);
    time(|| {
        for packet in packets.iter_mut() {
            by.open(black_box(packet));
        }
    })
}

mod by_ring {
    use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

    use super::*;

    struct Ring(LessSafeKey, [u8; 4]);

    const BODY: usize = HEADER + 8;

    impl Ring {
        fn nonce(&self, iv: &[u8]) -> Nonce {
            let mut nonce = [0; NONCE_LEN];
            nonce[..4].copy_from_slice(&self.1);
            nonce[4..].copy_from_slice(iv);
            Nonce::assume_unique_for_key(nonce)
        }
    }

    impl Packets for Ring {
        fn seal(&mut self, packet: &mut [u8], counter: u64) {
            packet[HEADER..BODY].copy_from_slice(&counter.to_be_bytes());
            let (head, body) = packet.split_at_mut(BODY);
            let (plain, tag) = body.split_last_chunk_mut::<16>().unwrap();
            let (header, iv) = head.split_at(HEADER);
            let sealed = self
                .0
                .seal_in_place_separate_tag(self.nonce(iv), Aad::from(header), plain);
            tag.copy_from_slice(sealed.unwrap().as_ref());
        }

        fn open(&mut self, packet: &mut [u8]) {
            let (head, body) = packet.split_at_mut(BODY);
            let (header, iv) = head.split_at(HEADER);
            black_box(self.0.open_in_place(self.nonce(iv), Aad::from(header), body).unwrap());
        }
    }

    pub fn make(algorithm: &dyn ProtectAlgorithm, _: &dyn Protect) -> Option<Box<dyn Packets>> {
        let encr = algorithm.encr();
        let theirs = [
            (Encr::aes_gcm16(128), &AES_128_GCM),
            (Encr::aes_gcm16(256), &AES_256_GCM),
            (Encr::CHACHA20_POLY1305, &CHACHA20_POLY1305),
        ];
        let (_, theirs) = theirs.into_iter().find(|(id, _)| *id == encr)?;
        let key = UnboundKey::new(theirs, &vec![1; theirs.key_len()]).unwrap();
        Some(Box::new(Ring(LessSafeKey::new(key), [1; 4])))
    }
}

#[cfg(feature = "openssl")]
mod by_openssl {
    use handfast_benches::openssl::cipher;

    use super::*;

    impl Packets for cipher::Packets {
        fn seal(&mut self, packet: &mut [u8], counter: u64) {
            Self::seal(self, packet, counter);
        }

        fn open(&mut self, packet: &mut [u8]) {
            Self::open(self, packet);
        }
    }

    pub fn make(algorithm: &dyn ProtectAlgorithm, keyed: &dyn Protect) -> Option<Box<dyn Packets>> {
        let (encr, integ) = (vec![1; algorithm.encr_key_len()], vec![2; algorithm.integ_key_len()]);
        let of = (algorithm.encr(), algorithm.integ());
        let theirs = cipher::Packets::new(of, &encr, &integ, (HEADER, keyed.icv_len()))?;
        Some(Box::new(theirs))
    }
}

fn main() {
    for algorithm in legacy_provider().protects.iter().copied().filter(|a| telling(*a)) {
        beside(algorithm, "ring", 0, &by_ring::make);
        #[cfg(feature = "openssl")]
        beside(
            algorithm,
            "OpenSSL",
            handfast_benches::openssl::cipher::SLACK,
            &by_openssl::make,
        );
    }
    if cfg!(not(feature = "openssl")) {
        println!("ciphers: those that ring has not are measured beside OpenSSL's with --features openssl");
    }
}
