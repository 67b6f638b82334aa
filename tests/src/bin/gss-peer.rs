//! One side of a Kerberos context as the engine would drive it: questions on standard input, answers on standard output,
//! one JSON document in each line. A process of its own, since KRB5_CONFIG and the clock belong to the process.
//!
//! `{"do":"initiate","with":{…}}`, `{"do":"accept","token":"HEX","with":{…}}`, `{"do":"ready","with":{…}}`,
//! `{"do":"raw","with":{…}}` (the initiator's token, without our rules),
//! `{"do":"step","token":"HEX"}`, `{"do":"wrap","data":"HEX"}`, `{"do":"unwrap","token":"HEX","expected":32}`,
//! `with`: `keytab`, `principal`, `ccache`, `rcache`, `target`, `peers` (an array), `flags` (a number),
//! `fresh` (tickets),
//! `library`.

use std::io::{BufRead, stdin};
use std::sync::Arc;

use handfast_auth::kerberos::{
    Credentials, Established, Flags, GssAnswer, GssError, GssQuestion, Kerberos, LocalKerberos, Negotiation,
    PeerPrincipals, Principal, PrincipalPattern, Progress, Role, Target,
};
use serde_json::{Value, json};

#[derive(Default)]
struct Side {
    negotiation: Option<Box<Negotiation>>,
    established: Option<Box<Established>>,
}

fn main() {
    let mut side = Side::default();
    for line in stdin().lock().lines() {
        let answer = line
            .map_err(|e| e.to_string())
            .and_then(|line| serde_json::from_str::<Value>(&line).map_err(|e| e.to_string()))
            .and_then(|question| side.answer(&question));
        println!("{}", answer.unwrap_or_else(|misuse| json!({"misuse": misuse})));
    }
}

impl Side {
    fn answer(&mut self, question: &Value) -> Result<Value, String> {
        let with = &question["with"];
        match question["do"].as_str() {
            Some("ready") => {
                let role = if with["target"].is_null() {
                    Role::Responder
                } else {
                    Role::Initiator
                };
                Ok(match local(with)? {
                    Err(error) => told(&error),
                    Ok(local) => self.take(GssQuestion::ready(&local, role)),
                })
            }
            Some("initiate") => {
                let fresh = with["fresh"].as_bool() == Some(true);

                Ok(match local(with)? {
                    Err(error) => told(&error),
                    Ok(local) if fresh => self.take(GssQuestion::initiate_afresh(&local)),
                    Ok(local) => self.take(GssQuestion::initiate(&local)),
                })
            }
            Some("raw") => {
                // What the library makes, whether or not our rules would have it.
                let local = local(with)?.map_err(|error| error.to_string())?;
                let target = local.target.as_ref().ok_or("no target")?;
                let context = local.mechanism.initiate(&local.credentials, target, local.flags);
                let step = context.and_then(|mut context| context.step(None));
                Ok(step.map_or_else(
                    |error| told(&error),
                    |step| json!({"token": step.token.map(|token| hex(&token)), "complete": step.complete}),
                ))
            }
            Some("accept") => {
                let token = octets(&question["token"])?;
                Ok(match local(with)? {
                    Err(error) => told(&error),
                    Ok(local) => self.take(GssQuestion::accept(&local, &token)),
                })
            }
            Some("step") => {
                let token = octets(&question["token"])?;
                let negotiation = self.negotiation.take().ok_or("no context waits for a token")?;
                Ok(self.take(GssQuestion::step(negotiation, &token)))
            }
            Some("wrap") => {
                let wrapped = self.established()?.wrap(&octets(&question["data"])?);
                Ok(wrapped.map_or_else(|error| told(&error), |token| json!({"token": hex(&token)})))
            }
            Some("unwrap") => {
                let expected = question["expected"].as_u64().and_then(|n| usize::try_from(n).ok());
                let token = octets(&question["token"])?;
                let data = self.established()?.unwrap(&token, expected.ok_or("how many octets?")?);
                Ok(data.map_or_else(|error| told(&error), |data| json!({"data": hex(&data)})))
            }
            _ => Err(format!("not understood: {question}")),
        }
    }

    fn established(&mut self) -> Result<&mut Established, String> {
        self.established
            .as_deref_mut()
            .ok_or_else(|| "no context is complete".to_owned())
    }

    fn take(&mut self, question: GssQuestion) -> Value {
        match question.answer() {
            GssAnswer::Ready(Ok(ready)) => json!({"ready": ready.principal.to_string(), "lifetime": ready.lifetime}),
            GssAnswer::Ready(Err(error)) | GssAnswer::Progress(Err(error)) => told(&error),
            GssAnswer::Progress(Ok(Progress::Continue { token, negotiation })) => {
                self.negotiation = Some(negotiation);
                json!({"token": hex(&token), "complete": false})
            }
            GssAnswer::Progress(Ok(Progress::Complete { token, established })) => {
                let answer = json!({
                    "token": token.map(|token| hex(&token)),
                    "complete": true,
                    "peer": established.peer().to_string(),
                    "own": established.own().to_string(),
                    "lifetime": established.lifetime(),
                    "confidential": established.is_confidential(),
                });
                self.established = Some(established);
                answer
            }
        }
    }
}

/// The outer error is a mistake of the question.
fn local(with: &Value) -> Result<Result<Arc<LocalKerberos>, GssError>, String> {
    let text = |key: &str| with[key].as_str().map(str::to_owned);
    let library = text("library").map_or_else(Kerberos::load, |path| Kerberos::load_from(&path));
    let library = match library {
        Ok(library) => library,
        Err(error) => return Ok(Err(error)),
    };
    let peers = with["peers"].as_array().cloned().unwrap_or_default();
    let patterns: Result<Vec<_>, _> = peers
        .iter()
        .filter_map(Value::as_str)
        .map(str::parse::<PrincipalPattern>)
        .collect();
    let principal = text("principal").map(|text| text.parse::<Principal>()).transpose();
    let target = text("target").map(|text| text.parse::<Target>()).transpose();
    let flags = with["flags"].as_u64().and_then(|flags| u32::try_from(flags).ok());
    Ok(Ok(Arc::new(LocalKerberos {
        mechanism: Arc::new(library),
        credentials: Credentials {
            principal: principal.map_err(|e| e.to_string())?,
            keytab: text("keytab"),
            ccache: text("ccache"),
            rcache: text("rcache"),
        },
        target: target.map_err(|e| e.to_string())?,
        peers: PeerPrincipals {
            patterns: patterns.map_err(|e| e.to_string())?,
            realms: Vec::new(),
        },
        flags: flags.map_or(Flags::WANTED, Flags),
    })))
}

fn told(error: &GssError) -> Value {
    json!({
        "error": error.kind.name(),
        "local": error.is_local(),
        "words": error.words,
        "text": error.to_string(),
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(text: &Value) -> Result<Vec<u8>, String> {
    let text = text.as_str().ok_or("no octets")?;
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let octets: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
    octets.ok_or_else(|| "not hexadecimal".to_owned())
}
