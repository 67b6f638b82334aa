//! Curves that ring has not: P-521 (RFC 5903) and Brainpool's (RFC 6954).

use core::marker::PhantomData;

use bp256::BrainpoolP256r1;
use bp384::BrainpoolP384r1;
use p521::NistP521;
use p521::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p521::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::provider::{CryptoError, EphemeralKey, KeyAgreement, RandomSource};
use crate::secret::Secret;
use crate::transform::Group;

/// The curves. The order of P-521 has 521 bits, so one of the first octet.
pub(in crate::providers) static ECP521: Curve<NistP521> = Curve::new(Group::ECP521, 66, 0x01);
pub(in crate::providers) static BRAINPOOL256: Curve<BrainpoolP256r1> = Curve::new(Group::BRAINPOOL256, 32, 0xff);
pub(in crate::providers) static BRAINPOOL384: Curve<BrainpoolP384r1> = Curve::new(Group::BRAINPOOL384, 48, 0xff);

/// Octets of the longest coordinate.
const LONGEST: usize = 66;

/// IKE sends X | Y (RFC 5903 section 7, RFC 6954 section 3); SEC 1 puts this before it.
const UNCOMPRESSED: u8 = 4;

/// How often a private value is drawn. Each is below the order with a probability of at least 0.54 (brainpoolP384r1), so
/// that only a source that is broken needs more.
const TRIES: usize = 128;

/// A curve with cofactor 1, so that a point on it, other than infinity, has the curve's order.
pub(in crate::providers) struct Curve<C> {
    id: Group,
    len: usize,
    first_octet: u8,
    curve: PhantomData<fn() -> C>,
}

impl<C> Curve<C> {
    const fn new(id: Group, len: usize, first_octet: u8) -> Self {
        Self {
            id,
            len,
            first_octet,
            curve: PhantomData,
        }
    }
}

impl<C> KeyAgreement for Curve<C>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    SecretKey<C>: Send + Sync,
{
    fn id(&self) -> Group {
        self.id
    }

    fn public_len(&self) -> usize {
        self.len * 2
    }

    fn shared_len(&self) -> usize {
        self.len
    }

    fn generate(&self, random: &mut dyn RandomSource) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let private = self.draw(random)?;
        let public = private.public_key().to_sec1_point(false);
        let (_, public) = public.as_bytes().split_first().ok_or(CryptoError::Length)?;
        Ok(Box::new(CurveKey {
            private,
            public: public.to_vec(),
        }))
    }
}

impl<C: CurveArithmetic> Curve<C> {
    /// A private value from 1 to the order less one, all equally likely: what is outside is thrown away (RFC 5903 section
    /// 6; SP 800-56A section 5.6.1.2.2).
    fn draw(&self, random: &mut dyn RandomSource) -> Result<SecretKey<C>, CryptoError> {
        let mut octets = Zeroizing::new([0; LONGEST]);
        let octets = octets.get_mut(..self.len).ok_or(CryptoError::Length)?;
        for _ in 0..TRIES {
            random.fill(octets)?;
            if let Some(first) = octets.first_mut() {
                *first &= self.first_octet;
            }
            if let Ok(private) = SecretKey::from_slice(octets) {
                return Ok(private);
            }
        }
        Err(CryptoError::Random)
    }
}

struct CurveKey<C: CurveArithmetic> {
    private: SecretKey<C>,
    public: Vec<u8>,
}

impl<C> EphemeralKey for CurveKey<C>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    SecretKey<C>: Send + Sync,
{
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        if peer.len() != self.public.len() {
            return Err(CryptoError::InvalidPublic);
        }
        let mut point = [UNCOMPRESSED; 1 + 2 * LONGEST];
        let point = point.get_mut(..=peer.len()).ok_or(CryptoError::Length)?;
        if let Some((_, coordinates)) = point.split_first_mut() {
            coordinates.copy_from_slice(peer);
        }
        // This checks that coordinates are in range and that the point is on the curve (RFC 6989 section 2.3).
        let public = PublicKey::<C>::from_sec1_bytes(point).map_err(|_| CryptoError::InvalidPublic)?;
        let shared = self.private.diffie_hellman(&public);
        Ok(Secret::from(&shared.raw_secret_bytes()[..]))
    }
}

#[cfg(test)]
mod tests;
