//! `handfast demo`: two full endpoints on loopback, without root.

mod credentials;
mod endpoint;
mod packets;
mod policy;
mod realm;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use handfast_engine::{Command, Event, Input, Rekey};

use crate::cli::{AuthMethod, Break, DemoOptions};
use crate::keylog::KeyLogWriter;
use crate::pcapng::PcapngWriter;
use crate::runtime::{now, until};
use endpoint::{Endpoint, Wire};
use report::Report;

/// The longest any step of the demo takes.
const STEP: Duration = Duration::from_secs(20);

/// Runs the demo and says how it went.
pub fn run(options: DemoOptions) -> ExitCode {
    let mut report = Report::new(options.json);
    if options.auth == AuthMethod::Kerberos && realm::dir().is_none() {
        return realm::run().unwrap_or_else(|reason| report.failed(&reason));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report.failed(&format!("the event loop cannot start: {error}")),
    };
    match runtime.block_on(Demo::run(&options, &mut report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => report.failed(&reason),
    }
}

/// What the demo counts.
#[derive(Default)]
pub struct Totals {
    /// Packets given to ESP, both directions.
    pub sent: u64,
    /// Packets that came out at the other end with the same octets.
    pub received: u64,
    /// SAs that were replaced while packets flowed.
    pub rekeys: u64,
    /// Tampered packets that were dropped.
    pub tampered_dropped: u64,
    /// Replayed packets that were dropped.
    pub replayed_dropped: u64,
}

struct Demo<'r> {
    ends: [Endpoint; 2],
    wire: Wire,
    report: &'r mut Report,
    /// Refusals are what is to be shown.
    is_broken: bool,
}

impl<'r> Demo<'r> {
    async fn run(options: &DemoOptions, report: &'r mut Report) -> Result<(), String> {
        let (capture, keylog) = match &options.capture {
            Some(dir) => {
                // The key log makes the directory, for the owner only.
                let keylog = KeyLogWriter::replace(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
                let file = dir.join("demo.pcapng");
                (
                    Some(PcapngWriter::create(&file).map_err(|e| format!("{}: {e}", file.display()))?),
                    Some(keylog),
                )
            }
            None => (None, None),
        };
        let sockets = [policy::sockets()?, policy::sockets()?];
        let ports = [sockets[0].1, sockets[1].1];
        let [a, b] = sockets;
        let [auth_a, auth_b] = credentials::authentication(options)?;
        let policy_a = policy::policy(0, ports, options, auth_a)?;
        let policy_b = policy::policy(1, ports, options, auth_b)?;
        let ends = [
            Endpoint::new("A", a.0, ports[0], policy_a, keylog.is_some())?,
            Endpoint::new("B", b.0, ports[1], policy_b, false)?,
        ];
        let mut demo = Demo {
            ends,
            wire: Wire::new(ports, capture, keylog),
            report,
            is_broken: options.broken.is_some(),
        };
        demo.report.begin(options.version(), &options.capture);
        if let Some(what) = options.broken {
            return demo.broken(what).await;
        }
        demo.connect().await?;
        let mut totals = Totals::default();
        demo.traffic(u64::from(options.packets), &mut totals).await?;
        demo.tamper(&mut totals).await?;
        demo.replay(&mut totals).await?;
        demo.disconnect().await?;
        demo.wire.finish()?;
        demo.report.result(&totals)
    }

    async fn connect(&mut self) -> Result<(), String> {
        let connection = policy::NAME.to_string();
        self.ends[0].feed(Input::Command(Command::Up { connection }), &mut self.wire);
        self.ends[1].feed(Input::Timer, &mut self.wire);
        self.pump("the tunnel to come up", |ends| ends.iter().all(|e| e.is_up))
            .await?;
        let status = self.ends[0].core.status(now());
        self.report.established(&self.ends, &status)?;
        self.report.certificates(&self.ends);
        self.report.principals(&self.ends);
        Ok(())
    }

    /// Packets each way, and while they flow the child SA is replaced, then the IKE SA.
    async fn traffic(&mut self, packets: u64, totals: &mut Totals) -> Result<(), String> {
        let started = now();
        let mut number = 0;
        self.packets(&mut number, packets / 3, None, totals).await?;
        self.packets(&mut number, packets / 3 * 2, Some(Rekey::Children), totals)
            .await?;
        self.packets(&mut number, packets, Some(Rekey::Ike), totals).await?;
        totals.received = self.ends.iter().map(|e| e.received).sum();
        totals.rekeys = self.ends[0].rekeys.iter().sum();
        self.report.traffic(totals, now().since(started));
        // The old child SA stands for a second more, for packets that are under way on it.
        self.pump("the old SAs to be deleted", |ends| {
            ends.iter().all(|e| e.gone.iter().all(|gone| *gone > 0))
        })
        .await
    }

    /// Packets up to a number; with the first of them under way A begins a rekey.
    async fn packets(
        &mut self,
        number: &mut u64,
        end: u64,
        mut rekey: Option<Rekey>,
        totals: &mut Totals,
    ) -> Result<(), String> {
        let what = rekey;
        while *number < end || rekey.is_some() {
            let burst = end.saturating_sub(*number).min(32);
            for side in [0, 1] {
                for n in *number..*number + burst {
                    self.ends[side].send_packet(&packets::packet(side, n), &mut self.wire)?;
                    totals.sent += 1;
                }
            }
            if let Some(what) = rekey.take() {
                let connection = policy::NAME.to_string();
                let command = Command::Rekey { connection, what };
                self.ends[0].feed(Input::Command(command), &mut self.wire);
            }
            *number += burst;
            let wanted = *number;
            self.pump("the packets to arrive", |ends| {
                ends.iter().all(|e| e.received >= wanted)
            })
            .await?;
        }
        let Some(what) = what else { return Ok(()) };
        let kind = usize::from(what == Rekey::Ike);
        self.pump("fresh SAs", |ends| ends.iter().all(|e| e.rekeys[kind] > 0))
            .await?;
        let status = self.ends[0].core.status(now());
        self.report.rekeyed(what, &status)
    }

    /// One octet of a sealed packet changed on its way.
    async fn tamper(&mut self, totals: &mut Totals) -> Result<(), String> {
        let (path, mut sealed) = self.ends[0].seal(&packets::packet(0, u64::MAX))?;
        let middle = sealed.len() / 2;
        if let Some(octet) = sealed.get_mut(middle) {
            *octet ^= 0x01;
        }
        self.ends[0].send_sealed(&path, &sealed)?;
        self.pump("the tampered packet to arrive", |ends| ends[1].dropped()[0] > 0)
            .await?;
        totals.tampered_dropped = self.ends[1].dropped()[0];
        self.report.dropped("tampered", totals.tampered_dropped);
        Ok(())
    }

    /// A packet that has arrived, once more.
    async fn replay(&mut self, totals: &mut Totals) -> Result<(), String> {
        let (path, sealed) = self.ends[0].seal(&packets::packet(0, u64::MAX - 1))?;
        let before = self.ends[1].received;
        self.ends[0].send_sealed(&path, &sealed)?;
        self.pump("a packet to arrive", |ends| ends[1].received > before)
            .await?;
        self.ends[0].send_sealed(&path, &sealed)?;
        self.pump("the replayed packet to arrive", |ends| ends[1].dropped()[1] > 0)
            .await?;
        totals.replayed_dropped = self.ends[1].dropped()[1];
        self.report.dropped("replayed", totals.replayed_dropped);
        Ok(())
    }

    /// B's configuration does not fit: both sides explain it.
    async fn broken(&mut self, what: Break) -> Result<(), String> {
        let connection = policy::NAME.to_string();
        self.ends[0].feed(Input::Command(Command::Up { connection }), &mut self.wire);
        self.ends[1].feed(Input::Timer, &mut self.wire);
        self.pump("both sides to explain it", |ends| {
            ends.iter().all(|e| !e.refusals.is_empty() || e.is_up)
        })
        .await?;
        for end in &self.ends {
            match end.refusals.first() {
                Some(refusal) => self.report.refused(end.name, refusal),
                None => return Err(format!("{} came up, which it should not", end.name)),
            }
        }
        self.wire.finish()?;
        Err(match what {
            Break::Psk => "no tunnel, as was asked for: the secrets differ".into(),
            Break::Proposal => "no tunnel, as was asked for: no algorithms in common".into(),
            Break::Selectors => "no tunnel, as was asked for: the subnets do not meet".into(),
            Break::Expired => "no tunnel, as was asked for: the certificate of A is expired".into(),
            Break::Untrusted => "no tunnel, as was asked for: B does not trust the CA of A".into(),
            Break::Name => "no tunnel, as was asked for: the certificate of A is of another name".into(),
        })
    }

    async fn disconnect(&mut self) -> Result<(), String> {
        let connection = policy::NAME.to_string();
        self.ends[0].feed(Input::Command(Command::Down { connection }), &mut self.wire);
        self.pump("the SAs to be deleted", |ends| {
            ends.iter().all(|e| e.core.engine.sa_count() == 0)
        })
        .await?;
        let left: usize = self.ends.iter().map(|e| e.core.plane.children().count()).sum();
        if left > 0 {
            return Err(format!("{left} child SAs are left after the end"));
        }
        self.report.deleted();
        Ok(())
    }

    /// Carries datagrams and time until `done`.
    async fn pump(&mut self, waiting_for: &str, done: impl Fn(&[Endpoint; 2]) -> bool) -> Result<(), String> {
        let end = now() + STEP;
        loop {
            for (index, name) in [(0, "A"), (1, "B")] {
                for event in std::mem::take(&mut self.ends[index].events) {
                    self.report.event(name, &event);
                    self.ends[index].note(&event);
                    if let Event::Refused { refusal, .. } = &event
                        && !self.is_broken
                    {
                        return Err(refusal.to_string());
                    }
                }
            }
            if done(&self.ends) {
                return Ok(());
            }
            if now() >= end {
                return Err(format!("waited too long for {waiting_for}"));
            }
            let deadline = self
                .ends
                .iter()
                .filter_map(|e| e.core.engine.deadline())
                .map(|(at, _)| at)
                .min();
            let sleep = until(deadline).min(Duration::from_millis(200));
            let [a, b] = &mut self.ends;
            tokio::select! {
                biased;
                _ = a.udp.readable() => a.receive(&mut self.wire),
                _ = b.udp.readable() => b.receive(&mut self.wire),
                () = tokio::time::sleep(sleep) => {
                    a.feed(Input::Timer, &mut self.wire);
                    b.feed(Input::Timer, &mut self.wire);
                }
            }
        }
    }
}
