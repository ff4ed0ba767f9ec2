//! What the endpoint reads and writes of a message: its Via, and the few header fields that tell transactions apart.

use core::net::{IpAddr, SocketAddr};

use crate::ByteStr;
use crate::Method;
use crate::StatusCode;
use crate::error::HeaderError;
use crate::flow::Transport;
use crate::header::{CSeq, CallId, From, HeaderName, Headers, To, Via};
use crate::message::{Request, Response};
use crate::transaction::{DialogKey, MergeKey, Parts, ServerKey};
use crate::uri::{Host, Uri};

/// What we write as sent-by: our name, or the address that a flow is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentBy {
    host: String,
    port: Option<u16>,
}

impl SentBy {
    pub(super) fn new(name: Option<&str>, local: SocketAddr, transport: Transport) -> Self {
        let host = name.map_or_else(|| host_of(local.ip()), str::to_owned);
        Self {
            host,
            port: (local.port() != transport.default_port()).then_some(local.port()),
        }
    }

    /// One that is as long as any can be, for a flow that is not there yet.
    pub(super) fn longest(name: Option<&str>) -> Self {
        let host = name.map_or_else(
            || String::from("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
            str::to_owned,
        );
        Self {
            host,
            port: Some(u16::MAX),
        }
    }

    /// Whether a Via that comes back is ours.
    pub(super) fn is_in(&self, via: &Via) -> bool {
        let same_host = match (Host::parse(&self.host), Host::parse(&via.host)) {
            (Ok(ours), Ok(theirs)) => ours.canonical() == theirs.canonical(),
            _ => self.host.eq_ignore_ascii_case(&via.host),
        };
        same_host && self.port == via.port
    }
}

/// The header fields by which a request is known.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) via: Via,
    /// This and the tags share the request's buffer; what outlives the request is copied.
    pub(super) call_id: ByteStr,
    pub(super) sequence: u32,
    pub(super) from_tag: Option<ByteStr>,
    pub(super) to_tag: Option<ByteStr>,
}

impl Facts {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Fails with the status to answer when one is missing or malformed.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1
    //# A valid SIP request formulated by a UAC MUST, at a minimum, contain
    //# the following header fields: To, From, CSeq, Call-ID, Max-Forwards,
    //# and Via; all of these header fields are mandatory in all SIP
    //# requests.
    pub(super) fn of(request: &Request) -> Result<Self, StatusCode> {
        let headers = request.headers();
        let bad = |error: HeaderError| error.status();
        let via = headers.require::<Via>().map_err(bad)?;
        let cseq = headers.require::<CSeq>().map_err(bad)?;
        let from = headers.require::<From>().map_err(bad)?;
        let to = headers.require::<To>().map_err(bad)?;
        let call_id = headers.require::<CallId>().map_err(bad)?;
        if cseq.method != *request.method() {
            return Err(StatusCode::BAD_REQUEST);
        }
        Ok(Self {
            via,
            call_id: call_id.0,
            sequence: cseq.seq,
            from_tag: from.tag,
            to_tag: to.tag,
        })
    }

    /// The key of the transaction that the request belongs to, as if it had that method.
    pub(super) fn key(&self, request: &Request, method: Option<&Method>) -> ServerKey {
        ServerKey::new(&Parts {
            branch: self.via.branch(),
            sent_by: (&self.via.host, self.via.port),
            method: method.unwrap_or_else(|| request.method()),
            uri: request.uri().as_str(),
            call_id: &self.call_id,
            from_tag: self.from_tag.as_deref(),
            to_tag: self.to_tag.as_deref(),
            sequence: self.sequence,
        })
    }

    /// What another copy of the request would have in common with it; none inside a dialog.
    pub(super) fn merge_key(&self, method: &Method) -> Option<MergeKey> {
        let outside = self.to_tag.is_none() && *method != Method::Cancel;
        outside.then(|| MergeKey {
            call_id: self.call_id.as_str().to_owned(),
            from_tag: self.from_tag.as_deref().map(str::to_owned),
            sequence: self.sequence,
            method: method.clone(),
        })
    }

    /// The 2xx that an ACK is for.
    pub(super) fn dialog_key(&self) -> DialogKey {
        DialogKey {
            call_id: self.call_id.as_str().to_owned(),
            local_tag: self.to_tag.as_deref().unwrap_or_default().to_owned(),
            remote_tag: self.from_tag.as_deref().unwrap_or_default().to_owned(),
            sequence: self.sequence,
        }
    }
}

/// Completes the top Via of a request that came in with where it came from.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-18.2.1
//# If the host portion of the "sent-by" parameter
//# contains a domain name, or if it contains an IP address that differs
//# from the packet source address, the server MUST add a "received"
//# parameter to that Via header field value.
//= https://www.rfc-editor.org/rfc/rfc3581#section-4
//# If this Via header field value contains an "rport" parameter
//# with no value, it MUST set the value of the parameter to the source
//# port of the request.
pub(super) fn complete_via(request: &mut Request, top: &Via, remote: SocketAddr) {
    let named = Host::parse(&top.host).ok().and_then(|host| host.address());
    let same = named.is_some_and(|address| address.to_canonical() == remote.ip().to_canonical());
    if same && top.rport.is_none() && top.received.is_none() {
        return;
    }
    let mut via = top.clone();
    // Whatever the request claims here, only the source that we see counts.
    via.received =
        (!same || via.rport.is_some()).then(|| ByteStr::from(remote.ip().to_canonical().to_string()));
    via.rport = via.rport.map(|_| Some(remote.port()));
    // A value that was read and is completed with an address and a number is written as it is read.
    let _ = request.headers_mut().set_first_typed(&via);
}

/// Puts our Via on top of a request.
pub(super) fn add_via(request: &mut Request, transport: Transport, sent_by: &SentBy, branch: &str) {
    // The host name is the one part that is not made here; one that is no host name goes out as the name for none.
    if request
        .headers_mut()
        .push_front_typed(&own_via(transport, sent_by, branch))
        .is_err()
    {
        let nameless = SentBy {
            host: String::from("invalid"),
            port: sent_by.port,
        };
        let _ = request
            .headers_mut()
            .push_front_typed(&own_via(transport, &nameless, branch));
    }
}

fn own_via(transport: Transport, sent_by: &SentBy, branch: &str) -> Via {
    let mut via = Via::new(transport.as_str(), &sent_by.host, sent_by.port, branch);
    //= https://www.rfc-editor.org/rfc/rfc3581#section-3
    //# This parameter MUST have no
    //# value; it serves as a flag to indicate to the server that this
    //# extension is supported and requested for the transaction.
    via.rport = Some(None);
    via
}

/// How many octets a request has with our Via.
pub(super) fn size_with_via(request: &Request, sent_by: &SentBy) -> usize {
    // "Via: SIP/2.0/UDP " and ";branch=", 27 octets of branch, ";rport" and the line's end.
    const FRAME: usize = 17 + 8 + 27 + 6 + 2;
    let port = sent_by
        .port
        .map_or(0, |port| port.to_string().len().saturating_add(1));
    request
        .to_bytes()
        .len()
        .saturating_add(FRAME)
        .saturating_add(sent_by.host.len())
        .saturating_add(port)
}

/// The top Via and the method that a response is for.
pub(super) fn response_key(response: &Response) -> Option<(Via, Method)> {
    let via = response.headers().require::<Via>().ok()?;
    let cseq = response.headers().require::<CSeq>().ok()?;
    Some((via, cseq.method))
}

pub(super) fn to_tag(headers: &Headers) -> Option<String> {
    headers
        .get::<To>()
        .ok()
        .flatten()
        .and_then(|to| to.tag().map(str::to_owned))
}

/// Names the product in a message that this host makes itself.
pub(super) fn name_product(headers: &mut Headers, name: &HeaderName, product: &str) {
    if !headers.contains(&HeaderName::USER_AGENT) && !headers.contains(&HeaderName::SERVER) {
        // A configured product that is no header value is left out.
        let _ = headers.push(name, product);
    }
}

/// Makes the ACK for a final response other than 2xx, or the CANCEL, of a request that was sent: both follow its very steps.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.3
//# The ACK MUST contain a single Via header field, and
//# this MUST be equal to the top Via header field of the original
//# request.
//= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
//# The Request-URI, Call-ID, To, the numeric part of CSeq, and From header
//# fields in the CANCEL request MUST be identical to those in the
//# request being cancelled, including tags.
pub(super) fn hop_by_hop(request: &Request, method: Method, response: Option<&Headers>) -> Option<Request> {
    let headers = request.headers();
    let via = headers.get::<Via>().ok()??;
    let cseq = headers.get::<CSeq>().ok()??;
    let to = response.unwrap_or(headers).value(&HeaderName::TO)?;
    let mut builder = Request::builder(method, request.uri().clone()).header_typed(&via);
    for route in headers.values(&HeaderName::ROUTE) {
        builder = builder.header(&HeaderName::ROUTE, &route).ok()?;
    }
    for name in [HeaderName::FROM, HeaderName::CALL_ID] {
        builder = builder.header(&name, &headers.value(&name)?).ok()?;
    }
    builder
        .header(&HeaderName::TO, &to)
        .ok()?
        .cseq(cseq.seq)
        .build()
        .ok()
}

/// What is kept of an INVITE to make its ACK and its CANCEL from; it shares no buffer with the message.
pub(super) fn skeleton(request: &Request) -> Option<Request> {
    let mut kept = hop_by_hop(request, request.method().clone(), None)?;
    if let Ok(uri) = Uri::parse(request.uri().as_str()) {
        kept.set_uri(uri);
    }
    Some(kept)
}

fn host_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
