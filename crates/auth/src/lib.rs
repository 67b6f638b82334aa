//! Who an IKE peer is, and how each side proves it. Sans-IO.
//!
//! * [`identity`] holds identities as they are configured and as they come on the wire, and the patterns they meet.
//! * [`certificate`] holds keys, signatures, certificates and paths to those whom we trust.
//! * [`credential`] holds what we prove with and what we accept of the peer.
//! * [`kerberos`] holds principals, and contexts of GSS-API from the system's library.
//! * [`v2`] makes and checks the AUTH payload of IKEv2.
//! * [`error`] says what went wrong; an [`error::AuthRefusal`] is for our own log, never for the peer.
#![deny(unsafe_code)] // except in kerberos/ffi.rs

pub mod certificate;
pub mod credential;
pub mod error;
pub mod identity;
pub mod kerberos;
pub mod v2;

pub use credential::{Credential, Expectation};
pub use error::{AuthError, AuthRefusal};
pub use identity::{Identity, IdentityPattern};

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
