//! Logs: one line per fact, fields rather than prose, one span per IKE SA. Secrets have no way here; what a peer wrote
//! is escaped.

mod text;

use clap::ValueEnum;
use handfast_engine::Event;
use handfast_engine::event::Direction;
use handfast_engine::refusal::Refusal;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span, debug, error_span, field, info, warn};
use tracing_subscriber::EnvFilter;

use crate::book::Book;
use text::{encapsulation, plain, selectors};

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

/// Starts logging to standard error. The error says what is wrong with `level`.
pub fn init(format: LogFormat, level: &str) -> Result<(), String> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start (in a test) keeps the first.
    let _ = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().with_span_list(false).try_init(),
    };
    Ok(())
}

/// Whether single messages are logged.
pub fn tells_messages() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// A level, or a list of them for parts of the program ("info,handfast::net=debug").
fn filter(level: &str) -> Result<EnvFilter, String> {
    // The library takes any single word as the name of a part, so a misspelt level would silence everything.
    let known = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
    let valid = level
        .split(',')
        .all(|part| known(part.rsplit('=').next().unwrap_or(part).trim()));
    let filter = EnvFilter::try_new(level).ok().filter(|_| valid);
    filter.ok_or_else(|| format!("{level:?} is no log level: use error, warn, info, debug or trace"))
}

/// Writes an event, one of an IKE SA in its span.
pub fn event(event: &Event, book: &Book) {
    // A span takes longer than all else, and most events are for nobody.
    if level(event) <= LevelFilter::current() {
        span(event, book).in_scope(|| write(event));
    }
}

/// At which level it is written.
fn level(event: &Event) -> Level {
    match event {
        Event::Message { .. } | Event::Dropped { .. } | Event::Idle => Level::DEBUG,
        Event::MethodUnavailable { .. } | Event::Refused { .. } | Event::CommandFailed { .. } => Level::WARN,
        Event::Retransmitted { .. }
        | Event::IkeEstablished { .. }
        | Event::ChildEstablished { .. }
        | Event::ChildRekeyed { .. }
        | Event::IkeRekeyed { .. }
        | Event::PeerMoved { .. }
        | Event::ChildGone { .. }
        | Event::IkeGone { .. }
        | Event::ConnectionUp { .. }
        | Event::ConnectionDown { .. } => Level::INFO,
    }
}

fn span(event: &Event, book: &Book) -> Span {
    let sa = match event {
        Event::Message { sa, .. }
        | Event::Retransmitted { sa, .. }
        | Event::MethodUnavailable { sa, .. }
        | Event::IkeEstablished { sa, .. }
        | Event::PeerMoved { sa, .. }
        | Event::ChildEstablished { sa, .. }
        | Event::ChildRekeyed { sa, .. }
        | Event::ChildGone { sa, .. }
        | Event::IkeGone { sa, .. }
        | Event::IkeRekeyed { new: sa, .. } => Some(*sa),
        Event::Refused { sa, .. } => *sa,
        _ => None,
    };
    let Some(sa) = sa else { return Span::none() };
    // Not a matter of level: a span says whose fact it is, whatever is logged.
    error_span!("ike_sa", sa = sa.0, connection = book.connection(sa))
}

fn write(event: &Event) {
    match event {
        Event::Message {
            direction,
            summary,
            size,
            local,
            remote,
            ..
        } => {
            let message = plain(summary);
            match direction {
                Direction::Out => debug!(%local, %remote, size, "sent {message}"),
                Direction::In => debug!(%local, %remote, size, "received {message}"),
            }
        }
        Event::Retransmitted { attempt, next_in, .. } => info!(attempt, ?next_in, "request sent again"),
        Event::MethodUnavailable {
            connection,
            method,
            why,
            ..
        } => warn!(%connection, "{method} cannot be used now: {}", plain(why)),
        Event::Dropped { remote, reason } => debug!(%remote, reason, "datagram dropped"),
        Event::IkeEstablished {
            spi_i,
            spi_r,
            suite,
            peer,
            initiator,
            took,
            ..
        } => {
            let peer = plain(peer);
            info!(%spi_i, %spi_r, %suite, %peer, initiator, ?took, "IKE SA established");
        }
        Event::ChildEstablished { .. } => child_established(event),
        Event::ChildRekeyed { old, new, .. } => info!(old = old.0, new = new.0, "child SA rekeyed"),
        Event::IkeRekeyed { old, new } => info!(old = old.0, new = new.0, "IKE SA rekeyed"),
        Event::PeerMoved { from, to, .. } => info!(%from, %to, "the NAT before the peer has a new mapping"),
        Event::ChildGone { child, reason, .. } => info!(child = child.0, reason, "child SA gone"),
        Event::IkeGone { reason, .. } => info!(reason, "IKE SA gone"),
        Event::Refused {
            connection,
            remote,
            refusal,
            ..
        } => refused(connection.as_deref(), *remote, refusal),
        Event::ConnectionUp { connection } => info!(connection, "connection up"),
        Event::ConnectionDown {
            connection,
            reason,
            retry_in,
        } => info!(connection, reason, ?retry_in, "connection not up"),
        Event::CommandFailed { reason } => warn!(reason, "command failed"),
        Event::Idle => debug!("nothing left to do"),
    }
}

fn child_established(event: &Event) {
    let Event::ChildEstablished {
        child,
        name,
        spi_in,
        spi_out,
        suite,
        local_ts,
        remote_ts,
        path,
        took,
        ..
    } = event
    else {
        return;
    };
    info!(
        child = child.0,
        name,
        spi_in = %format_args!("{spi_in:08x}"),
        spi_out = %format_args!("{spi_out:08x}"),
        %suite,
        local_ts = %selectors(local_ts),
        remote_ts = %selectors(remote_ts),
        local = %path.local,
        remote = %path.remote,
        esp = %encapsulation(path.encapsulation),
        took = took.map(field::debug),
        "child SA established"
    );
}

fn refused(connection: Option<&str>, remote: std::net::SocketAddr, refusal: &Refusal) {
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join(" | "));
    warn!(
        connection,
        %remote,
        by = ?refusal.by,
        cause = refusal.cause.label(),
        why = %plain(&refusal.cause.to_string()),
        offered = list(&refusal.offered),
        acceptable = list(&refusal.acceptable),
        told = refusal.told.map(field::display),
        hint = refusal.hint(),
        look_at = refusal.look_at.as_deref(),
        "refused"
    );
}

#[cfg(test)]
mod tests;
