//! Attributes of phase 1 transforms and their values (RFC 2409 appendix A and IANA).

numbers! {
    /// Attributes of phase 1 transforms, without the format bit.
    pub struct OakleyAttribute(u16), "Oakley attribute" {
        ENCRYPTION_ALGORITHM = 1 "encryption algorithm",
        HASH_ALGORITHM = 2 "hash algorithm",
        AUTHENTICATION_METHOD = 3 "authentication method",
        GROUP_DESCRIPTION = 4 "group description",
        GROUP_TYPE = 5 "group type",
        GROUP_PRIME = 6 "group prime",
        GROUP_GENERATOR_ONE = 7 "group generator one",
        GROUP_GENERATOR_TWO = 8 "group generator two",
        GROUP_CURVE_A = 9 "group curve A",
        GROUP_CURVE_B = 10 "group curve B",
        LIFE_TYPE = 11 "life type",
        LIFE_DURATION = 12 "life duration",
        PRF = 13,
        KEY_LENGTH = 14 "key length",
        FIELD_SIZE = 15 "field size",
        GROUP_ORDER = 16 "group order",
        /// draft-ietf-ipsec-isakmp-gss-auth-07 section 3.3.2: the sender's name for Kerberos.
        GSS_IDENTITY_NAME = 16384 "GSS identity name",
        /// The same, as Windows 2000 has been seen to number it.
        GSS_IDENTITY_NAME_W2K = 32001 "GSS identity name(W2K)",
    }

    /// Encryption algorithms.
    pub struct EncryptionAlgorithm(u16), "encryption algorithm" {
        DES_CBC = 1 "DES-CBC",
        IDEA_CBC = 2 "IDEA-CBC",
        BLOWFISH_CBC = 3 "Blowfish-CBC",
        RC5_R16_B64_CBC = 4 "RC5-R16-B64-CBC",
        TRIPLE_DES_CBC = 5 "3DES-CBC",
        CAST_CBC = 6 "CAST-CBC",
        /// RFC 3602.
        AES_CBC = 7 "AES-CBC",
        CAMELLIA_CBC = 8 "CAMELLIA-CBC",
    }

    /// Hash algorithms; HMAC of the hash is the PRF (RFC 2409 section 4).
    pub struct HashAlgorithm(u16), "hash algorithm" {
        MD5 = 1,
        SHA1 = 2,
        TIGER = 3 "Tiger",
        /// RFC 4868.
        SHA2_256 = 4 "SHA2-256",
        /// RFC 4868.
        SHA2_384 = 5 "SHA2-384",
        /// RFC 4868.
        SHA2_512 = 6 "SHA2-512",
    }

    /// Authentication methods. Numbers from 65001 on are in private use by two parties; the names are those of XAUTH
    /// (draft-beaulieu-ike-xauth-02 section 7.2), [`AuthMethod::name_in`] tells them from Kerberos.
    pub struct AuthMethod(u16), "authentication method" {
        PRE_SHARED_KEY = 1 "pre-shared key",
        DSS_SIGNATURES = 2 "DSS signatures",
        RSA_SIGNATURES = 3 "RSA signatures",
        RSA_ENCRYPTION = 4 "encryption with RSA",
        REVISED_RSA_ENCRYPTION = 5 "revised encryption with RSA",
        /// RFC 4754.
        ECDSA_256 = 9 "ECDSA-256",
        /// RFC 4754.
        ECDSA_384 = 10 "ECDSA-384",
        /// RFC 4754.
        ECDSA_521 = 11 "ECDSA-521",
        /// draft-ietf-ipsec-isakmp-hybrid-auth-05 section 3.2.1.
        HYBRID_INIT_RSA = 64221 "HybridInitRSA",
        HYBRID_RESP_RSA = 64222 "HybridRespRSA",
        HYBRID_INIT_DSS = 64223 "HybridInitDSS",
        HYBRID_RESP_DSS = 64224 "HybridRespDSS",
        XAUTH_INIT_PRE_SHARED = 65001 "XAUTHInitPreShared",
        XAUTH_RESP_PRE_SHARED = 65002 "XAUTHRespPreShared",
        XAUTH_INIT_DSS = 65003 "XAUTHInitDSS",
        XAUTH_RESP_DSS = 65004 "XAUTHRespDSS",
        XAUTH_INIT_RSA = 65005 "XAUTHInitRSA",
        XAUTH_RESP_RSA = 65006 "XAUTHRespRSA",
        XAUTH_INIT_RSA_ENCRYPTION = 65007 "XAUTHInitRSAEncryption",
        XAUTH_RESP_RSA_ENCRYPTION = 65008 "XAUTHRespRSAEncryption",
        XAUTH_INIT_RSA_REVISED_ENCRYPTION = 65009 "XAUTHInitRSARevisedEncryption",
        XAUTH_RESP_RSA_REVISED_ENCRYPTION = 65010 "XAUTHRespRSARevisedEncryption",
    }

    /// Oakley groups (RFC 2409 section 6, RFC 3526, RFC 5903, RFC 5114, RFC 6932).
    pub struct Group(u16), "group" {
        MODP_768 = 1 "modp768",
        MODP_1024 = 2 "modp1024",
        EC2N_155 = 3 "ec2n155",
        EC2N_185 = 4 "ec2n185",
        MODP_1536 = 5 "modp1536",
        MODP_2048 = 14 "modp2048",
        MODP_3072 = 15 "modp3072",
        MODP_4096 = 16 "modp4096",
        MODP_6144 = 17 "modp6144",
        MODP_8192 = 18 "modp8192",
        ECP_256 = 19 "ecp256",
        ECP_384 = 20 "ecp384",
        ECP_521 = 21 "ecp521",
        MODP_1024_S160 = 22 "modp1024s160",
        MODP_2048_S224 = 23 "modp2048s224",
        MODP_2048_S256 = 24 "modp2048s256",
        ECP_192 = 25 "ecp192",
        ECP_224 = 26 "ecp224",
        ECP_224_BP = 27 "ecp224bp",
        ECP_256_BP = 28 "ecp256bp",
        ECP_384_BP = 29 "ecp384bp",
        ECP_512_BP = 30 "ecp512bp",
    }

    /// Kinds of group.
    pub struct GroupType(u16), "group type" {
        MODP = 1,
        ECP = 2,
        EC2N = 3,
    }
}

impl AuthMethod {
    /// Kerberos 5 through GSS-API (draft-ietf-ipsec-isakmp-gss-auth-07 section 3.3.1): the number that XAUTH uses too.
    pub const GSS_KERBEROS: Self = Self(65001);
    /// Generic GSS-API, the number that XAUTH uses too.
    pub const GSS_GENERIC: Self = Self(65002);
    /// SPNEGO, the number that XAUTH uses too.
    pub const GSS_SPNEGO: Self = Self(65003);
    /// SPKM, the number that XAUTH uses too.
    pub const GSS_SPKM: Self = Self(65004);

    /// The name where it is known whether the exchange is one with GSS-API: a vendor id of GSS-API or of Windows was
    /// received in it, or the transform carries a GSS identity name.
    pub const fn name_in(self, gss: bool) -> Option<&'static str> {
        match self.0 {
            65001 if gss => Some("GSS-API with Kerberos"),
            65002 if gss => Some("GSS-API"),
            65003 if gss => Some("GSS-API with SPNEGO"),
            65004 if gss => Some("GSS-API with SPKM"),
            _ => self.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parties_use_one_private_number() {
        assert_eq!(AuthMethod::GSS_KERBEROS, AuthMethod::XAUTH_INIT_PRE_SHARED);
        assert_eq!(AuthMethod(65001).to_string(), "XAUTHInitPreShared");
        assert_eq!(AuthMethod(65001).name_in(true), Some("GSS-API with Kerberos"));
        assert_eq!(AuthMethod(65001).name_in(false), Some("XAUTHInitPreShared"));
        assert_eq!(AuthMethod(65005).name_in(true), Some("XAUTHInitRSA"));
        assert_eq!(AuthMethod::PRE_SHARED_KEY.name_in(true), Some("pre-shared key"));
    }
}
