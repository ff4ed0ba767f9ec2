//! REFER (RFC 3515), with and without its subscription (RFC 4488), and to many at once (RFC 5368).
//!
//! [`Refer`] says what is asked and makes the request; [`Issuer`] follows what becomes of it. At the other end, [`Recipient`] reads the
//! request, answers it, and makes the NOTIFYs that tell of the progress. Sending them is the [endpoint](crate::endpoint)'s, following
//! the reference is the host's.

mod issuer;
mod recipient;

use bytes::Bytes;
use msrp::header::content::ContentDisposition;

use crate::error::BuildError;
use crate::header::{
    Contact, ContentId, HeaderName, ReferSub, ReferTo, ReferredBy, Require, Supported, TargetDialog,
};
use crate::message::{Request, RequestBuilder};
use crate::uri::Uri;
use crate::{ContentType, StatusCode};

pub use issuer::{Issuer, IssuerEvent, IssuerState};
pub use recipient::{Config, Recipient, ReferRefused, Reference};

/// Who is to be contacted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Targets {
    One(Box<Uri>),
    Many {
        content_type: ContentType,
        list: Bytes,
        content_id: String,
    },
}

/// What a REFER asks for.
///
/// ```
/// use sip_im::header::{Contact, ReferTo};
/// use sip_im::refer::Refer;
/// use sip_im::{Method, Request, Uri};
///
/// let (alice, room) = (Uri::parse("sip:alice@example.com")?, Uri::parse("sip:room@example.com")?);
/// let request = Request::builder(Method::Refer, room.clone())
///     .from(&alice, None, "a1")
///     .to(&room, None)
///     .call_id("c1")
///     .cseq(1);
/// let contact = Contact::new(Uri::parse("sip:alice@192.0.2.1")?);
/// let refer = Refer::to(Uri::parse("sip:bob@example.com;method=INVITE")?).request(request, &contact)?;
/// assert_eq!(refer.headers().require::<ReferTo>()?.uri().user(), Some("bob"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    targets: Targets,
    subscribe: bool,
    target_dialog: Option<TargetDialog>,
    referred_by: Option<Uri>,
}

impl Refer {
    /// Asks to contact a URI, which may name the method: `sip:bob@example.com;method=BYE`.
    pub fn to(uri: Uri) -> Self {
        Self {
            targets: Targets::One(Box::new(uri)),
            subscribe: true,
            target_dialog: None,
            referred_by: None,
        }
    }

    /// Asks to contact each entry of a URI list (RFC 5368); without a subscription, which could not tell one from the other.
    ///
    /// `content_id` names the body within the request; it is like a message id, `random@host`.
    pub fn to_many(content_type: ContentType, list: Bytes, content_id: &str) -> Self {
        Self {
            targets: Targets::Many {
                content_type,
                list,
                content_id: content_id.to_owned(),
            },
            subscribe: false,
            target_dialog: None,
            referred_by: None,
        }
    }

    /// Asks not to be told what becomes of it (RFC 4488). Only where the request can't fork: inside a dialog, or to a GRUU.
    #[must_use]
    pub fn without_subscription(mut self) -> Self {
        self.subscribe = false;
        self
    }

    /// Shows that the sender knows of a dialog of the recipient (RFC 4538), whose tags are as the recipient sees them.
    #[must_use]
    pub fn about(mut self, dialog: TargetDialog) -> Self {
        self.target_dialog = Some(dialog);
        self
    }

    /// Says on whose behalf (RFC 3892).
    #[must_use]
    pub fn referred_by(mut self, uri: Uri) -> Self {
        self.referred_by = Some(uri);
        self
    }

    /// Makes the request from one that has been begun, inside a dialog or outside.
    ///
    /// # Errors
    ///
    /// Fails when something can't be written.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.1
    //# A REFER
    //# request MUST contain exactly one Refer-To header field value.
    pub fn request(self, begun: RequestBuilder, contact: &Contact) -> Result<Request, BuildError> {
        let mut builder = begun
            .contact(contact)
            .header_typed(&Supported::new(["norefersub", "tdialog"]));
        let mut required = Vec::new();
        builder = match self.targets {
            Targets::One(uri) => builder.header_typed(&ReferTo::new(*uri)),
            //= https://www.rfc-editor.org/rfc/rfc5368#section-7
            //# The Refer-To header field of a REFER request with multiple REFER-
            //# Targets MUST contain a pointer (i.e., a Content-ID Uniform Resource
            //# Locator (URL) as per RFC 2392 [RFC2392]) that points to the body part
            //# that carries the URI list.
            Targets::Many {
                content_type,
                list,
                content_id,
            } => {
                required.extend(["multiple-refer", "norefersub"]);
                let invalid = |error| BuildError::Invalid(HeaderName::REFER_TO, error);
                let pointer = Uri::parse(&format!("cid:{content_id}")).map_err(invalid)?;
                let id = ContentId::new(&format!("<{content_id}>"));
                builder
                    .header_typed(&ReferTo::new(pointer))
                    .header_typed(&id)
                    .header(&HeaderName::CONTENT_DISPOSITION, RECIPIENT_LIST)?
                    .body(&content_type, list)
            }
        };
        if !self.subscribe {
            builder = builder.header_typed(&ReferSub(false));
        }
        if let Some(dialog) = &self.target_dialog {
            //= https://www.rfc-editor.org/rfc/rfc4538#section-3
            //# The request sent by the UAC SHOULD include a Require header field
            //# that includes the tdialog option tag.
            required.push("tdialog");
            builder = builder.header_typed(dialog);
        }
        if let Some(uri) = self.referred_by {
            builder = builder.header_typed(&ReferredBy::new(uri));
        }
        if !required.is_empty() {
            builder = builder.header_typed(&Require::new(required));
        }
        builder.build()
    }
}

const RECIPIENT_LIST: &str = "recipient-list";

/// The status that the body of a NOTIFY about a REFER begins with (RFC 3515 section 2.4.5), if it is one.
///
/// ```
/// use sip_im::refer::sipfrag_status;
/// assert_eq!(sipfrag_status(b"SIP/2.0 486 Busy Here\r\n").map(|status| status.code()), Some(486));
/// assert_eq!(sipfrag_status(b"INVITE sip:bob@example.com SIP/2.0\r\n"), None);
/// ```
pub fn sipfrag_status(body: &[u8]) -> Option<StatusCode> {
    let rest = body.strip_prefix(b"SIP/2.0 ")?;
    let (digits, rest) = rest.split_first_chunk::<3>()?;
    if !matches!(rest.first(), None | Some(b' ' | b'\r')) {
        return None;
    }
    let text = core::str::from_utf8(digits).ok()?;
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    StatusCode::new(text.parse().ok()?)
}

/// The body that tells a status.
fn sipfrag(status: StatusCode) -> Bytes {
    Bytes::from(format!("SIP/2.0 {status} {}\r\n", status.default_reason()))
}

fn sipfrag_type() -> Option<ContentType> {
    ContentType::parse("message/sipfrag;version=2.0").ok()
}

/// Whether a body is the list of recipients.
fn is_recipient_list(request: &Request) -> bool {
    request
        .headers()
        .get::<ContentDisposition>()
        .ok()
        .flatten()
        .is_some_and(|disposition| disposition.is(RECIPIENT_LIST))
}
