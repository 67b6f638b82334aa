//! All IKE behaviour as a deterministic state machine: `(now, Input)` in, `Output`s out.
//!
//! Nothing here reads a clock, a socket, a file or the system's randomness. The same seed and the same inputs give the
//! same outputs. What is slow or done elsewhere (key agreement, name lookup, installing SAs) is asked with
//! [`Output::Ask`] and answered with [`Input::Answer`].
//!
//! A driver's loop: feed an [`Input`], drain [`Engine::poll_output`] until `None` in order, sleep until
//! [`Engine::deadline`] or the next input.
#![forbid(unsafe_code)]

mod child;
mod context;
mod datagrams;
mod endpoint;
pub mod event;
pub mod input;
mod negotiate;
pub mod output;
mod path;
pub mod place;
pub mod policy;
pub mod refusal;
pub mod reload;
mod retransmit;
mod sa;
pub mod time;
mod v1;
mod v2;

pub use endpoint::{Engine, EngineConfig, Reason};
pub use event::Event;
pub use input::{Answer, Command, Input, Rekey};
pub use output::{Output, Question, Ticket, Transmit};
pub use time::Instant;

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
