//! What the hosts of a laboratory count of packets, and on which hop of their way some of them vanished.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::process::Command;

use crate::netns::Namespace;
use crate::process::output;

/// The counters of one host, by names such as "Udp RcvbufErrors" and "handfast0 tx_packets".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    space: Namespace,
    all: BTreeMap<String, u64>,
}

/// Those of all hosts in the laboratory that `space` belongs to.
pub fn count(space: &Namespace) -> Vec<Counters> {
    let counters = |space: Namespace| {
        // They are those of the thread that opens the file.
        let all = space.inside(|| {
            let read = |file: &str| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
            let mut all = devices(&read("dev"));
            all.extend(pairs(&read("snmp")));
            all.extend(lines(&read("snmp6")));
            all
        });
        Counters { space, all }
    };
    space.laboratory().into_iter().map(counters).collect()
}

/// What each counted between two looks; without what did not change.
pub fn gained(before: &[Counters], after: &[Counters]) -> Vec<Counters> {
    let gained = after.iter().map(|after| {
        let before = before.iter().find(|before| before.space == after.space);
        let old = |name: &String| {
            before
                .and_then(|before| before.all.get(name))
                .copied()
                .unwrap_or_default()
        };
        let all = after
            .all
            .iter()
            .map(|(name, value)| (name.clone(), value.saturating_sub(old(name))));
        Counters {
            space: after.space.clone(),
            all: all.filter(|(_, gained)| *gained > 0).collect(),
        }
    });
    gained.collect()
}

/// The way of `count` echoes from `here` to the host that has the address `to`, as far as hosts and tunnel devices tell,
/// the hop on which the first was missing, and all counters.
pub fn way(here: &Namespace, to: IpAddr, count: u64, gained: &[Counters]) -> String {
    let of = |space: &Namespace| gained.iter().find(|counters| counters.space == *space);
    let there = gained
        .iter()
        .find(|counters| counters.space != *here && counters.space.has(to));
    let mut text = String::new();
    if let (Some(here), Some(there)) = (of(here), there) {
        text += &hops(here, there, to.is_ipv4(), count);
    }
    for counters in gained {
        let all = counters
            .all
            .iter()
            .filter(|(name, _)| !name.ends_with("_bytes") && !name.ends_with("Octets"));
        let all: Vec<String> = all.map(|(name, gained)| format!("{name} {gained}")).collect();
        let _ = writeln!(text, "{} counted: {}", counters.space.name(), all.join(", "));
    }
    text
}

fn hops(here: &Counters, there: &Counters, v4: bool, count: u64) -> String {
    let icmp = |out: bool, request: bool| match (v4, out, request) {
        (true, true, true) => "Icmp OutEchos",
        (true, false, true) => "Icmp InEchos",
        (true, true, false) => "Icmp OutEchoReps",
        (true, false, false) => "Icmp InEchoReps",
        (false, true, true) => "Icmp6OutEchos",
        (false, false, true) => "Icmp6InEchos",
        (false, true, false) => "Icmp6OutEchoReplies",
        (false, false, false) => "Icmp6InEchoReplies",
    };
    let get = |host: &Counters, name: &str| host.all.get(name).copied().unwrap_or_default();
    // A host without a tunnel device has its ESP in the kernel, or no tunnel.
    let tunnel = |host: &Counters, direction: &str| host.has_tunnel().then(|| host.tunnels(direction));
    let steps = [
        ("sent by its host", Some(get(here, icmp(true, true)))),
        ("given to the daemon here", tunnel(here, "tx_packets")),
        ("delivered by the daemon there", tunnel(there, "rx_packets")),
        ("received by the host there", Some(get(there, icmp(false, true)))),
        ("answered", Some(get(there, icmp(true, false)))),
        ("answer given to the daemon there", tunnel(there, "tx_packets")),
        ("answer delivered by the daemon here", tunnel(here, "rx_packets")),
        ("answer received", Some(get(here, icmp(false, false)))),
    ];
    let (mut text, mut last, mut said) = (String::new(), "made", false);
    for (what, seen) in steps.into_iter().filter_map(|(what, seen)| Some((what, seen?))) {
        let _ = writeln!(text, "{seen:>6} {what}");
        if seen < count && !said {
            said = true;
            let _ = writeln!(text, "       ^ vanished between \"{last}\" and \"{what}\"");
        }
        last = what;
    }
    text
}

impl Counters {
    fn tunnels(&self, direction: &str) -> u64 {
        let names = self
            .all
            .iter()
            .filter(|(name, _)| is_tunnel(name) && name.ends_with(direction));
        names.map(|(_, value)| value).sum()
    }

    fn has_tunnel(&self) -> bool {
        self.space.devices().iter().any(|device| is_tunnel(device))
    }
}

/// A daemon's TUN device, or a counter of it: ours, or charon's.
fn is_tunnel(name: &str) -> bool {
    name.starts_with("handfast") || name.starts_with("ipsec")
}

/// /proc/net/dev: "name: bytes packets errs drop fifo frame compressed multicast", and as many of what was sent.
fn devices(text: &str) -> BTreeMap<String, u64> {
    const COLUMNS: [&str; 12] = [
        "rx_bytes",
        "rx_packets",
        "rx_errs",
        "rx_drop",
        "rx_fifo",
        "",
        "",
        "",
        "tx_bytes",
        "tx_packets",
        "tx_errs",
        "tx_drop",
    ];
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let counters = lines.flat_map(|(device, values)| {
        let values = COLUMNS.iter().zip(values.split_whitespace());
        let named = values.filter(|(name, _)| !name.is_empty());
        named.map(move |(name, value)| (format!("{} {name}", device.trim()), value.parse().unwrap_or_default()))
    });
    counters.collect()
}

/// /proc/net/snmp: a line of names and a line of values for each protocol.
fn pairs(text: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks_exact(2).flat_map(|pair| {
        let mut words = pair.iter().map(|line| line.split_whitespace());
        let (names, values) = (words.next().into_iter().flatten(), words.next().into_iter().flatten());
        let protocol = pair[0].split(':').next().unwrap_or_default();
        names
            .zip(values)
            .skip(1)
            .map(move |(name, value)| (format!("{protocol} {name}"), value.parse().unwrap_or_default()))
    });
    pairs.collect()
}

/// /proc/net/snmp6: "name value".
fn lines(text: &str) -> BTreeMap<String, u64> {
    let words = text.lines().map(|line| line.split_whitespace());
    let named = words.filter_map(|mut words| Some((words.next()?.to_owned(), words.next()?.parse().ok()?)));
    named.collect()
}

impl Namespace {
    /// Whether one of its devices has this address.
    fn has(&self, address: IpAddr) -> bool {
        let mut command = Command::new("ip");
        command.args(["-n", self.name(), "-o", "addr", "show", "to", &address.to_string()]);
        !output(&mut command).stdout.is_empty()
    }

    /// The names of its devices.
    fn devices(&self) -> Vec<String> {
        let read = self.inside(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default());
        let names = read
            .lines()
            .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let dev = "Inter-|   Receive   |  Transmit\n face |bytes packets errs\n\
                   to-b: 10 2 3 4 5 0 0 0 60 7 8 9 0 0 0 0\n";
        let expected = [
            ("to-b rx_bytes", 10),
            ("to-b rx_packets", 2),
            ("to-b rx_errs", 3),
            ("to-b rx_drop", 4),
            ("to-b rx_fifo", 5),
            ("to-b tx_bytes", 60),
            ("to-b tx_packets", 7),
            ("to-b tx_errs", 8),
            ("to-b tx_drop", 9),
        ];
        assert_eq!(devices(dev), all(&expected));
        let snmp = "Icmp: InMsgs InErrors\nIcmp: 7 1\nUdp: InDatagrams\nUdp: 9\n";
        assert_eq!(
            pairs(snmp),
            all(&[("Icmp InMsgs", 7), ("Icmp InErrors", 1), ("Udp InDatagrams", 9)])
        );
        assert_eq!(lines("Ip6InReceives   \t3\n"), all(&[("Ip6InReceives", 3)]));
    }
}
