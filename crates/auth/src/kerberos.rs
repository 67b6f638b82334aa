//! Kerberos V5 through GSS-API: an authentication method of IKEv1 (draft-ietf-ipsec-isakmp-gss-auth-07).
//!
//! | question | place |
//! |---|---|
//! | Who is a principal, and which are accepted? | [`principal`], [`pattern`] |
//! | What do we prove ourselves with? | [`Credentials`], [`LocalKerberos`] |
//! | What does the engine ask? | [`question`] |
//! | When is a context good? | [`negotiation`] |
//! | What do HASH_I and HASH_R cover? | [`ikev1`] |
//! | What went wrong, and whose fault is it? | [`error`] |
//! | What does a keytab hold? | [`keytab`] |
//! | Where do contexts come from? | [`Mechanism`]; [`library`] is the system's |
//!
//! Everything but [`library`] is octets and rules; a simulation has a [`Mechanism`] of its own. The library reads files
//! and talks to the KDC, which is why every call of it is a [`GssQuestion`], answered outside of the engine.

pub mod credentials;
pub mod error;
#[cfg(feature = "kerberos")]
mod ffi;
pub mod ikev1;
pub mod keytab;
pub mod library;
pub mod mechanism;
pub mod negotiation;
pub mod pattern;
pub mod principal;
pub mod question;

pub use credentials::{Credentials, LocalKerberos};
pub use error::{ErrorKind, GssError, Origin, Reading};
pub use library::Kerberos;
pub use mechanism::{Context, Facts, Flags, Mechanism, Ready, Step};
pub use negotiation::{Established, Negotiation, Progress};
pub use pattern::{PeerPrincipals, PrincipalPattern, PrincipalRefusal};
pub use principal::{Principal, PrincipalError, Target};
pub use question::{GssAnswer, GssQuestion, Role};
