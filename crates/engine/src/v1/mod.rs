//! IKEv1: ISAKMP (RFC 2408), Oakley as IKE uses it (RFC 2409), and the IPsec DOI (RFC 2407). One file per mode and role;
//! `state.rs` has the diagram.

pub(crate) mod aggressive;
mod aggressive_kerberos;
pub(crate) mod aggressive_responder;
pub(crate) mod auth;
mod certificates;
pub(crate) mod dpd;
pub(crate) mod established;
pub(crate) mod estate;
pub(crate) mod exchanges;
pub(crate) mod first_message;
pub(crate) mod fragment;
pub(crate) mod informational;
mod inheritance;
pub(crate) mod inputs;
pub(crate) mod isakmp;
mod kerberos;
pub(crate) mod kerberos_initiator;
pub(crate) mod kerberos_responder;
pub(crate) mod main_initiator;
pub(crate) mod main_responder;
pub(crate) mod message;
pub(crate) mod nat;
pub(crate) mod notices;
mod orphan;
pub(crate) mod proposals;
pub(crate) mod quick;
pub(crate) mod quick_initiator;
pub(crate) mod quick_responder;
pub(crate) mod state;
pub(crate) mod vendor;

use std::time::Duration;

/// How long a peer has from its first message to its proof.
const HALF_OPEN: Duration = Duration::from_secs(30);
