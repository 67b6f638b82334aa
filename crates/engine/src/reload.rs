//! What differs between two readings of a connection, and what that means for its SAs.
//!
//! Both the engine, which acts on it, and whoever tells people of it ask here, so that what is told is what is done.

mod credentials;

use std::fmt::Display;
use std::time::Duration;

use handfast_plane::op::Mode;

use crate::policy::{Authentication, ChildPolicy, Connection, Retransmit, Selector, Start, UdpEncapsulation, Versions};

/// What a changed setting means for SAs that stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// They go on and obey it from now on, or it only matters when the connection is next begun.
    Live,
    /// It was negotiated or proved with the old value: they are deleted with the peer, and the connection begins anew.
    Reconnect,
}

/// One setting that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The configuration's key; that of a child of another name than its connection's as "CHILD.KEY".
    pub key: String,
    /// The value before, as in the configuration; `None` if it is secret or there was none.
    pub before: Option<String>,
    /// The value now; `None` if it is secret or there is none.
    pub after: Option<String>,
    /// What it means.
    pub effect: Effect,
}

/// Whether SAs of `before` cannot go on under `after`.
pub(crate) fn renews(before: &Connection, after: &Connection) -> bool {
    differences(before, after).iter().any(|d| d.effect == Effect::Reconnect)
}

/// Everything that differs. Where a connection is written does not count.
pub fn differences(before: &Connection, after: &Connection) -> Vec<Difference> {
    // Without "..": a new setting must be thought of here.
    let Connection {
        name,
        place: _,
        versions,
        aggressive,
        local,
        remote,
        remote_port,
        remote_natt_port,
        local_id,
        remote_id,
        auth:
            Authentication {
                local: prove,
                remote: accept,
                psk,
                // Below: they count from the next authentication on.
                certificates: _,
                peers: _,
                // So do other credentials.
                kerberos: _,
            },
        ike,
        children,
        max_children,
        start,
        udp_encapsulation,
        retransmit,
        liveness,
        rekey,
        lifetime,
        keepalive,
        fragment_size,
    } = before;
    let mut list = List::default();
    let renew = Effect::Reconnect;
    let version = |v: &Versions| match v {
        Versions::One => "1".into(),
        Versions::Two => "2".into(),
        Versions::Any => "any".into(),
    };
    list.add("version", renew, versions, &after.versions, version);
    list.add("aggressive", renew, aggressive, &after.aggressive, ToString::to_string);
    list.add("local", renew, local, &after.local, |l| match l.as_slice() {
        [] => "any".into(),
        list => join(list),
    });
    list.add("remote", renew, remote, &after.remote, ToString::to_string);
    list.add("local_id", renew, local_id, &after.local_id, ToString::to_string);
    list.add("remote_id", renew, remote_id, &after.remote_id, ToString::to_string);
    if !psk.ct_eq(after.auth.psk.as_bytes()) {
        list.found("secret", renew, None, None);
    }
    list.add("auth", renew, prove, &after.auth.local, |l| join(l));
    list.add("remote_auth", renew, accept, &after.auth.remote, |l| join(l));
    list.credentials(&before.auth, &after.auth);
    list.kerberos(before.auth.kerberos.as_deref(), after.auth.kerberos.as_deref());
    list.add("ike", renew, ike, &after.ike, |l| join(l));
    let udp = |u: &UdpEncapsulation| match u {
        UdpEncapsulation::Auto => "auto".into(),
        UdpEncapsulation::Always => "always".into(),
    };
    list.add(
        "udp_encapsulation",
        renew,
        udp_encapsulation,
        &after.udp_encapsulation,
        udp,
    );
    list.children(name, children.iter().map(|c| &**c), after);
    let live = Effect::Live;
    let start_text = |s: &Start| match s {
        Start::Now => "now".into(),
        Start::Wait => "wait".into(),
    };
    list.add(
        "max_children",
        live,
        max_children,
        &after.max_children,
        ToString::to_string,
    );
    // Whether there are fragments was negotiated; how large they are was not.
    let size = |size: &Option<u16>| size.map_or("off".into(), |size| size.to_string());
    let effect = if fragment_size.is_some() == after.fragment_size.is_some() {
        live
    } else {
        renew
    };
    list.add("fragment_size", effect, fragment_size, &after.fragment_size, size);
    list.add("start", live, start, &after.start, start_text);
    list.add("liveness", live, liveness, &after.liveness, span);
    list.add("ike_rekey", live, rekey, &after.rekey, span);
    list.add("ike_lifetime", live, lifetime, &after.lifetime, span);
    list.add("keepalive", live, keepalive, &after.keepalive, span);
    let Retransmit {
        first,
        factor,
        most,
        tries,
    } = retransmit;
    let timeout = (first, factor, most);
    let now = &after.retransmit;
    let timeout_now = (&now.first, &now.factor, &now.most);
    list.add("retransmit_timeout", live, &timeout, &timeout_now, |t| span(t.0));
    list.add("retransmit_tries", live, tries, &now.tries, ToString::to_string);
    list.add(
        "remote_port",
        live,
        remote_port,
        &after.remote_port,
        ToString::to_string,
    );
    list.add(
        "remote_natt_port",
        live,
        remote_natt_port,
        &after.remote_natt_port,
        ToString::to_string,
    );
    list.0
}

#[derive(Default)]
struct List(Vec<Difference>);

impl List {
    fn found(&mut self, key: impl Into<String>, effect: Effect, before: Option<String>, after: Option<String>) {
        self.0.push(Difference {
            key: key.into(),
            before,
            after,
            effect,
        });
    }

    fn add<T: PartialEq>(
        &mut self,
        key: impl Into<String>,
        effect: Effect,
        before: &T,
        after: &T,
        text: impl Fn(&T) -> String,
    ) {
        if before != after {
            self.found(key, effect, Some(text(before)), Some(text(after)));
        }
    }

    /// Children are the same by name.
    fn children<'c>(&mut self, connection: &str, before: impl Iterator<Item = &'c ChildPolicy>, after: &Connection) {
        let mut fresh: Vec<&ChildPolicy> = after.children.iter().map(|c| &**c).collect();
        let ends = |c: &ChildPolicy| {
            format!(
                "{} <-> {}",
                subnets(&c.local_ts, "our address"),
                subnets(&c.remote_ts, "the peer's address")
            )
        };
        for old in before {
            match fresh.iter().position(|c| c.name == old.name) {
                Some(index) => self.child(connection, old, fresh.remove(index)),
                None => self.found(&old.name, Effect::Reconnect, Some(ends(old)), None),
            }
        }
        for new in fresh {
            self.found(&new.name, Effect::Reconnect, None, Some(ends(new)));
        }
    }

    fn child(&mut self, connection: &str, before: &ChildPolicy, after: &ChildPolicy) {
        let ChildPolicy {
            name,
            place: _,
            mode,
            or_tunnel,
            local_ts,
            remote_ts,
            single_pair,
            esp,
            rekey,
            lifetime,
            limits,
        } = before;
        let key = |key: &str| {
            if name == connection {
                key.to_string()
            } else {
                format!("{name}.{key}")
            }
        };
        let renew = Effect::Reconnect;
        let mode_text = |m: &(Mode, bool)| match m {
            (Mode::Tunnel, _) => "tunnel".into(),
            (Mode::Transport, false) => "transport".into(),
            (Mode::Transport, true) => "transport-or-tunnel".into(),
        };
        let (was, is) = ((*mode, *or_tunnel), (after.mode, after.or_tunnel));
        self.add(key("mode"), renew, &was, &is, mode_text);
        let flag = |set: &bool| set.to_string();
        self.add(key("single_pair"), renew, single_pair, &after.single_pair, flag);
        self.add(key("local_subnet"), renew, local_ts, &after.local_ts, |l| {
            subnets(l, "our address")
        });
        self.add(key("remote_subnet"), renew, remote_ts, &after.remote_ts, |l| {
            subnets(l, "the peer's address")
        });
        self.add(key("esp"), renew, esp, &after.esp, |l| join(l));
        let live = Effect::Live;
        self.add(key("rekey"), live, rekey, &after.rekey, span);
        self.add(key("lifetime"), live, lifetime, &after.lifetime, span);
        for (name, before, after) in [
            ("rekey_", limits.soft, after.limits.soft),
            ("lifetime_", limits.hard, after.limits.hard),
        ] {
            let (bytes, packets) = (format!("{name}bytes"), format!("{name}packets"));
            self.add(key(&bytes), live, &before.bytes, &after.bytes, amount);
            self.add(key(&packets), live, &before.packets, &after.packets, number);
        }
    }
}

fn join<T: Display>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn subnets(list: &[Selector], own: &str) -> String {
    if list.is_empty() { own.into() } else { join(list) }
}

/// An amount of octets as people write it.
fn amount(octets: &u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match *octets {
        u64::MAX => "off".into(),
        octets => (units.iter().find(|(size, _)| octets.is_multiple_of(*size))).map_or_else(
            || format!("{octets}B"),
            |(size, unit)| format!("{}{unit}", octets / size),
        ),
    }
}

fn number(packets: &u64) -> String {
    match *packets {
        u64::MAX => "off".into(),
        packets => packets.to_string(),
    }
}

/// A duration as people write it.
fn span(span: &Duration) -> String {
    let ms = span.as_millis();
    match ms {
        0 => "off".into(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        let texts = [0, 500, 1500, 30_000, 90_000, 120_000, 7_200_000].map(|ms| span(&Duration::from_millis(ms)));
        assert_eq!(texts, ["off", "500ms", "1500ms", "30s", "90s", "2m", "2h"]);
    }
}
