//! The registered numbers of IKEv1 that IKEv2 does not share (RFC 2407, 2408, 2409 and what IANA added:
//! "Internet Key Exchange (IKE) Attributes", "ISAKMP Registry").
//!
//! Payload and exchange types of both versions are in [`crate::header`]; identity types and certificate encodings are
//! the same in both, in [`crate::numbers`].

mod notify;
mod oakley;

pub use notify::NotifyType;
pub use oakley::{AuthMethod, EncryptionAlgorithm, Group, GroupType, HashAlgorithm, OakleyAttribute};

numbers! {
    /// Domains of interpretation (RFC 2408 section 3.4).
    pub struct Doi(u32), "DOI" {
        ISAKMP = 0,
        IPSEC = 1 "IPsec",
        /// RFC 3547.
        GDOI = 2,
    }

    /// Situations: a bitmap (RFC 2407 section 4.2).
    pub struct Situation(u32), "situation" {
        IDENTITY_ONLY = 1 "SIT_IDENTITY_ONLY",
        SECRECY = 2 "SIT_SECRECY",
        INTEGRITY = 4 "SIT_INTEGRITY",
    }

    /// Security protocol identifiers (RFC 2407 section 4.4.1).
    pub struct Protocol(u8), "protocol" {
        ISAKMP = 1,
        AH = 2,
        ESP = 3,
        IPCOMP = 4,
    }

    /// Units of a lifetime, in phase 1 and in phase 2 (RFC 2409 appendix A, RFC 2407 section 4.5).
    pub struct LifeType(u16), "life type" {
        SECONDS = 1 "seconds",
        KILOBYTES = 2 "kilobytes",
    }

    /// Attributes of phase 2 transforms (RFC 2407 section 4.5), without the format bit.
    pub struct IpsecAttribute(u16), "IPsec attribute" {
        LIFE_TYPE = 1 "SA life type",
        LIFE_DURATION = 2 "SA life duration",
        GROUP_DESCRIPTION = 3 "group description",
        ENCAPSULATION_MODE = 4 "encapsulation mode",
        AUTH_ALGORITHM = 5 "authentication algorithm",
        KEY_LENGTH = 6 "key length",
        KEY_ROUNDS = 7 "key rounds",
        COMPRESS_DICTIONARY_SIZE = 8 "compress dictionary size",
        COMPRESS_PRIVATE_ALGORITHM = 9 "compress private algorithm",
        ECN_TUNNEL = 10 "ECN tunnel",
        /// RFC 4304.
        EXTENDED_SEQUENCE_NUMBER = 11 "extended sequence number",
        /// RFC 4359.
        AUTH_KEY_LENGTH = 12 "authentication key length",
        SIGNATURE_ENCODING = 13 "signature encoding algorithm",
        ADDRESS_PRESERVATION = 14 "address preservation",
        SA_DIRECTION = 15 "SA direction",
    }

    /// Encapsulation modes (RFC 2407 section 4.5, RFC 3947 section 5.1).
    pub struct EncapsulationMode(u16), "encapsulation mode" {
        TUNNEL = 1 "tunnel",
        TRANSPORT = 2 "transport",
        UDP_TUNNEL = 3 "UDP tunnel",
        UDP_TRANSPORT = 4 "UDP transport",
        /// draft-ietf-ipsec-nat-t-ike-02 section 5.1.
        UDP_TUNNEL_DRAFT = 61443 "UDP tunnel(draft)",
        /// draft-ietf-ipsec-nat-t-ike-02 section 5.1.
        UDP_TRANSPORT_DRAFT = 61444 "UDP transport(draft)",
    }

    /// Authentication algorithms of AH and ESP (RFC 2407 section 4.5 and IANA).
    pub struct AuthAlgorithm(u16), "authentication algorithm" {
        HMAC_MD5 = 1 "HMAC-MD5",
        HMAC_SHA1 = 2 "HMAC-SHA1",
        DES_MAC = 3 "DES-MAC",
        KPDK = 4,
        HMAC_SHA2_256 = 5 "HMAC-SHA2-256",
        HMAC_SHA2_384 = 6 "HMAC-SHA2-384",
        HMAC_SHA2_512 = 7 "HMAC-SHA2-512",
        HMAC_RIPEMD = 8 "HMAC-RIPEMD",
        AES_XCBC_MAC = 9 "AES-XCBC-MAC",
        SIG_RSA = 10 "SIG-RSA",
        AES_128_GMAC = 11 "AES-128-GMAC",
        AES_192_GMAC = 12 "AES-192-GMAC",
        AES_256_GMAC = 13 "AES-256-GMAC",
    }

    /// Transform identifiers of phase 1 (RFC 2407 section 4.4.2).
    pub struct IsakmpTransform(u8), "ISAKMP transform" {
        KEY_IKE = 1,
    }

    /// Transform identifiers of ESP (RFC 2407 section 4.4.4 and IANA).
    pub struct EspTransform(u8), "ESP transform" {
        DES_IV64 = 1 "ESP_DES_IV64",
        DES = 2 "ESP_DES",
        TRIPLE_DES = 3 "ESP_3DES",
        RC5 = 4 "ESP_RC5",
        IDEA = 5 "ESP_IDEA",
        CAST = 6 "ESP_CAST",
        BLOWFISH = 7 "ESP_BLOWFISH",
        TRIPLE_IDEA = 8 "ESP_3IDEA",
        DES_IV32 = 9 "ESP_DES_IV32",
        RC4 = 10 "ESP_RC4",
        NULL = 11 "ESP_NULL",
        /// RFC 3602.
        AES_CBC = 12 "ESP_AES-CBC",
        /// RFC 3686.
        AES_CTR = 13 "ESP_AES-CTR",
        /// RFC 4309.
        AES_CCM_8 = 14 "ESP_AES-CCM_8",
        /// RFC 4309.
        AES_CCM_12 = 15 "ESP_AES-CCM_12",
        /// RFC 4309.
        AES_CCM_16 = 16 "ESP_AES-CCM_16",
        /// RFC 4106.
        AES_GCM_8 = 18 "ESP_AES-GCM_8",
        /// RFC 4106.
        AES_GCM_12 = 19 "ESP_AES-GCM_12",
        /// RFC 4106.
        AES_GCM_16 = 20 "ESP_AES-GCM_16",
        SEED_CBC = 21 "ESP_SEED_CBC",
        CAMELLIA = 22 "ESP_CAMELLIA",
        /// RFC 4543.
        NULL_AUTH_AES_GMAC = 23 "ESP_NULL_AUTH_AES-GMAC",
    }

    /// Transform identifiers of AH (RFC 2407 section 4.4.3 and IANA).
    pub struct AhTransform(u8), "AH transform" {
        MD5 = 2 "AH_MD5",
        SHA1 = 3 "AH_SHA",
        DES = 4 "AH_DES",
        SHA2_256 = 5 "AH_SHA2-256",
        SHA2_384 = 6 "AH_SHA2-384",
        SHA2_512 = 7 "AH_SHA2-512",
        RIPEMD = 8 "AH_RIPEMD",
        AES_XCBC_MAC = 9 "AH_AES-XCBC-MAC",
        RSA = 10 "AH_RSA",
        AES_128_GMAC = 11 "AH_AES-128-GMAC",
        AES_192_GMAC = 12 "AH_AES-192-GMAC",
        AES_256_GMAC = 13 "AH_AES-256-GMAC",
    }

    /// Transform identifiers of IPComp (RFC 2407 section 4.4.5).
    pub struct IpcompTransform(u8), "IPComp transform" {
        OUI = 1 "IPCOMP_OUI",
        DEFLATE = 2 "IPCOMP_DEFLATE",
        LZS = 3 "IPCOMP_LZS",
    }

    /// Attributes of a configuration payload (draft-dukes-ike-mode-cfg-02 section 3.4), of XAUTH
    /// (draft-beaulieu-ike-xauth-02 section 6.2), and Cisco's own.
    pub struct CfgAttribute(u16), "configuration attribute" {
        INTERNAL_IP4_ADDRESS = 1,
        INTERNAL_IP4_NETMASK = 2,
        INTERNAL_IP4_DNS = 3,
        INTERNAL_IP4_NBNS = 4,
        INTERNAL_ADDRESS_EXPIRY = 5,
        INTERNAL_IP4_DHCP = 6,
        APPLICATION_VERSION = 7,
        INTERNAL_IP6_ADDRESS = 8,
        INTERNAL_IP6_NETMASK = 9,
        INTERNAL_IP6_DNS = 10,
        INTERNAL_IP6_NBNS = 11,
        INTERNAL_IP6_DHCP = 12,
        INTERNAL_IP4_SUBNET = 13,
        SUPPORTED_ATTRIBUTES = 14,
        INTERNAL_IP6_SUBNET = 15,
        XAUTH_TYPE = 16520,
        XAUTH_USER_NAME = 16521,
        XAUTH_USER_PASSWORD = 16522,
        XAUTH_PASSCODE = 16523,
        XAUTH_MESSAGE = 16524,
        XAUTH_CHALLENGE = 16525,
        XAUTH_DOMAIN = 16526,
        XAUTH_STATUS = 16527,
        XAUTH_NEXT_PIN = 16528,
        XAUTH_ANSWER = 16529,
        UNITY_BANNER = 28672,
        UNITY_SAVE_PASSWD = 28673,
        UNITY_DEF_DOMAIN = 28674,
        UNITY_SPLITDNS_NAME = 28675,
        UNITY_SPLIT_INCLUDE = 28676,
        UNITY_NATT_PORT = 28677,
        UNITY_LOCAL_LAN = 28678,
        UNITY_PFS = 28679,
        UNITY_FW_TYPE = 28680,
        UNITY_BACKUP_SERVERS = 28681,
        UNITY_DDNS_HOSTNAME = 28682,
    }

    /// Ways of extended authentication (draft-beaulieu-ike-xauth-02 section 6.3).
    pub struct XauthType(u16), "XAUTH type" {
        GENERIC = 0 "generic",
        RADIUS_CHAP = 1 "RADIUS-CHAP",
        OTP = 2,
        SKEY = 3 "S/KEY",
    }
}

impl Situation {
    /// Whether labels follow the situation (RFC 2407 section 4.6.1).
    pub const fn is_labelled(self) -> bool {
        self.0 & (Self::SECRECY.0 | Self::INTEGRITY.0) != 0
    }
}

impl EncapsulationMode {
    /// Whether ESP goes in UDP.
    pub fn is_udp(self) -> bool {
        matches!(
            self,
            Self::UDP_TUNNEL | Self::UDP_TRANSPORT | Self::UDP_TUNNEL_DRAFT | Self::UDP_TRANSPORT_DRAFT
        )
    }

    /// Whether it is tunnel mode, in UDP or not.
    pub fn is_tunnel(self) -> bool {
        matches!(self, Self::TUNNEL | Self::UDP_TUNNEL | Self::UDP_TUNNEL_DRAFT)
    }

    /// Whether it is transport mode, in UDP or not.
    pub fn is_transport(self) -> bool {
        matches!(self, Self::TRANSPORT | Self::UDP_TRANSPORT | Self::UDP_TRANSPORT_DRAFT)
    }
}
