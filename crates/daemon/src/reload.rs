//! The configuration read again while the daemon runs: what differs, what it means, and what is taken over.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use handfast_config::{CredentialFiles, DaemonConfig, Loaded};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Connection, Policy};
use handfast_engine::reload::{Effect as OfSas, differences};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config_file::{self, Unusable};
use crate::credentials::{Renewal, Watch};

/// When a changed setting counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once, or when the connection next begins; SAs go on.
    Live,
    /// At once: the connection's SAs are deleted with the peer, and it begins anew.
    Reconnect,
    /// When the daemon is started again; until then the old value holds.
    Restart,
}

impl Effect {
    fn words(self) -> &'static str {
        match self {
            Self::Live => "SAs go on",
            Self::Reconnect => "reconnects",
            Self::Restart => "needs a restart",
        }
    }
}

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is new.
    Added,
    /// It is no longer configured: its SAs are deleted with the peer.
    Removed,
    /// Some of its keys changed.
    Changed,
}

/// One key. `before` and `after` are null for a secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyChange {
    /// The key.
    pub key: String,
    /// Its value before.
    pub before: Option<String>,
    /// Its value now.
    pub after: Option<String>,
    /// When it counts.
    pub effect: Effect,
}

/// One connection that is not as it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConnectionChange {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: What,
    /// What that means for its SAs; null for one that is new.
    pub effect: Option<Effect>,
    /// Which keys changed.
    pub keys: Vec<KeyChange>,
}

/// All that differs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// In the order of the new file, then those that are gone.
    pub connections: Vec<ConnectionChange>,
    /// Keys of the `[daemon]` table.
    pub daemon: Vec<KeyChange>,
}

impl Changes {
    /// What turns one configuration into the other.
    pub fn between(before: (&DaemonConfig, &Policy), after: (&DaemonConfig, &Policy)) -> Self {
        let mut connections = vec![];
        let by_name = |policy: &'_ Policy| -> HashMap<String, Arc<Connection>> {
            let named = |c: &Arc<Connection>| (c.name.clone(), c.clone());
            policy.connections.iter().map(named).collect()
        };
        let (old_ones, new_ones) = (by_name(before.1), by_name(after.1));
        for new in &after.1.connections {
            let Some(old) = old_ones.get(&new.name) else {
                connections.push(ConnectionChange::whole(&new.name, What::Added, None));
                continue;
            };
            let keys: Vec<KeyChange> = differences(old, new)
                .into_iter()
                .map(|d| KeyChange {
                    key: d.key,
                    before: d.before,
                    after: d.after,
                    effect: match d.effect {
                        OfSas::Live => Effect::Live,
                        OfSas::Reconnect => Effect::Reconnect,
                    },
                })
                .collect();
            if let Some(effect) = keys.iter().map(|k| k.effect).max() {
                connections.push(ConnectionChange {
                    name: new.name.clone(),
                    change: What::Changed,
                    effect: Some(effect),
                    keys,
                });
            }
        }
        let gone = before.1.connections.iter().filter(|c| !new_ones.contains_key(&c.name));
        connections.extend(gone.map(|c| ConnectionChange::whole(&c.name, What::Removed, Some(Effect::Reconnect))));
        Self {
            connections,
            daemon: daemon(before.0, after.0),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.daemon.is_empty()
    }
}

impl ConnectionChange {
    fn whole(name: &str, change: What, effect: Option<Effect>) -> Self {
        Self {
            name: name.into(),
            change,
            effect,
            keys: vec![],
        }
    }
}

fn daemon(before: &DaemonConfig, after: &DaemonConfig) -> Vec<KeyChange> {
    // Without "..": a new key must be thought of here.
    let DaemonConfig {
        ike_port,
        natt_port,
        socket,
        log,
        log_level,
        half_open_limit,
        half_open_per_address,
        cookies,
        tun,
        mtu,
        offload,
        prepared_keys,
    } = before;
    let mtu_text = |mtu: &Option<u16>| mtu.map_or_else(|| "what fits".into(), |mtu| mtu.to_string());
    let text = |log| format!("{log:?}").to_lowercase();
    let word = |cookies| format!("{cookies:?}").to_lowercase();
    let list = [
        (
            "ike_port",
            ike_port.to_string(),
            after.ike_port.to_string(),
            Effect::Restart,
        ),
        (
            "natt_port",
            natt_port.to_string(),
            after.natt_port.to_string(),
            Effect::Restart,
        ),
        (
            "socket",
            socket.display().to_string(),
            after.socket.display().to_string(),
            Effect::Restart,
        ),
        ("log", text(*log), text(after.log), Effect::Restart),
        ("log_level", log_level.clone(), after.log_level.clone(), Effect::Restart),
        (
            "half_open_limit",
            half_open_limit.to_string(),
            after.half_open_limit.to_string(),
            Effect::Live,
        ),
        (
            "half_open_per_address",
            half_open_per_address.to_string(),
            after.half_open_per_address.to_string(),
            Effect::Live,
        ),
        ("cookies", word(*cookies), word(after.cookies), Effect::Live),
        ("tun", tun.clone(), after.tun.clone(), Effect::Restart),
        ("mtu", mtu_text(mtu), mtu_text(&after.mtu), Effect::Live),
        (
            "offload",
            offload.to_string(),
            after.offload.to_string(),
            Effect::Restart,
        ),
        (
            "prepared_keys",
            prepared_keys.to_string(),
            after.prepared_keys.to_string(),
            Effect::Live,
        ),
    ];
    let changed = list.into_iter().filter(|(_, before, after, _)| before != after);
    changed
        .map(|(key, before, after, effect)| KeyChange {
            key: key.into(),
            before: Some(before),
            after: Some(after),
            effect,
        })
        .collect()
}

/// For people. `done`: they were taken over, and not only looked at.
pub fn text(changes: &Changes, done: bool) -> String {
    if changes.is_empty() {
        return "Nothing differs from what the daemon runs with.".into();
    }
    let mut out = String::new();
    for c in &changes.connections {
        let meaning = match (c.change, c.effect) {
            (What::Added, _) => "added".into(),
            (What::Removed, _) => "removed, its SAs are deleted".into(),
            (What::Changed, effect) => format!("changed, {}", effect.unwrap_or(Effect::Live).words()),
        };
        let _ = writeln!(out, "{}: {meaning}", c.name);
        out.push_str(&keys(&c.keys));
    }
    if !changes.daemon.is_empty() {
        out.push_str("[daemon]\n");
        out.push_str(&keys(&changes.daemon));
    }
    let restart = changes.daemon.iter().any(|k| k.effect == Effect::Restart);
    if !done {
        out.push_str("Nothing was done yet: `handfast reload` does it.");
    } else if restart {
        out.push_str("What needs a restart is as it was until then.");
    }
    out.trim_end().to_string()
}

fn keys(list: &[KeyChange]) -> String {
    let rows: Vec<(&str, String, &str)> = list
        .iter()
        .map(|k| (k.key.as_str(), values(k), k.effect.words()))
        .collect();
    let width = |of: fn(&(&str, String, &str)) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (first, second) = (width(|r| r.0.len()), width(|r| r.1.chars().count()));
    rows.iter()
        .map(|(key, values, words)| format!("    {key:first$}  {values:second$}  {words}\n"))
        .collect()
}

fn values(k: &KeyChange) -> String {
    match (&k.before, &k.after) {
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (None, Some(after)) => format!("added: {after}"),
        (Some(before), None) => format!("removed: {before}"),
        (None, None) => format!("{} changed", k.key),
    }
}

/// What the daemon runs with, and where it came from.
pub struct Settings {
    file: PathBuf,
    daemon: DaemonConfig,
    policy: Arc<Policy>,
    /// The text of the file, as far as it is in force.
    text: Arc<Secret>,
    credentials: Vec<CredentialFiles>,
}

/// The file as it is now, not yet taken over.
pub struct Fresh {
    loaded: Loaded,
    /// What differs.
    pub changes: Changes,
}

impl Settings {
    /// What was read at the start.
    pub fn new(file: PathBuf, loaded: Loaded) -> Self {
        Self {
            file,
            daemon: loaded.config.daemon,
            policy: Arc::new(loaded.policy),
            text: loaded.text,
            credentials: loaded.files,
        }
    }

    /// For the engine.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.clone()
    }

    /// The `[daemon]` table as far as it holds.
    pub fn daemon(&self) -> &DaemonConfig {
        &self.daemon
    }

    /// Reads the file again and changes nothing.
    pub fn read_again(&self) -> Result<Fresh, Unusable> {
        let loaded = config_file::read(&self.file)?;
        let changes = Changes::between((&self.daemon, &self.policy), (&loaded.config.daemon, &loaded.policy));
        Ok(Fresh { loaded, changes })
    }

    /// Takes over what can be without a restart.
    pub fn take(&mut self, fresh: Fresh) {
        let (mut policy, daemon) = (fresh.loaded.policy, fresh.loaded.config.daemon);
        policy.ports = self.policy.ports;
        self.text = fresh.loaded.text;
        self.credentials = fresh.loaded.files;
        self.policy = Arc::new(policy);
        self.daemon.half_open_limit = daemon.half_open_limit;
        self.daemon.half_open_per_address = daemon.half_open_per_address;
        self.daemon.cookies = daemon.cookies;
        self.daemon.mtu = daemon.mtu;
        self.daemon.prepared_keys = daemon.prepared_keys;
    }

    /// Looks at the certificate files from now on.
    pub fn watch(&self) -> Watch {
        Watch::new(&self.file, self.text.clone(), &self.policy, &self.credentials)
    }

    /// Takes over credentials that were renewed. Nothing else changes.
    pub fn renew(&mut self, renewal: &Renewal) {
        let mut policy = (*self.policy).clone();
        for connection in &mut policy.connections {
            if connection.name == renewal.connection {
                *connection = Arc::new(renewal.applied(connection));
            }
        }
        self.policy = Arc::new(policy);
    }

    /// The answer to whoever asked for it.
    pub fn answer(&self, read: &Result<Fresh, Unusable>, dry_run: bool) -> Value {
        match read {
            Ok(fresh) => {
                let warnings: Vec<String> = fresh.loaded.warnings.iter().map(ToString::to_string).collect();
                json!({"ok": true, "dry_run": dry_run, "changes": fresh.changes, "warnings": warnings})
            }
            Err(why) => {
                let mistakes = why.lines();
                let error = format!("{} is not right, and nothing was changed", self.file.display());
                json!({"ok": false, "error": error, "mistakes": mistakes})
            }
        }
    }
}

/// Writes to the log what was read.
pub fn log(read: &Result<Fresh, Unusable>) {
    let fresh = match read {
        Ok(fresh) => fresh,
        Err(why) => {
            for line in why.lines() {
                tracing::error!("{line}");
            }
            tracing::error!("the configuration is not right, and nothing was changed");
            return;
        }
    };
    for warning in &fresh.loaded.warnings {
        tracing::warn!("{warning}");
    }
    for c in &fresh.changes.connections {
        let keys: Vec<&str> = c.keys.iter().map(|k| k.key.as_str()).collect();
        tracing::info!(connection = c.name, change = ?c.change, effect = ?c.effect, keys = keys.join(" "), "read again");
    }
    for k in &fresh.changes.daemon {
        let (before, after) = (k.before.as_deref(), k.after.as_deref());
        tracing::info!(key = k.key, before, after, effect = ?k.effect, "read again");
    }
    if fresh.changes.is_empty() {
        tracing::info!("the configuration was read again, and nothing differs");
    }
}

#[cfg(test)]
mod tests;
