//! Logs: one line per fact, fields rather than prose. Secrets have no way here; what a peer wrote is escaped where it
//! becomes text.

use clap::ValueEnum;
use handfast_engine::Event;
use handfast_engine::event::Direction;
use handfast_engine::refusal::Refusal;
use tracing::{debug, info, warn};
use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl From<handfast_config::LogFormat> for LogFormat {
    fn from(format: handfast_config::LogFormat) -> Self {
        match format {
            handfast_config::LogFormat::Text => Self::Text,
            handfast_config::LogFormat::Json => Self::Json,
        }
    }
}

/// Starts logging to standard error. A filter that is not valid becomes "info".
pub fn init(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start (in a test) keeps the first.
    let _ = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Writes one event.
pub fn event(event: &Event) {
    match event {
        Event::Message {
            sa,
            direction,
            summary,
            size,
            remote,
            ..
        } => {
            let direction = if *direction == Direction::Out {
                "sent"
            } else {
                "received"
            };
            debug!(sa = sa.0, direction, %remote, size, message = %summary, "IKE message");
        }
        Event::Retransmitted { sa, attempt, next_in } => info!(sa = sa.0, attempt, ?next_in, "request sent again"),
        Event::Dropped { remote, reason } => debug!(%remote, reason, "datagram dropped"),
        Event::IkeEstablished {
            sa,
            connection,
            spi_i,
            spi_r,
            suite,
            peer,
            initiator,
            took,
        } => {
            info!(sa = sa.0, connection, %spi_i, %spi_r, %suite, %peer, initiator, ?took, "IKE SA established");
        }
        Event::ChildEstablished {
            sa,
            child,
            name,
            spi_in,
            spi_out,
            suite,
            local_ts,
            remote_ts,
            path,
            ..
        } => {
            let (spi_in, spi_out) = (format!("{spi_in:08x}"), format!("{spi_out:08x}"));
            let text = |list: &[handfast_wire::selector::TrafficSelector]| {
                list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let (local_ts, remote_ts) = (text(local_ts), text(remote_ts));
            let esp = format!("{:?}", path.encapsulation);
            info!(sa = sa.0, child = child.0, name, spi_in, spi_out, %suite, local_ts, remote_ts, esp, "child SA established");
        }
        Event::ChildRekeyed { old, new } => info!(old = old.0, new = new.0, "child SA rekeyed"),
        Event::IkeRekeyed { old, new } => info!(old = old.0, new = new.0, "IKE SA rekeyed"),
        Event::ChildGone { child, reason } => info!(child = child.0, reason, "child SA gone"),
        Event::IkeGone { sa, reason } => info!(sa = sa.0, reason, "IKE SA gone"),
        Event::Refused {
            sa,
            connection,
            remote,
            refusal,
        } => refused(sa.map(|s| s.0), connection.as_deref(), *remote, refusal),
        Event::ConnectionUp { connection } => info!(connection, "connection up"),
        Event::ConnectionDown {
            connection,
            reason,
            retry_in,
        } => {
            info!(connection, reason, ?retry_in, "connection not up");
        }
        Event::CommandFailed { reason } => warn!(reason, "command failed"),
        Event::Idle => debug!("nothing left to do"),
    }
}

fn refused(sa: Option<u64>, connection: Option<&str>, remote: std::net::SocketAddr, refusal: &Refusal) {
    let list = |items: &[String]| items.join(" | ");
    warn!(
        sa,
        connection,
        %remote,
        by = ?refusal.by,
        cause = refusal.cause.label(),
        why = %refusal.cause,
        offered = list(&refusal.offered),
        acceptable = list(&refusal.acceptable),
        hint = refusal.hint(),
        look_at = refusal.look_at.as_deref(),
        "refused"
    );
}
