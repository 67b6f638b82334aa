//! `handfast check`: what is wrong with a configuration, and what it means.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use handfast_auth::certificate::revocation::Wanted;
use handfast_auth::certificate::{Certificate, Time, ikev1};
use handfast_engine::policy::{Authentication, Connection, Method, Selector};

use crate::commands::load_file;
use crate::console;
use crate::net::clock::certificate_time;

/// More are counted, not named.
const MOST_NAMED: usize = 5;

/// The whole command.
pub fn check(path: &Path) -> ExitCode {
    let (loaded, name) = match load_file(path) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    console::line(format_args!("{name} is right."));
    for connection in &loaded.policy.connections {
        console::text(connection_text(connection, certificate_time()));
    }
    ExitCode::SUCCESS
}

fn connection_text(c: &Connection, now: Time) -> String {
    let mut text = format!("  {}: as {} to {}\n", c.pair(), c.local_id, c.remote_id);
    for version in [2, 1].into_iter().filter(|version| c.versions.answers(*version)) {
        let _ = writeln!(text, "    IKEv{version}: {}", methods(&c.auth, version));
    }
    if c.auth.has_certificates() {
        credentials(&mut text, &c.auth, now);
    }
    let ike: Vec<String> = c.ike.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "    ike  {}", ike.join(", "));
    for child in &c.children {
        let list = |ts: &[Selector], own: &str| match ts {
            [] => own.to_string(),
            ts => ts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        };
        let esp: Vec<String> = child.esp.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "    esp  {}", esp.join(", "));
        let (local, remote) = (
            list(&child.local_ts, "our address"),
            list(&child.remote_ts, "the peer's address"),
        );
        let _ = writeln!(text, "    {local} <-> {remote}");
    }
    text
}

/// What the lists of methods come to in a version of IKE.
fn methods(auth: &Authentication, version: u8) -> String {
    let name = |method: &Method| match method {
        Method::Psk => "preshared key",
        other => other.name(),
    };
    let all = |list: &[Method], between: &str| list.iter().map(name).collect::<Vec<_>>().join(between);
    if version == 1 {
        let works = |method: &Method| {
            // Neither raw public keys nor Ed25519.
            let mut own = auth.certificates.iter().filter(|one| !one.chain.is_empty());
            *method != Method::Certificate || own.any(|one| ikev1::method(one.signer.public_key()).is_some())
        };
        let common = auth
            .local
            .iter()
            .filter(|method| auth.accepts(**method) && works(method));
        let common: Vec<Method> = common.copied().collect();
        return match &common[..] {
            [] => "of no use: both sides would prove themselves in the same way, and no method is both ours and the \
                   peer's"
                .into(),
            [one] => format!("both sides by {}", name(one)),
            several => format!(
                "both sides by the same of these, offered in this order: {}",
                all(several, ", ")
            ),
        };
    }
    // Kerberos is a method of IKEv1.
    let usable = |list: &[Method]| -> Vec<Method> {
        let usable = list.iter().filter(|method| **method != Method::Kerberos);
        usable.copied().collect()
    };
    let (local, remote) = (usable(&auth.local), usable(&auth.remote));
    if local.is_empty() || remote.is_empty() {
        return "of no use: Kerberos is a method of IKEv1 only".into();
    }
    format!(
        "we by {}, the peer by {}",
        all(&local, ", else by "),
        all(&remote, " or ")
    )
}

fn credentials(text: &mut String, auth: &Authentication, now: Time) {
    for one in &auth.certificates {
        let key = one.signer.public_key();
        match one.chain.split_first() {
            Some((own, above)) => {
                let names: Vec<String> = own
                    .extensions()
                    .subject_alt_names
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let _ = writeln!(
                    text,
                    "    ours {own} ({key}) by \"{}\", {}",
                    own.issuer(),
                    end(own, now)
                );
                if !names.is_empty() {
                    let _ = writeln!(text, "         names {}", names.join(", "));
                }
                for ca in above {
                    let _ = writeln!(text, "         with {ca}, {}", end(ca, now));
                }
                if one.staple.is_some() {
                    let _ = writeln!(text, "         with an OCSP response");
                }
            }
            None => {
                let _ = writeln!(text, "    ours a raw public key ({key})");
            }
        }
    }
    if !auth.accepts(Method::Certificate) {
        return;
    }
    let peers = &auth.peers;
    for trusted in peers.trust.anchors.iter().take(MOST_NAMED) {
        let _ = writeln!(text, "    trusts {trusted}, {}", end(trusted, now));
    }
    if let Some(more) = peers
        .trust
        .anchors
        .len()
        .checked_sub(MOST_NAMED)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(text, "    trusts {more} more");
    }
    for key in &peers.raw_keys {
        let _ = writeln!(text, "    trusts a raw public key ({key})");
    }
    if peers.trust.anchors.is_empty() {
        return;
    }
    let wanted = |wanted| match wanted {
        Wanted::Off => "is not asked for",
        Wanted::Try => "counts if there is one",
        Wanted::Require => "is required",
    };
    let revocation = peers.revocation;
    let _ = writeln!(
        text,
        "    revocation: a CRL {}, an OCSP answer {}",
        wanted(revocation.crl),
        wanted(revocation.ocsp)
    );
}

/// Until when it is valid, and how long that is.
fn end(certificate: &Certificate, now: Time) -> String {
    let end = certificate.not_after();
    let days = (end.0 - now.0).div_euclid(86_400);
    if now > end {
        format!("expired on {end}")
    } else if now < certificate.not_before() {
        format!("valid from {} to {end}", certificate.not_before())
    } else {
        format!("until {end} ({days} days)")
    }
}
