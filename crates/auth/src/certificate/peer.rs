//! The two questions of authentication by certificate that take long or need I/O, for either version of IKE: make a
//! signature ([`SignQuestion`]), and judge a peer ([`PeerQuestion`]). Both hold all that is needed, so that whoever
//! drives the engine can answer them on another thread, and a test in place.

use std::fmt;
use std::sync::Arc;

use handfast_wire::numbers::{AuthMethod, CertEncoding};

use super::crl::Crl;
use super::ikev1::{self, SignatureV1Error};
use super::ikev2::{self, AuthSignatureError, Choice, ChoiceError, Preference, SignatureHashes};
use super::name::Name;
use super::names::NameRefusal;
use super::path::{self, Limits, Path, PathPolicy, PathRefusal, Trust, Usage};
use super::public_key::{KeyError, PublicKey};
use super::revocation::{self, Evidence, RevocationPolicy, RevocationRefusal, Source};
use super::sign::{Form, SignError, Signer};
use super::time::Time;
use super::x509::Certificate;
use crate::identity::Identity;
use crate::v2::{Proof, ProofContext};

/// Our certificate and its key.
#[derive(Clone, Debug)]
pub struct LocalCertificate {
    /// Our certificate, then its issuers, without a root; empty for a raw public key (RFC 7670).
    pub chain: Vec<Certificate>,
    /// Signs with its key.
    pub signer: Arc<dyn Signer>,
    /// How it signs, where it may choose.
    pub preference: Preference,
    /// What its CA's OCSP responder says of it, a whole OCSPResponse, for peers that ask for it (RFC 4806).
    pub staple: Option<Vec<u8>>,
}

/// Whom we accept as a peer that has a certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerPolicy {
    /// Whom we trust.
    pub trust: Trust,
    /// Extended key usages that a peer's certificate may have.
    pub usage: Usage,
    /// Raw public keys that a peer may have in place of a certificate (RFC 7670). Such a key is the identity: whoever
    /// has it may call itself as the connection allows.
    pub raw_keys: Vec<PublicKey>,
    /// Whether SHA-1 is accepted, in certificates and AUTH.
    pub sha1: bool,
    /// Whether revocation is asked for.
    pub revocation: RevocationPolicy,
    /// CRLs that are at hand without being fetched.
    pub crls: Vec<Crl>,
    /// Bounds of the search for a path.
    pub limits: Limits,
}

impl PartialEq for LocalCertificate {
    /// Whether both prove the same, and in the same way.
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain
            && self.signer.public_key() == other.signer.public_key()
            && (self.preference, &self.staple) == (other.preference, &other.staple)
    }
}

impl Eq for LocalCertificate {}

/// With more CAs a peer is judged by another thread, as several may have the same name.
const QUICK_CAS: usize = 8;

/// More authorities in certificate requests than these are not looked at (RFC 7296 section 3.7 sets no bound).
const MOST_REQUESTED: usize = 1024;

impl LocalCertificate {
    /// Whether one of these hashes of a CERTREQ of IKEv2 is of a CA above our certificate, as far as `trust` and our
    /// own chain know them.
    pub fn is_wanted_v2<'a>(&self, hashes: impl Iterator<Item = &'a [u8]>, trust: &Trust) -> bool {
        let own: Vec<Vec<u8>> = self.authorities(trust).map(Certificate::spki_sha1).collect();
        hashes
            .take(MOST_REQUESTED)
            .any(|hash| own.iter().any(|known| known == hash))
    }

    /// Whether a CERTREQ of IKEv1 names a CA above our certificate. An empty one names any (RFC 2408 section 3.10).
    pub fn is_wanted_v1(&self, authority: &[u8]) -> bool {
        authority.is_empty()
            || Name::from_der(authority).is_ok_and(|name| self.chain.iter().any(|own| *own.issuer() == name))
    }

    fn authorities<'a>(&'a self, trust: &'a Trust) -> impl Iterator<Item = &'a Certificate> {
        let named = |ca: &&Certificate| self.chain.iter().any(|own| own.issuer() == ca.subject());
        let known = trust.anchors.iter().chain(&trust.intermediates).filter(named);
        self.chain.iter().skip(1).chain(known)
    }
}

impl PeerPolicy {
    /// Data of the CERTREQ that we send in IKEv2: hashes of the keys of the CAs that we trust.
    pub fn request_v2(&self) -> Vec<u8> {
        let cas = self
            .trust
            .anchors
            .iter()
            .filter(|anchor| anchor.is_ca() || anchor.is_self_issued());
        cas.take(MOST_REQUESTED).flat_map(Certificate::spki_sha1).collect()
    }

    /// Data of the CERTREQs that we send in IKEv1: the name of each CA.
    pub fn requests_v1(&self) -> impl Iterator<Item = &[u8]> {
        let cas = self
            .trust
            .anchors
            .iter()
            .filter(|anchor| anchor.is_ca() || anchor.is_self_issued());
        cas.take(MOST_REQUESTED).map(|ca| ca.subject().as_der())
    }

    fn at(&self, now: Time) -> PathPolicy {
        PathPolicy {
            now,
            usage: self.usage,
            sha1: self.sha1,
            limits: self.limits,
        }
    }
}

/// Makes our proof.
#[derive(Clone)]
pub struct SignQuestion {
    credential: Arc<LocalCertificate>,
    choice: Choice,
    octets: Vec<u8>,
}

impl SignQuestion {
    /// Our AUTH of IKEv2, for a peer that announced these hashes. `context` is seen from our side.
    ///
    /// # Errors
    /// If our key has no signature that the peer takes.
    pub fn v2(
        credential: &Arc<LocalCertificate>,
        context: &ProofContext<'_>,
        peer: Option<SignatureHashes>,
    ) -> Result<Self, ChoiceError> {
        Ok(Self {
            choice: ikev2::choose(credential.signer.public_key(), peer, credential.preference)?,
            octets: ikev2::signed_octets(context),
            credential: Arc::clone(credential),
        })
    }

    /// Our SIG of IKEv1 over HASH_I or HASH_R.
    ///
    /// # Errors
    /// If our key has no method in IKEv1.
    pub fn v1(credential: &Arc<LocalCertificate>, hash: &[u8]) -> Result<Self, ChoiceError> {
        let key = credential.signer.public_key();
        let (method, form) = ikev1::method(key).ok_or_else(|| ChoiceError::NeedsMethod14(key.to_string()))?;
        Ok(Self {
            choice: Choice {
                // Only IKEv2 has a use for it; the numbers of IKEv1 are those of ikev1::method.
                method: AuthMethod(u8::try_from(method).unwrap_or_default()),
                form,
            },
            octets: hash.to_vec(),
            credential: Arc::clone(credential),
        })
    }

    /// How it signs.
    pub fn form(&self) -> Form {
        self.choice.form
    }

    /// Whether it takes less time than having another thread do it.
    pub fn is_quick(&self) -> bool {
        self.credential.signer.is_quick()
    }

    /// Signs: the answer to the question. It may take long.
    ///
    /// # Errors
    /// What the signer says.
    pub fn answer(&self) -> Result<Proof, SignError> {
        let signature = self.credential.signer.sign(self.choice.form, &self.octets)?;
        Ok(self.choice.proof(&signature))
    }
}

impl fmt::Debug for SignQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignQuestion({})", self.choice.form)
    }
}

impl PartialEq for SignQuestion {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.credential, &other.credential) && self.choice == other.choice && self.octets == other.octets
    }
}

impl Eq for SignQuestion {}

/// Certificates and what goes with them, as they came in CERT payloads. What is of no use is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// X.509 certificates, in order: the first is the peer's own (RFC 7296 section 3.6).
    pub certificates: Vec<Vec<u8>>,
    /// CRLs.
    pub crls: Vec<Vec<u8>>,
    /// OCSP answers (RFC 4806).
    pub ocsp: Vec<Vec<u8>>,
    /// Raw public keys, as SubjectPublicKeyInfo (RFC 7670 section 3).
    pub raw_keys: Vec<Vec<u8>>,
}

impl Sent {
    /// Adds a CERT payload. Unknown encodings are ignored, and what is more than anybody would look at.
    pub fn add(&mut self, encoding: CertEncoding, data: &[u8]) {
        const MOST: usize = 64;
        let list = match encoding {
            CertEncoding::X509_SIGNATURE => &mut self.certificates,
            CertEncoding::CRL => &mut self.crls,
            CertEncoding::OCSP_CONTENT => &mut self.ocsp,
            CertEncoding::RAW_PUBLIC_KEY => &mut self.raw_keys,
            _ => return,
        };
        if list.len() < MOST {
            list.push(data.to_vec());
        }
    }
}

/// What a peer proved itself with.
#[derive(Clone, PartialEq, Eq)]
pub enum PeerProof {
    /// AUTH of IKEv2.
    V2 {
        /// Auth Method.
        method: AuthMethod,
        /// Authentication Data.
        data: Vec<u8>,
        /// What it must be made over: [`ikev2::signed_octets`], seen from the peer's side.
        octets: Vec<u8>,
    },
    /// SIG of IKEv1.
    V1 {
        /// The negotiated authentication method.
        method: u16,
        /// The signature.
        signature: Vec<u8>,
        /// HASH_I or HASH_R of the peer, as we computed it.
        hash: Vec<u8>,
    },
}

/// Judges a peer.
#[derive(Clone)]
pub struct PeerQuestion {
    /// Whom we accept.
    pub policy: Arc<PeerPolicy>,
    /// Who the peer says it is.
    pub identity: Identity,
    /// What came with it.
    pub sent: Sent,
    /// Its proof.
    pub proof: PeerProof,
}

/// Why a peer is refused. For our log; the peer hears AUTHENTICATION_FAILED, or its like of IKEv1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerRefusal {
    /// No certificate.
    #[error("the peer sent no certificate, and none of {0} is configured")]
    NoCertificate(String),
    /// One that cannot be read.
    #[error("the peer's certificate cannot be read ({0})")]
    Malformed(super::DerError),
    /// A key that is of no use.
    #[error("the peer has {0}")]
    RawKey(KeyError),
    /// A raw public key that nobody configured.
    #[error("the peer's raw public key ({0}) is not among those that are accepted")]
    UnknownRawKey(String),
    /// It is of another.
    #[error(transparent)]
    Name(#[from] NameRefusal),
    /// It leads to nobody whom we trust.
    #[error(transparent)]
    Path(#[from] PathRefusal),
    /// It is revoked, or nobody says.
    #[error(transparent)]
    Revocation(#[from] RevocationRefusal),
    /// The proof is none, in IKEv2.
    #[error(transparent)]
    Auth(#[from] AuthSignatureError),
    /// The proof is none, in IKEv1.
    #[error(transparent)]
    Sig(#[from] SignatureV1Error),
    /// Nobody could judge it now.
    #[error("the peer's certificate cannot be judged now: {0}")]
    Unanswered(String),
}

/// A peer whose proof and path are good, and about whose revocation nobody was asked yet.
#[derive(Debug)]
pub struct Judged {
    /// Its paths; none if it has a raw key.
    verdict: Option<Vec<Path>>,
    crls: Vec<Crl>,
    ocsp: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    policy: Arc<PeerPolicy>,
}

/// A peer that was judged, for status and logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proven {
    /// Its certificate's subject, or what its raw key is.
    pub subject: String,
    /// Who vouches for it: the subject of the CA that we trust; `None` for a raw key.
    pub anchor: Option<String>,
    /// When the first certificate of the path expires; `None` for a raw key.
    pub not_after: Option<Time>,
}

impl Proven {
    /// Of the verdict of [`Judged::finish`].
    pub fn new(path: Option<&Path>) -> Self {
        let certificates = path.map(Path::certificates).unwrap_or_default();
        let (Some(path), Some(own)) = (path, certificates.first()) else {
            return Self {
                subject: "raw public key".into(),
                anchor: None,
                not_after: None,
            };
        };
        Self {
            subject: own.subject().to_string(),
            anchor: certificates.last().map(|ca| ca.subject().to_string()),
            not_after: Some(path.not_after()),
        }
    }
}

impl PeerQuestion {
    /// All but revocation: the certificate is of the identity, leads to a trusted CA, and made the proof; or the raw key
    /// is one that is accepted, and made it.
    ///
    /// # Errors
    /// [`PeerRefusal`].
    pub fn judge(&self, now: Time) -> Result<Judged, PeerRefusal> {
        if let (Some(spki), []) = (self.sent.raw_keys.first(), &self.sent.certificates[..]) {
            let key = PublicKey::from_spki(spki).map_err(PeerRefusal::RawKey)?;
            if !self.policy.raw_keys.contains(&key) {
                return Err(PeerRefusal::UnknownRawKey(key.to_string()));
            }
            self.check_proof(&key)?;
            return Ok(self.raw());
        }
        if let Some(proven) = self.by_known_key() {
            return proven.map(|()| self.raw());
        }
        let own = self.own_certificate()?;
        own.is_of(&self.identity)?;
        // One that cannot be read is no help, and no harm.
        let others = self.sent.certificates.iter().skip(1);
        let others: Vec<Certificate> = others.filter_map(|der| Certificate::from_der(der).ok()).collect();
        let paths = path::find(&own, &others, &self.policy.trust, &self.policy.at(now))?;
        self.check_proof(own.key().map_err(|error| PeerRefusal::RawKey(error.clone()))?)?;
        Ok(Judged {
            verdict: Some(paths),
            crls: self
                .sent
                .crls
                .iter()
                .filter_map(|der| Crl::from_der(der).ok())
                .collect(),
            ocsp: self.sent.ocsp.iter().map(|response| (response.clone(), None)).collect(),
            policy: Arc::clone(&self.policy),
        })
    }

    /// Whether to judge it takes little more than to have another thread do it: a signature of the peer's and one of a CA
    /// or two, all of kinds that are checked in less than 0.1 ms, and no list to look through.
    pub fn is_quick(&self) -> bool {
        const CERTIFICATES: usize = 2;
        let Sent {
            certificates,
            crls,
            ocsp,
            raw_keys,
        } = &self.sent;
        let lists = crls.is_empty() && ocsp.is_empty() && self.policy.crls.is_empty() && raw_keys.is_empty();
        // IKEv1 signs the bare hash, which the fast library does not check.
        let v2 = matches!(self.proof, PeerProof::V2 { .. });
        let trust = &self.policy.trust;
        let cas = || trust.anchors.iter().chain(&trust.intermediates);
        let quick = |certificate: &Certificate| certificate.key().is_ok_and(PublicKey::is_quick);
        lists
            && v2
            && self.policy.raw_keys.is_empty()
            && (1..=CERTIFICATES).contains(&certificates.len())
            && cas().take(QUICK_CAS + 1).count() <= QUICK_CAS
            && cas().all(quick)
            && certificates
                .iter()
                .all(|der| Certificate::from_der(der).is_ok_and(|certificate| quick(&certificate)))
    }

    fn raw(&self) -> Judged {
        Judged {
            verdict: None,
            crls: Vec::new(),
            ocsp: Vec::new(),
            policy: Arc::clone(&self.policy),
        }
    }

    /// A peer whose raw key we have need not send it (RFC 7296 section 1.2 leaves CERT to it), and strongSwan does not.
    fn by_known_key(&self) -> Option<Result<(), PeerRefusal>> {
        let nothing_sent = self.sent.certificates.is_empty() && self.sent.raw_keys.is_empty();
        if !nothing_sent || !matches!(self.proof, PeerProof::V2 { .. }) {
            return None;
        }
        let mut tried = self.policy.raw_keys.iter().map(|key| self.check_proof(key));
        let first = tried.next()?;
        if first.is_ok() || tried.any(|proven| proven.is_ok()) {
            return Some(Ok(()));
        }
        // One of the certificates that are configured may still be the peer's.
        self.policy.trust.anchors.is_empty().then_some(first)
    }

    fn check_proof(&self, key: &PublicKey) -> Result<(), PeerRefusal> {
        match &self.proof {
            PeerProof::V2 { method, data, octets } => {
                ikev2::verify(key, *method, data, octets, SignatureHashes::ours(self.policy.sha1))?;
            }
            PeerProof::V1 {
                method,
                signature,
                hash,
            } => ikev1::verify(key, *method, hash, signature)?,
        }
        Ok(())
    }

    /// The first that came. Without any, one that is configured may be of this identity.
    fn own_certificate(&self) -> Result<Certificate, PeerRefusal> {
        if let Some(der) = self.sent.certificates.first() {
            return Certificate::from_der(der).map_err(PeerRefusal::Malformed);
        }
        let trust = &self.policy.trust;
        let mut known = trust.anchors.iter().chain(&trust.intermediates);
        let known = known.find(|certificate| certificate.is_of(&self.identity).is_ok());
        known
            .cloned()
            .ok_or_else(|| PeerRefusal::NoCertificate(format!("\"{}\"", self.identity)))
    }
}

impl Judged {
    /// What may be fetched now, as far as the policy asks for it, and what came with the peer and what is at hand do not
    /// answer: of the first path, the peer's certificate first.
    pub fn sources(&self, now: Time) -> Vec<Source> {
        let first = self.verdict.as_ref().and_then(|paths| paths.first());
        let mut sources = first.map(revocation::sources).unwrap_or_default();
        for source in &mut sources {
            source.leave_out(self.policy.revocation, &self.at_hand(), now);
        }
        sources.retain(|source| !source.crls.is_empty() || !source.responders.is_empty());
        sources
    }

    /// Whether revocation is asked for.
    pub fn revocation(&self) -> RevocationPolicy {
        self.policy.revocation
    }

    /// What came with the peer, and what is configured.
    fn at_hand(&self) -> [Evidence<'_>; 2] {
        let sent = Evidence {
            crls: &self.crls,
            ocsp: &self.ocsp,
        };
        let configured = Evidence {
            crls: &self.policy.crls,
            ocsp: &[],
        };
        [sent, configured]
    }

    /// The verdict, with what was fetched, what came and what is at hand. A path that is revoked does not speak against
    /// another that is not. `None`: the peer has a raw key, which nobody revokes.
    ///
    /// # Errors
    /// Why the first path is refused.
    pub fn finish(
        &self,
        crls: &[Crl],
        ocsp: &[(Vec<u8>, Option<Vec<u8>>)],
        now: Time,
    ) -> Result<Option<&Path>, RevocationRefusal> {
        let Some(paths) = &self.verdict else {
            return Ok(None);
        };
        let mut first = None;
        for path in paths {
            let [sent, configured] = self.at_hand();
            let evidence = [Evidence { crls, ocsp }, sent, configured];
            match revocation::check_all(path, &evidence, self.policy.revocation, now) {
                Ok(()) => return Ok(Some(path)),
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        Err(first.unwrap_or_else(RevocationRefusal::no_path))
    }
}

impl fmt::Debug for PeerQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerQuestion(\"{}\")", self.identity)
    }
}

impl PartialEq for PeerQuestion {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policy, &other.policy)
            && (&self.identity, &self.sent, &self.proof) == (&other.identity, &other.sent, &other.proof)
    }
}

impl Eq for PeerQuestion {}
