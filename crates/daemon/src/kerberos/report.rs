//! What `kerberos check` says.

use std::fmt::Write;

use handfast_auth::kerberos::GssError;
use serde_json::{Value, json};

/// How a step went.
pub(super) enum Outcome {
    /// What was found.
    Good(String),
    /// What failed, of which kind it is, and what its owner can do.
    Failed {
        words: String,
        kind: &'static str,
        advice: String,
    },
    /// Not tried, and why.
    Skipped(String),
}

/// All steps in order.
#[derive(Default)]
pub(super) struct Report {
    steps: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// Notes a step; whether it went well.
    pub fn add(&mut self, step: &'static str, outcome: Outcome) -> bool {
        let good = matches!(outcome, Outcome::Good(_));
        self.steps.push((step, outcome));
        good
    }

    /// Whether no step failed.
    pub fn is_good(&self) -> bool {
        !self
            .steps
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Failed { .. }))
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (step, outcome) in &self.steps {
            let _ = match outcome {
                Outcome::Good(what) => writeln!(text, "{step:<14} {what}"),
                Outcome::Skipped(why) => writeln!(text, "{step:<14} not tried: {why}"),
                Outcome::Failed { words, advice, .. } => {
                    writeln!(text, "{step:<14} FAILED: {words}\n{:<14} {advice}", "")
                }
            };
        }
        text
    }

    /// For programs.
    pub fn json(&self, role: &str) -> Value {
        let steps = self.steps.iter().map(|(step, outcome)| match outcome {
            Outcome::Good(what) => json!({"step": step, "outcome": "ok", "detail": what}),
            Outcome::Skipped(why) => json!({"step": step, "outcome": "skipped", "detail": why}),
            Outcome::Failed { words, kind, advice } => {
                json!({"step": step, "outcome": "failed", "detail": words, "kind": kind, "advice": advice})
            }
        });
        json!({"ok": self.is_good(), "role": role, "steps": steps.collect::<Vec<_>>()})
    }
}

impl From<GssError> for Outcome {
    fn from(error: GssError) -> Self {
        Self::Failed {
            words: error.words,
            kind: error.kind.name(),
            advice: error.kind.advice().to_owned(),
        }
    }
}

/// Seconds as people say them.
pub(super) fn span(seconds: u32) -> String {
    match seconds {
        u32::MAX => "for ever".to_owned(),
        0..120 => format!("for {seconds} s"),
        120..7200 => format!("for {} min", seconds / 60),
        _ => format!("for {} h", seconds / 3600),
    }
}
