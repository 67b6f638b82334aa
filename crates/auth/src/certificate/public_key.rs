//! Public keys: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7, RFC 3279, RFC 5480, RFC 8410).

use std::fmt;

use super::algorithm::ED25519;
use super::der::{Der, DerError, dotted, element, tag, unsigned_integer};

/// A public key that signatures can be checked with.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PublicKey {
    /// RSA.
    Rsa(RsaKey),
    /// A point of a curve of NIST.
    Ec(Curve, Vec<u8>),
    /// Ed25519.
    Ed25519([u8; 32]),
}

/// Modulus and exponent of RSA.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RsaKey {
    /// n, big-endian, without leading zeros.
    pub n: Vec<u8>,
    /// e, big-endian, without leading zeros.
    pub e: Vec<u8>,
}

/// The curves that IKE signs with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

/// Why a public key is not usable.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be read.
    #[error("the public key cannot be read ({0})")]
    Malformed(#[from] DerError),
    /// It is known, and not supported here.
    #[error("{0} keys are not supported")]
    Unsupported(&'static str),
    /// It is not known.
    #[error("a key of algorithm {0} is not known")]
    Unknown(String),
    /// RSA with a modulus too small or large.
    #[error("an RSA key of {0} bits; {SMALLEST} to {LARGEST} are accepted")]
    RsaSize(usize),
    /// RSA with numbers that no sound key has.
    #[error("an RSA key with {0}")]
    RsaOdd(&'static str),
    /// A point that is none of its curve.
    #[error("the public key is no point of its curve")]
    Point,
}

/// RFC 8247 section 4.1 wants 2048 bits.
const SMALLEST: usize = 2048;
/// Checking takes time with the square of the length; whoever sends a longer key wants us to spend it.
const LARGEST: usize = 8192;

pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];

impl PublicKey {
    /// Whether a signature is checked in less than 0.1 ms.
    pub fn is_quick(&self) -> bool {
        /// RSA of 4096 bits with an exponent as it is everywhere.
        const N_LEN: usize = 512;
        const E_LEN: usize = 4;
        match self {
            Self::Rsa(key) => key.n.len() <= N_LEN && key.e.len() <= E_LEN,
            Self::Ec(curve, _) => *curve == Curve::P256,
            Self::Ed25519(_) => true,
        }
    }

    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// If it is malformed, of an unknown kind, or weak.
    pub fn from_spki(octets: &[u8]) -> Result<Self, KeyError> {
        let mut outer = Der::new(octets);
        let mut spki = outer.sequence("SubjectPublicKeyInfo")?;
        outer.end("SubjectPublicKeyInfo")?;
        let mut algorithm = spki.sequence("key algorithm")?;
        let oid = algorithm.oid("key algorithm")?;
        let key = spki.octet_bits("subjectPublicKey")?;
        spki.end("SubjectPublicKeyInfo")?;
        match oid {
            RSA => {
                algorithm.optional(tag::NULL, "key parameters")?;
                algorithm.end("key parameters")?;
                let mut outer = Der::new(key);
                let mut numbers = outer.sequence("RSAPublicKey")?;
                outer.end("RSAPublicKey")?;
                let (n, e) = (numbers.unsigned("modulus")?, numbers.unsigned("exponent")?);
                numbers.end("RSAPublicKey")?;
                Self::rsa(n, e)
            }
            EC => {
                // RFC 5480 section 2.1.1: named curves only, so nobody brings a curve of their own (CVE-2020-0601).
                let curve = algorithm.oid("curve")?;
                algorithm.end("curve")?;
                let curve = Curve::from_oid(curve).ok_or_else(|| match curve {
                    [0x2b, 0x24, ..] => KeyError::Unsupported("Brainpool"),
                    _ => KeyError::Unknown(dotted(curve)),
                })?;
                Self::ec(curve, key)
            }
            ED25519 => {
                algorithm.end("key parameters")?;
                let key = key.try_into().map_err(|_| KeyError::Point)?;
                Ok(Self::Ed25519(key))
            }
            RSA_PSS => Err(KeyError::Unsupported("RSA keys restricted to PSS (id-RSASSA-PSS)")),
            DSA => Err(KeyError::Unsupported("DSA (DSS)")),
            ED448 => Err(KeyError::Unsupported("Ed448")),
            _ => Err(KeyError::Unknown(dotted(oid))),
        }
    }

    /// An RSA key from its numbers.
    ///
    /// # Errors
    /// If it is weak or no RSA key at all (CVE-2017-11185 and its kin: n even, n or e of 0 or 1).
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let bits = match n.first() {
            Some(first) => n.len() * 8 - first.leading_zeros() as usize,
            None => 0,
        };
        if !(SMALLEST..=LARGEST).contains(&bits) {
            return Err(KeyError::RsaSize(bits));
        }
        let odd = |octets: &[u8]| octets.last().is_some_and(|last| last & 1 == 1);
        if !odd(n) {
            return Err(KeyError::RsaOdd("an even modulus"));
        }
        if !odd(e) || e == [1] {
            return Err(KeyError::RsaOdd("an exponent that is even or 1"));
        }
        // What ring and rsa accept; more would only cost time.
        if e.len() > 4 {
            return Err(KeyError::RsaOdd("an exponent of more than 32 bits"));
        }
        Ok(Self::Rsa(RsaKey {
            n: n.to_vec(),
            e: e.to_vec(),
        }))
    }

    /// A point of a curve, uncompressed with the leading 4.
    ///
    /// # Errors
    /// If it is none.
    pub fn ec(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let valid = point.len() == 1 + 2 * curve.field_len()
            && point.first() == Some(&4)
            && match curve {
                Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
            };
        if valid {
            Ok(Self::Ec(curve, point.to_vec()))
        } else {
            Err(KeyError::Point)
        }
    }

    /// Its SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::Rsa(RsaKey { n, e }) => (
                element(tag::SEQUENCE, &[&element(tag::OID, &[RSA]), &[tag::NULL, 0]]),
                element(tag::SEQUENCE, &[&unsigned_integer(n), &unsigned_integer(e)]),
            ),
            Self::Ec(curve, point) => (
                element(
                    tag::SEQUENCE,
                    &[&element(tag::OID, &[EC]), &element(tag::OID, &[curve.oid()])],
                ),
                point.clone(),
            ),
            Self::Ed25519(key) => (element(tag::SEQUENCE, &[&element(tag::OID, &[ED25519])]), key.to_vec()),
        };
        element(tag::SEQUENCE, &[&algorithm, &element(tag::BIT_STRING, &[&[0], &key])])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(key) => write!(f, "RSA of {} bits", key.bits()),
            Self::Ec(curve, _) => curve.fmt(f),
            Self::Ed25519(_) => f.write_str("Ed25519"),
        }
    }
}

impl RsaKey {
    /// Bits of the modulus.
    pub fn bits(&self) -> usize {
        let unused = self.n.first().map_or(0, |first| first.leading_zeros() as usize);
        self.n.len() * 8 - unused
    }
}

impl Curve {
    pub(crate) fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    pub(crate) fn from_oid(oid: &[u8]) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521]
            .into_iter()
            .find(|curve| curve.oid() == oid)
    }

    /// Octets of a coordinate, and of r and of s in a signature of methods 9 to 11 (RFC 4754 section 4).
    pub fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::P521 => "ECDSA P-521",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_rsa_keys_are_refused() {
        let mut n = vec![0xff; 256];
        assert!(PublicKey::rsa(&n, &[1, 0, 1]).is_ok());
        assert!(PublicKey::rsa(&n, &[3]).is_ok());
        for e in [&[][..], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
            assert!(matches!(PublicKey::rsa(&n, e), Err(KeyError::RsaOdd(_))), "{e:?}");
        }
        n[255] = 0xfe;
        assert!(matches!(PublicKey::rsa(&n, &[3]), Err(KeyError::RsaOdd(_))));
        for (n, bits) in [
            (vec![], 0),
            (vec![1], 1),
            (vec![0xff; 128], 1024),
            ([&[0x7f][..], &[0xff; 255]].concat(), 2047),
            (vec![0xff; 1025], 8200),
        ] {
            assert_eq!(PublicKey::rsa(&n, &[1, 0, 1]), Err(KeyError::RsaSize(bits)));
        }
    }

    #[test]
    fn points_outside_of_the_curve_are_refused() {
        let mut point = vec![4];
        point.extend([1; 64]);
        assert_eq!(PublicKey::ec(Curve::P256, &point), Err(KeyError::Point));
        assert_eq!(PublicKey::ec(Curve::P256, &[0]), Err(KeyError::Point));
        assert_eq!(PublicKey::ec(Curve::P256, &[]), Err(KeyError::Point));
    }
}
