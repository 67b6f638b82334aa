//! How long key exchanges take on this processor, so that those are answered in place that take less time than it costs
//! to have another thread answer, and the others do not keep packets waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use handfast_crypto::provider::Provider;
use handfast_crypto::transform::Group;
use handfast_engine::Question;

/// The longest that is answered in place. To hand a question over takes two switches between threads, some 20 µs, and
/// that of packets that come meanwhile goes on. MODP of 2048 bits takes 0.1 ms or 0.7, as the processor has the
/// instructions, so that the size of a group says nothing.
const IN_PLACE: Duration = Duration::from_micros(400);

/// The least time that was seen of each kind of work: what else the machine does can only make it longer, and the first
/// time is longer where tables are made. Work that was not seen yet counts as long.
#[derive(Clone)]
pub struct Costs(Arc<[Row]>);

struct Row {
    group: Group,
    public_len: usize,
    /// In nanoseconds, of each [`Work`].
    least: [AtomicU32; 3],
}

/// What is done in a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    row: usize,
    kind: usize,
}

impl Costs {
    /// Of the groups of a provider, nothing being known.
    pub fn new(provider: &Provider) -> Self {
        let row = |group: &&dyn handfast_crypto::provider::KeyAgreement| Row {
            group: group.id(),
            public_len: group.public_len(),
            least: [const { AtomicU32::new(u32::MAX) }; 3],
        };
        Self(provider.groups.iter().map(row).collect())
    }

    /// The work that a question makes, if it is a key exchange in a group that there is. `prepared`: there is a key pair for it
    /// already.
    pub fn work(&self, question: &Question, prepared: bool) -> Option<Work> {
        let of = |wanted: Group| self.0.iter().position(|row| row.group == wanted);
        let (row, kind) = match question {
            Question::GenerateKey(group) => (of(*group), 0),
            // Then what is left is to agree.
            Question::Respond { group, .. } => (of(*group), if prepared { 2 } else { 1 }),
            // A key does not say of which group it is, and those with values of the same size take about as long.
            Question::Agree { peer, .. } => (self.0.iter().position(|row| row.public_len == peer.len()), 2),
            _ => (None, 0),
        };
        Some(Work { row: row?, kind })
    }

    /// Whether it takes less time than to have another thread do it.
    pub fn is_quick(&self, work: Work) -> bool {
        let least = self.cell(work).map_or(u32::MAX, |cell| cell.load(Ordering::Relaxed));
        Duration::from_nanos(least.into()) <= IN_PLACE
    }

    /// It took so long.
    pub fn learn(&self, work: Work, took: Duration) {
        if let Some(cell) = self.cell(work) {
            let nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
            cell.fetch_min(nanos, Ordering::Relaxed);
        }
    }

    fn cell(&self, work: Work) -> Option<&AtomicU32> {
        self.0.get(work.row)?.least.get(work.kind)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use handfast_crypto::default_provider;

    use super::*;

    #[test]
    fn the_least_time_counts_for_its_own_work_alone() {
        let costs = Costs::new(default_provider());
        let respond = |group| costs.work(&Question::Respond { group, peer: vec![] }, false).unwrap();
        let (small, large) = (respond(Group::MODP2048), respond(Group::MODP8192));
        let key = costs.work(&Question::GenerateKey(Group::MODP2048), false).unwrap();
        assert!(!costs.is_quick(small), "nothing is known yet");
        costs.learn(small, Duration::from_millis(3));
        assert!(!costs.is_quick(small));
        costs.learn(small, Duration::from_micros(120));
        costs.learn(small, Duration::from_secs(9));
        assert!(costs.is_quick(small));
        assert!(!costs.is_quick(large) && !costs.is_quick(key));
    }

    #[test]
    fn what_is_no_key_exchange_has_no_cost() {
        let costs = Costs::new(default_provider());
        assert_eq!(costs.work(&Question::Resolve("a.test".into()), false), None);
        assert_eq!(costs.work(&Question::GenerateKey(Group(999)), false), None);
    }
}
