//! What the demo prints: for people, or as JSON lines.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use handfast_engine::event::Direction;
use handfast_engine::{Event, Instant, Rekey};
use handfast_store::refusals::RefusalFacts;
use handfast_store::status::Status;
use serde_json::{Value, json};

use super::Totals;
use super::endpoint::Endpoint;
use crate::console;
use crate::runtime::now;
use crate::table;

/// See the module.
pub struct Report {
    json: bool,
    started: Instant,
    /// Sender and summary of messages.
    printed: HashSet<String>,
}

impl Report {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            started: now(),
            printed: HashSet::new(),
        }
    }

    fn elapsed(&self) -> Duration {
        now().since(self.started)
    }

    fn say(&self, text: &str, line: Value) {
        if self.json {
            console::line(line);
        } else {
            console::line(text);
        }
    }

    pub fn begin(&mut self, version: u8, capture: &Option<PathBuf>) {
        self.started = now();
        if self.json {
            return;
        }
        console::line(format_args!(
            "Two IKEv{version} endpoints, A and B, on this machine's loopback. No root, no kernel IPsec.\n"
        ));
        if let Some(dir) = capture {
            console::line(format_args!(
                "Captured in {0}: open demo.pcapng with `WIRESHARK_CONFIG_DIR={0} wireshark -r {0}/demo.pcapng`.\n",
                dir.display()
            ));
        }
    }

    /// Prints each message once: when it is sent, or, if its sender keeps no SA and so no record of it, when it is
    /// received.
    pub fn event(&mut self, name: &str, event: &Event) {
        let Event::Message {
            direction,
            summary,
            size,
            ..
        } = event
        else {
            return;
        };
        let other = if name == "A" { "B" } else { "A" };
        let (from, to) = match direction {
            Direction::Out => (name, other),
            Direction::In => (other, name),
        };
        if !self.printed.insert(format!("{from} {summary}")) && *direction == Direction::In {
            return;
        }
        let time = self.elapsed().as_secs_f64();
        self.say(
            &format!("{:>9.3} ms  {from} -> {to}  {size:>4} octets  {summary}", time * 1000.0),
            json!({"event": "message", "from": from, "to": to, "name": summary, "size": size, "time_s": time}),
        );
    }

    pub fn established(&self, ends: &[Endpoint; 2], status: &Status) -> Result<(), String> {
        let sa = status.ike_sas.first().ok_or("A has no IKE SA to show")?;
        let child = sa.children.first().ok_or("A has no child SA to show")?;
        let line = json!({"event": "established", "ike_sa": sa});
        if self.json {
            console::line(line);
            return Ok(());
        }
        let value = serde_json::to_value(sa).map_err(|e| e.to_string())?;
        let child = serde_json::to_value(child).map_err(|e| e.to_string())?;
        let text = |v: &Value| match v {
            Value::String(s) => s.clone(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            other => other.to_string(),
        };
        let row = |name: &str, value: String| (name.to_string(), value);
        let mut rows = vec![
            row(
                "identities",
                format!("{} and {}", text(&value["local"]["id"]), text(&value["remote"]["id"])),
            ),
            row("IKE suite", text(&value["proposal"])),
            row(
                "IKE SPIs",
                format!(
                    "{} (initiator A), {} (responder B)",
                    text(&value["spi_i"]),
                    text(&value["spi_r"])
                ),
            ),
            row("ESP suite", text(&child["proposal"])),
            row(
                "ESP SPIs",
                format!(
                    "{} (B to A), {} (A to B)",
                    text(&child["spi_in"]),
                    text(&child["spi_out"])
                ),
            ),
            row(
                "traffic selectors",
                format!("{} (A), {} (B)", text(&child["local_ts"]), text(&child["remote_ts"])),
            ),
            row(
                "ESP travels",
                format!(
                    "in UDP on 127.0.0.1, port {} (A), port {} (B)",
                    ends[0].ports.natt, ends[1].ports.natt
                ),
            ),
        ];
        // The point of two phases: the second is far cheaper, and can be had again and again under one first.
        let phases = [("phase 1 took", &value["took_us"]), ("phase 2 took", &child["took_us"])];
        let phases = phases.into_iter().filter(|_| sa.ike_version == Some(1));
        rows.extend(phases.filter_map(|(name, us)| Some(row(name, table::took(us)?))));
        console::line(format_args!("\n{}\n", table::two_columns("The tunnel", &rows)));
        Ok(())
    }

    /// What each end saw of the other's certificate.
    pub fn certificates(&self, ends: &[Endpoint; 2]) {
        for (end, peer) in [(&ends[0], "B"), (&ends[1], "A")] {
            let status = end.core.status(now());
            let facts = status.ike_sas.first().and_then(|sa| sa.auth.peer_certificate.as_ref());
            let Some(facts) = facts else { continue };
            let by = facts.anchor.as_deref().unwrap_or("nobody");
            self.say(
                &format!(
                    "{} accepted {peer} by its certificate {}, which {by} vouches for",
                    end.name, facts.subject
                ),
                json!({"event": "certificate", "of": peer, "accepted_by": end.name, "certificate": facts}),
            );
        }
    }

    /// Who each end proved to be in Kerberos.
    pub fn principals(&self, ends: &[Endpoint; 2]) {
        for (end, peer) in [(&ends[0], "B"), (&ends[1], "A")] {
            let status = end.core.status(now());
            let principal = status.ike_sas.first().and_then(|sa| sa.auth.peer_principal.clone());
            let Some(principal) = principal else { continue };
            self.say(
                &format!("{} accepted {peer} by Kerberos as {principal}", end.name),
                json!({"event": "principal", "of": peer, "accepted_by": end.name, "principal": principal}),
            );
        }
    }

    /// The SAs that took the old ones' place.
    pub fn rekeyed(&self, what: Rekey, status: &Status) -> Result<(), String> {
        let sa = status.ike_sas.iter().find(|sa| sa.state == "established");
        let sa = sa.ok_or("A has no IKE SA to show")?;
        let child = sa.children.iter().find(|c| c.state == "installed");
        let child = child.ok_or("A has no child SA to show")?;
        let spi = |spi: &Option<String>| spi.clone().unwrap_or_default();
        let (name, text) = match what {
            Rekey::Children => (
                "child",
                format!(
                    "The child SA is replaced; ESP SPIs {} (B to A), {} (A to B)",
                    spi(&child.spi_in),
                    spi(&child.spi_out)
                ),
            ),
            Rekey::Ike => (
                "ike",
                format!(
                    "The IKE SA is replaced, and the child SA moved to it; IKE SPIs {}, {}",
                    spi(&sa.spi_i),
                    spi(&sa.spi_r)
                ),
            ),
        };
        self.say(&text, json!({"event": "rekeyed", "what": name, "ike_sa": sa}));
        Ok(())
    }

    /// How one side explains that there is no tunnel.
    pub fn refused(&self, name: &str, refusal: &RefusalFacts) {
        let title = if refusal.by == "us" {
            format!("{name} refuses, and tells its owner")
        } else {
            format!("{name} is refused, and tells its owner")
        };
        let line = json!({"event": "refused", "at": name, "refusal": refusal});
        self.say(&format!("\n{title}:\n{}", table::explained(refusal)), line);
    }

    pub fn traffic(&self, totals: &Totals, took: Duration) {
        self.say(
            &format!(
                "{} IP packets sent through ESP, {} came out unchanged, {} lost in {} rekeys, in {:.1} ms",
                totals.sent,
                totals.received,
                totals.sent - totals.received,
                totals.rekeys,
                took.as_secs_f64() * 1000.0
            ),
            json!({"event": "traffic", "sent": totals.sent, "received": totals.received, "took_s": took.as_secs_f64()}),
        );
    }

    pub fn dropped(&self, what: &str, count: u64) {
        self.say(
            &format!("1 {what} packet sent: {count} dropped"),
            json!({"event": "dropped", "what": what, "count": count}),
        );
    }

    pub fn deleted(&self) {
        self.say("\nAll SAs are deleted at both ends.", json!({"event": "deleted"}));
    }

    pub fn result(&self, totals: &Totals) -> Result<(), String> {
        let lost = totals.sent - totals.received;
        let ok = lost == 0 && totals.rekeys == 2 && totals.tampered_dropped == 1 && totals.replayed_dropped == 1;
        if self.json {
            console::line(result_line(totals, ok));
        }
        if ok {
            Ok(())
        } else {
            Err(format!("{lost} packets lost, {} SAs replaced", totals.rekeys))
        }
    }

    pub fn failed(&self, reason: &str) -> ExitCode {
        if self.json {
            console::line(json!({"event": "result", "ok": false, "error": reason}));
        }
        eprintln!("handfast demo: {reason}");
        ExitCode::FAILURE
    }
}

fn result_line(totals: &Totals, ok: bool) -> Value {
    json!({
        "event": "result",
        "ok": ok,
        "packets_sent": totals.sent,
        "packets_received": totals.received,
        "tampered_dropped": totals.tampered_dropped,
        "replayed_dropped": totals.replayed_dropped,
        "rekeys": totals.rekeys,
        "lost": totals.sent - totals.received,
    })
}
