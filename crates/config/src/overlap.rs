//! Connections that want the same packets.

use std::fmt;

use handfast_engine::policy::{ChildPolicy, Connection, Remote, Selector};
use handfast_wire::selector::TrafficSelector;

use crate::connection::Read;
use crate::section::Reader;

/// Refuses the same selectors twice towards fixed peers, since packets could only go to one, and warns where chance
/// decides. Peers from anywhere are told apart when they come.
pub(crate) fn check(list: &[Read], reader: &mut Reader<'_>) {
    let fixed = list.iter().filter(|r| r.connection.remote != Remote::Any);
    let fixed: Vec<(&Read, Vec<Pair>)> = fixed.map(|r| (r, pairs(&r.connection))).collect();
    for (n, (one, mine)) in fixed.iter().enumerate() {
        for (other, theirs) in fixed.iter().take(n) {
            let (name, first) = (&one.connection.name, &other.connection);
            let place = format!("{} is at {}", first.name, first.place);
            if let Some((local, remote)) = mine.iter().find(|p| theirs.contains(p)) {
                let all = mine.iter().all(|p| theirs.contains(p)) && theirs.iter().all(|p| mine.contains(p));
                let message = if all {
                    format!("{} and {name} have the same subnets", first.name)
                } else {
                    format!("{} and {name} both have {local} to {remote}", first.name)
                };
                let hint = format!("packets could only go to one of them; {place}");
                reader.error(one.at, message, "other subnets for each peer", &hint);
                // Of three alike, the third is no more wrong than the second.
                break;
            }
            let mut all = mine.iter().flat_map(|m| theirs.iter().map(move |t| (m, t)));
            if let Some((local, remote)) = all.find_map(|(m, t)| contested(m, t)) {
                let message = format!("{} and {name} overlap from {local} to {remote}", first.name);
                let hint = format!("packets go to the smaller remote_subnet, then to whichever came up last; {place}");
                reader.warning(one.at, message, &hint);
            }
        }
    }
}

/// All packets of the end itself.
const ANY: Selector = Selector::Own {
    protocol: 0,
    start_port: 0,
    end_port: u16::MAX,
};

/// One end of the packets of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Side {
    Selector(TrafficSelector),
    /// Of the address of whichever interface it turns out to be.
    Own(Selector),
    /// Of the address that a name turns out to have.
    Name(String, Selector),
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(ts) => ts.fmt(f),
            Self::Own(ANY) => f.write_str("our address"),
            Self::Own(selector) => write!(f, "our address{selector}"),
            Self::Name(name, ANY) => f.write_str(name),
            Self::Name(name, selector) => write!(f, "{name}{selector}"),
        }
    }
}

impl Side {
    fn ipv4(&self) -> Option<bool> {
        match self {
            Self::Selector(ts) => Some(ts.start.is_ipv4()),
            Self::Own(_) | Self::Name(..) => None,
        }
    }
}

/// From and to.
type Pair = (Side, Side);

fn pairs(c: &Connection) -> Vec<Pair> {
    c.children.iter().flat_map(|child| pairs_of(c, child)).collect()
}

fn pairs_of(c: &Connection, child: &ChildPolicy) -> Vec<Pair> {
    let or_any = |list: &[Selector]| if list.is_empty() { vec![ANY] } else { list.to_vec() };
    let mut local: Vec<Side> = vec![];
    for selector in or_any(&child.local_ts) {
        match (selector, c.local.as_slice()) {
            (Selector::Fixed(ts), _) => local.push(Side::Selector(ts)),
            (own, []) => local.push(Side::Own(own)),
            (own, addresses) => local.extend(addresses.iter().map(|a| Side::Selector(own.at(*a)))),
        }
    }
    let remote: Vec<Side> = or_any(&child.remote_ts)
        .into_iter()
        .filter_map(|selector| match (selector, &c.remote) {
            (Selector::Fixed(ts), _) => Some(Side::Selector(ts)),
            (own, Remote::Address(address)) => Some(Side::Selector(own.at(*address))),
            (own, Remote::Name(name)) => Some(Side::Name(name.to_ascii_lowercase(), own)),
            (Selector::Own { .. }, Remote::Any) => None,
        })
        .collect();
    let all = local.iter().flat_map(|l| remote.iter().map(move |r| (l, r)));
    // No packet goes from one family to the other.
    all.filter(|(l, r)| l.ipv4().zip(r.ipv4()).is_none_or(|(l, r)| l == r))
        .map(|(l, r)| (l.clone(), r.clone()))
        .collect()
}

/// Packets that both take, unless one has the smaller network at the peer's end: it then wins, which is what is meant
/// by a network within another (a branch and the default route).
fn contested(one: &Pair, other: &Pair) -> Option<(TrafficSelector, TrafficSelector)> {
    let (Side::Selector(l1), Side::Selector(r1)) = one else {
        return None;
    };
    let (Side::Selector(l2), Side::Selector(r2)) = other else {
        return None;
    };
    let nested = r1 != r2 && (r1.contains(r2) || r2.contains(r1));
    let both = (l1.intersect(l2)?, r1.intersect(r2)?);
    (!nested).then_some(both)
}
