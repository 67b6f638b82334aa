//! The Handfast daemon: sockets, TUN device, routes and command line around the engine.

#![deny(unsafe_code)] // except in net/sys.rs

pub mod book;
pub mod check;
pub mod cli;
pub mod commands;
pub mod config_file;
pub mod console;
pub mod control;
pub mod credentials;
pub mod demo;
pub mod kerberos;
pub mod keylog;
pub mod logging;
pub mod man;
pub mod net;
pub mod pcapng;
pub mod pki;
pub mod reload;
pub mod revocation;
pub mod run;
pub mod runtime;
pub mod service;
pub mod table;
pub mod tunnels;
pub mod waiting;
