//! Whether selectors select a packet (RFC 4301 section 4.4.1.1).

use handfast_esp::tunnel::{Headers, Ports};
use handfast_wire::selector::TrafficSelector;

/// Whether the selector of the sender's side selects it.
pub(super) fn source(selector: &TrafficSelector, headers: &Headers) -> bool {
    selector.contains_packet(headers.protocol, headers.source_port(), headers.source)
}

/// Whether the selector of the receiver's side selects it. ICMP types and Mobility Header types are the sender's only:
/// on this side they would say what may be sent the other way (RFC 4301 section 4.4.1.3, cases B to D).
pub(super) fn destination(selector: &TrafficSelector, headers: &Headers) -> bool {
    let (selector, port) = match headers.ports {
        Ports::Pair(_, destination) => (*selector, Some(destination)),
        Ports::None => (*selector, None),
        Ports::Type(_) => (
            TrafficSelector {
                start_port: 0,
                end_port: u16::MAX,
                ..*selector
            },
            None,
        ),
    };
    selector.contains_packet(headers.protocol, port, headers.destination)
}
