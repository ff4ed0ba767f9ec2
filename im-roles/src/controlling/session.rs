//! The session descriptions of a focus: what it offers and answers, and what it reads from those of the participants.

use bytes::Bytes;
use msrp::SessionId;
use sip_im::sdp::{self, LocalMedia, MessageMedia, Session, Setup};
use sip_im::{ContentType, Request, Response, StatusCode};

use super::Controlling;
use super::invite::Bodies;
use super::reply::Refusal;
use super::roster::Capabilities;

/// What a peer has said about its media session.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) path: Vec<msrp::Uri>,
    pub(super) capabilities: Capabilities,
}

impl Peer {
    /// Reads what the peer says of its medium.
    fn of(media: MessageMedia) -> Result<Self, StatusCode> {
        //= https://www.rfc-editor.org/rfc/rfc7701#section-5.2
        //# The conference focus of a chat room MUST learn the chat room
        //# capabilities of each participant that joins the chat room.
        if !media.accepts(&ContentType::message_cpim()) {
            return Err(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        let private = media.chatroom.iter().flatten().any(|offer| offer.eq_ignore_ascii_case("private-messages"));
        let mut wrapped = media.accept_wrapped_types;
        // Who names no wrapped types takes any; who names some takes those of `accept-types` inside as well.
        if !wrapped.is_empty() {
            wrapped.extend(media.accept_types);
        }
        Ok(Self {
            path: media.path,
            capabilities: Capabilities { wrapped, private, max_size: media.max_size },
        })
    }
}

/// An offer or answer that goes out with a 200.
#[derive(Debug)]
pub(super) struct Negotiated {
    /// The description.
    pub(super) body: Bytes,
    /// What it says, for the next time.
    pub(super) local: LocalMedia,
    /// What the peer has said; `None` when the description is an offer.
    pub(super) peer: Option<Peer>,
}

impl Controlling {
    /// This end of a new media session.
    pub(super) fn local_media(&mut self, private: bool) -> Option<LocalMedia> {
        let session = SessionId::random(self.mint.entropy());
        let (host, port) = (self.config.msrp_host.as_str(), self.config.msrp_port);
        let uri = msrp::Uri::new(false, host, port, Some(&session), "tcp").ok()?;
        let mut local = LocalMedia::new(uri);
        local.accept_types = vec!["message/cpim".to_owned()];
        local.accept_wrapped_types = vec!["*".to_owned()];
        local.max_size = Some(self.config.limits.max_message_size);
        local.setup = Some(Setup::Passive);
        //= https://www.rfc-editor.org/rfc/rfc7701#section-8
        //# A conference focus that supports the "chatroom" SDP attribute MUST
        //= type=exception
        //= reason=the sentence goes on over what the focus supports, which is what is listed here
        let mut offers = vec!["nickname".to_owned()];
        if private {
            offers.push("private-messages".to_owned());
        }
        local.chatroom = Some(offers);
        local.session_id = self.mint.key();
        Some(local)
    }

    /// Answers the offer of somebody who joins; without one, makes an offer.
    pub(super) fn negotiate(&mut self, offer: Option<&Bytes>, private: bool) -> Result<Negotiated, Refusal> {
        let local = self.local_media(private).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let (body, peer) = describe_to(offer, &local)?;
        Ok(Negotiated { body, local, peer })
    }

    /// Reads the answer in the 2xx of an invited user.
    pub(super) fn peer_of(response: &Response) -> Result<Peer, StatusCode> {
        let content_type = response.content_type().map_err(|_| StatusCode::BAD_REQUEST)?;
        let content_type = content_type.ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
        let bodies = Bodies::of_parts(&content_type, response.headers(), response.body())
            .map_err(|_| StatusCode::NOT_ACCEPTABLE_HERE)?;
        bodies.sdp.as_ref().ok_or(StatusCode::NOT_ACCEPTABLE_HERE).and_then(peer_of_answer)
    }

    /// Reads the answer in an ACK.
    pub(super) fn peer_of_ack(ack: &Request) -> Option<Peer> {
        Bodies::of(ack).ok().and_then(|bodies| peer_of_answer(bodies.sdp.as_ref()?).ok())
    }
}

/// What this end says of a medium: an answer if there is an offer.
pub(super) fn describe_to(offer: Option<&Bytes>, local: &LocalMedia) -> Result<(Bytes, Option<Peer>), Refusal> {
    let Some(offer) = offer else { return Ok((sdp::offer(local).write(), None)) };
    let offer = Session::parse(offer).map_err(|_| StatusCode::BAD_REQUEST)?;
    let answer = sdp::answer(&offer, local).map_err(|error| error.status())?;
    let peer = Peer::of(answer.remote)?;
    Ok((answer.session.write(), Some(peer)))
}

fn peer_of_answer(answer: &Bytes) -> Result<Peer, StatusCode> {
    let session = Session::parse(answer).map_err(|_| StatusCode::NOT_ACCEPTABLE_HERE)?;
    let media = session.message_media().ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
    Peer::of(media)
}
