//! What the tests share: the recorded exchanges.

pub mod golden;
