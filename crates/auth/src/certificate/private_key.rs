//! Private keys: PKCS#8 (RFC 5208, also encrypted), SEC1 (RFC 5915) and PKCS#1 (RFC 8017 appendix A.1.2).

use std::fmt;

use handfast_crypto::secret::Secret;
use pkcs8::EncryptedPrivateKeyInfoRef;
use ring::signature::{Ed25519KeyPair, KeyPair, RsaKeyPair};
use rsa::pkcs1::DecodeRsaPrivateKey;

use super::algorithm::ED25519;
use super::der::{Der, DerError, tag};
use super::public_key::{Curve, EC, KeyError, PublicKey, RSA};

/// A private key in memory. `Debug` shows the kind only.
pub struct PrivateKey {
    pub(super) public: PublicKey,
    pub(super) kind: Kind,
}

/// The key as each library wants it.
pub(super) enum Kind {
    /// ring signs with it; `rsa` does what ring does not: SHA-1, and the bare hashes of IKEv1.
    Rsa {
        ring: RsaKeyPair,
        bare: Box<rsa::PrivateKey>,
    },
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(Ed25519KeyPair),
}

/// Why a private key is not usable.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// It cannot be read.
    #[error("the private key cannot be read ({0})")]
    Malformed(#[from] DerError),
    /// Its public half is not usable.
    #[error(transparent)]
    Public(#[from] KeyError),
    /// Its numbers do not belong together.
    #[error("the private key is no valid {0} key")]
    Invalid(&'static str),
    /// ring signs with RSA keys up to 4096 bits.
    #[error("an RSA key of {0} bits cannot sign here; 2048 to 4096 bits can")]
    RsaSize(usize),
    /// It is encrypted.
    #[error("the private key is encrypted and no passphrase is given")]
    Encrypted,
    /// It is encrypted with another passphrase.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// It is encrypted in a way that is not supported.
    #[error("the private key is encrypted in an outdated way; `openssl pkcs8 -topk8 -in OLD -out NEW` converts it")]
    Encryption,
}

/// A passphrase that is tried is stretched this often at most: a second's work.
pub(super) const MOST_ITERATIONS: u32 = 10_000_000;

impl PrivateKey {
    /// Reads PKCS#8, SEC1 or PKCS#1, whichever it is, not encrypted.
    ///
    /// # Errors
    /// [`PrivateKeyError`].
    pub fn from_der(octets: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut fields = Der::new(octets).sequence("private key")?;
        let version = fields.small("version")?;
        match (version, fields.peek()) {
            (0 | 1, Some(tag::SEQUENCE)) => Self::from_pkcs8(octets),
            (1, Some(tag::OCTET_STRING)) => Self::from_sec1(octets, None),
            (0, Some(tag::INTEGER)) => Self::from_pkcs1(octets),
            _ => Err(PrivateKeyError::Invalid("PKCS#8, SEC1 or PKCS#1")),
        }
    }

    /// Reads an EncryptedPrivateKeyInfo: PBES2 with PBKDF2 or scrypt and AES.
    ///
    /// # Errors
    /// [`PrivateKeyError`].
    pub fn from_encrypted(octets: &[u8], passphrase: Option<&Secret>) -> Result<Self, PrivateKeyError> {
        let passphrase = passphrase.ok_or(PrivateKeyError::Encrypted)?;
        let sealed = EncryptedPrivateKeyInfoRef::try_from(octets).map_err(|_| PrivateKeyError::Encryption)?;
        let parameters = sealed.encryption_algorithm.pbes2().ok_or(PrivateKeyError::Encryption)?;
        if parameters
            .kdf
            .pbkdf2()
            .is_some_and(|kdf| kdf.iteration_count > MOST_ITERATIONS)
        {
            return Err(PrivateKeyError::Encryption);
        }
        let opened = sealed.decrypt(passphrase.as_bytes()).map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) => PrivateKeyError::Passphrase,
            pkcs8::Error::EncryptedPrivateKey(_) => PrivateKeyError::Encryption,
            _ => PrivateKeyError::Passphrase,
        })?;
        Self::from_pkcs8(opened.as_bytes()).map_err(|error| match error {
            // A wrong passphrase leaves padding that is right once in 256 times, and then noise.
            PrivateKeyError::Malformed(_) => PrivateKeyError::Passphrase,
            other => other,
        })
    }

    fn from_pkcs8(octets: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut outer = Der::new(octets);
        let mut info = outer.sequence("PrivateKeyInfo")?;
        outer.end("PrivateKeyInfo")?;
        info.small("version")?;
        let mut algorithm = info.sequence("key algorithm")?;
        let oid = algorithm.oid("key algorithm")?;
        let key = info.value(tag::OCTET_STRING, "privateKey")?;
        match oid {
            RSA => Self::from_pkcs1(key),
            EC => {
                let curve = algorithm.oid("curve")?;
                let curve = Curve::from_oid(curve).ok_or_else(|| KeyError::Unknown(super::der::dotted(curve)))?;
                Self::from_sec1(key, Some(curve))
            }
            ED25519 => {
                let seed = Der::new(key).value(tag::OCTET_STRING, "Ed25519 key")?;
                let pair =
                    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| PrivateKeyError::Invalid("Ed25519"))?;
                let public = pair.public_key().as_ref().try_into();
                Ok(Self {
                    public: PublicKey::Ed25519(public.map_err(|_| PrivateKeyError::Invalid("Ed25519"))?),
                    kind: Kind::Ed25519(pair),
                })
            }
            other => Err(KeyError::Unknown(super::der::dotted(other)).into()),
        }
    }

    fn from_pkcs1(octets: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut numbers = Der::new(octets).sequence("RSAPrivateKey")?;
        numbers.small("version")?;
        let public = PublicKey::rsa(numbers.unsigned("modulus")?, numbers.unsigned("exponent")?)?;
        let ring = RsaKeyPair::from_der(octets).map_err(|_| match &public {
            PublicKey::Rsa(key) if key.bits() > 4096 => PrivateKeyError::RsaSize(key.bits()),
            _ => PrivateKeyError::Invalid("RSA"),
        })?;
        let bare = rsa::PrivateKey::from_pkcs1_der(octets).map_err(|_| PrivateKeyError::Invalid("RSA"))?;
        Ok(Self {
            public,
            kind: Kind::Rsa {
                ring,
                bare: Box::new(bare),
            },
        })
    }

    fn from_sec1(octets: &[u8], named: Option<Curve>) -> Result<Self, PrivateKeyError> {
        let mut fields = Der::new(octets).sequence("ECPrivateKey")?;
        fields.small("version")?;
        let scalar = fields.value(tag::OCTET_STRING, "privateKey")?;
        let inner = match fields.optional(tag::constructed(0), "curve")? {
            Some(parameters) => Curve::from_oid(Der::new(parameters).oid("curve")?),
            None => None,
        };
        let invalid = PrivateKeyError::Invalid("ECDSA");
        let curve = named
            .or(inner)
            .ok_or(KeyError::Unsupported("EC keys without a named curve"))?;
        macro_rules! load {
            ($module:ident, $kind:ident) => {{
                let key = $module::ecdsa::SigningKey::from_slice(scalar).map_err(|_| invalid)?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                (point, Kind::$kind(key))
            }};
        }
        let (point, kind) = match curve {
            Curve::P256 => load!(p256, P256),
            Curve::P384 => load!(p384, P384),
            Curve::P521 => load!(p521, P521),
        };
        let public = PublicKey::Ec(curve, point);
        Ok(Self { public, kind })
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public)
    }
}
