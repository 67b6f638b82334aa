//! Two connections that want the same packets.

use std::fmt::Display;

use handfast_engine::policy::{ChildPolicy, Connection, Remote};

use crate::connection::Read;
use crate::section::Reader;

/// Refuses the same selectors twice towards fixed peers: packets could only go to one. Peers from anywhere are told
/// apart when they come.
pub(crate) fn check(list: &[Read], reader: &mut Reader<'_>) {
    let fixed: Vec<&Read> = list.iter().filter(|r| r.connection.remote != Remote::Any).collect();
    for (n, one) in fixed.iter().enumerate() {
        let selectors = selectors(&one.connection);
        let same = fixed
            .iter()
            .take(n)
            .find(|o| self::selectors(&o.connection) == selectors);
        let Some(other) = same else { continue };
        let (name, first) = (&one.connection.name, &other.connection);
        let hint = format!(
            "packets could only go to one of them; {} is at {}",
            first.name, first.place
        );
        let message = format!("{} and {name} have the same subnets", first.name);
        reader.error(one.at, message, "other subnets for each peer", &hint);
    }
}

/// What its children select, in an order that does not depend on how it is written.
fn selectors(c: &Connection) -> Vec<(Vec<String>, Vec<String>)> {
    c.children.iter().map(|child| pair(c, child)).collect()
}

fn pair(c: &Connection, child: &ChildPolicy) -> (Vec<String>, Vec<String>) {
    let local = match child.local_ts.as_slice() {
        [] => sorted(&c.local),
        some => sorted(some),
    };
    let remote = match (child.remote_ts.as_slice(), &c.remote) {
        ([], Remote::Address(address)) => vec![address.to_string()],
        ([], Remote::Name(name)) => vec![name.clone()],
        (some, _) => sorted(some),
    };
    (local, remote)
}

fn sorted<T: Display>(list: &[T]) -> Vec<String> {
    let mut list: Vec<String> = list
        .iter()
        .map(|t| {
            t.to_string()
                .trim_end_matches("/32")
                .trim_end_matches("/128")
                .to_string()
        })
        .collect();
    list.sort();
    list.dedup();
    list
}
