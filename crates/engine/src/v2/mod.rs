//! IKEv2 (RFC 7296). One file per state or exchange; `state.rs` has the diagram.

pub(crate) mod auth;
pub(crate) mod auth_initiator;
pub(crate) mod auth_pending;
pub(crate) mod auth_responder;
pub(crate) mod certificates;
pub(crate) mod channel;
pub(crate) mod child_choice;
pub(crate) mod child_offer;
pub(crate) mod established;
pub(crate) mod exchange;
pub(crate) mod fragments;
pub(crate) mod further;
pub(crate) mod inputs;
pub(crate) mod install;
pub(crate) mod lifetimes;
pub(crate) mod message;
mod moved;
mod reload;
pub(crate) mod rules;
pub(crate) mod sa_init;
pub(crate) mod sa_init_responder;
pub(crate) mod state;
pub(crate) mod succession;
pub(crate) mod window;
