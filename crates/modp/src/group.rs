//! The groups by IANA number.

use core::fmt;

use crate::Error;
use crate::field::{Field, Prime, params};
use crate::primes;

/// A group that can be used: numbers 14 to 18, and where [`legacy`](Self::legacy) asked for it, 2 and 5.
#[derive(Clone, Copy)]
pub struct ModpGroup(&'static Row);

struct Row {
    number: u16,
    name: &'static str,
    bits: u16,
    exponent_bits: u16,
    field: &'static dyn Field,
}

static P1024: Prime<16, 3> = Prime::new(|| params(primes::P1024), 256);
static P1536: Prime<24, 4> = Prime::new(|| params(primes::P1536), 256);
static P2048: Prime<32, 5> = Prime::new(|| params(primes::P2048), 256);
static P3072: Prime<48, 8> = Prime::new(|| params(primes::P3072), 320);
static P4096: Prime<64, 10> = Prime::new(|| params(primes::P4096), 384);
static P6144: Prime<96, 15> = Prime::new(|| params(primes::P6144), 448);
static P8192: Prime<128, 20> = Prime::new(|| params(primes::P8192), 512);

/// Group, size of the prime, size of the private value in bits.
///
/// A private value needs twice the bits of the group's strength, since a discrete logarithm in an interval costs the
/// square root of its size; more makes no attack harder. RFC 3526 section 8 gives the strength as between two estimates:
///
/// | group | estimates of strength | private value of the lower, of the upper | SP 800-57 | RFC 7919 uses | here |
/// |-------|-----------|------------|-----|-----|-----|
/// | 14    | 110 - 160 | 220 - 320  | 112 | 225 | 256 |
/// | 15    | 130 - 210 | 260 - 420  | 128 | 275 | 320 |
/// | 16    | 150 - 240 | 300 - 480  | 152 | 325 | 384 |
/// | 17    | 170 - 270 | 340 - 540  | 176 | 375 | 448 |
/// | 18    | 190 - 310 | 380 - 620  | 200 | 400 | 512 |
static GROUPS: [Row; 5] = [
    Row {
        number: 14,
        name: "modp2048",
        bits: 2048,
        exponent_bits: 256,
        field: &P2048,
    },
    Row {
        number: 15,
        name: "modp3072",
        bits: 3072,
        exponent_bits: 320,
        field: &P3072,
    },
    Row {
        number: 16,
        name: "modp4096",
        bits: 4096,
        exponent_bits: 384,
        field: &P4096,
    },
    Row {
        number: 17,
        name: "modp6144",
        bits: 6144,
        exponent_bits: 448,
        field: &P6144,
    },
    Row {
        number: 18,
        name: "modp8192",
        bits: 8192,
        exponent_bits: 512,
        field: &P8192,
    },
];

/// Groups for peers that know nothing better. RFC 2409 gives no strength; RFC 3526 has 90 to 120 bits for group 5.
static LEGACY: [Row; 2] = [
    Row {
        number: 2,
        name: "modp1024",
        bits: 1024,
        exponent_bits: 256,
        field: &P1024,
    },
    Row {
        number: 5,
        name: "modp1536",
        bits: 1536,
        exponent_bits: 256,
        field: &P1536,
    },
];

const SHORT: &str = "its prime is too short (RFC 8247 section 2.4)";
const SUBGROUPS: &str = "its small subgroups make it unsafe (RFC 8247 section 2.4)";

/// Groups that are known and refused, 2 and 5 unless somebody asks for legacy ones.
const REFUSED: [(u16, &str, &str); 6] = [
    (1, "modp768", SHORT),
    (2, "modp1024", SHORT),
    (5, "modp1536", SHORT),
    (22, "modp1024s160", SUBGROUPS),
    (23, "modp2048s224", SUBGROUPS),
    (24, "modp2048s256", SUBGROUPS),
];

impl ModpGroup {
    /// The group with this IANA number.
    pub fn by_number(number: u16) -> Result<Self, Error> {
        if let Some(row) = GROUPS.iter().find(|row| row.number == number) {
            return Ok(Self(row));
        }
        match REFUSED.iter().find(|(refused, ..)| *refused == number) {
            Some(&(number, name, reason)) => Err(Error::RefusedGroup { number, name, reason }),
            None => Err(Error::UnknownGroup(number)),
        }
    }

    /// The group with this IANA number, even 2 or 5, whose primes are too short (RFC 8247 section 2.4: SHOULD NOT). To be
    /// called only for a peer that knows nothing better, with the consent of whoever runs this end.
    pub fn legacy(number: u16) -> Result<Self, Error> {
        match LEGACY.iter().find(|row| row.number == number) {
            Some(row) => Ok(Self(row)),
            None => Self::by_number(number),
        }
    }

    /// All groups that can be used without asking for legacy ones, smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        GROUPS.iter().map(Self)
    }

    /// IANA number.
    pub fn number(self) -> u16 {
        self.0.number
    }

    /// Usual name ("modp2048").
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Octets of a public value and of a shared secret.
    pub fn public_len(self) -> usize {
        usize::from(self.0.bits / 8)
    }

    /// Octets of a private value.
    pub fn private_len(self) -> usize {
        usize::from(self.0.exponent_bits / 8)
    }

    /// The prime p, big-endian. The generator is 2 in every group.
    pub fn prime(self) -> Vec<u8> {
        self.field().prime()
    }

    pub(crate) fn field(self) -> &'static dyn Field {
        self.0.field
    }

    pub(crate) fn exponent_bits(self) -> u32 {
        u32::from(self.0.exponent_bits)
    }
}

impl PartialEq for ModpGroup {
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
    }
}

impl Eq for ModpGroup {}

impl fmt::Debug for ModpGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
