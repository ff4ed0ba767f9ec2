//! Why a text is not acceptable as XML.

/// What is wrong with a document, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} (line {line}, column {column})")]
#[non_exhaustive]
pub struct XmlError {
    /// What is wrong.
    pub kind: XmlErrorKind,
    /// Octets from the beginning of the input to the token at fault.
    pub offset: usize,
    /// The line of that place, counted from 1; 0 when there is no text.
    pub line: u32,
    /// The character of that line, counted from 1; 0 when there is no text.
    pub column: u32,
}

impl XmlError {
    pub(crate) const fn new(kind: XmlErrorKind, offset: usize) -> Self {
        Self {
            kind,
            offset,
            line: 0,
            column: 0,
        }
    }

    /// Adds line and column, which are only worked out when there is an error.
    pub(crate) fn within(mut self, text: &str) -> Self {
        (self.line, self.column) = place(text, self.offset);
        self
    }

    /// The same, in octets whose valid beginning ends at the error.
    pub(crate) fn in_octets(kind: XmlErrorKind, offset: usize, octets: &[u8]) -> Self {
        let valid = octets
            .get(..offset)
            .and_then(|octets| std::str::from_utf8(octets).ok());
        Self::new(kind, offset).within(valid.unwrap_or_default())
    }
}

/// The line and the column of a place in a text, both counted from 1.
pub(crate) fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let (lines, last) = before.rsplit_once('\n').map_or((0, before), |(above, last)| {
        (above.matches('\n').count().saturating_add(1), last)
    });
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    (count(lines), count(last.chars().count()))
}

/// The ways in which a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlErrorKind {
    /// The octets are not UTF-8.
    #[error("not utf-8")]
    NotUtf8,
    /// The text is in another encoding than UTF-8, or says so.
    #[error("encoding other than utf-8")]
    UnsupportedEncoding,
    /// The document is larger than [`Limits::octets`](super::Limits::octets).
    #[error("document too large")]
    TooLarge,
    /// A character that no document may hold.
    #[error("forbidden character")]
    ForbiddenCharacter,
    /// A token ends where the input does.
    #[error("unterminated markup")]
    Unterminated,
    /// The XML declaration is late, repeated or malformed.
    #[error("bad xml declaration")]
    BadDeclaration,
    /// A document type declaration.
    #[error("document type declarations are refused")]
    DocumentType,
    /// An entity that is neither predefined nor a legal character reference.
    #[error("unknown or malformed reference")]
    BadReference,
    /// A text or an attribute value longer than [`Limits::text_octets`](super::Limits::text_octets).
    #[error("text too long")]
    TextTooLong,
    /// Something that begins with `<!` and is nothing that may be in a document.
    #[error("unknown markup")]
    UnknownMarkup,
    /// A name that is no `QName`, or is longer than [`Limits::name_octets`](super::Limits::name_octets).
    #[error("bad name")]
    BadName,
    /// Something inside a tag that is no attribute.
    #[error("malformed attribute")]
    BadAttribute,
    /// Two attributes of one element with the same expanded name.
    #[error("repeated attribute")]
    RepeatedAttribute,
    /// More attributes than [`Limits::attributes`](super::Limits::attributes).
    #[error("too many attributes")]
    TooManyAttributes,
    /// A prefix that is not bound.
    #[error("unbound namespace prefix")]
    UnboundPrefix,
    /// A namespace declaration that is not allowed.
    #[error("bad namespace declaration")]
    BadNamespace,
    /// More declarations in scope than [`Limits::namespaces`](super::Limits::namespaces).
    #[error("too many namespace declarations")]
    TooManyNamespaces,
    /// An end tag that does not match, or is missing.
    #[error("mismatched end tag")]
    MismatchedTag,
    /// Deeper than [`Limits::depth`](super::Limits::depth).
    #[error("nested too deeply")]
    TooDeep,
    /// More elements than [`Limits::elements`](super::Limits::elements).
    #[error("too many elements")]
    TooManyElements,
    /// `]]>` in character data.
    #[error("end of a cdata section in text")]
    CdataEnd,
    /// `--` inside a comment.
    #[error("bad comment")]
    BadComment,
    /// A processing instruction without a proper target.
    #[error("bad processing instruction")]
    BadInstruction,
    /// Text or a CDATA section outside the root element.
    #[error("text outside the root element")]
    TextOutsideRoot,
    /// A second root element.
    #[error("second root element")]
    SecondRoot,
    /// No root element.
    #[error("no root element")]
    NoRoot,
}

impl XmlErrorKind {
    /// Tells whether a limit is exceeded, and nothing else is wrong so far.
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::TooLarge
                | Self::TextTooLong
                | Self::TooManyAttributes
                | Self::TooManyNamespaces
                | Self::TooDeep
                | Self::TooManyElements
        )
    }
}
