//! The rules with contexts that say what a test wants. Real ones are in tests/tests/interop_kerberos.rs.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::kerberos::{Credentials, GssAnswer, GssQuestion, Mechanism, PeerPrincipals, Ready, Step, Target};

/// Contexts that are complete after so many steps of this side, with these facts.
#[derive(Clone, Debug)]
struct Scripted {
    steps: usize,
    last_token: bool,
    facts: Facts,
    unwrapped: Vec<u8>,
}

impl Scripted {
    fn good() -> Self {
        Self {
            steps: 1,
            last_token: true,
            facts: Facts {
                source: "host/a@R".parse().unwrap(),
                target: "host/b@R".parse().unwrap(),
                flags: Flags::WANTED,
                is_kerberos: true,
                lifetime: 3600,
            },
            unwrapped: vec![7; 32],
        }
    }
}

impl Mechanism for Scripted {
    fn ready(&self, _: &Credentials, _: Role) -> Result<Ready, GssError> {
        Ok(Ready {
            principal: self.facts.source.clone(),
            lifetime: self.facts.lifetime,
        })
    }

    fn initiate(&self, _: &Credentials, _: &Target, _: Flags) -> Result<Box<dyn Context>, GssError> {
        Ok(Box::new(self.clone()))
    }

    fn accept(&self, _: &Credentials) -> Result<Box<dyn Context>, GssError> {
        Ok(Box::new(self.clone()))
    }
}

impl Context for Scripted {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, GssError> {
        if token == Some(b"bad") {
            return Err(GssError::local(ErrorKind::BadToken, "a test", "as the test wants"));
        }
        self.steps = self.steps.saturating_sub(1);
        let complete = self.steps == 0;
        Ok(Step {
            token: (!complete || self.last_token).then(|| b"token".to_vec()),
            complete,
        })
    }

    fn facts(&self) -> Result<Facts, GssError> {
        Ok(self.facts.clone())
    }

    fn wrap(&mut self, data: &[u8]) -> Result<Vec<u8>, GssError> {
        Ok(data.to_vec())
    }

    fn unwrap(&mut self, _: &[u8]) -> Result<Vec<u8>, GssError> {
        Ok(self.unwrapped.clone())
    }
}

fn local(script: &Scripted) -> Arc<LocalKerberos> {
    let patterns = ["host/a@R", "host/b@R"].iter().map(|p| p.parse().unwrap()).collect();
    Arc::new(LocalKerberos {
        mechanism: Arc::new(script.clone()),
        credentials: Credentials::default(),
        target: Some(Target::host("b")),
        peers: PeerPrincipals {
            patterns,
            realms: vec![],
        },
        flags: Flags::WANTED,
    })
}

fn progress(question: GssQuestion) -> Result<Progress, GssError> {
    match question.answer() {
        GssAnswer::Progress(progress) => progress,
        GssAnswer::Ready(ready) => panic!("{ready:?}"),
    }
}

fn accept(script: &Scripted) -> Result<Progress, GssError> {
    progress(GssQuestion::accept(&local(script), b"token"))
}

fn established(progress: Result<Progress, GssError>) -> Established {
    match progress.unwrap() {
        Progress::Complete { established, .. } => *established,
        progress @ Progress::Continue { .. } => panic!("{progress:?}"),
    }
}

#[test]
fn one_token_each_way() {
    assert_eq!(established(accept(&Scripted::good())).peer().to_string(), "host/a@R");
    let initiator = Scripted {
        steps: 2,
        last_token: false,
        ..Scripted::good()
    };
    let Progress::Continue { token, negotiation } = progress(GssQuestion::initiate(&local(&initiator))).unwrap() else {
        panic!("complete after one token");
    };
    assert_eq!(token, b"token");
    let done = established(progress(GssQuestion::step(negotiation, b"token")));
    assert_eq!(
        (done.peer().to_string(), done.own().to_string()),
        ("host/b@R".into(), "host/a@R".into())
    );
}

#[test]
fn a_context_that_does_not_protect_is_refused() {
    let with = |change: fn(&mut Facts)| {
        let mut script = Scripted::good();
        change(&mut script.facts);
        accept(&script).unwrap_err()
    };
    for (error, words) in [
        (
            with(|f| f.flags = Flags::INTEG.with(Flags::CONF)),
            "no mutual authentication",
        ),
        (with(|f| f.flags = Flags::MUTUAL), "no integrity"),
        (with(|f| f.is_kerberos = false), "another mechanism"),
    ] {
        assert_eq!(
            (error.kind, error.is_local()),
            (ErrorKind::Unprotected, false),
            "{error}"
        );
        assert!(error.words.contains(words), "{error}");
    }
    // An initiator judges too: here, one that is complete although nobody proved anything to it.
    let mut script = Scripted::good();
    script.facts.flags = Flags::INTEG;
    assert_eq!(
        progress(GssQuestion::initiate(&local(&script))).unwrap_err().kind,
        ErrorKind::Unprotected
    );
}

#[test]
fn the_peer_must_be_one_that_is_wanted() {
    let mut script = Scripted::good();
    script.facts.source = "host/evil@R".parse().unwrap();
    let error = accept(&script).unwrap_err();
    assert_eq!(error.kind, ErrorKind::WrongPrincipal);
    assert!(
        error.words.contains("host/evil@R") && error.words.contains("host/b@R"),
        "{error}"
    );
    script.facts.source = "host/a@S".parse().unwrap();
    assert_eq!(accept(&script).unwrap_err().kind, ErrorKind::WrongRealm);
}

#[test]
fn what_the_peer_causes_is_no_trouble_of_ours() {
    let endless = Scripted {
        steps: usize::MAX,
        ..Scripted::good()
    };
    let mut state = progress(GssQuestion::initiate(&local(&endless)));
    let mut rounds = 1;
    let error = loop {
        match state {
            Ok(Progress::Continue { negotiation, .. }) => {
                rounds += 1;
                state = progress(GssQuestion::step(negotiation, b"more"));
            }
            Ok(progress) => panic!("{progress:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        (rounds, error.kind, error.is_local()),
        (MOST_TOKENS + 1, ErrorKind::BadToken, false)
    );
    for token in [&b""[..], b"bad", &vec![0x60; MOST_TOKEN_OCTETS + 1]] {
        let error = progress(GssQuestion::accept(&local(&Scripted::good()), token)).unwrap_err();
        assert_eq!((error.kind, error.is_local()), (ErrorKind::BadToken, false));
    }
    // Nothing of the peer was looked at.
    let mut nobody = (*local(&Scripted::good())).clone();
    nobody.target = None;
    assert!(
        progress(GssQuestion::initiate(&Arc::new(nobody)))
            .unwrap_err()
            .is_local()
    );
}

#[test]
fn a_hash_has_its_length() {
    let mut done = established(accept(&Scripted::good()));
    assert_eq!(done.unwrap(b"x", 32).unwrap(), [7; 32]);
    for expected in [20, 31, 33, 64] {
        assert_eq!(done.unwrap(b"x", expected).unwrap_err().kind, ErrorKind::BadToken);
    }
    assert_eq!(done.unwrap(b"", 32).unwrap_err().kind, ErrorKind::BadToken);
}
