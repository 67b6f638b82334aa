//! Names of all registered transforms, both ways.

use core::fmt;
use core::str::FromStr;

use super::{Encr, Group, Integ, Prf};

/// A name that no transform of this type has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown {kind} \"{name}\"")]
pub struct UnknownName {
    /// What was wanted: "cipher", "PRF", "integrity algorithm", "group".
    pub kind: &'static str,
    /// What was found.
    pub name: String,
}

/// One cipher: number, name before and after the key length, and the key lengths it has.
struct EncrName(u16, &'static str, &'static str, &'static [u16]);

const AES: &[u16] = &[128, 192, 256];

/// DES_IV64 to MAGMA_MGM_MAC_KTREE.
const ENCR: &[EncrName] = &[
    EncrName(12, "aes", "", AES),
    EncrName(20, "aes", "gcm16", AES),
    EncrName(19, "aes", "gcm12", AES),
    EncrName(18, "aes", "gcm8", AES),
    EncrName(28, "chacha20poly1305", "", &[]),
    EncrName(13, "aes", "ctr", AES),
    EncrName(16, "aes", "ccm16", AES),
    EncrName(15, "aes", "ccm12", AES),
    EncrName(14, "aes", "ccm8", AES),
    EncrName(21, "aes", "gmac", AES),
    EncrName(30, "aes", "gcm16iiv", AES),
    EncrName(29, "aes", "ccm8iiv", AES),
    EncrName(31, "chacha20poly1305iiv", "", &[]),
    EncrName(23, "camellia", "", AES),
    EncrName(24, "camellia", "ctr", AES),
    EncrName(25, "camellia", "ccm8", AES),
    EncrName(26, "camellia", "ccm12", AES),
    EncrName(27, "camellia", "ccm16", AES),
    EncrName(3, "3des", "", &[]),
    EncrName(2, "des", "", &[]),
    EncrName(1, "desiv64", "", &[]),
    EncrName(9, "desiv32", "", &[]),
    EncrName(4, "rc5", "", &[]),
    EncrName(5, "idea", "", &[]),
    EncrName(8, "3idea", "", &[]),
    EncrName(6, "cast", "", &[128]),
    EncrName(7, "blowfish", "", &[128, 192, 256]),
    EncrName(11, "null", "", &[]),
    EncrName(32, "kuznyechikmgmktree", "", &[]),
    EncrName(33, "magmamgmktree", "", &[]),
    EncrName(34, "kuznyechikmgmmacktree", "", &[]),
    EncrName(35, "magmamgmmacktree", "", &[]),
];

const PRF: &[(u16, &str)] = &[
    (5, "prfsha256"),
    (6, "prfsha384"),
    (7, "prfsha512"),
    (2, "prfsha1"),
    (1, "prfmd5"),
    (4, "prfaesxcbc"),
    (8, "prfaescmac"),
    (3, "prftiger"),
    (9, "prfstreebog512"),
];

const INTEG: &[(u16, &str)] = &[
    (12, "sha256"),
    (13, "sha384"),
    (14, "sha512"),
    (2, "sha1"),
    (1, "md5"),
    (5, "aesxcbc"),
    (8, "aescmac"),
    (9, "aes128gmac"),
    (10, "aes192gmac"),
    (11, "aes256gmac"),
    (6, "md5_128"),
    (7, "sha1_160"),
    (3, "desmac"),
    (4, "kpdkmd5"),
    (0, "none"),
];

const GROUP: &[(u16, &str)] = &[
    (31, "x25519"),
    (32, "x448"),
    (19, "ecp256"),
    (20, "ecp384"),
    (21, "ecp521"),
    (14, "modp2048"),
    (15, "modp3072"),
    (16, "modp4096"),
    (17, "modp6144"),
    (18, "modp8192"),
    (1, "modp768"),
    (2, "modp1024"),
    (5, "modp1536"),
    (22, "modp1024s160"),
    (23, "modp2048s224"),
    (24, "modp2048s256"),
    (25, "ecp192"),
    (26, "ecp224"),
    (27, "ecp224bp"),
    (28, "ecp256bp"),
    (29, "ecp384bp"),
    (30, "ecp512bp"),
    (33, "gost256"),
    (34, "gost512"),
    (35, "mlkem512"),
    (36, "mlkem768"),
    (37, "mlkem1024"),
    (0, "none"),
];

/// Other names in use for the same thing.
const ALIASES: &[(&str, &str)] = &[
    ("aes", "aes128"),
    ("aes128gcm", "aes128gcm16"),
    ("aes192gcm", "aes192gcm16"),
    ("aes256gcm", "aes256gcm16"),
    ("aes128gcm128", "aes128gcm16"),
    ("aes192gcm128", "aes192gcm16"),
    ("aes256gcm128", "aes256gcm16"),
    ("chacha20-poly1305", "chacha20poly1305"),
    ("sha", "sha1"),
    ("sha2_256", "sha256"),
    ("sha2_384", "sha384"),
    ("sha2_512", "sha512"),
    ("prfsha", "prfsha1"),
    ("curve25519", "x25519"),
    ("curve448", "x448"),
];

/// Every name that is understood, those in use first; for messages and suggestions.
pub fn candidates() -> Vec<String> {
    let mut all = Vec::new();
    for EncrName(_, before, after, lengths) in ENCR {
        if lengths.is_empty() {
            all.push((*before).to_owned());
        }
        all.extend(lengths.iter().map(|bits| format!("{before}{bits}{after}")));
    }
    for table in [PRF, INTEG, GROUP] {
        all.extend(
            table
                .iter()
                .filter(|(id, _)| *id != 0)
                .map(|(_, name)| (*name).to_owned()),
        );
    }
    all
}

fn unalias(name: &str) -> &str {
    ALIASES
        .iter()
        .find(|(alias, _)| *alias == name)
        .map_or(name, |(_, name)| name)
}

impl FromStr for Encr {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let wanted = unalias(name);
        for EncrName(id, before, after, lengths) in ENCR {
            let Some(rest) = wanted.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else {
                continue;
            };
            if lengths.is_empty() && rest.is_empty() {
                return Ok(Self {
                    id: *id,
                    key_bits: None,
                });
            }
            if let Some(bits) = lengths.iter().find(|bits| bits.to_string() == rest) {
                return Ok(Self {
                    id: *id,
                    key_bits: Some(*bits),
                });
            }
        }
        Err(UnknownName {
            kind: "cipher",
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Encr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (ENCR.iter().find(|row| row.0 == self.id), self.key_bits) {
            (Some(EncrName(_, before, after, _)), Some(bits)) => write!(f, "{before}{bits}{after}"),
            (Some(EncrName(_, before, after, [])), None) => write!(f, "{before}{after}"),
            // A key length is missing where there must be one.
            (Some(EncrName(_, before, after, _)), None) => write!(f, "{before}?{after}"),
            (None, Some(bits)) => write!(f, "encr#{}/{bits}", self.id),
            (None, None) => write!(f, "encr#{}", self.id),
        }
    }
}

macro_rules! named {
    ($type:ident, $table:ident, $kind:literal, $unknown:literal) => {
        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                let wanted = unalias(name);
                match $table.iter().find(|(_, known)| *known == wanted) {
                    Some((id, _)) => Ok(Self(*id)),
                    None => Err(UnknownName {
                        kind: $kind,
                        name: name.to_owned(),
                    }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match $table.iter().find(|(id, _)| *id == self.0) {
                    Some((_, name)) => f.write_str(name),
                    None => write!(f, concat!($unknown, "#{}"), self.0),
                }
            }
        }
    };
}

named!(Prf, PRF, "PRF", "prf");
named!(Integ, INTEG, "integrity algorithm", "integ");
named!(Group, GROUP, "group", "group");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_registered_number_has_a_name_that_is_read_back() {
        for id in (1..=9).chain(11..=16).chain(18..=21).chain(23..=35) {
            let row = ENCR.iter().find(|row| row.0 == id).unwrap();
            let lengths: Vec<Option<u16>> = match row.3 {
                [] => vec![None],
                lengths => lengths.iter().copied().map(Some).collect(),
            };
            for key_bits in lengths {
                let encr = Encr { id, key_bits };
                assert_eq!(encr.to_string().parse(), Ok(encr));
            }
        }
        for id in 1..=9 {
            assert_eq!(Prf(id).to_string().parse(), Ok(Prf(id)));
        }
        for id in 0..=14 {
            assert_eq!(Integ(id).to_string().parse(), Ok(Integ(id)));
        }
        for id in [0, 1, 2, 5].into_iter().chain(14..=37) {
            assert_eq!(Group(id).to_string().parse(), Ok(Group(id)));
        }
    }

    #[test]
    fn numbers_without_a_name_print_too() {
        let encr = |id, key_bits| Encr { id, key_bits }.to_string();
        assert_eq!(encr(60000, Some(128)), "encr#60000/128");
        assert_eq!(encr(17, None), "encr#17");
        assert_eq!(encr(12, None), "aes?");
        assert_eq!(encr(12, Some(512)), "aes512");
        assert_eq!(Prf(99).to_string(), "prf#99");
        assert_eq!(Integ(99).to_string(), "integ#99");
        assert_eq!(Group(999).to_string(), "group#999");
    }

    #[test]
    fn names_are_the_expected_numbers() {
        assert_eq!("aes128gcm16".parse(), Ok(Encr::aes_gcm16(128)));
        assert_eq!("chacha20poly1305".parse(), Ok(Encr::CHACHA20_POLY1305));
        assert_eq!("aes256".parse(), Ok(Encr::aes_cbc(256)));
        assert_eq!("prfsha256".parse(), Ok(Prf::HMAC_SHA2_256));
        assert_eq!("sha256".parse(), Ok(Integ::HMAC_SHA2_256_128));
        assert_eq!("curve25519".parse(), Ok(Group::X25519));
        assert_eq!("modp768".parse(), Ok(Group(1)));
        for wrong in ["aes129", "aes", "", "aes0128", "gcm16", "3des128"] {
            assert_eq!(wrong.parse::<Encr>().is_ok(), wrong == "aes", "{wrong}");
        }
    }

    #[test]
    fn which_ciphers_are_aead() {
        for name in [
            "aes128gcm16",
            "chacha20poly1305",
            "aes256ccm8",
            "aes128gmac",
            "camellia256ccm16",
        ] {
            assert!(name.parse::<Encr>().unwrap().is_aead(), "{name}");
        }
        for name in ["aes128", "aes128ctr", "3des", "null", "camellia128", "camellia128ctr"] {
            assert!(!name.parse::<Encr>().unwrap().is_aead(), "{name}");
        }
    }
}
