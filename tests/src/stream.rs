//! TCP from one namespace to another.

use std::time::Duration;

use crate::netns::{Lab, Namespace};
use crate::process::{Process, output};

const LIMIT: Duration = Duration::from_secs(15);

/// Counts what it gets from one connection. Perl is part of every Debian.
const SERVER: &str = r#"
use Socket qw(:all); $| = 1; my ($address, $port) = @ARGV;
my ($e, $r) = getaddrinfo($address, $port, { socktype => SOCK_STREAM, flags => AI_NUMERICHOST }); die $e if $e;
socket(my $s, $r->{family}, SOCK_STREAM, 0) or die; setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, $r->{addr}) or die $!; listen($s, 1) or die; print "listening\n";
accept(my $c, $s) or die; my $n = 0; while (sysread($c, my $octets, 65536)) { $n += length $octets } print "got $n\n";
"#;

/// Connects and sends some octets. The end is a packet of its own: several in UDP that leave at once are one frame in a
/// capture, which tshark cannot decrypt.
const CLIENT: &str = r#"
use Socket qw(:all); my ($address, $port, $n) = @ARGV; alarm 10;
my ($e, $r) = getaddrinfo($address, $port, { socktype => SOCK_STREAM, flags => AI_NUMERICHOST }); die $e if $e;
socket(my $s, $r->{family}, SOCK_STREAM, 0) or die; connect($s, $r->{addr}) or die $!;
my $octets = "x" x $n; while (length $octets) { my $done = syswrite($s, $octets) or die $!; substr($octets, 0, $done) = "" }
select undef, undef, undef, 0.1;
"#;

/// Sends `count` octets over TCP from one host to an address of the other. Panics unless all arrive.
#[track_caller]
pub fn tcp(lab: &Lab, from: &Namespace, to: &Namespace, address: &str, port: u16, count: usize) {
    let log = lab.dir().join(format!("tcp-{port}.log"));
    let (port, count) = (port.to_string(), count.to_string());
    let mut server = to.command("perl");
    server.args(["-e", SERVER, address, &port]);
    let mut server = Process::start("the TCP server", &server, &log);
    server.until("it listens", LIMIT, |server| server.log().contains("listening"));
    let mut client = from.command("perl");
    let client = output(client.args(["-e", CLIENT, address, &port, &count]));
    let said = String::from_utf8_lossy(&client.stderr).into_owned();
    assert!(
        client.status.success(),
        "no TCP to {address}, port {port}: {} {said}",
        client.status
    );
    let wanted = format!("got {count}\n");
    crate::process::until("all octets are there", LIMIT, || server.log().ends_with(&wanted));
}
