//! Whether MODP's times depend on secrets, after dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?",
//! DATE 2017): two classes of inputs, fixed and random, in random order; Welch's t of their times.
//!
//! |t| above 10 is a leak, above 4.5 suspect. Such a test finds leaks and proves nothing; it needs a quiet machine. The
//! last line is a control, an exponentiation that is not constant-time, which must be found out.
//!
//! `cargo bench -p handfast-benches --bench timing`, 4000 measurements of each kind, or `-- 20000`.

use std::hint::black_box;
use std::time::Instant;

use handfast_modp::{Arithmetic, ModpGroup, PrivateKey};
use num_bigint::BigUint;

const MEASUREMENTS: usize = 4000;

/// The times of both classes, in nanoseconds.
type Times = [Vec<f64>; 2];

fn random(len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    getrandom::fill(&mut octets).unwrap_or_else(|e| panic!("{e}"));
    octets
}

/// Measures `work` with inputs of either class. What `work` reads lies in the same place whichever class it is of.
fn sample(count: usize, mut input: impl FnMut(bool) -> Vec<u8>, mut work: impl FnMut(&[u8])) -> Times {
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut place = input(false);
    for _ in 0..count {
        let class = random(1)[0] & 1;
        // Both are made, so that what making them does to caches is no difference.
        let both = [input(false), input(true)];
        for (place, octet) in place.iter_mut().zip(&both[usize::from(class)]) {
            *place = *octet;
        }
        let start = Instant::now();
        work(black_box(&place));
        times[usize::from(class)].push(start.elapsed().as_nanos() as f64);
    }
    times
}

/// Welch's t of what lies below a limit.
fn welch(times: &Times, limit: f64) -> f64 {
    let [a, b] = times.each_ref().map(|times| {
        let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= limit).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}

/// The largest t of all times, and of those below some percentiles, as interruptions lie above.
fn print(name: &str, times: &Times) {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let limits = [50, 80, 90, 95, 99, 100].map(|percent| all[(all.len() - 1) * percent / 100]);
    let worst = limits
        .map(|limit| welch(times, limit))
        .into_iter()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (count, median) = (all.len(), all[all.len() / 2]);
    println!(
        "{name:44} {count:>7} measurements  median {median:>9.0} ns  t {:>7.2}",
        worst.unwrap_or(f64::NAN)
    );
}

/// A private value that is as far from random as can be: its top bit and its lowest, and zeros between.
fn fixed(group: ModpGroup) -> Vec<u8> {
    let mut octets = vec![0; group.private_len()];
    octets[0] = 0x80;
    octets[group.private_len() - 1] = 1;
    octets
}

fn key(group: ModpGroup, octets: &[u8]) -> PrivateKey {
    PrivateKey::from_octets(group, octets).unwrap_or_else(|e| panic!("{e}"))
}

fn group(group: ModpGroup, count: usize) {
    let private = |fixed_one: bool| {
        let mut octets = random(group.private_len());
        octets[0] |= 0x80;
        if fixed_one { fixed(group) } else { octets }
    };
    let peer = key(group, &private(false)).public();
    for by in Arithmetic::available() {
        let name = |what| format!("timing/{}/{}/{what}", group.name(), by.name());
        let times = sample(count, private, |x| drop(black_box(key(group, x).public_by(by))));
        print(&name("public, private value"), &times);
        let times = sample(count, private, |x| drop(black_box(key(group, x).agree_by(by, &peer))));
        print(&name("agree, private value"), &times);
        // 2, whose powers have few digits at first, against any.
        let values = |fixed: bool| {
            let mut octets = random(group.public_len());
            octets[0] &= 0x7f;
            if fixed {
                octets.fill(0);
                octets[group.public_len() - 1] = 2;
            }
            octets
        };
        let ours = key(group, &private(false));
        let times = sample(count, values, |y| drop(black_box(ours.agree_by(by, y))));
        print(&name("agree, public value"), &times);
    }
}

/// Squares for every bit, and multiplies for those that are set.
fn control(group: ModpGroup, count: usize) {
    let (prime, base) = (BigUint::from_bytes_be(&group.prime()), BigUint::from(3_u8));
    let private = |fixed_one| {
        if fixed_one {
            fixed(group)
        } else {
            random(group.private_len())
        }
    };
    let times = sample(count, private, |x| {
        let mut power = BigUint::from(1_u8);
        for bit in (0..8 * x.len()).rev() {
            power = &power * &power % &prime;
            if x[x.len() - 1 - bit / 8] >> (bit % 8) & 1 == 1 {
                power = power * &base % &prime;
            }
        }
        black_box(power);
    });
    print(&format!("timing/{}/not constant, private value", group.name()), &times);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == "--test" || argument == "--list")
    {
        return;
    }
    let count = arguments.iter().find_map(|argument| argument.parse().ok());
    for number in [14, 15] {
        if let Ok(chosen) = ModpGroup::by_number(number) {
            group(chosen, count.unwrap_or(MEASUREMENTS));
        }
    }
    if let Ok(chosen) = ModpGroup::by_number(14) {
        control(chosen, count.unwrap_or(MEASUREMENTS));
    }
}
