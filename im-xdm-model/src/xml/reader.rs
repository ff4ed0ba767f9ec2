//! Pull events of a well-formed document with resolved names.

use std::borrow::Cow;
use std::ops::Range;

use super::error::XmlError;
use super::limits::Limits;
use super::name::Name;
use super::parser::{Head, Parser, Token};

/// One step through a document. Comments and processing instructions are checked and left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A start tag. An empty-element tag is a start followed by an end.
    Start(StartTag),
    /// The end of the element that was opened last and not yet ended.
    End {
        /// Octets of the end tag; empty, at the end of the start tag, for an empty-element tag.
        span: Range<usize>,
    },
    /// Character data with references resolved and line ends normalised; a text may come in several pieces.
    Text(Cow<'a, str>),
}

/// A namespace declaration: the prefix, empty for the default, and the namespace, empty to switch it off.
pub type Declaration = (Box<str>, Box<str>);

/// A start tag with its names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartTag {
    /// The expanded name.
    pub name: Name,
    /// The prefix as written.
    pub prefix: Option<Box<str>>,
    /// The attributes in order, namespace declarations left out.
    pub attributes: Vec<TagAttribute>,
    /// The namespace declarations in order.
    pub declarations: Vec<Declaration>,
    /// Octets of the tag in the input.
    pub span: Range<usize>,
    /// Tells whether this is an empty-element tag.
    pub empty: bool,
}

/// An attribute with its name resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagAttribute {
    /// The expanded name.
    pub name: Name,
    /// The prefix as written.
    pub prefix: Option<Box<str>>,
    /// The normalised value.
    pub value: String,
    /// Octets from the white space before the attribute to its closing quote.
    pub span: Range<usize>,
    /// Octets of the value with its quotes.
    pub value_span: Range<usize>,
}

/// Reads a document, or a fragment of one element, as events.
///
/// This is the codec layer of the crate: events borrow from the input. Documents are read with
/// [`Element::parse`](super::Element::parse) or the type of the document.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::{Event, Limits, Reader};
///
/// let mut reader = Reader::new(b"<a xmlns='urn:x'>text</a>", &Limits::default())?;
/// let Some(Event::Start(tag)) = reader.next_event()? else { panic!("no start tag") };
/// assert!(tag.name.is("urn:x", "a"));
/// # Ok::<(), im_xdm_model::xml::XmlError>(())
/// ```
pub struct Reader<'a>(Parser<'a>);

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("depth", &self.0.depth())
            .finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Begins to read a document.
    ///
    /// # Errors
    ///
    /// Fails when the input is too large, is not UTF-8 or holds a forbidden character.
    pub fn new(input: &'a [u8], limits: &Limits) -> Result<Self, XmlError> {
        Parser::new(input, limits, None).map(Self)
    }

    /// Returns the next event, `None` at the end of the document.
    ///
    /// # Errors
    ///
    /// Fails where the document stops being well-formed or exceeds a limit; the reader is not to be used after that.
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>, XmlError> {
        Ok(self.0.next()?.map(|token| match token {
            Token::Start(head) => Event::Start(self.start_tag(head)),
            Token::End { span } => Event::End { span },
            Token::Text(text) => Event::Text(text),
        }))
    }

    fn start_tag(&mut self, head: Head<'a>) -> StartTag {
        let parser = &mut self.0;
        let namespaces = &parser.scope.namespaces;
        let written = |prefix: &str| (!prefix.is_empty()).then(|| Box::from(prefix));
        StartTag {
            name: Name::resolved(namespaces.shared(head.namespace), head.local),
            prefix: written(head.prefix),
            attributes: parser
                .attributes
                .drain(..)
                .map(|attribute| TagAttribute {
                    name: Name::resolved(namespaces.shared(attribute.namespace), attribute.local),
                    prefix: written(attribute.prefix),
                    value: attribute.value.into_owned(),
                    span: attribute.span,
                    value_span: attribute.value_span,
                })
                .collect(),
            declarations: parser
                .declarations
                .iter()
                .map(|(prefix, id)| (Box::from(*prefix), Box::from(namespaces.name(*id))))
                .collect(),
            span: head.span,
            empty: head.empty,
        }
    }
}
