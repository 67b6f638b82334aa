//! Traffic selectors: narrowing as responder, checking as initiator (RFC 7296 section 2.9).

use std::net::IpAddr;

use handfast_wire::selector::TrafficSelector;

/// The selectors of a policy; none configured means the one address itself.
pub(crate) fn or_own(configured: &[TrafficSelector], address: IpAddr) -> Vec<TrafficSelector> {
    if !configured.is_empty() {
        return configured.to_vec();
    }
    vec![TrafficSelector {
        protocol: 0,
        start_port: 0,
        end_port: u16::MAX,
        start: address,
        end: address,
    }]
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
}
