//! The kinds `sip`, `sip-stream` and `sip-auth`.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sip_im::codec::{
    Limits, MessageError, MessageErrorKind, Place, StreamDecoder, StreamItem, parse_datagram,
};
use sip_im::digest::{AuthParams, Credentials, DigestError};
use sip_im::error::HeaderError;
use sip_im::header::{
    self, CSeq, Contact, From, Header, HeaderName, MaxForwards, NameAddr, PAssertedIdentity, Params, Privacy,
    Route, To, Via,
};
use sip_im::{Message, Uri};

use super::{Accepted, Query, Refusal, base64, code_of, pieces, set_octets, text_of};

pub(super) fn datagram(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    match parse_datagram(octets.clone(), &Limits::default()) {
        Ok(message) => Ok(describe(&message)),
        Err(error) => Err(refusal(&error)),
    }
}

pub(super) fn stream(query: &Query, octets: &Bytes) -> Accepted {
    let mut decoder = StreamDecoder::new(Limits::default());
    let mut messages = Vec::new();
    let mut refused = Vec::new();
    let mut close = false;
    'pieces: for piece in pieces(octets, query.cuts.as_deref()) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(StreamItem::Message(message))) => {
                    let described = describe(&message);
                    messages.push(described.value);
                    refused.extend(described.refused);
                }
                Ok(Some(StreamItem::Malformed { error, .. })) => refused.push(refusal(&error).json()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    refused.push(refusal(&error.error).json());
                    close = true;
                    break 'pieces;
                }
            }
        }
    }
    let incomplete = !close && decoder.is_incomplete();
    Accepted {
        value: json!({"messages": messages, "incomplete": incomplete, "close": close}),
        refused,
    }
}

pub(super) fn authorization(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let text = text_of(octets, 400)?;
    let params = AuthParams::parse(text)
        .map_err(|error| Refusal::new(code_of(&error), error.to_string()).status(400))?;
    let mut object = Map::new();
    object.insert("scheme".to_owned(), Value::from(params.scheme()));
    if let Some(alone) = params.token68() {
        object.insert("token68".to_owned(), Value::from(alone));
    }
    for (name, value) in params.iter() {
        object.insert(name.to_ascii_lowercase(), Value::from(value.into_owned()));
    }
    // What is grammar and no credentials all the same.
    let refused = match Credentials::parse(text) {
        Err(error) if params.scheme().eq_ignore_ascii_case("Digest") => {
            let place = match error {
                DigestError::Missing { name } | DigestError::Value { name } => name,
                DigestError::UnknownAlgorithm => "algorithm",
                _ => "Digest",
            };
            vec![json!({"where": place, "text": error.to_string()})]
        }
        _ => Vec::new(),
    };
    Ok(Accepted {
        value: Value::Object(object),
        refused,
    })
}

pub(super) fn refusal(error: &MessageError) -> Refusal {
    let code = match &error.kind {
        MessageErrorKind::Syntax(kind) => code_of(kind),
        kind => code_of(kind),
    };
    let refusal = Refusal::new(code, error.to_string())
        .offset(error.offset)
        .status(error.status().code());
    match &error.place {
        Place::Header(name) => refusal.at(name.as_str()),
        place => refusal.at(place.to_string()),
    }
}

/// Collects typed values, and what is there but cannot be read.
struct Reader<'a> {
    message: &'a Message,
    refused: Vec<Value>,
}

impl Reader<'_> {
    fn one<H: Header>(&mut self) -> Option<H> {
        let result = self.message.headers().get::<H>();
        self.keep(result).flatten()
    }

    fn all<H: Header>(&mut self) -> Vec<H> {
        let results: Vec<_> = self.message.headers().all::<H>().collect();
        results
            .into_iter()
            .filter_map(|result| self.keep(result))
            .collect()
    }

    fn keep<T>(&mut self, result: Result<T, HeaderError>) -> Option<T> {
        result
            .map_err(|error| {
                self.refused
                    .push(json!({"where": error.name.as_str(), "text": error.to_string()}));
            })
            .ok()
    }

    /// Reads every header field that has a type, so that none which cannot be read goes unnoticed.
    fn check_the_rest(&mut self) {
        macro_rules! check {
            ($($header:ident),+) => { $(let _ = self.all::<header::$header>();)+ };
        }
        check!(
            Accept,
            AcceptContact,
            AcceptEncoding,
            AcceptLanguage,
            AlertInfo,
            Allow,
            AllowEvents,
            AuthenticationInfo,
            Authorization,
            CallInfo,
            ContentEncoding,
            ContentId,
            ContentLanguage,
            ContentTransferEncoding,
            ContributionId,
            ConversationId,
            Date,
            ErrorInfo,
            Event,
            Expires,
            FlowTimer,
            HistoryInfo,
            InReplyTo,
            Join,
            MaxBreadth,
            MimeVersion,
            MinExpires,
            MinSe,
            PAccessNetworkInfo,
            PAssertedService,
            PAssociatedUri,
            PCalledPartyId,
            PChargingFunctionAddresses,
            PChargingVector,
            PPreferredIdentity,
            PPreferredService,
            PRefusedUriList,
            PServedUser,
            PVisitedNetworkId,
            Path,
            Priority,
            ProxyAuthenticate,
            ProxyAuthenticationInfo,
            ProxyAuthorization,
            ProxyRequire,
            RAck,
            RSeq,
            Reason,
            RecordRoute,
            ReferSub,
            ReferTo,
            ReferredBy,
            RejectContact,
            Replaces,
            ReplyTo,
            RequestDisposition,
            Require,
            RetryAfter,
            SecurityClient,
            SecurityServer,
            SecurityVerify,
            ServiceRoute,
            SessionExpires,
            SipEtag,
            SipIfMatch,
            SubscriptionState,
            Supported,
            TargetDialog,
            Timestamp,
            Unsupported,
            Warning,
            WwwAuthenticate
        );
    }
}

fn describe(message: &Message) -> Accepted {
    let mut reader = Reader {
        message,
        refused: Vec::new(),
    };
    let mut object = start_line_and_headers(message);
    typed_values(&mut reader, &mut object);
    reader.check_the_rest();
    object.insert("written".to_owned(), base64(&message.to_bytes()));
    set_octets(&mut object, "body", message.body());
    Accepted {
        value: Value::Object(object),
        refused: reader.refused,
    }
}

fn start_line_and_headers(message: &Message) -> Map<String, Value> {
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    match message {
        Message::Request(request) => {
            set("method", json!(request.method().as_str()));
            set("ruri", json!(request.uri().as_str()));
        }
        Message::Response(response) => {
            set("status", json!(response.status().code()));
            set("reason", json!(response.reason()));
        }
    }
    let headers: Vec<Value> = message
        .headers()
        .iter()
        .map(|(name, value)| {
            let long =
                HeaderName::parse(&name).map_or_else(|_| name.to_string(), |known| known.as_str().to_owned());
            json!([long, value.as_str()])
        })
        .collect();
    set("headers", Value::from(headers));
    object
}

fn typed_values(reader: &mut Reader<'_>, object: &mut Map<String, Value>) {
    let message = reader.message;
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    let vias: Vec<Value> = reader
        .all::<Via>()
        .iter()
        .map(|via| {
            json!({
                "transport": via.transport.as_str(), "host": via.host.as_str(), "port": via.port, "branch": via.branch(),
                "received": via.received.as_deref(), "rport": via.rport.map(|port| port.map_or(Value::Bool(true), Value::from)),
            })
        })
        .collect();
    set("via", Value::from(vias));
    set(
        "from",
        reader
            .one::<From>()
            .map_or(Value::Null, |from| party(&from.name_addr, from.tag())),
    );
    set(
        "to",
        reader
            .one::<To>()
            .map_or(Value::Null, |to| party(&to.name_addr, to.tag())),
    );
    set(
        "call_id",
        json!(message.headers().value(&HeaderName::CALL_ID).as_deref()),
    );
    let cseq = reader.one::<CSeq>();
    set("cseq", json!(cseq.as_ref().map(|cseq| cseq.seq)));
    set(
        "cseq_method",
        json!(cseq.as_ref().map(|cseq| cseq.method.as_str())),
    );
    set(
        "max_forwards",
        json!(reader.one::<MaxForwards>().map(|max| max.0)),
    );
    let contacts: Vec<Value> = reader
        .all::<Contact>()
        .iter()
        .map(|contact| match contact.name_addr() {
            Some(address) => json!({"uri": address.uri.as_str(), "params": params(&address.params)}),
            None => json!({"uri": "*", "params": {}}),
        })
        .collect();
    set("contacts", Value::from(contacts));
    set(
        "content_length",
        json!(reader.one::<header::ContentLength>().map(|length| length.0)),
    );
    set(
        "content_type",
        json!(message.headers().value(&HeaderName::CONTENT_TYPE).as_deref()),
    );
    let uris =
        |uris: Vec<&Uri>| Value::from(uris.iter().map(|uri| uri.as_str().to_owned()).collect::<Vec<_>>());
    let routes = reader.all::<Route>();
    set("routes", uris(routes.iter().map(Route::uri).collect()));
    let asserted = reader.all::<PAssertedIdentity>();
    set("pai", uris(asserted.iter().map(PAssertedIdentity::uri).collect()));
    let privacy = reader.one::<Privacy>().unwrap_or_default();
    set(
        "privacy",
        Value::from(
            privacy
                .0
                .iter()
                .map(|value| value.as_str().to_owned())
                .collect::<Vec<_>>(),
        ),
    );
}

fn party(address: &NameAddr, tag: Option<&str>) -> Value {
    json!({"uri": address.uri.as_str(), "display": address.display.as_deref(), "tag": tag})
}

fn params(params: &Params) -> Value {
    params
        .iter()
        .map(|(name, value)| {
            let value = value.map_or(Value::Bool(true), |raw| {
                Value::from(params.unquoted(name).unwrap_or_else(|| raw.to_owned()))
            });
            (name.to_owned(), value)
        })
        .collect::<Map<_, _>>()
        .into()
}
