//! CRLs and OCSP answers made by openssl, fetched over HTTP from servers that behave and from such that do not.
#![allow(clippy::unwrap_used)]

mod revocation_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use handfast::revocation::http::Limits;
use handfast::revocation::judge::Judge;
use handfast::revocation::{Fetcher, Gathered, Settings};
use handfast_auth::certificate::ikev2::{Preference, SignatureHashes, signed_octets};
use handfast_auth::certificate::revocation::{RevocationPolicy, Source, Wanted};
use handfast_auth::certificate::{
    Bundle, LocalCertificate, LocalSigner, PeerPolicy, PeerProof, PeerQuestion, Sent, SignQuestion, Trust,
};
use handfast_auth::v2::ProofContext;
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Prf;
use handfast_crypto::{default_provider, system_random};
use handfast_wire::numbers::{AuthMethod, CertEncoding};
use revocation_support::{Pki, Reply, Server, free_port};
use tokio::sync::Semaphore;

const CRL: &str = "application/pkix-crl";

fn settings() -> Settings {
    Settings {
        patience: Duration::from_secs(2),
        limits: Limits {
            connect: Duration::from_secs(1),
            whole: Duration::from_secs(5),
        },
        largest_crl: 100_000,
        ..Settings::new(0)
    }
}

fn fetcher() -> Fetcher {
    Fetcher::new(settings())
}

fn source(pki: &Pki, crls: &[String], responders: &[String]) -> Source {
    Source {
        certificate: pki.certificate("gw.crt"),
        issuer: pki.certificate("ca.crt"),
        crls: crls.to_vec(),
        responders: responders.to_vec(),
    }
}

/// What the last address gave.
fn last(gathered: &Gathered) -> Result<usize, String> {
    gathered.steps.last().unwrap().outcome.clone().map(|(octets, _)| octets)
}

fn nowhere() -> Pki {
    Pki::new("http://127.0.0.1:1/", "http://127.0.0.1:1/")
}

#[tokio::test]
async fn crls_good_and_bad() {
    let (server, pki) = (Server::start(), nowhere());
    let good = pki.crl();
    let not_found = server.url("/none");
    let closed = format!("http://127.0.0.1:{}/", free_port());
    let moved = |to: &str| Reply::Raw(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n"));
    server.put("/good", Reply::Octets(CRL, good.clone()));
    let cases = [
        (server.url("/good"), ""),
        (server.put("/type", Reply::Octets("text/plain", good.clone())), ""),
        (
            server.put("/pem", Reply::Octets("application/x-pem-file", pki.pem_crl())),
            "",
        ),
        (server.put("/moved", moved("/good")), ""),
        (
            server.put("/https", moved("https://ca.example/")),
            "https is not fetched",
        ),
        (server.put("/loop", moved("/loop")), "elsewhere: again and again"),
        (
            server.put("/page", Reply::Octets("text/html", b"<html>Welcome".to_vec())),
            "the server calls it text/html",
        ),
        (
            server.put("/half", Reply::Octets(CRL, good[..good.len() / 2].to_vec())),
            "the CRL cannot be read",
        ),
        (
            server.put("/empty", Reply::Octets(CRL, vec![])),
            "the CRL cannot be read",
        ),
        (
            server.put("/old", Reply::Octets(CRL, pki.old_crl())),
            "outdated since 2024-01-02",
        ),
        (
            server.put("/forged", Reply::Octets(CRL, pki.forged_crl())),
            "signature does not fit",
        ),
        (
            server.put("/large", Reply::Octets(CRL, vec![0x30; 100_001])),
            "more than the 100000 octets",
        ),
        (server.put("/endless", Reply::Endless), "more than the 100000 octets"),
        (server.put("/ssh", Reply::Raw("SSH-2.0-OpenSSH\r\n".into())), "no HTTP"),
        (not_found, "the server answers 404 Not Found"),
        (closed, "no connection to 127.0.0.1:"),
        ("http://no-such-name.invalid/".into(), "no-such-name.invalid"),
        ("ldap://127.0.0.1/".into(), "ldap is not fetched"),
    ];
    for (url, reason) in cases {
        let gathered = fetcher().gather(&[source(&pki, std::slice::from_ref(&url), &[])]).await;
        match last(&gathered) {
            Ok(octets) => assert!(reason.is_empty() && octets > 100, "{url} is taken"),
            Err(found) => assert!(!reason.is_empty() && found.contains(reason), "{url}: {found}"),
        }
        assert!(gathered.ocsp.is_empty());
    }
}

#[tokio::test]
async fn the_next_address_is_asked_and_answers_are_kept() {
    let (server, pki) = (Server::start(), nowhere());
    let bad = server.url("/bad");
    let good = server.put("/good", Reply::Octets(CRL, pki.crl()));
    let unused = server.put("/unused", Reply::Octets(CRL, pki.crl()));
    let fetcher = fetcher();
    let sources = [source(&pki, &[bad, good, unused], &[])];
    for kept in [false, true, true] {
        let gathered = fetcher.gather(&sources).await;
        let shown: Vec<(bool, bool)> = gathered.steps.iter().map(|s| (s.outcome.is_ok(), s.kept)).collect();
        assert_eq!(shown, [(false, kept), (true, kept)]);
        assert_eq!(gathered.crls.len(), 1);
    }
    assert_eq!(server.asked(), ["/bad", "/good"]);
    // Another CA's certificate with the same address is another question.
    let mut other = sources[0].clone();
    other.issuer = pki.certificate("other.crt");
    let found = last(&fetcher.gather(&[other]).await).unwrap_err();
    assert!(found.contains("signature does not fit"), "{found}");
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn many_questions_are_one_fetch() {
    let (server, pki) = (Server::start(), nowhere());
    let url = server.put("/slow", Reply::Slow(Duration::from_millis(300), pki.crl()));
    let (fetcher, sources) = (fetcher(), [source(&pki, &[url], &[])]);
    let asked = (0..40).map(|_| fetcher.gather(&sources));
    for gathered in futures::future::join_all(asked).await {
        last(&gathered).unwrap();
    }
    assert_eq!(server.asked(), ["/slow"]);
}

#[tokio::test]
async fn slow_ones_hold_nobody_up_and_are_not_lost() {
    let (server, pki) = (Server::start(), nowhere());
    let slow = server.put("/slow", Reply::Slow(Duration::from_millis(2500), pki.crl()));
    let stuck = server.put("/stuck", Reply::Stuck);
    let fetcher = fetcher();
    let sources = [source(&pki, &[slow], std::slice::from_ref(&stuck))];
    let before = Instant::now();
    let gathered = fetcher.gather(&sources).await;
    assert!(before.elapsed() < Duration::from_millis(2400), "{:?}", before.elapsed());
    for step in &gathered.steps {
        assert!(
            step.outcome.as_ref().unwrap_err().contains("the fetch goes on"),
            "{step:?}"
        );
    }
    let gathered = fetcher.gather(&sources).await;
    assert!(gathered.steps[0].outcome.is_ok(), "{gathered:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let gathered = fetcher.gather(&[source(&pki, &[], &[stuck])]).await;
    assert_eq!(last(&gathered).unwrap_err(), "no whole answer within 5s");
    assert_eq!(server.asked(), ["/slow", "/stuck"]);
}

#[tokio::test]
async fn ocsp_by_the_responder_of_openssl() {
    let (server, pki) = (Server::start(), nowhere());
    let url = server.put("/ocsp", pki.responder());
    let sources = [source(&pki, &[], &[url])];
    let first = fetcher();
    last(&first.gather(&sources).await).unwrap();
    server.remove("/ocsp");
    // Kept: it is answered while nobody is there, and another asker gets nothing.
    assert!(first.gather(&sources).await.steps[0].kept);
    assert!(last(&fetcher().gather(&sources).await).unwrap_err().contains("404"));

    let server = Server::start();
    let answer = Reply::Octets("application/ocsp-response", pki.ocsp_answer());
    let stored = server.put("/stored", answer);
    last(&fetcher().gather(&[source(&pki, &[], &[stored])]).await).unwrap();
    let unauthorized = Reply::Raw("HTTP/1.1 200 OK\r\n\r\n\x30\x03\x0a\x01\x06".into());
    for (path, reply, reason) in [
        ("/no", unauthorized, "answers \"unauthorized\""),
        (
            "/page",
            Reply::Octets("text/html", b"<html>".to_vec()),
            "the OCSP answer cannot be read",
        ),
        (
            "/large",
            Reply::Octets("", vec![0; 70_000]),
            "more than the 65536 octets",
        ),
    ] {
        let url = server.put(path, reply);
        let found = last(&fetcher().gather(&[source(&pki, &[], &[url])]).await).unwrap_err();
        assert!(found.contains(reason), "{found}");
    }
}

/// gw.example, as it proves itself in IKEv2.
fn question(pki: &Pki, crl: Wanted, ocsp: Wanted) -> PeerQuestion {
    let read = |name: &str| Bundle::read(&std::fs::read(pki.path(name)).unwrap(), None).unwrap();
    let key = read("gw.key").keys.remove(0);
    let local = Arc::new(LocalCertificate {
        chain: read("gw.crt").certificates,
        signer: Arc::new(LocalSigner::new(key, system_random())),
        preference: Preference::default(),
        staple: None,
    });
    let context = ProofContext {
        prf: default_provider().prf(Prf::HMAC_SHA2_256).unwrap(),
        sk_p: &Secret::new(vec![3; 32]),
        first_message: &[1; 300],
        other_nonce: &[2; 32],
        id_body: b"\x02\0\0\0gw.example",
    };
    let proof = SignQuestion::v2(&local, &context, Some(SignatureHashes::ours(false)))
        .unwrap()
        .answer()
        .unwrap();
    let mut sent = Sent::default();
    sent.add(CertEncoding::X509_SIGNATURE, local.chain[0].as_der());
    PeerQuestion {
        policy: Arc::new(PeerPolicy {
            trust: Trust {
                anchors: vec![pki.certificate("ca.crt")],
                intermediates: vec![],
            },
            revocation: RevocationPolicy { crl, ocsp },
            ..PeerPolicy::default()
        }),
        identity: "gw.example".parse().unwrap(),
        sent,
        proof: PeerProof::V2 {
            method: AuthMethod(proof.method),
            data: proof.data,
            octets: signed_octets(&context),
        },
    }
}

async fn judged(question: PeerQuestion) -> Result<String, String> {
    let judge = Judge::new(fetcher(), Arc::new(Semaphore::new(2)));
    let proven = judge.judge(question).await.map_err(|error| error.to_string())?;
    Ok(proven.subject)
}

#[tokio::test]
async fn a_peer_is_judged_by_what_is_fetched() {
    use Wanted::{Off, Require, Try};
    let server = Server::start();
    let pki = Pki::new(&server.url("/crl"), &server.url("/ocsp"));
    // Nobody is there.
    assert_eq!(judged(question(&pki, Try, Try)).await.unwrap(), "CN=gw");
    let refused = judged(question(&pki, Require, Off)).await.unwrap_err();
    assert!(
        refused.contains("no CRL says whether it is revoked, and one is required (http://127.0.0.1:"),
        "{refused}"
    );
    assert!(refused.contains("/crl: the server answers 404 Not Found)"), "{refused}");
    let refused = judged(question(&pki, Off, Require)).await.unwrap_err();
    assert!(
        refused.contains("no OCSP says") && refused.contains("/ocsp: the server answers 404"),
        "{refused}"
    );
    // A peer without proof, or without a trusted path, makes nobody fetch.
    let asked = server.asked().len();
    let mut forged = question(&pki, Require, Require);
    if let PeerProof::V2 { data, .. } = &mut forged.proof {
        *data.last_mut().unwrap() ^= 1;
    }
    judged(forged).await.unwrap_err();
    let mut stranger = question(&pki, Require, Require);
    Arc::make_mut(&mut stranger.policy).trust.anchors = vec![pki.certificate("other.crt")];
    judged(stranger).await.unwrap_err();
    judged(question(&pki, Off, Off)).await.unwrap();
    assert_eq!(server.asked().len(), asked);
    // An answer that came with the proof is enough (RFC 4806).
    let mut stapled = question(&pki, Off, Require);
    stapled.sent.add(CertEncoding::OCSP_CONTENT, &pki.ocsp_answer());
    judged(stapled).await.unwrap();

    server.put("/crl", Reply::Octets(CRL, pki.crl()));
    server.put("/ocsp", pki.responder());
    assert_eq!(judged(question(&pki, Require, Require)).await.unwrap(), "CN=gw");
    pki.revoke();
    server.put("/crl", Reply::Octets(CRL, pki.crl()));
    for (crl, ocsp) in [(Try, Off), (Off, Try), (Require, Require)] {
        let refused = judged(question(&pki, crl, ocsp)).await.unwrap_err();
        assert!(
            refused.contains("CN=gw") && refused.contains("it is revoked since 20"),
            "{refused}"
        );
        assert!(refused.ends_with("(key compromise)"), "{refused}");
    }
}

#[test]
fn verify_fetches() {
    let server = Server::start();
    let pki = Pki::new(&server.url("/crl"), &server.url("/ocsp"));
    let verify = |words: &str| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_handfast"))
            .args(["pki", "verify", "--ca", "ca.crt", "gw.crt", "--fetch"])
            .args(words.split_whitespace())
            .current_dir(pki.dir())
            .output()
            .unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
    };
    let (code, said, _) = verify("");
    assert!(code == 0 && said.contains("/crl: the server answers 404"), "{said}");
    let (code, _, why) = verify("--revocation require");
    assert!(code == 1 && why.contains("no CRL says") && why.contains("404"), "{why}");
    server.put("/crl", Reply::Octets(CRL, pki.crl()));
    server.put("/ocsp", pki.responder());
    let (code, said, why) = verify("--revocation require");
    assert_eq!(code, 0, "{why}");
    for kind in ["\nCRL ", "\nOCSP "] {
        assert!(said.contains(kind), "{said}");
    }
    assert_eq!(
        said.matches(" octets say that it is not revoked, until 20").count(),
        2,
        "{said}"
    );
    pki.revoke();
    server.put("/crl", Reply::Octets(CRL, pki.crl()));
    let (code, _, why) = verify("");
    assert!(code == 1 && why.contains("it is revoked since"), "{why}");
}
