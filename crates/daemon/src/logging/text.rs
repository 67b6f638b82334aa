//! Values as the log has them.

use handfast_plane::op::Encapsulation;
use handfast_wire::selector::TrafficSelector;

/// Text that may come from a peer: characters by which it could forge a line, speak to the terminal or turn what
/// follows around are escaped.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_layout(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Line and paragraph separators, and Unicode's marks of direction.
fn is_layout(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
