//! A `[connection.NAME]` table.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::{Identity, IdentityPattern};
use handfast_crypto::default_provider;
use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Authentication, ChildPolicy, Connection, Remote, Retransmit, Start, UdpEncapsulation};
use handfast_plane::op::Mode;
use handfast_wire::selector::TrafficSelector;

use crate::section::{Reader, Section, parse};
use crate::units::{SPAN, Span, secret};

/// A connection and where it is written.
pub(crate) struct Read {
    pub connection: Connection,
    at: usize,
}

const ADDRESS: &str = "an IP address such as \"192.0.2.1\"";
const REMOTE: &str = "an IP address, a DNS name, or \"any\"";
const SUBNET: &str = "a subnet such as \"10.1.0.0/16\", or a list of them";
const IDENTITY: &str = "a name such as \"a.example.net\", an address, an e-mail address, or keyid:...";
const IKE: &str = "algorithms such as \"aes128gcm16-prfsha256-x25519\"";
const ESP: &str = "algorithms such as \"aes128gcm16\"";
/// A shorter secret is guessed in no time.
const SHORT_SECRET: usize = 8;

pub(crate) fn read(name: &str, at: usize, mut s: Section<'_, '_>, reader: &mut Reader<'_>) -> Option<Read> {
    if let Some(version) = s.number(reader, "version", 1, 2)
        && version == 1
    {
        reader.error(
            s.at,
            format!("{name} asks for IKEv1"),
            "version = 2",
            "IKEv1 is not available yet",
        );
    }
    let local = addresses(&mut s, reader);
    let remote = remote(&mut s, reader, at);
    let secret = preshared(&mut s, reader, name, at);
    let local_id = s.parsed::<Identity>(reader, "local_id", IDENTITY).map(|(id, _)| id);
    let remote_id = s
        .parsed::<IdentityPattern>(reader, "remote_id", IDENTITY)
        .map(|(id, _)| id);
    let place = reader.place(at);
    let child = ChildPolicy {
        name: name.to_string(),
        place: place.clone(),
        mode: s
            .word(
                reader,
                "mode",
                &[("tunnel", Mode::Tunnel), ("transport", Mode::Transport)],
            )
            .unwrap_or(Mode::Tunnel),
        local_ts: many::<TrafficSelector>(&mut s, reader, "local_subnet", SUBNET),
        remote_ts: many::<TrafficSelector>(&mut s, reader, "remote_subnet", SUBNET),
        esp: or_default(esp(&mut s, reader), || EspProposal::defaults(default_provider())),
    };
    if child.mode == Mode::Transport {
        reader.error(
            s.at,
            format!("{name} asks for transport mode"),
            "mode = \"tunnel\"",
            "the userspace plane carries tunnels only",
        );
    }
    let ike = or_default(ike(&mut s, reader), || IkeProposal::defaults(default_provider()));
    let start = s
        .word(reader, "start", &[("now", Start::Now), ("wait", Start::Wait)])
        .unwrap_or(Start::Wait);
    let udp = [("auto", UdpEncapsulation::Auto), ("always", UdpEncapsulation::Always)];
    let udp_encapsulation = s
        .word(reader, "udp_encapsulation", &udp)
        .unwrap_or(UdpEncapsulation::Auto);
    let mut span =
        |s: &mut Section<'_, '_>, key, default| s.parsed::<Span>(reader, key, SPAN).map_or(default, |(d, _)| d.0);
    let liveness = span(&mut s, "liveness", Duration::from_secs(30));
    let keepalive = span(&mut s, "keepalive", Duration::from_secs(20));
    let first = span(&mut s, "retransmit_timeout", Retransmit::default().first);
    let tries = s
        .number(reader, "retransmit_tries", 0, 100)
        .and_then(|n| u32::try_from(n).ok());
    if first < Duration::from_millis(10) {
        reader.error(s.at, "retransmit_timeout is too short".into(), "at least \"10ms\"", "");
    }
    let port = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    let remote_port = s.number(reader, "remote_port", 1, 65_535).map_or(500, port);
    let remote_natt_port = s.number(reader, "remote_natt_port", 1, 65_535).map_or(4500, port);
    if start == Start::Now && remote == Some(Remote::Any) {
        reader.error(
            s.at,
            format!("{name} cannot start now: its remote is \"any\""),
            "start = \"wait\"",
            "only the peer can begin",
        );
    }
    if let Some(Remote::Address(address)) = &remote
        && !local.is_empty()
        && !local.iter().any(|l| l.is_ipv4() == address.is_ipv4())
    {
        reader.error(
            s.at,
            format!("local and remote of {name} are of different families"),
            "both IPv4 or both IPv6",
            "",
        );
    }
    let at_key = s.at;
    s.finish(reader);
    let remote = remote?;
    let local_id = local_id.or_else(|| local.first().map(|a| Identity::from(*a)));
    let Some(local_id) = local_id else {
        reader.error(
            at_key,
            format!("{name} does not say who we are"),
            "local_id, or local from which it follows",
            "",
        );
        return None;
    };
    let remote_id = remote_id.unwrap_or_else(|| match &remote {
        Remote::Address(address) => IdentityPattern::Exact(Identity::from(*address)),
        Remote::Name(name) => IdentityPattern::Exact(Identity::Fqdn(name.clone())),
        Remote::Any => {
            reader.warning(
                at_key,
                format!("{name} accepts any peer that knows the secret"),
                "remote_id says who they must be",
            );
            IdentityPattern::Any
        }
    });
    let retransmit = Retransmit {
        first,
        tries: tries.unwrap_or(Retransmit::default().tries),
        ..Retransmit::default()
    };
    let connection = Connection {
        name: name.to_string(),
        place,
        local,
        remote,
        remote_port,
        remote_natt_port,
        local_id,
        remote_id,
        auth: Authentication { psk: secret? },
        ike,
        children: vec![Arc::new(child)],
        start,
        udp_encapsulation,
        retransmit,
        liveness,
        keepalive,
    };
    Some(Read { connection, at })
}

fn addresses(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<IpAddr> {
    let texts = s.texts(reader, "local", ADDRESS);
    let texts = texts.into_iter().filter(|(text, _)| text != "any");
    texts
        .filter_map(|(text, at)| {
            address(&text).or_else(|| {
                reader.error(at, format!("local: {text:?} is not an address"), ADDRESS, "");
                None
            })
        })
        .collect()
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn remote(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, at: usize) -> Option<Remote> {
    if !s.has("remote") {
        reader.error(at, "no remote".into(), &format!("remote = {REMOTE}"), "");
    }
    let (text, at) = s.text(reader, "remote", REMOTE)?;
    if text == "any" || text == "%any" {
        return Some(Remote::Any);
    }
    if let Some(address) = address(&text) {
        return Some(Remote::Address(address));
    }
    let label = |l: &str| {
        !l.is_empty() && l.len() < 64 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric || !text.trim_end_matches('.').split('.').all(label) {
        reader.error(
            at,
            format!("remote: {text:?} is neither an address nor a name"),
            REMOTE,
            "",
        );
        return None;
    }
    Some(Remote::Name(text))
}

fn preshared(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, name: &str, at: usize) -> Option<Secret> {
    let (inline, file) = (s.has("secret"), s.has("secret_file"));
    let written = s.text(reader, "secret", "a text");
    let named = s.text(reader, "secret_file", "a path");
    if inline && file {
        reader.error(at, format!("{name} has both secret and secret_file"), "one of them", "");
        return None;
    }
    if !inline && !file {
        reader.error(
            at,
            format!("{name} has no secret"),
            "secret = \"...\" or secret_file = \"PATH\"",
            "`openssl rand -base64 32` makes one",
        );
        return None;
    }
    let (octets, at) = match (written, named) {
        (Some((text, at)), _) => {
            reader.secret_at = Some(at);
            match secret(&text) {
                Ok(octets) => (octets, at),
                Err(why) => {
                    reader.error(
                        at,
                        format!("secret: {why}"),
                        "text, 0x and hexadecimal, or 0s and base64",
                        "",
                    );
                    return None;
                }
            }
        }
        (None, Some((path, at))) => (reader.secret_file(at, &path)?, at),
        (None, None) => return None,
    };
    if octets.is_empty() {
        reader.error(
            at,
            format!("the secret of {name} is empty"),
            "at least 16 random octets",
            "",
        );
        return None;
    }
    if octets.len() < SHORT_SECRET {
        let hint = "`openssl rand -base64 32` makes a good one";
        reader.warning(
            at,
            format!("the secret of {name} has only {} octets", octets.len()),
            hint,
        );
    }
    Some(Secret::new(octets))
}

fn many<T: FromStr>(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, key: &'static str, expected: &str) -> Vec<T>
where
    T::Err: std::fmt::Display,
{
    let texts = s.texts(reader, key, expected);
    texts
        .into_iter()
        .filter_map(|(text, at)| parse(reader, key, &text, at, expected))
        .collect()
}

/// IKE proposals, all of whose algorithms this build has.
fn ike(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<IkeProposal> {
    let mut list = vec![];
    for (text, at) in s.texts(reader, "ike", IKE) {
        let Some(p) = parse::<IkeProposal>(reader, "ike", &text, at, IKE) else {
            continue;
        };
        let provider = default_provider();
        for prf in p.prf.iter().filter(|prf| provider.prf(**prf).is_none()) {
            unavailable(reader, at, "ike", prf);
        }
        for group in p.groups.iter().filter(|g| provider.group(**g).is_none()) {
            unavailable(reader, at, "ike", group);
        }
        protects(reader, at, "ike", &p.encr, &p.integ);
        list.push(p);
    }
    list
}

fn esp(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<EspProposal> {
    let mut list = vec![];
    for (text, at) in s.texts(reader, "esp", ESP) {
        let Some(p) = parse::<EspProposal>(reader, "esp", &text, at, ESP) else {
            continue;
        };
        for group in p.groups.iter().filter(|g| default_provider().group(**g).is_none()) {
            unavailable(reader, at, "esp", group);
        }
        protects(reader, at, "esp", &p.encr, &p.integ);
        list.push(p);
    }
    list
}

fn protects(
    reader: &mut Reader<'_>,
    at: usize,
    key: &str,
    encr: &[handfast_crypto::transform::Encr],
    integ: &[handfast_crypto::transform::Integ],
) {
    for cipher in encr {
        if integ.is_empty() && default_provider().protect(*cipher, None).is_none() {
            unavailable(reader, at, key, cipher);
        }
        for i in integ
            .iter()
            .filter(|i| default_provider().protect(*cipher, Some(**i)).is_none())
        {
            unavailable(reader, at, key, &format!("{cipher} with {i}"));
        }
    }
}

fn unavailable(reader: &mut Reader<'_>, at: usize, key: &str, what: &dyn std::fmt::Display) {
    let message = format!("{key}: {what} is weak or not available");
    reader.error(
        at,
        message,
        "a modern algorithm",
        "without this key the defaults are offered",
    );
}

fn or_default<T>(list: Vec<T>, default: impl Fn() -> Vec<T>) -> Vec<T> {
    if list.is_empty() { default() } else { list }
}

/// Two connections to fixed peers with the same selectors: packets could only go to one.
pub(crate) fn check_overlap(list: &[Read], reader: &mut Reader<'_>) {
    let fixed = |c: &Connection| !matches!(c.remote, Remote::Any);
    for (n, one) in list.iter().enumerate() {
        for other in list[..n]
            .iter()
            .filter(|o| fixed(&o.connection) && fixed(&one.connection))
        {
            let ts = |c: &Connection| {
                c.children
                    .iter()
                    .map(|c| (c.local_ts.clone(), c.remote_ts.clone()))
                    .collect::<Vec<_>>()
            };
            let same = ts(&one.connection) == ts(&other.connection);
            if same
                && ts(&one.connection)
                    .iter()
                    .any(|(local, remote)| !local.is_empty() || !remote.is_empty())
            {
                let message = format!(
                    "{} and {} have the same subnets",
                    one.connection.name, other.connection.name
                );
                reader.error(
                    one.at,
                    message,
                    "other subnets for each peer",
                    "packets could only go to one of them",
                );
            }
        }
    }
}
