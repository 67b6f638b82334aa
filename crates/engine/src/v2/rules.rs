//! Which payloads each message must and may have (RFC 7296 appendix C). The table checks and explains; it never
//! dispatches.

use handfast_wire::header::PayloadType;

/// The rule of one message.
pub(crate) struct Rule {
    pub message: &'static str,
    pub required: &'static [PayloadType],
    /// Allowed once. Notify, Vendor ID, certificate and unknown payloads may come anywhere, any number of times.
    pub optional: &'static [PayloadType],
}

use PayloadType as P;

pub(crate) const SA_INIT_REQUEST: Rule = Rule {
    message: "IKE_SA_INIT request",
    required: &[P::SA, P::KE, P::NONCE],
    optional: &[],
};
/// A response may also be a lone error notify; then the payloads are not required.
pub(crate) const SA_INIT_RESPONSE: Rule = Rule {
    message: "IKE_SA_INIT response",
    required: &[P::SA, P::KE, P::NONCE],
    optional: &[],
};
pub(crate) const AUTH_REQUEST: Rule = Rule {
    message: "IKE_AUTH request",
    required: &[P::IDI, P::AUTH, P::SA, P::TSI, P::TSR],
    optional: &[P::IDR, P::CP],
};
pub(crate) const AUTH_RESPONSE: Rule = Rule {
    message: "IKE_AUTH response",
    required: &[P::IDR, P::AUTH],
    optional: &[P::SA, P::TSI, P::TSR, P::CP],
};

impl Rule {
    /// What is wrong with these payloads, if anything.
    pub fn violation(&self, kinds: &[PayloadType]) -> Option<String> {
        let missing: Vec<_> = self.required.iter().filter(|k| !kinds.contains(k)).collect();
        let once = |k: &&PayloadType| kinds.iter().filter(|o| o == k).count() > 1;
        let repeated: Vec<_> = self.required.iter().chain(self.optional).filter(once).collect();
        if missing.is_empty() && repeated.is_empty() {
            return None;
        }
        let list = |k: &[&PayloadType]| k.iter().map(|k| k.to_string()).collect::<Vec<_>>().join(", ");
        let mut text = format!("{} has {}", self.message, list(&kinds.iter().collect::<Vec<_>>()));
        if !missing.is_empty() {
            text += &format!("; missing {}", list(&missing));
        }
        if !repeated.is_empty() {
            text += &format!("; more than one {}", list(&repeated));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_what_is_missing_or_repeated() {
        assert_eq!(
            SA_INIT_REQUEST.violation(&[P::SA, P::KE, P::NONCE, P::NOTIFY, P::NOTIFY]),
            None
        );
        let text = SA_INIT_REQUEST.violation(&[P::SA, P::SA, P::KE]).unwrap_or_default();
        assert!(
            text.contains("missing No") && text.contains("more than one SA"),
            "{text}"
        );
    }
}
