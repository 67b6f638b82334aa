//! A holder of an RSA key that signs what no honest signer does.

use std::fmt;
use std::sync::{Arc, OnceLock};

use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::public_key::RsaKey;
use handfast_auth::certificate::{Form, LocalSigner, PrivateKey, PublicKey, SignError, Signer};
use handfast_crypto::hash::Hash;
use handfast_crypto::system_random;
use num_bigint::BigUint;

/// Makes the octets of a signature from the forger, and the contents that an honest signer would have padded.
pub type Make = Box<dyn Fn(&RsaForger, &[u8]) -> Vec<u8> + Send + Sync>;

/// See the module.
pub struct RsaForger {
    public: PublicKey,
    n: BigUint,
    d: BigUint,
    /// Octets of the modulus.
    pub octets: usize,
    make: Make,
}

/// DigestInfo of SHA-256 without the hash (RFC 8017 section 9.2).
pub const SHA256_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];

/// An RSA key of 2048 bits, the same for a whole run, in PKCS#8.
fn shared_key() -> &'static [u8] {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(|| {
        let made = generate(KeyKind::Rsa(2048), &*system_random());
        made.unwrap_or_else(|e| panic!("no key: {e}")).as_bytes().to_vec()
    })
}

/// An honest signer with an RSA key of 2048 bits; making one anew takes long.
pub fn honest() -> Arc<dyn Signer> {
    let key = PrivateKey::from_der(shared_key()).unwrap_or_else(|e| panic!("the new key does not read: {e}"));
    Arc::new(LocalSigner::new(key, system_random()))
}

impl RsaForger {
    /// With the key of [`honest`].
    pub fn signer(make: Make) -> Arc<dyn Signer> {
        Self::posing(None, make)
    }

    /// The same, which passes for the holder of another key.
    pub fn posing(other: Option<RsaKey>, make: Make) -> Arc<dyn Signer> {
        let [n, d] = numbers(shared_key());
        let honest = RsaKey {
            n: n.clone(),
            e: vec![1, 0, 1],
        };
        Arc::new(Self {
            public: PublicKey::Rsa(other.unwrap_or(honest)),
            octets: n.len(),
            n: BigUint::from_bytes_be(&n),
            d: BigUint::from_bytes_be(&d),
            make,
        })
    }

    /// The modulus.
    pub fn modulus(&self) -> Vec<u8> {
        self.n.to_bytes_be()
    }

    /// The private operation on any block.
    pub fn raw(&self, block: &[u8]) -> Vec<u8> {
        self.padded(&BigUint::from_bytes_be(block).modpow(&self.d, &self.n))
    }

    /// 00 01, this padding, 00 and the contents; what is missing at the end is zeros.
    pub fn block(&self, padding: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut block = [&[0, 1], padding, &[0], contents].concat();
        block.resize(self.octets, 0);
        block
    }

    /// The block of an honest signer around these contents.
    pub fn honest_block(&self, contents: &[u8]) -> Vec<u8> {
        self.block(&vec![0xff; self.octets - 3 - contents.len()], contents)
    }

    /// The smallest number whose cube begins like `block`, which is its signature where e = 3 and only the beginning is
    /// looked at.
    pub fn cube_root(&self, block: &[u8]) -> Vec<u8> {
        let root = BigUint::from_bytes_be(block).cbrt() + 1u32;
        let cube = self.padded(&(&root * &root * &root));
        let looked_at = self.octets / 4;
        assert!(cube[..looked_at] == block[..looked_at], "that would deceive nobody");
        self.padded(&root)
    }

    fn padded(&self, number: &BigUint) -> Vec<u8> {
        let short = number.to_bytes_be();
        let mut long = vec![0; self.octets.saturating_sub(short.len())];
        long.extend(short);
        long
    }
}

impl Signer for RsaForger {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, form: Form, octets: &[u8]) -> Result<Vec<u8>, SignError> {
        let contents = match form {
            Form::RsaBare => octets.to_vec(),
            _ => [&SHA256_INFO, &Hash::Sha256.digest(&[octets])[..]].concat(),
        };
        Ok((self.make)(self, &contents))
    }
}

impl fmt::Debug for RsaForger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaForger({})", self.public)
    }
}

/// n and d of a key in PKCS#8.
fn numbers(pkcs8: &[u8]) -> [Vec<u8>; 2] {
    let (_, fields, _) = read(pkcs8);
    let (_, _, rest) = read(fields);
    let (_, _, rest) = read(rest);
    let (_, pkcs1, _) = read(rest);
    let (_, fields, _) = read(pkcs1);
    let (_, _, rest) = read(fields);
    let (_, n, rest) = read(rest);
    let (_, _, rest) = read(rest);
    let (_, d, _) = read(rest);
    [n, d].map(|number| number.iter().copied().skip_while(|octet| *octet == 0).collect())
}

/// Tag and contents of an element of our own making, and what follows.
fn read(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, length) = match usize::from(der[1]) {
        short @ 0..=0x7f => (2, short),
        long => {
            let octets = &der[2..2 + (long & 0x7f)];
            let length = octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            (2 + octets.len(), length)
        }
    };
    (der[0], &der[start..start + length], &der[start + length..])
}
