//! Packets as `Protect` seals them, by OpenSSL's EVP: `header | IV | body | ICV`, and [`SLACK`] octets of room.

use handfast_crypto::transform::{Encr, Integ};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use super::mac::Mac;

/// OpenSSL's interface asks for this much room behind what it encrypts in place.
pub const SLACK: usize = 16;

/// How the IV is made of what is in the packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// AEAD: salt and explicit IV.
    Aead,
    /// The same, and the length is to be known first.
    Ccm,
    /// Nonce, explicit IV, block counter.
    Ctr,
    /// The explicit IV.
    Cbc,
}

/// A cipher with its key, in both directions, and its integrity algorithm.
pub struct Packets {
    form: Form,
    sealing: CipherCtx,
    opening: CipherCtx,
    salt: Vec<u8>,
    mac: Option<Mac>,
    header_len: usize,
    iv_len: usize,
    icv_len: usize,
}

/// OpenSSL's name, the form, octets of salt and of IV.
fn of(encr: Encr) -> Option<(String, Form, usize, usize)> {
    let aes = |mode| format!("AES-{}-{mode}", encr.key_bits.unwrap_or_default());
    Some(match encr.id {
        18..=20 => (aes("GCM"), Form::Aead, 4, 8),
        14..=16 => (aes("CCM"), Form::Ccm, 3, 8),
        13 => (aes("CTR"), Form::Ctr, 4, 8),
        12 => (aes("CBC"), Form::Cbc, 0, 16),
        28 => ("ChaCha20-Poly1305".into(), Form::Aead, 4, 8),
        3 => ("DES-EDE3-CBC".into(), Form::Cbc, 0, 8),
        _ => return None,
    })
}

impl Packets {
    /// With keys as `ProtectAlgorithm::key` takes them, for headers of this many octets and such ICVs; `None` where there
    /// is no such cipher.
    pub fn new(
        (encr, integ): (Encr, Option<Integ>),
        encr_key: &[u8],
        integ_key: &[u8],
        (header_len, icv_len): (usize, usize),
    ) -> Option<Self> {
        let (name, form, salt_len, iv_len) = of(encr)?;
        let mac = match integ {
            Some(integ) => Some(Mac::keyed(integ, integ_key)?),
            None => None,
        };
        let (key, salt) = encr_key.split_at(encr_key.len() - salt_len);
        let contexts = || {
            let cipher = Cipher::fetch(None, &name, None)?;
            let mut both = [CipherCtx::new()?, CipherCtx::new()?];
            for (index, context) in both.iter_mut().enumerate() {
                let init = |context: &mut CipherCtx, cipher, key| match index {
                    0 => context.encrypt_init(cipher, key, None),
                    _ => context.decrypt_init(cipher, key, None),
                };
                init(context, Some(&cipher), None)?;
                if form == Form::Ccm {
                    context.set_iv_length(salt_len + iv_len)?;
                    context.set_tag_length(icv_len)?;
                }
                init(context, None, Some(key))?;
                context.set_padding(false);
            }
            Ok(both)
        };
        let [sealing, opening] = contexts().unwrap_or_else(|e: ErrorStack| panic!("{name}: {e}"));
        Some(Self {
            form,
            sealing,
            opening,
            salt: salt.to_vec(),
            mac,
            header_len,
            iv_len,
            icv_len,
        })
    }

    /// The IV as the cipher takes it.
    fn iv(&self, explicit: &[u8]) -> ([u8; 16], usize) {
        let mut iv = [0; 16];
        let salt = self.salt.len();
        iv[..salt].copy_from_slice(&self.salt);
        let len = salt + explicit.len();
        iv[salt..len].copy_from_slice(explicit);
        if self.form == Form::Ctr {
            iv[15] = 1;
            return (iv, 16);
        }
        (iv, len)
    }

    /// Seals in place, with `counter` as explicit IV.
    pub fn seal(&mut self, packet: &mut [u8], counter: u64) {
        let sealed = self.try_seal(packet, counter);
        sealed.unwrap_or_else(|e| panic!("{e}"));
    }

    fn try_seal(&mut self, packet: &mut [u8], counter: u64) -> Result<(), ErrorStack> {
        let body = self.header_len + self.iv_len;
        let end = packet.len() - SLACK - self.icv_len;
        packet[body - 8..body].copy_from_slice(&counter.to_be_bytes());
        let (iv, len) = self.iv(&packet[self.header_len..body]);
        self.sealing.encrypt_init(None, None, Some(&iv[..len]))?;
        if self.form == Form::Ccm {
            self.sealing.set_data_len(end - body)?;
        }
        let aead = matches!(self.form, Form::Aead | Form::Ccm);
        if aead {
            self.sealing.cipher_update(&packet[..self.header_len], None)?;
        }
        self.sealing.cipher_update_inplace(&mut packet[body..], end - body)?;
        if aead {
            if self.form == Form::Aead {
                self.sealing.cipher_final(&mut [])?;
            }
            self.sealing.tag(&mut packet[end..end + self.icv_len])?;
        }
        if let Some(mac) = &mut self.mac {
            let (covered, rest) = packet.split_at_mut(end);
            mac.compute(covered, &mut rest[..self.icv_len]);
        }
        Ok(())
    }

    /// Verifies and decrypts in place.
    pub fn open(&mut self, packet: &mut [u8]) {
        let opened = self.try_open(packet);
        opened.unwrap_or_else(|e| panic!("it does not open: {e}"));
    }

    fn try_open(&mut self, packet: &mut [u8]) -> Result<(), ErrorStack> {
        let body = self.header_len + self.iv_len;
        let end = packet.len() - SLACK - self.icv_len;
        if let Some(mac) = &mut self.mac {
            let mut icv = [0; 32];
            let icv = &mut icv[..self.icv_len];
            mac.compute(&packet[..end], icv);
            assert!(
                openssl::memcmp::eq(icv, &packet[end..end + self.icv_len]),
                "another ICV"
            );
        }
        let (iv, len) = self.iv(&packet[self.header_len..body]);
        let aead = matches!(self.form, Form::Aead | Form::Ccm);
        if self.form == Form::Ccm {
            self.opening.set_tag(&packet[end..end + self.icv_len])?;
        }
        self.opening.decrypt_init(None, None, Some(&iv[..len]))?;
        if self.form == Form::Ccm {
            self.opening.set_data_len(end - body)?;
        }
        if aead {
            self.opening.cipher_update(&packet[..self.header_len], None)?;
        }
        if self.form == Form::Aead {
            self.opening.set_tag(&packet[end..end + self.icv_len])?;
        }
        self.opening.cipher_update_inplace(&mut packet[body..], end - body)?;
        if self.form == Form::Aead {
            self.opening.cipher_final(&mut [])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use handfast_crypto::legacy_provider;

    use super::*;

    /// Both do the same work: whatever either seals, the other opens.
    #[test]
    fn what_we_seal_openssl_opens_and_the_other_way_round() {
        const HEADER: usize = 8;
        let mut count = 0;
        for algorithm in legacy_provider().protects {
            let (encr_key, integ_key) = (vec![1; algorithm.encr_key_len()], vec![2; algorithm.integ_key_len()]);
            let ours = algorithm.key(&encr_key, &integ_key).unwrap_or_else(|e| panic!("{e}"));
            let of = (algorithm.encr(), algorithm.integ());
            let lens = (HEADER, ours.icv_len());
            let mut theirs =
                Packets::new(of, &encr_key, &integ_key, lens).unwrap_or_else(|| panic!("OpenSSL has no {of:?}"));
            let (begin, end) = (HEADER + ours.iv_len(), HEADER + ours.iv_len() + 64);
            let mut packet = vec![0x5a; end + ours.icv_len() + SLACK];
            let seal = |packet: &mut [u8]| {
                let len = packet.len() - SLACK;
                ours.seal(&mut packet[..len], HEADER, 7, None)
            };
            seal(&mut packet).unwrap_or_else(|e| panic!("{of:?}: {e}"));
            assert_ne!(packet[begin..end], [0x5a; 64], "{of:?}");
            theirs.open(&mut packet);
            assert_eq!(packet[begin..end], [0x5a; 64], "{of:?}");
            theirs.seal(&mut packet, 9);
            let len = packet.len() - SLACK;
            let opened = ours.open(&mut packet[..len], HEADER, None);
            assert_eq!(opened.unwrap_or_else(|e| panic!("{of:?}: {e}")), [0x5a; 64], "{of:?}");
            count += 1;
        }
        assert_eq!(count, legacy_provider().protects.len());
    }
}
