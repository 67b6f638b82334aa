//! The keys `local` and `remote`, and what follows from them.

use std::net::{IpAddr, Ipv4Addr};

use handfast_auth::{Identity, IdentityPattern};
use handfast_engine::policy::Remote;

use crate::section::{Reader, Section};

const LOCAL: &str = "an IP address such as \"192.0.2.1\", a list of them, or \"any\"";
const REMOTE: &str = "an IP address, a DNS name, or \"any\"";

/// Our addresses; empty for any.
pub(crate) fn local(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<IpAddr> {
    let mut list = vec![];
    let texts = s.texts(reader, "local", LOCAL);
    let alone = texts.len() == 1;
    for (text, at) in texts {
        match text.parse::<IpAddr>() {
            _ if is_any(&text) && alone => {}
            _ if is_any(&text) => {
                let message = format!("local: {text:?} stands beside others");
                reader.error(at, message, "\"any\" alone, or addresses", "");
            }
            Ok(address) => {
                if usable(reader, "local", at, address) && !list.contains(&address) {
                    list.push(address);
                }
            }
            Err(_) => reader.error(at, format!("local: {text:?} is not an address"), LOCAL, ""),
        }
    }
    list
}

/// Where the peer is.
pub(crate) fn remote(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, name: &str, at: usize) -> Option<Remote> {
    if !s.has("remote") {
        let expected = format!("remote = {REMOTE}");
        reader.error(at, format!("{name} has no remote"), &expected, "");
    }
    let (text, at) = s.text(reader, "remote", REMOTE)?;
    if is_any(&text) {
        return Some(Remote::Any);
    }
    if let Ok(address) = text.parse() {
        return usable(reader, "remote", at, address).then_some(Remote::Address(address));
    }
    let host = text.strip_suffix('.').unwrap_or(&text);
    if !is_host_name(host) {
        let message = format!("remote: {text:?} is neither an address nor a name");
        reader.error(at, message, REMOTE, "");
        return None;
    }
    Some(Remote::Name(host.to_string()))
}

fn is_any(text: &str) -> bool {
    text == "any" || text == "%any"
}

/// RFC 1123 section 2.1, and "_", which is in use. A name of digits is a mistyped address.
fn is_host_name(name: &str) -> bool {
    let octet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |l: &str| !l.is_empty() && l.len() < 64 && l.bytes().all(octet) && !l.starts_with('-');
    let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !numeric && name.len() < 254 && name.split('.').all(label)
}

/// Whether one host can have this address.
fn usable(reader: &mut Reader<'_>, key: &str, at: usize, address: IpAddr) -> bool {
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let message = format!("{key}: {address} is an IPv4 address in IPv6's form");
        reader.error(at, message, &format!("\"{v4}\""), "");
        return false;
    }
    if address.is_unspecified() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        let hint = "\"any\" means every address";
        reader.error(at, format!("{key}: {address} is no host's address"), "an address", hint);
        return false;
    }
    if address.is_multicast() {
        let message = format!("{key}: {address} is a multicast address");
        reader.error(at, message, "the address of one host", "");
        return false;
    }
    true
}

/// IKE goes from a local address to the remote one, so one pair must be of one family.
pub(crate) fn check_families(s: &Section<'_, '_>, reader: &mut Reader<'_>, name: &str, local: &[IpAddr], to: &Remote) {
    let Remote::Address(remote) = to else { return };
    if !local.is_empty() && local.iter().all(|l| l.is_ipv4() != remote.is_ipv4()) {
        let message = format!("local and remote of {name} are of different families");
        reader.error(s.at_of("remote"), message, "both IPv4 or both IPv6", "");
    }
}

/// Who we are unless it is said: the address that the peer sees.
pub(crate) fn own_identity(local: &[IpAddr], remote: Option<&Remote>) -> Option<Identity> {
    let fits = |l: &&IpAddr| match remote {
        Some(Remote::Address(remote)) => l.is_ipv4() == remote.is_ipv4(),
        _ => true,
    };
    let own = local.iter().find(fits).or(local.first());
    own.map(|address| Identity::from(*address))
}

/// Who the peer must be unless it is said.
pub(crate) fn identity_of(remote: &Remote) -> Option<IdentityPattern> {
    match remote {
        Remote::Any => None,
        Remote::Address(address) => Some(IdentityPattern::Exact(Identity::from(*address))),
        Remote::Name(name) => Some(IdentityPattern::Exact(Identity::Fqdn(name.clone()))),
    }
}
