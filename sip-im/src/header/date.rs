//! Date (RFC 3261 20.17).

use core::fmt;
use core::time::Duration;

use super::cursor::{Cursor, decimal};
use super::{Header, HeaderName};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// When the request or response was first sent, in whole seconds since 1970, always GMT on the wire.
///
/// ```
/// use std::time::Duration;
/// use sip_im::ByteStr;
/// use sip_im::header::{Date, Header};
/// let date = Date::parse(&ByteStr::from("Sat, 13 Nov 2010 23:29:00 GMT"))?;
/// assert_eq!(date.since_epoch(), Duration::from_secs(1_289_690_940));
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(u64);

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// 9999-12-31T23:59:59Z, the last second that four digits of year can name.
const LAST: u64 = 253_402_300_799;

impl Date {
    /// A moment, as the time since 1970. Fractions of a second are dropped; what is after the year 9999 becomes its end.
    pub fn from_unix(since_epoch: Duration) -> Self {
        Self(since_epoch.as_secs().min(LAST))
    }

    /// The time since 1970.
    pub fn since_epoch(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Header for Date {
    const NAME: HeaderName = HeaderName::DATE;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let weekday = cursor.token()?;
        cursor.expect(b',')?;
        cursor.space();
        let day = read_digits(&mut cursor, 2)?;
        cursor.space();
        let at = cursor.position();
        let month = cursor.token()?;
        let month = MONTHS
            .iter()
            .zip(1_u64..)
            .find(|(name, _)| name.eq_ignore_ascii_case(month))
            .map(|(_, number)| number)
            .ok_or(ParseError::new(ParseErrorKind::UnexpectedText, at))?;
        cursor.space();
        let year = read_digits(&mut cursor, 4)?;
        cursor.space();
        let hour = read_digits(&mut cursor, 2)?;
        cursor.expect(b':')?;
        let minute = read_digits(&mut cursor, 2)?;
        cursor.expect(b':')?;
        let second = read_digits(&mut cursor, 2)?;
        cursor.space();
        let at = cursor.position();
        //= https://www.rfc-editor.org/rfc/rfc3261#section-20.17
        //# Unlike HTTP/1.1, SIP only supports the most recent RFC 1123
        //# [20] format for dates.  As in [H3.3], SIP restricts the time zone in
        //# SIP-date to "GMT", while RFC 1123 allows any time zone.
        if !cursor.token()?.eq_ignore_ascii_case("GMT") {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
        }
        cursor.finish()?;
        let out_of_range = ParseError::new(ParseErrorKind::NumberOutOfRange, 0);
        if day == 0 || hour > 23 || minute > 59 || second > 60 {
            return Err(out_of_range);
        }
        let days = days_since_epoch(year, month, day).ok_or(out_of_range)?;
        if !WEEKDAYS.iter().any(|name| name.eq_ignore_ascii_case(weekday)) {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, 0));
        }
        let seconds = days
            .saturating_mul(86_400)
            .saturating_add(hour.saturating_mul(3600))
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second.min(59));
        Ok(Self(seconds))
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let weekday = usize::try_from(days % 7)
            .ok()
            .and_then(|index| WEEKDAYS.get(index))
            .unwrap_or(&"Thu");
        let (year, month, day) = civil(days);
        let month = usize::try_from(month)
            .ok()
            .and_then(|month| MONTHS.get(month.saturating_sub(1)))
            .unwrap_or(&"Jan");
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            out,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

fn read_digits(cursor: &mut Cursor<'_>, length: usize) -> Result<u64, ParseError> {
    let at = cursor.position();
    let digits = cursor.take_while(|byte| byte.is_ascii_digit());
    if digits.len() == length {
        decimal(digits)
    } else {
        Err(ParseError::new(ParseErrorKind::UnexpectedText, at))
    }
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn month_length(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of January of a year, counted from the year 0.
fn days_before_year(year: u64) -> u64 {
    let Some(last) = year.checked_sub(1) else { return 0 };
    // The year 0 is a leap year.
    year.saturating_mul(365)
        .saturating_add(last / 4)
        .saturating_sub(last / 100)
        .saturating_add(last / 400)
        .saturating_add(1)
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || day > month_length(year, month) {
        return None;
    }
    let months: u64 = (1..month).map(|month| month_length(year, month)).sum();
    let years = days_before_year(year).checked_sub(days_before_year(1970))?;
    years.checked_add(months)?.checked_add(day)?.checked_sub(1)
}

fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970_u64.saturating_add(days / 366);
    while days_since_epoch(year.saturating_add(1), 1, 1).is_some_and(|start| start <= days) {
        year = year.saturating_add(1);
    }
    let mut rest = days.saturating_sub(days_since_epoch(year, 1, 1).unwrap_or(0));
    let mut month = 1;
    while rest >= month_length(year, month) && month < 12 {
        rest = rest.saturating_sub(month_length(year, month));
        month = month.saturating_add(1);
    }
    (year, month, rest.saturating_add(1))
}
