//! Key pairs made ahead are what a daemon uses, and none are made where they are not wanted.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;

const SOON: Duration = Duration::from_secs(10);

/// How many were used, as the log tells it.
fn used(host: &Handfast) -> usize {
    host.log().matches("a prepared key pair is used").count()
}

/// Until there is one more than was used.
fn wait_prepared(host: &Handfast) {
    let made = |host: &Handfast| host.log().matches("a key pair is made ahead").count();
    host.wait("a key pair is made ahead", SOON, |host| made(host) > used(host));
}

#[test]
fn both_sides_use_prepared_key_pairs_until_they_are_switched_off() {
    need!(Namespaces);
    for ike in ["aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-modp2048"] {
        let connection = Connection::new(ike, "aes128gcm16");
        let (lab, a, b) = Lab::pair();
        let left = Handfast::start(&lab, &a, &connection.toml());
        let right = Handfast::start(&lab, &b, &connection.flipped().toml());
        let logs = || format!("left:\n{}\nright:\n{}", left.log(), right.log());
        wait_prepared(&left);
        wait_prepared(&right);
        left.up("office");
        right.wait_up("office", SOON);
        assert_eq!((used(&left), used(&right)), (1, 1), "{ike}\n{}", logs());
        // What was taken is made again.
        wait_prepared(&left);
        wait_prepared(&right);
        left.rekey("office", true);
        assert_eq!((used(&left), used(&right)), (2, 2), "{ike}\n{}", logs());
        right.configure(&format!("[daemon]\nprepared_keys = 0\n{}", connection.flipped().toml()));
        let (code, _, error) = right.reload(&[]);
        assert_eq!(code, Some(0), "{error}");
        wait_prepared(&left);
        left.rekey("office", true);
        assert_eq!((used(&left), used(&right)), (3, 2), "{ike}\n{}", logs());
        left.keys().assert_same_keys(&right.keys());
    }
}
