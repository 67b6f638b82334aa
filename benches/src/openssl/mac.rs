//! HMAC and AES as a MAC. Both are put together from OpenSSL's digest and its CBC mode, which costs less than its own
//! interface to either: that sets up a context with its key each time.

use handfast_crypto::transform::Integ;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::md::Md;
use openssl::md_ctx::MdCtx;

/// HMAC (RFC 2104): two digests.
pub struct Hmac {
    digest: Md,
    context: MdCtx,
    block: usize,
    inner: [u8; 128],
    outer: [u8; 128],
}

impl Hmac {
    /// With OpenSSL's digest of this name, and no key yet.
    pub fn new(digest: &str) -> Self {
        let digest = Md::fetch(None, digest, None).unwrap_or_else(|e| panic!("{digest}: {e}"));
        Self {
            block: digest.block_size(),
            digest,
            context: MdCtx::new().unwrap_or_else(|e| panic!("{e}")),
            inner: [0x36; 128],
            outer: [0x5c; 128],
        }
    }

    /// A key of at most one block.
    pub fn set_key(&mut self, key: &[u8]) {
        assert!(key.len() <= self.block, "it is not hashed first");
        (self.inner, self.outer) = ([0x36; 128], [0x5c; 128]);
        for (octet, pads) in key.iter().zip(self.inner.iter_mut().zip(&mut self.outer)) {
            *pads.0 ^= octet;
            *pads.1 ^= octet;
        }
    }

    /// The whole MAC in the first octets of `out`, and how many they are.
    pub fn compute(&mut self, data: &[u8], out: &mut [u8; 64]) -> usize {
        let mut run = |pad: &[u8], data: &[u8], out: &mut [u8]| {
            self.context.digest_init(&self.digest)?;
            self.context.digest_update(pad)?;
            self.context.digest_update(data)?;
            self.context.digest_final(out)
        };
        let mut inner = [0; 64];
        let both = run(&self.inner[..self.block], data, &mut inner)
            .and_then(|len| run(&self.outer[..self.block], &inner[..len], out));
        both.unwrap_or_else(|e| panic!("{e}"))
    }
}

const BLOCK: usize = 16;

/// AES-XCBC-MAC (RFC 3566) or AES-CMAC (RFC 4493): CBC whose last block is the MAC.
pub struct AesMac {
    context: CipherCtx,
    xcbc: bool,
    whole: u128,
    padded: u128,
    buffer: Vec<u8>,
}

impl AesMac {
    /// Without a key yet.
    pub fn new(xcbc: bool) -> Self {
        let prepared = || {
            let cipher = Cipher::fetch(None, "AES-128-CBC", None)?;
            let mut context = CipherCtx::new()?;
            context.encrypt_init(Some(&cipher), None, None)?;
            context.set_padding(false);
            Ok(context)
        };
        Self {
            context: prepared().unwrap_or_else(|e: openssl::error::ErrorStack| panic!("{e}")),
            xcbc,
            whole: 0,
            padded: 0,
            buffer: Vec::new(),
        }
    }

    /// Takes in a key.
    pub fn set_key(&mut self, key: &[u8; BLOCK]) {
        self.begin(Some(key));
        if self.xcbc {
            let derived = [1, 2, 3].map(|octet| {
                self.begin(None);
                self.block([octet; BLOCK])
            });
            (self.whole, self.padded) = (u128::from_be_bytes(derived[1]), u128::from_be_bytes(derived[2]));
            self.begin(Some(&derived[0]));
        } else {
            let double = |value: u128| (value << 1) ^ (0x87 * (value >> 127));
            self.whole = double(u128::from_be_bytes(self.block([0; BLOCK])));
            self.padded = double(self.whole);
        }
    }

    fn begin(&mut self, key: Option<&[u8; BLOCK]>) {
        let key = key.map(|key| &key[..]);
        let begun = self.context.encrypt_init(None, key, Some(&[0; BLOCK]));
        begun.unwrap_or_else(|e| panic!("{e}"));
    }

    fn block(&mut self, block: [u8; BLOCK]) -> [u8; BLOCK] {
        let mut out = [0; 2 * BLOCK];
        let done = self.context.cipher_update(&block, Some(&mut out));
        done.unwrap_or_else(|e| panic!("{e}"));
        out.first_chunk().copied().unwrap_or_default()
    }

    /// The MAC.
    pub fn compute(&mut self, data: &[u8]) -> [u8; BLOCK] {
        let whole = !data.is_empty() && data.len().is_multiple_of(BLOCK);
        self.buffer.clear();
        self.buffer.extend_from_slice(data);
        if !whole {
            self.buffer.push(0x80);
        }
        let len = self.buffer.len().next_multiple_of(BLOCK);
        // OpenSSL's interface asks for a block of room.
        self.buffer.resize(len + BLOCK, 0);
        let last = &mut self.buffer[len - BLOCK..len];
        let key = if whole { self.whole } else { self.padded };
        for (place, octet) in last.iter_mut().zip(key.to_be_bytes()) {
            *place ^= octet;
        }
        self.begin(None);
        let done = self.context.cipher_update_inplace(&mut self.buffer, len);
        done.unwrap_or_else(|e| panic!("{e}"));
        self.buffer[..len].last_chunk().copied().unwrap_or_default()
    }
}

/// Either, as an integrity algorithm with its key.
pub enum Mac {
    /// By a digest.
    Hmac(Hmac),
    /// By AES.
    Aes(AesMac),
}

impl Mac {
    /// The algorithm of this number.
    pub fn keyed(integ: Integ, key: &[u8]) -> Option<Self> {
        let digest = match integ {
            Integ::HMAC_MD5_96 => "MD5",
            Integ::HMAC_SHA1_96 => "SHA1",
            Integ::HMAC_SHA2_256_128 => "SHA256",
            Integ::HMAC_SHA2_384_192 => "SHA384",
            Integ::HMAC_SHA2_512_256 => "SHA512",
            Integ::AES_XCBC_96 | Integ::AES_CMAC_96 => {
                let mut mac = AesMac::new(integ == Integ::AES_XCBC_96);
                mac.set_key(key.try_into().ok()?);
                return Some(Self::Aes(mac));
            }
            _ => return None,
        };
        let mut mac = Hmac::new(digest);
        mac.set_key(key);
        Some(Self::Hmac(mac))
    }

    /// The first octets of the MAC.
    pub fn compute(&mut self, data: &[u8], icv: &mut [u8]) {
        match self {
            Self::Hmac(mac) => {
                let mut out = [0; 64];
                mac.compute(data, &mut out);
                icv.copy_from_slice(&out[..icv.len()]);
            }
            Self::Aes(mac) => icv.copy_from_slice(&mac.compute(data)[..icv.len()]),
        }
    }
}
