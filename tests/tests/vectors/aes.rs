//! RFC 3566, RFC 4434: AES-XCBC. RFC 4493, RFC 4615: AES-CMAC. RFC 3686: AES-CTR. SP 800-38A: AES-CBC.

use handfast_crypto::providers;
use handfast_crypto::transform::{Encr, Integ, Prf};
use handfast_tests::golden::unhex;

/// Key, message, output (RFC 3566 section 4.6 and, where the key has other lengths, RFC 4434 section 2.1).
#[rustfmt::skip]
const XCBC: [[&str; 3]; 8] = [
    [
        "000102030405060708090a0b0c0d0e0f",
        "",
        "75f0251d528ac01c4573dfd584d79f29",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "000102",
        "5b376580ae2f19afe7219ceef172756f",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f",
        "d2a246fa349b68a79998a4394ff7a263",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f10111213",
        "47f51b4564966215b8985c63055ed308",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "f54f0ec8d2b9f3d36807734bd5283fd4",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021",
        "becbb3bccdb518a30677d5481fb6b4d8",
    ],
    [
        "00010203040506070809",
        "000102030405060708090a0b0c0d0e0f10111213",
        "0fa087af7d866e7653434e602fdde835",
    ],
    [
        "000102030405060708090a0b0c0d0e0fedcb",
        "000102030405060708090a0b0c0d0e0f10111213",
        "8cd3c93ae598a9803006ffb67c40e9e4",
    ],
];

/// Key, message, output (RFC 4493 section 4, RFC 4615 section 4).
#[rustfmt::skip]
const CMAC: [[&str; 3]; 7] = [
    [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "",
        "bb1d6929e95937287fa37d129b756746",
    ],
    [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "6bc1bee22e409f96e93d7e117393172a",
        "070a16b46b4d4144f79bdd9dd04a287c",
    ],
    [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
        "dfa66747de9ae63030ca32611497c827",
    ],
    [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef\
         f69f2445df4f9b17ad2b417be66c3710",
        "51f0bebf7e3b9d92fc49741779363cfe",
    ],
    [
        "000102030405060708090a0b0c0d0e0fedcb",
        "000102030405060708090a0b0c0d0e0f10111213",
        "84a348a4a45d235babfffc0d2b4da09a",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f10111213",
        "980ae87b5f4c9c5214f5b6a8455e4c2d",
    ],
    [
        "00010203040506070809",
        "000102030405060708090a0b0c0d0e0f10111213",
        "290d9e112edb09ee141fcf64c0b72f3d",
    ],
];

/// Key and nonce, IV, plaintext, ciphertext (RFC 3686 section 6).
#[rustfmt::skip]
const AES_CTR: [[&str; 4]; 9] = [
    // Vector 1.
    [
        "ae6852f8121067cc4bf7a5765577f39e00000030",
        "0000000000000000",
        "53696e676c6520626c6f636b206d7367",
        "e4095d4fb7a7b3792d6175a3261311b8",
    ],
    // Vector 2.
    [
        "7e24067817fae0d743d6ce1f32539163006cb6db",
        "c0543b59da48d90b",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
    ],
    // Vector 3.
    [
        "7691be035e5020a8ac6e618529f9a0dc00e0017b",
        "27777f3f4a1786f0",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
        "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f",
    ],
    // Vector 4.
    [
        "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb7851500000048",
        "36733c147d6d93cb",
        "53696e676c6520626c6f636b206d7367",
        "4b55384fe259c9c84e7935a003cbe928",
    ],
    // Vector 5.
    [
        "7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a0096b03b",
        "020c6eadc2cb500d",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00",
    ],
    // Vector 6.
    [
        "02bf391ee8ecb159b959617b0965279bf59b60a786d3e0fe0007bdfd",
        "5cbd60278dcc0912",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
        "96893fc55e5c722f540b7dd1ddf7e758d288bc95c69165884536c811662f2188abee0935",
    ],
    // Vector 7.
    [
        "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c10400000060",
        "db5672c97aa8f0b2",
        "53696e676c6520626c6f636b206d7367",
        "145ad01dbf824ec7560863dc71e3e0c0",
    ],
    // Vector 8.
    [
        "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a2388400faac24",
        "c1585ef15a43d875",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c",
    ],
    // Vector 9.
    [
        "ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d001cc5b7",
        "51a51d70a1c11148",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
        "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8",
    ],
];

fn octets(hex: &str) -> Vec<u8> {
    unhex(hex).unwrap()
}

#[test]
fn prfs() {
    for provider in providers() {
        for (prf, cases) in [(Prf::AES128_XCBC, &XCBC[..]), (Prf::AES128_CMAC, &CMAC[..])] {
            let prf = provider.prf(prf).unwrap();
            assert_eq!(prf.nonce_key_len(), Some(8));
            for [key, message, output] in cases {
                let computed = prf.compute(&octets(key), &[&octets(message)]);
                assert_eq!(computed.as_bytes(), octets(output), "{} {key} {message}", prf.id());
            }
        }
    }
}

/// RFC 3566 section 4.6, test case 7.
#[test]
fn xcbc_of_a_thousand_zeros() {
    for provider in providers() {
        let prf = provider.prf(Prf::AES128_XCBC).unwrap();
        let output = prf.compute(&(0..16).collect::<Vec<u8>>(), &[&[0; 1000]]);
        assert_eq!(output.as_bytes(), octets("f0dafee895db30253761103b5d84528f"));
    }
}

/// A packet of nothing but header and IV, whose ICV is the case's MAC cut to 96 bits. What is shorter than an IV cannot
/// be a packet.
#[test]
fn integrity() {
    for provider in providers() {
        let mut run = 0;
        for (integ, cases) in [(Integ::AES_XCBC_96, &XCBC[..]), (Integ::AES_CMAC_96, &CMAC[..])] {
            let algorithm = provider.protect(Encr::aes_ctr(128), Some(integ)).unwrap();
            for [key, message, output] in cases
                .iter()
                .filter(|[key, message, _]| key.len() == 32 && message.len() >= 16)
            {
                let key = algorithm.key(&[0; 20], &octets(key)).unwrap();
                let mut packet = octets(&[message, &output[..24]].concat());
                let opened = key.open(&mut packet, message.len() / 2 - 8, None);
                assert_eq!(opened.map(|plain| plain.len()), Ok(0), "{integ} {message}");
                run += 1;
            }
        }
        assert_eq!(run, 8);
    }
}

#[test]
fn aes_ctr() {
    for provider in providers() {
        for [key, iv, plain, ciphertext] in AES_CTR {
            let key = octets(key);
            let encr = Encr::aes_ctr(u16::try_from(key.len() - 4).unwrap() * 8);
            let algorithm = provider.protect(encr, Some(Integ::HMAC_SHA1_96)).unwrap();
            let key = algorithm.key(&key, &[7; 20]).unwrap();
            let plain = octets(plain);
            let mut packet = [&[0; 16][..], &plain, &[0; 12]].concat();
            let counter = u64::from_be_bytes(octets(iv).try_into().unwrap());
            key.seal(&mut packet, 8, counter, None).unwrap();
            assert_eq!(
                packet[8..packet.len() - 12],
                octets(&[iv, ciphertext].concat()),
                "{encr}"
            );
            assert_eq!(*key.open(&mut packet, 8, None).unwrap(), plain, "{encr}");
        }
    }
}

/// SP 800-38A sections F.2.1, F.2.3 and F.2.5, of one IV and one plaintext: RFC 3602 has keys of 128 bits only.
#[test]
fn aes_cbc() {
    for provider in providers() {
        let octets = |hex: &str| unhex(hex).unwrap();
        let iv = octets("000102030405060708090a0b0c0d0e0f");
        let plain = octets(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef\
         f69f2445df4f9b17ad2b417be66c3710",
        );
        let cases = [
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e22229516\
             3ff1caa1681fac09120eca307586e1a7",
            ),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e0\
             08b0e27988598881d920a9e64f5615cd",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461\
             b2eb05e2c39be9fcda6c19078c6a9d1b",
            ),
        ];
        for (key, cipher) in cases {
            let encr = Encr::aes_cbc(key.len() as u16 * 4);
            let algorithm = provider.protect(encr, Some(Integ::HMAC_SHA1_96)).unwrap();
            let protect = algorithm.key(&octets(key), &[0x5a; 20]).unwrap();
            let mut packet = [&[0; 8], &iv[..], &octets(cipher)].concat();
            let prf = provider.prf(Prf::HMAC_SHA1).unwrap();
            let icv = prf.compute(&[0x5a; 20], &[&packet]);
            packet.extend_from_slice(&icv.as_bytes()[..12]);
            assert_eq!(
                protect.open(&mut packet, 8, None).map(|p| p.to_vec()),
                Ok(plain.clone()),
                "{encr}"
            );
        }
    }
}
