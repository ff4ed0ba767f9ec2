//! Files that are offered or asked for (RFC 5547).

mod selector;

use core::fmt;

use ::msrp::header::content::is_token;

use super::{Line, Media, MediaError, find_attribute, line};
use crate::header::cursor::decimal;
use crate::{ByteStr, Scheme, Uri};

pub use selector::{FileHash, FileSelector};

/// What one `m=message` says of the file that its session is for.
///
/// ```
/// use sip_im::sdp::{FileDescription, FileSelector};
/// let mut selector = FileSelector::default();
/// selector.name = Some("a \"b\".jpg".to_owned());
/// selector.size = Some(32_349);
/// assert_eq!(selector.to_string(), r#"name:"a %22b%22.jpg" size:32349"#);
/// let file = FileDescription::new(selector, "vBnG916bdberum2fFEABR1FR3ExZMUrd");
/// assert!(file.range.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileDescription {
    /// Which file it is. Without any selector the attribute only tells that its sender knows of RFC 5547 (8.5).
    pub selector: FileSelector,
    /// Tells a new transfer from a repeated description of the one that goes on.
    pub transfer_id: Option<ByteStr>,
    /// What the receiver is to do with the file: `render`, which is also meant without the attribute, or `attachment`.
    pub disposition: Option<ByteStr>,
    /// When the file was made, changed and read.
    pub dates: FileDates,
    /// The `cid` URI of a small picture of it, which is in another part of the same body.
    pub icon: Option<Uri>,
    /// Which octets of the file are meant; all, if it does not say.
    pub range: Option<FileRange>,
}

impl FileDescription {
    /// A file to be transferred. What is no token as the id of the transfer is left out when it is written.
    pub fn new(selector: FileSelector, transfer_id: &str) -> Self {
        Self {
            selector,
            transfer_id: Some(ByteStr::from(transfer_id.to_owned())),
            ..Self::default()
        }
    }

    /// Does it only tell that RFC 5547 is known, as in the answer to an OPTIONS?
    pub fn is_capability(&self) -> bool {
        self.selector.is_empty()
    }

    /// What the attributes of a medium say, and which of them cannot be read. `None` where none says anything.
    pub(super) fn read(media: &Media, faults: &mut Vec<MediaError>) -> Option<Self> {
        let mut known = false;
        let mut attribute = |name: &'static str| {
            let value = media.attribute(name);
            known |= value.is_some();
            value
        };
        let selector = attribute("file-selector");
        let transfer_id = attribute("file-transfer-id");
        let disposition = attribute("file-disposition");
        let dates = attribute("file-date");
        let icon = attribute("file-icon");
        let range = attribute("file-range");
        if !known {
            return None;
        }
        let token = |value: &str| is_token(value).then(|| ByteStr::from(value));
        Some(Self {
            selector: of("file-selector", selector, FileSelector::parse, faults).unwrap_or_default(),
            transfer_id: of("file-transfer-id", transfer_id, token, faults),
            disposition: of("file-disposition", disposition, token, faults),
            dates: of("file-date", dates, FileDates::parse, faults).unwrap_or_default(),
            icon: of("file-icon", icon, cid, faults),
            range: of("file-range", range, FileRange::parse, faults),
        })
    }

    /// The attributes, each that it has.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut attribute = |value: String| lines.push(line('a', value));
        if self.selector.is_empty() {
            //= https://www.rfc-editor.org/rfc/rfc5547#section-8.5
            //# The 'file-selector' media attribute MUST be empty, i.e., it
            //# MUST NOT contain any selector.  The endpoint MUST NOT add any of the
            //# other file attributes defined in this specification.
            attribute("file-selector".to_owned());
            return lines;
        }
        attribute(format!("file-selector:{}", self.selector));
        if let Some(id) = self.transfer_id.as_deref().filter(|id| is_token(id)) {
            attribute(format!("file-transfer-id:{id}"));
        }
        if let Some(disposition) = self.disposition.as_deref().filter(|token| is_token(token)) {
            attribute(format!("file-disposition:{disposition}"));
        }
        if !self.dates.is_empty() {
            attribute(format!("file-date:{}", self.dates));
        }
        if let Some(icon) = self.icon.as_ref().filter(|icon| icon.scheme() == Scheme::Cid) {
            attribute(format!("file-icon:{icon}"));
        }
        if let Some(range) = &self.range {
            attribute(format!("file-range:{range}"));
        }
        lines
    }

    /// What the receiver of a file says when it accepts it.
    //= https://www.rfc-editor.org/rfc/rfc5547#section-8.3.1
    //# If the offer contains 'name', 'type', or 'size'
    //# selectors in the 'file-selector' attribute, the answerer MUST copy
    //# them into the answer.
    pub(super) fn accepted(&self) -> Self {
        let mut selector = self.selector.clone();
        selector.hashes.retain(|_| {
            // A hash alone is all that names the file then.
            self.selector.name.is_none() && self.selector.size.is_none() && self.selector.media_type.is_none()
        });
        Self {
            selector,
            transfer_id: self.transfer_id.clone(),
            range: self.range,
            //= https://www.rfc-editor.org/rfc/rfc5547#section-8.3.1
            //# The file receiver
            //# MUST NOT include 'file-icon', 'file-disposition', or 'file-date'
            //# attributes in the SDP answer.
            ..Self::default()
        }
    }

    /// What the sender of a file says of `own` when it is asked for this one.
    pub(super) fn provided(&self, own: &Self) -> Self {
        Self {
            transfer_id: self.transfer_id.clone(),
            range: self.range,
            ..own.clone()
        }
    }
}

/// The attributes of a refused file that its refusal repeats.
//= https://www.rfc-editor.org/rfc/rfc5547#section-8.3
//# The rejected answer
//# MUST contained a 'file-selector' and 'file-transfer-id' attributes
//# whose values mirror the corresponding values of the SDP offer.
pub(super) fn refused_lines(media: &Media) -> Vec<Line> {
    let is_mirrored = |line: &&Line| {
        ["file-selector", "file-transfer-id"]
            .iter()
            .any(|name| find_attribute(std::slice::from_ref(*line), name).is_some())
    };
    media.lines.iter().filter(is_mirrored).cloned().collect()
}

/// When a file was made, changed and read, each in the format of RFC 5322 as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileDates {
    /// When it was made.
    pub creation: Option<ByteStr>,
    /// When it was last changed.
    pub modification: Option<ByteStr>,
    /// When it was last read.
    pub read: Option<ByteStr>,
}

impl FileDates {
    /// Says nothing?
    pub fn is_empty(&self) -> bool {
        self.creation.is_none() && self.modification.is_none() && self.read.is_none()
    }

    fn parse(value: &str) -> Option<Self> {
        let mut dates = Self::default();
        let mut rest = value.trim_matches(' ');
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (name, after) = rest.split_once(":\"")?;
            let (date, after) = after.split_once('"')?;
            let place = match name {
                "creation" => &mut dates.creation,
                "modification" => &mut dates.modification,
                "read" => &mut dates.read,
                _ => return None,
            };
            //= https://www.rfc-editor.org/rfc/rfc5547#section-6
            //# This attribute MAY contain a
            //# combination of the 'creation', 'modification', and 'read' parameters,
            //# but MUST NOT contain more than one of each type .
            if !is_date(date) || place.replace(ByteStr::from(date)).is_some() {
                return None;
            }
            rest = after.trim_start_matches(' ');
        }
        Some(dates)
    }
}

impl fmt::Display for FileDates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, date) in [
            ("creation", &self.creation),
            ("modification", &self.modification),
            ("read", &self.read),
        ] {
            if let Some(date) = date.as_deref().filter(|date| is_date(date)) {
                write!(f, "{separator}{name}:\"{date}\"")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

/// Octets of a file, counted from 1; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileRange {
    /// The first octet, at least 1.
    pub start: u64,
    /// The last octet; `None` is the end of the file, wherever that is.
    pub stop: Option<u64>,
}

impl FileRange {
    /// These octets, if there are any.
    pub fn new(start: u64, stop: Option<u64>) -> Option<Self> {
        let is_range = start >= 1 && stop.is_none_or(|stop| stop >= start);
        is_range.then_some(Self { start, stop })
    }

    /// Reads the attribute's value.
    pub fn parse(value: &str) -> Option<Self> {
        let (start, stop) = value.trim().split_once('-')?;
        let stop = match stop {
            "*" => None,
            digits => Some(decimal(digits).ok()?),
        };
        Self::new(decimal(start).ok()?, stop)
    }
}

impl fmt::Display for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stop {
            Some(stop) => write!(f, "{}-{stop}", self.start),
            None => write!(f, "{}-*", self.start),
        }
    }
}

/// What an attribute says, or a fault.
fn of<T>(
    name: &'static str,
    value: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
    faults: &mut Vec<MediaError>,
) -> Option<T> {
    let read = read(value?);
    if read.is_none() {
        faults.push(MediaError::Malformed(name));
    }
    read
}

fn cid(text: &str) -> Option<Uri> {
    Uri::parse(text).ok().filter(|uri| uri.scheme() == Scheme::Cid)
}

/// `[day ","] day month year hour:minute[:second] zone` of RFC 5322 3.3, with a numeric zone.
fn is_date(text: &str) -> bool {
    let date = match text.split_once(',') {
        Some((day, date)) => {
            if !DAYS.contains(&day.trim()) {
                return false;
            }
            date
        }
        None => text,
    };
    let mut fields = date.split(' ').filter(|field| !field.is_empty());
    let mut next = || fields.next().unwrap_or_default();
    let (day, month, year, time, zone) = (next(), next(), next(), next(), next());
    let number =
        |digits: &str, length: core::ops::RangeInclusive<usize>, values: core::ops::RangeInclusive<u64>| {
            length.contains(&digits.len()) && decimal(digits).is_ok_and(|number| values.contains(&number))
        };
    let mut clock = time.split(':');
    let (hour, minute, second) = (clock.next(), clock.next(), clock.next());
    let is_zone = zone
        .strip_prefix(['+', '-'])
        .is_some_and(|digits| number(digits, 4..=4, 0..=9999));
    number(day, 1..=2, 1..=31)
        && MONTHS.contains(&month)
        && number(year, 4..=4, 0..=9999)
        && number(hour.unwrap_or_default(), 2..=2, 0..=23)
        && number(minute.unwrap_or_default(), 2..=2, 0..=59)
        && second.is_none_or(|second| number(second, 2..=2, 0..=60))
        && clock.next().is_none()
        && is_zone
        && fields.next().is_none()
        && !text.contains(|character: char| character.is_control())
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests;
