//! Signature algorithms: the AlgorithmIdentifiers of X.509 (RFC 5280, 4055, 5758, 8410), which are those of method 14
//! of IKEv2 as well (RFC 7427 appendix A).

use std::fmt;

use handfast_crypto::hash::Hash;

use super::der::{Der, DerError, dotted, element, tag};

/// A way to sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with DigestInfo.
    RsaPkcs1(Hash),
    /// RSASSA-PSS with MGF1 of the same hash.
    RsaPss {
        /// The hash of the message and of MGF1.
        hash: Hash,
        /// Octets of salt.
        salt: usize,
    },
    /// ECDSA; the signature is an ECDSA-Sig-Value.
    Ecdsa(Hash),
    /// Ed25519 without prehashing.
    Ed25519,
}

/// Why an AlgorithmIdentifier is not usable.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// It cannot be read.
    #[error("the signature algorithm cannot be read ({0})")]
    Malformed(#[from] DerError),
    /// It is known, and not supported here.
    #[error("signatures with {0} are not supported")]
    Unsupported(&'static str),
    /// It is not known.
    #[error("the signature algorithm {0} is not known")]
    Unknown(String),
}

const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04];
const NIST_SIGNATURES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];
const NIST_HASHES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];
const NULL: &[u8] = &[tag::NULL, 0];

impl Scheme {
    /// PSS as RFC 7427 and RFC 4055 recommend it: the salt as long as the hash.
    pub fn pss(hash: Hash) -> Self {
        Self::RsaPss {
            hash,
            salt: hash_len(hash),
        }
    }

    /// Reads an AlgorithmIdentifier, with nothing after it.
    ///
    /// # Errors
    /// If it is malformed, or nothing that can be verified here.
    pub fn from_der(octets: &[u8]) -> Result<Self, AlgorithmError> {
        let mut outer = Der::new(octets);
        let scheme = Self::parse(&mut outer)?;
        outer.end("AlgorithmIdentifier")?;
        Ok(scheme)
    }

    pub(crate) fn parse(der: &mut Der<'_>) -> Result<Self, AlgorithmError> {
        let mut fields = der.sequence("AlgorithmIdentifier")?;
        let oid = fields.oid("algorithm")?;
        let scheme = match oid {
            [prefix @ .., last] if prefix == PKCS1 => match last {
                // RFC 4055 section 5: NULL; absent is accepted too.
                5 | 11..=13 => {
                    fields.optional(tag::NULL, "parameters")?;
                    Self::RsaPkcs1(match last {
                        5 => Hash::Sha1,
                        11 => Hash::Sha256,
                        12 => Hash::Sha384,
                        _ => Hash::Sha512,
                    })
                }
                10 => pss_parameters(&mut fields)?,
                2 | 4 => return Err(AlgorithmError::Unsupported("RSA and MD2 or MD5, which is broken")),
                14 => return Err(AlgorithmError::Unsupported("RSA and SHA-224")),
                _ => return Err(AlgorithmError::Unknown(dotted(oid))),
            },
            [prefix @ .., last @ 2..=4] if prefix == ECDSA_SHA2 => Self::Ecdsa(match last {
                2 => Hash::Sha256,
                3 => Hash::Sha384,
                _ => Hash::Sha512,
            }),
            ECDSA_SHA1 => Self::Ecdsa(Hash::Sha1),
            ED25519 => Self::Ed25519,
            ED448 => return Err(AlgorithmError::Unsupported("Ed448")),
            [prefix @ .., _] if prefix == DSA => return Err(AlgorithmError::Unsupported("DSA (DSS)")),
            [prefix @ .., 1..=4] if prefix == NIST_SIGNATURES => return Err(AlgorithmError::Unsupported("DSA (DSS)")),
            _ => return Err(AlgorithmError::Unknown(dotted(oid))),
        };
        fields.end("parameters")?;
        Ok(scheme)
    }

    /// Its AlgorithmIdentifier.
    pub fn to_der(self) -> Vec<u8> {
        let (oid, parameters) = match self {
            Self::RsaPkcs1(hash) => {
                let last = match hash {
                    Hash::Md5 => 4,
                    Hash::Sha1 => 5,
                    Hash::Sha256 => 11,
                    Hash::Sha384 => 12,
                    Hash::Sha512 => 13,
                };
                ([PKCS1, &[last]].concat(), NULL.to_vec())
            }
            Self::RsaPss { hash, salt } => ([PKCS1, &[10]].concat(), put_pss_parameters(hash, salt)),
            Self::Ecdsa(hash) => {
                let oid = match hash {
                    Hash::Md5 | Hash::Sha1 => ECDSA_SHA1.to_vec(),
                    Hash::Sha256 => [ECDSA_SHA2, &[2]].concat(),
                    Hash::Sha384 => [ECDSA_SHA2, &[3]].concat(),
                    Hash::Sha512 => [ECDSA_SHA2, &[4]].concat(),
                };
                (oid, Vec::new())
            }
            Self::Ed25519 => (ED25519.to_vec(), Vec::new()),
        };
        element(tag::SEQUENCE, &[&element(tag::OID, &[&oid]), &parameters])
    }

    /// The hash, unless the algorithm has its own (Ed25519).
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::RsaPkcs1(hash) | Self::RsaPss { hash, .. } | Self::Ecdsa(hash) => Some(hash),
            Self::Ed25519 => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPkcs1(hash) => write!(f, "RSA and {}", hash_name(*hash)),
            Self::RsaPss { hash, salt } if *salt == hash_len(*hash) => write!(f, "RSA-PSS and {}", hash_name(*hash)),
            Self::RsaPss { hash, salt } => write!(f, "RSA-PSS and {} with {salt} octets of salt", hash_name(*hash)),
            Self::Ecdsa(hash) => write!(f, "ECDSA and {}", hash_name(*hash)),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// Output in octets.
pub(crate) fn hash_len(hash: Hash) -> usize {
    match hash {
        Hash::Md5 => 16,
        Hash::Sha1 => 20,
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    }
}

pub(crate) fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "MD5",
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA2-256",
        Hash::Sha384 => "SHA2-384",
        Hash::Sha512 => "SHA2-512",
    }
}

/// The hash that an AlgorithmIdentifier names.
pub(crate) fn parse_hash(der: &mut Der<'_>) -> Result<Hash, AlgorithmError> {
    let mut fields = der.sequence("hash algorithm")?;
    let oid = fields.oid("hash algorithm")?;
    fields.optional(tag::NULL, "hash algorithm")?;
    fields.end("hash algorithm")?;
    match oid {
        SHA1 => Ok(Hash::Sha1),
        [prefix @ .., 1] if prefix == NIST_HASHES => Ok(Hash::Sha256),
        [prefix @ .., 2] if prefix == NIST_HASHES => Ok(Hash::Sha384),
        [prefix @ .., 3] if prefix == NIST_HASHES => Ok(Hash::Sha512),
        _ => Err(AlgorithmError::Unknown(dotted(oid))),
    }
}

/// The AlgorithmIdentifier of a hash, with NULL as parameters.
pub(crate) fn hash_identifier(hash: Hash) -> Vec<u8> {
    let oid = match hash {
        Hash::Md5 => vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05],
        Hash::Sha1 => SHA1.to_vec(),
        Hash::Sha256 => [NIST_HASHES, &[1]].concat(),
        Hash::Sha384 => [NIST_HASHES, &[2]].concat(),
        Hash::Sha512 => [NIST_HASHES, &[3]].concat(),
    };
    element(tag::SEQUENCE, &[&element(tag::OID, &[&oid]), NULL])
}

/// DigestInfo (RFC 8017 section 9.2).
pub(crate) fn digest_info(hash: Hash, digest: &[u8]) -> Vec<u8> {
    element(
        tag::SEQUENCE,
        &[&hash_identifier(hash), &element(tag::OCTET_STRING, &[digest])],
    )
}

/// RSASSA-PSS-params (RFC 4055 section 3.1).
fn pss_parameters(fields: &mut Der<'_>) -> Result<Scheme, AlgorithmError> {
    let mut parameters = fields.sequence("PSS parameters")?;
    let hash = match parameters.optional(tag::constructed(0), "PSS hash")? {
        Some(value) => parse_hash(&mut Der::new(value))?,
        None => Hash::Sha1,
    };
    let mgf_hash = match parameters.optional(tag::constructed(1), "PSS mask")? {
        Some(value) => {
            let mut mgf = Der::new(value).sequence("PSS mask")?;
            match mgf.oid("PSS mask")? {
                [prefix @ .., 8] if prefix == PKCS1 => parse_hash(&mut mgf)?,
                _ => return Err(AlgorithmError::Unsupported("PSS and another mask than MGF1")),
            }
        }
        None => Hash::Sha1,
    };
    let salt = match parameters.optional(tag::constructed(2), "PSS salt")? {
        Some(value) => Der::new(value).small("PSS salt")?,
        None => 20,
    };
    let trailer = match parameters.optional(tag::constructed(3), "PSS trailer")? {
        Some(value) => Der::new(value).small("PSS trailer")?,
        None => 1,
    };
    parameters.end("PSS parameters")?;
    if mgf_hash != hash {
        return Err(AlgorithmError::Unsupported(
            "PSS and one hash for the message, another for the mask",
        ));
    }
    if trailer != 1 || salt > 512 {
        return Err(AlgorithmError::Unsupported("PSS and an absurd salt or trailer"));
    }
    Ok(Scheme::RsaPss {
        hash,
        salt: salt as usize,
    })
}

fn put_pss_parameters(hash: Hash, salt: usize) -> Vec<u8> {
    let identifier = hash_identifier(hash);
    let mgf = element(tag::SEQUENCE, &[&element(tag::OID, &[PKCS1, &[8]]), &identifier]);
    let salt = super::der::unsigned_integer(&salt.to_be_bytes());
    element(
        tag::SEQUENCE,
        &[
            &element(tag::constructed(0), &[&identifier]),
            &element(tag::constructed(1), &[&mgf]),
            &element(tag::constructed(2), &[&salt]),
        ],
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7427_are_read() {
        let hex = |text: &str| -> Vec<u8> {
            let digits: String = text.split_whitespace().collect();
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect()
        };
        // Appendix A; those that we also write.
        for (text, scheme, written) in [
            ("300d06092a864886f70d0101050500", Scheme::RsaPkcs1(Hash::Sha1), true),
            ("300d06092a864886f70d01010b0500", Scheme::RsaPkcs1(Hash::Sha256), true),
            ("300d06092a864886f70d01010c0500", Scheme::RsaPkcs1(Hash::Sha384), true),
            ("300d06092a864886f70d01010d0500", Scheme::RsaPkcs1(Hash::Sha512), true),
            ("300906072a8648ce3d0401", Scheme::Ecdsa(Hash::Sha1), true),
            ("300a06082a8648ce3d040302", Scheme::Ecdsa(Hash::Sha256), true),
            ("300a06082a8648ce3d040303", Scheme::Ecdsa(Hash::Sha384), true),
            ("300a06082a8648ce3d040304", Scheme::Ecdsa(Hash::Sha512), true),
            ("300506032b6570", Scheme::Ed25519, true),
            ("300d06092a864886f70d01010a3000", Scheme::pss(Hash::Sha1), false),
            (
                "303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d010108300906052b0e03021a\
                 0500a203020114a303020101",
                Scheme::pss(Hash::Sha1),
                false,
            ),
            (
                "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d060960\
                 86480165030402010500a203020120a303020101",
                Scheme::pss(Hash::Sha256),
                false,
            ),
        ] {
            assert_eq!(Scheme::from_der(&hex(text)).unwrap(), scheme);
            assert_eq!(Scheme::from_der(&scheme.to_der()).unwrap(), scheme);
            assert_eq!(scheme.to_der() == hex(text), written, "{text}");
        }
        // DSA, by name (A.2).
        let refusal = Scheme::from_der(&hex("300906072a8648ce380403")).unwrap_err();
        assert_eq!(refusal.to_string(), "signatures with DSA (DSS) are not supported");
        assert!(
            Scheme::from_der(&hex("300b0609608648016503040302"))
                .unwrap_err()
                .to_string()
                .contains("DSA")
        );
        for bad in [
            "",
            "3000",
            "300d06092a864886f70d01010b050000",
            "300c06082a8648ce3d0403020500",
            "30030601ff",
        ] {
            assert!(Scheme::from_der(&hex(bad)).is_err(), "{bad}");
        }
    }
}
