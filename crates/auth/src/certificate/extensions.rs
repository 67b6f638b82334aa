//! Extensions of certificates (RFC 5280 section 4.2).

use super::constraints::NameConstraints;
use super::der::{Der, DerError, dotted, tag};
use super::general_name::{GeneralName, TAG_URI, ia5};

/// What the extensions of a certificate say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Extensions {
    /// basicConstraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// keyUsage.
    pub key_usage: Option<KeyUsage>,
    /// extKeyUsage: object identifiers, without tag and length.
    pub extended_key_usage: Option<Vec<Vec<u8>>>,
    /// subjectAltName.
    pub subject_alt_names: Vec<GeneralName>,
    /// nameConstraints.
    pub name_constraints: Option<NameConstraints>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// keyIdentifier of authorityKeyIdentifier.
    pub authority_key_id: Option<Vec<u8>>,
    /// HTTP addresses of cRLDistributionPoints.
    pub crl_urls: Vec<String>,
    /// HTTP addresses of OCSP responders in authorityInfoAccess.
    pub ocsp_urls: Vec<String>,
    /// id-pkix-ocsp-nocheck: a responder's certificate whose own revocation nobody asks for (RFC 6960 4.2.2.2.1).
    pub ocsp_no_check: bool,
    /// Critical extensions that nothing here knows, in dots.
    pub unknown_critical: Vec<String>,
}

/// basicConstraints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasicConstraints {
    /// Whether it may issue certificates.
    pub ca: bool,
    /// How many intermediate CAs may follow.
    pub path_len: Option<u32>,
}

/// keyUsage: bit 0 is the highest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUsage(pub u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(0x8000);
    /// nonRepudiation, also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(0x4000);
    /// keyCertSign.
    pub const CERT_SIGN: Self = Self(0x0400);
    /// cRLSign.
    pub const CRL_SIGN: Self = Self(0x0200);

    /// Whether any of these bits is set.
    pub fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }
}

/// More extensions than any certificate has.
const MOST: usize = 64;
const MOST_USAGES: usize = 64;
const MOST_URLS: usize = 16;

const PKIX: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07];
pub(super) const OCSP_NO_CHECK: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];

impl Extensions {
    /// Reads `Extensions`, a SEQUENCE OF.
    pub(crate) fn parse(der: &mut Der<'_>) -> Result<Self, DerError> {
        let mut list = der.sequence("extensions")?;
        let mut extensions = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        while !list.is_empty() {
            let mut fields = list.sequence("extension")?;
            let oid = fields.oid("extension")?;
            let critical = fields.flag("extension")?;
            let value = fields.value(tag::OCTET_STRING, "extension")?;
            fields.end("extension")?;
            if seen.contains(&oid) || seen.len() == MOST {
                return Err(DerError {
                    field: "extensions",
                    what: "one twice, or more than 64",
                });
            }
            seen.push(oid);
            extensions.one(oid, critical, Der::new(value))?;
        }
        Ok(extensions)
    }

    fn one(&mut self, oid: &[u8], critical: bool, mut value: Der<'_>) -> Result<(), DerError> {
        match oid {
            [0x55, 0x1d, 14] => {
                self.subject_key_id = Some(value.value(tag::OCTET_STRING, "subjectKeyIdentifier")?.to_vec());
            }
            [0x55, 0x1d, 15] => self.key_usage = Some(key_usage(&mut value)?),
            [0x55, 0x1d, 17] => {
                let names = value.sequence("subjectAltName")?;
                self.subject_alt_names = GeneralName::parse_all(names, "subjectAltName")?;
            }
            [0x55, 0x1d, 19] => self.basic_constraints = Some(basic_constraints(&mut value)?),
            [0x55, 0x1d, 30] => self.name_constraints = Some(NameConstraints::parse(&mut value)?),
            [0x55, 0x1d, 31] => self.crl_urls = distribution_points(&mut value)?,
            [0x55, 0x1d, 35] => {
                let mut fields = value.sequence("authorityKeyIdentifier")?;
                let id = fields.optional(tag::context(0), "authorityKeyIdentifier")?;
                self.authority_key_id = id.map(<[u8]>::to_vec);
            }
            [0x55, 0x1d, 37] => self.extended_key_usage = Some(usages(&mut value)?),
            [prefix @ .., 1, 1] if prefix == PKIX => self.ocsp_urls = responders(&mut value)?,
            OCSP_NO_CHECK => self.ocsp_no_check = true,
            // certificatePolicies, policyMappings and inhibitAnyPolicy restrict nobody who asks for no policy
            // (RFC 5280 section 6.1.1: the user-initial-policy-set is any-policy); issuerAltName names nobody to us.
            [0x55, 0x1d, 18 | 32 | 33 | 54] => return Ok(()),
            _ => {
                if critical {
                    self.unknown_critical.push(name_of(oid));
                }
                return Ok(());
            }
        }
        match oid {
            // Distribution points and authority key identifiers may have parts that nobody needs.
            [0x55, 0x1d, 31 | 35] => Ok(()),
            OCSP_NO_CHECK => Ok(()),
            _ => value.end("extension"),
        }
    }
}

/// What an extension is called, for the reason of a refusal.
fn name_of(oid: &[u8]) -> String {
    match oid {
        [0x55, 0x1d, 36] => "policyConstraints".into(),
        [0x55, 0x1d, 9] => "subjectDirectoryAttributes".into(),
        _ => dotted(oid),
    }
}

fn key_usage(der: &mut Der<'_>) -> Result<KeyUsage, DerError> {
    let fail = |what| DerError {
        field: "keyUsage",
        what,
    };
    match der.value(tag::BIT_STRING, "keyUsage")? {
        [0..=7, first] => Ok(KeyUsage(u16::from(*first) << 8)),
        [0..=7, first, second] => Ok(KeyUsage(u16::from_be_bytes([*first, *second]))),
        [] | [_] => Err(fail("no bits")),
        _ => Err(fail("more bits than there are usages")),
    }
}

fn basic_constraints(der: &mut Der<'_>) -> Result<BasicConstraints, DerError> {
    let mut fields = der.sequence("basicConstraints")?;
    let ca = fields.flag("cA")?;
    let path_len = if fields.is_empty() {
        None
    } else {
        Some(fields.small("pathLenConstraint")?)
    };
    fields.end("basicConstraints")?;
    Ok(BasicConstraints { ca, path_len })
}

fn usages(der: &mut Der<'_>) -> Result<Vec<Vec<u8>>, DerError> {
    let mut list = der.sequence("extKeyUsage")?;
    let mut usages = Vec::new();
    while !list.is_empty() && usages.len() < MOST_USAGES {
        usages.push(list.oid("extKeyUsage")?.to_vec());
    }
    list.end("extKeyUsage")?;
    Ok(usages)
}

/// The HTTP addresses of whole CRLs by the certificate's issuer (RFC 5280 section 4.2.1.13).
fn distribution_points(der: &mut Der<'_>) -> Result<Vec<String>, DerError> {
    let mut list = der.sequence("cRLDistributionPoints")?;
    let mut urls = Vec::new();
    while !list.is_empty() {
        let mut point = list.sequence("distributionPoint")?;
        let name = point.optional(tag::constructed(0), "distributionPoint")?;
        // With reasons it is but a part; with another issuer it is an indirect CRL, which is not supported.
        if let (Some(name), true) = (name, point.is_empty()) {
            let full = Der::new(name).optional(tag::constructed(0), "fullName")?;
            http_names(Der::new(full.unwrap_or_default()), &mut urls)?;
        }
    }
    Ok(urls)
}

fn responders(der: &mut Der<'_>) -> Result<Vec<String>, DerError> {
    let mut list = der.sequence("authorityInfoAccess")?;
    let mut urls = Vec::new();
    while !list.is_empty() {
        let mut access = list.sequence("accessDescription")?;
        let method = access.oid("accessMethod")?;
        let location = access.any("accessLocation")?;
        if method == OCSP {
            http_names(Der::new(location.raw), &mut urls)?;
        }
    }
    Ok(urls)
}

fn http_names(mut names: Der<'_>, urls: &mut Vec<String>) -> Result<(), DerError> {
    while !names.is_empty() {
        let name = names.any("URI")?;
        let url = (name.tag == TAG_URI).then(|| ia5(name.value)).flatten();
        // Nothing else is fetched: LDAP is for directories, and HTTPS would need what is being checked.
        let http = url.filter(|url| url.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://")));
        urls.extend(http.filter(|_| urls.len() < MOST_URLS));
    }
    Ok(())
}
