//! AES-CBC with HMAC: encrypt, then authenticate (RFC 3602, RFC 2404, RFC 4868; RFC 7296 section 3.14).

use core::marker::PhantomData;

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit,
    KeySizeUser,
};
use aes::{Aes128, Aes192, Aes256};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::keyed;
use crate::provider::{CryptoError, Protect, ProtectAlgorithm};
use crate::providers::packet;
use crate::transform::{Encr, Integ};

const BLOCK: usize = 16;

/// Every combination of key size and HMAC.
pub(in crate::providers) static PROTECTS: [&dyn ProtectAlgorithm; 12] = [
    &CbcHmac::<Aes256, Hmac<Sha256>>::new(256, SHA256),
    &CbcHmac::<Aes192, Hmac<Sha256>>::new(192, SHA256),
    &CbcHmac::<Aes128, Hmac<Sha256>>::new(128, SHA256),
    &CbcHmac::<Aes256, Hmac<Sha384>>::new(256, SHA384),
    &CbcHmac::<Aes192, Hmac<Sha384>>::new(192, SHA384),
    &CbcHmac::<Aes128, Hmac<Sha384>>::new(128, SHA384),
    &CbcHmac::<Aes256, Hmac<Sha512>>::new(256, SHA512),
    &CbcHmac::<Aes192, Hmac<Sha512>>::new(192, SHA512),
    &CbcHmac::<Aes128, Hmac<Sha512>>::new(128, SHA512),
    &CbcHmac::<Aes256, Hmac<Sha1>>::new(256, SHA1),
    &CbcHmac::<Aes192, Hmac<Sha1>>::new(192, SHA1),
    &CbcHmac::<Aes128, Hmac<Sha1>>::new(128, SHA1),
];

const SHA1: Authentication = Authentication::new(Integ::HMAC_SHA1_96, 20, 12);
const SHA256: Authentication = Authentication::new(Integ::HMAC_SHA2_256_128, 32, 16);
const SHA384: Authentication = Authentication::new(Integ::HMAC_SHA2_384_192, 48, 24);
const SHA512: Authentication = Authentication::new(Integ::HMAC_SHA2_512_256, 64, 32);

/// Sizes of an HMAC as integrity algorithm.
#[derive(Clone, Copy)]
struct Authentication {
    id: Integ,
    key_len: usize,
    icv_len: usize,
}

impl Authentication {
    const fn new(id: Integ, key_len: usize, icv_len: usize) -> Self {
        Self { id, key_len, icv_len }
    }
}

struct CbcHmac<C, H> {
    key_bits: u16,
    authentication: Authentication,
    algorithms: PhantomData<fn() -> (C, H)>,
}

impl<C, H> CbcHmac<C, H> {
    const fn new(key_bits: u16, authentication: Authentication) -> Self {
        Self {
            key_bits,
            authentication,
            algorithms: PhantomData,
        }
    }
}

impl<C, H> ProtectAlgorithm for CbcHmac<C, H>
where
    C: KeyInit + KeySizeUser + BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16>,
    C: Send + Sync + 'static,
    H: Mac + hmac::KeyInit + Clone + Send + Sync + 'static,
{
    fn encr(&self) -> Encr {
        Encr::aes_cbc(self.key_bits)
    }

    fn integ(&self) -> Option<Integ> {
        Some(self.authentication.id)
    }

    fn encr_key_len(&self) -> usize {
        usize::from(self.key_bits / 8)
    }

    fn integ_key_len(&self) -> usize {
        self.authentication.key_len
    }

    fn key(&self, encr_key: &[u8], integ_key: &[u8]) -> Result<Box<dyn Protect>, CryptoError> {
        // A key of another size than RFC 4868 section 2.1.1 fixes is no mistake that HMAC would notice.
        if integ_key.len() != self.authentication.key_len {
            return Err(CryptoError::Length);
        }
        Ok(Box::new(CbcHmacKey::<C, H> {
            cipher: C::new_from_slice(encr_key).map_err(|_| CryptoError::Length)?,
            hmac: keyed::<H>(integ_key),
            icv_len: self.authentication.icv_len,
        }))
    }
}

/// Prepared keys: the cipher's schedule, and an HMAC that has taken in its key.
struct CbcHmacKey<C, H> {
    cipher: C,
    hmac: H,
    icv_len: usize,
}

impl<C, H> CbcHmacKey<C, H>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    H: Mac + Clone,
{
    /// RFC 3602 section 3 wants an IV that cannot be predicted. This is the first method of NIST SP 800-38A, appendix
    /// C: the forward cipher under the key of the data, applied to a nonce, which here is the packet's counter.
    fn iv(&self, counter: u64) -> Array<u8, U16> {
        let mut block = Array::from(u128::from(counter).to_be_bytes());
        self.cipher.encrypt_block(&mut block);
        block
    }

    /// The HMAC over everything before the ICV, and then over the upper half of an extended sequence number, which is
    /// not sent (RFC 4303 section 2.2.1).
    fn authenticate(&self, covered: &[u8], esn_high: Option<u32>) -> H {
        let mut hmac = self.hmac.clone();
        hmac.update(covered);
        if let Some(high) = esn_high {
            hmac.update(&high.to_be_bytes());
        }
        hmac
    }
}

impl<C, H> Protect for CbcHmacKey<C, H>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
    H: Mac + Clone + Send + Sync,
{
    fn iv_len(&self) -> usize {
        BLOCK
    }

    fn icv_len(&self) -> usize {
        self.icv_len
    }

    fn block_len(&self) -> usize {
        BLOCK
    }

    fn seal(&self, packet: &mut [u8], header_len: usize, counter: u64, esn: Option<u32>) -> Result<(), CryptoError> {
        let parts = packet::split::<BLOCK>(packet, header_len, self.icv_len).ok_or(CryptoError::Length)?;
        let (blocks, []) = Array::slice_as_chunks_mut(parts.body) else {
            return Err(CryptoError::Length);
        };
        let iv = self.iv(counter);
        parts.iv.copy_from_slice(&iv);
        cbc::Encryptor::inner_iv_init(&self.cipher, &iv).encrypt_blocks(blocks);
        let covered_len = packet.len() - self.icv_len;
        let (covered, icv) = packet.split_at_mut(covered_len);
        let output = self.authenticate(covered, esn).finalize();
        let output = output.as_bytes().get(..self.icv_len).ok_or(CryptoError::Length)?;
        icv.copy_from_slice(output);
        Ok(())
    }

    fn open<'p>(&self, packet: &'p mut [u8], header_len: usize, esn: Option<u32>) -> Result<&'p mut [u8], CryptoError> {
        let covered_len = packet.len().checked_sub(self.icv_len).ok_or(CryptoError::Integrity)?;
        let (covered, icv) = packet.split_at_mut(covered_len);
        // In constant time, and before anything is decrypted, so that padding is no oracle.
        self.authenticate(covered, esn)
            .verify_truncated_left(icv)
            .map_err(|_| CryptoError::Integrity)?;
        let (_, rest) = covered.split_at_mut_checked(header_len).ok_or(CryptoError::Integrity)?;
        let (iv, body) = rest.split_first_chunk_mut::<BLOCK>().ok_or(CryptoError::Integrity)?;
        let (blocks, []) = Array::slice_as_chunks_mut(body) else {
            return Err(CryptoError::Integrity);
        };
        cbc::Decryptor::inner_iv_init(&self.cipher, &Array::from(*iv)).decrypt_blocks(blocks);
        Ok(body)
    }
}
