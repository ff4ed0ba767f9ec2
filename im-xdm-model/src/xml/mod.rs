//! The one XML layer: strict reading, an owned tree, deterministic writing.
//!
//! One pass over the text finds the tokens and checks everything that makes a document well-formed and
//! namespace-well-formed. A tokenizer of its own, because the one of quick-xml leaves these checks to its user: they
//! would go over every tag a second time, which cost more than all the rest. Document types and entities are refused
//! outright; the encoding is UTF-8, and anything else is refused. Nothing here recurses.

mod chars;
mod element;
mod error;
mod limits;
mod name;
mod parser;
mod reader;
mod scope;
mod tag;
mod token;
mod tree;
mod writer;

pub use element::{Attribute, Element, Extensions, Node};
/// The one date of the library, which documents write as `xs:dateTime`.
pub use msrp::cpim::{DateTime, DateTimeError};

pub use error::{XmlError, XmlErrorKind};
pub use limits::Limits;
pub use name::{Name, NameError, XML_NAMESPACE, XMLNS_NAMESPACE};
pub use reader::{Declaration, Event, Reader, StartTag, TagAttribute};
pub use writer::Writer;

pub(crate) use chars::{attribute_value, is_space, resolve_reference, split_qname};
pub(crate) use error::place;
pub(crate) use parser::{Parser, Token, check};
pub(crate) use scope::{NamespaceId, Namespaces};
pub(crate) use tree::{AttributeRef, NameRef, Node as TreeNode, Placed, Tree};
