//! Builders of messages. What they build is well formed: each value is read back as it was given, and no value ends its line.

use bytes::Bytes;

use super::draft::{Draft, Written};
use super::{Request, Response};
use crate::codec::view::Viewed;
use crate::error::{BuildError, HeaderError, HeaderErrorKind, ParseError, ParseErrorKind};
use crate::header::octets::is_token_byte;
use crate::header::{CSeq, CallId, Contact, From, Header, HeaderName, Headers, MaxForwards, To, check_text};
use crate::{ByteStr, ContentType, Method, StatusCode, Uri};

/// Builds a request; see [`Request::builder`]. The Via is added when the request is sent.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    method: Method,
    uri: Uri,
    fields: Fields,
}

/// Builds a response; see [`Request::response`].
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    status: StatusCode,
    reason: ByteStr,
    /// Those of the request that go back with it.
    fields: Fields,
}

/// What both builders collect. The first error is kept for `build`, so that calls can be chained.
#[derive(Clone, Debug, Default)]
struct Fields {
    draft: Draft,
    body: Bytes,
    error: Option<BuildError>,
}

impl Fields {
    fn note(&mut self, result: Result<(), BuildError>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }

    fn set<H: Header>(&mut self, header: &H) {
        let draft = &mut self.draft;
        let written = Headers::written(header);
        let result = written.and_then(|text| draft.set(&H::NAME, Headers::checked_text(&H::NAME, &text)?));
        self.note(result);
    }

    fn push<H: Header>(&mut self, header: &H) {
        let written = Headers::written(header);
        let result = written.and_then(|text| self.push_text(&H::NAME, &text));
        self.note(result);
    }

    fn push_text(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        self.draft.push(name, Headers::checked_text(name, value)?)
    }

    fn copy(&mut self, from: &Headers, name: &HeaderName) {
        let result = self.draft.copy(from, name);
        self.note(result);
    }

    fn body(&mut self, content_type: &ContentType, body: Bytes) {
        self.set(content_type);
        self.body = body;
    }

    fn into_parts(self) -> Result<(Draft, Bytes), BuildError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.draft, self.body)),
        }
    }
}

macro_rules! shared {
    () => {
        /// Sets Contact.
        #[must_use]
        pub fn contact(mut self, contact: &Contact) -> Self {
            self.fields.set(contact);
            self
        }

        /// Adds a typed header field. A value that would not be read back as it is makes `build` fail.
        #[must_use]
        pub fn header_typed<H: Header>(mut self, header: &H) -> Self {
            self.fields.push(header);
            self
        }

        /// Adds a raw header field.
        ///
        /// # Errors
        ///
        /// Fails when the value has a line end or another control character in it.
        pub fn header(mut self, name: &HeaderName, value: &str) -> Result<Self, BuildError> {
            self.fields.push_text(name, value)?;
            Ok(self)
        }

        /// Sets the body and its type.
        #[must_use]
        pub fn body(mut self, content_type: &ContentType, body: Bytes) -> Self {
            self.fields.body(content_type, body);
            self
        }
    };
}

impl RequestBuilder {
    pub(super) fn new(method: Method, uri: Uri) -> Self {
        // What a request out of a dialog has, with a short body.
        let room = uri.as_str().len().saturating_add(480);
        let mut fields = Fields {
            draft: Draft::new(
                &[
                    method.as_str().as_bytes(),
                    b" ",
                    uri.as_str().as_bytes(),
                    b" SIP/2.0",
                ],
                room,
                LINES,
            ),
            ..Fields::default()
        };
        fields.set(&MaxForwards(70));
        Self { method, uri, fields }
    }

    /// Sets From.
    #[must_use]
    pub fn from(mut self, uri: &Uri, display: Option<&str>, tag: &str) -> Self {
        let mut from = From::new(uri.clone()).with_tag(tag);
        from.name_addr.display = display.map(ByteStr::from);
        self.fields.set(&from);
        self
    }

    /// Sets To, with a tag inside a dialog only.
    #[must_use]
    pub fn to(mut self, uri: &Uri, tag: Option<&str>) -> Self {
        let mut to = To::new(uri.clone());
        to.tag = tag.map(ByteStr::from);
        self.fields.set(&to);
        self
    }

    /// Sets Call-ID.
    #[must_use]
    pub fn call_id(mut self, call_id: &str) -> Self {
        self.fields.set(&CallId::new(call_id));
        self
    }

    /// Sets `CSeq`, with the method of the request.
    #[must_use]
    pub fn cseq(mut self, seq: u32) -> Self {
        let cseq = CSeq::new(seq, self.method.clone());
        self.fields.set(&cseq);
        self
    }

    /// Sets Max-Forwards, which is 70 otherwise.
    #[must_use]
    pub fn max_forwards(mut self, hops: u8) -> Self {
        self.fields.set(&MaxForwards(hops));
        self
    }

    shared!();

    /// Makes the request.
    ///
    /// # Errors
    ///
    /// Fails with the first value that cannot be written, or with what is missing: From, To, Call-ID and `CSeq` are required,
    /// and may be there once.
    pub fn build(self) -> Result<Request, BuildError> {
        let Self { method, uri, fields } = self;
        if !method.is_valid() {
            return Err(BuildError::Invalid(
                HeaderName::CSEQ,
                ParseError::new(ParseErrorKind::UnexpectedText, 0),
            ));
        }
        let (draft, body) = fields.into_parts()?;
        required::<From>(&draft)?;
        required::<To>(&draft)?;
        required::<CallId>(&draft)?;
        let cseq = required::<CSeq>(&draft)?;
        draft.view::<MaxForwards>().map_err(of_header)?;
        if cseq.method != method.as_str() {
            return Err(BuildError::MethodMismatch);
        }
        let Written { start, headers, body } = draft.finish_head(body)?;
        Ok(Request::received(method, uri, start, headers, body))
    }
}

/// Room for the lines of most messages.
const LINES: usize = 8;

impl ResponseBuilder {
    pub(super) fn of_request(request: &Request, status: StatusCode) -> Self {
        let mut builder = Self::copying(request.headers(), status);
        let makes_dialog = matches!(
            request.method(),
            Method::Invite | Method::Subscribe | Method::Refer
        ) && (101..300).contains(&status.code());
        //= https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
        //# When a UAS responds to a request with a response that establishes a
        //# dialog (such as a 2xx to INVITE), the UAS MUST copy all Record-Route
        //# header field values from the request into the response (including the
        //# URIs, URI parameters, and any Record-Route header field parameters,
        //# whether they are known or unknown to the UAS) and MUST maintain the
        //# order of those values.
        if makes_dialog {
            builder.fields.copy(request.headers(), &HeaderName::RECORD_ROUTE);
        }
        if status == StatusCode::TRYING {
            builder.fields.copy(request.headers(), &HeaderName::TIMESTAMP);
        }
        builder
    }

    /// A response to a request of which nothing needs to be readable but its lines, with a tag made from them
    /// (RFC 3261 8.2.7).
    pub(crate) fn stateless(headers: &Headers, status: StatusCode) -> Self {
        // FNV-1a: the same request gets the same tag, and nothing is protected by it.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for name in [HeaderName::VIA, HeaderName::CALL_ID, HeaderName::CSEQ] {
            for byte in headers.value(&name).unwrap_or_default().bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Self::copying(headers, status).to_tag(&format!("{hash:016x}"))
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.6.2
    //# The From field of the response MUST equal the From header field of
    //# the request.  The Call-ID header field of the response MUST equal the
    //# Call-ID header field of the request.  The CSeq header field of the
    //# response MUST equal the CSeq field of the request.  The Via header
    //# field values in the response MUST equal the Via header field values
    //# in the request and MUST maintain the same ordering.
    fn copying(request: &Headers, status: StatusCode) -> Self {
        const COPIED: [HeaderName; 5] = [
            HeaderName::VIA,
            HeaderName::FROM,
            HeaderName::TO,
            HeaderName::CALL_ID,
            HeaderName::CSEQ,
        ];
        let reason = status.default_reason();
        // The start line, a tag, the Content-Length, and not much more: it is kept while the request may come again.
        let octets = request
            .octets_of(&COPIED)
            .saturating_add(reason.len())
            .saturating_add(80);
        let code = status.digits();
        let mut fields = Fields {
            draft: Draft::new(&[b"SIP/2.0 ", &code, b" ", reason.as_bytes()], octets, LINES),
            ..Fields::default()
        };
        for name in &COPIED {
            fields.copy(request, name);
        }
        Self {
            status,
            reason: ByteStr::from_static(reason),
            fields,
        }
    }

    /// Gives To a tag, unless the request is inside a dialog and has one.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        let has_no_tag = {
            // An address in brackets without anything behind them is what most requests have.
            let text = self.fields.draft.text(&HeaderName::TO).unwrap_or_default();
            let is_plain = text.starts_with('<') && text.find('>') == Some(text.len().saturating_sub(1));
            is_plain || matches!(self.fields.draft.view::<To>(), Ok(Some(to)) if to.tag.is_none())
        };
        if has_no_tag {
            // Typed writing could change what the peer wrote, so only the tag is added; it goes last, since parameters after
            // a URI without brackets are those of the field as well.
            let is_token = !tag.is_empty() && tag.bytes().all(is_token_byte);
            let result = if is_token {
                self.fields.draft.extend_value(&HeaderName::TO, [";tag=", tag])
            } else {
                let at = self.fields.draft.text(&HeaderName::TO).map_or(0, str::len);
                Err(BuildError::Invalid(
                    HeaderName::TO,
                    ParseError::new(ParseErrorKind::UnexpectedText, at),
                ))
            };
            self.fields.note(result);
        }
        self
    }

    /// Sets the reason phrase, which is that of the registry otherwise.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        if check_text(reason.as_bytes()).is_err() || reason.starts_with([' ', '\t']) {
            self.fields.note(Err(BuildError::InvalidReason));
        }
        self.fields
            .draft
            .set_start(&format!("SIP/2.0 {} {reason}", self.status));
        self.reason = ByteStr::from(reason);
        self
    }

    shared!();

    /// Makes the response.
    ///
    /// # Errors
    ///
    /// Fails with the first value that cannot be written.
    pub fn build(self) -> Result<Response, BuildError> {
        let (draft, body) = self.fields.into_parts()?;
        let Written { start, headers, body } = draft.finish(&body)?;
        Ok(Response::received(self.status, self.reason, start, headers, body))
    }
}

fn required<H: Viewed>(draft: &Draft) -> Result<H::View<'_>, BuildError> {
    let missing = HeaderError::new(H::NAME, HeaderErrorKind::Missing);
    draft
        .view::<H>()
        .and_then(|found| found.ok_or(missing))
        .map_err(of_header)
}

fn of_header(error: HeaderError) -> BuildError {
    match error.kind {
        HeaderErrorKind::Missing => BuildError::Missing(error.name),
        HeaderErrorKind::Repeated => {
            BuildError::Invalid(error.name, ParseError::new(ParseErrorKind::TrailingText, 0))
        }
        HeaderErrorKind::Malformed(fault) => BuildError::Invalid(error.name, fault),
    }
}
