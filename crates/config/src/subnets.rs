//! The keys `local_subnet` and `remote_subnet`.

use handfast_engine::policy::Selector;
use handfast_wire::selector::TrafficSelector;

use crate::section::{Reader, Section, parse};

const SUBNET: &str = "a subnet such as \"10.1.0.0/16\", or a list of them";

/// What is written of one side; empty where nothing is.
pub(crate) fn selectors(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, key: &'static str) -> Vec<Selector> {
    let mut list: Vec<Selector> = vec![];
    for (text, at) in s.texts(reader, key, SUBNET) {
        let Some(selector) = parse::<Selector>(reader, key, &text, at, SUBNET) else {
            continue;
        };
        if list.contains(&selector) {
            reader.error(at, format!("{key}: {text} is there twice"), "each once", "");
            continue;
        }
        if let Selector::Fixed(ts) = selector {
            let others = || fixed(&list);
            let wider = others().find(|l| l.contains(&ts)).map(|wider| (ts, *wider));
            let narrower = others().find(|l| ts.contains(l)).map(|narrower| (*narrower, ts));
            if let Some((inner, outer)) = wider.or(narrower) {
                let message = format!("{key}: {inner} is part of {outer}");
                reader.warning(at, message, "the larger one is enough");
            }
        }
        list.push(selector);
    }
    list
}

/// What is wrong with both sides together. `at`: where `remote_subnet` is.
pub(crate) fn check(reader: &mut Reader<'_>, name: &str, at: usize, local: &[Selector], remote: &[Selector]) {
    let has = |list: &[Selector], v4: bool| {
        list.iter().any(|s| match s {
            Selector::Fixed(ts) => ts.start.is_ipv4() == v4,
            Selector::Own { .. } => true,
        })
    };
    let common = |v4| has(local, v4) && has(remote, v4);
    if !local.is_empty() && !remote.is_empty() && !common(true) && !common(false) {
        let message = format!("local_subnet and remote_subnet of {name} are of different families");
        let expected = "both IPv4, both IPv6, or both of both";
        reader.error(at, message, expected, "");
    }
    if let Some(common) = on_both_sides(local, remote) {
        let message = format!("local_subnet and remote_subnet of {name} both have {common}");
        let hint = "what the network here sends to itself would go to the peer";
        reader.warning(at, message, hint);
    }
}

fn fixed(list: &[Selector]) -> impl Iterator<Item = &TrafficSelector> {
    list.iter().filter_map(|selector| match selector {
        Selector::Fixed(ts) => Some(ts),
        Selector::Own { .. } => None,
    })
}

/// Addresses at both ends. A network within the other end's (a branch in the whole company's, anything in the default
/// route) is meant so, and so is everything at both; for the smaller one decides where a packet goes.
fn on_both_sides(local: &[Selector], remote: &[Selector]) -> Option<TrafficSelector> {
    let whole = |ts: &TrafficSelector| ts.as_subnet().is_some_and(|(_, prefix_len)| prefix_len == 0);
    let pairs = fixed(local).flat_map(|l| fixed(remote).map(move |r| (l, r)));
    let mut found = pairs.filter_map(|(l, r)| {
        // Ports tell a service from its clients, but the addresses are still in one place only.
        let (l, r) = (addresses(l), addresses(r));
        let nested = l != r && (l.contains(&r) || r.contains(&l));
        l.intersect(&r).filter(|common| !nested && !whole(common))
    });
    found.next()
}

fn addresses(ts: &TrafficSelector) -> TrafficSelector {
    TrafficSelector {
        protocol: 0,
        start_port: 0,
        end_port: u16::MAX,
        ..*ts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_meant_is_on_both_sides() {
        let common = |l: &str, r: &str| {
            let (l, r) = (l.parse().unwrap(), r.parse().unwrap());
            on_both_sides(&[l], &[r]).map(|ts| ts.to_string())
        };
        assert_eq!(common("10.1.0.0/16", "10.1.0.0/16").unwrap(), "10.1.0.0/16");
        assert_eq!(
            common("10.1.0.0/16[tcp/443]", "10.1.0.0/16[udp]").unwrap(),
            "10.1.0.0/16"
        );
        assert_eq!(
            common("10.1.0.1-10.1.0.10", "10.1.0.8-10.1.0.20").unwrap(),
            "10.1.0.8-10.1.0.10"
        );
        for (l, r) in [
            ("10.1.0.0/16", "10.2.0.0/16"),
            ("10.1.0.0/16", "10.0.0.0/8"),
            ("10.0.0.0/8", "10.1.0.0/16"),
            ("10.1.0.0/16", "0.0.0.0/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.1.0.0/16", "::/0"),
        ] {
            assert_eq!(common(l, r), None, "{l} {r}");
        }
    }
}
