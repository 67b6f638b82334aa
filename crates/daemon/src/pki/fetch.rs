//! `pki verify --fetch`: what revocation says, fetched as the daemon does it.

use handfast_auth::certificate::revocation::{Evidence, RevocationPolicy, Wanted, sources};
use handfast_auth::certificate::{Crl, Path};

use super::{Problem, VerifyOptions};
use crate::net::DEFAULT_MARK;
use crate::net::clock::certificate_time;
use crate::revocation::{Fetcher, Gathered, Settings, Step};

/// Fetches for the first path what the files do not answer.
pub(super) fn gather(
    options: &VerifyOptions,
    connection: RevocationPolicy,
    paths: &[Path],
    crls: &[Crl],
    ocsp: &[(Vec<u8>, Option<Vec<u8>>)],
) -> Result<Gathered, Problem> {
    let policy = match options.connection {
        Some(_) => connection,
        None => RevocationPolicy {
            crl: wanted(options),
            ocsp: wanted(options),
        },
    };
    let mut sources = paths.first().map(sources).unwrap_or_default();
    for source in &mut sources {
        source.leave_out(policy, &[Evidence { crls, ocsp }], certificate_time());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::Failed(format!("the event loop cannot start: {error}")))?;
    let gathered = runtime.block_on(Fetcher::new(Settings::new(DEFAULT_MARK)).gather(&sources));
    // A lookup that hangs must not hold the exit up.
    runtime.shutdown_background();
    Ok(gathered)
}

/// What the options want of CRLs and OCSP, where files are `given` or there was something to fetch.
pub(super) fn policy(options: &VerifyOptions, given: [bool; 2], gathered: &Gathered) -> RevocationPolicy {
    let asked = |kind: &str| gathered.steps.iter().any(|step| step.kind == kind);
    let (crl, ocsp) = (given[0] || asked("CRL"), given[1] || asked("OCSP"));
    let only = |there: bool| if there { wanted(options) } else { Wanted::Off };
    RevocationPolicy {
        // "require" without anything of either kind means a CRL.
        crl: only(crl || !ocsp),
        ocsp: only(ocsp),
    }
}

fn wanted(options: &VerifyOptions) -> Wanted {
    options.revocation.unwrap_or(Wanted::Try)
}

/// One address that was asked, as a line.
pub(super) fn line(step: &Step) -> String {
    let said = match &step.outcome {
        Ok((octets, until)) => format!("{octets} octets say that it is not revoked, until {until}"),
        Err(reason) => reason.clone(),
    };
    format!("{:<11} {} at {}: {said}", step.kind, step.certificate, step.url)
}
