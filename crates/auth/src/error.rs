//! What goes wrong: on our side ([`AuthError`]) and with the peer's proof ([`AuthRefusal`]). Neither holds a secret.

use handfast_wire::numbers::AuthMethod;

/// Why we could not make our own proof.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The preshared key is empty. It would prove nothing.
    #[error("the preshared key is empty; set a secret for this connection")]
    EmptySecret,
}

/// Why the peer's proof was not accepted, said to the owner of this side.
///
/// The peer hears AUTHENTICATION_FAILED whatever this is (RFC 7296 section 2.21.2).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthRefusal {
    /// The peer used another method than the one configured for it.
    #[error(
        "the peer authenticated with {received}, but {expected} is configured for it: \
         set both ends to the same method"
    )]
    WrongMethod {
        /// What we wanted.
        expected: AuthMethod,
        /// What came.
        received: AuthMethod,
    },
    /// The AUTH payload does not fit the preshared key.
    #[error(
        "the peer's proof does not fit the preshared key: the two ends have different secrets (look for a space or line \
         end too many, or text on one side and hex or base64 on the other), or the peer used the secret of another \
         connection, or the exchange was altered on its way"
    )]
    BadProof,
    /// The AUTH payload has the length of another PRF's output.
    #[error(
        "the peer's proof has {received} octets where the negotiated PRF makes {expected}: \
         the peer computes AUTH in another way"
    )]
    ProofLength {
        /// Output of the negotiated PRF in octets.
        expected: usize,
        /// Octets that came.
        received: usize,
    },
    /// The AUTH payload is empty.
    #[error("the peer's AUTH payload holds no proof")]
    EmptyProof,
    /// Our side's preshared key for this peer is empty: nobody can prove it.
    #[error("the preshared key for this peer is empty here; set a secret for this connection")]
    EmptySecret,
}
