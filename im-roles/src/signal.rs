//! What roles say to each other and to the network: SIP messages and commands to the media plane, as values.
//!
//! A role never sees a flow's octets nor a transaction's timers. [`Node`](crate::node::Node) turns these values into
//! transactions on the wire, or hands them to another role of the same server, which can then not tell the difference.

use bytes::Bytes;
use msrp::{MessageId, StatusCode as MsrpStatusCode, TransactionId};
use sip_im::identity::Originator;
use sip_im::{FlowId, Identity, Request, Response, Transport, Uri};

/// Which role.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RoleKind {
    /// The service point of one user.
    Participating,
    /// Focus, switch and exploder.
    Controlling,
    /// Messages for users who are away.
    Deferred,
    /// The documents.
    Xdms,
    /// What users publish, and who watches them.
    Presence,
    /// A user's client.
    Client,
}

/// A request that a role has received and owes a final response; minted by what hands it over, never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IncomingId(pub(crate) u64);

impl IncomingId {
    /// The name with a number, for a host that drives a role without a [`Node`](crate::node::Node).
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A request that a role has sent; minted by the role, never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OutgoingId {
    pub(crate) role: RoleKind,
    pub(crate) number: u64,
}

/// A media session of a role; minted by the role, never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MediaId {
    pub(crate) role: RoleKind,
    pub(crate) number: u64,
}

/// Mints a role's ids.
#[derive(Debug)]
pub(crate) struct Ids {
    role: RoleKind,
    next: u64,
}

impl Ids {
    pub(crate) fn new(role: RoleKind) -> Self {
        Self { role, next: 0 }
    }

    fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    pub(crate) fn outgoing(&mut self) -> OutgoingId {
        OutgoingId {
            role: self.role,
            number: self.number(),
        }
    }

    pub(crate) fn media(&mut self) -> MediaId {
        MediaId {
            role: self.role,
            number: self.number(),
        }
    }

    pub(crate) fn effect(&mut self) -> crate::effect::EffectId {
        crate::effect::EffectId::new(self.role, self.number())
    }
}

/// For whom a server acts on a request (RFC 5502 and its session cases).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SessionCase {
    /// For the user who sends it.
    Originating,
    /// For the user it is addressed to.
    Terminating,
}

/// Where a request comes from, as established before a role sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Origin {
    /// The one reading of whom the request comes from, authenticated or asserted from inside the trust domain.
    pub originator: Originator,
    /// The user of this server whom `originator` is, alias sets folded, if it is one.
    pub user: Option<Identity>,
    /// The flow it came in on; `None` when another role of this server sent it.
    pub flow: Option<FlowId>,
    /// The role of this server that sent it.
    pub role: Option<RoleKind>,
    /// For whom to act.
    pub case: SessionCase,
    /// The flow that this server's own Route names as the next one, for a request inside a dialog.
    pub next: Option<FlowId>,
}

impl Origin {
    /// Puts the parts together.
    pub fn new(
        originator: Originator,
        user: Option<Identity>,
        flow: Option<FlowId>,
        role: Option<RoleKind>,
        case: SessionCase,
    ) -> Self {
        Self {
            originator,
            user,
            flow,
            role,
            case,
            next: None,
        }
    }
}

/// What a role takes in.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A request; never ACK or CANCEL.
    Request {
        /// Its name, for the response.
        id: IncomingId,
        /// The request, without this server's own Route.
        request: Request,
        /// Where it comes from.
        origin: Origin,
    },
    /// The ACK to a 2xx.
    Ack {
        /// The ACK.
        request: Request,
    },
    /// The INVITE was cancelled; it is still owed a final response, 487 unless one was sent.
    Cancel {
        /// The INVITE's name.
        id: IncomingId,
    },
    /// No ACK came to the role's 2xx within 64*T1 (RFC 3261 13.3.1.4): the session is to be ended.
    AckTimedOut {
        /// The INVITE's name.
        id: IncomingId,
    },
    /// A response to a request of the role's.
    Response {
        /// The request's name.
        id: OutgoingId,
        /// The response, without this server's own Via.
        response: Response,
    },
    /// A request of the role's ended without a response.
    Failed {
        /// The request's name.
        id: OutgoingId,
        /// Whether it timed out (as 408) or could not be sent (as 503).
        reason: sip_im::endpoint::RequestFailure,
    },
    /// News of a media session.
    Media {
        /// The media session.
        media: MediaId,
        /// The news.
        event: msrp::endpoint::Event,
    },
    /// A command for a media session could not be carried out.
    MediaRefused {
        /// The media session.
        media: MediaId,
        /// The message it was about.
        message: Option<MessageId>,
        /// Why.
        reason: MediaRefusal,
    },
    /// Where a user can be reached, as asked by [`Transmit::Locate`].
    Located {
        /// The question's name.
        id: OutgoingId,
        /// The registered contacts, none if the user is away.
        contacts: Vec<Location>,
    },
    /// A user has registered a contact, for the first time or again.
    UserAvailable {
        /// The user.
        user: Identity,
    },
}

/// Where a user can be reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Location {
    /// The contact, which becomes the Request-URI.
    pub contact: Uri,
    /// The flow it has registered on, while that is open; afterwards it is reached by its address.
    pub flow: Option<FlowId>,
    /// The proxies between here and there (RFC 3327), the nearest first.
    pub path: Vec<Uri>,
}

impl Location {
    /// Puts the parts together.
    pub fn new(contact: Uri, flow: Option<FlowId>, path: Vec<Uri>) -> Self {
        Self { contact, flow, path }
    }
}

/// Why a command for a media session could not be carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MediaRefusal {
    /// More octets or messages wait than the limits allow; the message is aborted.
    QueueFull,
    /// The session is not there any more.
    Ended,
    /// The session could not be opened.
    CannotOpen,
    /// The message is larger than the peer takes.
    TooLarge,
}

/// Where a role sends a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Destination {
    /// Where its Route and Request-URI lead, which may be another role of this server.
    Route {
        /// The session case in which the next server of this domain handles it.
        case: SessionCase,
    },
    /// To the function that plays a role, wherever it runs.
    Function(RoleKind),
    /// To the peer at the far end of a flow.
    Flow(FlowId),
    /// To the address in the first Route or else the Request-URI, which is a registered contact.
    Contact,
    /// To an address.
    Address {
        /// How.
        transport: Transport,
        /// A host name or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

/// What a role gives to be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transmit {
    /// A response of the role's own. A 2xx to an INVITE is sent again until its ACK comes.
    Respond {
        /// The request's name.
        id: IncomingId,
        /// The response.
        response: Response,
    },
    /// A response that the role passes on from its other side, which sends it again itself.
    PassOn {
        /// The request's name.
        id: IncomingId,
        /// The response.
        response: Response,
    },
    /// A request; never ACK or CANCEL.
    Request {
        /// Its name.
        id: OutgoingId,
        /// The request.
        request: Request,
        /// Where to.
        destination: Destination,
    },
    /// The ACK to a 2xx of an INVITE the role has sent; sent again whenever the 2xx comes again.
    Acknowledge {
        /// The INVITE's name.
        id: OutgoingId,
        /// The ACK.
        request: Request,
        /// Where to.
        destination: Destination,
    },
    /// An ACK that is passed on.
    PassOnAck {
        /// The ACK.
        request: Request,
        /// Where to.
        destination: Destination,
    },
    /// Cancel an INVITE that the role has sent.
    Cancel {
        /// The INVITE's name.
        id: OutgoingId,
    },
    /// Ask where a user can be reached; answered by [`Input::Located`].
    Locate {
        /// The question's name.
        id: OutgoingId,
        /// The user.
        user: Identity,
    },
    /// A command for a media session.
    Media {
        /// The media session.
        media: MediaId,
        /// The command.
        command: MediaCommand,
    },
}

/// A command for a media session: what [`msrp::endpoint::Endpoint`] offers, as values.
#[derive(Debug)]
#[non_exhaustive]
pub enum MediaCommand {
    /// Open it.
    Open(msrp::endpoint::SessionConfig),
    /// Tell the peer's path of a session that was opened before it was known.
    SetRemotePath(Vec<msrp::Uri>),
    /// Send a message, whose id the role has chosen.
    Send(msrp::endpoint::OutgoingMessage),
    /// The next octets of a streamed message.
    Append(MessageId, Bytes),
    /// A streamed message has no more octets.
    Finish(MessageId),
    /// Give a message up, with `#`.
    Abort(MessageId),
    /// Answer a chunk or a NICKNAME request.
    Respond(TransactionId, MsrpStatusCode),
    /// Close it, once what is queued has gone out.
    Close,
}
