//! What a service manager hears of the daemon: the datagrams of sd_notify(3), on a socket of our own.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;

const SOON: Duration = Duration::from_secs(20);

/// The next message that begins with this line, without watchdog messages before it.
#[track_caller]
fn hears(socket: &UnixDatagram, first: &str) -> String {
    let end = Instant::now() + SOON;
    let mut octets = [0; 1024];
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        socket.set_read_timeout(Some(left)).expect("a timeout");
        let Ok(len) = socket.recv(&mut octets) else { break };
        let message = String::from_utf8_lossy(&octets[..len]).into_owned();
        if message.lines().next() == Some(first) {
            return message;
        }
        assert_eq!(message.trim_end(), "WATCHDOG=1", "instead of {first}");
    }
    panic!("no {first} in {SOON:?}");
}

#[test]
fn a_service_manager_hears_of_start_reload_life_and_end() {
    need!(Namespaces);
    let (lab, a, _b) = Lab::pair();
    let path = lab.dir().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let connection = Connection::new("aes128gcm16-prfsha256-x25519", "aes128gcm16");
    let variables = [
        ("NOTIFY_SOCKET", path.as_path()),
        ("WATCHDOG_USEC", Path::new("400000")),
    ];
    let mut host = Handfast::start_with(&lab, &a, &connection.toml(), &variables);
    let ready = hears(&socket, "READY=1");
    assert!(ready.contains("STATUS=connections configured: 1"), "{ready}");
    // Alive, more than once.
    hears(&socket, "WATCHDOG=1");
    hears(&socket, "WATCHDOG=1");
    // A file with mistakes changes nothing, and the manager is not left waiting for the end of the reload.
    for toml in ["nonsense", &connection.toml()] {
        host.configure(toml);
        host.hang_up();
        let reloading = hears(&socket, "RELOADING=1");
        let stamp = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(stamp.is_some_and(|stamp| stamp.parse::<u64>().is_ok()), "{reloading}");
        hears(&socket, "READY=1");
    }
    assert!(host.terminate().success());
    hears(&socket, "STOPPING=1");
}
