//! The keys `auth` and `remote_auth`: how each side proves itself, and what they take from the other keys.

use handfast_auth::certificate::ikev1;
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Authentication, Method, Remote, Versions};

use crate::certificates::{self, Own};
use crate::section::{Reader, Section};
use crate::trust::Trusted;
use crate::{kerberos, psk, trust};

const WORDS: &str = "\"kerberos\", \"certificate\" or \"psk\", or a list of them, best first";
const CREDENTIALS: &str = "secret or secret_file, or certificate and ca, or kerberos";
const MAKE: &str = "`openssl rand -base64 32` makes a good secret, `handfast pki` certificates";

/// What a connection says of authentication.
pub(crate) struct Read {
    /// For the engine.
    pub auth: Authentication,
    /// Our certificates, for the identity that follows from them.
    pub own: Own,
}

/// Reads it all for the connection `name`, whose name is at `at`. `None` if there is not enough, which was then said.
pub(crate) fn read(
    name: &str,
    at: usize,
    versions: Versions,
    s: &mut Section<'_, '_>,
    reader: &mut Reader<'_>,
    remote: Option<&Remote>,
) -> Option<Read> {
    let before = reader.errors();
    let psk = psk::read(s, reader, name);
    let sha1 = s.flag(reader, "sha1").unwrap_or(false);
    let mut own = certificates::read(s, reader, name, sha1);
    let trusted = trust::read(s, reader, name, sha1, &own);
    own.staple(reader, &trusted.policy.trust.anchors);
    let kerberos = kerberos::read(s, reader, name, remote);
    let wrong = reader.errors() > before;
    let has_psk = s.has("secret") || s.has("secret_file");
    let has_own = s.has("certificate") || s.has("key");
    let mut local = methods(s, reader, "auth");
    if local.is_empty() && !s.has("auth") {
        // The order of preference where nothing is said; none without its credential.
        local.extend(s.has("kerberos").then_some(Method::Kerberos));
        local.extend(has_own.then_some(Method::Certificate));
        local.extend(has_psk.then_some(Method::Psk));
        if local.is_empty() && !wrong {
            reader.error(
                at,
                format!("{name} has no secret, no certificate and no Kerberos"),
                CREDENTIALS,
                MAKE,
            );
        }
    }
    let mut remote = methods(s, reader, "remote_auth");
    if remote.is_empty() && !s.has("remote_auth") {
        remote.clone_from(&local);
    }
    let uses = |method| local.contains(&method) || remote.contains(&method);
    if uses(Method::Psk) && !has_psk {
        let key = if local.contains(&Method::Psk) {
            "auth"
        } else {
            "remote_auth"
        };
        let expected = "secret = \"...\" or secret_file = \"PATH\"";
        reader.error(s.at_of(key), format!("{name} has no secret"), expected, MAKE);
    }
    if local.contains(&Method::Certificate) && !has_own {
        let message = format!("{name} has no certificate of its own");
        let expected = "certificate = \"PATH\" and key = \"PATH\"";
        reader.error(s.at_of("auth"), message, expected, "`handfast pki issue` makes both");
    }
    if uses(Method::Kerberos) && !s.has("kerberos") {
        let message = format!("{name} does not say what Kerberos is to use");
        let hint = "with it, the keytab is /etc/krb5.keytab, and the peer's principal that of its host";
        let key = if local.contains(&Method::Kerberos) {
            "auth"
        } else {
            "remote_auth"
        };
        reader.error(s.at_of(key), message, "kerberos = {}, or a table of it", hint);
    }
    let has_trust = s.has("ca") || s.has("remote_key");
    if remote.contains(&Method::Certificate) && !has_trust {
        let key = if s.has("remote_auth") { "remote_auth" } else { "auth" };
        let key = if s.has(key) { key } else { "certificate" };
        let message = format!("{name} does not say whose certificates it accepts");
        let hint = "or remote_key, or remote_auth = \"psk\" if the peer proves itself by the secret";
        reader.error(s.at_of(key), message, "ca = \"PATH\"", hint);
    }
    unused(s, reader, name, &local, &remote);
    version_2(s, reader, name, versions, (&local, &remote));
    version_1(s, reader, name, versions, (&local, &remote), &own);
    if reader.errors() > before {
        return None;
    }
    let Trusted { policy } = trusted;
    Some(Read {
        auth: Authentication {
            local,
            remote,
            psk: psk.unwrap_or_else(|| Secret::new(vec![])),
            certificates: own.certificates.clone(),
            peers: policy.into(),
            kerberos,
        },
        own,
    })
}

fn methods(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, key: &'static str) -> Vec<Method> {
    let mut list = vec![];
    for (text, at) in s.texts(reader, key, WORDS) {
        let method = match text.as_str() {
            "psk" => Method::Psk,
            "certificate" => Method::Certificate,
            "kerberos" => Method::Kerberos,
            _ => {
                let hint = match text.as_str() {
                    "gss" | "gssapi" | "krb5" => "Kerberos is \"kerberos\"",
                    "secret" | "preshared" => "a preshared key is \"psk\"",
                    "pubkey" | "rsasig" | "cert" | "rsa" | "ecdsa" => {
                        "certificates and raw public keys are \"certificate\""
                    }
                    _ => "",
                };
                reader.error(at, format!("{key}: {text:?} is no method"), WORDS, hint);
                continue;
            }
        };
        if list.contains(&method) {
            reader.error(at, format!("{key} has {text:?} twice"), "each method once", "");
        } else {
            list.push(method);
        }
    }
    list
}

/// Credentials that nobody asks for: a person who gives them believes that they count.
fn unused(s: &Section<'_, '_>, reader: &mut Reader<'_>, name: &str, local: &[Method], remote: &[Method]) {
    let mut warn = |keys: &[&'static str], used: bool, what: &str, hint: &str| {
        if let (Some(key), false) = (keys.iter().find(|key| s.has(key)), used) {
            reader.warning(s.at_of(key), format!("{name} has {key}, and {what}"), hint);
        }
    };
    let by = |list: &[Method], method| list.is_empty() || list.contains(&method);
    let (own, peer) = (by(local, Method::Certificate), by(remote, Method::Certificate));
    warn(
        &["certificate", "key"],
        own,
        "never proves itself by certificate",
        "auth = \"certificate\" does",
    );
    let hint = "remote_auth = \"certificate\" has it do so";
    warn(
        &["ca", "remote_key", "crl_file"],
        peer,
        "its peer never proves itself by certificate",
        hint,
    );
    let kerberos = by(local, Method::Kerberos) || by(remote, Method::Kerberos);
    warn(&["kerberos"], kerberos, "nobody uses it", "auth with \"kerberos\" does");
    let psk = by(local, Method::Psk) || by(remote, Method::Psk);
    warn(
        &["secret", "secret_file"],
        psk,
        "nobody uses it",
        "auth or remote_auth with \"psk\" does",
    );
}

/// IKEv2 has no Kerberos: the other methods apply.
fn version_2(
    s: &Section<'_, '_>,
    reader: &mut Reader<'_>,
    name: &str,
    versions: Versions,
    (local, remote): (&[Method], &[Method]),
) {
    let only = |list: &[Method]| list == [Method::Kerberos];
    let has = |list: &[Method]| list.contains(&Method::Kerberos);
    if versions == Versions::One || !(has(local) || has(remote)) {
        return;
    }
    let key = if s.has("version") { "version" } else { "kerberos" };
    let message = format!("{name}: IKEv2 has no Kerberos");
    match (versions, only(local) || only(remote)) {
        (Versions::Two, true) => reader.error(s.at_of(key), message, "version = 1, or another method too", ""),
        (Versions::Two, false) => reader.warning(
            s.at_of(key),
            message,
            "only the other methods are used; version = 1 has it",
        ),
        (_, true) => reader.warning(s.at_of(key), message, "so only IKEv1 is of use here"),
        (_, false) => reader.warning(
            s.at_of(key),
            message,
            "in IKEv2 the other methods are used; version = 1 has it always",
        ),
    }
}

/// In IKEv1 both sides use one method.
fn version_1(
    s: &Section<'_, '_>,
    reader: &mut Reader<'_>,
    name: &str,
    versions: Versions,
    (local, remote): (&[Method], &[Method]),
    own: &Own,
) {
    if versions == Versions::Two || local.is_empty() || remote.is_empty() {
        return;
    }
    let common: Vec<Method> = local.iter().copied().filter(|m| remote.contains(m)).collect();
    let mut complain = |key: &str, message: String, expected: &str| {
        if versions == Versions::One {
            reader.error(s.at_of(key), message, expected, "IKEv2 has no such limit");
        } else {
            reader.warning(s.at_of(key), message, "so only IKEv2 is of use here");
        }
    };
    if common.is_empty() {
        let message =
            format!("{name}: in IKEv1 both sides prove themselves in the same way, and these have none in common");
        let key = if s.has("remote_auth") { "remote_auth" } else { "auth" };
        complain(key, message, "a method that is in both auth and remote_auth");
        return;
    }
    let usable = |c: &std::sync::Arc<handfast_auth::certificate::LocalCertificate>| {
        ikev1::method(c.signer.public_key()).is_some() && !c.chain.is_empty()
    };
    if common == [Method::Certificate] && !own.certificates.is_empty() && !own.certificates.iter().any(usable) {
        let message = format!("{name}: IKEv1 has a method for certificates with RSA and ECDSA keys only");
        let key = if s.has("certificate") { "certificate" } else { "key" };
        complain(key, message, "a certificate with such a key");
    }
}
