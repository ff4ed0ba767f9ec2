//! `xs:dateTime`: the text as it was written, and the instant it means.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point in time as documents write it, such as `2005-03-04T20:00:00Z`.
///
/// The text survives as written; comparison is by the instant. A text without a time zone is taken as UTC.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::DateTime;
///
/// let a: DateTime = "2005-03-04T20:00:00Z".parse()?;
/// let b: DateTime = "2005-03-04T21:00:00+01:00".parse()?;
/// assert_eq!(a, b);
/// assert_eq!(a.unix_seconds(), 1_109_966_400);
/// # Ok::<(), im_xdm_model::xml::DateTimeError>(())
/// ```
#[derive(Clone)]
pub struct DateTime {
    text: Box<str>,
    seconds: i64,
    nanoseconds: u32,
}

/// The text is no `xs:dateTime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time")]
#[non_exhaustive]
pub struct DateTimeError;

impl DateTime {
    /// Makes the UTC text of an instant given as time since 1970, in whole seconds.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = i64::try_from(since_epoch.as_secs())
            .unwrap_or(i64::MAX)
            .min(LAST_SECOND);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        Self {
            text: text.into(),
            seconds,
            nanoseconds: 0,
        }
    }

    /// Returns the seconds since 1970, negative before.
    pub fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn key(&self) -> (i64, u32) {
        (self.seconds, self.nanoseconds)
    }
}

impl FromStr for DateTime {
    type Err = DateTimeError;

    fn from_str(text: &str) -> Result<Self, DateTimeError> {
        let text = text.trim_matches(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        let (date, time) = text.split_once(['T', 't']).ok_or(DateTimeError)?;
        let mut parts = date.splitn(3, '-');
        let year = digits(parts.next(), 4)?;
        let month = digits(parts.next(), 2)?;
        let day = digits(parts.next(), 2)?;
        let (clock, zone) = split_zone(time);
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, nanoseconds(fraction)?),
            None => (clock, 0),
        };
        let mut parts = clock.splitn(3, ':');
        let hour = digits(parts.next(), 2)?;
        let minute = digits(parts.next(), 2)?;
        let second = digits(parts.next(), 2)?;
        let midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
        if year == 0
            || !(1..=12).contains(&month)
            || day < 1
            || day > month_length(year, month)
            || (hour > 23 && !midnight)
            || minute > 59
            || second > 60
        {
            return Err(DateTimeError);
        }
        let offset = zone_seconds(zone)?;
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Ok(Self {
            text: text.into(),
            seconds,
            nanoseconds: fraction,
        })
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for DateTime {}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(feature = "serde")]
mod serialized {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::DateTime;

    impl Serialize for DateTime {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&self.text)
        }
    }

    impl<'de> Deserialize<'de> for DateTime {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?
                .parse()
                .map_err(D::Error::custom)
        }
    }
}

/// The last second of the year 9999, where four digits end.
const LAST_SECOND: i64 = 253_402_300_799;

fn digits(part: Option<&str>, count: usize) -> Result<i64, DateTimeError> {
    let text = part
        .filter(|t| t.len() == count && t.bytes().all(|b| b.is_ascii_digit()))
        .ok_or(DateTimeError)?;
    text.parse().map_err(|_| DateTimeError)
}

fn nanoseconds(fraction: &str) -> Result<u32, DateTimeError> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DateTimeError);
    }
    let mut text: String = fraction.chars().take(9).collect();
    while text.len() < 9 {
        text.push('0');
    }
    text.parse().map_err(|_| DateTimeError)
}

fn split_zone(time: &str) -> (&str, &str) {
    let at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    time.split_at_checked(at).unwrap_or((time, ""))
}

fn zone_seconds(zone: &str) -> Result<i64, DateTimeError> {
    let (sign, rest) = match zone {
        "" | "Z" | "z" => return Ok(0),
        other => match (other.strip_prefix('+'), other.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (_, Some(rest)) => (-1, rest),
            _ => return Err(DateTimeError),
        },
    };
    let (hours, minutes) = rest.split_once(':').ok_or(DateTimeError)?;
    let (hours, minutes) = (digits(Some(hours), 2)?, digits(Some(minutes), 2)?);
    if hours > 14 || minutes > 59 {
        return Err(DateTimeError);
    }
    Ok(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01; years run from March so that the leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_mean_instants() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2003-12-24T17:00:00+01:00", 1_072_281_600),
            ("1969-12-31T23:59:59Z", -1),
            ("2008-04-04T12:16:49-05:00", 1_207_329_409),
            ("2003-08-15T10:20:00.000-05:00", 1_060_960_800),
        ] {
            assert_eq!(
                text.parse::<DateTime>().unwrap().unix_seconds(),
                seconds,
                "{text}"
            );
        }
    }

    #[test]
    fn texts_that_are_no_instants_are_refused() {
        for text in [
            "",
            "2005-02-29T00:00:00Z",
            "2005-13-01T00:00:00Z",
            "2005-1-01T00:00:00Z",
            "2005-01-01 00:00:00Z",
            "2005-01-01T24:00:01Z",
            "2005-01-01T00:60:00Z",
            "2005-01-01T00:00:00+15:00",
            "2005-01-01T00:00:00.Z",
            "2005-01-01T00:00Z",
            "0000-01-01T00:00:00Z",
            "2005-01-01T00:00:00Zx",
            "+005-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<DateTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn instants_become_texts() {
        for seconds in [0, 951_825_600, 1_109_966_400, 4_102_444_799, 253_402_300_799] {
            let made = DateTime::from_unix(Duration::from_secs(seconds));
            let read: DateTime = made.as_str().parse().unwrap();
            assert_eq!(read.unix_seconds(), i64::try_from(seconds).unwrap());
        }
        assert_eq!(
            DateTime::from_unix(Duration::MAX).as_str(),
            "9999-12-31T23:59:59Z"
        );
    }
}
