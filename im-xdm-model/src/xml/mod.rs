//! The one XML layer: strict reading, an owned tree, deterministic writing.
//!
//! The tokens come from quick-xml. What makes a document well-formed and namespace-well-formed is checked here,
//! since the tokenizer alone lets many ill-formed documents pass; document types and entities are refused outright.
//! Namespace bindings are kept here too, not in quick-xml's resolver: XCAP needs the source ranges of attributes and
//! the bindings in scope at an element, and one bounded stack serves both.
//! The encoding is UTF-8; anything else is refused.

mod chars;
mod element;
mod error;
mod limits;
mod name;
mod reader;
mod scope;
mod token;
mod writer;

pub use element::{Attribute, Element, Extensions, Node};
/// The one date of the library, which documents write as `xs:dateTime`.
pub use msrp::cpim::{DateTime, DateTimeError};

pub use error::{XmlError, XmlErrorKind};
pub use limits::Limits;
pub use name::{Name, NameError, XML_NAMESPACE, XMLNS_NAMESPACE};
pub use reader::{Declaration, Event, Reader, StartTag, TagAttribute};
pub use writer::Writer;

pub(crate) use chars::{attribute_value, is_space, split_qname};
