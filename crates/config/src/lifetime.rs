//! The keys that say how long an SA may be used, and what a child SA may carry.

use std::time::Duration;

use handfast_engine::policy::ChildPolicy;
use handfast_plane::op::{Limits, Volume};

use crate::connection::span;
use crate::section::{Reader, Section};
use crate::units::{SIZE, Size};

/// No limit.
const OFF: u64 = u64::MAX;
/// What an SA carries at least before it is replaced: fewer and it does nothing but that.
const LEAST_BYTES: u64 = 64 << 10;
const LEAST_PACKETS: u64 = 64;
/// How much older than `rekey` an SA may at least become: two attempts to replace it may fail.
const GRACE: Duration = Duration::from_secs(120);

/// What one table says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends {
    lifetime: Option<Duration>,
    rekey_bytes: Option<u64>,
    rekey_packets: Option<u64>,
    lifetime_bytes: Option<u64>,
    lifetime_packets: Option<u64>,
}

impl Ends {
    pub fn read(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Self {
        let mut packets = |key| {
            let written = s.number_or_off(reader, key, LEAST_PACKETS, i64::MAX as u64);
            written.map(|n| n.unwrap_or(OFF))
        };
        let (rekey_packets, lifetime_packets) = (packets("rekey_packets"), packets("lifetime_packets"));
        Self {
            lifetime: span(s, reader, "lifetime"),
            rekey_bytes: size(s, reader, "rekey_bytes"),
            rekey_packets,
            lifetime_bytes: size(s, reader, "lifetime_bytes"),
            lifetime_packets,
        }
    }

    /// What this table does not say, another does.
    pub fn or(self, other: Self) -> Self {
        Self {
            lifetime: self.lifetime.or(other.lifetime),
            rekey_bytes: self.rekey_bytes.or(other.rekey_bytes),
            rekey_packets: self.rekey_packets.or(other.rekey_packets),
            lifetime_bytes: self.lifetime_bytes.or(other.lifetime_bytes),
            lifetime_packets: self.lifetime_packets.or(other.lifetime_packets),
        }
    }

    /// The age at which a child ends.
    pub fn lifetime(&self, rekey: Duration) -> Duration {
        self.lifetime.unwrap_or_else(|| after(rekey))
    }

    /// What a child may carry; the hard limits by themselves a quarter above the soft ones.
    pub fn limits(&self) -> Limits {
        let soft = Volume {
            bytes: self.rekey_bytes.unwrap_or(OFF),
            packets: self.rekey_packets.unwrap_or(OFF),
        };
        let more = |n: u64| n.saturating_add(n / 4);
        let hard = Volume {
            bytes: self.lifetime_bytes.unwrap_or(more(soft.bytes)),
            packets: self.lifetime_packets.unwrap_or(more(soft.packets)),
        };
        Limits { soft, hard }
    }
}

/// The age at which an SA ends by itself: a tenth later than it is replaced.
pub(crate) fn after(rekey: Duration) -> Duration {
    if rekey.is_zero() {
        Duration::ZERO
    } else {
        rekey + (rekey / 10).max(GRACE)
    }
}

/// Whether a connection's IKE SA is replaced before it ends.
pub(crate) fn check_ike(reader: &mut Reader<'_>, name: &str, s: &Section<'_, '_>, rekey: Duration, lifetime: Duration) {
    if !rekey.is_zero() && !lifetime.is_zero() && lifetime <= rekey {
        not_more(reader, name, s, "ike_lifetime", "ike_rekey");
    }
}

fn not_more(reader: &mut Reader<'_>, full: &str, s: &Section<'_, '_>, hard: &str, soft: &str) {
    let message = format!("{hard} of {full} is not more than its {soft}");
    let hint = format!("without {hard} it follows from {soft}");
    reader.error(s.at_of(hard), message, &format!("a larger {hard}"), &hint);
}

/// Whether a child called `full` is replaced before it ends.
pub(crate) fn check(reader: &mut Reader<'_>, full: &str, s: &Section<'_, '_>, policy: &ChildPolicy) {
    let (rekey, lifetime, limits) = (policy.rekey, policy.lifetime, policy.limits);
    let ended = !rekey.is_zero() && !lifetime.is_zero() && lifetime <= rekey;
    let pairs = [
        ("lifetime", "rekey", ended),
        (
            "lifetime_bytes",
            "rekey_bytes",
            limits.soft.bytes != OFF && limits.hard.bytes <= limits.soft.bytes,
        ),
        (
            "lifetime_packets",
            "rekey_packets",
            limits.soft.packets != OFF && limits.hard.packets <= limits.soft.packets,
        ),
    ];
    for (hard, soft, wrong) in pairs {
        if wrong {
            not_more(reader, full, s, hard, soft);
        }
    }
}

/// An amount of octets, or off.
fn size(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, key: &'static str) -> Option<u64> {
    let (text, at) = s.text(reader, key, SIZE)?;
    if text == "off" {
        return Some(OFF);
    }
    match text.parse::<Size>() {
        Ok(Size(size)) if size >= LEAST_BYTES => Some(size),
        Ok(_) => {
            let message = format!("{key}: {text:?} is too little");
            reader.error(at, message, "64KiB or more, or \"off\"", "");
            None
        }
        Err(why) => {
            reader.error(at, format!("{key}: {why}"), SIZE, "");
            None
        }
    }
}
