//! What sessions tell, and why a command on one is refused.

use core::fmt;

use thiserror::Error;

use super::{DescriptionError, OfferPlace};
use crate::StatusCode;
use crate::endpoint::{RespondError, SendError, ServerTransaction};
use crate::error::BuildError;
use crate::header::{HeaderName, MinSe, Unsupported, Warning};
use crate::message::{Request, Response, ResponseBuilder};
use crate::sdp;

/// A session of an endpoint: one dialog that an INVITE has made. Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

/// An INVITE of this end outside of a dialog, whatever number of sessions it leads to. Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub(crate) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// News of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A response of 101 to 199 came.
    Progress {
        /// To which INVITE.
        invite: InviteId,
        /// The early dialog that it made or belongs to, if it has a tag.
        session: Option<SessionId>,
        /// The response.
        response: Response,
    },
    /// A 2xx came, and is acknowledged as soon as an answer is given where it has an offer. One that is not wanted, of another
    /// branch of a forked INVITE, is for the application to [end](crate::endpoint::Endpoint::end_session).
    Accepted {
        /// To which INVITE.
        invite: InviteId,
        /// The session.
        session: SessionId,
        /// The response.
        response: Response,
    },
    /// An INVITE led to no session, and won't any more.
    InviteFailed {
        /// Which.
        invite: InviteId,
        /// The INVITE as it was sent, to be tried elsewhere or with credentials.
        request: Request,
        /// Why.
        failure: Failure,
    },
    /// The ACK for the 2xx of this end came: the session is established.
    Acknowledged {
        /// Which.
        session: SessionId,
    },
    /// The peer offers. An offer in an INVITE is answered with [`answer_invite`](crate::endpoint::Endpoint::answer_invite), any
    /// other with [`answer_offer`](crate::endpoint::Endpoint::answer_offer).
    Offer {
        /// In which session.
        session: SessionId,
        /// In which message.
        place: OfferPlace,
        /// The offer.
        description: Box<sdp::Session>,
    },
    /// The peer's INVITE within the session asks for an offer: [`answer_invite`](crate::endpoint::Endpoint::answer_invite).
    OfferWanted {
        /// In which session.
        session: SessionId,
    },
    /// The peer answers an offer of this end.
    Answer {
        /// In which session.
        session: SessionId,
        /// The answer.
        description: Box<sdp::Session>,
        /// Whether it is the answer for good: one in an unreliable response is repeated in the 2xx.
        reliable: bool,
    },
    /// An offer of this end, or its wish for one, was refused: the session goes on as before.
    OfferFailed {
        /// In which session.
        session: SessionId,
        /// Why.
        failure: Failure,
    },
    /// The peer has cancelled an INVITE within the session; its offer is void.
    Withdrawn {
        /// In which session.
        session: SessionId,
    },
    /// The session was refreshed (RFC 4028): its time starts anew.
    Refreshed {
        /// Which.
        session: SessionId,
    },
    /// A request of another kind came in within the dialog, in order: MESSAGE, INFO and others. A response is owed, to be given
    /// with [`respond`](crate::endpoint::Endpoint::respond).
    Request {
        /// In which session.
        session: SessionId,
        /// To answer with.
        transaction: ServerTransaction,
        /// The request.
        request: Request,
    },
    /// The session is over.
    Ended {
        /// Which.
        session: SessionId,
        /// Why.
        reason: EndReason,
    },
}

/// Why a request of this end did not do what it was to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// This was the final response.
    Response(Box<Response>),
    /// None came in time.
    TimedOut,
    /// It could not be sent.
    TransportFailed,
    /// The 2xx makes no dialog.
    NoDialog,
    /// The description that came back is missing or cannot be used.
    Description,
    /// The sessions that it led to ended before it was answered.
    Ended,
}

/// Why a session is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EndReason {
    /// The peer has sent a BYE.
    ByeReceived(Box<Request>),
    /// This end has sent a BYE, as it was told to.
    ByeSent,
    /// This end has refused the INVITE, as it was told to.
    Rejected(StatusCode),
    /// The peer has cancelled its INVITE.
    Cancelled,
    /// The INVITE's final response is no 2xx; it is in the [`InviteFailed`](SessionEvent::InviteFailed) that follows.
    InviteFailed,
    /// Another branch of the INVITE was accepted, and this one was not in time.
    NotAccepted,
    /// The peer's INVITE was not answered before its Expires was over.
    InvitationExpired,
    /// No ACK came for the 2xx of this end.
    NoAck,
    /// No PRACK came for a provisional response of this end.
    NoPrack,
    /// An offer was not answered, or the answer cannot be used.
    NoAnswer,
    /// Nothing refreshed the session in time (RFC 4028).
    Expired,
    /// The peer does not know the dialog any more, or cannot be reached by it.
    Gone(StatusCode),
    /// A request within the dialog got no response.
    TimedOut,
}

/// Why a command on a session is refused; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no such session or invitation any more.
    #[error("there is no such session")]
    Unknown,
    /// As many sessions are open as [`Config::max_sessions`](super::Config::max_sessions) allows.
    #[error("too many sessions are open")]
    TooMany,
    /// The session's state has no room for the command.
    #[error("the session is not in a state for this")]
    State,
    /// An offer of either end is not answered, or an INVITE not finished.
    #[error("an offer or an invite is under way")]
    Pending,
    /// The peer takes no UPDATE, and nothing else can carry an offer now.
    #[error("the peer takes no update")]
    NoUpdate,
    /// A description has to be given and is not.
    #[error("a session description is missing")]
    DescriptionMissing,
    /// A description is given where none can stand.
    #[error("a session description has no place here")]
    DescriptionUnwanted,
    /// The description does not fit the one before.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The peer takes no reliable provisional responses.
    #[error("the peer takes no reliable provisional responses")]
    NotReliable,
    /// As many provisional responses wait as [`Config::max_provisional`](super::Config::max_provisional) allows.
    #[error("too many provisional responses wait for their acknowledgement")]
    TooManyProvisional,
    /// The status has no place here.
    #[error("the status has no place here")]
    Status,
    /// The request is no INVITE outside of a dialog with a Contact.
    #[error("the request is no invite outside of a dialog with a contact")]
    Request,
    /// A message cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The request cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The response cannot be sent.
    #[error(transparent)]
    Respond(#[from] RespondError),
}

/// Why an INVITE that came in makes no session, and what it is to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the invite is refused with {status}")]
#[non_exhaustive]
pub struct InviteRefused {
    /// The status to answer.
    pub status: StatusCode,
    /// What a 422 tells, in seconds.
    pub min_se: Option<u32>,
    /// What a 420 tells.
    pub unsupported: Vec<String>,
    /// What a 488 tells.
    pub warning: Option<DescriptionError>,
}

impl InviteRefused {
    pub(crate) fn with(status: StatusCode) -> Self {
        Self {
            status,
            min_se: None,
            unsupported: Vec::new(),
            warning: None,
        }
    }

    pub(crate) fn description(error: DescriptionError) -> Self {
        Self {
            warning: Some(error),
            ..Self::with(StatusCode::NOT_ACCEPTABLE_HERE)
        }
    }

    /// Begins the response.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-6
    //# The 422 response MUST contain a Min-SE
    //# header field with the minimum timer for that server.
    pub fn response(&self, request: &Request) -> ResponseBuilder {
        let mut builder = request.response(self.status);
        if let Some(seconds) = self.min_se {
            builder = builder.header_typed(&MinSe::new(seconds));
        }
        if !self.unsupported.is_empty() {
            builder = builder.header_typed(&Unsupported::new(self.unsupported.iter().map(String::as_str)));
        }
        if let Some(error) = &self.warning {
            builder = builder.header_typed(&Warning::new(399, "-", &error.to_string()));
        }
        builder
    }
}

/// A response to an INVITE that came in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// 101 to 699.
    pub status: StatusCode,
    /// The answer, or the offer where the INVITE has none.
    pub description: Option<sdp::Session>,
    /// Whether a provisional response is to be acknowledged (RFC 3262); one to an INVITE that requires it is anyway.
    pub reliable: bool,
    /// Header fields to add.
    pub headers: Vec<(HeaderName, String)>,
}

impl Reply {
    /// A response without more.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            description: None,
            reliable: false,
            headers: Vec::new(),
        }
    }

    /// A response with a description.
    pub fn with(status: StatusCode, description: sdp::Session) -> Self {
        Self {
            description: Some(description),
            ..Self::new(status)
        }
    }

    /// The same, to be acknowledged.
    #[must_use]
    pub fn reliably(mut self) -> Self {
        self.reliable = true;
        self
    }

    /// The same with a header field more.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
