//! ESP and IKE on one UDP port (RFC 3948).

/// Four zero octets, where an ESP packet has its SPI, mark an IKE message (RFC 3948 section 2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The only octet of a NAT keepalive (RFC 3948 section 2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// A datagram on port 4500.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Datagram4500<'a> {
    /// An IKE message, without its marker.
    Ike(&'a [u8]),
    /// An ESP packet: the whole datagram.
    Esp(&'a [u8]),
    /// A NAT keepalive; it gets no answer and proves nothing (RFC 3948 section 4).
    Keepalive,
    /// None of these.
    Junk,
}

impl<'a> Datagram4500<'a> {
    /// Tells which it is by the first four octets.
    pub fn classify(datagram: &'a [u8]) -> Self {
        if datagram == KEEPALIVE {
            return Self::Keepalive;
        }
        match datagram.split_first_chunk::<4>() {
            Some((&NON_ESP_MARKER, [])) | None => Self::Junk,
            Some((&NON_ESP_MARKER, ike)) => Self::Ike(ike),
            // An ESP packet has a sequence number at least.
            Some((_, rest)) if rest.len() < 4 => Self::Junk,
            Some(_) => Self::Esp(datagram),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told() {
        let classify = Datagram4500::classify;
        assert_eq!(classify(&[0xff]), Datagram4500::Keepalive);
        assert_eq!(classify(&[0, 0, 0, 0, 1, 2]), Datagram4500::Ike(&[1, 2]));
        assert_eq!(
            classify(&[0, 0, 0, 1, 0, 0, 0, 9]),
            Datagram4500::Esp(&[0, 0, 0, 1, 0, 0, 0, 9])
        );
    }

    #[test]
    fn the_rest_is_junk() {
        for junk in [
            &[][..],
            &[0],
            &[0xfe],
            &[0xff, 0xff],
            &[0; 3],
            &[0; 4],
            &[1, 2, 3, 4],
            &[1, 2, 3, 4, 0, 0, 0],
        ] {
            assert_eq!(Datagram4500::classify(junk), Datagram4500::Junk, "{junk:?}");
        }
    }
}
