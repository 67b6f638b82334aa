#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What RFC 4303 says, without a bitmap.
#[derive(Default)]
struct Model {
    seen: BTreeSet<u64>,
    /// It and all before it count as seen.
    floor: u64,
}

impl Model {
    fn insert(&mut self, sequence: u64) -> bool {
        let newest = self.seen.last().copied().unwrap_or(0);
        sequence > self.floor && sequence + WIDTH > newest && self.seen.insert(sequence)
    }
}

#[test]
fn the_first_packet_is_one_and_zero_is_never_accepted() {
    let mut window = ReplayWindow::new();
    assert!(!window.is_new(0));
    assert!(window.insert(1));
    assert!(!window.insert(1));
    assert!(!window.insert(0));
}

#[test]
fn the_window_is_1024_wide() {
    let mut window = ReplayWindow::new();
    assert!(window.insert(5000));
    assert!(window.is_new(5000 - 1023));
    assert!(!window.is_new(5000 - 1024));
    for sequence in 5000 - 1023..5000 {
        assert!(window.insert(sequence));
    }
    for sequence in 0..=5000 {
        assert!(!window.insert(sequence), "{sequence}");
    }
}

/// Nothing that was remembered a bitmap's length ago stands in the way of a late packet.
#[test]
fn late_packets_are_accepted_round_after_round() {
    for step in [2, 62, 64, 66, 130, 1000] {
        let mut window = ReplayWindow::new();
        for sequence in (1000..20_000).step_by(step) {
            assert!(window.insert(sequence));
            assert!(window.insert(sequence - 901), "{sequence} in steps of {step}");
        }
    }
}

#[test]
fn a_look_changes_nothing() {
    let window = ReplayWindow::new();
    assert!(window.is_new(1 << 40));
    assert_eq!(window.newest(), 0);
    assert!(window.is_new(7));
}

proptest! {
    /// The bitmap accepts what the model accepts, in whatever order.
    #[test]
    fn it_agrees_with_the_model(steps in prop::collection::vec((0u8..4, any::<u16>()), 1..400)) {
        let (mut window, mut model) = (ReplayWindow::new(), Model::default());
        for (kind, amount) in steps {
            let amount = u64::from(amount);
            let sequence = match kind {
                0 => window.newest() + amount % 4,                        // the usual
                1 => window.newest().saturating_sub(amount % (WIDTH + 3)), // late
                2 => window.newest() + amount % 3000,                     // a burst was lost
                _ => amount,
            };
            prop_assert_eq!(window.is_new(sequence), model.seen.last().copied().unwrap_or(0) < sequence + WIDTH
                && sequence != 0 && !model.seen.contains(&sequence));
            prop_assert_eq!(window.insert(sequence), model.insert(sequence));
        }
    }

    /// Folded it never accepts what was received, and always what is among the last 64 and was not.
    #[test]
    fn folded_it_knows_the_last_64(steps in prop::collection::vec((0u8..4, any::<u16>(), any::<bool>()), 1..300)) {
        let (mut window, mut model) = (ReplayWindow::new(), Model::default());
        for (kind, amount, fold) in steps {
            if fold {
                window.fold();
                model.floor = window.newest().saturating_sub(WORD);
            }
            let amount = u64::from(amount);
            let sequence = match kind {
                0 => window.newest() + amount % 4,
                1 => window.newest().saturating_sub(amount % (WORD + 3)),
                2 => window.newest().saturating_sub(amount % (WIDTH + 3)),
                _ => window.newest() + amount % 3000,
            };
            let new = window.is_new(sequence);
            prop_assert_eq!(window.insert(sequence), new);
            prop_assert_eq!(new, model.insert(sequence));
        }
    }

    /// Of all numbers with these low bits the one within the window, or the next one after it, is found.
    #[test]
    fn the_upper_half_is_recovered(newest in 0..u64::MAX - (1 << 33), distance in -1023i64..(1 << 32) - 1024) {
        let window = ReplayWindow::starting_at(newest);
        let sequence = i128::from(newest) + i128::from(distance);
        prop_assume!(sequence >= 0);
        let sequence = u64::try_from(sequence).unwrap();
        prop_assert_eq!(window.recover(sequence as u32), Some(sequence));
    }
}

#[test]
fn before_the_first_and_after_the_last_there_is_none() {
    // The window spans zero: what would be of the subspace before the first does not exist.
    assert_eq!(ReplayWindow::starting_at(5).recover(u32::MAX), None);
    assert_eq!(ReplayWindow::starting_at(u64::MAX).recover(3), None);
    assert_eq!(
        ReplayWindow::starting_at(u64::MAX - 4).recover(u32::MAX),
        Some(u64::MAX)
    );
}

#[test]
fn both_cases_of_appendix_a() {
    let at = |newest: u64, low: u32| ReplayWindow::starting_at(newest).recover(low);
    // Case A: newest 3:5000.
    assert_eq!(at(3 << 32 | 5000, 4000), Some(3 << 32 | 4000));
    assert_eq!(at(3 << 32 | 5000, 3976), Some(4 << 32 | 3976)); // just outside: taken for the next subspace
    // Case B: newest 3:100, the window reaches back to 2:(2^32 - 923).
    assert_eq!(at(3 << 32 | 100, 101), Some(3 << 32 | 101));
    assert_eq!(at(3 << 32 | 100, u32::MAX), Some(2 << 32 | u64::from(u32::MAX)));
    assert_eq!(
        at(3 << 32 | 100, u32::MAX - 923),
        Some(3 << 32 | u64::from(u32::MAX - 923))
    );
}
