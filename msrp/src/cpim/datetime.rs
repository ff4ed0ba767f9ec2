//! Dates of RFC 3339, as the `DateTime` field carries them, and in the wider form of XML documents.

use std::fmt;
use std::time::Duration;

/// Why a date could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a date of rfc 3339")]
#[non_exhaustive]
pub struct DateTimeError;

/// A date and time with its offset from UTC (RFC 3339 5.6).
///
/// Dates are ordered by the instant, and those of one instant by the offset.
///
/// ```
/// use std::time::Duration;
/// use msrp::cpim::DateTime;
///
/// let date = DateTime::parse("2000-12-13T13:40:00-08:00")?;
/// assert_eq!(date.unix_seconds(), 976_743_600);
/// assert_eq!(DateTime::from_unix(Duration::from_secs(976_743_600)).to_string(), "2000-12-13T21:40:00Z");
/// # Ok::<(), msrp::cpim::DateTimeError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DateTime {
    /// Since 1970-01-01T00:00:00Z, which may be negative.
    seconds: i64,
    nanos: u32,
    /// Minutes east of UTC, in which it is written.
    offset: i16,
}

const DAY: i64 = 86_400;

/// The last second of the year 9999, where four digits end.
const LAST: i64 = 253_402_300_799;

impl DateTime {
    /// The date this long after 1970-01-01T00:00:00Z, to the second, in UTC; the last second of the year 9999 for what
    /// lies beyond.
    pub fn from_unix(unix: Duration) -> Self {
        Self {
            seconds: i64::try_from(unix.as_secs()).unwrap_or(LAST).min(LAST),
            nanos: 0,
            offset: 0,
        }
    }

    /// Reads a date.
    ///
    /// # Errors
    ///
    /// Fails when it is not one of RFC 3339, or names a day that is not in the calendar.
    pub fn parse(text: &str) -> Result<Self, DateTimeError> {
        Self::read(text.trim()).ok_or(DateTimeError)
    }

    /// Reads an `xs:dateTime` of the years 0001 to 9999, of which RFC 3339 has a part: here the zone may be missing, which
    /// is taken as UTC, and the end of a day may be its hour 24.
    ///
    /// # Errors
    ///
    /// Fails when the text is neither form, or names a day that is not in the calendar.
    pub fn parse_xml(text: &str) -> Result<Self, DateTimeError> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        // The separator may be a space in RFC 3339 only.
        let (date, time) = text.split_once(['T', 't']).ok_or(DateTimeError)?;
        if date.len() != 10 || date.starts_with("0000") {
            return Err(DateTimeError);
        }
        let clock = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at_checked(clock).ok_or(DateTimeError)?;
        let zone = if zone.is_empty() { "Z" } else { zone };
        let midnight = clock.strip_prefix("24:00:00").filter(|rest| {
            matches!(rest.as_bytes(), [] | [b'.', b'0', ..]) && rest.bytes().skip(1).all(|o| o == b'0')
        });
        let clock = if midnight.is_some() { "00:00:00" } else { clock };
        let mut read = Self::read(&format!("{date}T{clock}{zone}")).ok_or(DateTimeError)?;
        if midnight.is_some() {
            read.seconds = read.seconds.saturating_add(DAY);
        }
        let local = read.seconds.saturating_add(i64::from(read.offset) * 60);
        (local <= LAST && read.offset.abs() <= 14 * 60)
            .then_some(read)
            .ok_or(DateTimeError)
    }

    fn read(text: &str) -> Option<Self> {
        let digits = |from: usize, to: usize| -> Option<i64> {
            let part = text.get(from..to)?;
            part.bytes()
                .all(|octet| octet.is_ascii_digit())
                .then(|| part.parse().ok())?
        };
        let octet = |at: usize| text.as_bytes().get(at).copied();
        let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
        let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if separators.iter().any(|&(at, wanted)| octet(at) != Some(wanted))
            || !matches!(octet(10), Some(b'T' | b't' | b' '))
        {
            return None;
        }
        // A leap second is taken as the last one of its minute.
        let second = if second == 60 { 59 } else { second };
        if !(1..=12).contains(&month)
            || day < 1
            || day > days_in_month(year, month)
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        let rest = text.get(19..)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at_checked(rest.bytes().take_while(u8::is_ascii_digit).count())?,
            None => ("", rest),
        };
        if rest.starts_with('.') && fraction.is_empty() {
            return None;
        }
        let mut nanos = 0u32;
        for place in 0..9 {
            let digit = fraction
                .as_bytes()
                .get(place)
                .map_or(0, |digit| u32::from(digit.saturating_sub(b'0')));
            nanos = nanos.checked_mul(10)?.checked_add(digit)?;
        }
        let offset = read_offset(zone)?;
        let days = days_from_epoch(year, month, day);
        let local = days
            .checked_mul(DAY)?
            .checked_add(hour * 3600 + minute * 60 + second)?;
        Some(Self {
            seconds: local.checked_sub(i64::from(offset) * 60)?,
            nanos,
            offset,
        })
    }

    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// The time since 1970-01-01T00:00:00Z; `None` before.
    pub fn unix(&self) -> Option<Duration> {
        u64::try_from(self.seconds)
            .ok()
            .map(|seconds| Duration::new(seconds, self.nanos))
    }
}

impl std::str::FromStr for DateTime {
    type Err = DateTimeError;

    /// Reads the wider form, as [`DateTime::parse_xml`] does.
    fn from_str(text: &str) -> Result<Self, DateTimeError> {
        Self::parse_xml(text)
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DateTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for DateTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds.saturating_add(i64::from(self.offset) * 60);
        let (year, month, day) = date_from_days(local.div_euclid(DAY));
        let second = local.rem_euclid(DAY);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )?;
        if self.nanos > 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

fn read_offset(zone: &str) -> Option<i16> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| -> Option<i16> {
        (text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar; years count from March so that the leap day comes last.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
