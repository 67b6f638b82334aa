//! A small public-key infrastructure, made as it is needed: CAs, and peers that they certify.

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::ikev2::Preference;
use handfast_auth::certificate::issue::{IssueError, Template};
use handfast_auth::certificate::{
    Certificate, GeneralName, LocalCertificate, LocalSigner, Name, PeerPolicy, PrivateKey, Signer, Time, Trust,
};
use handfast_crypto::system_random;

/// The time at which the simulation's certificates are judged: 2026-01-01.
pub const NOW: Time = Time(1_767_225_600);

/// A CA.
pub struct Ca {
    /// Its certificate.
    pub certificate: Certificate,
    signer: LocalSigner,
    /// Certificates between it and the root, itself first; without the root.
    above: Vec<Certificate>,
}

impl Ca {
    /// A root of this name ("CN=Root").
    pub fn root(name: &str, kind: KeyKind) -> Self {
        let signer = new_key(kind);
        let name = parsed_name(name);
        let template = Template::ca(name.clone(), vec![1], NOW, NOW.plus_days(3650));
        let certificate = issued(template.issue(signer.public_key(), &name, &signer));
        Self {
            certificate,
            signer,
            above: Vec::new(),
        }
    }

    /// A CA below this one.
    pub fn intermediate(&self, name: &str, kind: KeyKind) -> Self {
        let signer = new_key(kind);
        let template = Template::ca(parsed_name(name), vec![2], NOW, NOW.plus_days(3650));
        let certificate = self.sign(&template, &signer);
        let mut above = vec![certificate.clone()];
        above.extend_from_slice(&self.above);
        Self {
            certificate,
            signer,
            above,
        }
    }

    /// A peer that is called so, by name or address.
    pub fn peer(&self, identity: &Identity, kind: KeyKind) -> Arc<LocalCertificate> {
        let text = identity.to_string();
        let name = match text.parse() {
            Ok(address) => GeneralName::Ip(address),
            Err(_) if text.contains('@') => GeneralName::Email(text.clone()),
            Err(_) => GeneralName::Dns(text.clone()),
        };
        let subject = parsed_name(&format!("CN={text}"));
        self.certify(
            &Template::peer(subject, vec![name], vec![3], NOW, NOW.plus_days(90)),
            kind,
        )
    }

    /// A peer with a certificate of this template.
    pub fn certify(&self, template: &Template, kind: KeyKind) -> Arc<LocalCertificate> {
        let signer = new_key(kind);
        let mut chain = vec![self.sign(template, &signer)];
        chain.extend_from_slice(&self.above);
        Arc::new(LocalCertificate {
            chain,
            signer: Arc::new(signer),
            preference: Preference::default(),
            staple: None,
        })
    }

    fn sign(&self, template: &Template, key: &LocalSigner) -> Certificate {
        issued(template.issue(key.public_key(), self.certificate.subject(), &self.signer))
    }

    /// A policy that trusts this CA.
    pub fn trusted(&self) -> Arc<PeerPolicy> {
        Arc::new(PeerPolicy {
            trust: Trust {
                anchors: vec![self.certificate.clone()],
                intermediates: Vec::new(),
            },
            ..PeerPolicy::default()
        })
    }
}

fn issued(made: Result<Certificate, IssueError>) -> Certificate {
    made.unwrap_or_else(|e| panic!("a template that cannot be issued: {e}"))
}

fn new_key(kind: KeyKind) -> LocalSigner {
    let random = system_random();
    let der = generate(kind, &*random).unwrap_or_else(|e| panic!("no key: {e}"));
    let key = PrivateKey::from_der(der.as_bytes()).unwrap_or_else(|e| panic!("the new key does not read: {e}"));
    LocalSigner::new(key, random)
}

fn parsed_name(text: &str) -> Name {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
