//! Times of X.509 (RFC 5280 section 4.1.2.5).

use std::fmt;

use super::der::{Der, DerError, element, tag};

/// Seconds since 1970, UTC. Years from 1950 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(pub i64);

const DAY: i64 = 86_400;
/// 2050-01-01: from here on GeneralizedTime.
const UTC_TIME_ENDS: i64 = 2_524_608_000;

impl Time {
    /// Reads UTCTime or GeneralizedTime, in Zulu and with seconds, as RFC 5280 wants both.
    pub(crate) fn parse(der: &mut Der<'_>, field: &'static str) -> Result<Self, DerError> {
        let fail = || DerError {
            field,
            what: "no time as RFC 5280 has it",
        };
        let tlv = der.any(field)?;
        let (year, rest) = match (tlv.tag, tlv.value) {
            (tag::UTC_TIME, [a, b, rest @ ..]) => {
                let year = number(&[*a, *b]).ok_or_else(fail)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            (tag::GENERALIZED_TIME, [a, b, c, d, rest @ ..]) => (number(&[*a, *b, *c, *d]).ok_or_else(fail)?, rest),
            _ => return Err(fail()),
        };
        let [digits @ .., b'Z'] = rest else {
            return Err(fail());
        };
        if digits.len() != 10 {
            return Err(fail());
        }
        let fields: Option<Vec<i64>> = digits.chunks(2).map(number).collect();
        match fields.as_deref() {
            Some(&[month @ 1..=12, day, hour @ 0..=23, minute @ 0..=59, second @ 0..=60])
                if (1..=days_in(year, month)).contains(&day) =>
            {
                let days = days_before(year, month) + day - 1;
                Ok(Self(days * DAY + hour * 3600 + minute * 60 + second))
            }
            _ => Err(fail()),
        }
    }

    /// As certificates have it.
    pub(crate) fn to_der(self) -> Vec<u8> {
        let Date {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self.date();
        let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
        if (0..UTC_TIME_ENDS).contains(&self.0) {
            element(tag::UTC_TIME, &[format!("{:02}{rest}", year % 100).as_bytes()])
        } else {
            element(tag::GENERALIZED_TIME, &[format!("{year:04}{rest}").as_bytes()])
        }
    }

    /// This much later.
    pub fn plus_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(i64::from(days) * DAY))
    }

    fn date(self) -> Date {
        let (days, seconds) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let mut year = 1970 + days.div_euclid(366).clamp(-1970, 8029);
        while year < 9999 && days_before(year + 1, 1) <= days {
            year += 1;
        }
        let mut month = 1;
        while month < 12 && days_before(year, month + 1) <= days {
            month += 1;
        }
        Date {
            year,
            month,
            day: days - days_before(year, month) + 1,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
            date.year, date.month, date.day, date.hour, date.minute, date.second
        )
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + i64::from(digit - b'0')),
        _ => None,
    })
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of this month.
fn days_before(year: i64, month: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    (year - 1970) * 365 + leap_days + months
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(tag: u8, text: &str) -> Option<i64> {
        let der = element(tag, &[text.as_bytes()]);
        Time::parse(&mut Der::new(&der), "x").ok().map(|time| time.0)
    }

    #[test]
    fn times_are_read_and_written() {
        // Against `date -u -d TEXT +%s`.
        for (kind, text, seconds, shown) in [
            (tag::UTC_TIME, "700101000000Z", 0, "1970-01-01 00:00:00 UTC"),
            (tag::UTC_TIME, "261124060418Z", 1_795_500_258, "2026-11-24 06:04:18 UTC"),
            (tag::UTC_TIME, "000229235959Z", 951_868_799, "2000-02-29 23:59:59 UTC"),
            (tag::UTC_TIME, "491231235959Z", 2_524_607_999, "2049-12-31 23:59:59 UTC"),
            (tag::UTC_TIME, "500101000000Z", -631_152_000, "1950-01-01 00:00:00 UTC"),
            (
                tag::GENERALIZED_TIME,
                "20500101000000Z",
                2_524_608_000,
                "2050-01-01 00:00:00 UTC",
            ),
            (
                tag::GENERALIZED_TIME,
                "99991231235959Z",
                253_402_300_799,
                "9999-12-31 23:59:59 UTC",
            ),
        ] {
            assert_eq!(read(kind, text), Some(seconds), "{text}");
            assert_eq!(Time(seconds).to_string(), shown);
            let der = Time(seconds).to_der();
            assert_eq!(Time::parse(&mut Der::new(&der), "x").unwrap(), Time(seconds));
        }
    }

    #[test]
    fn other_times_are_refused() {
        for text in [
            "",
            "2611240604Z",
            "261124060418",
            "261324060418Z",
            "260229000000Z",
            "261124240000Z",
            "26112406041+Z",
        ] {
            assert_eq!(read(tag::UTC_TIME, text), None, "{text}");
        }
        assert_eq!(read(tag::GENERALIZED_TIME, "20261124060418.5Z"), None);
    }
}
