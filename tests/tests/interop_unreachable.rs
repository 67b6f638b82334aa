//! A peer that nothing can be sent to.

use std::time::{Duration, Instant};

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;

#[test]
fn up_says_at_once_why_nothing_can_be_sent() {
    need!(Namespaces);
    let (lab, a, _b) = Lab::pair();
    let mut connection = Connection::new("", "");
    connection.remote.address = "192.0.2.99".into();
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let start = Instant::now();
    let out = ours.try_up("office");
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(!out.status.success());
    assert!(said.contains("192.0.2.99") && said.contains("unreachable"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
