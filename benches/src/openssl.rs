//! The same by the system's OpenSSL: Diffie-Hellman exchanges here, ciphers, MACs and signatures below.

pub mod cipher;
pub mod mac;
pub mod signature;

use handfast_crypto::transform::Group;
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};

/// A MODP group by `BN_mod_exp` with the exponent marked secret, which is `BN_mod_exp_mont_consttime`: no more than the
/// exponentiation, with exponents as short as ours. (Its EVP interface checks public values by a second exponentiation.)
pub struct Modp {
    prime: BigNum,
    two: BigNum,
    private_len: usize,
    context: BigNumContext,
}

impl Modp {
    /// Over this prime, with private values of this many octets.
    pub fn new(prime: &[u8], private_len: usize) -> Self {
        let number = |octets| BigNum::from_slice(octets).unwrap_or_else(|e| panic!("{e}"));
        Self {
            prime: number(prime),
            two: number(&[2]),
            private_len,
            context: BigNumContext::new().unwrap_or_else(|e| panic!("{e}")),
        }
    }

    fn power(&mut self, base: &[u8], exponent: &BigNum) -> Vec<u8> {
        let mut run = || {
            let mut result = BigNum::new()?;
            let base = BigNum::from_slice(base)?;
            result.mod_exp(&base, exponent, &self.prime, &mut self.context)?;
            result.to_vec_padded(self.prime.num_bytes())
        };
        run().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Key generation: private and public value.
    pub fn generate(&mut self) -> (BigNum, Vec<u8>) {
        let mut octets = vec![0; self.private_len];
        getrandom::fill(&mut octets).unwrap_or_else(|e| panic!("{e}"));
        octets[0] |= 0x80;
        let mut exponent = BigNum::new_secure().unwrap_or_else(|e| panic!("{e}"));
        exponent.copy_from_slice(&octets).unwrap_or_else(|e| panic!("{e}"));
        exponent.set_const_time();
        let two = self.two.to_vec();
        let public = self.power(&two, &exponent);
        (exponent, public)
    }

    /// The shared secret.
    pub fn agree(&mut self, private: &BigNum, peer: &[u8]) -> Vec<u8> {
        self.power(peer, private)
    }
}

/// A curve, through EVP.
pub enum Curve {
    /// X25519.
    Montgomery,
    /// The others.
    Weierstrass(EcGroup),
}

impl Curve {
    /// The curve of this group, where OpenSSL has it.
    pub fn of(group: Group) -> Option<Self> {
        let nid = match group {
            Group::X25519 => return Some(Self::Montgomery),
            Group::ECP256 => Nid::X9_62_PRIME256V1,
            Group::ECP384 => Nid::SECP384R1,
            Group::ECP521 => Nid::SECP521R1,
            Group::BRAINPOOL256 => Nid::BRAINPOOL_P256R1,
            Group::BRAINPOOL384 => Nid::BRAINPOOL_P384R1,
            _ => return None,
        };
        EcGroup::from_curve_name(nid).ok().map(Self::Weierstrass)
    }

    /// Key generation.
    pub fn generate(&self) -> PKey<Private> {
        let key = match self {
            Self::Montgomery => PKey::generate_x25519(),
            Self::Weierstrass(group) => EcKey::generate(group).and_then(PKey::from_ec_key),
        };
        key.unwrap_or_else(|e| panic!("{e}"))
    }

    /// A public key for the other side, in the form that the agreement takes.
    pub fn agree(&self, private: &PKey<Private>, peer: &PKey<openssl::pkey::Public>) -> Vec<u8> {
        let mut deriver = Deriver::new(private).unwrap_or_else(|e| panic!("{e}"));
        let derive = deriver.set_peer(peer).and_then(|()| deriver.derive_to_vec());
        derive.unwrap_or_else(|e| panic!("{e}"))
    }

    /// The public half.
    pub fn public(&self, key: &PKey<Private>) -> PKey<openssl::pkey::Public> {
        let public = match self {
            Self::Montgomery => key
                .raw_public_key()
                .and_then(|raw| PKey::public_key_from_raw_bytes(&raw, Id::X25519)),
            Self::Weierstrass(group) => key
                .ec_key()
                .and_then(|key| EcKey::from_public_key(group, key.public_key()))
                .and_then(PKey::from_ec_key),
        };
        public.unwrap_or_else(|e| panic!("{e}"))
    }
}
