//! Sending a request again until it is answered (RFC 7296 section 2.1).

use crate::datagrams::Datagrams;
use crate::policy::Retransmit;
use crate::time::Instant;

/// A request under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub bytes: Datagrams,
    /// How often it was sent.
    pub sent: u32,
    /// When it is sent again or given up.
    pub due: Instant,
    schedule: Retransmit,
}

/// What to do when a request's time came.
pub(crate) enum Due {
    /// Not yet.
    Wait,
    /// Send it again.
    Again,
    /// The peer had its chances.
    GiveUp,
}

impl Pending {
    /// A request that was sent just now.
    pub fn new(bytes: impl Into<Datagrams>, now: Instant, schedule: Retransmit) -> Self {
        Self {
            bytes: bytes.into(),
            sent: 1,
            due: now + schedule.first,
            schedule,
        }
    }

    pub fn poll(&mut self, now: Instant) -> Due {
        if now < self.due {
            return Due::Wait;
        }
        if self.sent > self.schedule.tries {
            return Due::GiveUp;
        }
        self.due = now + self.schedule.wait(self.sent);
        self.sent += 1;
        Due::Again
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn backs_off_and_gives_up() {
        let schedule = Retransmit {
            first: Duration::from_secs(1),
            factor: 2.0,
            most: Duration::from_secs(5),
            tries: 4,
        };
        let mut pending = Pending::new(vec![], Instant::default(), schedule);
        let mut at = vec![];
        let mut now = Instant::default();
        loop {
            now = now.max(pending.due);
            match pending.poll(now) {
                Due::Again => at.push(now.0.as_secs()),
                Due::GiveUp => break,
                Due::Wait => unreachable!(),
            }
        }
        assert_eq!(at, [1, 3, 7, 12]);
        assert_eq!(now.0.as_secs(), 17);
    }

    #[test]
    fn after_a_long_sleep_one_copy_leaves_and_the_schedule_goes_on_from_there() {
        let mut pending = Pending::new(vec![], Instant::default(), Retransmit::default());
        let morning = Instant(Duration::from_secs(8 * 3600));
        assert!(matches!(pending.poll(morning), Due::Again));
        assert!(matches!(pending.poll(morning), Due::Wait));
        assert!(pending.due > morning);
        assert_eq!(pending.sent, 2);
    }

    #[test]
    fn no_schedule_overflows() {
        for (factor, most) in [(f64::MAX, 30), (f64::INFINITY, 30), (f64::NAN, 30), (0.0, 0)] {
            let schedule = Retransmit {
                first: Duration::ZERO,
                factor,
                most: Duration::from_secs(most),
                tries: 1000,
            };
            let mut pending = Pending::new(vec![], Instant::default(), schedule);
            let mut now = Instant::default();
            while !matches!(pending.poll(now), Due::GiveUp) {
                now = now.max(pending.due);
            }
            assert_eq!(pending.sent, 1001);
        }
    }
}
