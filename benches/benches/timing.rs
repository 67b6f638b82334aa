//! Whether times of key exchange depend on secrets, after dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant
//! time?", DATE 2017): two classes of inputs, fixed and random, in random order; Welch's t of their times. Every MODP group
//! by each arithmetic of this processor, and every curve.
//!
//! |t| above 10 is a leak, above 4.5 suspect. Such a test finds leaks and proves nothing; it needs a quiet machine. The
//! last line is a control, an exponentiation that is not constant-time, which must be found out.
//!
//! `cargo bench -p handfast-benches --bench timing`, or `-- modp2048 20000`: groups whose names have this in them, and so
//! many measurements of each kind.

use std::hint::black_box;

use handfast_benches::ratio::{cpu_time, trial};
use handfast_crypto::default_provider;
use handfast_crypto::provider::{CryptoError, KeyAgreement, RandomSource};
use handfast_modp::{Arithmetic, ModpGroup, PrivateKey};
use num_bigint::BigUint;

const MEASUREMENTS: usize = 4000;

/// The times of both classes, in nanoseconds of the thread's processor time.
type Times = [Vec<f64>; 2];

fn random(len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    getrandom::fill(&mut octets).unwrap_or_else(|e| panic!("{e}"));
    octets
}

/// Measures `work` with inputs of either class. What it is made ready with lies in the same place whichever class it is of.
fn sample<T>(
    count: usize,
    mut input: impl FnMut(bool) -> Vec<u8>,
    mut ready: impl FnMut(&[u8]) -> T,
    mut work: impl FnMut(T),
) -> Times {
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut place = input(false);
    for _ in 0..count {
        let class = random(1)[0] & 1;
        // Both are made, so that what making them does to caches is no difference.
        let both = [input(false), input(true)];
        for (place, octet) in place.iter_mut().zip(&both[usize::from(class)]) {
            *place = *octet;
        }
        let made = ready(black_box(&place));
        let took = cpu_time(|| work(made));
        times[usize::from(class)].push(took.as_nanos() as f64);
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

fn modp(group: ModpGroup, by: Arithmetic, count: usize) {
    let private = |fixed_one: bool| {
        let mut octets = random(group.private_len());
        octets[0] |= 0x80;
        if fixed_one { fixed(group) } else { octets }
    };
    let peer = key(group, &private(false)).public();
    let name = |what| format!("timing/{}/{}/{what}", group.name(), by.name());
    let ready = |x: &[u8]| key(group, x);
    let times = sample(count, private, ready, |key| drop(black_box(key.public_by(by))));
    print(&name("public, private value"), &times);
    let times = sample(count, private, ready, |key| drop(black_box(key.agree_by(by, &peer))));
    print(&name("agree, private value"), &times);
    // One whose powers have few digits at first, against any. Not 2: that the bounds are compared from the top, which takes
    // longer for a value with zeros there, is no secret of ours.
    let values = |fixed: bool| {
        let mut octets = random(group.public_len());
        octets[0] &= 0x7f;
        if fixed {
            octets.fill(0);
            octets[0] = 0x40;
            octets[group.public_len() - 1] = 2;
        }
        octets
    };
    let ours = key(group, &private(false));
    let times = sample(count, values, <[u8]>::to_vec, |y| {
        drop(black_box(ours.agree_by(by, &y)))
    });
    print(&name("agree, public value"), &times);
}

/// Randomness that is known.
struct Known(Vec<u8>);

impl RandomSource for Known {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        let octets = self.0.get(..out.len()).ok_or(CryptoError::Random)?;
        out.copy_from_slice(octets);
        Ok(())
    }
}

/// A curve of the provider. ring's take no randomness from outside, so that with them only public values are of two classes.
fn curve(group: &dyn KeyAgreement, count: usize) {
    let generate = |octets: &[u8]| {
        group
            .generate(&mut Known(octets.to_vec()))
            .unwrap_or_else(|e| panic!("{e}"))
    };
    // Each below the order of the curve, so that none has to be drawn again.
    let drawn = || {
        let mut octets = random(80);
        octets[0] &= 0x7f;
        octets
    };
    let [peer, other] = [0; 2].map(|_| generate(&drawn()).public().to_vec());
    let name = |what| format!("timing/{}/{what}", group.id());
    // The fixed one is small.
    let private = |fixed_one: bool| {
        let mut octets = drawn();
        if fixed_one {
            octets.fill(0);
            octets[group.shared_len() - 1] = 3;
        }
        octets
    };
    let chosen = [private(true), private(true)].map(|octets| generate(&octets).public().to_vec());
    if chosen[0] == chosen[1] {
        let times = sample(count, private, <[u8]>::to_vec, |octets| {
            drop(black_box(generate(&octets)))
        });
        print(&name("public, private value"), &times);
        let times = sample(count, private, generate, |key| drop(black_box(key.agree(&peer))));
        print(&name("agree, private value"), &times);
    }
    // One point against any of some, each made before.
    let points: Vec<Vec<u8>> = (0..64).map(|_| generate(&drawn()).public().to_vec()).collect();
    let values = |fixed: bool| {
        let any = &points[usize::from(random(1)[0]) % points.len()];
        if fixed { other.clone() } else { any.clone() }
    };
    let ready = |y: &[u8]| (generate(&drawn()), y.to_vec());
    let times = sample(count, values, ready, |(key, y)| drop(black_box(key.agree(&y))));
    print(&name("agree, public value"), &times);
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
    let times = sample(count, private, <[u8]>::to_vec, |x| {
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
    if trial() {
        return control(ModpGroup::legacy(2).unwrap_or_else(|e| panic!("{e}")), 40);
    }
    // A number among the arguments is no filter.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count: Option<usize> = arguments.iter().find_map(|argument| argument.parse().ok());
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-') && argument.parse::<usize>().is_err())
        .collect();
    let asked = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let legacy = [2, 5].map(|number| ModpGroup::legacy(number).unwrap_or_else(|e| panic!("{e}")));
    for group in legacy.into_iter().chain(ModpGroup::all()) {
        // So that the largest takes no more than half a minute.
        let measurements = match group.public_len() * 8 {
            ..=3072 => MEASUREMENTS,
            4096 => 2000,
            _ => 1000,
        };
        for by in Arithmetic::available() {
            if asked(&format!("timing/{}/{}", group.name(), by.name())) {
                modp(group, by, count.unwrap_or(measurements));
            }
        }
    }
    for group in default_provider().groups {
        if !group.id().to_string().starts_with("modp") && asked(&format!("timing/{}", group.id())) {
            curve(*group, count.unwrap_or(MEASUREMENTS));
        }
    }
    if let (Ok(chosen), true) = (ModpGroup::by_number(14), asked("timing/modp2048")) {
        control(chosen, count.unwrap_or(MEASUREMENTS));
    }
}
