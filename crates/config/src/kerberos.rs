//! The table `kerberos` of a connection.

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::kerberos::library::System;
use handfast_auth::kerberos::{
    Credentials, Flags, LocalKerberos, PeerPrincipals, Principal, PrincipalPattern, Target, ikev1::HashedIdentity,
    keytab,
};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Kerberos, Remote};
use handfast_wire::v1::gss::{Framing, IdentityEncoding};

use crate::section::{Reader, Section, parse};

const PRINCIPAL: &str = "a principal such as \"host/gw.example.net@EXAMPLE.NET\"";
const PATTERNS: &str = "principals such as \"host/gw.example.net@EXAMPLE.NET\" or \"host/*.example.net@EXAMPLE.NET\"";
/// Where a host's keys are by custom.
const KEYTAB: &str = "/etc/krb5.keytab";

/// Reads it for the connection `name`, whose peer is at `remote`. `None` if there is none, or too little, which was then
/// said.
pub(crate) fn read(
    s: &mut Section<'_, '_>,
    reader: &mut Reader<'_>,
    name: &str,
    remote: Option<&Remote>,
) -> Option<Arc<Kerberos>> {
    let mut s = s.table(reader, "kerberos")?;
    let before = reader.errors();
    let principal = s.parsed::<Principal>(reader, "principal", PRINCIPAL).map(|(p, _)| p);
    let cache = "a credential cache by its name, such as \"FILE:/run/tickets\"";
    let ccache = s.text(reader, "ccache", cache).map(|(name, _)| name);
    let rcache = s
        .text(reader, "rcache", "a replay cache by its name, such as \"dfl:\"")
        .map(|(name, _)| name);
    let keytab = keytab_path(&mut s, reader, ccache.is_some());
    let held = keytab
        .as_ref()
        .and_then(|(path, at)| first_principal(reader, path, *at, principal.as_ref()));
    let target = s
        .parsed::<Target>(reader, "target", PRINCIPAL)
        .map(|(target, _)| target);
    let target = target.or_else(|| match remote {
        Some(Remote::Name(host)) => Some(Target::host(host)),
        _ => None,
    });
    if target.is_none() && !s.has("target") && matches!(remote, Some(Remote::Address(_))) {
        let message = format!("{name} does not say whom to ask a ticket for");
        let hint = "a remote that is a name says it too";
        reader.error(s.at, message, "target = \"host/gw.example.net@EXAMPLE.NET\"", hint);
    }
    let peers = peers(&mut s, reader, name, target.as_ref(), remote == Some(&Remote::Any));
    let framings = [
        ("auto", None),
        ("present", Some(Framing::VendorOctet)),
        ("absent", Some(Framing::Bare)),
    ];
    let framing = s.word(reader, "token_octet", &framings).flatten();
    let readings = [
        ("auto", None),
        ("as-sent", Some(HashedIdentity::AsSent)),
        ("latin-1", Some(HashedIdentity::Latin1)),
    ];
    let hashed = s.word(reader, "hashed_identity", &readings).flatten();
    let encodings = [
        ("utf-16", IdentityEncoding::Utf16Le),
        ("latin-1", IdentityEncoding::Latin1),
    ];
    let encoding = s
        .word(reader, "identity_encoding", &encodings)
        .unwrap_or(IdentityEncoding::Utf16Le);
    let shown = held.or_else(|| principal.as_ref().map(ToString::to_string));
    let identity = s.text(reader, "identity", "our name as the peer sees it in the clear");
    if let Some((text, at)) = &identity
        && encoding.encode(text).is_none()
    {
        let message = "identity is empty, too long, or cannot be written so".to_owned();
        reader.error(*at, message, "our name, such as \"host/gw.example.net\"", "");
    }
    let fallback = s.flag(reader, "fallback").unwrap_or(true);
    s.finish(reader);
    if reader.errors() > before {
        return None;
    }
    let local = LocalKerberos {
        mechanism: Arc::new(System),
        credentials: Credentials {
            principal,
            keytab: keytab.map(|(path, _)| path),
            ccache,
            rcache,
        },
        target,
        peers,
        flags: Flags::WANTED,
    };
    Some(Arc::new(Kerberos {
        local: Arc::new(local),
        // It tells the peer nothing that it trusts.
        identity: identity
            .map(|(text, _)| text)
            .or(shown)
            .unwrap_or_else(|| "host/localhost".to_owned()),
        encoding,
        framing,
        hashed,
        fallback,
    }))
}

/// Our identity where nothing says it: the host of our principal.
pub(crate) fn host(kerberos: &Kerberos) -> Option<Identity> {
    let configured = kerberos.local.credentials.principal.clone();
    let principal = configured.or_else(|| kerberos.identity.parse().ok())?;
    match principal.components() {
        [_, host] if host.contains('.') => Some(Identity::Fqdn(host.clone())),
        _ => None,
    }
}

/// The keytab and where it is written. One with a type ("DIR:x") is the library's affair.
fn keytab_path(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, has_cache: bool) -> Option<(String, usize)> {
    match s.text(reader, "keytab", "a path") {
        Some((path, at)) => {
            let path = path.strip_prefix("FILE:").unwrap_or(&path);
            let path = if path.contains(':') {
                path.to_owned()
            } else {
                reader.beside(path).display().to_string()
            };
            Some((path, at))
        }
        None if has_cache || s.has("keytab") => None,
        None => Some((KEYTAB.to_owned(), s.at)),
    }
}

/// The principal in a keytab file, as the KDC writes it; complains of a file that others can read. A file that is not
/// there may come later: until then Kerberos is not offered.
fn first_principal(reader: &mut Reader<'_>, path: &str, at: usize, wanted: Option<&Principal>) -> Option<String> {
    if path.contains(':') {
        return None;
    }
    let file = std::path::Path::new(path);
    let read = reader.files.read(file);
    let read = read.map(Secret::new);
    let read = read.and_then(|octets| keytab::read(octets.as_bytes()).map_err(|error| error.to_string()));
    let entries = match read {
        Ok(entries) => entries,
        Err(why) => {
            let hint = "Kerberos is not used without it; `handfast kerberos check` says more";
            reader.warning(at, format!("the keytab {path}: {why}"), hint);
            return None;
        }
    };
    if !reader.check_mode_of(at, file) {
        return None;
    }
    let found = match wanted {
        Some(principal) => keytab::of(&entries, principal)
            .first()
            .map(|entry| entry.principal.clone()),
        None => entries.first().map(|entry| entry.principal.clone()),
    };
    if found.is_none() {
        let whom = wanted.map_or_else(|| "anybody".to_owned(), ToString::to_string);
        let hint = "`handfast kerberos check` says whose keys are in it";
        reader.warning(at, format!("the keytab {path} has no key of {whom}"), hint);
    }
    found
}

/// Whom we accept: those that are named, or the target.
fn peers(
    s: &mut Section<'_, '_>,
    reader: &mut Reader<'_>,
    name: &str,
    target: Option<&Target>,
    responds: bool,
) -> PeerPrincipals {
    let texts = s.texts(reader, "peer_principals", PATTERNS);
    let mut patterns: Vec<PrincipalPattern> = texts
        .iter()
        .filter_map(|(text, at)| parse(reader, "peer_principals", text, *at, PATTERNS))
        .collect();
    let realms = s.texts(reader, "realms", "realms such as \"EXAMPLE.NET\"");
    if patterns.is_empty() && !s.has("peer_principals") {
        match target {
            Some(target) => patterns.push(PrincipalPattern::of(target)),
            // Then that was said.
            None if !responds => {}
            None => {
                let message = format!("{name} does not say which principals it accepts");
                let hint = "a ticket says who somebody is; every host of the realm can get one";
                reader.error(
                    s.at,
                    message,
                    "peer_principals = [\"host/*.example.net@EXAMPLE.NET\"]",
                    hint,
                );
            }
        }
    }
    PeerPrincipals {
        patterns,
        realms: realms.into_iter().map(|(realm, _)| realm).collect(),
    }
}
