//! New private keys.

use std::str::FromStr;

use handfast_crypto::secret::Secret;
use ring::rand::SecureRandom;
use rsa::pkcs1::EncodeRsaPrivateKey;
use zeroize::Zeroizing;

use super::algorithm::ED25519;
use super::der::{element, tag, unsigned_integer};
use super::public_key::{Curve, EC, RSA};
use super::sign::Random;

/// Which key to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// RSA of this many bits.
    Rsa(usize),
    /// ECDSA over a curve of NIST.
    Ec(Curve),
    /// Ed25519.
    Ed25519,
}

impl FromStr for KeyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "rsa2048" => Self::Rsa(2048),
            "rsa3072" => Self::Rsa(3072),
            "rsa4096" => Self::Rsa(4096),
            "ecdsa256" => Self::Ec(Curve::P256),
            "ecdsa384" => Self::Ec(Curve::P384),
            "ecdsa521" => Self::Ec(Curve::P521),
            "ed25519" => Self::Ed25519,
            _ => {
                return Err("keys are rsa2048, rsa3072, rsa4096, ecdsa256, ecdsa384, ecdsa521 or ed25519".into());
            }
        })
    }
}

/// A new key as PKCS#8 (RFC 5208), to be read with [`PrivateKey::from_der`](super::PrivateKey::from_der).
///
/// # Errors
/// If there is no randomness.
pub fn generate(kind: KeyKind, random: &dyn SecureRandom) -> Result<Secret, String> {
    let no_randomness = |_| "the system has no randomness".to_string();
    match kind {
        KeyKind::Rsa(bits) => {
            let key = rsa::PrivateKey::new(&mut Random(random), bits).map_err(|error| error.to_string())?;
            let pkcs1 = key.to_pkcs1_der().map_err(|error| error.to_string())?;
            Ok(pkcs8(RSA, &[tag::NULL, 0], pkcs1.as_bytes()))
        }
        KeyKind::Ed25519 => {
            let mut seed = Zeroizing::new([0; 32]);
            random.fill(&mut *seed).map_err(no_randomness)?;
            Ok(pkcs8(
                ED25519,
                &[],
                &Zeroizing::new(element(tag::OCTET_STRING, &[&*seed])),
            ))
        }
        KeyKind::Ec(curve) => loop {
            let mut scalar = Zeroizing::new(vec![0; curve.field_len()]);
            random.fill(&mut scalar).map_err(no_randomness)?;
            if let (Curve::P521, Some(first)) = (curve, scalar.first_mut()) {
                *first &= 1;
            }
            // By chance it is 0 or not below the order; another is drawn, so that all are equally likely.
            let point = match curve {
                Curve::P256 => p256::ecdsa::SigningKey::from_slice(&scalar)
                    .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
                Curve::P384 => p384::ecdsa::SigningKey::from_slice(&scalar)
                    .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
                Curve::P521 => p521::ecdsa::SigningKey::from_slice(&scalar)
                    .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            };
            if let Ok(point) = point {
                let public = element(tag::constructed(1), &[&element(tag::BIT_STRING, &[&[0], &point])]);
                let private = Zeroizing::new(element(tag::OCTET_STRING, &[&scalar]));
                let sec1 = Zeroizing::new(element(tag::SEQUENCE, &[&unsigned_integer(&[1]), &private, &public]));
                return Ok(pkcs8(EC, &element(tag::OID, &[curve.oid()]), &sec1));
            }
        },
    }
}

fn pkcs8(oid: &[u8], parameters: &[u8], key: &[u8]) -> Secret {
    let algorithm = element(tag::SEQUENCE, &[&element(tag::OID, &[oid]), parameters]);
    let key = Zeroizing::new(element(tag::OCTET_STRING, &[key]));
    Secret::new(element(tag::SEQUENCE, &[&unsigned_integer(&[0]), &algorithm, &key]))
}
