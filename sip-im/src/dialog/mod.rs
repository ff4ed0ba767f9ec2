//! Dialogs: what two user agents remember of each other (RFC 3261 section 12).

mod id;
mod snapshot;

use thiserror::Error;

use crate::ByteStr;
use crate::Method;
use crate::StatusCode;
use crate::error::{BuildError, HeaderError};
use crate::header::{CSeq, CallId, Contact, From, NameAddr, RecordRoute, Route, To};
use crate::message::{Request, RequestBuilder, Response};
use crate::uri::{Scheme, Uri};

pub use id::DialogId;
pub use snapshot::DialogSnapshot;

/// Whether a dialog is there for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialogState {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx, or by a NOTIFY.
    Confirmed,
}

/// Why messages make no dialog.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialogError {
    /// A header field is missing or malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The response is neither a provisional one with a tag nor a 2xx.
    #[error("the response makes no dialog")]
    Status,
    /// The tag of an end is missing.
    #[error("a tag is missing")]
    NoTag,
    /// The peer's Contact is missing or is not an address.
    #[error("no address to reach the peer at")]
    NoContact,
    /// More routes than [`MAX_ROUTES`].
    #[error("too many routes")]
    TooManyRoutes,
}

/// Why a request inside a dialog is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// A later one has come before.
    #[error("the request is out of order")]
    OutOfOrder,
    /// A header field is missing or malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl SequenceError {
    /// What to answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::OutOfOrder => StatusCode::SERVER_INTERNAL_ERROR,
            Self::Header(error) => error.status(),
        }
    }
}

/// The most routes that a dialog remembers.
pub const MAX_ROUTES: usize = 32;

/// One end's view of a dialog.
///
/// ```
/// use sip_im::dialog::Dialog;
/// use sip_im::header::Contact;
/// use sip_im::{Method, Request, StatusCode, Uri};
///
/// let (alice, bob) = (Uri::parse("sip:alice@a.test")?, Uri::parse("sip:bob@b.test")?);
/// let invite = Request::builder(Method::Invite, bob.clone())
///     .from(&alice, None, "a1")
///     .to(&bob, None)
///     .call_id("c1")
///     .cseq(1)
///     .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.1")?))
///     .build()?;
/// let ok = invite.response(StatusCode::OK).to_tag("b1").contact(&Contact::new(Uri::parse("sip:bob@192.0.2.2")?)).build()?;
/// let mut ours = Dialog::from_uac(&invite, &ok)?;
/// let mut theirs = Dialog::from_uas(&invite, &ok)?;
/// let bye = ours.request(Method::Bye).build()?;
/// assert_eq!(bye.uri().as_str(), "sip:bob@192.0.2.2");
/// assert!(theirs.accept_request(&bye).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    state: DialogState,
    secure: bool,
    /// As From has it, without tag; read when it is needed, since most dialogs are idle most of the time.
    local: ByteStr,
    /// As To has it, without tag.
    remote: ByteStr,
    /// As Route has them, a line each.
    routes: ByteStr,
    target: Uri,
    local_sequence: Option<u32>,
    remote_sequence: Option<u32>,
}

impl Dialog {
    /// The dialog at the end that answered a request.
    ///
    /// # Errors
    ///
    /// Fails when the messages lack what makes a dialog.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
    //# The route set MUST be set to the list of URIs in the Record-Route
    //# header field from the request, taken in order and preserving all URI
    //# parameters.
    pub fn from_uas(request: &Request, response: &Response) -> Result<Self, DialogError> {
        let state = state_of(response)?;
        let local_tag = tag(response.headers().require::<To>()?.tag())?;
        Self::answering(request, &local_tag, state)
    }

    /// The dialog at the end that subscribed, when it is made by the first NOTIFY.
    ///
    /// # Errors
    ///
    /// Fails when the messages lack what makes a dialog.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
    //# Because the dialog usage is established by the NOTIFY request, the
    //# route set at the subscriber is taken from the NOTIFY request itself,
    pub fn from_notify(subscribe: &Request, notify: &Request) -> Result<Self, DialogError> {
        Self::of_notify(subscribe.headers().require::<CSeq>()?.seq, notify)
    }

    /// The same, by the number of the SUBSCRIBE.
    pub(crate) fn of_notify(sequence: u32, notify: &Request) -> Result<Self, DialogError> {
        let local_tag = tag(notify.headers().require::<To>()?.tag())?;
        let mut dialog = Self::answering(notify, &local_tag, DialogState::Confirmed)?;
        dialog.local_sequence = Some(sequence);
        Ok(dialog)
    }

    /// The dialog at the end that sent a request.
    ///
    /// # Errors
    ///
    /// Fails when the messages lack what makes a dialog.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.1.2
    //# The route set MUST be set to the list of URIs in the Record-Route
    //# header field from the response, taken in reverse order and preserving
    //# all URI parameters.
    pub fn from_uac(request: &Request, response: &Response) -> Result<Self, DialogError> {
        let state = state_of(response)?;
        let headers = request.headers();
        let from = headers.require::<From>()?;
        let to = response.headers().require::<To>()?;
        let call_id = headers.require::<CallId>()?;
        let parts = Parts {
            call_id: call_id.as_str(),
            local_tag: &tag(from.tag())?,
            remote_tag: to.tag().unwrap_or_default(),
            local: &from.name_addr,
            remote: &to.name_addr,
            routes: &routes(response.headers(), true)?,
        };
        let target = contact(response.headers())?.ok_or(DialogError::NoContact)?;
        let mut dialog = parts.dialog(state, target, request.uri().scheme() == Scheme::Sips);
        dialog.local_sequence = Some(headers.require::<CSeq>()?.seq);
        Ok(dialog)
    }

    fn answering(request: &Request, local_tag: &str, state: DialogState) -> Result<Self, DialogError> {
        let headers = request.headers();
        let from = headers.require::<From>()?;
        let to = headers.require::<To>()?;
        let call_id = headers.require::<CallId>()?;
        let parts = Parts {
            call_id: call_id.as_str(),
            local_tag,
            remote_tag: from.tag().unwrap_or_default(),
            local: &to.name_addr,
            remote: &from.name_addr,
            routes: &routes(headers, false)?,
        };
        let target = contact(headers)?.ok_or(DialogError::NoContact)?;
        let mut dialog = parts.dialog(state, target, request.uri().scheme() == Scheme::Sips);
        dialog.remote_sequence = Some(headers.require::<CSeq>()?.seq);
        Ok(dialog)
    }

    /// Its name at this end.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Whether it is there for good.
    pub fn state(&self) -> DialogState {
        self.state
    }

    /// The address that this end was called by or called itself.
    pub fn local_uri(&self) -> Uri {
        self.address(&self.local).uri
    }

    /// The address of the other end.
    pub fn remote_uri(&self) -> Uri {
        self.address(&self.remote).uri
    }

    /// Where the other end is reached: its Contact.
    pub fn remote_target(&self) -> &Uri {
        &self.target
    }

    /// The routes that requests take.
    pub fn route_set(&self) -> impl Iterator<Item = Uri> {
        self.routes().map(|route| route.uri)
    }

    fn routes(&self) -> impl Iterator<Item = NameAddr> {
        let lines = self.routes.as_str().lines();
        lines.map(|line| self.address(&self.routes.slice_of(line)))
    }

    /// What was an address when it was written down.
    fn address(&self, text: &ByteStr) -> NameAddr {
        NameAddr::parse(text).unwrap_or_else(|_| NameAddr::new(self.target.clone()))
    }

    /// Whether it was made by a SIPS URI.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The sequence number of the latest request of this end.
    pub fn local_sequence(&self) -> Option<u32> {
        self.local_sequence
    }

    /// Takes a later response to the request that made the dialog: a 2xx confirms it, and its routes count.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //# If the dialog identifier in the 2xx response matches the dialog
    //# identifier of an existing dialog, the dialog MUST be transitioned to
    //# the "confirmed" state, and the route set for the dialog MUST be
    //# recomputed based on the 2xx response using the procedures of Section
    //# 12.2.1.2.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the response lacks what makes a dialog.
    pub fn confirm(&mut self, response: &Response) -> Result<(), DialogError> {
        if state_of(response)? == DialogState::Confirmed && self.state == DialogState::Early {
            let routes = routes(response.headers(), true)?;
            if let Some(target) = contact(response.headers())? {
                self.target = target;
            }
            self.routes = exact(routes);
            self.state = DialogState::Confirmed;
        }
        Ok(())
    }

    /// Begins a request inside the dialog, with the next sequence number.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
    //# Therefore, if
    //# the local sequence number is not empty, the value of the local
    //# sequence number MUST be incremented by one, and this value MUST be
    //# placed into the CSeq header field.
    pub fn request(&mut self, method: Method) -> RequestBuilder {
        let sequence = self.next_sequence();
        self.local_sequence = Some(sequence);
        self.begin(method, sequence)
    }

    /// Gives a request that [`Self::request`] has made, and that has waited since, the number that is next now.
    ///
    /// # Errors
    ///
    /// Fails when the request's number can't be written.
    pub fn renumber(&mut self, request: &mut Request) -> Result<(), BuildError> {
        let sequence = self.next_sequence();
        let cseq = CSeq::new(sequence, request.method().clone());
        request.headers_mut().set_typed(&cseq)?;
        self.local_sequence = Some(sequence);
        Ok(())
    }

    fn next_sequence(&self) -> u32 {
        self.local_sequence
            .map_or(1, |sequence| sequence.saturating_add(1))
            .min(MAX_SEQUENCE)
    }

    /// Notes that a request of this end went out again with a higher number, since it was challenged.
    pub fn advance(&mut self, sequence: u32) {
        if self.local_sequence.is_none_or(|local| local < sequence) {
            self.local_sequence = Some(sequence.min(MAX_SEQUENCE));
        }
    }

    /// Begins the ACK for the 2xx to the INVITE of that number.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //# The header fields of the ACK are constructed
    //# in the same way as for any request sent within a dialog (see Section
    //# 12) with the exception of the CSeq and the header fields related to
    //# authentication.
    pub fn ack(&self, sequence: u32) -> RequestBuilder {
        self.begin(Method::Ack, sequence)
    }

    /// Takes a request of the other end: checks its number, and lets it say where that end is now.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when a later request has come before.
    pub fn accept_request(&mut self, request: &Request) -> Result<(), SequenceError> {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let moved = if refreshes_target(request.method()) {
            contact(request.headers())?
        } else {
            None
        };
        self.accept_sequence(request)?;
        if let Some(target) = moved {
            self.target = target;
        }
        Ok(())
    }

    /// Takes the number of a request of the other end; what else it changes waits for [`Self::take_target`].
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
    //# If the remote sequence number was not empty, but the sequence number
    //# of the request is lower than the remote sequence number, the request
    //# is out of order and MUST be rejected with a 500 (Server Internal
    //# Error) response.
    pub(crate) fn accept_sequence(&mut self, request: &Request) -> Result<(), SequenceError> {
        let sequence = request.headers().require::<CSeq>()?.seq;
        // The same number again, in another transaction, is a request that came twice on different ways.
        if self.remote_sequence.is_some_and(|latest| sequence <= latest) {
            return Err(SequenceError::OutOfOrder);
        }
        self.remote_sequence = Some(sequence);
        Ok(())
    }

    /// Lets a request of the other end that is accepted say where that end is now.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
    //# If the request is rejected, none
    //# of the state changes are performed.
    pub(crate) fn take_target(&mut self, request: &Request) {
        if refreshes_target(request.method())
            && let Ok(Some(target)) = contact(request.headers())
        {
            self.target = target;
        }
    }

    /// The 2xx of this end has gone out.
    pub(crate) fn confirm_uas(&mut self) {
        self.state = DialogState::Confirmed;
    }

    /// Takes the 2xx to a request of this end, which may say where the other end is now.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.2
    //# When a UAC receives a 2xx response to a target refresh request, it
    //# MUST replace the dialog's remote target URI with the URI from the
    //# Contact header field in that response, if present.
    pub fn refresh_target(&mut self, response: &Response) {
        let refreshes = response
            .headers()
            .get::<CSeq>()
            .ok()
            .flatten()
            .is_some_and(|cseq| refreshes_target(&cseq.method));
        if refreshes
            && response.status().is_success()
            && let Ok(Some(target)) = contact(response.headers())
        {
            self.target = target;
        }
    }

    /// Where requests are sent first: the first route, or the other end itself.
    pub fn next_hop(&self) -> Uri {
        self.route_set().next().unwrap_or_else(|| self.target.clone())
    }

    fn begin(&self, method: Method, sequence: u32) -> RequestBuilder {
        let strict = self.routes().next().filter(|route| !is_loose(&route.uri));
        //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
        //# If the route set is not empty, and its first URI does not contain the
        //# lr parameter, the UAC MUST place the first URI from the route set
        //# into the Request-URI, stripping any parameters that are not allowed
        //# in a Request-URI.
        let skipped = usize::from(strict.is_some());
        let is_strict = strict.is_some();
        let uri = strict.map_or_else(|| self.target.clone(), |route| route.uri);
        let mut builder = Request::builder(method, uri);
        for route in self.routes().skip(skipped) {
            let mut value = Route::new(route.uri.clone());
            value.name_addr = route;
            builder = builder.header_typed(&value);
        }
        if is_strict {
            builder = builder.header_typed(&Route::new(self.target.clone()));
        }
        let local = self.address(&self.local);
        let mut from = From::new(local.uri.clone());
        from.name_addr = local;
        from.tag = Some(self.id.local_tag.clone()).filter(|tag| !tag.is_empty());
        let remote = self.address(&self.remote);
        let mut to = To::new(remote.uri.clone());
        to.name_addr = remote;
        to.tag = Some(self.id.remote_tag.clone()).filter(|tag| !tag.is_empty());
        builder
            .header_typed(&from)
            .header_typed(&to)
            .call_id(self.id.call_id.as_str())
            .cseq(sequence)
    }
}

/// The largest sequence number (RFC 3261 section 8.1.1.5).
const MAX_SEQUENCE: u32 = (1 << 31) - 1;

pub(crate) fn is_loose(uri: &Uri) -> bool {
    uri.parameter("lr").is_some()
}

fn refreshes_target(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
    )
}

fn state_of(response: &Response) -> Result<DialogState, DialogError> {
    match response.status().code() {
        101..=199 => Ok(DialogState::Early),
        200..=299 => Ok(DialogState::Confirmed),
        _ => Err(DialogError::Status),
    }
}

fn tag(tag: Option<&str>) -> Result<String, DialogError> {
    tag.map(str::to_owned).ok_or(DialogError::NoTag)
}

/// The routes that a message records, a line each.
fn routes(headers: &crate::header::Headers, reversed: bool) -> Result<String, DialogError> {
    let mut routes = Vec::new();
    for route in headers.all::<RecordRoute>() {
        if routes.len() >= MAX_ROUTES {
            return Err(DialogError::TooManyRoutes);
        }
        routes.push(written(&route?.name_addr));
    }
    if reversed {
        routes.reverse();
    }
    Ok(routes.join("\n"))
}

fn contact(headers: &crate::header::Headers) -> Result<Option<Uri>, HeaderError> {
    let contact = headers.get::<Contact>()?;
    Ok(contact.as_ref().and_then(Contact::uri).map(copy))
}

/// What a dialog is made of.
struct Parts<'a> {
    call_id: &'a str,
    local_tag: &'a str,
    remote_tag: &'a str,
    local: &'a NameAddr,
    remote: &'a NameAddr,
    routes: &'a str,
}

impl Parts<'_> {
    /// Puts them into one buffer: a dialog outlives the messages it was read from, so it doesn't share theirs.
    fn dialog(&self, state: DialogState, target: Uri, secure: bool) -> Dialog {
        let (local, remote) = (written(self.local), written(self.remote));
        let parts = [
            self.call_id,
            self.local_tag,
            self.remote_tag,
            &local,
            &remote,
            self.routes,
        ];
        let whole = exact(parts.concat());
        let mut start = 0_usize;
        let [call_id, local_tag, remote_tag, local, remote, routes] = parts.map(|part| {
            let end = start.saturating_add(part.len());
            let slice = whole.as_str().get(start..end).unwrap_or_default();
            start = end;
            whole.slice_of(slice)
        });
        Dialog {
            id: DialogId::new(call_id, local_tag, remote_tag),
            state,
            secure,
            local,
            remote,
            routes,
            target,
            local_sequence: None,
            remote_sequence: None,
        }
    }
}

/// An address as it is written in From, To and Route.
fn written(address: &NameAddr) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = address.write(&mut text);
    text
}

fn copy(uri: &Uri) -> Uri {
    // What was read once is read again.
    Uri::from_text(exact(uri.as_str().to_owned())).unwrap_or_else(|_| uri.clone())
}

/// A text with no room to spare.
pub(crate) fn exact(text: String) -> ByteStr {
    ByteStr::from(text.into_boxed_str().into_string())
}
