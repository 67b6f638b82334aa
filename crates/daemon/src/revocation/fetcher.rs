//! Which answers are fetched for a path, and whether they say anything.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use handfast_auth::certificate::revocation::Source;
use handfast_auth::certificate::{Bundle, Certificate, Crl, Time, ocsp};
use handfast_crypto::hash::Hash;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cache::{BOUNDS, Cache, Content, Found, Outcome};
use super::http::{self, Limits, Request};
use super::url::Url;
use crate::net::clock::certificate_time;

/// Bounds of fetching.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The mark of our packets.
    pub mark: u32,
    /// How long whoever asks waits for what is fetched. A fetch that takes longer goes on, for whoever asks next.
    pub patience: Duration,
    /// How long one fetch may take.
    pub limits: Limits,
    /// Octets of a CRL.
    pub largest_crl: usize,
    /// Octets of an OCSP answer.
    pub largest_ocsp: usize,
    /// Fetches at once.
    pub at_once: usize,
}

impl Settings {
    /// The usual ones.
    pub fn new(mark: u32) -> Self {
        Self {
            mark,
            patience: Duration::from_secs(8),
            limits: Limits::default(),
            largest_crl: 10 << 20,
            largest_ocsp: 64 << 10,
            at_once: 16,
        }
    }
}

/// Addresses of one certificate that are tried, one after the other.
const MOST_URLS: usize = 4;
/// An answer that does not say when the next one is due is asked for again after this.
const CRL_WITHOUT_END: i64 = 3600;
const OCSP_WITHOUT_END: i64 = 300;
const NONCE_LENGTH: usize = 16;

/// Fetches and keeps. Clones share what is kept.
#[derive(Clone)]
pub struct Fetcher {
    settings: Settings,
    cache: Arc<Cache>,
    slots: Arc<Semaphore>,
}

/// What was learnt about a path.
#[derive(Debug, Default)]
pub struct Gathered {
    /// CRLs.
    pub crls: Vec<Crl>,
    /// OCSP answers with the nonces that were sent.
    pub ocsp: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What was asked, and what came of it.
    pub steps: Vec<Step>,
}

/// One address that was asked.
#[derive(Clone, Debug)]
pub struct Step {
    /// About which certificate.
    pub certificate: String,
    /// "CRL" or "OCSP".
    pub kind: &'static str,
    /// Where.
    pub url: String,
    /// How many octets came, and until when they hold; or why they do not help.
    pub outcome: Result<(usize, Time), String>,
    /// It was fetched before.
    pub kept: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Crl,
    Ocsp,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Crl => "CRL",
            Self::Ocsp => "OCSP",
        }
    }
}

impl Fetcher {
    /// With these bounds.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            cache: Cache::new(BOUNDS),
            slots: Arc::new(Semaphore::new(settings.at_once)),
        }
    }

    /// Asks all at once, and the addresses of one certificate one after the other until one helps.
    pub async fn gather(&self, sources: &[Source]) -> Gathered {
        let by = Instant::now() + self.settings.patience;
        let asked = sources.iter().flat_map(|source| {
            [(Kind::Crl, &source.crls), (Kind::Ocsp, &source.responders)]
                .map(|(kind, urls)| self.ask(kind, source, urls, by))
        });
        let mut gathered = Gathered::default();
        for (step, content) in join_all(asked).await.into_iter().flatten() {
            gathered.steps.push(step);
            match content {
                Some(Content::Crl(crl)) => gathered.crls.push(crl),
                Some(Content::Ocsp(response, nonce)) => gathered.ocsp.push((response, Some(nonce))),
                None => {}
            }
        }
        gathered
    }

    async fn ask(&self, kind: Kind, source: &Source, urls: &[String], by: Instant) -> Vec<(Step, Option<Content>)> {
        let mut all = Vec::new();
        for url in urls.iter().take(MOST_URLS) {
            let (outcome, kept) = match Url::parse(url) {
                Ok(parsed) => self.get(kind, source, parsed, by).await,
                Err(reason) => (Err(reason), false),
            };
            let (outcome, content) = match outcome {
                Ok(found) => {
                    let outcome = found.verdict.clone().map(|until| (found.octets, until));
                    (outcome, Some(found.content.clone()))
                }
                Err(reason) => (Err(reason), None),
            };
            let helped = outcome.is_ok();
            let step = Step {
                certificate: source.certificate.to_string(),
                kind: kind.name(),
                url: url.clone(),
                outcome,
                kept,
            };
            tracing::debug!(kind = step.kind, url, certificate = step.certificate, kept, outcome = ?step.outcome, "revocation asked for");
            all.push((step, content));
            if helped {
                break;
            }
        }
        all
    }

    async fn get(&self, kind: Kind, source: &Source, url: Url, by: Instant) -> (Outcome, bool) {
        let (certificate, issuer) = (source.certificate.clone(), source.issuer.clone());
        let about = match kind {
            Kind::Crl => issuer.as_der().to_vec(),
            Kind::Ocsp => ocsp::request(&certificate, &issuer, None),
        };
        let key = (url.to_string(), Hash::Sha256.digest(&[&about]));
        let this = self.clone();
        let fetch = || async move { this.fetch(kind, url, certificate, issuer).await };
        self.cache.get(key, by, fetch).await
    }

    async fn fetch(&self, kind: Kind, url: Url, certificate: Certificate, issuer: Certificate) -> Outcome {
        let _slot = self.slots.acquire().await.map_err(|error| error.to_string())?;
        let started = Instant::now();
        let shown = url.to_string();
        let nonce = nonce()?;
        let request = match kind {
            Kind::Crl => Request {
                url,
                post: None,
                accept: "application/pkix-crl",
                most: self.settings.largest_crl,
            },
            // RFC 6960 appendix A.1. POST, since a nonce makes every question a new one, of no use to a web cache.
            Kind::Ocsp => Request {
                url,
                post: Some((
                    "application/ocsp-request",
                    ocsp::request(&certificate, &issuer, Some(&nonce)),
                )),
                accept: "application/ocsp-response",
                most: self.settings.largest_ocsp,
            },
        };
        let took = || started.elapsed().as_millis() as u64;
        let response = http::fetch(&request, self.settings.mark, self.settings.limits).await;
        let response = response.map_err(|error| {
            tracing::debug!(kind = kind.name(), url = shown, took_ms = took(), %error, "nothing fetched");
            error.to_string()
        })?;
        let octets = response.body.len();
        // A CRL of megabytes takes a while to check.
        let found = tokio::task::spawn_blocking(move || match kind {
            Kind::Crl => crl(&response, &certificate, &issuer),
            Kind::Ocsp => Ok(answer(response.body, nonce, &certificate, &issuer)),
        });
        let found = found.await.map_err(|_| "it could not be read".to_string())?;
        let kind = kind.name();
        let took_ms = took();
        match found.as_ref().map(|found| &found.verdict) {
            Ok(Ok(until)) => tracing::info!(kind, url = shown, octets, took_ms, %until, "fetched"),
            Ok(Err(error)) => tracing::info!(kind, url = shown, octets, took_ms, error, "fetched, and of no use"),
            Err(error) => tracing::info!(kind, url = shown, octets, took_ms, error, "fetched, and cannot be read"),
        }
        found.map(Arc::new)
    }
}

fn crl(response: &http::Response, certificate: &Certificate, issuer: &Certificate) -> Result<Found, String> {
    let now = certificate_time();
    let octets = response.body.len();
    let crl = read_crl(&response.body).map_err(|error| match &response.content_type {
        // Most often it is a page that says what went wrong.
        Some(kind) => format!("{error}; the server calls it {kind}"),
        None => error,
    })?;
    let verdict = crl.status(certificate, issuer, now).map_err(|error| error.to_string());
    let until = crl.next_update().unwrap_or(Time(now.0 + CRL_WITHOUT_END));
    Ok(Found {
        content: Content::Crl(crl),
        octets,
        verdict: verdict.map(|_| until),
    })
}

/// DER (RFC 5280 section 4.2.1.13); some serve PEM all the same.
fn read_crl(octets: &[u8]) -> Result<Crl, String> {
    let der = if octets.starts_with(b"-----BEGIN X509 CRL-----") {
        let bundle = Bundle::read(octets, None).map_err(|error| error.to_string())?;
        bundle.crls.into_iter().next()
    } else {
        None
    };
    Crl::from_der(der.as_deref().unwrap_or(octets)).map_err(|error| format!("the CRL cannot be read ({error})"))
}

fn answer(response: Vec<u8>, nonce: Vec<u8>, certificate: &Certificate, issuer: &Certificate) -> Found {
    let now = certificate_time();
    let verdict = ocsp::status(&response, certificate, issuer, Some(&nonce), now);
    let until = ocsp::good_until(&response, certificate, issuer).unwrap_or(Time(now.0 + OCSP_WITHOUT_END));
    Found {
        octets: response.len(),
        content: Content::Ocsp(response, nonce),
        verdict: verdict.map(|_| until).map_err(|error| error.to_string()),
    }
}

fn nonce() -> Result<Vec<u8>, String> {
    let mut nonce = vec![0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
    Ok(nonce)
}
