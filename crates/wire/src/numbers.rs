//! The registered numbers of IKE as open newtypes: any value is representable, known values have names.
//! Source: IANA, "Internet Key Exchange Version 2 (IKEv2) Parameters".

/// Declares number newtypes. The name printed is the constant's, unless another text follows the value.
macro_rules! numbers {
    ($($(#[$meta:meta])* pub struct $name:ident($int:ty), $what:literal {
        $($(#[$doc:meta])* $constant:ident = $value:literal $($text:literal)?,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub $int);

        impl $name {
            $(
                #[doc = concat!("Number ", stringify!($value), ".")]
                $(#[$doc])*
                pub const $constant: Self = Self($value);
            )*

            /// The name, if the number has one here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($crate::numbers::numbers!(@text $constant $($text)?)),)*
                    _ => None,
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!($what, " {}"), self.0),
                }
            }
        }

        impl From<$int> for $name {
            fn from(number: $int) -> Self {
                Self(number)
            }
        }
    )*};
    (@text $constant:ident) => { stringify!($constant) };
    (@text $constant:ident $text:literal) => { $text };
}
pub(crate) use numbers;

mod notify;
pub mod v1;

pub use notify::NotifyType;

numbers! {
    /// Security protocol identifiers (RFC 7296 section 3.3.1).
    pub struct Protocol(u8), "protocol" {
        NONE = 0 "none",
        IKE = 1,
        AH = 2,
        ESP = 3,
        FC_ESP_HEADER = 4,
        FC_CT_AUTHENTICATION = 5,
        GIKE_UPDATE = 6,
    }

    /// Transform types (RFC 7296 section 3.3.2, RFC 9370).
    pub struct TransformType(u8), "transform type" {
        ENCR = 1,
        PRF = 2,
        INTEG = 3,
        /// Key exchange method; RFC 7296 calls it Diffie-Hellman group.
        KE = 4,
        /// Extended sequence numbers.
        ESN = 5,
        ADDKE1 = 6,
        ADDKE2 = 7,
        ADDKE3 = 8,
        ADDKE4 = 9,
        ADDKE5 = 10,
        ADDKE6 = 11,
        ADDKE7 = 12,
    }

    /// Transform attribute types (RFC 7296 section 3.3.5), without the format bit.
    pub struct AttributeType(u16), "attribute" {
        KEY_LENGTH = 14,
    }

    /// Authentication methods (RFC 7296 section 3.8).
    pub struct AuthMethod(u8), "authentication method" {
        RSA_SIGNATURE = 1,
        SHARED_KEY = 2,
        DSS_SIGNATURE = 3,
        ECDSA_256 = 9,
        ECDSA_384 = 10,
        ECDSA_521 = 11,
        GENERIC_SECURE_PASSWORD = 12,
        NULL = 13,
        DIGITAL_SIGNATURE = 14,
    }

    /// Identification types (RFC 7296 section 3.5; 4 and 6 to 8 are IKEv1's, RFC 2407 section 4.6.2.1).
    pub struct IdType(u8), "identity type" {
        IPV4_ADDR = 1 "ID_IPV4_ADDR",
        FQDN = 2 "ID_FQDN",
        RFC822_ADDR = 3 "ID_RFC822_ADDR",
        V1_IPV4_ADDR_SUBNET = 4 "ID_IPV4_ADDR_SUBNET",
        IPV6_ADDR = 5 "ID_IPV6_ADDR",
        V1_IPV6_ADDR_SUBNET = 6 "ID_IPV6_ADDR_SUBNET",
        V1_IPV4_ADDR_RANGE = 7 "ID_IPV4_ADDR_RANGE",
        V1_IPV6_ADDR_RANGE = 8 "ID_IPV6_ADDR_RANGE",
        DER_ASN1_DN = 9 "ID_DER_ASN1_DN",
        DER_ASN1_GN = 10 "ID_DER_ASN1_GN",
        KEY_ID = 11 "ID_KEY_ID",
        FC_NAME = 12 "ID_FC_NAME",
        NULL = 13 "ID_NULL",
    }

    /// Certificate encodings (RFC 7296 section 3.6).
    pub struct CertEncoding(u8), "certificate encoding" {
        PKCS7_X509 = 1,
        PGP = 2,
        DNS_SIGNED_KEY = 3,
        X509_SIGNATURE = 4,
        V1_X509_KEY_EXCHANGE = 5 "X509_KEY_EXCHANGE",
        KERBEROS_TOKEN = 6,
        CRL = 7,
        ARL = 8,
        SPKI = 9,
        X509_ATTRIBUTE = 10,
        RAW_RSA_KEY = 11,
        HASH_AND_URL_X509 = 12,
        HASH_AND_URL_BUNDLE = 13,
        OCSP_CONTENT = 14,
        RAW_PUBLIC_KEY = 15,
    }

    /// Traffic selector types (RFC 7296 section 3.13.1).
    pub struct TsType(u8), "selector type" {
        IPV4_ADDR_RANGE = 7 "TS_IPV4_ADDR_RANGE",
        IPV6_ADDR_RANGE = 8 "TS_IPV6_ADDR_RANGE",
        FC_ADDR_RANGE = 9 "TS_FC_ADDR_RANGE",
        SECLABEL = 10 "TS_SECLABEL",
    }

    /// Types of a Configuration payload (RFC 7296 section 3.15).
    pub struct CfgType(u8), "configuration type" {
        REQUEST = 1 "CFG_REQUEST",
        REPLY = 2 "CFG_REPLY",
        SET = 3 "CFG_SET",
        ACK = 4 "CFG_ACK",
    }

    /// Attributes of a Configuration payload (RFC 7296 section 3.15.1).
    pub struct CfgAttributeType(u16), "configuration attribute" {
        INTERNAL_IP4_ADDRESS = 1,
        INTERNAL_IP4_NETMASK = 2,
        INTERNAL_IP4_DNS = 3,
        INTERNAL_IP4_NBNS = 4,
        V1_INTERNAL_ADDRESS_EXPIRY = 5 "INTERNAL_ADDRESS_EXPIRY",
        INTERNAL_IP4_DHCP = 6,
        APPLICATION_VERSION = 7,
        INTERNAL_IP6_ADDRESS = 8,
        V1_INTERNAL_IP6_NETMASK = 9 "INTERNAL_IP6_NETMASK",
        INTERNAL_IP6_DNS = 10,
        INTERNAL_IP6_NBNS = 11,
        INTERNAL_IP6_DHCP = 12,
        INTERNAL_IP4_SUBNET = 13,
        SUPPORTED_ATTRIBUTES = 14,
        INTERNAL_IP6_SUBNET = 15,
        MIP6_HOME_PREFIX = 16,
        INTERNAL_IP6_LINK = 17,
        INTERNAL_IP6_PREFIX = 18,
        HOME_AGENT_ADDRESS = 19,
        P_CSCF_IP4_ADDRESS = 20,
        P_CSCF_IP6_ADDRESS = 21,
        FTT_KAT = 22,
        EXTERNAL_SOURCE_IP4_NAT_INFO = 23,
        TIMEOUT_PERIOD_FOR_LIVENESS_CHECK = 24,
        INTERNAL_DNS_DOMAIN = 25,
        INTERNAL_DNSSEC_TA = 26,
        ENCDNS_IP4 = 27,
        ENCDNS_IP6 = 28,
        ENCDNS_DIGEST_INFO = 29,
    }
}
