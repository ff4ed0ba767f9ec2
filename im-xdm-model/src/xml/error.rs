//! Why a text is not acceptable as XML.

/// What is wrong with a document, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct XmlError {
    /// What is wrong.
    pub kind: XmlErrorKind,
    /// Octets from the beginning of the input to the token at fault.
    pub offset: usize,
}

impl XmlError {
    pub(crate) const fn new(kind: XmlErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// The ways in which a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlErrorKind {
    /// The octets are not UTF-8, or the declaration names another encoding.
    #[error("not utf-8")]
    NotUtf8,
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
