//! `handfast run`: the daemon's loop.

use std::process::ExitCode;
use std::time::Duration;

use handfast_config::Loaded;
use handfast_engine::input::Rekey;
use handfast_engine::policy::Ports;
use handfast_engine::{Answer, Command, Event, Input, Instant, Ticket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::book::Book;
use crate::cli::{self, RunOptions};
use crate::commands;
use crate::control::{Call, Request, Server};
use crate::credentials::{Renewal, Watch, expiry};
use crate::keylog::KeyLogWriter;
use crate::logging;
use crate::net::clock::certificate_time;
use crate::net::raw_esp::RawEsp;
use crate::net::routes::{RouteSettings, Routes, remove_leftovers};
use crate::net::tun::{Tun, TunSettings};
use crate::net::udp::{UdpConfig, UdpSet};
use crate::net::{DEFAULT_MARK, harden};
use crate::reload::{self, Settings};
use crate::runtime::core::Core;
use crate::runtime::edges::{Edges, Leaving, PathMtus};
use crate::runtime::prepared::Moment;
use crate::runtime::traffic::Traffic;
use crate::runtime::{now, provider, until};
use crate::service::Manager;
use crate::tunnels;
use crate::waiting::Waiting;

/// The longest a shutdown lasts, should the engine not report its end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(6);

/// How long SAs that carry nothing stay ready for the next packet.
const REST: Duration = Duration::from_secs(60);

/// Runs until SIGTERM or SIGINT.
pub fn run(options: RunOptions) -> ExitCode {
    let (loaded, source) = match commands::load_file(&options.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let daemon = &loaded.config.daemon;
    let level = options.log_level.clone().or_else(|| std::env::var("RUST_LOG").ok());
    let level = level.unwrap_or_else(|| daemon.log_level.clone());
    if let Err(mistake) = logging::init(options.log.unwrap_or(daemon.log.into()), &level) {
        eprintln!("handfast: {mistake}");
        return ExitCode::from(cli::USAGE);
    }
    for warning in &loaded.warnings {
        tracing::warn!(file = %source, "{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the event loop cannot start: {error}")),
    };
    let outcome = runtime.block_on(async {
        let mut daemon = Daemon::start(&options, loaded).await?;
        let outcome = daemon.serve().await;
        daemon.end().await;
        outcome
    });
    // A thread that still computes a key must not hold the exit up.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => failed(&reason),
    }
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("handfast: {reason}");
    ExitCode::FAILURE
}

struct Daemon {
    core: Core,
    edges: Edges,
    tun: Tun,
    settings: Settings,
    watch: Watch,
    routes: Routes,
    control: Server,
    answers: UnboundedReceiver<(Ticket, Answer)>,
    waiting: Waiting,
    book: Book,
    manager: Manager,
    traffic: Traffic,
    /// The next look at routes is one at all of them.
    all_routes: bool,
    /// When SAs that carry nothing are looked for, if some carry anything.
    rest_at: Option<Instant>,
    idle: bool,
}

/// What woke the loop.
enum Wake {
    /// Something to read.
    Packets,
    Answer(Ticket, Answer),
    Call(Call),
    Deadline,
    /// There is nothing to do, and a key pair can be made ahead.
    Nothing,
    /// The service manager wants to know that the loop is alive.
    Alive,
    Stop,
    Reload,
    Renewed(Renewal),
}

impl Daemon {
    async fn start(options: &RunOptions, loaded: Loaded) -> Result<Self, String> {
        harden::harden().map_err(|e| e.to_string())?;
        let loaded = Settings::new(options.config.clone(), loaded);
        let settings = loaded.daemon();
        let ports = Ports {
            ike: settings.ike_port,
            natt: settings.natt_port,
        };
        let mark = DEFAULT_MARK;
        let socket = options.socket.clone().unwrap_or_else(|| settings.socket.clone());
        let control = Server::bind(&socket).map_err(|e| e.to_string())?;
        // The sockets first: that they can be bound proves that no other daemon is at work.
        let config = UdpConfig {
            addresses: vec![],
            ports: vec![ports.ike, ports.natt],
            mark,
        };
        let udp = UdpSet::bind(&config).map_err(|e| e.to_string())?;
        let raw = RawEsp::bind(&[], mark).map_err(|e| e.to_string())?;
        let state_file = socket.with_extension("rp_filter");
        let route_settings = RouteSettings {
            state_file: Some(state_file),
            mark,
            ..RouteSettings::default()
        };
        let removed = remove_leftovers(&route_settings).await.map_err(|e| e.to_string())?;
        if removed > 0 {
            tracing::warn!(
                removed,
                "routes and rules of an earlier run that was killed are removed"
            );
        }
        let tun_settings = TunSettings {
            name: settings.tun.clone(),
            offload: settings.offload,
            ..TunSettings::default()
        };
        let tun = Tun::open(&tun_settings).map_err(|e| e.to_string())?;
        if let Err(error) = tun.limit_frames().await {
            tracing::debug!(%error, "frames of any size");
        }
        let routes = Routes::new(&route_settings, tun.name())
            .await
            .map_err(|e| e.to_string())?;
        let keylog = options.keylog.as_deref().map(KeyLogWriter::append).transpose();
        let keylog = keylog.map_err(|e| format!("the key log cannot be written: {e}"))?;
        if keylog.is_some() {
            tracing::warn!("the key log is on: whoever reads it can read all traffic");
        }
        let (later, answers) = unbounded_channel();
        let mut core = Core::new(loaded.policy(), keylog.is_some(), mark, Some(later))?;
        core.engine.tell_messages(logging::tells_messages());
        core.prepared.begin(settings.prepared_keys, &loaded.policy());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            provider = provider().name,
            tun = tun.name(),
            control = %socket.display(),
            "running"
        );
        Ok(Self {
            core,
            edges: Edges {
                udp,
                raw,
                ports,
                keylog,
                mark,
                events: vec![],
                mtus: PathMtus::default(),
                leaving: Leaving::default(),
            },
            tun,
            watch: loaded.watch(),
            settings: loaded,
            routes,
            control,
            answers,
            waiting: Waiting::default(),
            book: Book::default(),
            manager: Manager::new(),
            traffic: Traffic::default(),
            all_routes: false,
            rest_at: None,
            idle: false,
        })
    }

    async fn serve(&mut self) -> Result<(), String> {
        let handler = |kind| signal(kind).map_err(|e| format!("signals cannot be received: {e}"));
        let mut terminate = handler(SignalKind::terminate())?;
        let mut interrupt = handler(SignalKind::interrupt())?;
        let mut hangup = handler(SignalKind::hangup())?;
        let mut stop_by: Option<Instant> = None;
        self.feed(Input::Timer).await;
        self.manager.ready(self.settings.policy().connections.len());
        loop {
            let engine = self.core.engine.deadline().map(|(at, _)| at);
            let deadline = [engine, stop_by, self.rest_at, self.core.prepared.deadline()]
                .into_iter()
                .flatten()
                .min();
            match self.wake(deadline, [&mut terminate, &mut interrupt, &mut hangup]).await {
                Wake::Packets => {
                    // Whoever woke us, each has its turn: a flood on one must not starve the others.
                    let Self {
                        core,
                        edges,
                        tun,
                        traffic,
                        ..
                    } = self;
                    traffic.inbound_udp(tun, core, edges);
                    traffic.inbound_esp(tun, &mut core.plane, &mut edges.raw);
                    core.plane_events(now(), edges);
                    core.flush(now(), edges);
                    traffic.outbound(tun, &mut core.plane, edges);
                    core.plane_events(now(), edges);
                }
                Wake::Answer(ticket, answer) => self.core.feed(now(), Input::Answer(ticket, answer), &mut self.edges),
                Wake::Call(call) => self.on_call(call).await,
                Wake::Deadline => {
                    self.core.prepared.drop_unfit(Moment::now());
                    self.core.feed(now(), Input::Timer, &mut self.edges);
                }
                Wake::Nothing => self.core.prepare_one(),
                Wake::Alive => self.manager.alive(),
                Wake::Stop if stop_by.is_none() => {
                    tracing::info!("stopping: deleting the SAs with their peers");
                    self.manager.stopping();
                    stop_by = Some(now() + SHUTDOWN_LIMIT);
                    self.core
                        .feed(now(), Input::Command(Command::Shutdown), &mut self.edges);
                }
                // Asked twice: now.
                Wake::Stop => return Ok(()),
                Wake::Reload => drop(self.reload(false).await),
                Wake::Renewed(renewal) => {
                    self.settings.renew(&renewal);
                    self.feed(Input::Policy(self.settings.policy())).await;
                }
            }
            Traffic::early(&self.tun, &mut self.core.plane);
            self.core.plane_events(now(), &mut self.edges);
            self.settle().await;
            self.rest();
            if self.idle || stop_by.is_some_and(|at| now() >= at) {
                return Ok(());
            }
        }
    }

    /// Most SAs of a gateway are idle: those take less memory.
    fn rest(&mut self) {
        let plane = &mut self.core.plane;
        let is_awake = match self.rest_at {
            Some(at) if at > now() => return,
            Some(_) => plane.rest(),
            None => plane.is_awake(),
        };
        self.rest_at = is_awake.then(|| now() + REST);
    }

    async fn wake(&mut self, deadline: Option<Instant>, signals: [&mut Signal; 3]) -> Wake {
        let [terminate, interrupt, hangup] = signals;
        tokio::select! {
            biased;
            _ = terminate.recv() => Wake::Stop,
            _ = interrupt.recv() => Wake::Stop,
            _ = hangup.recv() => Wake::Reload,
            Some((ticket, answer)) = self.answers.recv() => Wake::Answer(ticket, answer),
            call = self.control.next() => Wake::Call(call),
            renewal = self.watch.next() => Wake::Renewed(renewal),
            () = self.manager.due() => Wake::Alive,
            () = tokio::time::sleep(until(deadline)) => Wake::Deadline,
            _ = self.edges.udp.readable() => Wake::Packets,
            _ = self.edges.raw.readable() => Wake::Packets,
            _ = self.tun.readable() => Wake::Packets,
            // Last, and only after the kernel was asked once more whether there is something.
            () = tokio::task::yield_now(), if self.core.prepared.is_short() => Wake::Nothing,
        }
    }

    async fn feed(&mut self, input: Input<'_>) {
        self.core.feed(now(), input, &mut self.edges);
        self.settle().await;
    }

    /// What is to be sent first, for to set routes takes its time; routes before the news: who is told that a connection is
    /// up can use it.
    async fn settle(&mut self) {
        self.core.flush(now(), &mut self.edges);
        if std::mem::take(&mut self.core.routes_changed) {
            let mtu = self.settings.daemon().mtu;
            let all = std::mem::take(&mut self.all_routes);
            tunnels::follow(&mut self.core.plane, &mut self.routes, &self.tun, mtu, all).await;
        }
        for event in std::mem::take(&mut self.edges.events) {
            self.book.learn(&event);
            logging::event(&event, &self.book);
            self.idle |= matches!(event, Event::Idle);
            self.waiting.on_event(&event, &self.book);
            self.book.forget(&event);
        }
    }

    async fn on_call(&mut self, call: Call) {
        let command = match call.request {
            Request::Status {} => {
                let mut status = self.core.status(now());
                let connections = &self.settings.policy().connections;
                status.certificates = expiry::status(connections, &status.ike_sas, certificate_time());
                call.reply.send(serde_json::json!({ "ok": true, "status": status }));
                return;
            }
            Request::Up { connection } => Command::Up { connection },
            Request::Down { connection } => Command::Down { connection },
            Request::Rekey { connection, ike } => Command::Rekey {
                connection,
                what: if ike { Rekey::Ike } else { Rekey::Children },
            },
            Request::Reload { dry_run } => {
                let answer = self.reload(dry_run).await;
                call.reply.send(answer);
                return;
            }
        };
        let core = &self.core;
        self.waiting
            .add(&command, call.reply, |connection| core.children_of(connection));
        self.feed(Input::Command(command)).await;
    }

    /// Reads the configuration again. One with mistakes changes nothing.
    async fn reload(&mut self, dry_run: bool) -> serde_json::Value {
        let read = self.settings.read_again();
        let answer = self.settings.answer(&read, dry_run);
        if !dry_run {
            self.manager.reloading();
            reload::log(&read);
            if let Ok(fresh) = read {
                self.settings.take(fresh);
                self.watch = self.settings.watch();
                let most = self.settings.daemon().prepared_keys;
                self.core.prepared.begin(most, &self.settings.policy());
                // The device's MTU may have changed.
                (self.core.routes_changed, self.all_routes) = (true, true);
                self.feed(Input::Policy(self.settings.policy())).await;
            }
            self.manager.ready(self.settings.policy().connections.len());
        }
        answer
    }

    /// Leaves the host as it was.
    async fn end(&mut self) {
        if let Err(error) = self.routes.clear().await {
            tracing::error!(%error, "routes could not be removed");
        }
        tracing::info!("stopped");
    }
}
