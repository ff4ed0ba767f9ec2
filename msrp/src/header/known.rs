//! The headers whose names are told apart once, when a head is read.

/// One of the headers that this crate knows, or any other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the header of its name")]
pub enum Known {
    #[default]
    Other,
    ToPath,
    FromPath,
    MessageId,
    ByteRange,
    SuccessReport,
    FailureReport,
    Status,
    ContentType,
}

/// The number of known headers, with [`Known::Other`].
pub(super) const COUNT: usize = 9;

impl Known {
    /// Tells a header by its name, whatever its case.
    pub(crate) const fn of(name: &[u8]) -> Self {
        // The length leaves one or two to compare with.
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"Status") => Self::Status,
            7 if name.eq_ignore_ascii_case(b"To-Path") => Self::ToPath,
            9 if name.eq_ignore_ascii_case(b"From-Path") => Self::FromPath,
            10 if name.eq_ignore_ascii_case(b"Message-ID") => Self::MessageId,
            10 if name.eq_ignore_ascii_case(b"Byte-Range") => Self::ByteRange,
            12 if name.eq_ignore_ascii_case(b"Content-Type") => Self::ContentType,
            14 if name.eq_ignore_ascii_case(b"Success-Report") => Self::SuccessReport,
            14 if name.eq_ignore_ascii_case(b"Failure-Report") => Self::FailureReport,
            _ => Self::Other,
        }
    }
}
