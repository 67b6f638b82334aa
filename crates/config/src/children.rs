//! The children of a connection: `[connection.NAME.child.CHILD]` tables, or the keys of the connection for its only one.

use std::sync::Arc;
use std::time::Duration;

use handfast_crypto::proposal::EspProposal;
use handfast_engine::place::Place;
use handfast_engine::policy::{ChildPolicy, Selector};
use handfast_plane::op::Mode;

use crate::connection::{check_name, span};
use crate::lifetime::Ends;
use crate::section::{Reader, Section};
use crate::{algorithms, lifetime, subnets};

/// Age at which a child is replaced.
const REKEY: Duration = Duration::from_secs(3600);

/// What one table says of a child; where it says nothing, the connection's keys hold.
struct Written {
    mode: Option<(Mode, bool)>,
    local: Vec<Selector>,
    remote: Vec<Selector>,
    single_pair: Option<bool>,
    esp: Option<Vec<EspProposal>>,
    rekey: Option<Duration>,
    ends: Ends,
}

/// The children of the connection `name`, whose name is at `at`, in the order of the file.
pub(crate) fn read(
    name: &str,
    at: usize,
    s: &mut Section<'_, '_>,
    reader: &mut Reader<'_>,
    legacy: bool,
) -> Vec<Arc<ChildPolicy>> {
    let common = written(s, reader, legacy);
    let tables = s.table(reader, "child").map(|table| {
        let head = format!("[connection.{name}.child.NAME]");
        if table.is_empty() {
            reader.error(
                table.at,
                format!("{name} has a table of children without one"),
                &head,
                "",
            );
        }
        table.tables(reader, &head)
    });
    let Some(tables) = tables else {
        subnets::check(reader, name, s.at_of("remote_subnet"), &common.local, &common.remote);
        let policy = policy(name, s.place(reader, at), &common, None);
        check_transport(reader, s, &policy);
        lifetime::check(reader, name, s, &policy);
        return vec![Arc::new(policy)];
    };
    let mut list: Vec<Arc<ChildPolicy>> = vec![];
    for (child, at, mut section) in tables {
        check_name(&child, at, reader);
        let own = written(&mut section, reader, legacy);
        // What it does not say itself stands in its connection's table.
        let place = section.place(reader, at).within(&s.place(reader, at));
        let policy = policy(&child, place, &common, Some(own));
        check_transport(reader, &section, &policy);
        let full = format!("{name}.{child}");
        subnets::check(
            reader,
            &full,
            section.at_of("remote_subnet"),
            &policy.local_ts,
            &policy.remote_ts,
        );
        lifetime::check(reader, &full, &section, &policy);
        let same = |other: &&Arc<ChildPolicy>| other.local_ts == policy.local_ts && other.remote_ts == policy.remote_ts;
        if let Some(other) = list.iter().find(same) {
            let message = format!("{} and {child} of {name} have the same subnets", other.name);
            let hint = format!(
                "packets could only go to one of them; {} is at {}",
                other.name, other.place
            );
            reader.error(at, message, "other subnets for each child", &hint);
        }
        section.finish(reader);
        list.push(Arc::new(policy));
    }
    list
}

fn written(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, legacy: bool) -> Written {
    let modes = [
        ("tunnel", (Mode::Tunnel, false)),
        ("transport", (Mode::Transport, false)),
        ("transport-or-tunnel", (Mode::Transport, true)),
    ];
    let mode = s.word(reader, "mode", &modes);
    let local = subnets::selectors(s, reader, "local_subnet");
    let remote = subnets::selectors(s, reader, "remote_subnet");
    let esp = algorithms::esp(s, reader, legacy);
    Written {
        mode,
        local,
        remote,
        single_pair: s.flag(reader, "single_pair"),
        esp: s.has("esp").then_some(esp),
        rekey: span(s, reader, "rekey"),
        ends: Ends::read(s, reader),
    }
}

fn policy(name: &str, place: Place, common: &Written, own: Option<Written>) -> ChildPolicy {
    let (mode, or_tunnel) = own
        .as_ref()
        .and_then(|own| own.mode)
        .or(common.mode)
        .unwrap_or((Mode::Tunnel, false));
    let own = own.as_ref();
    let list = |of: fn(&Written) -> &Vec<Selector>| match own.map(of) {
        Some(list) if !list.is_empty() => list.clone(),
        _ => of(common).clone(),
    };
    let esp = own.and_then(|own| own.esp.clone()).or_else(|| common.esp.clone());
    let rekey = own.and_then(|own| own.rekey).or(common.rekey).unwrap_or(REKEY);
    let ends = own.map_or(common.ends, |own| own.ends.or(common.ends));
    ChildPolicy {
        name: name.to_string(),
        place,
        mode,
        or_tunnel,
        local_ts: list(|w| &w.local),
        remote_ts: list(|w| &w.remote),
        single_pair: own
            .and_then(|own| own.single_pair)
            .or(common.single_pair)
            .unwrap_or(false),
        esp: esp.unwrap_or_else(|| EspProposal::defaults(handfast_crypto::default_provider())),
        rekey,
        lifetime: ends.lifetime(rekey),
        limits: ends.limits(),
    }
}

/// Transport mode carries the packets of the two ends themselves.
fn check_transport(reader: &mut Reader<'_>, s: &Section<'_, '_>, policy: &ChildPolicy) {
    if policy.mode == Mode::Tunnel {
        return;
    }
    for (key, list) in [("local_subnet", &policy.local_ts), ("remote_subnet", &policy.remote_ts)] {
        let network = |selector: &&Selector| matches!(selector, Selector::Fixed(ts) if ts.start != ts.end);
        if let Some(network) = list.iter().find(network) {
            let message = format!("{}: transport mode carries no packets of {network}", policy.name);
            let expected = format!("no {key}, or protocols and ports alone such as \"[tcp/443]\"");
            reader.error(s.at_of(key), message, &expected, "mode = \"tunnel\" carries networks");
        }
    }
}
