//! Time that goes on while the host sleeps.

use std::time::Duration;

use handfast_auth::certificate::Time;
use nix::time::{ClockId, clock_gettime};

/// Time since boot, suspend included (`CLOCK_BOOTTIME`): a laptop that wakes finds its SAs as old as they are, which
/// the monotonic clock, that stands still during suspend, would hide.
pub fn now() -> Duration {
    // Neither clock can fail on a kernel this runs on (2.6.39 has both); zero would only delay timers.
    let read = |clock| clock_gettime(clock).map(Duration::from);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let time = read(ClockId::CLOCK_BOOTTIME).or_else(|_| read(ClockId::CLOCK_MONOTONIC));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let time = read(ClockId::CLOCK_MONOTONIC);
    time.unwrap_or_default()
}

/// Time since boot without suspend (`CLOCK_MONOTONIC`): what lies between the two is how long the host has slept.
pub fn awake() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default()
}

/// The time of day, for certificates.
pub fn certificate_time() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_advances() {
        let before = now();
        assert!(before > Duration::ZERO);
        std::thread::sleep(Duration::from_millis(5));
        let passed = now() - before;
        assert!(
            passed >= Duration::from_millis(5) && passed < Duration::from_secs(60),
            "{passed:?}"
        );
    }
}
