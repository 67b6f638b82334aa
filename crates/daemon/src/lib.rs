//! The Handfast daemon: sockets, TUN device, routes and command line around the engine.

#![deny(unsafe_code)] // except in net/sys.rs

pub mod net;
