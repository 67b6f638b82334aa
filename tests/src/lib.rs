//! What the tests share: the recorded exchanges; a laboratory of namespaces with real daemons in it, and a judge.

pub mod capture;
pub mod charon_log;
pub mod connection;
pub mod golden;
pub mod guest;
pub mod handfast;
pub mod hops;
pub mod http;
pub mod kerberos;
pub mod keys;
pub mod meeting;
pub mod netns;
pub mod openssl;
pub mod peers;
pub mod ping;
pub mod pki;
pub mod process;
pub mod proof;
pub mod stream;
pub mod strongswan;
pub mod swanctl;
pub mod tshark;
