//! Ciphers without integrity protection of their own: AES-CBC (RFC 3602), 3DES in CBC mode (RFC 2451), and AES-CTR
//! (RFC 3686, RFC 5930).

use core::marker::PhantomData;

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit,
    KeySizeUser, StreamCipherCore,
};
use aes::{Aes128, Aes192, Aes256};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use des::TdesEde3;
use zeroize::Zeroizing;

use crate::provider::{self, CbcAlgorithm, CryptoError};
use crate::transform::Encr;

/// Every cipher.
pub(super) const CIPHERS: [&dyn CipherAlgorithm; 6] = [
    &Cbc::<Aes256>::new(Encr::aes_cbc(256)),
    &Cbc::<Aes192>::new(Encr::aes_cbc(192)),
    &Cbc::<Aes128>::new(Encr::aes_cbc(128)),
    &Ctr::<Aes256>::new(Encr::aes_ctr(256)),
    &Ctr::<Aes192>::new(Encr::aes_ctr(192)),
    &Ctr::<Aes128>::new(Encr::aes_ctr(128)),
];

/// What only the legacy provider has.
pub(super) const LEGACY_CIPHERS: [&dyn CipherAlgorithm; 1] = [&Cbc::<TdesEde3>::new(Encr::TRIPLE_DES)];

/// The ciphers of ISAKMP messages.
pub(in super::super) static CBCS: [&dyn CbcAlgorithm; 3] = [
    &Cbc::<Aes256>::new(Encr::aes_cbc(256)),
    &Cbc::<Aes192>::new(Encr::aes_cbc(192)),
    &Cbc::<Aes128>::new(Encr::aes_cbc(128)),
];

/// What only the legacy provider has of them.
pub(in super::super) static LEGACY_CBCS: [&dyn CbcAlgorithm; 1] = [&Cbc::<TdesEde3>::new(Encr::TRIPLE_DES)];

/// A cipher, ready to be keyed.
pub(super) trait CipherAlgorithm: Send + Sync {
    /// Which it is.
    fn id(&self) -> Encr;
    /// Octets of key material.
    fn key_len(&self) -> usize;
    /// Takes in its key.
    fn key(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError>;
}

/// A cipher that has its key. The lengths of IVs are checked by whoever calls: another is taken for a failure.
pub(super) trait Cipher: Send + Sync {
    /// Octets of explicit IV.
    fn iv_len(&self) -> usize;
    /// What it encrypts must be a multiple of this.
    fn block_len(&self) -> usize;
    /// Makes the IV of the packet with this number.
    fn make_iv(&self, counter: u64, iv: &mut [u8]);
    /// Encrypts in place; `None` when a length is wrong.
    fn encrypt(&self, iv: &[u8], body: &mut [u8]) -> Option<()>;
    /// Decrypts in place; `None` when a length is wrong.
    fn decrypt(&self, iv: &[u8], body: &mut [u8]) -> Option<()>;
}

struct Cbc<C> {
    id: Encr,
    cipher: PhantomData<fn() -> C>,
}

impl<C> Cbc<C> {
    const fn new(id: Encr) -> Self {
        Self {
            id,
            cipher: PhantomData,
        }
    }
}

impl<C> CipherAlgorithm for Cbc<C>
where
    C: KeyInit + KeySizeUser + BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync + 'static,
{
    fn id(&self) -> Encr {
        self.id
    }

    fn key_len(&self) -> usize {
        C::key_size()
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        Ok(Box::new(CbcKey(
            C::new_from_slice(key).map_err(|_| CryptoError::Length)?,
        )))
    }
}

impl<C> CbcAlgorithm for Cbc<C>
where
    C: KeyInit + KeySizeUser + BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync + 'static,
{
    fn encr(&self) -> Encr {
        self.id
    }

    fn key_len(&self) -> usize {
        C::key_size()
    }

    fn block_len(&self) -> usize {
        C::block_size()
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn provider::Cbc>, CryptoError> {
        let key = C::new_from_slice(key).map_err(|_| CryptoError::Length)?;
        Ok(Box::new(CbcKey(key)))
    }
}

struct CbcKey<C>(C);

impl<C: BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync> provider::Cbc for CbcKey<C> {
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        Cipher::encrypt(self, iv, data).ok_or(CryptoError::Length)
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        Cipher::decrypt(self, iv, data).ok_or(CryptoError::Length)
    }
}

impl<C: BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync> Cipher for CbcKey<C> {
    fn iv_len(&self) -> usize {
        C::block_size()
    }

    fn block_len(&self) -> usize {
        C::block_size()
    }

    /// RFC 3602 section 3 wants an IV that cannot be predicted. This is the first method of NIST SP 800-38A, appendix
    /// C: the forward cipher under the key of the data, applied to a nonce, which here is the packet's counter.
    fn make_iv(&self, counter: u64, iv: &mut [u8]) {
        let mut block = Array::<u8, C::BlockSize>::default();
        if let Some(end) = block.last_chunk_mut() {
            *end = counter.to_be_bytes();
        }
        self.0.encrypt_block(&mut block);
        iv.copy_from_slice(&block);
    }

    fn encrypt(&self, iv: &[u8], body: &mut [u8]) -> Option<()> {
        let (blocks, []) = Array::slice_as_chunks_mut(body) else {
            return None;
        };
        cbc::Encryptor::inner_iv_init(&self.0, iv.try_into().ok()?).encrypt_blocks(blocks);
        Some(())
    }

    fn decrypt(&self, iv: &[u8], body: &mut [u8]) -> Option<()> {
        let (blocks, []) = Array::slice_as_chunks_mut(body) else {
            return None;
        };
        cbc::Decryptor::inner_iv_init(&self.0, iv.try_into().ok()?).decrypt_blocks(blocks);
        Some(())
    }
}

/// Octets of the nonce at the end of the key material (RFC 3686 section 5.1), and of the explicit IV.
const NONCE_LEN: usize = 4;
const IV_LEN: usize = 8;

struct Ctr<C> {
    id: Encr,
    cipher: PhantomData<fn() -> C>,
}

impl<C> Ctr<C> {
    const fn new(id: Encr) -> Self {
        Self {
            id,
            cipher: PhantomData,
        }
    }
}

impl<C> CipherAlgorithm for Ctr<C>
where
    C: KeyInit + KeySizeUser + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync + 'static,
{
    fn id(&self) -> Encr {
        self.id
    }

    fn key_len(&self) -> usize {
        C::key_size() + NONCE_LEN
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        let (key, nonce) = key.split_last_chunk::<NONCE_LEN>().ok_or(CryptoError::Length)?;
        Ok(Box::new(CtrKey {
            cipher: C::new_from_slice(key).map_err(|_| CryptoError::Length)?,
            nonce: Zeroizing::new(*nonce),
        }))
    }
}

struct CtrKey<C> {
    cipher: C,
    nonce: Zeroizing<[u8; NONCE_LEN]>,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync> Cipher for CtrKey<C> {
    fn iv_len(&self) -> usize {
        IV_LEN
    }

    fn block_len(&self) -> usize {
        1
    }

    /// RFC 3686 section 3.1: any, so long as it never repeats for a key.
    fn make_iv(&self, counter: u64, iv: &mut [u8]) {
        iv.copy_from_slice(&counter.to_be_bytes());
    }

    fn encrypt(&self, iv: &[u8], body: &mut [u8]) -> Option<()> {
        // RFC 3686 section 4: nonce, IV, and a block counter that starts with one.
        let mut block = Zeroizing::new([0; 16]);
        let (nonce, rest) = block.split_first_chunk_mut()?;
        *nonce = *self.nonce;
        let (explicit, count) = rest.split_first_chunk_mut::<IV_LEN>()?;
        *explicit = iv.try_into().ok()?;
        count.copy_from_slice(&1_u32.to_be_bytes());
        CtrCore::<_, Ctr32BE>::inner_iv_init(&self.cipher, &Array::from(*block))
            .try_apply_keystream_partial(body.into())
            .ok()
    }

    fn decrypt(&self, iv: &[u8], body: &mut [u8]) -> Option<()> {
        self.encrypt(iv, body)
    }
}
