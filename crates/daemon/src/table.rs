//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};
use handfast_auth::certificate::Time;
use handfast_store::refusals::{RefusalFacts, RefusalStatus};
use handfast_store::status::{CertificateStatus, Status};
use serde_json::Value;

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Names and values under a title.
pub fn two_columns(title: &str, rows: &[(String, String)]) -> String {
    let mut table = table();
    table.set_header([title, ""]);
    table.add_rows(rows.iter().map(|(name, value)| [name, value]));
    table.to_string()
}

/// `handfast status`: a row for each child, and for each IKE SA or connection without one.
pub fn status_table(status: &Status) -> String {
    let mut table = table();
    table.set_header([
        "connection",
        "state",
        "local",
        "remote",
        "proposal",
        "traffic",
        "in",
        "out",
    ]);
    let value = serde_json::to_value(status).unwrap_or_default();
    let sas = value["ike_sas"].as_array().map(Vec::as_slice).unwrap_or_default();
    for sa in sas {
        let end = |side: &str| {
            let (id, address) = (text(&sa[side]["id"]), text(&sa[side]["address"]));
            if id == address || id == "-" {
                address
            } else {
                format!("{id}\n{address}")
            }
        };
        let mut state = match &sa["reason"] {
            Value::String(reason) => format!("{}: {reason}", text(&sa["state"])),
            _ => text(&sa["state"]),
        };
        if let Some(took) = took(&sa["took_us"]) {
            let phase = if sa["ike_version"] == 1 { "phase 1 " } else { "" };
            state.push_str(&format!("\n{phase}in {took}"));
        }
        let children = sa["children"].as_array().map(Vec::as_slice).unwrap_or_default();
        if children.is_empty() {
            let (name, proposal) = (text(&sa["connection"]), text(&sa["proposal"]));
            let none = String::new;
            table.add_row([
                name,
                state,
                end("local"),
                end("remote"),
                proposal,
                none(),
                none(),
                none(),
            ]);
            continue;
        }
        for child in children {
            let exchange = if sa["ike_version"] == 1 { "phase 2" } else { "child" };
            let phase_two = took(&child["took_us"]).map(|took| format!("\n{exchange} in {took}"));
            table.add_row([
                text(&sa["connection"]),
                format!("{state}{}", phase_two.unwrap_or_default()),
                end("local"),
                end("remote"),
                format!("{}\n{}", text(&sa["proposal"]), text(&child["proposal"])),
                format!("{}\n{}", text(&child["local_ts"]), text(&child["remote_ts"])),
                format!(
                    "{} packets\n{} octets",
                    text(&child["packets_in"]),
                    text(&child["bytes_in"])
                ),
                format!(
                    "{} packets\n{} octets",
                    text(&child["packets_out"]),
                    text(&child["bytes_out"])
                ),
            ]);
        }
    }
    let mut out = if sas.is_empty() {
        "No connection is configured.".into()
    } else {
        table.to_string()
    };
    if !status.certificates.is_empty() {
        out.push('\n');
        out.push_str(&certificates(&status.certificates));
    }
    if !status.refusals.is_empty() {
        out.push_str("\nRefused lately:");
    }
    for refusal in &status.refusals {
        out.push_str(&format!("\n{}", refused(refusal)));
    }
    out
}

/// What expires when.
fn certificates(list: &[CertificateStatus]) -> String {
    let mut table = table();
    table.set_header(["certificate", "", "issuer", "expires", "connections"]);
    for one in list {
        let whose = match one.kind.as_str() {
            "own" => "ours",
            "ca" => "CA",
            _ => "the peer's",
        };
        table.add_row([
            one.subject.clone(),
            whose.to_string(),
            one.issuer.clone().unwrap_or_else(|| "-".into()),
            end(one),
            one.connections.join(" "),
        ]);
    }
    table.to_string()
}

/// When it expires, and how long that is from now.
fn end(one: &CertificateStatus) -> String {
    let (Some(end), Some(left)) = (one.not_after, one.expires_in_s) else {
        return "-".into();
    };
    let left = match left {
        ..0 => "expired".into(),
        0..172_800 => format!("in {} h", left / 3600),
        _ => format!("in {} days", left / 86_400),
    };
    format!("{}\n{left}", Time(end))
}

/// A refusal for people: who, when, and what to compare.
fn refused(refusal: &RefusalStatus) -> String {
    let RefusalStatus { ago_s, times, facts } = refusal;
    let who = match &facts.connection {
        Some(name) => format!("{name}, {}", facts.remote),
        None => facts.remote.clone(),
    };
    let often = match times {
        1 => format!("{ago_s} s ago"),
        n => format!("{n} times, last {ago_s} s ago"),
    };
    let by = if facts.by == "us" {
        "we refuse"
    } else {
        "we are refused"
    };
    format!("  {who} ({often}): {by}\n{}", explained(facts))
}

/// A line for each thing to compare; long ones go on below.
pub fn explained(facts: &RefusalFacts) -> String {
    let told = facts.told.as_ref().filter(|told| **told != facts.why);
    let lines = [
        ("why", facts.why.clone()),
        ("told", told.cloned().unwrap_or_default()),
        ("offered", facts.offered.join(" | ")),
        ("acceptable", facts.acceptable.join(" | ")),
        ("hint", facts.hint.clone().unwrap_or_default()),
        ("see", facts.look_at.clone().unwrap_or_default()),
    ];
    let shown = lines.iter().filter(|(_, text)| !text.is_empty());
    let shown = shown.map(|(title, text)| format!("      {title:<11} {}", wrapped(text, 18)));
    shown.collect::<Vec<_>>().join("\n")
}

/// Breaks a text between words where a line would be longer than is easily read; what follows is indented.
fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 100;
    let (mut out, mut column) = (String::new(), indent);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            out.push_str(&format!("\n{:indent$}", ""));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Microseconds for people.
pub fn took(value: &Value) -> Option<String> {
    value.as_f64().map(|us| format!("{:.1} ms", us / 1000.0))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Number(number) => number.to_string(),
        _ => "-".into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn example() -> Status {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/tests/golden/status-v1.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn every_connection_and_child_has_a_row() {
        let status = example();
        let table = status_table(&status);
        assert!(!status.ike_sas.is_empty());
        for sa in &status.ike_sas {
            for text in sa.connection.iter().chain(&sa.proposal) {
                assert!(table.contains(text.as_str()), "no {text} in\n{table}");
            }
            for us in sa.took_us.iter().chain(sa.children.iter().flat_map(|c| &c.took_us)) {
                let text = format!("in {:.1} ms", *us as f64 / 1000.0);
                assert!(table.contains(&text), "no {text} in\n{table}");
            }
            for text in sa.children.iter().flat_map(|c| c.local_ts.iter().chain(&c.remote_ts)) {
                assert!(table.contains(text.as_str()), "no {text} in\n{table}");
            }
        }
    }

    #[test]
    fn refusals_stand_below_with_what_to_compare() {
        let mut status = example();
        assert!(!status.refusals.is_empty(), "the example has none");
        let table = status_table(&status);
        for refusal in &status.refusals {
            let facts = &refusal.facts;
            for text in facts
                .offered
                .iter()
                .chain(&facts.acceptable)
                .chain(&facts.look_at)
                .chain(&facts.told)
            {
                assert!(table.contains(text.as_str()), "no {text} in\n{table}");
            }
            let hint = facts.hint.as_deref().unwrap_or_default();
            assert!(hint.split(' ').all(|word| table.contains(word)), "{table}");
        }
        status.refusals.clear();
        assert!(!status_table(&status).contains("Refused"));
    }

    #[test]
    fn certificates_stand_below_with_their_end() {
        let mut status = example();
        assert!(!status.certificates.is_empty(), "the example has none");
        let table = status_table(&status);
        let flat: Vec<&str> = table.split_whitespace().collect();
        let flat = flat.join(" ");
        for one in &status.certificates {
            for text in one.connections.iter().chain([&one.subject]) {
                assert!(flat.contains(text.as_str()), "no {text} in\n{table}");
            }
        }
        assert!(flat.contains("2027-01-15") && flat.contains("in 20 days"), "{table}");
        assert!(flat.contains("expired"), "{table}");
        status.certificates.clear();
        assert!(!status_table(&status).contains("issuer"));
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let words = vec!["word"; 60].join(" ");
        let lines = wrapped(&words, 18);
        assert!(lines.lines().count() > 2);
        for (index, line) in lines.lines().enumerate() {
            assert!(line.len() <= 100, "{line}");
            assert!(index == 0 || line.starts_with(&format!("{:18}word", "")), "{line}");
        }
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>().join(" "), words);
        assert_eq!(wrapped(&"x".repeat(300), 18), "x".repeat(300));
    }

    #[test]
    fn nothing_configured_is_said() {
        let none = Status {
            version: 1,
            ike_sas: vec![],
            refusals: vec![],
            certificates: vec![],
        };
        assert_eq!(status_table(&none), "No connection is configured.");
    }
}
