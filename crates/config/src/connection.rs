//! A `[connection.NAME]` table.

use std::str::FromStr;
use std::time::Duration;

use handfast_auth::{Identity, IdentityPattern};
use handfast_crypto::proposal::EspProposal;
use handfast_engine::policy::{
    Authentication, Connection, FRAGMENT_SIZE, Method, Remote, Retransmit, Start, UdpEncapsulation, Versions,
};

use crate::certificates::Own;
use crate::section::{Reader, Section};
use crate::units::{SPAN, Span};
use crate::{algorithms, auth, children, ends, kerberos, lifetime};

/// A connection and where it is written.
pub(crate) struct Read {
    pub connection: Connection,
    pub at: usize,
}

const IDENTITY: &str = "a name such as \"a.example.net\", an address, an e-mail address, a distinguished name such as \
                        \"C=CH, CN=a\", or keyid:...";
/// Age at which an IKE SA is replaced.
const IKE_REKEY: Duration = Duration::from_secs(4 * 3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Waiting longer for a first answer than this is no retransmission.
const LONGEST_FIRST: Duration = Duration::from_secs(60);

/// Reads one. `at` is where its name is. `None` if there is not enough to make a connection of, which was then said.
pub(crate) fn read(name: &str, at: usize, mut s: Section<'_, '_>, reader: &mut Reader<'_>) -> Option<Read> {
    check_name(name, at, reader);
    let versions = versions(&mut s, reader);
    let before = reader.count();
    let local = ends::local(&mut s, reader);
    let local_is_wrong = reader.count() > before;
    let remote = ends::remote(&mut s, reader, name, at);
    let read = auth::read(name, at, versions, &mut s, reader, remote.as_ref());
    let by_certificate = |list: fn(&Authentication) -> &Vec<Method>| {
        read.as_ref()
            .is_some_and(|read| list(&read.auth).contains(&Method::Certificate))
    };
    let by = |method| read.as_ref().is_some_and(|read| read.auth.remote == [method]);
    let (local_id, remote_id) = identities(&mut s, reader);
    let legacy = s.flag(reader, "legacy").unwrap_or(false);
    let children = children::read(name, at, &mut s, reader, legacy);
    let most = s.number(reader, "max_children", 1, 1000);
    let max_children = most.and_then(|n| usize::try_from(n).ok()).unwrap_or(64);
    if children.len() > max_children {
        let message = format!("{name} has {} children and may have {max_children}", children.len());
        reader.error(s.at_of("max_children"), message, "a larger max_children", "");
    }
    let ike = algorithms::ike(&mut s, reader, legacy, versions);
    let esp: Vec<EspProposal> = children.iter().flat_map(|c| c.esp.iter().cloned()).collect();
    if legacy && !algorithms::any_legacy(&ike, &esp) {
        let message = format!("{name} says legacy = true and names no legacy algorithm");
        let hint = "the defaults never have one; name it in ike or esp, or take legacy away";
        reader.warning(s.at_of("legacy"), message, hint);
    }
    let by_psk = read.as_ref().is_none_or(|read| read.auth.local.contains(&Method::Psk));
    let aggressive = aggressive(name, versions, by_psk, &mut s, reader);
    let starts = [("now", Start::Now), ("wait", Start::Wait)];
    let start = s.word(reader, "start", &starts).unwrap_or(Start::Wait);
    let udp = [("auto", UdpEncapsulation::Auto), ("always", UdpEncapsulation::Always)];
    let udp = s.word(reader, "udp_encapsulation", &udp);
    let liveness = span(&mut s, reader, "liveness").unwrap_or(Duration::from_secs(30));
    let rekey = span(&mut s, reader, "ike_rekey").unwrap_or(IKE_REKEY);
    let lifetime = span(&mut s, reader, "ike_lifetime").unwrap_or_else(|| lifetime::after(rekey));
    lifetime::check_ike(reader, name, &s, rekey, lifetime);
    let keepalive = span(&mut s, reader, "keepalive").unwrap_or(Duration::from_secs(20));
    let retransmit = retransmit(&mut s, reader);
    let fragment_size = fragment_size(&mut s, reader);
    let port = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    let remote_port = s.number(reader, "remote_port", 1, 65_535).map_or(500, port);
    let remote_natt_port = s.number(reader, "remote_natt_port", 1, 65_535).map_or(4500, port);
    if start == Start::Now && remote == Some(Remote::Any) {
        let message = format!("{name} cannot start now: its remote is \"any\"");
        reader.error(s.at_of("start"), message, "start = \"wait\"", "only the peer can begin");
    }
    if let Some(remote) = &remote {
        ends::check_families(&s, reader, name, &local, remote);
    }
    let own = read
        .as_ref()
        .map(|read| &read.own)
        .filter(|_| by_certificate(|auth| &auth.local));
    if let (Some(own), Some(Some(id))) = (own, &local_id) {
        own.check_identity(reader, s.at_of("local_id"), id);
    }
    let of_kerberos = || {
        read.as_ref()
            .and_then(|read| kerberos::host(read.auth.kerberos.as_ref()?))
    };
    let of_certificate = || own.and_then(Own::identity).or_else(of_kerberos);
    let local_id = local_id.unwrap_or_else(|| of_certificate().or_else(|| ends::own_identity(&local, remote.as_ref())));
    let sure = read.is_some() || !["certificate", "key", "kerberos"].iter().any(|key| s.has(key));
    if sure && local_id.is_none() && !s.has("local_id") && !local_is_wrong {
        let message = format!("{name} does not say who we are");
        reader.error(at, message, "local_id, or local from which it follows", "");
    }
    let remote_id = match (remote_id, &remote) {
        (Some(id), _) => id?,
        // Its principals say who the peer is.
        (None, Some(Remote::Any | Remote::Address(_))) if by(Method::Kerberos) => IdentityPattern::Any,
        (None, Some(remote)) => ends::identity_of(remote).unwrap_or_else(|| {
            let whom = if by_certificate(|auth| &auth.remote) {
                "has a certificate of a CA that it trusts"
            } else {
                "knows the secret"
            };
            let message = format!("{name} accepts any peer that {whom}");
            reader.warning(at, message, "remote_id says who they must be");
            IdentityPattern::Any
        }),
        (None, None) => IdentityPattern::Any,
    };
    let place = s.place(reader, at);
    s.finish(reader);
    let connection = Connection {
        name: name.to_string(),
        place,
        versions,
        aggressive,
        local,
        remote: remote?,
        remote_port,
        remote_natt_port,
        local_id: local_id?,
        remote_id,
        auth: read?.auth,
        ike,
        children,
        max_children,
        start,
        udp_encapsulation: udp.unwrap_or(UdpEncapsulation::Auto),
        retransmit,
        liveness,
        rekey,
        lifetime,
        keepalive,
        fragment_size,
    };
    Some(Read { connection, at })
}

/// The credentials alone, of a connection that has this identity.
pub(crate) fn credentials(
    name: &str,
    at: usize,
    s: &mut Section<'_, '_>,
    reader: &mut Reader<'_>,
    identity: &Identity,
) -> Option<Authentication> {
    let versions = versions(s, reader);
    let remote = ends::remote(s, reader, name, at);
    let read = auth::read(name, at, versions, s, reader, remote.as_ref())?;
    if read.auth.local.contains(&Method::Certificate) {
        read.own.check_identity(reader, s.at_of("certificate"), identity);
    }
    Some(read.auth)
}

/// Names are written on command lines and in logs.
pub(crate) fn check_name(name: &str, at: usize, reader: &mut Reader<'_>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('-') || name.len() > 64 || !name.chars().all(plain) {
        let message = format!("{name:?} cannot name a connection or child");
        reader.error(at, message, "up to 64 letters, digits, \"-\", \"_\" and \".\"", "");
    }
}

/// 1, 2 or "any".
fn versions(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Versions {
    if s.is_text("version") {
        let any = s.word(reader, "version", &[("any", Versions::Any)]);
        return any.unwrap_or(Versions::Two);
    }
    match s.number(reader, "version", 1, 2) {
        Some(1) => Versions::One,
        Some(_) => Versions::Two,
        // Only IKEv1 has Kerberos.
        None if !s.has("version") && wants_kerberos(s) => Versions::One,
        None => Versions::Two,
    }
}

fn wants_kerberos(s: &Section<'_, '_>) -> bool {
    if s.has("auth") {
        s.has_text("auth", "kerberos")
    } else {
        s.has("kerberos")
    }
}

/// Whether IKEv1 may use aggressive mode.
fn aggressive(name: &str, versions: Versions, by_psk: bool, s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> bool {
    let aggressive = s.flag(reader, "aggressive") == Some(true);
    let at = s.at_of("aggressive");
    if aggressive && versions == Versions::Two {
        let message = format!("{name}: aggressive mode is of IKEv1, and this connection speaks IKEv2");
        reader.error(at, message, "version = 1 or version = \"any\"", "");
    } else if aggressive && by_psk {
        let message = format!(
            "{name}: in aggressive mode the responder sends a hash of the secret before the peer is known, with which \
             anyone can try out secrets at leisure (an offline dictionary attack)"
        );
        reader.warning(
            at,
            message,
            "main mode, or IKEv2; else a secret of `openssl rand -base64 32`",
        );
    }
    aggressive
}

/// Both identities as written; the inner `None` for one that cannot be read.
type Written<T> = Option<Option<T>>;

fn identities(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> (Written<Identity>, Written<IdentityPattern>) {
    let local = s.parsed::<Identity>(reader, "local_id", IDENTITY);
    let remote = s.parsed::<IdentityPattern>(reader, "remote_id", IDENTITY);
    let local = s.has("local_id").then(|| local.map(|(id, _)| id));
    (local, s.has("remote_id").then(|| remote.map(|(id, _)| id)))
}

/// A duration of at least 100 ms, or off.
pub(crate) fn span(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, key: &'static str) -> Option<Duration> {
    let (text, at) = s.text(reader, key, SPAN)?;
    if text == "off" {
        return Some(Duration::ZERO);
    }
    within(
        reader,
        key,
        &text,
        at,
        (Duration::from_millis(100), DAY),
        "100ms to 24h, or \"off\"",
    )
}

fn within(
    reader: &mut Reader<'_>,
    key: &str,
    text: &str,
    at: usize,
    (least, most): (Duration, Duration),
    expected: &str,
) -> Option<Duration> {
    let span = match Span::from_str(text) {
        Ok(span) => span.0,
        Err(why) => {
            reader.error(at, format!("{key}: {why}"), SPAN, "");
            return None;
        }
    };
    if (least..=most).contains(&span) {
        return Some(span);
    }
    let far = if span < least { "short" } else { "long" };
    reader.error(at, format!("{key}: {text:?} is too {far}"), expected, "");
    None
}

/// The largest IP datagram of an IKE message; with the overhead of any suite some room must be left in it.
fn fragment_size(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Option<u16> {
    let written = s.number_or_off(reader, "fragment_size", 200, 65_535);
    written.map_or(Some(FRAGMENT_SIZE), |size| size.and_then(|n| u16::try_from(n).ok()))
}

fn retransmit(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Retransmit {
    let mut retransmit = Retransmit::default();
    if let Some((text, at)) = s.text(reader, "retransmit_timeout", SPAN) {
        let limits = (Duration::from_millis(10), LONGEST_FIRST);
        retransmit.first =
            within(reader, "retransmit_timeout", &text, at, limits, "10ms to 1m").unwrap_or(retransmit.first);
        retransmit.most = retransmit.most.max(retransmit.first);
    }
    let tries = s.number(reader, "retransmit_tries", 0, 100);
    retransmit.tries = tries.and_then(|n| u32::try_from(n).ok()).unwrap_or(retransmit.tries);
    retransmit
}
