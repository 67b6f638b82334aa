//! Liveness check: an empty INFORMATIONAL (RFC 7296 section 1.4).

use handfast_wire::v2::PayloadChain;

pub(super) fn request() -> PayloadChain {
    PayloadChain::new()
}
