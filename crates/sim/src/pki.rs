//! A small public-key infrastructure, made as it is needed: CAs, and peers that they certify.

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::ikev2::Preference;
use handfast_auth::certificate::issue::{IssueError, Template};
use handfast_auth::certificate::{
    Certificate, Form, GeneralName, LocalCertificate, LocalSigner, Name, PeerPolicy, PrivateKey, PublicKey, Scheme,
    Signer, Time, Trust,
};
use handfast_crypto::hash::Hash;
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
        let certificate = self.sign(&template, signer.public_key());
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
        self.certify(&template(identity), kind)
    }

    /// A peer with a certificate of this template.
    pub fn certify(&self, template: &Template, kind: KeyKind) -> Arc<LocalCertificate> {
        self.certify_signer(template, Arc::new(new_key(kind)))
    }

    /// A peer that has this key, or a signer that says so.
    pub fn certify_signer(&self, template: &Template, signer: Arc<dyn Signer>) -> Arc<LocalCertificate> {
        let mut chain = vec![self.sign(template, signer.public_key())];
        chain.extend_from_slice(&self.above);
        Arc::new(LocalCertificate {
            chain,
            signer,
            preference: Preference::default(),
            staple: None,
        })
    }

    /// Another CA's name and key, certified by this one.
    pub fn cross(&self, other: &Self) -> Certificate {
        let template = Template::ca(other.certificate.subject().clone(), vec![4], NOW, NOW.plus_days(3650));
        self.sign(&template, other.signer.public_key())
    }

    /// A CRL with these serial numbers of one octet.
    pub fn crl(&self, serials: &[u8]) -> Vec<u8> {
        let scheme = Scheme::Ecdsa(Hash::Sha256).to_der();
        let time = element(0x17, &[b"260101000000Z"]);
        let entry = |serial: &u8| element(0x30, &[&element(2, &[&[*serial]]), &time]);
        let entries: Vec<Vec<u8>> = serials.iter().map(entry).collect();
        let tbs = element(
            0x30,
            &[
                &[2, 1, 1],
                &scheme,
                self.certificate.subject().as_der(),
                &time,
                &element(0x17, &[b"270101000000Z"]),
                &element(0x30, &[&entries.concat()]),
            ],
        );
        self.seal(&tbs)
    }

    /// Signs what is to be signed of a certificate or CRL, whatever it says, and puts both together. It takes a key of
    /// P-256.
    pub fn seal(&self, tbs: &[u8]) -> Vec<u8> {
        let scheme = Scheme::Ecdsa(Hash::Sha256);
        let signed = self.signer.sign(Form::Scheme(scheme), tbs);
        let signature = signed.unwrap_or_else(|e| panic!("not a CA with a key of P-256: {e}"));
        element(0x30, &[tbs, &scheme.to_der(), &element(3, &[&[0], &signature])])
    }

    /// A certificate of this template for this key.
    pub fn sign(&self, template: &Template, key: &PublicKey) -> Certificate {
        issued(template.issue(key, self.certificate.subject(), &self.signer))
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

/// What the certificate of a peer that is called so says.
pub fn template(identity: &Identity) -> Template {
    let text = identity.to_string();
    let name = match text.parse() {
        Ok(address) => GeneralName::Ip(address),
        Err(_) if text.contains('@') => GeneralName::Email(text.clone()),
        Err(_) => GeneralName::Dns(text.clone()),
    };
    let subject = parsed_name(&format!("CN={text}"));
    Template::peer(subject, vec![name], vec![3], NOW, NOW.plus_days(90))
}

/// Octets in DER.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len().to_be_bytes();
    let skip = length.iter().take_while(|octet| **octet == 0).count();
    let long = &length[skip..];
    let mut out = vec![tag];
    match contents.len() {
        0..=0x7f => out.push(contents.len() as u8),
        _ => {
            out.push(0x80 | long.len() as u8);
            out.extend(long);
        }
    }
    out.extend(contents);
    out
}

fn issued(made: Result<Certificate, IssueError>) -> Certificate {
    made.unwrap_or_else(|e| panic!("a template that cannot be issued: {e}"))
}

/// A key that has never been before.
pub fn new_key(kind: KeyKind) -> LocalSigner {
    let random = system_random();
    let der = generate(kind, &*random).unwrap_or_else(|e| panic!("no key: {e}"));
    let key = PrivateKey::from_der(der.as_bytes()).unwrap_or_else(|e| panic!("the new key does not read: {e}"));
    LocalSigner::new(key, random)
}

fn parsed_name(text: &str) -> Name {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
