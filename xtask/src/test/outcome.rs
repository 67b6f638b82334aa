//! How layers end, and the summary of it.

use std::time::Duration;

/// How a layer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    /// No test has the name that was asked for.
    NoneMatched,
    /// It could not run, for this reason.
    Skipped(String),
    Failed(String),
}

/// Passed, or failed for this reason.
pub fn from_bool(ok: bool, why: &str) -> Outcome {
    if ok {
        Outcome::Passed
    } else {
        Outcome::Failed(why.into())
    }
}

/// Prints one line per layer. Returns whether all went well.
pub fn summarise(results: &[(&str, Outcome, Duration)], skips: &str) -> bool {
    println!("\n=== summary");
    for (name, outcome, time) in results {
        let text = match outcome {
            Outcome::Passed => "passed".into(),
            Outcome::NoneMatched => "no test of that name".into(),
            Outcome::Skipped(why) => format!("SKIPPED: {why}"),
            Outcome::Failed(why) => format!("FAILED: {why}"),
        };
        println!("    {name:<10}{:>7.1} s  {text}", time.as_secs_f64());
    }
    let mut skips: Vec<&str> = skips.lines().collect();
    skips.sort_unstable();
    skips.dedup();
    for skip in &skips {
        println!("    skipped: {skip}");
    }
    let ok = verdict(results);
    let total: Duration = results.iter().map(|(.., time)| *time).sum();
    let word = if ok { "all went well" } else { "NOT all went well" };
    println!("{word}, in {:.0} s", total.as_secs_f64());
    ok
}

/// No layer failed, and at least one ran something.
fn verdict(results: &[(&str, Outcome, Duration)]) -> bool {
    let failed = results
        .iter()
        .any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)));
    let ran = results.iter().any(|(_, outcome, _)| *outcome == Outcome::Passed);
    !failed && ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_or_nothing_run_is_not_well() {
        let result = |outcome| ("layer", outcome, Duration::ZERO);
        let failed = || Outcome::Failed("why".into());
        assert!(verdict(&[
            result(Outcome::Passed),
            result(Outcome::Skipped("why".into()))
        ]));
        assert!(!verdict(&[result(Outcome::Passed), result(failed())]));
        assert!(!verdict(&[result(Outcome::NoneMatched)]));
    }
}
