//! The figures, for people and for programs.

use handfast_benches::figures::{median, spread};
use serde_json::{Value, json};

use crate::cpu::load;
use crate::measure::{Round, SIZES};
use crate::system::Kind;

/// A column: its head, its unit's width of digits, and the figure of a round.
type Column<'a> = (&'a str, usize, Box<dyn Fn(&Round) -> f64>);

/// Tables of medians, each with the smallest and the largest figure.
pub fn print(kinds: &[Kind], rounds: &[Round]) {
    let daemon = |used: [f64; 2]| used[0] + used[1];
    let tcp: [Column<'_>; 6] = [
        ("Gbit/s", 2, Box::new(|r| r.tcp.goodput())),
        (
            "sender",
            2,
            Box::new(move |r| r.tcp.per_gigabyte(daemon(r.tcp.used.sender))),
        ),
        (
            "receiver",
            2,
            Box::new(move |r| r.tcp.per_gigabyte(daemon(r.tcp.used.receiver))),
        ),
        ("ksoftirqd", 2, Box::new(|r| r.tcp.per_gigabyte(r.tcp.used.ksoftirqd))),
        ("tool sends", 2, Box::new(|r| r.tcp.per_gigabyte(r.tcp.tools[0]))),
        ("tool receives", 2, Box::new(|r| r.tcp.per_gigabyte(r.tcp.tools[1]))),
    ];
    println!(
        "One TCP connection: goodput, and CPU-seconds per gigabyte of daemons, kernel threads and traffic tools.\n"
    );
    table(kinds, rounds, &tcp);
    println!(
        "\nUDP packets received per second, more being offered, by size of the IP packet; round trip of an echo in us.\n"
    );
    let udp = |n: usize| Box::new(move |r: &Round| r.udp[n].received);
    let heads = SIZES.map(|size| format!("{size} octets"));
    let rest: [Column<'_>; 5] = [
        (&heads[0], 0, udp(0)),
        (&heads[1], 0, udp(1)),
        (&heads[2], 0, udp(2)),
        ("echo", 0, Box::new(|r| r.latency[0])),
        ("deviation", 0, Box::new(|r| r.latency[1])),
    ];
    table(kinds, rounds, &rest);
    ratios(rounds);
    let loads: Vec<f64> = rounds.iter().map(|r| r.load).collect();
    println!(
        "\nLoad average before each measurement: {} (now {:.1}).",
        spread(&loads, 1),
        load()
    );
}

fn table(kinds: &[Kind], rounds: &[Round], columns: &[Column<'_>]) {
    let heads: Vec<&str> = columns.iter().map(|(head, ..)| *head).collect();
    println!("| system | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(columns.len()));
    for kind in kinds {
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, digits, figure)| {
                let all: Vec<f64> = of(*kind, rounds).map(figure).collect();
                spread(&all, *digits)
            })
            .collect();
        println!("| {} | {} |", kind.name(), cells.join(" | "));
    }
}

/// The aim: eight times the goodput of kernel-libipsec at an eighth of its processor time.
fn ratios(rounds: &[Round]) {
    let goodput = |kind| median(&of(kind, rounds).map(|r| r.tcp.goodput()).collect::<Vec<_>>());
    let price = |kind| {
        let both = |r: &Round| r.tcp.used.sender.iter().chain(&r.tcp.used.receiver).sum::<f64>();
        median(
            &of(kind, rounds)
                .map(|r| r.tcp.per_gigabyte(both(r)))
                .collect::<Vec<_>>(),
        )
    };
    for kind in [Kind::Handfast, Kind::HandfastSingle, Kind::Handfast50] {
        let times = goodput(kind) / goodput(Kind::LibIpsec);
        let less = price(Kind::LibIpsec) / price(kind);
        if times.is_finite() && less.is_finite() {
            println!(
                "\n{}: {times:.1} times the goodput of libipsec, {less:.1} times less CPU per gigabyte (both daemons).",
                kind.name()
            );
        }
    }
}

fn of(kind: Kind, rounds: &[Round]) -> impl Iterator<Item = &Round> {
    rounds.iter().filter(move |round| round.kind == kind)
}

/// Every figure of every round.
pub fn json(rounds: &[Round]) -> Value {
    let one = |round: &Round| {
        let udp = |n: usize| json!({ "octets": SIZES[n], "offered": round.udp[n].offered, "received": round.udp[n].received });
        let (tcp, used) = (&round.tcp, &round.tcp.used);
        json!({
            "system": round.kind.name(),
            "load": round.load,
            "tcp": {
                "gbit_per_second": tcp.goodput(),
                "octets": tcp.octets,
                "seconds": tcp.seconds,
                "cpu_seconds": {
                    "sender": { "user": used.sender[0], "system": used.sender[1] },
                    "receiver": { "user": used.receiver[0], "system": used.receiver[1] },
                    "ksoftirqd": used.ksoftirqd,
                    "tools": tcp.tools,
                    "machine": used.machine,
                },
            },
            "udp_packets_per_second": [udp(0), udp(1), udp(2)],
            "latency_us": { "mean": round.latency[0], "deviation": round.latency[1] },
        })
    };
    json!({ "rounds": rounds.iter().map(one).collect::<Vec<_>>() })
}
