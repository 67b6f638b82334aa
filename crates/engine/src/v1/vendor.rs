//! Vendor IDs: how an IKEv1 peer says what it can do beyond the standard.

use crate::policy::Connection;
use crate::v1::fragment::Cut;

/// RFC 3947 section 3.1.
const RFC_3947: [u8; 16] = [
    0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f,
];
/// draft-ietf-ipsec-nat-t-ike-02 as some send it, with a line feed in what is hashed, and as others, without.
const DRAFT_02_N: [u8; 16] = [
    0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b, 0x1f,
];
const DRAFT_02: [u8; 16] = [
    0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4, 0x48,
];
/// draft-ietf-ipsec-nat-t-ike-03.
const DRAFT_03: [u8; 16] = [
    0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d, 0x56,
];
/// RFC 3706 section 5.3; the last two octets are the version.
const DPD: [u8; 16] = [
    0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00,
];
/// Fragments of IKEv1 messages; some add four octets of flags.
const FRAGMENTATION: [u8; 16] = [
    0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3,
];

/// The way of NAT traversal that both ends know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum NatTraversal {
    #[default]
    None,
    /// The drafts: other numbers for payloads and encapsulation modes.
    Draft,
    /// RFC 3947.
    Rfc,
}

/// What the peer has said it can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Abilities {
    pub nat_traversal: NatTraversal,
    pub dpd: bool,
    pub fragments: bool,
}

/// Ours, in the order in which they are sent.
pub(crate) fn ours(nat_traversal: NatTraversal) -> Vec<Vec<u8>> {
    let mut list = vec![];
    match nat_traversal {
        NatTraversal::None => {}
        NatTraversal::Rfc => list.push(RFC_3947.to_vec()),
        NatTraversal::Draft => list.push(DRAFT_02_N.to_vec()),
    }
    list.push(DPD.to_vec());
    list.push([&FRAGMENTATION[..], &[0x80, 0, 0, 0]].concat());
    list
}

/// What an initiator offers: every way of NAT traversal, the best first.
pub(crate) fn offered() -> Vec<Vec<u8>> {
    let mut list = vec![RFC_3947.to_vec(), DRAFT_03.to_vec(), DRAFT_02_N.to_vec()];
    list.extend(ours(NatTraversal::None));
    list
}

impl Abilities {
    /// How messages leave to a peer that can do this.
    pub fn cut(&self, connection: &Connection) -> Cut {
        Cut {
            size: connection.fragment_size.filter(|_| self.fragments).unwrap_or(0),
        }
    }

    /// Takes one vendor ID in; unknown ones are passed over (RFC 2408 section 3.16).
    pub fn learn(&mut self, id: &[u8]) {
        if id == RFC_3947 {
            self.nat_traversal = NatTraversal::Rfc;
        } else if [&DRAFT_02_N, &DRAFT_02, &DRAFT_03].contains(&&id.first_chunk::<16>().copied().unwrap_or_default()) {
            self.nat_traversal = self.nat_traversal.max(NatTraversal::Draft);
        } else if id.starts_with(&DPD[..14]) {
            self.dpd = true;
        } else if id.starts_with(&FRAGMENTATION) {
            self.fragments = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_send_is_understood_and_noise_is_not() {
        let mut abilities = Abilities::default();
        abilities.learn(b"anything");
        abilities.learn(&[]);
        assert_eq!(abilities, Abilities::default());
        ours(NatTraversal::Draft).iter().for_each(|id| abilities.learn(id));
        assert_eq!(abilities.nat_traversal, NatTraversal::Draft);
        offered().iter().for_each(|id| abilities.learn(id));
        assert_eq!(abilities.nat_traversal, NatTraversal::Rfc);
        assert!(abilities.dpd && abilities.fragments);
    }
}
