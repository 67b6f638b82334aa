//! What a service manager is told (systemd's `sd_notify`): ready, reading again, stopping, alive.
//!
//! Without a manager, that is without `NOTIFY_SOCKET` in the environment, all of this does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep_until};

/// The service manager's wish to hear from us.
#[derive(Debug, Default)]
pub struct Manager {
    /// How often it is told that the loop is alive, and when next; `None` where it does not want to know.
    alive: Option<(Duration, Instant)>,
}

impl Manager {
    /// Reads from the environment whether anybody wants to know.
    pub fn new() -> Self {
        // Twice in the time it waits, as sd_watchdog_enabled(3) advises.
        let alive = sd_notify::watchdog_enabled().map(|limit| (limit / 2, Instant::now()));
        Self { alive }
    }

    /// Requests are answered from now on, also after [`Self::reloading`].
    pub fn ready(&self, connections: usize) {
        let status = format!("connections configured: {connections}");
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// The configuration is being read again.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "the service manager is not told of the reload"),
        }
    }

    /// SAs are being deleted with their peers; the process ends soon.
    pub fn stopping(&self) {
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("deleting the SAs with their peers"),
        ]);
    }

    /// Waits until the manager is to be told that we are alive, which [`Self::alive`] does. Never ends where it does not
    /// want to know.
    pub async fn due(&self) {
        match self.alive {
            Some((_, next)) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Tells it.
    pub fn alive(&mut self) {
        tell(&[NotifyState::Watchdog]);
        if let Some((every, next)) = &mut self.alive {
            *next = Instant::now() + *every;
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
