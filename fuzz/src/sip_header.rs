//! Every typed header field: what is read is written, and read again as the same, also out of a message and out of a list.

use sip_im::ByteStr;
use sip_im::header::{self, Header, Headers};

/// The first octet chooses the type, the rest is the value.
pub fn sip_header(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    // A message has control characters in quoted pairs alone, and what writes credentials leaves them out.
    if text
        .chars()
        .any(|character| character.is_ascii_control() && character != '\t')
    {
        return;
    }
    if let Some(read) = TYPES.get(usize::from(choice) % TYPES.len()) {
        read(text);
    }
}

fn read<H: Header>(text: &str) {
    let mut headers = Headers::new();
    if headers.push(&H::NAME, text).is_ok() {
        let count = headers.all::<H>().count();
        assert!(count <= text.len() + 1, "more values than the text can hold");
    }
    let Ok(value) = H::parse(&ByteStr::from(text)) else {
        return;
    };
    let mut written = String::new();
    let done = value.write(&mut written);
    assert!(done.is_ok() && !written.contains(['\r', '\n']), "{written:?}");
    let again = H::parse(&ByteStr::from(written.as_str()));
    let again =
        again.unwrap_or_else(|error| panic!("{text:?} becomes {written:?}, which is refused: {error}"));
    assert!(
        again == value,
        "{text:?} becomes {written:?}, which is another value"
    );
    let mut twice = String::new();
    let done = again.write(&mut twice);
    assert!(done.is_ok() && twice == written, "{written:?} becomes {twice:?}");
    let mut headers = Headers::new();
    if headers.push_typed(&value).is_ok() {
        let found = headers.get::<H>();
        assert!(
            found.is_ok_and(|found| found.as_ref() == Some(&value)),
            "{written:?} is not found again"
        );
    }
}

macro_rules! types {
    ($($header:ident)*) => { const TYPES: &[fn(&str)] = &[$(read::<header::$header>),*]; };
}

types! {
    Accept
    AcceptContact
    AcceptEncoding
    AcceptLanguage
    AlertInfo
    Allow
    AllowEvents
    AuthenticationInfo
    Authorization
    CSeq
    CallId
    CallInfo
    Contact
    ContentEncoding
    ContentId
    ContentLanguage
    ContentLength
    ContentTransferEncoding
    ContributionId
    ConversationId
    Date
    ErrorInfo
    Event
    Expires
    FlowTimer
    From
    HistoryInfo
    InReplyTo
    Join
    MaxBreadth
    MaxForwards
    MimeVersion
    MinExpires
    MinSe
    Organization
    PAccessNetworkInfo
    PAssertedIdentity
    PAssertedService
    PAssociatedUri
    PCalledPartyId
    PChargingFunctionAddresses
    PChargingVector
    PPreferredIdentity
    PPreferredService
    PRefusedUriList
    PServedUser
    PVisitedNetworkId
    Path
    Priority
    Privacy
    ProxyAuthenticate
    ProxyAuthenticationInfo
    ProxyAuthorization
    ProxyRequire
    RAck
    RSeq
    Reason
    RecordRoute
    ReferSub
    ReferTo
    ReferredBy
    RejectContact
    Replaces
    ReplyTo
    RequestDisposition
    Require
    RetryAfter
    Route
    SecurityClient
    SecurityServer
    SecurityVerify
    Server
    ServiceRoute
    SessionExpires
    SipEtag
    SipIfMatch
    Subject
    SubscriptionState
    Supported
    TargetDialog
    Timestamp
    To
    Unsupported
    UserAgent
    Via
    Warning
    WwwAuthenticate
}
