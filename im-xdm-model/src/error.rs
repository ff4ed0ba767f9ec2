//! Why a document is not acceptable as a document of its type.

use crate::xml::{Placed, XmlError, XmlErrorKind, place};

/// What is wrong with a document, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} (line {line}, column {column})")]
#[non_exhaustive]
pub struct DocumentError {
    /// What is wrong.
    pub kind: DocumentErrorKind,
    /// Octets from the beginning of the document to the element at fault.
    pub offset: usize,
    /// The line of that place, counted from 1.
    pub line: u32,
    /// The character of that line, counted from 1.
    pub column: u32,
}

/// The ways in which a well-formed document is not one of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentErrorKind {
    /// The text is not well-formed, or exceeds a limit.
    #[error("{0}")]
    Xml(XmlErrorKind),
    /// The root element is another one.
    #[error("unexpected root element, {0} expected")]
    WrongRoot(&'static str),
    /// An element of the document's own namespace that has no place there.
    #[error("unexpected element in {0}")]
    UnexpectedElement(&'static str),
    /// An attribute in no namespace that has no place there.
    #[error("unexpected attribute of {0}")]
    UnexpectedAttribute(&'static str),
    /// Character data where only elements may be.
    #[error("unexpected text in {0}")]
    UnexpectedText(&'static str),
    /// An element that must be there.
    #[error("missing element {0}")]
    MissingElement(&'static str),
    /// An attribute that must be there.
    #[error("missing attribute {0}")]
    MissingAttribute(&'static str),
    /// An element that may be there only once.
    #[error("repeated element {0}")]
    RepeatedElement(&'static str),
    /// A value outside the type of the named element or attribute.
    #[error("bad value of {0}")]
    BadValue(&'static str),
}

impl DocumentError {
    pub(crate) fn at(element: impl Placed, kind: DocumentErrorKind) -> Self {
        Self {
            kind,
            offset: element.offset(),
            line: 0,
            column: 0,
        }
    }

    /// Adds line and column, which are only worked out when there is an error.
    pub(crate) fn within(mut self, input: &[u8]) -> Self {
        (self.line, self.column) = place(std::str::from_utf8(input).unwrap_or_default(), self.offset);
        self
    }

    /// Returns the name of the element or attribute at fault, or `xml` when the text is not well-formed.
    pub fn place(&self) -> &'static str {
        match self.kind {
            DocumentErrorKind::Xml(_) => "xml",
            DocumentErrorKind::WrongRoot(name)
            | DocumentErrorKind::UnexpectedElement(name)
            | DocumentErrorKind::UnexpectedAttribute(name)
            | DocumentErrorKind::UnexpectedText(name)
            | DocumentErrorKind::MissingElement(name)
            | DocumentErrorKind::MissingAttribute(name)
            | DocumentErrorKind::RepeatedElement(name)
            | DocumentErrorKind::BadValue(name) => name,
        }
    }
}

impl From<XmlError> for DocumentError {
    fn from(error: XmlError) -> Self {
        Self {
            kind: DocumentErrorKind::Xml(error.kind),
            offset: error.offset,
            line: error.line,
            column: error.column,
        }
    }
}
