//! Peers that have proven nothing: how many are half-way, from where, and the cookies that a host under load asks of
//! them (RFC 7296 section 2.6).

use std::collections::HashMap;
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use handfast_wire::header::Spi;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::context::EngineRng;
use crate::time::Instant;

/// How long a secret makes cookies; those of the one before still hold.
const SECRET_LIFE: Duration = Duration::from_secs(60);

/// What counts as one source: an IPv4 address, or a network of which whoever has an IPv6 address usually has all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Source {
    V4(Ipv4Addr),
    V6([u8; 8]),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Half-open SAs of peers.
#[derive(Default)]
pub(super) struct Strangers {
    count: usize,
    of: HashMap<Source, usize>,
}

impl Strangers {
    /// All of them.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many sources they come from.
    pub fn sources(&self) -> usize {
        self.of.len()
    }

    /// Those from the source that this address is of.
    pub fn from(&self, address: IpAddr) -> usize {
        self.of.get(&Source::from(address)).copied().unwrap_or_default()
    }

    /// An SA became or ceased to be half-open, or neither.
    pub fn changed(&mut self, address: IpAddr, was: bool, is: bool) {
        let source = Source::from(address);
        match (was, is) {
            (false, true) => {
                self.count += 1;
                *self.of.entry(source).or_default() += 1;
            }
            (true, false) => {
                self.count = self.count.saturating_sub(1);
                if let Some(count) = self.of.get_mut(&source) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.of.remove(&source);
                    }
                }
            }
            _ => {}
        }
    }
}

struct Secret {
    version: u8,
    key: [u8; 16],
    since: Instant,
}

impl Secret {
    /// The secret's version, then a keyed hash over Ni, IPi and SPIi.
    fn cookie(&self, ni: &[u8], address: IpAddr, spi_i: Spi) -> Vec<u8> {
        let mut hash = SipHasher24::new_with_key(&self.key);
        // Each of the others has a length of its own, so that no two inputs look the same.
        match address.to_canonical() {
            IpAddr::V4(address) => hash.write(&address.octets()),
            IpAddr::V6(address) => hash.write(&address.octets()),
        }
        hash.write(&spi_i.0);
        hash.write(&(ni.len() as u64).to_be_bytes());
        hash.write(ni);
        let mut cookie = vec![self.version];
        cookie.extend_from_slice(&hash.finish128().as_bytes());
        cookie
    }
}

/// Makes cookies and knows them again, keeping nothing for each. There is no secret before the first cookie.
#[derive(Default)]
pub(super) struct CookieJar {
    current: Option<Secret>,
    previous: Option<Secret>,
}

impl CookieJar {
    /// A cookie for this first message.
    pub fn make(&mut self, now: Instant, rng: &mut EngineRng, ni: &[u8], address: IpAddr, spi_i: Spi) -> Vec<u8> {
        self.rotate(now);
        let secret = self.current.get_or_insert_with(|| Secret {
            version: (self.previous.as_ref()).map_or(0, |previous| previous.version.wrapping_add(1)),
            key: rng.bytes(),
            since: now,
        });
        secret.cookie(ni, address, spi_i)
    }

    /// Whether this is a cookie that we made, not long ago, for this first message.
    pub fn is_valid(&mut self, now: Instant, (ni, address, spi_i): (&[u8], IpAddr, Spi), cookie: &[u8]) -> bool {
        self.rotate(now);
        let secrets = self.current.iter().chain(&self.previous);
        let mut of_version = secrets.filter(|s| cookie.first() == Some(&s.version));
        of_version.any(|s| same(&s.cookie(ni, address, spi_i), cookie))
    }

    /// Puts away a secret that has made cookies for long enough, and forgets one whose cookies are too old.
    fn rotate(&mut self, now: Instant) {
        if let Some(old) = self.current.take_if(|s| now.since(s.since) >= SECRET_LIFE) {
            self.previous = Some(old);
        }
        self.previous.take_if(|s| now.since(s.since) >= SECRET_LIFE * 2);
    }
}

/// Compares in a time that tells nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds))
    }

    #[test]
    fn a_cookie_holds_for_its_message_alone_and_not_for_long() {
        let mut rng = EngineRng::from_seed([7; 32]);
        let mut jar = CookieJar::default();
        let (ni, address, spi) = ([1; 32], "192.0.2.1".parse().unwrap(), Spi([2; 8]));
        let cookie = jar.make(at(1000), &mut rng, &ni, address, spi);
        assert!((1..=64).contains(&cookie.len()));
        let mut valid = |time, ni: &[u8], address: &str, spi, cookie: &[u8]| {
            jar.is_valid(at(time), (ni, address.parse().unwrap(), spi), cookie)
        };
        assert!(valid(1000, &ni, "192.0.2.1", spi, &cookie));
        assert!(valid(1059, &ni, "192.0.2.1", spi, &cookie));
        assert!(!valid(1059, &ni, "192.0.2.2", spi, &cookie));
        assert!(!valid(1059, &ni, "2001:db8::1", spi, &cookie));
        assert!(!valid(1059, &ni[..31], "192.0.2.1", spi, &cookie));
        assert!(!valid(1059, &ni, "192.0.2.1", Spi([3; 8]), &cookie));
        assert!(!valid(1059, &ni, "192.0.2.1", spi, &cookie[..16]));
        assert!(!valid(1059, &ni, "192.0.2.1", spi, &[]));
        for at in 0..cookie.len() {
            let mut wrong = cookie.clone();
            wrong[at] ^= 1;
            assert!(!valid(1059, &ni, "192.0.2.1", spi, &wrong));
        }
        // The secret has changed once, then twice.
        assert!(valid(1061, &ni, "192.0.2.1", spi, &cookie));
        assert!(!valid(1122, &ni, "192.0.2.1", spi, &cookie));
    }

    #[test]
    fn a_secret_that_was_not_used_for_long_is_forgotten_at_once() {
        let mut rng = EngineRng::from_seed([7; 32]);
        let mut jar = CookieJar::default();
        let (ni, address, spi) = ([1; 32], "192.0.2.1".parse().unwrap(), Spi([2; 8]));
        let cookie = jar.make(at(1000), &mut rng, &ni, address, spi);
        assert!(!jar.is_valid(at(1120), (&ni, address, spi), &cookie));
    }

    #[test]
    fn sources_are_counted_and_forgotten() {
        let mut strangers = Strangers::default();
        let ip = |text: &str| text.parse().unwrap();
        strangers.changed(ip("192.0.2.1"), false, true);
        strangers.changed(ip("192.0.2.1"), true, true);
        strangers.changed(ip("2001:db8::1"), false, true);
        strangers.changed(ip("2001:db8::2:1"), false, true);
        assert_eq!((strangers.count(), strangers.sources()), (3, 2));
        assert_eq!(strangers.from(ip("2001:db8::3")), 2, "one network");
        assert_eq!(strangers.from(ip("2001:db8:0:1::1")), 0);
        for address in ["192.0.2.1", "2001:db8::1", "2001:db8::2:1"] {
            strangers.changed(ip(address), true, false);
        }
        assert_eq!((strangers.count(), strangers.sources()), (0, 0));
    }
}
