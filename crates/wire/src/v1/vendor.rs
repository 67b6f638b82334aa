//! Vendor ids: what a peer says of itself in the first two messages. Most are the MD5 of the text beside them.

/// NAT traversal, "RFC 3947".
pub const NAT_T_RFC3947: [u8; 16] = 0x4a131c81070358455c5728f20e95452f_u128.to_be_bytes();
/// NAT traversal, "draft-ietf-ipsec-nat-t-ike-03".
pub const NAT_T_DRAFT_03: [u8; 16] = 0x7d9419a65310ca6f2c179d9215529d56_u128.to_be_bytes();
/// NAT traversal, "draft-ietf-ipsec-nat-t-ike-02\n": what most implementations of that draft send.
pub const NAT_T_DRAFT_02_N: [u8; 16] = 0x90cb80913ebb696e086381b5ec427b1f_u128.to_be_bytes();
/// NAT traversal, "draft-ietf-ipsec-nat-t-ike-02".
pub const NAT_T_DRAFT_02: [u8; 16] = 0xcd60464335df21f87cfdb2fc68b6a448_u128.to_be_bytes();
/// NAT traversal, "draft-ietf-ipsec-nat-t-ike-00".
pub const NAT_T_DRAFT_00: [u8; 16] = 0x4485152d18b6bbcd0be8a8469579ddcc_u128.to_be_bytes();
/// Dead peer detection, version 1.0 (RFC 3706 section 5.1).
pub const DPD: [u8; 16] = 0xafcad71368a1f1c96b8696fc77570100_u128.to_be_bytes();
/// "FRAGMENTATION"; four octets of capabilities may follow.
pub const FRAGMENTATION: [u8; 16] = 0x4048b7d56ebce88525e7de7f00d6c2d3_u128.to_be_bytes();
/// What is sent: FRAGMENTATION with the capability for every exchange.
pub const FRAGMENTATION_SENT: [u8; 20] = [
    0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3, 0x80, 0, 0, 0,
];
/// Extended authentication, the first 8 octets of "draft-ietf-ipsra-isakmp-xauth-06.txt".
pub const XAUTH: [u8; 8] = 0x09002689dfd6b712_u64.to_be_bytes();
/// "CISCO-UNITY" with a version in its last two octets.
pub const CISCO_UNITY: [u8; 16] = 0x12f5f28c457168a9702d9fe274cc0100_u128.to_be_bytes();
/// "strongSwan".
pub const STRONGSWAN: [u8; 16] = 0x882fe56d6fd20dbc2251613b2ebe5beb_u128.to_be_bytes();
/// Kerberos, "GSSAPI": what Windows knows.
pub const GSSAPI: [u8; 16] = 0x621b04bb09882ac1e15935fefa24aeee_u128.to_be_bytes();
/// Kerberos, "A GSS-API Authentication Method for IKE\n": the octets that the draft prints.
pub const GSSAPI_DRAFT: [u8; 16] = 0xb46d8914f3aaa3f2fedeb7c7db2943ca_u128.to_be_bytes();
/// Kerberos, "A GSS-API Authentication Method for IKE": what racoon takes from the draft's text.
pub const GSSAPI_LONG: [u8; 16] = 0xad2c0dd0b9c32083ccba25b8861ec455_u128.to_be_bytes();
/// "MS NT5 ISAKMPOAKLEY"; four octets of a version follow.
pub const MS_NT5: [u8; 16] = 0x1e2b516905991c7d7c96fcbfb587e461_u128.to_be_bytes();

const KNOWN: &[(&[u8], bool, &str)] = &[
    (&NAT_T_RFC3947, false, "NAT-T"),
    (&NAT_T_DRAFT_03, false, "NAT-T-03"),
    (&NAT_T_DRAFT_02_N, false, "NAT-T-02n"),
    (&NAT_T_DRAFT_02, false, "NAT-T-02"),
    (&NAT_T_DRAFT_00, false, "NAT-T-00"),
    (&DPD, false, "DPD"),
    (&FRAGMENTATION, true, "FRAG"),
    (&XAUTH, false, "XAUTH"),
    (&CISCO_UNITY, false, "UNITY"),
    (&STRONGSWAN, false, "strongSwan"),
    (&GSSAPI, false, "GSSAPI"),
    (&GSSAPI_DRAFT, false, "GSSAPI"),
    (&GSSAPI_LONG, false, "GSSAPI"),
    (&MS_NT5, true, "Windows"),
];

/// The short name of a vendor id that is known here.
pub fn name(vendor_id: &[u8]) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(octets, longer, _)| vendor_id == *octets || *longer && vendor_id.starts_with(octets))
        .map(|(_, _, name)| *name)
}

/// Whether it announces fragmentation.
pub fn is_fragmentation(vendor_id: &[u8]) -> bool {
    vendor_id.starts_with(&FRAGMENTATION)
}

/// Whether it makes authentication method 65001 mean Kerberos: one of the three of GSS-API, or that of Windows.
pub fn is_gssapi(vendor_id: &[u8]) -> bool {
    [GSSAPI, GSSAPI_DRAFT, GSSAPI_LONG]
        .iter()
        .any(|known| vendor_id == known)
        || is_windows(vendor_id)
}

/// Whether it is that of Windows, any version.
pub fn is_windows(vendor_id: &[u8]) -> bool {
    vendor_id.starts_with(&MS_NT5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_known_by_their_first_octets() {
        assert_eq!(name(&FRAGMENTATION_SENT), Some("FRAG"));
        assert_eq!(name(&FRAGMENTATION), Some("FRAG"));
        assert_eq!(name(&[&MS_NT5[..], &[0, 0, 0, 9]].concat()), Some("Windows"));
        assert_eq!(name(&[&DPD[..], &[0]].concat()), None);
        assert_eq!(name(&[]), None);
        assert!(is_gssapi(&[&MS_NT5[..], &[0, 0, 0, 9]].concat()) && is_gssapi(&GSSAPI));
        assert!(!is_gssapi(&DPD) && is_fragmentation(&FRAGMENTATION_SENT));
    }
}
