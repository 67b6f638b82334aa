//! Files with certificates and keys that change while the daemon runs.
//!
//! They are looked at by size, time and inode every two seconds, which sees what is written in place, what is renamed
//! over it, and symbolic links that point elsewhere, as ACME clients do it. What changed is read once it rests. It is
//! used only if it is whole, and only where nothing else of the configuration was edited meanwhile: the text that is
//! read is the one in force.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::{Certificate, LocalCertificate, PeerPolicy, Time};
use handfast_config::{CredentialFiles, FileReader, credentials};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Authentication, Connection, Policy};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::expiry::Told;
use crate::config_file::OsFiles;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// A file that never rests is read all the same.
const RESTLESS: u32 = 5;
/// What was wrong is tried again after this many looks, for a reason that no file shows (the time of day).
const AGAIN: u32 = 30;

/// Credentials of a connection that are to be used from now on.
#[derive(Debug)]
pub struct Renewal {
    /// The connection's name.
    pub connection: String,
    /// Our certificates and raw keys.
    pub certificates: Vec<Arc<LocalCertificate>>,
    /// Whom it accepts.
    pub peers: Arc<PeerPolicy>,
}

/// Looks at the files of a configuration until it is dropped.
pub struct Watch {
    task: Option<JoinHandle<()>>,
    found: UnboundedReceiver<Renewal>,
}

impl Watch {
    /// Begins to look. `name` and `text` are the configuration, `policy` what it was read as.
    pub fn new(name: &Path, text: Arc<Secret>, policy: &Policy, files: &[CredentialFiles]) -> Self {
        let (tell, found) = unbounded_channel();
        let looker = Looker::new(name, text, policy, files);
        let task = (!looker.places.is_empty()).then(|| tokio::spawn(go_on(looker, tell)));
        Self { task, found }
    }

    /// The next that is found.
    pub async fn next(&mut self) -> Renewal {
        match self.found.recv().await {
            Some(renewal) => renewal,
            // Nothing is watched.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Opening an encrypted key takes long by design: on a thread of its own.
async fn go_on(mut looker: Looker, tell: UnboundedSender<Renewal>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let looked = tokio::task::spawn_blocking(move || {
            let found = looker.look(&OsFiles);
            (looker, found)
        });
        let Ok((back, found)) = looked.await else {
            tracing::error!("certificate files are not watched any more");
            return;
        };
        looker = back;
        for renewal in found {
            if tell.send(renewal).is_err() {
                return;
            }
        }
    }
}

/// What is known of the files.
pub struct Looker {
    name: String,
    text: Arc<Secret>,
    places: Vec<Place>,
    expiry: Told,
}

/// Files of one connection.
struct Place {
    /// With the credentials in use.
    connection: Arc<Connection>,
    files: Vec<(PathBuf, Stamp)>,
    /// They changed, and were not read since; counts the looks.
    changed: Option<u32>,
    /// What is wrong with them, and how many looks ago that was found.
    wrong: Option<(String, u32)>,
}

/// Another stamp, another file or other contents. `None`: it cannot be looked at.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

fn stamp(path: &Path) -> Stamp {
    let m = std::fs::metadata(path).ok()?;
    let (changed, attributes) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
    Some((m.dev(), m.ino(), m.size(), changed, attributes))
}

fn stamps(paths: impl IntoIterator<Item = PathBuf>) -> Vec<(PathBuf, Stamp)> {
    let stamped = |path: PathBuf| {
        let stamp = stamp(&path);
        (path, stamp)
    };
    paths.into_iter().map(stamped).collect()
}

impl Looker {
    /// See [`Watch::new`].
    pub fn new(name: &Path, text: Arc<Secret>, policy: &Policy, files: &[CredentialFiles]) -> Self {
        let place = |c: &Arc<Connection>| {
            let files = &files.iter().find(|f| f.connection == c.name)?.files;
            Some(Place {
                connection: c.clone(),
                files: stamps(files.clone()),
                // Something may have changed between the reading of the configuration and now.
                changed: Some(0),
                wrong: None,
            })
        };
        let places: Vec<Place> = policy.connections.iter().filter_map(place).collect();
        let expiry = Told::new(places.iter().map(|p| &p.connection), OsFiles.now());
        Self {
            name: name.display().to_string(),
            text,
            places,
            expiry,
        }
    }

    /// Looks at all files once. Returns what is to be used from now on.
    pub fn look(&mut self, files: &dyn FileReader) -> Vec<Renewal> {
        let mut found = vec![];
        for place in &mut self.places {
            if place.is_due() {
                found.extend(place.read(&self.name, &self.text, files));
            }
        }
        let connections = self.places.iter().map(|place| &place.connection);
        for warning in self.expiry.look(connections, files.now()) {
            tracing::warn!("{warning}");
        }
        found
    }
}

impl Place {
    /// Whether to read the files now.
    fn is_due(&mut self) -> bool {
        let now = stamps(self.files.iter().map(|(path, _)| path.clone()));
        if now != self.files {
            self.files = now;
            let looks = self.changed.map_or(0, |looks| looks + 1);
            self.changed = Some(looks);
            return looks > RESTLESS;
        }
        if let Some((_, ago)) = &mut self.wrong {
            *ago += 1;
            if *ago >= AGAIN {
                *ago = 0;
                return true;
            }
        }
        self.changed.is_some()
    }

    fn read(&mut self, name: &str, text: &Secret, files: &dyn FileReader) -> Option<Renewal> {
        let (paths, read) = credentials(name, text, &self.connection, files);
        self.changed = None;
        if paths.iter().ne(self.files.iter().map(|(path, _)| path)) {
            // A directory has other files now, and what is stamped only now may have changed since it was read.
            self.files = stamps(paths);
            self.changed = Some(0);
        }
        let before = &self.connection.auth;
        let checked = match read {
            Ok(read) => usable(before, &read.auth, files.now()).map(|()| read.auth),
            Err(found) => {
                let mistakes = found.0.iter().filter(|d| !d.warning);
                let all: Vec<String> = mistakes.map(ToString::to_string).collect();
                Err(all.join("; "))
            }
        };
        let connection = self.connection.name.as_str();
        let auth = match checked {
            Ok(auth) => auth,
            Err(why) => {
                if self.wrong.as_ref().is_none_or(|(told, _)| *told != why) {
                    tracing::warn!(
                        connection,
                        "changed certificate files are not used, and those from before stay: {why}"
                    );
                }
                let ago = self.wrong.take().map_or(0, |(_, ago)| ago);
                self.wrong = Some((why, ago));
                return None;
            }
        };
        if self.wrong.take().is_some() {
            tracing::info!(connection, "the certificate files are right again");
        }
        if auth.certificates == before.certificates && auth.peers == before.peers {
            return None;
        }
        tell(connection, before, &auth);
        let renewal = Renewal {
            connection: connection.to_string(),
            certificates: auth.certificates,
            peers: auth.peers,
        };
        self.connection = Arc::new(renewal.applied(&self.connection));
        Some(renewal)
    }
}

impl Renewal {
    /// The connection with these credentials, and nothing else changed.
    pub fn applied(&self, connection: &Connection) -> Connection {
        let mut connection = connection.clone();
        connection.auth.certificates.clone_from(&self.certificates);
        connection.auth.peers = self.peers.clone();
        connection
    }
}

fn leaves(auth: &Authentication) -> impl Iterator<Item = &Certificate> {
    auth.certificates.iter().filter_map(|one| one.chain.first())
}

/// A certificate that is not valid now does not replace one that is.
fn usable(before: &Authentication, after: &Authentication, now: Time) -> Result<(), String> {
    let valid = |c: &Certificate| c.not_before() <= now && now <= c.not_after();
    if !leaves(before).any(valid) || leaves(after).any(valid) {
        return Ok(());
    }
    Err(match leaves(after).next() {
        Some(one) => format!(
            "certificate {one} is valid from {} to {}, which is not now",
            one.not_before(),
            one.not_after()
        ),
        None => "there is no certificate any more".into(),
    })
}

fn tell(connection: &str, before: &Authentication, after: &Authentication) {
    for new in leaves(after).filter(|new| !leaves(before).any(|old| old == *new)) {
        let old = leaves(before).find(|old| old.subject() == new.subject() || leaves(before).count() == 1);
        let before = old.map(|old| tracing::field::display(old.not_after()));
        tracing::info!(
            connection,
            before,
            until = %new.not_after(),
            "certificate {new} is renewed and used from the next authentication on"
        );
    }
    let changed = |what: &str| tracing::info!(connection, "{what} changed: used from the next authentication on");
    if leaves(before).eq(leaves(after)) && before.certificates != after.certificates {
        changed("the chain, key or OCSP response of our certificate");
    }
    let (old, new) = (&before.peers, &after.peers);
    if old.trust != new.trust {
        changed("trusted certificates");
    }
    if old.raw_keys != new.raw_keys {
        changed("accepted raw public keys");
    }
    if old.crls != new.crls {
        changed("CRLs");
    }
}
