//! What the tests share: the recorded exchanges; a laboratory of namespaces with real daemons in it, and a judge.

pub mod capture;
pub mod charon_log;
pub mod connection;
pub mod golden;
pub mod guest;
pub mod handfast;
pub mod kerberos;
pub mod keys;
pub mod netns;
pub mod openssl;
pub mod peers;
pub mod process;
pub mod stream;
pub mod strongswan;
pub mod tshark;
