//! Snapshots: what a host needs to go on with a dialog, a session or a subscription after a restart or on another machine.
//!
//! A snapshot is plain data with public fields, and has a text form, [`write`](crate::dialog::DialogSnapshot::write) and `read`:
//! lines of `key:length:value` in a fixed order, the length in octets of UTF-8, so that a value may hold anything, and lines end
//! with LF. The first is the kind with the version of the form, `sip-im-dialog:1:1`. Another version, an unknown key or anything
//! left over is refused, and so is a text beyond [`MAX_OCTETS`]. Times are written as what is left of them, in milliseconds:
//! an `Instant` means nothing elsewhere.
//!
//! Transactions are not part of it: what is under way when a snapshot is taken is repeated by the peer, or fails there.

use thiserror::Error;

/// The largest text form, in octets.
pub const MAX_OCTETS: usize = 256 * 1024;

/// The version of the text forms.
pub const VERSION: u32 = 1;

/// Why a snapshot cannot be read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It is larger than [`MAX_OCTETS`].
    #[error("the snapshot is too large")]
    TooLarge,
    /// As many are open as the limits allow.
    #[error("too many are open")]
    TooMany,
    /// It is not the text form of this kind of snapshot.
    #[error("malformed snapshot at {0}")]
    Malformed(&'static str),
    /// It is of another version.
    #[error("the snapshot is of another version")]
    Version,
    /// A value is not what it has to be.
    #[error("unusable value of {0}")]
    Value(&'static str),
}

/// Writes a text form.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
}

impl Writer {
    pub(crate) fn new(kind: &'static str) -> Self {
        let mut writer = Self::default();
        writer.number(kind, VERSION);
        writer
    }

    pub(crate) fn text(&mut self, key: &'static str, value: &str) {
        use core::fmt::Write as _;
        let _ = writeln!(self.text, "{key}:{}:{value}", value.len());
    }

    pub(crate) fn number(&mut self, key: &'static str, value: impl Into<u64>) {
        self.text(key, &value.into().to_string());
    }

    pub(crate) fn optional(&mut self, key: &'static str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.number(key, value);
        }
    }

    pub(crate) fn flag(&mut self, key: &'static str, value: bool) {
        self.number(key, u8::from(value));
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Reads a text form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, kind: &'static str) -> Result<Self, SnapshotError> {
        if text.len() > MAX_OCTETS {
            return Err(SnapshotError::TooLarge);
        }
        let mut reader = Self { rest: text };
        let version: u32 = reader.number(kind)?;
        if version == VERSION {
            Ok(reader)
        } else {
            Err(SnapshotError::Version)
        }
    }

    /// The value of the next line, if it has this key.
    pub(crate) fn maybe(&mut self, key: &'static str) -> Result<Option<&'a str>, SnapshotError> {
        let malformed = SnapshotError::Malformed(key);
        let Some(rest) = self
            .rest
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(':'))
        else {
            return Ok(None);
        };
        let (length, rest) = rest.split_once(':').ok_or(malformed)?;
        let plain = !length.is_empty() && length.bytes().all(|octet| octet.is_ascii_digit());
        let length: usize = length.parse().ok().filter(|_| plain).ok_or(malformed)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(malformed)?;
        self.rest = rest.strip_prefix('\n').ok_or(malformed)?;
        Ok(Some(value))
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Result<&'a str, SnapshotError> {
        self.maybe(key)?.ok_or(SnapshotError::Malformed(key))
    }

    pub(crate) fn maybe_number<N: core::str::FromStr>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<N>, SnapshotError> {
        match self.maybe(key)? {
            Some(value) => value.parse().map(Some).map_err(|_| SnapshotError::Value(key)),
            None => Ok(None),
        }
    }

    pub(crate) fn number<N: core::str::FromStr>(&mut self, key: &'static str) -> Result<N, SnapshotError> {
        self.maybe_number(key)?.ok_or(SnapshotError::Malformed(key))
    }

    pub(crate) fn flag(&mut self, key: &'static str) -> Result<bool, SnapshotError> {
        match self.text(key)? {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(SnapshotError::Value(key)),
        }
    }

    pub(crate) fn finish(self) -> Result<(), SnapshotError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(SnapshotError::Malformed("end"))
        }
    }
}
