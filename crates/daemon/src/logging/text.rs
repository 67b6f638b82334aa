//! Values as the log has them.

use handfast_plane::op::Encapsulation;
use handfast_wire::selector::TrafficSelector;

/// Text that may come from a peer: control characters, by which it could forge a line or speak to the terminal, are
/// escaped.
pub fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let kept = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(kept)
        })
        .collect()
}

/// Selectors, separated by spaces.
pub fn selectors(list: &[TrafficSelector]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// How ESP travels.
pub fn encapsulation(encapsulation: Encapsulation) -> String {
    match encapsulation {
        Encapsulation::Esp => "protocol 50".into(),
        Encapsulation::Udp {
            local_port,
            remote_port,
        } => format!("UDP {local_port} to {remote_port}"),
    }
}
