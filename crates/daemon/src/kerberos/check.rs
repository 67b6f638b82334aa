//! `kerberos check`: the steps in their order, each of which needs those before.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::kerberos::{
    Credentials, ErrorKind, Established, Flags, GssAnswer, GssError, GssQuestion, Kerberos, LocalKerberos,
    PeerPrincipals, Principal, Progress, Ready, Role, Target,
};

use super::report::{Outcome, Report, span};
use super::{CheckOptions, steps};
use crate::cli::USAGE;
use crate::commands::{self, load_file};
use crate::console;
use crate::runtime::kerberos::KerberosThreads;

const KEYTAB: &str = "/etc/krb5.keytab";
/// A message with a larger token leaves in fragments on most paths.
const FITS: usize = 1100;

/// What is tested.
struct Wanted {
    credentials: Credentials,
    target: Option<Target>,
    role: Role,
    /// Whom the connection accepts, if there is one.
    peers: Option<String>,
}

impl Wanted {
    fn from_options(options: &CheckOptions) -> Self {
        let plain = |path: &Path| path.display().to_string().trim_start_matches("FILE:").to_owned();
        let keytab = match (&options.keytab, &options.ccache) {
            (Some(path), _) => Some(plain(path)),
            (None, None) => Some(KEYTAB.to_owned()),
            (None, Some(_)) => None,
        };
        Self {
            credentials: Credentials {
                principal: options.principal.clone(),
                keytab,
                ccache: options.ccache.clone(),
                rcache: None,
            },
            target: options.target.clone(),
            role: if options.as_responder {
                Role::Responder
            } else {
                Role::Initiator
            },
            peers: None,
        }
    }

    /// As a connection has it. One without a target only answers.
    fn from_connection(file: &Path, name: &str, as_responder: bool) -> Result<Self, ExitCode> {
        let (loaded, shown) = load_file(file)?;
        let wrong = |why: String| {
            eprintln!("handfast: {why}");
            ExitCode::from(USAGE)
        };
        let all = loaded.policy.connections;
        let connection = all.iter().find(|connection| connection.name == name);
        let connection = connection.ok_or_else(|| wrong(format!("{shown} has no connection {name}")))?;
        let kerberos = connection.auth.kerberos.as_ref();
        let kerberos = kerberos.ok_or_else(|| wrong(format!("{name} of {shown} does not use Kerberos")))?;
        let local = &kerberos.local;
        let patterns: Vec<String> = local.peers.patterns.iter().map(ToString::to_string).collect();
        let realms = match local.peers.realms.as_slice() {
            [] => String::new(),
            realms => format!(" in {}", realms.join(", ")),
        };
        Ok(Self {
            credentials: local.credentials.clone(),
            target: local.target.clone(),
            role: if as_responder || local.target.is_none() {
                Role::Responder
            } else {
                Role::Initiator
            },
            peers: Some(format!("accepts {}{realms}", patterns.join(", "))),
        })
    }
}

/// Runs all steps, and says how they went.
pub(super) fn run(options: &CheckOptions) -> ExitCode {
    let wanted = match (&options.connection, &options.config) {
        (Some(name), Some(file)) => match Wanted::from_connection(file, name, options.as_responder) {
            Ok(wanted) => wanted,
            Err(code) => return code,
        },
        _ => Wanted::from_options(options),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return commands::failed(&error),
    };
    let mut report = Report::default();
    runtime.block_on(check(options, &wanted, &mut report));
    if options.json {
        let role = match wanted.role {
            Role::Initiator => "initiator",
            Role::Responder => "responder",
        };
        console::line(report.json(role));
    } else {
        console::text(report.text());
    }
    // A call that hangs must not keep the program from ending.
    runtime.shutdown_background();
    if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn check(options: &CheckOptions, wanted: &Wanted, report: &mut Report) {
    let library = match Kerberos::load_from(&options.library) {
        Ok(library) => Arc::new(library),
        Err(error) => {
            report.add("library", error.into());
            return;
        }
    };
    report.add("library", Outcome::Good(library.path().to_owned()));
    let variable = std::env::var("KRB5_CONFIG").ok();
    report.add("configuration", steps::configuration(variable.as_deref()));
    // One with a type ("DIR:x") is the library's affair.
    let keytab = wanted.credentials.keytab.as_deref().filter(|path| !path.contains(':'));
    let principal = wanted.credentials.principal.as_ref();
    let has_keytab = keytab.is_none_or(|path| report.add("keytab", steps::keytab(Path::new(path), principal)));
    let asking = Asking {
        threads: KerberosThreads::new(4, 4, Duration::from_secs(options.timeout)),
        library,
        credentials: wanted.credentials.clone(),
    };
    match wanted.role {
        Role::Initiator => {
            let has_keytab = wanted.credentials.keytab.is_some() && has_keytab;
            initiator(&asking, wanted.target.as_ref(), has_keytab, report).await;
        }
        Role::Responder => responder(&asking, report).await,
    }
    if let Some(peers) = &wanted.peers {
        report.add("peers", Outcome::Good(peers.clone()));
    }
}

async fn initiator(asking: &Asking, target: Option<&Target>, has_keytab: bool, report: &mut Report) {
    let own = match asking.ready(Role::Initiator).await {
        Ok(ready) => {
            report.add(
                "first ticket",
                Outcome::Good(format!("{}, {}", ready.principal, span(ready.lifetime))),
            );
            ready.principal
        }
        Err(error) => {
            report.add("first ticket", error.into());
            return;
        }
    };
    if has_keytab {
        report.add("own ticket", asking.own_ticket(&own).await.unwrap_or_else(Into::into));
    }
    if let Some(target) = target {
        report.add("ticket", asking.ticket(target).await.unwrap_or_else(Into::into));
    }
}

async fn responder(asking: &Asking, report: &mut Report) {
    let own = match asking.ready(Role::Responder).await {
        Ok(ready) => ready.principal,
        Err(error) => {
            report.add("responder", error.into());
            return;
        }
    };
    report.add("responder", Outcome::Good(format!("{own} can answer peers")));
    // Whether its key is the KDC's can be seen with the KDC's help only, which a responder does without.
    let outcome = match asking.own_ticket(&own).await {
        Ok(outcome) => outcome,
        Err(error) if matches!(error.kind, ErrorKind::NoKdc | ErrorKind::Deadline) => Outcome::Skipped(error.words),
        Err(error) => error.into(),
    };
    report.add("own ticket", outcome);
}

struct Asking {
    threads: KerberosThreads,
    library: Arc<Kerberos>,
    credentials: Credentials,
}

impl Asking {
    fn local(&self, target: Option<Target>, peers: PeerPrincipals) -> Arc<LocalKerberos> {
        Arc::new(LocalKerberos {
            mechanism: self.library.clone(),
            credentials: self.credentials.clone(),
            target,
            peers,
            flags: Flags::WANTED,
        })
    }

    async fn ready(&self, role: Role) -> Result<Ready, GssError> {
        let local = self.local(None, PeerPrincipals::default());
        match self.threads.ask(GssQuestion::ready(&local, role)).await {
            GssAnswer::Ready(ready) => ready,
            GssAnswer::Progress(progress) => Err(misplaced(progress)),
        }
    }

    async fn progress(&self, question: GssQuestion) -> Result<Progress, GssError> {
        match self.threads.ask(question).await {
            GssAnswer::Progress(progress) => progress,
            GssAnswer::Ready(ready) => Err(misplaced(ready)),
        }
    }

    /// The ticket that the peer would get.
    async fn ticket(&self, target: &Target) -> Result<Outcome, GssError> {
        let local = self.local(Some(target.clone()), PeerPrincipals::default());
        let progress = self.progress(GssQuestion::initiate(&local)).await?;
        let octets = progress.token().map_or(0, <[u8]>::len);
        let note = if octets > FITS {
            ": both ends need fragmentation of IKEv1, or IP's"
        } else {
            ""
        };
        Ok(Outcome::Good(format!(
            "for {target}, in a token of {octets} octets{note}"
        )))
    }

    /// A context of ourselves with ourselves, to its end: whether the keytab has the KDC's key, and the clock is right.
    async fn own_ticket(&self, own: &Principal) -> Result<Outcome, GssError> {
        let local = self.local(Some(Target::Principal(own.clone())), PeerPrincipals::only(own));
        let mut accepting = (*local).clone();
        // Nobody else sees this ticket; the host's replay cache stays as it is.
        accepting.credentials.rcache = Some("none:".to_owned());
        let first = self.progress(GssQuestion::initiate_afresh(&local)).await?;
        let Progress::Continue { token, negotiation } = first else {
            return Err(unfinished());
        };
        let second = self.progress(GssQuestion::accept(&Arc::new(accepting), &token)).await?;
        let (Some(token), Progress::Complete { mut established, .. }) = (second.token().map(<[u8]>::to_vec), second)
        else {
            return Err(unfinished());
        };
        let last = self.progress(GssQuestion::step(negotiation, &token)).await?;
        let Progress::Complete {
            established: mut initiating,
            ..
        } = last
        else {
            return Err(unfinished());
        };
        passes(&mut initiating, &mut established)?;
        passes(&mut established, &mut initiating)?;
        Ok(Outcome::Good(format!("for {own}, opened with its keytab")))
    }
}

/// What a hash goes through.
fn passes(from: &mut Established, to: &mut Established) -> Result<(), GssError> {
    let hash = [0x5a; 32];
    let wrapped = from.wrap(&hash)?;
    let unwrapped = to.unwrap(&wrapped, hash.len())?;
    if unwrapped == hash { Ok(()) } else { Err(unfinished()) }
}

fn unfinished() -> GssError {
    let words = "a context of this host with itself did not come to its end";
    GssError::local(ErrorKind::Other, "testing", words)
}

fn misplaced<T: std::fmt::Debug>(answer: T) -> GssError {
    GssError::local(
        ErrorKind::Other,
        "testing",
        format!("the answer to another question: {answer:?}"),
    )
}
