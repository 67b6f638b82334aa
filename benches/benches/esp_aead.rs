//! Sealing and opening an ESP packet against the bare AEAD of ring, on as many octets: what headers, padding, sequence
//! numbers, the replay window, bounds and the trait between cost. Measured in turns of a batch each.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use handfast_benches::ratio::{measure, time, wanted};
use handfast_crypto::default_provider;
use handfast_crypto::provider::Protect;
use handfast_crypto::transform::Encr;
use handfast_esp::{InboundSa, OutboundSa};
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};

/// Packets of one turn.
const BATCH: usize = 256;
const TURNS: usize = 2000;
const SPI: u32 = 0x1234_5678;

fn keyed(encr: Encr) -> Box<dyn Protect> {
    let algorithm = default_provider().protect(encr, None).unwrap();
    algorithm.key(&vec![1; algorithm.encr_key_len()], &[]).unwrap()
}

/// The same cipher without any of ours.
struct Bare(LessSafeKey, u64);

impl Bare {
    fn new(algorithm: &'static Algorithm) -> Self {
        Self(
            LessSafeKey::new(UnboundKey::new(algorithm, &vec![1; algorithm.key_len()]).unwrap()),
            0,
        )
    }

    fn nonce(counter: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[4..].copy_from_slice(&counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals `body`, the last 16 octets of which become the tag.
    fn seal(&mut self, body: &mut [u8]) -> u64 {
        self.1 += 1;
        let (plain, tag) = body.split_last_chunk_mut::<16>().unwrap();
        let sealed = self
            .0
            .seal_in_place_separate_tag(Self::nonce(self.1), Aad::from([0; 8]), plain);
        tag.copy_from_slice(sealed.unwrap().as_ref());
        self.1
    }

    fn open(&self, counter: u64, body: &mut [u8]) {
        black_box(
            self.0
                .open_in_place(Self::nonce(counter), Aad::from([0; 8]), body)
                .unwrap(),
        );
    }
}

fn main() {
    for (encr, algorithm) in [
        (Encr::aes_gcm16(128), &AES_128_GCM),
        (Encr::aes_gcm16(256), &AES_256_GCM),
        (Encr::CHACHA20_POLY1305, &CHACHA20_POLY1305),
    ] {
        for size in [64, 512, 1400] {
            seal(encr, algorithm, size);
            open(encr, algorithm, size);
        }
    }
}

/// In place: headroom, the inner packet and tailroom are in one buffer, as the plane has them.
fn seal(encr: Encr, algorithm: &'static Algorithm, size: usize) {
    let name = format!("esp_aead/{encr}/{size}/seal");
    if !wanted(&name) {
        return;
    }
    let mut sa = OutboundSa::new(SPI, keyed(encr), false);
    let (headroom, len) = (sa.layout().headroom(), sa.layout().sealed_len(size));
    let mut packets: Vec<Vec<u8>> = (0..BATCH).map(|_| vec![0x5a; len]).collect();
    let mut bare = Bare::new(algorithm);
    let mut bodies: Vec<Vec<u8>> = (0..BATCH).map(|_| vec![0x5a; len - headroom]).collect();
    let whole = || -> Duration {
        sa = OutboundSa::new(SPI, keyed(encr), false);
        time(|| {
            for packet in &mut packets {
                black_box(sa.seal_in_place(black_box(packet), size, 4).unwrap());
            }
        })
    };
    let part = || {
        time(|| {
            for body in &mut bodies {
                black_box(bare.seal(black_box(body)));
            }
        })
    };
    measure(TURNS, whole, part).print(&name, BATCH as u32);
}

fn open(encr: Encr, algorithm: &'static Algorithm, size: usize) {
    let name = format!("esp_aead/{encr}/{size}/open");
    if !wanted(&name) {
        return;
    }
    let mut sender = OutboundSa::new(SPI, keyed(encr), false);
    let mut receiver = InboundSa::new(SPI, keyed(encr), false);
    let len = sender.layout().sealed_len(size);
    let mut packets: Vec<Vec<u8>> = (0..BATCH).map(|_| vec![0x5a; len]).collect();
    let mut bare = Bare::new(algorithm);
    let mut bodies: Vec<(u64, Vec<u8>)> = (0..BATCH)
        .map(|_| (0, vec![0x5a; len - sender.layout().headroom()]))
        .collect();
    let whole = || -> Duration {
        for packet in &mut packets {
            sender.seal_in_place(packet, size, 4).unwrap();
        }
        time(|| {
            for packet in &mut packets {
                black_box(receiver.open(black_box(packet)).unwrap());
            }
        })
    };
    let part = || {
        for (counter, body) in &mut bodies {
            *counter = bare.seal(body);
        }
        time(|| {
            for (counter, body) in &mut bodies {
                bare.open(*counter, black_box(body));
            }
        })
    };
    measure(TURNS, whole, part).print(&name, BATCH as u32);
}
