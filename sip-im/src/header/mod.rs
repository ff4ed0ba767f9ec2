//! Header fields: raw lines in order ([`Headers`]), and typed values on demand, one file per header or family.

pub(crate) mod cursor;
mod edit;
mod headers;
mod line;
mod name;
mod name_addr;
pub(crate) mod params;
pub(crate) mod repeats;

mod accept;
mod auth;
mod caller;
mod coding;
mod contact;
mod content;
mod conveyed;
mod date;
mod event;
mod history;
mod identity;
mod ims;
mod info;
mod numbers;
pub(crate) mod octets;
mod privacy;
mod refer;
mod replaces;
mod route;
mod security;
mod service;
mod session;
mod text;
mod tokens;
mod via;
mod warning;

use core::fmt;

pub use accept::{Accept, AcceptRange};
pub use auth::{
    AuthScheme, AuthenticationInfo, Authorization, ProxyAuthenticate, ProxyAuthenticationInfo,
    ProxyAuthorization, WwwAuthenticate,
};
pub use caller::{AcceptContact, RejectContact};
pub use coding::{AcceptEncoding, AcceptLanguage, Preference};
pub use contact::Contact;
pub(crate) use contact::parse_q;
pub use conveyed::{From, To};
pub use date::Date;
pub use event::{Event, SubscriptionState, SubscriptionStateValue};
pub(crate) use headers::RawLine;
pub use headers::{All, Headers};
pub use history::HistoryInfo;
pub use identity::{PAssertedIdentity, PChargingVector, PPreferredIdentity, PServedUser};
pub use ims::{
    PAccessNetworkInfo, PAssociatedUri, PCalledPartyId, PChargingFunctionAddresses, PRefusedUriList,
    PVisitedNetworkId,
};
pub use info::{AlertInfo, CallInfo, ErrorInfo};
pub(crate) use line::{Line, Origin, Table, check_text, to_usize, unfold};
pub use name::HeaderName;
pub(crate) use name::Known;
pub use name_addr::NameAddr;
pub use numbers::{
    CSeq, ContentLength, Expires, FlowTimer, MaxBreadth, MaxForwards, MinExpires, RAck, RSeq, RetryAfter,
};
pub use params::Params;
pub use privacy::{Privacy, PrivacyValue};
pub use refer::{ReferSub, ReferTo, ReferredBy, ReplyTo};
pub use replaces::{Join, Replaces, TargetDialog};
pub use route::{Path, RecordRoute, Route, ServiceRoute};
pub use security::{SecurityClient, SecurityServer, SecurityVerify};
pub use service::{PAssertedService, PPreferredService};
pub use session::{MinSe, Refresher, SessionExpires};
pub use text::{
    CallId, ContentId, ContentTransferEncoding, ContributionId, ConversationId, InReplyTo, MimeVersion,
    Organization, Priority, Server, SipEtag, SipIfMatch, Subject, Timestamp, UserAgent,
};
pub use tokens::{
    Allow, AllowEvents, ContentEncoding, ContentLanguage, ProxyRequire, RequestDisposition, Require,
    Supported, Unsupported,
};
pub use via::Via;
pub use warning::{Reason, Warning};

use crate::ByteStr;
use crate::error::ParseError;

/// A header field whose value has a type.
///
/// `parse(write(x)) == x` holds for each value that [`Headers`] takes; a value that would not be read back as it is, is
/// refused with [`BuildError::Invalid`](crate::error::BuildError::Invalid).
pub trait Header: Sized + PartialEq {
    /// The name of the field.
    const NAME: HeaderName;
    /// How several values are written.
    const SHAPE: Shape = Shape::Single;

    /// Reads one value.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong and the offset into the value.
    fn parse(value: &ByteStr) -> Result<Self, ParseError>;

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// Fails when `out` does.
    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

/// How several values of a header field are written (RFC 3261 7.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// One value; the field may occur once.
    Single,
    /// Values in several fields, separated by commas, or both; the type is one of them.
    List,
    /// As `List`, and the type is the whole list.
    Whole,
    /// Values in several fields, never separated by commas, since the value itself has commas in it.
    Rows,
}
