//! Sets of transforms that are offered, and the suite that was chosen from them.

mod defaults;
mod notation;
mod suggest;

pub use notation::ProposalError;

use crate::transform::{Encr, Group, Integ, Prf};

/// One proposal for an IKE SA: the alternatives of each transform type, best first.
///
/// With AEAD ciphers `integ` is empty (RFC 5282 section 8); a proposal never mixes AEAD and other ciphers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IkeProposal {
    /// Ciphers.
    pub encr: Vec<Encr>,
    /// Pseudo-random functions.
    pub prf: Vec<Prf>,
    /// Integrity algorithms; empty with AEAD.
    pub integ: Vec<Integ>,
    /// Key exchange groups.
    pub groups: Vec<Group>,
}

/// One proposal for an ESP SA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspProposal {
    /// Ciphers.
    pub encr: Vec<Encr>,
    /// Integrity algorithms; empty with AEAD.
    pub integ: Vec<Integ>,
    /// Groups for a fresh key exchange (PFS) at rekey; empty for none. Left out in IKE_AUTH (RFC 7296 section 1.2).
    pub groups: Vec<Group>,
    /// Whether extended sequence numbers are offered, and 32-bit ones; at least one is true.
    pub esn: Esn,
}

/// Which sequence number sizes are acceptable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Esn {
    /// 32-bit only.
    No,
    /// 64-bit only.
    Yes,
    /// Either, 64-bit preferred.
    Either,
}

/// The suite agreed for an IKE SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IkeSuite {
    /// Cipher.
    pub encr: Encr,
    /// Pseudo-random function.
    pub prf: Prf,
    /// Integrity algorithm; `None` with AEAD.
    pub integ: Option<Integ>,
    /// Key exchange group.
    pub group: Group,
}

/// The suite agreed for an ESP SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspSuite {
    /// Cipher.
    pub encr: Encr,
    /// Integrity algorithm; `None` with AEAD.
    pub integ: Option<Integ>,
    /// Group of the fresh key exchange, if there was one.
    pub group: Option<Group>,
    /// Extended sequence numbers.
    pub esn: bool,
}
