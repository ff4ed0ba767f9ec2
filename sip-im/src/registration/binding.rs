//! Bindings, and what a REGISTER is told of them.

use std::time::Instant;

use crate::error::BuildError;
use crate::flow::FlowId;
use crate::header::{Contact, FlowTimer, HeaderName, MinExpires, NameAddr, Path, Require, Unsupported};
use crate::message::{Request, Response};
use crate::uri::Uri;
use crate::{ByteStr, StatusCode};

/// One place where a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The contact with its parameters: feature tags, `q`, `+sip.instance`, `reg-id`.
    pub contact: NameAddr,
    /// Where the registration came in, until that flow is gone.
    pub flow: Option<FlowId>,
    /// The routes that lead to the contact (RFC 3327), in the order in which they are visited.
    pub path: Vec<NameAddr>,
    /// When the binding ends.
    pub expires: Instant,
    pub(super) call_id: Box<str>,
    pub(super) sequence: u32,
    /// Of the contact, kept when it is renewed.
    pub(super) id: u64,
    /// Of the latest REGISTER that renewed it; the greatest is the latest.
    pub(super) version: u64,
}

impl Binding {
    /// The contact's address.
    pub fn uri(&self) -> &Uri {
        &self.contact.uri
    }

    /// The instance that registered (RFC 5626), without quotes.
    pub fn instance(&self) -> Option<String> {
        self.contact.params.unquoted("+sip.instance")
    }

    /// Which of the instance's flows it is (RFC 5626).
    pub fn reg_id(&self) -> Option<u32> {
        self.contact
            .params
            .get("reg-id")
            .flatten()
            .and_then(|text| text.parse().ok())
    }

    /// Whether the contact has a feature tag (RFC 3840) with another value than false.
    pub fn has_feature(&self, tag: &str) -> bool {
        Contact::Addr(self.contact.clone()).has_feature(tag)
    }

    /// Whether two registrations are of the same place.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-6
    //# When a "+sip.instance" Contact header field parameter and a "reg-id"
    //# Contact header field parameter are present in a Contact header field
    //# of a REGISTER request (after the Contact header validation as
    //# described above), the corresponding binding is between an AOR and the
    //# combination of the instance-id (from the "+sip.instance" Contact
    //# header parameter) and the value of "reg-id" Contact header field
    //# parameter parameter.
    pub(super) fn is_of(&self, contact: &NameAddr) -> bool {
        let flow = |contact: &NameAddr| {
            let instance = contact.params.unquoted("+sip.instance")?;
            Some((instance, contact.params.get("reg-id").flatten()?.to_owned()))
        };
        match (flow(&self.contact), flow(contact)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.contact.uri.equivalent(&contact.uri),
            _ => false,
        }
    }
}

/// What came of a REGISTER.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegisterOutcome {
    /// The status to answer.
    pub status: StatusCode,
    /// The bindings that there are now, each with what is left of it in seconds.
    pub contacts: Vec<(NameAddr, u32)>,
    /// The routes to repeat in the response (RFC 3327).
    pub path: Vec<Path>,
    /// Whether the contact was registered as a flow (RFC 5626).
    pub outbound: bool,
    /// What the client is told of how long keep-alives are waited for, in seconds.
    pub flow_timer: Option<u32>,
    /// What a 423 tells.
    pub min_expires: Option<u32>,
    /// Whether the user is registered now and was not before.
    pub first: bool,
    /// Whether the user was registered and is not any more.
    pub gone: bool,
}

impl RegisterOutcome {
    /// Makes the response, to which the registrar's host may add (Service-Route, P-Associated-URI, Date).
    ///
    /// # Errors
    ///
    /// Fails when the request lacks what every response repeats.
    pub fn response(&self, request: &Request, to_tag: &str) -> Result<Response, BuildError> {
        let mut builder = request.response(self.status).to_tag(to_tag);
        if let Some(seconds) = self.min_expires {
            builder = builder.header_typed(&MinExpires(seconds));
        }
        for (contact, seconds) in &self.contacts {
            let mut contact = contact.clone();
            contact
                .params
                .set("expires", Some(&seconds.to_string()))
                .map_err(|error| BuildError::Invalid(HeaderName::CONTACT, error))?;
            builder = builder.header_typed(&Contact::Addr(contact));
        }
        for path in &self.path {
            builder = builder.header_typed(path);
        }
        //= https://www.rfc-editor.org/rfc/rfc5626#section-6
        //# Provided that the UAC had included an outbound
        //# option-tag (defined in Section 11.4) in a Supported header field
        //# value in the REGISTER request, the registrar MUST include the
        //# outbound option-tag in a Require header field value in its response
        //# to that REGISTER request.
        if self.outbound {
            builder = builder.header_typed(&Require::new(["outbound"]));
        }
        if let Some(seconds) = self.flow_timer {
            builder = builder.header_typed(&FlowTimer(seconds));
        }
        if self.status == StatusCode::BAD_EXTENSION {
            builder = builder.header_typed(&Unsupported::new(["path"]));
        }
        builder.build()
    }

    pub(super) fn refused(status: StatusCode) -> Self {
        Self {
            status,
            contacts: Vec::new(),
            path: Vec::new(),
            outbound: false,
            flow_timer: None,
            min_expires: None,
            first: false,
            gone: false,
        }
    }
}

/// A binding outlives the request that it came in, so it doesn't share that one's buffer.
pub(super) fn detached(address: &NameAddr) -> NameAddr {
    NameAddr::parse(&ByteStr::from(address.to_string())).unwrap_or_else(|_| address.clone())
}
