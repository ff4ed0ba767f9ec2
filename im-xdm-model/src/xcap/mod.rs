//! XCAP as values: a request and the stored document in, an answer and a change out (RFC 4825).
//!
//! HTTP and the store stay with the host: it authenticates, asks [`Usage::may_access`], fetches the document that
//! [`ResourceUri`] names, calls [`apply`], stores the [`Change`] and sends the [`Outcome`].

mod caps;
pub mod diff;
mod directory;
mod edit;
mod error;
mod etag;
mod index;
pub mod patch;
mod selector;
mod uri;
mod usage;
mod validate;

use bytes::Bytes;
use sip_im::ContentType;

pub use caps::Capabilities;
pub use directory::{Directory, DirectoryEntry, Folder};
pub use error::{Condition, Exists, MEDIA_TYPE as ERROR_MEDIA_TYPE, XcapError};
pub use etag::ETag;
pub(crate) use index::locate;
pub use selector::{AttributeName, NodeSelector, SelectorError, Step, Terminal};
pub use uri::{ResourceUri, Tree, UriError, UriLimits};
pub use usage::{Access, GlobalReaders, Usage, Usages, Validator, Violation};

use crate::xml::{Limits, XmlErrorKind};
use edit::{EditError, Edited, Target};
use index::{Index, Selected};

/// The usage whose one document tells what the server supports.
pub const CAPS_AUID: &str = "xcap-caps";

/// The usage whose document, one for each user, lists the documents that he has.
pub const DIRECTORY_AUID: &str = "org.openmobilealliance.xcap-directory";

/// What a resource allows that only the server changes.
const READ_ONLY: &str = "GET, HEAD";

/// The media type of an element.
pub const ELEMENT_MEDIA_TYPE: &str = "application/xcap-el+xml";

/// The media type of an attribute value.
pub const ATTRIBUTE_MEDIA_TYPE: &str = "application/xcap-att+xml";

/// The media type of namespace bindings.
pub const NAMESPACES_MEDIA_TYPE: &str = "application/xcap-ns+xml";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Fetch.
    Get,
    /// Create or replace.
    Put,
    /// Delete.
    Delete,
    /// Anything else, which no resource supports.
    Other,
}

impl Method {
    /// Reads an HTTP method; HEAD is answered like GET.
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" | "HEAD" => Self::Get,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// A request, authenticated and authorised.
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub uri: ResourceUri,
    /// The body.
    pub body: Bytes,
    /// The value of `Content-Type`.
    pub content_type: Option<String>,
    /// The value of `If-Match`.
    pub if_match: Option<String>,
    /// The value of `If-None-Match`.
    pub if_none_match: Option<String>,
}

impl Request {
    /// Makes a request without body and conditions.
    pub fn new(method: Method, uri: ResourceUri) -> Self {
        Self {
            method,
            uri,
            body: Bytes::new(),
            content_type: None,
            if_match: None,
            if_none_match: None,
        }
    }

    /// Makes a PUT.
    pub fn put(uri: ResourceUri, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            content_type: Some(content_type.into()),
            ..Self::new(Method::Put, uri)
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("body", &format_args!("{} octets", self.body.len()))
            .field("content_type", &self.content_type)
            .field("if_match", &self.if_match)
            .field("if_none_match", &self.if_none_match)
            .finish()
    }
}

/// A document as the host keeps it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Its entity tag.
    pub etag: ETag,
    /// Its text.
    pub text: Bytes,
}

impl Stored {
    /// Takes a text with the tag that is minted from it.
    pub fn new(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self {
            etag: ETag::of(&text),
            text,
        }
    }

    /// Takes a text with the tag that the host kept.
    pub fn with_etag(etag: ETag, text: impl Into<Bytes>) -> Self {
        Self {
            etag,
            text: text.into(),
        }
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stored({}, {} octets)", self.etag, self.text.len())
    }
}

/// What the host has to store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing.
    None,
    /// This text, under the entity tag of the outcome.
    Put(Bytes),
    /// The document is gone.
    Delete,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// The entity tag of the document after the request.
    pub etag: Option<ETag>,
    /// The value of `Allow`, with a 405.
    pub allow: Option<&'static str>,
    /// What the host has to store, once it is sure that nobody else changed the document in between.
    pub change: Change,
}

impl Outcome {
    /// Makes an answer without body: that to a request whose URI cannot be read, say.
    pub fn of_status(status: u16) -> Self {
        Self {
            status,
            body: Bytes::new(),
            content_type: None,
            etag: None,
            allow: None,
            change: Change::None,
        }
    }

    fn conflict(error: &XcapError) -> Self {
        Self {
            body: error.write(),
            content_type: Some(ERROR_MEDIA_TYPE.to_owned()),
            ..Self::of_status(409)
        }
    }

    fn stored(text: Bytes, created: bool) -> Self {
        Self {
            etag: Some(ETag::of(&text)),
            change: Change::Put(text),
            ..Self::of_status(if created { 201 } else { 200 })
        }
    }

    fn not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::of_status(405)
        }
    }
}

/// Answers a request with the default limits on documents.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::{Change, Method, Request, ResourceUri, Stored, Usages, apply};
///
/// let stored = Stored::new(r#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list/></resource-lists>"#);
/// let path = "/resource-lists/users/sip:joe@example.com/index/~~/resource-lists/list/entry%5b@uri=%22sip:a@b%22%5d";
/// let request = Request::put(ResourceUri::parse("", path)?, "application/xcap-el+xml", r#"<entry uri="sip:a@b"/>"#);
/// let outcome = apply(&request, Some(&stored), &Usages::standard());
/// assert_eq!(outcome.status, 201);
/// assert!(matches!(outcome.change, Change::Put(text) if text.ends_with(br#"<list><entry uri="sip:a@b"/></list></resource-lists>"#)));
/// # Ok::<(), im_xdm_model::xcap::UriError>(())
/// ```
pub fn apply(request: &Request, stored: Option<&Stored>, usages: &Usages) -> Outcome {
    apply_within(request, stored, usages, &Limits::default())
}

/// Answers a request.
///
/// The host must store the change only if the document is still the one it gave, and otherwise call again.
pub fn apply_within(request: &Request, stored: Option<&Stored>, usages: &Usages, limits: &Limits) -> Outcome {
    //= https://www.rfc-editor.org/rfc/rfc4825#section-8
    //# If the URI refers to an application usage not understood by the
    //# server, the server MUST reject the request with a 404 (Not Found)
    //# response.
    let Some(usage) = usages.get(request.uri.auid()) else {
        return Outcome::of_status(404);
    };
    if usage.auid == CAPS_AUID {
        return capabilities(request, usages, limits);
    }
    answer(request, stored, usage, limits)
}

fn capabilities(request: &Request, usages: &Usages, limits: &Limits) -> Outcome {
    if request.uri.tree() != &Tree::Global || request.uri.document() != "index" {
        return Outcome::of_status(404);
    }
    let stored = Stored::new(Capabilities::of(usages).write());
    match usages.get(CAPS_AUID) {
        Some(usage) => answer(request, Some(&stored), usage, limits),
        None => Outcome::of_status(404),
    }
}

fn answer(request: &Request, stored: Option<&Stored>, usage: &Usage, limits: &Limits) -> Outcome {
    let node = request.uri.node();
    let namespaces = node.is_some_and(|n| matches!(n.terminal(), Some(Terminal::Namespaces)));
    //= R-5.3.3-02
    let outcome = match request.method {
        Method::Get => get(request, stored, usage, limits),
        //= https://www.rfc-editor.org/rfc/rfc4825#section-8.2
        //# If the request URI contained a namespace-selector, the server MUST
        //# reject the request with a 405 (Method Not Allowed) and MUST include
        //# an Allow header field including the GET method.
        _ if namespaces || !usage.writable => return Outcome::not_allowed(READ_ONLY),
        Method::Other => return Outcome::not_allowed("GET, HEAD, PUT, DELETE"),
        Method::Put => put(request, stored, usage, limits),
        Method::Delete => delete(request, stored, usage, limits),
    };
    condition(request, stored, outcome)
}

/// Applies `If-Match` and `If-None-Match`, which count only for requests that would succeed.
fn condition(request: &Request, stored: Option<&Stored>, outcome: Outcome) -> Outcome {
    if !(200..300).contains(&outcome.status) {
        return outcome;
    }
    let current = stored.map(|s| &s.etag);
    if request
        .if_match
        .as_deref()
        .is_some_and(|value| !etag::if_match_holds(value, current))
    {
        return Outcome::of_status(412);
    }
    if request
        .if_none_match
        .as_deref()
        .is_some_and(|value| !etag::if_none_match_holds(value, current))
    {
        let status = if request.method == Method::Get { 304 } else { 412 };
        return Outcome {
            etag: current.cloned(),
            ..Outcome::of_status(status)
        };
    }
    outcome
}

fn get(request: &Request, stored: Option<&Stored>, usage: &Usage, limits: &Limits) -> Outcome {
    let Some(stored) = stored else {
        return Outcome::of_status(404);
    };
    let found = |body: Bytes, media_type: &str| Outcome {
        body,
        content_type: Some(media_type.to_owned()),
        etag: Some(stored.etag.clone()),
        ..Outcome::of_status(200)
    };
    let Some(selector) = request.uri.node() else {
        return found(stored.text.clone(), &usage.media_type);
    };
    let Ok(index) = Index::build(&stored.text, limits, selector) else {
        return Outcome::of_status(500);
    };
    //= https://www.rfc-editor.org/rfc/rfc4825#section-8.3
    //# If no document is
    //# found, or if the node-selector is a no-match or invalid, the server
    //# returns a 404 response.
    let slice =
        |range: std::ops::Range<usize>| stored.text.get(range).map(|part| stored.text.slice_ref(part));
    let answer = match index.select(selector, &usage.namespace) {
        Ok(Selected::Element(element)) => index
            .node(element)
            .and_then(|n| slice(n.span()))
            .map(|body| found(body, ELEMENT_MEDIA_TYPE)),
        Ok(Selected::Attribute(element, at)) => index
            .node(element)
            .and_then(|n| index.attributes(n).get(at))
            .and_then(|a| slice(a.value_span()))
            .map(|body| found(body, ATTRIBUTE_MEDIA_TYPE)),
        Ok(Selected::Namespaces(element)) => index
            .bindings(element)
            .map(|body| found(body.into(), NAMESPACES_MEDIA_TYPE)),
        Err(_) => None,
    };
    answer.unwrap_or_else(|| Outcome::of_status(404))
}

fn put(request: &Request, stored: Option<&Stored>, usage: &Usage, limits: &Limits) -> Outcome {
    let expected = match request.uri.node() {
        None => usage.media_type.as_str(),
        Some(node) if node.terminal().is_some() => ATTRIBUTE_MEDIA_TYPE,
        Some(_) => ELEMENT_MEDIA_TYPE,
    };
    if !request
        .content_type
        .as_deref()
        .is_some_and(|given| is_media_type(given, expected))
    {
        return Outcome::of_status(415);
    }
    let home = || Condition::NoParent {
        ancestor: Some(request.uri.home().to_owned()),
    };
    let Some(selector) = request.uri.node() else {
        // Nothing creates sub-directories, so there is none to put a new document into.
        if stored.is_none() && request.uri.is_in_directory() {
            return Outcome::conflict(&home().into());
        }
        let text = request.body.clone();
        return match (usage.validate)(&request.uri, &text, limits) {
            Ok(()) => Outcome::stored(text, stored.is_none()),
            Err(Violation::Xml(XmlErrorKind::TooLarge)) => Outcome::of_status(413),
            Err(violation) => Outcome::conflict(&violation.into()),
        };
    };
    //= https://www.rfc-editor.org/rfc/rfc4825#section-8.2.1
    //# If the
    //# document does not exist, the server MUST return a 409 response, and
    //# SHOULD include a detailed conflict report including the <no-parent>
    //# element.
    let Some(stored) = stored else {
        return Outcome::conflict(&home().into());
    };
    edit(request, stored, usage, limits, selector, |target| {
        target.put(selector, &request.body)
    })
}

fn delete(request: &Request, stored: Option<&Stored>, usage: &Usage, limits: &Limits) -> Outcome {
    let Some(stored) = stored else {
        return Outcome::of_status(404);
    };
    match request.uri.node() {
        None => Outcome {
            change: Change::Delete,
            ..Outcome::of_status(200)
        },
        Some(selector) => edit(request, stored, usage, limits, selector, |target| {
            target.delete(selector)
        }),
    }
}

fn edit(
    request: &Request,
    stored: &Stored,
    usage: &Usage,
    limits: &Limits,
    selector: &NodeSelector,
    change: impl Fn(&Target<'_>) -> Result<Edited, EditError>,
) -> Outcome {
    // A stored text that cannot be read is the host's fault.
    let (Ok(index), Ok(text)) = (
        Index::build(&stored.text, limits, selector),
        std::str::from_utf8(&stored.text),
    ) else {
        return Outcome::of_status(500);
    };
    let target = Target {
        text,
        index: &index,
        default: &usage.namespace,
        limits,
    };
    let edited = match change(&target) {
        Ok(edited) => edited,
        Err(EditError::NotFound) => return Outcome::of_status(404),
        Err(EditError::TooLarge) => return Outcome::of_status(413),
        Err(EditError::Conflict(error)) => return Outcome::conflict(&error),
        Err(EditError::NoParent(steps)) => {
            let ancestor = Some(request.uri.ancestor(steps));
            return Outcome::conflict(&Condition::NoParent { ancestor }.into());
        }
    };
    let text = Bytes::from(edited.text);
    match (usage.validate)(&request.uri, &text, limits) {
        Ok(()) => Outcome::stored(text, edited.created),
        // Each part was well-formed where it stands; what is not is that there is no root any more.
        Err(Violation::Xml(XmlErrorKind::NoRoot)) => {
            Outcome::conflict(&Condition::SchemaValidationError.into())
        }
        Err(Violation::Xml(kind)) => {
            let error = XcapError::new(Condition::ConstraintFailure).with_phrase(kind.to_string());
            Outcome::conflict(&error)
        }
        Err(violation) => Outcome::conflict(&violation.into()),
    }
}

fn is_media_type(given: &str, expected: &str) -> bool {
    let expected = expected.split_once('/').unwrap_or_default();
    ContentType::parse(given).is_ok_and(|given| given.is(expected.0, expected.1))
}
