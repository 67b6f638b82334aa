//! OpenSSL 3.0's answers for AES-CCM (EVP_aes_128_ccm and its siblings): RFC 4309 has none.

use handfast_crypto::providers;
use handfast_crypto::transform::Encr;
use handfast_tests::golden::unhex;

/// Key bits, octets of ICV, ciphertext, ICV. The key is 00 01 02 .., the salt a0 a1 a2, the IV 10 .. 17, the header that
/// of ESP with SPI 0x4321 and sequence number 7, the plaintext 20 .. 47.
#[rustfmt::skip]
const CCM: [(u16, usize, &str, &str); 9] = [
    (128, 16, "ee8b585ec4d92c97dee6e214f6c0da164d7dbf0d1d4225549460ee8a70d7a94e8240209f3816c4f6", "e1ace47dbcffdcd3226ac4b29349f5c2"),
    (128, 12, "ee8b585ec4d92c97dee6e214f6c0da164d7dbf0d1d4225549460ee8a70d7a94e8240209f3816c4f6", "a7ae4132ec4dfd7a2087a0a1"),
    (128, 8, "ee8b585ec4d92c97dee6e214f6c0da164d7dbf0d1d4225549460ee8a70d7a94e8240209f3816c4f6", "b153a5ae8b46dfe0"),
    (192, 16, "78c468ed88dfe62072e7027dd7a896494b8fa66356cf1a6f61f8b91c40f75e8671fea06ff1f8d5cf", "65b2eda2eefc09800655f7eecaaf4f69"),
    (192, 12, "78c468ed88dfe62072e7027dd7a896494b8fa66356cf1a6f61f8b91c40f75e8671fea06ff1f8d5cf", "8e93074f4751d65c46cf387a"),
    (192, 8, "78c468ed88dfe62072e7027dd7a896494b8fa66356cf1a6f61f8b91c40f75e8671fea06ff1f8d5cf", "eadcd6fb707f7e6e"),
    (256, 16, "30ddba90ef073d51477dedde7dc977e1446aaa7f0018a071786fc304476584c681e5f2e9851373d1", "7f2c69a7cc32e0523fb9651d31ffc60a"),
    (256, 12, "30ddba90ef073d51477dedde7dc977e1446aaa7f0018a071786fc304476584c681e5f2e9851373d1", "a4c95c4e80c1fed09bec6034"),
    (256, 8, "30ddba90ef073d51477dedde7dc977e1446aaa7f0018a071786fc304476584c681e5f2e9851373d1", "74cb6c745f7ff306"),
];

#[test]
fn aes_ccm() {
    for provider in providers() {
        let header = [0, 0, 0x43, 0x21, 0, 0, 0, 7];
        let plain: Vec<u8> = (0x20..0x48).collect();
        for (bits, icv_len, ciphertext, icv) in CCM {
            let encr = match icv_len {
                16 => Encr::aes_ccm16(bits),
                12 => Encr::aes_ccm12(bits),
                _ => Encr::aes_ccm8(bits),
            };
            let mut key: Vec<u8> = (0..).take(usize::from(bits / 8)).collect();
            key.extend([0xa0, 0xa1, 0xa2]);
            let key = provider.protect(encr, None).unwrap().key(&key, &[]).unwrap();
            let mut packet = [&header[..], &[0; 8], &plain, &vec![0; icv_len]].concat();
            key.seal(&mut packet, 8, 0x1011_1213_1415_1617, None).unwrap();
            assert_eq!(packet[16..], unhex(&[ciphertext, icv].concat()).unwrap(), "{encr}");
            assert_eq!(*key.open(&mut packet, 8, None).unwrap(), plain, "{encr}");
        }
    }
}
