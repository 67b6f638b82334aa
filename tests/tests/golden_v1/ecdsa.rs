//! ECDSA on P-256 over a hash that is made already: HASH_I and HASH_R are signed as they are (RFC 4754 section 7;
//! strongSwan hashes them no further), which the verifiers of the published crates do not offer. Slow and plain.

use num_bigint::BigUint;

struct Curve {
    p: BigUint,
    n: BigUint,
    g: Point,
}

type Point = (BigUint, BigUint);

fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).unwrap()
}

fn p256() -> Curve {
    Curve {
        p: number("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
        n: number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        g: (
            number("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
            number("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
        ),
    }
}

/// 1/x mod m, for a prime m.
fn inverse(x: &BigUint, m: &BigUint) -> BigUint {
    x.modpow(&(m - 2u32), m)
}

impl Curve {
    /// `a - b`, of numbers below p.
    fn minus(&self, a: &BigUint, b: &BigUint) -> BigUint {
        (a + &self.p - b) % &self.p
    }

    /// The sum of two points, neither of which is the other's negative.
    fn add(&self, a: &Point, b: &Point) -> Point {
        let (over, under) = if a == b {
            // a = -3 on this curve.
            (
                self.minus(&(&a.0 * &a.0 * 3u32 % &self.p), &BigUint::from(3u32)),
                &a.1 * 2u32,
            )
        } else {
            (self.minus(&b.1, &a.1), self.minus(&b.0, &a.0))
        };
        let slope = over * inverse(&(under % &self.p), &self.p) % &self.p;
        let x = self.minus(&self.minus(&(&slope * &slope % &self.p), &a.0), &b.0);
        let y = self.minus(&(slope * self.minus(&a.0, &x) % &self.p), &a.1);
        (x, y)
    }

    fn times(&self, point: &Point, scalar: &BigUint) -> Point {
        let mut sum = point.clone();
        for bit in (0..scalar.bits() - 1).rev() {
            sum = self.add(&sum, &sum);
            if scalar.bit(bit) {
                sum = self.add(&sum, point);
            }
        }
        sum
    }
}

/// Whether `signature`, r and s of 32 octets each, is one of `hash` by the P-256 key of `certificate`.
pub fn verifies(certificate: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    // BIT STRING of 66 octets: no unused bits, an uncompressed point.
    let head = [0x03, 0x42, 0x00, 0x04];
    let at = certificate
        .windows(head.len())
        .position(|w| w == head)
        .expect("a P-256 key")
        + head.len();
    let (x, y) = certificate[at..at + 64].split_at(32);
    let key = (BigUint::from_bytes_be(x), BigUint::from_bytes_be(y));
    let curve = p256();
    let (r, s) = signature.split_at(32);
    let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
    let w = inverse(&s, &curve.n);
    let u1 = BigUint::from_bytes_be(hash) * &w % &curve.n;
    let u2 = &r * &w % &curve.n;
    let sum = curve.add(&curve.times(&curve.g, &u1), &curve.times(&key, &u2));
    signature.len() == 64 && sum.0 % &curve.n == r
}
