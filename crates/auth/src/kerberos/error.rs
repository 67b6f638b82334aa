//! What goes wrong with Kerberos: for our own log, with the library's words. The peer hears one notify.

use std::fmt;

use super::pattern::PrincipalRefusal;

/// Why a call failed, or its outcome was not accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GssError {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// Whose.
    pub origin: Origin,
    /// What was being done ("getting a ticket").
    pub stage: &'static str,
    /// Kerberos's own words, or what was found.
    pub words: String,
}

/// Whose trouble it is. An initiator may go on with its next method only if it is ours: what comes from the peer, whom
/// nobody authenticated yet, must not choose the method.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// Found here, before anything of the peer was looked at.
    Local,
    /// Found in, or caused by, what the peer sent.
    Peer,
}

/// Kinds of trouble, each with its advice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No GSS-API library, or one that is not MIT's.
    NoLibrary,
    /// No keytab, no key of the principal in it, no ticket.
    NoCredentials,
    /// No KDC answers.
    NoKdc,
    /// The KDC does not know our principal or the peer's.
    UnknownPrincipal,
    /// Ticket, account or password expired.
    Expired,
    /// Clocks differ.
    ClockSkew,
    /// A keytab and the KDC have different keys.
    StaleKeytab,
    /// An authentic peer of a realm that is not accepted.
    WrongRealm,
    /// An authentic peer that is not the one we want.
    WrongPrincipal,
    /// The token was used before.
    Replay,
    /// The token, or what was wrapped, is no good.
    BadToken,
    /// The context does not authenticate both sides, protects nothing, or is not Kerberos's.
    Unprotected,
    /// No thread is free to ask Kerberos.
    Busy,
    /// No answer within the time given.
    Deadline,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Its name in documents ("no-kdc").
    pub fn name(self) -> &'static str {
        match self {
            Self::NoLibrary => "no-library",
            Self::NoCredentials => "no-credentials",
            Self::NoKdc => "no-kdc",
            Self::UnknownPrincipal => "unknown-principal",
            Self::Expired => "expired",
            Self::ClockSkew => "clock-skew",
            Self::StaleKeytab => "stale-keytab",
            Self::WrongRealm => "wrong-realm",
            Self::WrongPrincipal => "wrong-principal",
            Self::Replay => "replay",
            Self::BadToken => "bad-token",
            Self::Unprotected => "unprotected",
            Self::Busy => "busy",
            Self::Deadline => "deadline",
            Self::Other => "other",
        }
    }

    /// What its owner can do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoLibrary => "install MIT Kerberos (Debian: libgssapi-krb5-2)",
            Self::NoCredentials => {
                "the keytab must be there, readable by the daemon, and hold a key of the principal; or the credential cache \
                 must hold a ticket"
            }
            Self::NoKdc => "is the KDC up, and does krb5.conf or DNS name it for this realm?",
            Self::UnknownPrincipal => {
                "one of the two principals is not in the KDC's database: compare spelling and realm"
            }
            Self::Expired => {
                "renew it (kinit, or a keytab that can), or have the KDC's administrator extend the account"
            }
            Self::ClockSkew => "set the clocks of this host, of the peer and of the KDC by NTP",
            Self::StaleKeytab => {
                "the keytab lacks the key that the KDC uses: write it again (ktadd), and compare the principal"
            }
            Self::WrongRealm => "if that is your peer, name its realm in the connection",
            Self::WrongPrincipal => "if that is your peer, name its principal in the connection",
            Self::Replay => {
                "somebody repeats what they have heard, or two services of this host share one replay cache"
            }
            Self::BadToken => "the two ends do not speak the same Kerberos, or the exchange was altered on its way",
            Self::Unprotected => "the peer must ask for mutual authentication and integrity",
            Self::Busy => "every thread waits for Kerberos: is the KDC slow or gone?",
            Self::Deadline => "Kerberos did not answer in time: is the KDC slow or gone?",
            Self::Other => "look at the KDC's log; KRB5_TRACE=/dev/stderr shows what the library does",
        }
    }

    /// What a failed call of the library means.
    pub fn of(major: u32, minor: u32, reading: Reading) -> Self {
        let of_peer = reading != Reading::Nothing;
        match kerberos_code(minor) {
            Some(154 | 156 | 220) => Self::NoKdc,
            Some(6 | 7 | 155) => Self::UnknownPrincipal,
            Some(1 | 2 | 23 | 32) => Self::Expired,
            Some(33 | 37 | 148) => Self::ClockSkew,
            Some(34 | 163) => Self::Replay,
            // The key is that of the context: no keytab has a part in it.
            Some(24 | 31 | 35 | 44 | 45 | 144 | 181 | 230) if reading == Reading::Answer => Self::BadToken,
            // On the way in, the ticket is of a key that the keytab lacks; on the way out, the KDC did not take ours.
            Some(24 | 31 | 35 | 44 | 45 | 144 | 230) => Self::StaleKeytab,
            Some(181) if reading == Reading::Question => Self::StaleKeytab,
            Some(36 | 38..=43 | 46 | 47 | 49 | 50 | 143 | 158) => Self::BadToken,
            Some(68 | 185) => Self::WrongRealm,
            Some(141 | 181 | 182 | 193 | 194 | 195 | 196 | 199 | 203 | 235) => Self::NoCredentials,
            // Routine errors of RFC 2744 section 3.9.1.
            _ => match (major >> 16) & 0xff {
                // There were credentials, but none for the mechanism of the token.
                1 | 7 if of_peer => Self::BadToken,
                13 if of_peer && minor == 0 => Self::BadToken,
                7 | 10 => Self::NoCredentials,
                11 | 12 => Self::Expired,
                6 | 9 => Self::BadToken,
                _ => Self::Other,
            },
        }
    }
}

/// What of the peer the library was looking at when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reading {
    /// Nothing yet.
    Nothing,
    /// An initiator's token, which is opened with a key of the keytab.
    Question,
    /// Anything after that, which is of the context's own key.
    Answer,
}

/// The number of an error in MIT's table "krb5", whose first numbers are those of RFC 4120 section 7.5.9.
fn kerberos_code(minor: u32) -> Option<u32> {
    const TABLE: u32 = (-1_765_328_384_i32).cast_unsigned();
    minor.checked_sub(TABLE).filter(|code| *code < 256)
}

impl GssError {
    /// Trouble of ours.
    pub fn local(kind: ErrorKind, stage: &'static str, words: impl Into<String>) -> Self {
        Self {
            kind,
            origin: Origin::Local,
            stage,
            words: words.into(),
        }
    }

    /// Trouble with the peer.
    pub fn peer(kind: ErrorKind, stage: &'static str, words: impl Into<String>) -> Self {
        Self {
            origin: Origin::Peer,
            ..Self::local(kind, stage, words)
        }
    }

    /// No thread is free.
    pub fn busy(words: impl Into<String>) -> Self {
        Self::local(ErrorKind::Busy, "asking Kerberos", words)
    }

    /// The time is over.
    pub fn deadline(words: impl Into<String>) -> Self {
        Self::local(ErrorKind::Deadline, "asking Kerberos", words)
    }

    /// The same, caused by the peer.
    #[must_use]
    pub(super) fn by_peer(mut self) -> Self {
        self.origin = Origin::Peer;
        self
    }

    /// Whether an initiator may begin again with its next method.
    pub fn is_local(&self) -> bool {
        self.origin == Origin::Local
    }
}

impl From<PrincipalRefusal> for GssError {
    fn from(refusal: PrincipalRefusal) -> Self {
        let kind = match refusal {
            PrincipalRefusal::Realm { .. } => ErrorKind::WrongRealm,
            PrincipalRefusal::Principal { .. } => ErrorKind::WrongPrincipal,
        };
        Self::peer(kind, "judging the peer's principal", refusal.to_string())
    }
}

impl fmt::Display for GssError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Kerberos failed in {}: {} ({})",
            self.stage,
            self.words,
            self.kind.advice()
        )
    }
}

impl std::error::Error for GssError {}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURE: u32 = 13 << 16;

    fn krb5(code: i32) -> u32 {
        (-1_765_328_384 + code).cast_unsigned()
    }

    #[test]
    fn kerberos_numbers_say_what_is_wrong() {
        for (code, reading, kind) in [
            (156, Reading::Nothing, ErrorKind::NoKdc),
            (37, Reading::Question, ErrorKind::ClockSkew),
            (32, Reading::Question, ErrorKind::Expired),
            (34, Reading::Question, ErrorKind::Replay),
            (181, Reading::Question, ErrorKind::StaleKeytab),
            (181, Reading::Nothing, ErrorKind::NoCredentials),
            (31, Reading::Nothing, ErrorKind::StaleKeytab),
            (31, Reading::Question, ErrorKind::StaleKeytab),
            (31, Reading::Answer, ErrorKind::BadToken),
            (7, Reading::Nothing, ErrorKind::UnknownPrincipal),
            (60, Reading::Nothing, ErrorKind::Other),
        ] {
            assert_eq!(ErrorKind::of(FAILURE, krb5(code), reading), kind, "{code}");
        }
    }

    #[test]
    fn without_one_the_major_status_does() {
        assert_eq!(ErrorKind::of(7 << 16, 0, Reading::Nothing), ErrorKind::NoCredentials);
        assert_eq!(ErrorKind::of(7 << 16, 0, Reading::Question), ErrorKind::BadToken);
        assert_eq!(ErrorKind::of(9 << 16, 2, Reading::Question), ErrorKind::BadToken);
        assert_eq!(ErrorKind::of(FAILURE, 0, Reading::Question), ErrorKind::BadToken);
        assert_eq!(ErrorKind::of(FAILURE, 0, Reading::Nothing), ErrorKind::Other);
        assert_eq!(ErrorKind::of(FAILURE, 13, Reading::Question), ErrorKind::Other);
        // The table begins at a number that is large as an unsigned one; smaller and larger ones are of others.
        assert_eq!(kerberos_code(krb5(0)), Some(0));
        assert_eq!((kerberos_code(krb5(256)), kerberos_code(krb5(-1))), (None, None));
    }

    #[test]
    fn an_error_says_what_and_what_to_do() {
        let error = GssError::local(ErrorKind::NoKdc, "getting a ticket", "Cannot contact any KDC");
        let text = error.to_string();
        assert!(
            text.contains("Cannot contact any KDC") && text.contains("is the KDC up"),
            "{text}"
        );
        assert!(error.is_local() && !error.by_peer().is_local());
    }
}
