//! What differs between the certificates and keys of two readings of a connection. All of it counts from the next
//! authentication on.

use handfast_auth::certificate::revocation::Wanted;
use handfast_auth::certificate::{Certificate, LocalCertificate, Usage};

use super::{Effect, List, join};
use crate::policy::{Authentication, Kerberos};

impl List {
    pub(super) fn credentials(&mut self, before: &Authentication, after: &Authentication) {
        let live = Effect::Live;
        let chains = |auth: &Authentication| -> Vec<Vec<Certificate>> {
            auth.certificates.iter().map(|one| one.chain.clone()).collect()
        };
        let text = |auth: &Authentication| -> String {
            let all: Vec<String> = auth.certificates.iter().map(|one| shown(one)).collect();
            all.join(", ")
        };
        if chains(before) != chains(after) {
            self.found("certificate", live, some(text(before)), some(text(after)));
        }
        let keys = |auth: &Authentication| -> Vec<_> {
            let keys = auth.certificates.iter().map(|one| one.signer.public_key().clone());
            keys.collect()
        };
        self.list("key", &keys(before), &keys(after));
        let own = |auth: &Authentication| auth.certificates.first().map(|one| one.preference.pss);
        // Without a certificate there is nothing to sign.
        if let (Some(was), Some(is)) = (own(before), own(after)) {
            self.add("rsa_pss", live, &was, &is, ToString::to_string);
        }
        let staples =
            |auth: &Authentication| -> Vec<_> { auth.certificates.iter().map(|one| one.staple.clone()).collect() };
        if staples(before) != staples(after) {
            self.found("ocsp_response", live, None, None);
        }
        let (was, is) = (&before.peers, &after.peers);
        self.list("ca", &was.trust.anchors, &is.trust.anchors);
        self.list("remote_key", &was.raw_keys, &is.raw_keys);
        self.add("certificate_usage", live, &was.usage, &is.usage, usage);
        self.add("crl", live, &was.revocation.crl, &is.revocation.crl, wanted);
        self.add("ocsp", live, &was.revocation.ocsp, &is.revocation.ocsp, wanted);
        self.add("sha1", live, &was.sha1, &is.sha1, ToString::to_string);
        if was.crls != is.crls {
            self.found("crl_file", live, None, None);
        }
    }

    /// Kerberos's table as a whole: what is in it belongs together.
    pub(super) fn kerberos(&mut self, before: Option<&Kerberos>, after: Option<&Kerberos>) {
        let parts = |k: &Kerberos| {
            let (local, names) = (&k.local, (k.identity.clone(), k.encoding));
            (
                (
                    local.credentials.clone(),
                    local.target.clone(),
                    local.peers.clone(),
                    local.flags,
                ),
                (names, k.framing, k.hashed, k.fallback),
            )
        };
        if before.map(parts) != after.map(parts) {
            let text = |k: &Kerberos| k.local.credentials.place();
            self.found("kerberos", Effect::Live, before.map(text), after.map(text));
        }
    }

    fn list<T: PartialEq + std::fmt::Display>(&mut self, key: &str, before: &[T], after: &[T]) {
        if before != after {
            self.found(key, Effect::Live, some(join(before)), some(join(after)));
        }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn shown(one: &LocalCertificate) -> String {
    match one.chain.first() {
        Some(leaf) => format!("{leaf} until {}", leaf.not_after()),
        None => format!("raw key ({})", one.signer.public_key()),
    }
}

fn usage(usage: &Usage) -> String {
    match usage {
        Usage::Ike => "ike",
        Usage::IkeOrTls => "ike-or-tls",
        Usage::Any => "any",
    }
    .into()
}

fn wanted(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Off => "off",
        Wanted::Try => "try",
        Wanted::Require => "require",
    }
    .into()
}
