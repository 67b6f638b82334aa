//! Traffic selectors: narrowing as responder, checking as initiator (RFC 7296 section 2.9).

use std::net::IpAddr;

use handfast_wire::selector::TrafficSelector;

use crate::policy::Selector;

/// The selectors of a policy at one end; none configured means the one address itself.
pub(crate) fn resolve(configured: &[Selector], own: IpAddr) -> Vec<TrafficSelector> {
    if configured.is_empty() {
        return vec![TrafficSelector::from_subnet(own, 128)];
    }
    configured.iter().map(|selector| selector.at(own)).collect()
}

/// The part of selectors that transport mode can carry: packets of the one address (RFC 7296 section 1.3.1).
pub(crate) fn of_host(selectors: &[TrafficSelector], own: IpAddr) -> Vec<TrafficSelector> {
    narrow(selectors, &[TrafficSelector::from_subnet(own, 128)])
}

/// What both sides allow. Empty: they do not meet.
pub(crate) fn narrow(ours: &[TrafficSelector], theirs: &[TrafficSelector]) -> Vec<TrafficSelector> {
    let mut both: Vec<TrafficSelector> = vec![];
    for own in ours {
        for their in theirs {
            let Some(common) = own.intersect(their) else { continue };
            if both.iter().any(|b| b.contains(&common)) {
                continue;
            }
            both.retain(|b| !common.contains(b));
            both.push(common);
        }
    }
    // They stay as long as the SA.
    both.shrink_to_fit();
    both
}

/// Whether a responder's answer lies within what was offered.
pub(crate) fn within(answer: &[TrafficSelector], offered: &[TrafficSelector]) -> bool {
    !answer.is_empty() && answer.iter().all(|a| offered.iter().any(|o| o.contains(a)))
}

/// As text, for explanations.
pub(crate) fn describe(selectors: &[TrafficSelector]) -> Vec<String> {
    selectors.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ts(list: &[&str]) -> Vec<TrafficSelector> {
        list.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn narrowing_keeps_what_both_allow() {
        assert_eq!(narrow(&ts(&["10.1.0.0/16"]), &ts(&["0.0.0.0/0"])), ts(&["10.1.0.0/16"]));
        assert_eq!(
            narrow(&ts(&["0.0.0.0/0"]), &ts(&["10.1.0.0/16", "10.2.0.0/16"])),
            ts(&["10.1.0.0/16", "10.2.0.0/16"])
        );
        assert!(narrow(&ts(&["10.1.0.0/16"]), &ts(&["10.2.0.0/16"])).is_empty());
        assert!(narrow(&ts(&["10.1.0.0/16"]), &ts(&["2001:db8::/32"])).is_empty());
    }

    #[test]
    fn an_answer_wider_than_the_offer_is_not_within() {
        assert!(within(&ts(&["10.1.2.0/24"]), &ts(&["10.1.0.0/16"])));
        assert!(!within(&ts(&["10.0.0.0/8"]), &ts(&["10.1.0.0/16"])));
        assert!(!within(&[], &ts(&["10.1.0.0/16"])));
    }

    #[test]
    fn narrowing_keeps_no_part_twice() {
        assert_eq!(
            narrow(
                &ts(&["10.1.0.0/16"]),
                &ts(&["10.1.2.0/24", "10.0.0.0/8", "10.1.0.0/16"])
            ),
            ts(&["10.1.0.0/16"])
        );
        assert!(narrow(&[], &ts(&["0.0.0.0/0"])).is_empty());
        assert!(narrow(&ts(&["0.0.0.0/0"]), &[]).is_empty());
    }

    #[test]
    fn protocol_and_ports_count() {
        let part = |protocol, start_port, end_port| TrafficSelector {
            protocol,
            start_port,
            end_port,
            ..ts(&["10.1.0.0/16"])[0]
        };
        let any = part(0, 0, u16::MAX);
        let web = part(6, 80, 443);
        assert_eq!(narrow(&[any], &[web]), [web]);
        assert_eq!(narrow(&[web], &[part(6, 400, 500)]), [part(6, 400, 443)]);
        assert!(narrow(&[web], &[part(17, 80, 80)]).is_empty());
        assert!(narrow(&[web], &[part(6, 444, 500)]).is_empty());
        assert!(within(&[web], &[any]));
        assert!(!within(&[any], &[web]), "a port more is wider");
        assert!(!within(&[part(17, 80, 443)], &[web]));
    }

    #[test]
    fn every_part_of_an_answer_must_lie_within() {
        let offer = ts(&["10.1.0.0/16", "10.2.0.0/16"]);
        assert!(within(&ts(&["10.2.3.0/24", "10.1.0.0/16"]), &offer));
        assert!(!within(&ts(&["10.1.0.0/16", "10.3.0.0/16"]), &offer));
        assert!(!within(&ts(&["2001:db8::/32"]), &offer));
    }

    #[test]
    fn nothing_configured_is_the_own_address() {
        let own = "192.0.2.1".parse().unwrap();
        assert_eq!(resolve(&[], own), ts(&["192.0.2.1/32"]));
        let some: Vec<Selector> = ["10.1.0.0/16", "[tcp/22]"].iter().map(|t| t.parse().unwrap()).collect();
        assert_eq!(resolve(&some, own), ts(&["10.1.0.0/16", "192.0.2.1[tcp/22]"]));
    }

    #[test]
    fn transport_mode_is_between_two_addresses() {
        let own = "192.0.2.1".parse().unwrap();
        assert_eq!(
            of_host(&ts(&["192.0.2.0/24[tcp]", "10.0.0.0/8"]), own),
            ts(&["192.0.2.1[tcp]"])
        );
        assert!(of_host(&ts(&["10.0.0.0/8"]), own).is_empty());
    }
}
