#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use handfast_crypto::transform::Prf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha384;

use super::*;

/// PRF_HMAC_SHA2_384 apart from the providers; remembers how many octets of key and data each call took.
#[derive(Default)]
struct TestPrf(Mutex<Vec<(usize, usize)>>);

impl PrfAlgorithm for TestPrf {
    fn id(&self) -> Prf {
        Prf(6)
    }

    fn output_len(&self) -> usize {
        48
    }

    fn key_len(&self) -> usize {
        48
    }

    fn compute(&self, key: &[u8], data: &[&[u8]]) -> Secret {
        self.0
            .lock()
            .unwrap()
            .push((key.len(), data.iter().map(|part| part.len()).sum()));
        let mut mac = Hmac::<Sha384>::new_from_slice(key).unwrap();
        data.iter().for_each(|part| mac.update(part));
        Secret::new(mac.finalize().into_bytes().to_vec())
    }
}

/// One side of an IKE_AUTH exchange.
struct Side {
    sk_p: Secret,
    message: Vec<u8>,
    other_nonce: Vec<u8>,
    id_body: Vec<u8>,
    auth: Vec<u8>,
}

impl Side {
    fn context<'a>(&'a self, prf: &'a TestPrf) -> ProofContext<'a> {
        ProofContext {
            prf,
            sk_p: &self.sk_p,
            first_message: &self.message,
            other_nonce: &self.other_nonce,
            id_body: &self.id_body,
        }
    }
}

struct Golden {
    sk_p: &'static str,
    message: &'static str,
    other_nonce: &'static str,
    id_body: &'static str,
    auth: &'static str,
}

impl Golden {
    fn side(&self) -> Side {
        Side {
            sk_p: Secret::new(hex(self.sk_p)),
            message: hex(self.message),
            other_nonce: hex(self.other_nonce),
            id_body: hex(self.id_body),
            auth: hex(self.auth),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(digits.len() % 2, 0);
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap())
        .collect()
}

fn secret(text: &str) -> Secret {
    Secret::from(text.as_bytes())
}

fn proof(psk: &str, context: &ProofContext<'_>) -> Vec<u8> {
    let Ok(Proof { method: 2, data }) = prove(&Credential::Psk(secret(psk)), context) else {
        panic!("no proof")
    };
    data
}

fn check(psk: &str, context: &ProofContext<'_>, method: u8, data: &[u8]) -> Result<(), AuthRefusal> {
    verify(&Expectation::Psk(secret(psk)), context, method, data)
}

#[test]
fn the_golden_exchange_is_reproduced() {
    for golden in [INITIATOR, RESPONDER] {
        let (side, prf) = (golden.side(), TestPrf::default());
        assert_eq!(proof(PSK, &side.context(&prf)), side.auth);
        assert_eq!(check(PSK, &side.context(&prf), 2, &side.auth), Ok(()));
    }
}

#[test]
fn every_input_is_part_of_the_proof() {
    let (side, prf) = (INITIATOR.side(), TestPrf::default());
    let flip = |octets: &[u8], at: usize| {
        let mut octets = octets.to_vec();
        octets[at] ^= 1;
        octets
    };
    let last = side.message.len() - 1;
    let changed = [
        Side {
            sk_p: Secret::new(flip(side.sk_p.as_bytes(), 0)),
            ..INITIATOR.side()
        },
        Side {
            message: flip(&side.message, 0),
            ..INITIATOR.side()
        },
        Side {
            message: flip(&side.message, last),
            ..INITIATOR.side()
        },
        Side {
            other_nonce: flip(&side.other_nonce, 31),
            ..INITIATOR.side()
        },
        Side {
            id_body: flip(&side.id_body, 0),
            ..INITIATOR.side()
        },
        // The reserved octets too, as sent (RFC 7296 section 2.15).
        Side {
            id_body: flip(&side.id_body, 2),
            ..INITIATOR.side()
        },
        Side {
            id_body: flip(&side.id_body, 16),
            ..INITIATOR.side()
        },
    ];
    for other in &changed {
        assert_eq!(
            check(PSK, &other.context(&prf), 2, &side.auth),
            Err(AuthRefusal::BadProof)
        );
    }
    let context = side.context(&prf);
    assert_eq!(
        check("golden-psk-0123456780", &context, 2, &side.auth),
        Err(AuthRefusal::BadProof)
    );
    for at in 0..side.auth.len() {
        assert_eq!(
            check(PSK, &context, 2, &flip(&side.auth, at)),
            Err(AuthRefusal::BadProof)
        );
    }
    // A side's own proof, sent back, is not the other side's.
    assert_eq!(
        check(PSK, &RESPONDER.side().context(&prf), 2, &side.auth),
        Err(AuthRefusal::BadProof)
    );
}

#[test]
fn refusals_tell_what_came() {
    let (side, prf) = (INITIATOR.side(), TestPrf::default());
    let context = side.context(&prf);
    let expected = AuthMethod::SHARED_KEY;
    for method in [0, 1, 9, 13, 14, 255] {
        let received = AuthMethod(method);
        assert_eq!(
            check(PSK, &context, method, &side.auth),
            Err(AuthRefusal::WrongMethod { expected, received })
        );
    }
    assert_eq!(check(PSK, &context, 2, &[]), Err(AuthRefusal::EmptyProof));
    assert_eq!(
        check(PSK, &context, 2, &side.auth[..32]),
        Err(AuthRefusal::ProofLength {
            expected: 48,
            received: 32
        })
    );
    let text = check(PSK, &context, 1, &side.auth).unwrap_err().to_string();
    assert!(text.contains("RSA_SIGNATURE") && text.contains("SHARED_KEY"), "{text}");
    let text = check("hunter2", &context, 2, &side.auth).unwrap_err().to_string();
    assert!(
        text.contains("different secrets") && !text.contains("hunter2"),
        "{text}"
    );
}

/// With an empty key anybody could make the proof.
#[test]
fn an_empty_secret_proves_nothing() {
    let (side, prf) = (INITIATOR.side(), TestPrf::default());
    let context = side.context(&prf);
    assert_eq!(
        prove(&Credential::Psk(secret("")), &context),
        Err(AuthError::EmptySecret)
    );
    let forged = psk::auth(b"", &context);
    assert_eq!(check("", &context, 2, forged.as_bytes()), Err(AuthRefusal::EmptySecret));
}

#[test]
fn no_secret_is_shown() {
    let credential = Credential::Psk(secret(PSK));
    let shown = format!("{credential:?} {:?}", Expectation::Psk(secret(PSK)));
    assert!(
        !shown.contains(PSK) && !shown.contains(&format!("{:?}", PSK.as_bytes())),
        "{shown}"
    );
    assert_eq!(credential.method_name(), "psk");
}

/// Unknown identity, wrong secret, wrong method and empty proof cost the same calls over as many octets: what a stranger
/// can measure (case A111).
#[test]
fn every_refusal_costs_the_same_calls() {
    let side = INITIATOR.side();
    // Keys below the block of a hash cost the same whatever their length; so only the data counts here.
    let cost = |run: &dyn Fn(&ProofContext<'_>)| {
        let prf = TestPrf::default();
        run(&side.context(&prf));
        let calls = prf.0.lock().unwrap();
        calls.iter().map(|(_, data)| *data).collect::<Vec<_>>()
    };
    let wrong = cost(&|context| drop(check("wrong", context, 2, &side.auth)));
    assert_eq!(wrong.len(), 3);
    assert_eq!(cost(&|context| verify_decoy(context)), wrong);
    assert_eq!(cost(&|context| drop(check(PSK, context, 14, &side.auth))), wrong);
    assert_eq!(cost(&|context| drop(check(PSK, context, 2, &[]))), wrong);
    assert_eq!(cost(&|context| drop(check("", context, 2, &side.auth))), wrong);
}

const PSK: &str = "golden-psk-0123456789";

// A strongSwan exchange with PRF_HMAC_SHA2_384: its key log's values.
const INITIATOR: Golden = Golden {
    sk_p: "e89c0aec60a3093af08ce574874a7894458ef1da675a860efca25fa1f25c117ba02b37682fd5a56dba716f344c958335",
    message: "\
     593632af1ce0a54800000000000000002120220800000000000001282200002800000024010100030300000c01000014800e010003000008 \
     02000006000000080400001428000068001400009fc24daac8dd3378a5d84e3b4c5e168c7bf8b40f93968d5dbb100c6241dbbec1067da54f \
     630d849e507183d429173a5389df55af296551f8f994dd55d8d2b5ec95deb4144e6cfa9a8c34798ed92d4ad71c8134062631b23bd6d5754b \
     8464669d29000024f84992686de3abf8ed64ca42c15764ab2f5c5972d5f89ae963742406ff3ec9e32900001c0000400424dbb42ab0fd42d5 \
     a48f2c8c62ed5e6049dad3eb2900001c00004005e0fb02637159a27c8ecc38fa0b24376b127591f6290000080000402e290000100000402f \
     00020003000400050000000800004016",
    other_nonce: "52cf1076a3e14f85656ffdcd9a8fa48ced6eae0838ffa5a7979b9aaff8d62629",
    id_body: "02000000612e6f7261636c652e74657374",
    auth: "e686a2fd74fb6206944db953e9b91af5b4e2415f2af496fa99b04250b94f58b1ac6e9f60bed4b5e112249a26a5d7e7ed",
};

const RESPONDER: Golden = Golden {
    sk_p: "8d169c7e0cbcf4417f31178c78c806ce1f3fa3d5be6dc38a8ab50faa240157cd987d0eb2c492514b86806c46a7d9084d",
    message: "\
     593632af1ce0a54828905ad5eeda8f202120222000000000000001492200002800000024010100030300000c01000014800e010003000008 \
     02000006000000080400001428000068001400009aea52da866a169a5e4286d5b03a9fb3f4f85396cd792923efc6b50727414848605b5693 \
     07fc44346f74c5ac2228e45c0fc1e277892160ae15063fba737cd8b2e75841b6d7ca4228e364110041dbb91e74c341625581a6e71593493d \
     c9ddc3372900002452cf1076a3e14f85656ffdcd9a8fa48ced6eae0838ffa5a7979b9aaff8d626292900001c00004004c9684ef47a9c3f7c \
     fe3d954ed7d9bf21cf6ba8c02600001c00004005e4273aef72ff1e97edfbe7852b36f4130ddf0ec5290000190445c87114ba9fa3d73a344d \
     de6ade6a1011894e69290000080000402e290000100000402f000200030004000529000008000040220000000800004014",
    other_nonce: "f84992686de3abf8ed64ca42c15764ab2f5c5972d5f89ae963742406ff3ec9e3",
    id_body: "02000000622e6f7261636c652e74657374",
    auth: "708764cf67b706ac444dd0ccd45a0ba88f5928a95a22a099c0bf3171c2005c82595a8d25bba3f3428a90bc955e6355b2",
};
