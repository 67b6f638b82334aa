//! OpenSSL 3.0's answers, for every group: `openssl pkeyutl -derive` with the private value in a PKCS #8 file over this
//! prime and the generator 2, `-pkeyopt dh_pad:1` for the leading zeros.
//!
//! The private values are SHAKE-256 of "handfast GROUP a" and "handfast GROUP b"; of the long answers SHA-256 stands here.
#![allow(clippy::unwrap_used)]

use handfast_modp::{ModpGroup, PrivateKey};
use sha2::{Digest, Sha256};

struct Vector {
    group: u16,
    private: [&'static str; 2],
    /// SHA-256 of OpenSSL's public values.
    public: [&'static str; 2],
    /// SHA-256 of OpenSSL's shared secret.
    shared: &'static str,
}

#[rustfmt::skip]
const VECTORS: [Vector; 7] = [
    Vector {
        group: 2,
        private: [
            "042515e9c4de0e461f888a06836711500180bcf14e83b8ca7d3543b71d1c4e60",
            "0b585e70908a8692b8ade735d04d50cb91e107381bdc97fc8181468c4c770ab9",
        ],
        public: [
            "f768d0b5e2a880e95b2c5dea2704db17144d1a7aeeebf94c07c161cd71846920",
            "49f6c996b470a47a5f97d054539a06119e8a6de5b92f4c33ea95367088a265ac",
        ],
        shared: "c467a91df1139ecc3ddb3a36d47d4f1008bb14f91c09629b3f58c2b06803743b",
    },
    Vector {
        group: 5,
        private: [
            "3b372875ab03434ff0552a375d751b18374f66b13c94bf5782fc49eb66b39f39",
            "86f1d616a925a1bb78b0f1275324e760720ded9172b4c25779da4bf163c2dd0a",
        ],
        public: [
            "3a38881ff702fddd849b4cc3a2c104d5a11d8d09d4249e10b9d0ad475c5ab95b",
            "c5c50e048a9a1dcfcd6626695edc71143d3a2b9ee9521225d2cd8680127ef27c",
        ],
        shared: "3d9b4077ab77b79cac5731c0949f570bc969dc601d80429ef403ef7ca621ed9a",
    },
    Vector {
        group: 14,
        private: [
            "392ff9412a830a2292884e10768dc00ab14e7c2d5f1e68cbdc7f5b32cb12daa7",
            "59d43d53add857932f44c3cea406f36af658d8b77097caef2de112ce4b8c71aa",
        ],
        public: [
            "670dcfebcb5df8287a22bdd4c171e9064f8bb37767a4c088a03bb27de31b63b6",
            "decc172498b1b041ce94329bdd4c34c26103a8afebdd7c906114ca4954a59a55",
        ],
        shared: "52ecbb9928db8af4bb83e8074bf3c45d7c07480cc8f9ada4f455690844f6bd00",
    },
    Vector {
        group: 15,
        private: [
            "cabb4ae4f02ac336b15cade3ee18aab53b5c5f9198a387b3bb06a71bd0aeb35e38bfde6e68d6666b",
            "47f6be64d05c6f11fa7c19d1be0d5a5c6b8625d42090d24c8d1b4731963870bd22c2e068902b3f6e",
        ],
        public: [
            "01e152a5499a31ba3a4eda954cb3a06d82ccd4b192de4188e4e0dd63546557b8",
            "31cee07e350e92cf318c86af4fb1e49e32cb10fea85156da685b992ebbdc267e",
        ],
        shared: "32b79eb54e2501f2bffa37939b31a3d8f38f6fbed766bf3c6a8b7755573ec746",
    },
    Vector {
        group: 16,
        private: [
            "1278c866f6c1bec8b590be98611da28a84067d77116c4faae42d42e7f48188a5bfe86358af7d5976210e1b8b31f60e7d",
            "74b8caa557b1c759a10c230ca0492f8de63b20aa684b7ccbeb5cbc0821eaf7078ff6d710c3d43ea82e372a9936a5a503",
        ],
        public: [
            "51b8e5ea929ad0f4446eebdb6bffd1107e596b36d6b522f4abbabdc20f9a694b",
            "2e98abb07d8017c72bdac0b777172aca0a616a9bf4611b7850659f384bdcea51",
        ],
        shared: "1eea37202cd4f102c245947e5a105b16b8db4f70c4851967938fcbd52c97d1d5",
    },
    Vector {
        group: 17,
        private: [
            "bd07648aaa98e06ed4324eb84149a22c33a359af842219d7ce0cb9402c8d0be490e1533a9c28a38da8ea09c1f404eb85d91269e38c92251a",
            "17efe2bf36ab7dc0d69f3fb84a9397b6e8cb01e4f50f5d1ed69c9212eed6ef47a833dfd5a2e019e9a1ebf8b2006d1c1678a6b4b3c49b7093",
        ],
        public: [
            "7086882c48b047be72aba30064fa460530e4cb6162c4fb8ea5b2e014e6383342",
            "2602d9adb9808d901a508ce74c9052b32e4ae3be04adcd40e6fd8c23e606d3c2",
        ],
        shared: "c1aad3b7e0ffa33b5f3e22626b78c8c4a556f4781d8801143bf5ad2a4236e728",
    },
    Vector {
        group: 18,
        private: [
            "4e3cf162328bc5f85e2af52608d3c9d16e6505847fbb019f7093fbdfd0923939d17584ef1fad6e2e0214912259b0d4f71055d5632bad1314cba9037cb462e027",
            "d6b36688ed432ae1454a22df96d583936b03dc53d2e79d373309d28f75a51e82764b2313b27ca224b146e9456e5caca31e0782507a8cfa52b390966f33aaf97b",
        ],
        public: [
            "0edc7e5217b9bbe9dadf379f3fbbfa404ffc511172399e5f36c221964136505d",
            "279c1d68d758f27c41cc12075433e98da7e350defd278debac2f100b1b05d655",
        ],
        shared: "60ee9efe13aff92fe0934223714198f4505c37ca4af32eabd00be9ba82eba604",
    },
];

fn unhex(text: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

#[test]
fn openssl_finds_the_same() {
    for vector in &VECTORS {
        let group = ModpGroup::legacy(vector.group).unwrap();
        let keys = vector
            .private
            .map(|x| PrivateKey::from_octets(group, &unhex(x)).unwrap());
        let public = keys.each_ref().map(PrivateKey::public);
        assert_eq!(public.each_ref().map(|y| sha256(y)), vector.public, "{group:?}");
        let [a, b] = keys;
        let [of_a, of_b] = public;
        assert_eq!(sha256(&a.agree(&of_b).unwrap()), vector.shared, "{group:?}");
        assert_eq!(sha256(&b.agree(&of_a).unwrap()), vector.shared, "{group:?}");
    }
}
