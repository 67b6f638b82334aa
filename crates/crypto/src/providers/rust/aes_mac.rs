//! AES-XCBC-MAC (RFC 3566) and AES-CMAC (RFC 4493): CBC-MAC whose last block takes in one key when it is whole, another
//! when it is padded. They differ in where these keys come from. And the PRFs made of them (RFC 4434, RFC 4615).

use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::provider::PrfAlgorithm;
use crate::secret::Secret;
use crate::transform::Prf;

const BLOCK: usize = 16;

/// A keyed MAC.
pub(super) struct AesMac {
    cipher: Aes128,
    whole: Zeroizing<[u8; BLOCK]>,
    padded: Zeroizing<[u8; BLOCK]>,
}

impl AesMac {
    /// AES-XCBC-MAC with this key (RFC 3566 section 4).
    pub(super) fn xcbc(key: [u8; BLOCK]) -> Self {
        let cipher = Aes128::new(&Array::from(*Zeroizing::new(key)));
        let derive = |constant| Zeroizing::new(encrypt(&cipher, [constant; BLOCK]));
        Self {
            whole: derive(2),
            padded: derive(3),
            cipher: Aes128::new(&Array::from(*derive(1))),
        }
    }

    /// AES-CMAC with this key (RFC 4493 section 2.3).
    pub(super) fn cmac(key: [u8; BLOCK]) -> Self {
        let cipher = Aes128::new(&Array::from(*Zeroizing::new(key)));
        let whole = Zeroizing::new(double(*Zeroizing::new(encrypt(&cipher, [0; BLOCK]))));
        Self {
            padded: Zeroizing::new(double(*whole)),
            whole,
            cipher,
        }
    }

    /// The MAC over the concatenation of `data`.
    pub(super) fn mac(&self, data: &[&[u8]]) -> [u8; BLOCK] {
        let mut state = [0; BLOCK];
        let mut filled = 0;
        for part in data {
            let mut rest = *part;
            while !rest.is_empty() {
                // A full block waits until it is known whether it is the last.
                if filled == BLOCK {
                    state = encrypt(&self.cipher, state);
                    filled = 0;
                }
                let (now, later) = rest.split_at(rest.len().min(BLOCK - filled));
                for (place, octet) in state.iter_mut().skip(filled).zip(now) {
                    *place ^= octet;
                }
                filled += now.len();
                rest = later;
            }
        }
        let last = match state.get_mut(filled) {
            Some(place) => {
                *place ^= 0x80;
                &self.padded
            }
            None => &self.whole,
        };
        for (place, octet) in state.iter_mut().zip(last.iter()) {
            *place ^= octet;
        }
        encrypt(&self.cipher, state)
    }
}

fn encrypt(cipher: &Aes128, block: [u8; BLOCK]) -> [u8; BLOCK] {
    let mut block = Array::from(block);
    cipher.encrypt_block(&mut block);
    block.into()
}

/// Times x in the field of RFC 4493 section 2.3, without a branch.
fn double(block: [u8; BLOCK]) -> [u8; BLOCK] {
    let value = u128::from_be_bytes(block);
    ((value << 1) ^ (0x87 * (value >> 127))).to_be_bytes()
}

/// PRF_AES128_XCBC (RFC 4434).
pub(super) static PRF_XCBC: AesPrf = AesPrf {
    id: Prf::AES128_XCBC,
    keyed: AesMac::xcbc,
    fit: |key| {
        if key.len() > BLOCK {
            return AesMac::xcbc([0; BLOCK]).mac(&[key]);
        }
        let mut padded = [0; BLOCK];
        padded.iter_mut().zip(key).for_each(|(place, octet)| *place = *octet);
        padded
    },
};

/// PRF_AES128_CMAC (RFC 4615).
pub(super) static PRF_CMAC: AesPrf = AesPrf {
    id: Prf::AES128_CMAC,
    keyed: AesMac::cmac,
    fit: |key| key.try_into().unwrap_or_else(|_| AesMac::cmac([0; BLOCK]).mac(&[key])),
};

/// A MAC as a PRF whose keys may have any length.
pub(super) struct AesPrf {
    id: Prf,
    keyed: fn([u8; BLOCK]) -> AesMac,
    /// Makes a key of 128 bits of any other.
    fit: fn(&[u8]) -> [u8; BLOCK],
}

impl PrfAlgorithm for AesPrf {
    fn id(&self) -> Prf {
        self.id
    }

    fn output_len(&self) -> usize {
        BLOCK
    }

    fn key_len(&self) -> usize {
        BLOCK
    }

    fn compute(&self, key: &[u8], data: &[&[u8]]) -> Secret {
        let key = Zeroizing::new((self.fit)(key));
        Secret::from(&(self.keyed)(*key).mac(data)[..])
    }

    /// RFC 7296 section 2.14: for these, although they take longer keys, eight octets of each nonce.
    fn nonce_key_len(&self) -> Option<usize> {
        Some(8)
    }
}
