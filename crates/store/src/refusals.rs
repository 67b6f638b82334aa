//! What was refused lately, by us or by a peer: for `handfast status`. Bounded, and never written to a disk, since anyone
//! can cause a refusal.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many different ones are kept.
const KEPT: usize = 16;

/// One refusal, with what its owner needs to mend it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusalFacts {
    /// The connection, if one was chosen.
    pub connection: Option<String>,
    /// The peer's address and port.
    pub remote: String,
    /// "us" or "peer".
    pub by: String,
    /// A short name of the kind, which never changes.
    pub cause: String,
    /// The kind in words.
    pub why: String,
    /// The notify that the peer sent; null if it sent none.
    pub told: Option<String>,
    /// What was offered, by whoever was refused.
    pub offered: Vec<String>,
    /// What would have been accepted; empty where only the peer knows.
    pub acceptable: Vec<String>,
    /// Likely causes, or what to compare; null where the rest says all.
    pub hint: Option<String>,
    /// The line of the configuration to look at.
    pub look_at: Option<String>,
}

/// A refusal in the status document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusalStatus {
    /// Whole seconds since it was last seen.
    pub ago_s: u64,
    /// How often the same was seen in a row.
    pub times: u64,
    /// All about it.
    #[serde(flatten)]
    pub facts: RefusalFacts,
}

/// The latest refusals.
#[derive(Clone, Default, Debug)]
pub struct Refusals {
    /// The latest first: when, how often, what.
    list: VecDeque<(u64, u64, RefusalFacts)>,
}

impl Refusals {
    /// Keeps one. The same again counts up: it does not push others out.
    pub fn add(&mut self, now_ms: u64, facts: RefusalFacts) {
        // A peer that tries again may come from another port.
        let host = |facts: &RefusalFacts| facts.remote.rsplit_once(':').map(|(host, _)| host.to_string());
        let same = self.list.iter().position(|(_, _, old)| {
            let of_one_port = RefusalFacts {
                remote: facts.remote.clone(),
                ..old.clone()
            };
            host(old) == host(&facts) && of_one_port == facts
        });
        let times = same
            .and_then(|index| self.list.remove(index))
            .map_or(0, |(_, times, _)| times);
        self.list.push_front((now_ms, times + 1, facts));
        self.list.truncate(KEPT);
    }

    /// A connection is up: what was refused before is over.
    pub fn over(&mut self, connection: &str) {
        self.list
            .retain(|(_, _, facts)| facts.connection.as_deref() != Some(connection));
    }

    /// As they are shown, the latest first.
    pub fn status(&self, now_ms: u64) -> Vec<RefusalStatus> {
        let shown = |(at, times, facts): &(u64, u64, RefusalFacts)| RefusalStatus {
            ago_s: now_ms.saturating_sub(*at) / 1000,
            times: *times,
            facts: facts.clone(),
        };
        self.list.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(connection: &str, port: u16) -> RefusalFacts {
        RefusalFacts {
            connection: Some(connection.into()),
            remote: format!("192.0.2.1:{port}"),
            by: "us".into(),
            cause: "selectors".into(),
            why: "the traffic selectors do not meet".into(),
            told: None,
            offered: vec![],
            acceptable: vec![],
            hint: None,
            look_at: None,
        }
    }

    #[test]
    fn the_same_again_counts_and_others_are_bounded() {
        let mut refusals = Refusals::default();
        refusals.add(0, facts("office", 500));
        for n in 0..10 {
            refusals.add(n * 1000, facts("lab", 40_000 + n as u16));
        }
        let shown = refusals.status(12_000);
        assert_eq!(shown.len(), 2);
        assert_eq!((shown[0].times, shown[0].ago_s), (10, 3));
        assert_eq!(shown[1].facts.connection.as_deref(), Some("office"));
        for n in 0..100 {
            refusals.add(20_000, facts(&n.to_string(), 500));
        }
        assert_eq!(refusals.status(20_000).len(), KEPT);
    }

    #[test]
    fn a_connection_that_is_up_has_none() {
        let mut refusals = Refusals::default();
        refusals.add(0, facts("office", 500));
        refusals.add(0, facts("lab", 500));
        refusals.over("office");
        assert_eq!(refusals.status(0).len(), 1);
    }
}
