//! A public-key infrastructure made for a test: the same keys each time, so that failures can be repeated.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::{Certificate, GeneralName, LocalSigner, Name, PathPolicy, PrivateKey, Signer, Time};
use ring::rand::SystemRandom;

/// 2026-11-24, noon.
pub const NOW: Time = Time(1_795_521_600);

/// Someone with a key, and certificates.
pub struct Entity {
    pub signer: LocalSigner,
    pub name: Name,
    pub certificate: Certificate,
}

pub fn signer(seed: u32) -> LocalSigner {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([0x5a; 28]);
    der.extend(seed.to_be_bytes());
    LocalSigner::new(PrivateKey::from_der(&der).unwrap(), Arc::new(SystemRandom::new()))
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn ca_template(subject: &str) -> Template {
    Template::ca(name(subject), vec![1], Time(NOW.0 - 86_400), NOW.plus_days(365))
}

pub fn peer_template(subject: &str, dns: &str) -> Template {
    let names = vec![GeneralName::Dns(dns.into())];
    Template::peer(name(subject), names, vec![7], Time(NOW.0 - 86_400), NOW.plus_days(30))
}

/// A root that signs itself.
pub fn root(subject: &str, seed: u32) -> Entity {
    root_from(&ca_template(subject), seed)
}

pub fn root_from(template: &Template, seed: u32) -> Entity {
    let signer = signer(seed);
    let certificate = template.issue(signer.public_key(), &template.subject, &signer).unwrap();
    Entity {
        name: template.subject.clone(),
        signer,
        certificate,
    }
}

impl Entity {
    /// Issues a certificate to whoever has the key of `seed`.
    pub fn issues(&self, template: &Template, seed: u32) -> Entity {
        let signer = signer(seed);
        let certificate = template.issue(signer.public_key(), &self.name, &self.signer).unwrap();
        Entity {
            name: template.subject.clone(),
            signer,
            certificate,
        }
    }
}

pub fn policy() -> PathPolicy {
    PathPolicy::at(NOW)
}
