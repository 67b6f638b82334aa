//! Glue to nom: positions in place of remaining input.

use nom::error::{Error, ErrorKind};
use nom::{IResult, Parser};

use crate::ParseError;

/// Runs `parser` on `input`; gives the rest and the value, or `reason` with the offset at which it failed.
pub(crate) fn run<'a, O>(
    input: &'a [u8],
    reason: &'static str,
    mut parser: impl Parser<&'a [u8], Output = O, Error = Error<&'a [u8]>>,
) -> Result<(&'a [u8], O), ParseError> {
    parser.parse(input).map_err(|error| {
        let rest = match error {
            nom::Err::Error(e) | nom::Err::Failure(e) => e.input.len(),
            nom::Err::Incomplete(_) => 0,
        };
        ParseError::new(input.len().saturating_sub(rest), reason)
    })
}

/// Exactly `N` octets.
pub(crate) fn octets<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N]> {
    match input.split_first_chunk() {
        Some((head, rest)) => Ok((rest, *head)),
        None => Err(nom::Err::Error(Error::new(input, ErrorKind::Eof))),
    }
}

/// A length field's value. What exceeds it cannot be sent in any datagram; the field then holds its largest value,
/// which no parser takes for the real length.
pub(crate) fn length16(octets: usize) -> u16 {
    u16::try_from(octets).unwrap_or(u16::MAX)
}
