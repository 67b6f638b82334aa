//! Whether a certificate is of the identity that an ID payload claims (RFC 4945 section 3.1).

use super::general_name::GeneralName;
use super::name::Name;
use super::x509::Certificate;
use crate::identity::Identity;

/// Why a certificate is not of an identity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("certificate {certificate} is not of {identity}: it has {names}")]
pub struct NameRefusal {
    /// The certificate, as people know it.
    pub certificate: String,
    /// Whom the peer claims to be.
    pub identity: String,
    /// Whom it is of.
    pub names: String,
}

impl Certificate {
    /// Whether it is of this identity: a domain name, e-mail address or IP address is in the subjectAltName as just that
    /// kind of name, and a distinguished name is the subject. Names in the subject's CN count for nothing, and a `*` in
    /// a dNSName is no wildcard (RFC 4945 sections 3.1.2 and 5.1.3.6).
    ///
    /// # Errors
    /// [`NameRefusal`].
    pub fn is_of(&self, identity: &Identity) -> Result<(), NameRefusal> {
        let names = self.identities();
        let same = match identity {
            // A name that is no certificate's: a key ID, a subnet, octets that are none of their type.
            Identity::KeyId(_) | Identity::Other { .. } => false,
            Identity::Dn(der) => Name::from_der(der).is_ok_and(|name| {
                let mut others = self.extensions().subject_alt_names.iter();
                name == *self.subject() && !name.is_empty()
                    || others.any(|other| matches!(other, GeneralName::Directory(other) if *other == name))
            }),
            identity => names.iter().any(|name| name.same_as(identity)),
        };
        if same {
            return Ok(());
        }
        let shown: Vec<String> = self.shown_names();
        Err(NameRefusal {
            certificate: self.to_string(),
            identity: format!("{} \"{identity}\"", identity.kind_name()),
            names: if shown.is_empty() {
                "no names".into()
            } else {
                shown.join(", ")
            },
        })
    }

    /// All identities it is of; the subject first, if it has one.
    pub fn identities(&self) -> Vec<Identity> {
        let mut identities = Vec::new();
        if !self.subject().is_empty() {
            identities.push(Identity::Dn(self.subject().as_der().to_vec()));
        }
        for name in &self.extensions().subject_alt_names {
            identities.extend(match name {
                // As an ID payload would be read, so that both accept the same.
                GeneralName::Dns(name) => known(2, name.as_bytes()),
                GeneralName::Email(address) => known(3, address.as_bytes()),
                GeneralName::Ip(address) => Some(Identity::from(*address)),
                GeneralName::Directory(name) => Some(Identity::Dn(name.as_der().to_vec())),
                GeneralName::Uri(_) | GeneralName::Other(_) => None,
            });
        }
        identities
    }

    fn shown_names(&self) -> Vec<String> {
        let subject = (!self.subject().is_empty()).then(|| format!("DN:{}", self.subject()));
        let others = &self.extensions().subject_alt_names;
        subject
            .into_iter()
            .chain(others.iter().take(16).map(ToString::to_string))
            .collect()
    }
}

fn known(id_type: u8, data: &[u8]) -> Option<Identity> {
    match Identity::from_wire(id_type, data) {
        Identity::Other { .. } => None,
        identity => Some(identity),
    }
}
