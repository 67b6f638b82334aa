//! Certificates: keys, signatures, X.509, paths to a CA, revocation. Sans-IO: all comes as octets, the time included.
//!
//! | question | place |
//! |---|---|
//! | What is in a file? | [`bundle`], [`private_key`], [`pem`], [`pkcs12`] |
//! | How does IKE sign? | [`ikev1`], [`ikev2`] |
//! | How are new keys made? | [`generate`] |
//! | What does a certificate say? | [`x509`], [`extensions`], [`name`], [`general_name`] |
//! | Does it lead to a CA that we trust? | [`path`], [`constraints`] |
//! | Is it of whom the peer claims to be? | [`names`] |
//! | Is it revoked? | [`revocation`], [`crl`], [`ocsp`] |
//! | What does the engine ask? | [`peer`] |
//! | How is a certificate made? | [`issue`] |
//! | How is something signed, and checked? | [`sign`], [`verify`], [`algorithm`] |

pub mod algorithm;
pub mod bundle;
pub mod constraints;
pub mod crl;
pub(crate) mod der;
pub mod extensions;
pub mod general_name;
pub mod generate;
pub mod ikev1;
pub mod ikev2;
pub mod issue;
pub mod name;
pub mod names;
pub mod ocsp;
pub mod path;
pub mod peer;
pub mod pem;
pub mod pkcs12;
pub mod private_key;
pub mod public_key;
pub mod revocation;
pub mod sign;
pub mod time;
pub mod verify;
pub mod x509;

pub use algorithm::Scheme;
pub use bundle::{Bundle, BundleError};
pub use crl::Crl;
pub use der::DerError;
pub use general_name::GeneralName;
pub use name::{Name, NameError, NamePattern};
pub use names::NameRefusal;
pub use path::{Path, PathPolicy, PathRefusal, Trust, Usage};
pub use peer::{
    Judged, LocalCertificate, PeerPolicy, PeerProof, PeerQuestion, PeerRefusal, Proven, Sent, SignQuestion,
};
pub use private_key::{PrivateKey, PrivateKeyError};
pub use public_key::{Curve, KeyError, PublicKey};
pub use sign::{Form, LocalSigner, SignError, Signer};
pub use time::Time;
pub use verify::SignatureError;
pub use x509::Certificate;

pub use crate::v2::Proof;
