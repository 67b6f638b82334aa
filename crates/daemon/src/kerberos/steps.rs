//! The steps that read files.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use handfast_auth::kerberos::keytab::{self, Entry};
use handfast_auth::kerberos::{ErrorKind, Principal};

use super::report::Outcome;

/// Which configuration the library reads: that of the environment, as it is. The list may name files that do not exist,
/// but one of them must.
pub(super) fn configuration(variable: Option<&str>) -> Outcome {
    let (name, list) = match variable {
        Some(list) => ("$KRB5_CONFIG", list),
        None => ("the system's", "/etc/krb5.conf"),
    };
    if list.split(':').any(|path| std::fs::read(path).is_ok()) {
        return Outcome::Good(format!("{name}: {list}"));
    }
    // Without any, realms and KDCs are looked up in DNS, which is only meant where nothing else was said.
    match variable {
        None => Outcome::Good("none: realm and KDC come from DNS".to_owned()),
        Some(_) => Outcome::Failed {
            words: format!("{name} names {list}, which cannot be read"),
            kind: ErrorKind::Other.name(),
            advice: "name a file that this user may read, or unset the variable".to_owned(),
        },
    }
}

/// Reads a keytab file. The principal, if one is named, must have a key in it.
pub(super) fn keytab(path: &Path, principal: Option<&Principal>) -> Outcome {
    let failed = |words: String| Outcome::Failed {
        words,
        kind: ErrorKind::NoCredentials.name(),
        advice: ErrorKind::NoCredentials.advice().to_owned(),
    };
    let shown = path.display();
    let octets = match std::fs::read(path) {
        Ok(octets) => zeroize::Zeroizing::new(octets),
        Err(error) => return failed(format!("{shown} cannot be read: {error}")),
    };
    let entries = match keytab::read(&octets) {
        Ok(entries) => entries,
        Err(error) => return failed(format!("{shown}: {error}")),
    };
    let chosen: Vec<&Entry> = match principal {
        Some(principal) => keytab::of(&entries, principal),
        None => entries.iter().collect(),
    };
    let Some(newest) = chosen.iter().map(|entry| entry.kvno).max() else {
        let mut held: Vec<&str> = entries.iter().map(|entry| entry.principal.as_str()).collect();
        held.dedup();
        let held = if held.is_empty() {
            "nobody".to_owned()
        } else {
            held.join(", ")
        };
        let wanted = principal.map_or_else(|| "anybody".to_owned(), ToString::to_string);
        return failed(format!("{shown} has no key of {wanted}; it has keys of {held}"));
    };
    if std::fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 != 0) {
        return Outcome::Failed {
            words: format!("{shown} can be read by others, who can then be this host"),
            kind: ErrorKind::Other.name(),
            advice: format!("chmod 600 {shown}"),
        };
    }
    Outcome::Good(format!("{shown}: {}", described(&chosen, newest)))
}

/// "host/gw@R, key number 3 (aes256-cts-hmac-sha1-96), and older ones".
fn described(entries: &[&Entry], newest: u32) -> String {
    let current: Vec<&&Entry> = entries.iter().filter(|entry| entry.kvno == newest).collect();
    let names = |of: &dyn Fn(&Entry) -> String| {
        let mut names: Vec<String> = current.iter().map(|entry| of(entry)).collect();
        names.dedup();
        names.join(", ")
    };
    let types = names(&|entry| match keytab::enctype_name(entry.enctype) {
        Some(name) => name.to_owned(),
        None => format!("encryption type {}", entry.enctype),
    });
    let older = if current.len() < entries.len() {
        ", and others"
    } else {
        ""
    };
    let principals = names(&|entry| entry.principal.clone());
    format!("{principals}, key number {newest} ({types}){older}")
}
