//! How the demo's ends prove themselves: by a secret, or by certificates of a CA that lives as long as the demo.

use std::sync::Arc;

use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::ikev2::Preference;
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::{
    Curve, GeneralName, LocalCertificate, LocalSigner, Name, PeerPolicy, PrivateKey, Signer, Time, Trust,
};
use handfast_crypto::secret::Secret;
use handfast_crypto::system_random;
use handfast_engine::policy::Authentication;

use super::policy::NAMES;
use super::realm;
use crate::cli::{AuthMethod, Break, DemoOptions};
use crate::net::clock::certificate_time;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// For A and B. A's certificate, or whom B trusts, is wrong where that is to be shown.
pub fn authentication(options: &DemoOptions) -> Result<[Authentication; 2], String> {
    let of_certificates = matches!(options.broken, Some(Break::Expired | Break::Untrusted | Break::Name));
    match options.auth {
        AuthMethod::Psk | AuthMethod::Kerberos if of_certificates => {
            Err("that is of certificates: add --auth certificate".into())
        }
        AuthMethod::Certificate if options.broken == Some(Break::Psk) => {
            Err("--break psk is of secrets: leave --auth certificate out".into())
        }
        AuthMethod::Psk => {
            let psk = |text: &[u8]| Authentication::psk(Secret::from(text));
            let right = b"a secret for the demo alone";
            Ok([
                psk(right),
                psk(if options.broken == Some(Break::Psk) {
                    b"another secret"
                } else {
                    right
                }),
            ])
        }
        AuthMethod::Certificate => certificates(options.broken),
        AuthMethod::Kerberos if options.version() != 1 => Err("IKEv2 has no Kerberos: leave --ike 2 out".into()),
        AuthMethod::Kerberos if options.broken == Some(Break::Psk) => {
            Err("--break psk is of secrets: leave --auth kerberos out".into())
        }
        AuthMethod::Kerberos => match realm::dir() {
            Some(dir) => realm::authentication(&dir),
            None => Err("there is no realm".into()),
        },
    }
}

fn certificates(broken: Option<Break>) -> Result<[Authentication; 2], String> {
    let now = certificate_time();
    // Valid since an hour ago, for a day.
    let valid = (Time(now.0 - HOUR), Time(now.0 + DAY));
    let ca = Ca::new("CN=Demo CA", valid)?;
    let a = match broken {
        Some(Break::Expired) => ca.issue(NAMES[0], (Time(now.0 - 2 * DAY), Time(now.0 - DAY)))?,
        Some(Break::Name) => ca.issue("c.demo.example", valid)?,
        _ => ca.issue(NAMES[0], valid)?,
    };
    let b = ca.issue(NAMES[1], valid)?;
    let trusted_by_b = match broken {
        Some(Break::Untrusted) => Ca::new("CN=Another CA", valid)?.trust(),
        _ => ca.trust(),
    };
    Ok([
        Authentication::certificate(vec![a], ca.trust()),
        Authentication::certificate(vec![b], trusted_by_b),
    ])
}

struct Ca {
    name: Name,
    signer: LocalSigner,
    trusted: Arc<PeerPolicy>,
}

impl Ca {
    fn new(name: &str, valid: (Time, Time)) -> Result<Self, String> {
        let name: Name = name.parse().map_err(failed)?;
        let signer = new_key()?;
        let template = Template::ca(name.clone(), vec![1], valid.0, valid.1);
        let certificate = template.issue(signer.public_key(), &name, &signer).map_err(failed)?;
        let trust = Trust {
            anchors: vec![certificate],
            intermediates: vec![],
        };
        let trusted = PeerPolicy {
            trust,
            ..PeerPolicy::default()
        };
        Ok(Self {
            name,
            signer,
            trusted: Arc::new(trusted),
        })
    }

    fn trust(&self) -> Arc<PeerPolicy> {
        Arc::clone(&self.trusted)
    }

    fn issue(&self, name: &str, valid: (Time, Time)) -> Result<Arc<LocalCertificate>, String> {
        let subject: Name = format!("CN={name}").parse().map_err(failed)?;
        let names = vec![GeneralName::Dns(name.into())];
        let signer = new_key()?;
        let template = Template::peer(subject, names, vec![2], valid.0, valid.1);
        let certificate = template
            .issue(signer.public_key(), &self.name, &self.signer)
            .map_err(failed)?;
        Ok(Arc::new(LocalCertificate {
            chain: vec![certificate],
            signer: Arc::new(signer),
            preference: Preference::default(),
            staple: None,
        }))
    }
}

/// ECDSA on P-256: quick, and known to both versions of IKE.
fn new_key() -> Result<LocalSigner, String> {
    let random = system_random();
    let pkcs8 = generate(KeyKind::Ec(Curve::P256), &*random)?;
    let key = PrivateKey::from_der(pkcs8.as_bytes()).map_err(failed)?;
    Ok(LocalSigner::new(key, random))
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("the demo's certificates cannot be made: {error}")
}
