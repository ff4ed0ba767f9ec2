//! What the endpoint reads and writes of a message: its Via, and the few header fields that tell transactions apart.

use core::net::{IpAddr, SocketAddr};

use crate::Method;
use crate::StatusCode;
use crate::codec::view::{ViaView, Viewed};
use crate::error::{HeaderError, HeaderErrorKind};
use crate::flow::Transport;
use crate::header::{CSeq, CallId, From, Header, HeaderName, Headers, To, Via};
use crate::message::{Request, Response};
use crate::transaction::{
    DialogKey, Hashed, Legacy, MergeKey, Table, Text, client_key, has_cookie, server_key,
};
use crate::uri::{Host, Uri};

/// What we write as sent-by: our name, or the address that a flow is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentBy {
    host: String,
    port: Option<u16>,
}

impl SentBy {
    pub(super) fn new(name: Option<&str>, local: SocketAddr, transport: Transport) -> Self {
        // A configured name that is no host name goes out as the name for none.
        let checked = |name: &str| match Host::parse(name) {
            Ok(_) => name.to_owned(),
            Err(_) => String::from("invalid"),
        };
        let host = name.map_or_else(|| host_of(local.ip()), checked);
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
    pub(super) fn is_in(&self, via: &ViaView<'_>) -> bool {
        let is_same = || match (Host::parse(&self.host), Host::parse(via.host)) {
            (Ok(ours), Ok(theirs)) => ours.canonical() == theirs.canonical(),
            _ => false,
        };
        self.port == via.port && (self.host.eq_ignore_ascii_case(via.host) || is_same())
    }
}

/// The key of a server transaction.
#[derive(Clone, Debug)]
pub(super) enum ServerKey {
    /// The branch is unique.
    Branch(Hashed),
    /// The client is one of RFC 2543.
    Legacy(Box<Legacy>),
}

/// What the top Via of a request says.
#[derive(Debug)]
pub(super) struct Hop {
    /// Of the transaction that the request belongs to; that of an INVITE for the ACK and the CANCEL of one.
    pub(super) key: ServerKey,
    /// Of sent-by.
    pub(super) port: Option<u16>,
    /// Whether the response is to go to the source port.
    pub(super) symmetric: bool,
}

impl Hop {
    /// Reads the top Via of a request that came in, and completes it with where it came from.
    ///
    /// # Errors
    ///
    /// Fails with the status to answer.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1
    //# A valid SIP request formulated by a UAC MUST, at a minimum, contain
    //# the following header fields: To, From, CSeq, Call-ID, Max-Forwards,
    //# and Via; all of these header fields are mandatory in all SIP
    //# requests.
    pub(super) fn receive<T>(
        request: &mut Request,
        source: &Source,
        table: &Table<T>,
    ) -> Result<Self, StatusCode> {
        // The key is made from the Via as it was sent, the address from what is known.
        let method = match request.method() {
            Method::Ack => &Method::Invite,
            method => method,
        };
        let text = request.headers().text(&HeaderName::VIA).unwrap_or_default();
        let (via, end) =
            Via::view(text, 0).map_err(|fault| HeaderError::malformed(Via::NAME, fault).status())?;
        let hop = Self {
            key: server_key_of(request, &via, method, table)?,
            port: via.port,
            symmetric: via.rport.is_some(),
        };
        if let Some(completed) = source.complete(&via, text, end) {
            request.headers_mut().rewrite_first(&HeaderName::VIA, completed);
        }
        Ok(hop)
    }
}

fn server_key_of<T>(
    request: &Request,
    via: &ViaView<'_>,
    method: &Method,
    table: &Table<T>,
) -> Result<ServerKey, StatusCode> {
    if let Some(branch) = via.branch
        && has_cookie(branch)
    {
        let sent_by = (via.host, via.port);
        let key = server_key(branch, sent_by, method.as_str());
        return Ok(ServerKey::Branch(table.hashed(key)));
    }
    let facts = Facts::of(request)?;
    Ok(ServerKey::Legacy(Box::new(Legacy {
        call_id: facts.call_id.to_owned(),
        sequence: facts.sequence,
        method: method.clone(),
        uri: request.uri().as_str().to_owned(),
        from_tag: facts.from_tag.map(str::to_owned),
        to_tag: facts.to_tag.map(str::to_owned),
        via: (
            via.host.to_ascii_lowercase(),
            via.port,
            via.branch.map(str::to_owned),
        ),
    })))
}

impl ServerKey {
    /// The key of the INVITE that a CANCEL is for.
    ///
    /// # Errors
    ///
    /// Fails with the status to answer.
    pub(super) fn cancelled<T>(&self, cancel: &Request, table: &Table<T>) -> Result<Self, StatusCode> {
        match self {
            Self::Branch(_) => server_key_of(cancel, &required::<Via>(cancel)?, &Method::Invite, table),
            Self::Legacy(legacy) => Ok(Self::Legacy(Box::new(legacy.of(Method::Invite)))),
        }
    }
}

fn required<H: Viewed>(request: &Request) -> Result<H::View<'_>, StatusCode> {
    let missing = || HeaderError::new(H::NAME, HeaderErrorKind::Missing);
    request
        .headers()
        .view::<H>()
        .and_then(|found| found.ok_or_else(missing))
        .map_err(|error| error.status())
}

/// The header fields by which a dialog is known, and the transaction of an old client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) call_id: &'a str,
    pub(super) sequence: u32,
    pub(super) from_tag: Option<&'a str>,
    pub(super) to_tag: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Fails with the status to answer when one is missing or malformed, which the parser has seen to.
    pub(super) fn of(request: &'a Request) -> Result<Self, StatusCode> {
        Ok(Self {
            call_id: required::<CallId>(request)?,
            sequence: required::<CSeq>(request)?.seq,
            from_tag: required::<From>(request)?.tag,
            to_tag: required::<To>(request)?.tag,
        })
    }

    /// What another copy of the request would have in common with it; none inside a dialog.
    pub(super) fn merge_key(&self, method: &Method) -> Option<MergeKey> {
        let outside = self.to_tag.is_none() && *method != Method::Cancel;
        outside.then(|| MergeKey {
            call_id: self.call_id.to_owned(),
            from_tag: self.from_tag.map(str::to_owned),
            sequence: self.sequence,
            method: method.clone(),
        })
    }

    /// The 2xx that an ACK is for.
    pub(super) fn dialog_key(&self) -> DialogKey {
        DialogKey {
            call_id: self.call_id.to_owned(),
            local_tag: self.to_tag.unwrap_or_default().to_owned(),
            remote_tag: self.from_tag.unwrap_or_default().to_owned(),
            sequence: self.sequence,
        }
    }
}

/// Where the requests of a flow come from, as their top Vias are told.
#[derive(Clone, Debug)]
pub(super) struct Source {
    address: IpAddr,
    /// The parameters `received` and `rport`.
    params: Box<str>,
    /// The length of the first of them.
    received: usize,
}

impl Source {
    pub(super) fn new(remote: SocketAddr) -> Self {
        let address = remote.ip().to_canonical();
        let received = format!(";received={address}");
        Self {
            address,
            received: received.len(),
            params: format!("{received};rport={}", remote.port()).into(),
        }
    }

    /// The text of a Via field whose first value ends at `end`, completed with where its request came from; `None` if it says so
    /// already.
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
    fn complete(&self, via: &ViaView<'_>, text: &str, end: usize) -> Option<String> {
        let may_be_address = via
            .host
            .starts_with(|first: char| first.is_ascii_digit() || first == '[');
        let named = may_be_address
            .then(|| Host::parse(via.host).ok()?.address())
            .flatten();
        let same = named.is_some_and(|address| address.to_canonical() == self.address);
        if same && via.rport.is_none() && via.received.is_none() {
            return None;
        }
        let (first, rest) = text.split_at_checked(end)?;
        let first = first.trim_end_matches([' ', '\t']);
        let received = self.params.get(..self.received).unwrap_or_default();
        let added = if via.rport.is_some() {
            &self.params
        } else if same {
            ""
        } else {
            received
        };
        let room = first.len().saturating_add(added.len()).saturating_add(rest.len());
        let mut completed = String::with_capacity(room);
        if via.received.is_none() && via.rport.is_none() {
            completed.push_str(first);
        } else {
            // Whatever the request claims here, only the source that we see counts.
            let before = first.len().saturating_sub(via.params.as_str().len());
            let before = first.get(..before).unwrap_or_default();
            completed.push_str(before.trim_end_matches([' ', '\t', ';']));
            for (name, value) in via.params.iter() {
                if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
                    continue;
                }
                let equals = if value.is_some() { "=" } else { "" };
                for piece in [";", name, equals, value.unwrap_or_default()] {
                    completed.push_str(piece);
                }
            }
        }
        completed.push_str(added);
        completed.push_str(rest);
        Some(completed)
    }
}

/// Puts our Via on top of a request.
pub(super) fn add_via(request: &mut Request, transport: Transport, sent_by: &SentBy, branch: &str) {
    let port = sent_by.port.map(|port| port.to_string());
    let colon = if port.is_some() { ":" } else { "" };
    //= https://www.rfc-editor.org/rfc/rfc3581#section-3
    //# This parameter MUST have no
    //# value; it serves as a flag to indicate to the server that this
    //# extension is supported and requested for the transaction.
    let pieces = [
        "SIP/2.0/",
        transport.as_str(),
        " ",
        &sent_by.host,
        colon,
        port.as_deref().unwrap_or_default(),
        ";branch=",
        branch,
        ";rport",
    ];
    request
        .headers_mut()
        .push_front_text(&HeaderName::VIA, pieces.concat());
}

/// How many octets a request has with our Via.
pub(super) fn size_with_via(request: &Request, sent_by: &SentBy) -> usize {
    // "Via: SIP/2.0/UDP " and ";branch=", 27 octets of branch, ";rport" and the line's end.
    const FRAME: usize = 17 + 8 + 27 + 6 + 2;
    let port = match sent_by.port {
        None => 0,
        Some(port) => usize::try_from(port.checked_ilog10().unwrap_or(0))
            .unwrap_or(0)
            .saturating_add(2),
    };
    request
        .octets()
        .saturating_add(FRAME)
        .saturating_add(sent_by.host.len())
        .saturating_add(port)
}

/// The key of the transaction that a response is for, and the top Via.
pub(super) fn response_key(response: &Response) -> Option<(Text, ViaView<'_>)> {
    let via = response.headers().view::<Via>().ok()??;
    let cseq = response.headers().view::<CSeq>().ok()??;
    Some((client_key(via.branch?, cseq.method), via))
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
