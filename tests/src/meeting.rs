//! Handfast and strongSwan with several tunnels between them, each tried in both roles, tshark the judge of all.

use std::path::PathBuf;
use std::time::Duration;

use crate::capture::Capture;
use crate::connection::Connection;
use crate::handfast::Handfast;
use crate::netns::{Lab, Namespace};
use crate::strongswan::StrongSwan;
use crate::tshark::{Verdict, count, judge_dir, judge_first_times, judge_part};

const SOON: Duration = Duration::from_secs(15);

/// Both daemons at work.
#[derive(Debug)]
pub struct Meeting {
    /// Where we are.
    pub here: Namespace,
    /// We.
    pub ours: Handfast,
    /// The peer.
    pub theirs: StrongSwan,
    capture: Capture,
    v1: bool,
}

impl Meeting {
    /// Starts both with these tunnels, each with addresses of its own but `office`; none is up. `charon`: further lines
    /// of strongswan.conf.
    #[track_caller]
    pub fn of(lab: &Lab, a: &Namespace, b: &Namespace, tunnels: &[Connection], charon: &[&str]) -> Self {
        for tunnel in tunnels.iter().filter(|tunnel| tunnel.name != "office") {
            lab.add(a, b, tunnel);
        }
        let capture = Capture::start(lab, a, b);
        let toml: Vec<String> = tunnels.iter().map(Connection::toml).collect();
        let flipped: Vec<Connection> = tunnels.iter().map(Connection::flipped).collect();
        Self {
            here: a.clone(),
            ours: Handfast::start(lab, a, &toml.join("\n")),
            theirs: StrongSwan::start_all_with(lab, b, &flipped, charon),
            capture,
            v1: tunnels.iter().any(|tunnel| tunnel.version == 1),
        }
    }

    /// We begin, and packets pass.
    #[track_caller]
    pub fn we_begin(&self, tunnel: &Connection) {
        self.ours.up(&tunnel.name);
        self.theirs.wait_up(&tunnel.name);
        self.passes(tunnel);
    }

    /// The peer begins, and packets pass.
    #[track_caller]
    pub fn they_begin(&self, tunnel: &Connection) {
        self.theirs.initiate(&tunnel.name);
        self.ours.wait_up(&tunnel.name, SOON);
        self.passes(tunnel);
    }

    /// Both roles, one after the other; nothing is up in the end.
    #[track_caller]
    pub fn both_roles(&self, tunnel: &Connection) {
        self.we_begin(tunnel);
        self.end(tunnel);
        self.they_begin(tunnel);
        self.end(tunnel);
    }

    /// We end it, and the peer hears of it.
    #[track_caller]
    pub fn end(&self, tunnel: &Connection) {
        self.ours.down(&tunnel.name);
        self.theirs.wait_down(&tunnel.name);
    }

    /// Ten packets go through and come back.
    #[track_caller]
    pub fn passes(&self, tunnel: &Connection) {
        let (from, to) = (&tunnel.local.host, &tunnel.remote.host);
        let passed = self.here.ping(from, to, 10, "0.01");
        assert_eq!(passed, 10, "{}", self.logs());
    }

    /// Charon says this of a signature: of ours, "authentication of 'a.test' with NAME successful"; of its own, "(myself)".
    #[track_caller]
    pub fn assert_signed(&self, id: &str, own: bool, how: &str, times: usize) {
        let myself = if own { " (myself)" } else { "" };
        let line = format!("authentication of '{id}'{myself} with {how}");
        let log = self.theirs.log();
        let said: Vec<&str> = log.lines().filter(|line| line.contains("authentication of")).collect();
        // It says nothing of success where it makes the proof of a secret.
        let so = |said: &&&str| said.trim_end_matches(" successful").ends_with(&line);
        assert_eq!(said.iter().filter(so).count(), times, "{line}: {said:#?}");
    }

    /// What both have logged.
    pub fn logs(&self) -> String {
        format!("ours:\n{}\ntheirs:\n{}", self.ours.log(), self.theirs.log())
    }

    /// Ends the capture, which is to be sound and decrypt as a whole.
    #[track_caller]
    pub fn judged(self) -> Judged {
        let (judged, verdict) = self.captured();
        verdict.assert_good();
        judged
    }

    /// The same of one in which IKE need not have led to ESP.
    #[track_caller]
    pub fn judged_ike(self) -> Judged {
        let (judged, verdict) = self.captured();
        verdict.assert_ike_good();
        verdict.assert_no_complaint();
        judged
    }

    /// The same of one with CERT payloads that tshark does not understand.
    #[track_caller]
    pub fn judged_but_for_contents(self) -> Judged {
        let (judged, _) = self.captured();
        judged.assert_good_but_for_contents();
        judged
    }

    #[track_caller]
    fn captured(self) -> (Judged, Verdict) {
        let (file, tables) = (self.capture.stop(), self.ours.keylog_dir());
        let judge = if self.v1 { judge_first_times } else { judge_dir };
        let verdict = judge(&file, &tables);
        (Judged { file, tables }, verdict)
    }
}

/// A capture, and the keys for it.
#[derive(Debug)]
pub struct Judged {
    /// The capture.
    pub file: PathBuf,
    /// Wireshark's tables.
    pub tables: PathBuf,
}

impl Judged {
    /// All decrypts and is authentic. tshark reads every CERT payload as a certificate, so its complaints do not count
    /// where one has a raw key or an OCSP answer.
    #[track_caller]
    pub fn assert_good_but_for_contents(&self) {
        let all = judge_dir(&self.file, &self.tables);
        all.assert_ike_good();
        all.assert_esp_good();
        judge_part(&self.file, &self.tables, "!(isakmp.cert.encoding in {14, 15})").assert_no_complaint();
    }

    /// How many frames a display filter lets through.
    #[track_caller]
    pub fn count(&self, filter: &str) -> usize {
        count(&self.file, &self.tables, filter)
    }

    /// AUTH payloads by method: each of these so often, and no other.
    #[track_caller]
    pub fn assert_methods(&self, methods: &[(u8, usize)]) {
        for (method, times) in methods {
            assert_eq!(
                self.count(&format!("isakmp.auth.method == {method}")),
                *times,
                "method {method}"
            );
        }
        let all: usize = methods.iter().map(|(_, times)| times).sum();
        assert_eq!(self.count("isakmp.auth.method"), all, "other methods");
    }
}
