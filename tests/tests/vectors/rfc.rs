//! RFC 2202, RFC 4231: HMAC. RFC 3602: AES-CBC. RFC 7634: ChaCha20-Poly1305 in ESP and IKE.

use handfast_crypto::providers;
use handfast_crypto::transform::{Encr, Integ, Prf};
use handfast_tests::golden::unhex;

/// Key, data, HMAC-SHA-1 (RFC 2202 section 3).
#[rustfmt::skip]
const HMAC_SHA1: [[&str; 3]; 7] = [
    // Case 1.
    [
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b617318655057264e28bc0b6fb378c8ef146be00",
    ],
    // Case 2.
    [
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ],
    // Case 3.
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\
         dddd",
        "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
    ],
    // Case 4.
    [
        "0102030405060708090a0b0c0d0e0f10111213141516171819",
        "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\
         cdcd",
        "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
    ],
    // Case 5.
    [
        "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
        "546573742057697468205472756e636174696f6e",
        "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04",
    ],
    // Case 6.
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579\
         204669727374",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    ],
    // Case 7.
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e64204c6172676572\
         205468616e204f6e6520426c6f636b2d53697a652044617461",
        "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
    ],
];

/// Key, data, HMAC-SHA-256, -384 and -512 (RFC 4231 section 4; its fifth case is of a truncation that IKE has not).
#[rustfmt::skip]
const HMAC_SHA2: [[&str; 5]; 6] = [
    // Case 1.
    [
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4\
         be9d914eeb61f1702e696c203a126854",
    ],
    // Case 2.
    [
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
         caeab1a34d4a6b4b636e070a38bce737",
    ],
    // Case 3.
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\
         dddd",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807\
         b946a337bee8942674278859e13292fb",
    ],
    // Case 4.
    [
        "0102030405060708090a0b0c0d0e0f10111213141516171819",
        "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\
         cdcd",
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
        "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063\
         a5f19741120c4f2de2adebeb10a298dd",
    ],
    // Case 6.
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579\
         204669727374",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e52\
         95e64f73f63f0aec8b915a985d786598",
    ],
    // Case 7.
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b65\
         7920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565\
         647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c\
         676f726974686d2e",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15\
         134676fb6de0446065c97440fa8c6a58",
    ],
];

/// Key, ESP header, IV, plaintext with trailer, ciphertext (RFC 3602 section 4).
#[rustfmt::skip]
const AES_CBC: [[&str; 5]; 8] = [
    // Case 1.
    [
        "06a9214036b8a15b512e03d534120006",
        "",
        "3dafba429d9eb430b422da802c9fac41",
        "53696e676c6520626c6f636b206d7367",
        "e353779c1079aeb82708942dbe77181a",
    ],
    // Case 2.
    [
        "c286696d887c9aa0611bbb3e2025a45a",
        "",
        "562e17996d093d28ddb3ba695a2e6f58",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
    ],
    // Case 3.
    [
        "6c3ea0477630ce21a2ce334aa746c2cd",
        "",
        "c782dc4c098c66cbd9cd27d825682c81",
        "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f636b7329",
        "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
    ],
    // Case 4.
    [
        "56e47a38c5598974bc46903dba290349",
        "",
        "8ce82eefbea0da3c44699ed7db51b7d9",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf\
         d0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
        "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad\
         83ce9f9a102ee99d49a53e87f4c3da55",
    ],
    // Case 5.
    [
        "90d382b410eeba7ad938c46cec1a82bf",
        "0000432100000001",
        "e96e8c08ab465763fd098d45dd3ff893",
        "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627\
         28292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
        "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52\
         775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
    ],
    // Case 6.
    [
        "90d382b410eeba7ad938c46cec1a82bf",
        "0000432100000008",
        "69d08df7d203329db093fc4924e5bd80",
        "0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
        "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
    ],
    // Case 7.
    [
        "0123456789abcdef0123456789abcdef",
        "0000876500000002",
        "f4e765244f6407adf13dc1380f673f37",
        "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213\
         1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
        "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c6\
         47752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
    ],
    // Case 8.
    [
        "0123456789abcdef0123456789abcdef",
        "0000876500000005",
        "85d47224b5f3dd5d2101d4ea8dffab22",
        "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffff\
         ffffffffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
        "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639\
         b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
    ],
];

/// Key material of RFC 7634 appendices A and B, both with the IV 10 11 .. 17.
const CHACHA: &str = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3";
const CHACHA_IV: u64 = 0x1011_1213_1415_1617;

/// Appendix A: the packet in the tunnel, and the ESP packet.
#[rustfmt::skip]
const CHACHA_ESP: [&str; 2] = [
    "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213\
     1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
    "0102030400000005101112131415161724039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6\
     14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da\
     9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43",
];

/// Appendix B: the payload with its padding length, and the IKE message.
#[rustfmt::skip]
const CHACHA_IKE: [&str; 2] = [
    "0000000c000040010000000a00",
    "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e2025000000000900000045290000291011121314151617610394701f8d017f\
     7c129248896b71bfe25236efd7cdc67066906315b2",
];

fn octets(hex: &str) -> Vec<u8> {
    unhex(hex).unwrap()
}

#[test]
fn hmac() {
    for provider in providers() {
        let check = |prf, key: &str, data: &str, wanted: &str| {
            let prf = provider.prf(prf).unwrap();
            let output = prf.compute(&octets(key), &[&octets(data)]);
            assert_eq!(output.as_bytes(), octets(wanted), "{} {data}", prf.id());
        };
        for [key, data, sha1] in HMAC_SHA1 {
            check(Prf::HMAC_SHA1, key, data, sha1);
        }
        for [key, data, sha256, sha384, sha512] in HMAC_SHA2 {
            check(Prf::HMAC_SHA2_256, key, data, sha256);
            check(Prf::HMAC_SHA2_384, key, data, sha384);
            check(Prf::HMAC_SHA2_512, key, data, sha512);
        }
    }
}

/// The vectors have no ICV: it is made with the PRF of the same hash.
#[test]
fn aes_cbc() {
    for provider in providers() {
        for [key, header, iv, plain, cipher] in AES_CBC {
            for integ in [
                Integ::HMAC_SHA1_96,
                Integ::HMAC_SHA2_256_128,
                Integ::HMAC_SHA2_384_192,
                Integ::HMAC_SHA2_512_256,
                Integ::AES_XCBC_96,
                Integ::AES_CMAC_96,
            ] {
                let algorithm = provider.protect(Encr::aes_cbc(128), Some(integ)).unwrap();
                let integ_key = vec![0x5a; algorithm.integ_key_len()];
                let protect = algorithm.key(&octets(key), &integ_key).unwrap();
                let mut packet = octets(&[header, iv, cipher].concat());
                let icv = provider
                    .prf(integ.prf().unwrap())
                    .unwrap()
                    .compute(&integ_key, &[&packet]);
                packet.extend_from_slice(&icv.as_bytes()[..protect.icv_len()]);
                let header_len = header.len() / 2;
                let opened = protect.open(&mut packet, header_len, None).unwrap();
                assert_eq!(opened, octets(plain), "{integ}");
            }
        }
    }
}

#[test]
fn chacha20_poly1305() {
    for provider in providers() {
        let algorithm = provider.protect(Encr::CHACHA20_POLY1305, None).unwrap();
        let protect = algorithm.key(&octets(CHACHA), &[]).unwrap();
        let [inner, esp] = CHACHA_ESP.map(octets);
        let [payload, ike] = CHACHA_IKE.map(octets);
        let esp_plain = [&inner[..], &[1, 2, 2, 4]].concat();
        for (header_len, plain, packet) in [(8, esp_plain, esp), (32, payload, ike)] {
            let mut sealed = [&packet[..header_len], &[0; 8], &plain[..], &[0; 16]].concat();
            protect.seal(&mut sealed, header_len, CHACHA_IV, None).unwrap();
            assert_eq!(sealed, packet);
            assert_eq!(*protect.open(&mut sealed, header_len, None).unwrap(), plain);
        }
    }
}
