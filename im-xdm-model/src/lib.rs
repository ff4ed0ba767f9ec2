//! The XML documents, rules, lists and XCAP of an instant messaging service, sans-IO.
#![forbid(unsafe_code)]

pub mod error;
pub mod xml;

pub use error::{DocumentError, DocumentErrorKind};
pub mod document;
pub mod list;
pub mod policy;
pub mod xcap;
