//! The XML documents, rules, lists and XCAP of an instant messaging service, sans-IO.
//!
//! Everything here is values in, values out: octets become documents, documents become decisions, and XCAP requests
//! become answers. Whoever calls owns sockets, HTTP, clock and store.
//!
//! ```
//! use im_xdm_model::document::ResourceLists;
//! use im_xdm_model::list::{Options, recipients};
//! use im_xdm_model::xml::Limits;
//!
//! let body = br#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"
//!     xmlns:cp="urn:ietf:params:xml:ns:copycontrol">
//!   <list><entry uri="sip:bill@example.com" cp:copyControl="to"/><entry uri="sip:ted@example.net"/></list>
//! </resource-lists>"#;
//! let lists = ResourceLists::parse(body, &Limits::default())?;
//! let recipients = recipients(&lists, &Options::default())?;
//! for (index, recipient) in recipients.entries.iter().enumerate() {
//!     // Each recipient gets the message, and a history that shows nobody who may not be shown.
//!     let _ = (&recipient.uri, recipients.history_for(index));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where it is specified | module |
//! |---|---|---|
//! | well-formed XML, bounded, without document types | XML 1.0, Namespaces in XML 1.0 | [`xml`] |
//! | lists, copy control | RFC 4826, RFC 5364 | [`document::resource_lists`] |
//! | groups | OMA group documents | [`document::group`] |
//! | rules | RFC 4745 and OMA's conditions and actions | [`document::access_rules`], [`policy`] |
//! | conference state | RFC 4575, nicknames of RFC 7701 | [`document::conference_info`] |
//! | disposition notifications | RFC 5438 | [`document::imdn`] |
//! | composing indications | RFC 3994 | [`document::is_composing`] |
//! | messages that wait | reconstructed, see there | [`document::deferred`] |
//! | presence, registrations, watchers | RFC 3863, RFC 4479, RFC 4480; RFC 3680, RFC 5628; RFC 3858 | [`document::pidf`], [`document::reginfo`], [`document::watcherinfo`] |
//! | services of lists | RFC 4826 section 4 | [`document::rls_services`] |
//! | profiles, settings, histories | OMA profiles; reconstructed, see there | [`document::user_profile`], [`document::im_settings`], [`document::history`] |
//! | recipients and histories, references between lists | RFC 5363 to RFC 5366, RFC 4826 | [`list`] |
//! | requests on documents | RFC 4825 | [`xcap`] |
//! | patches | RFC 5261 | [`xcap::patch`] |
//! | reports of changes | RFC 5874 | [`xcap::diff`] |
//!
//! With the feature `serde` the documents can be serialised, to JSON and the like; XML never goes that way.
#![forbid(unsafe_code)]

pub mod document;
pub mod error;
pub mod list;
pub mod policy;
pub mod xcap;
pub mod xml;

pub use error::{DocumentError, DocumentErrorKind};
