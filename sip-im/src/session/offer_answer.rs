//! Offer and answer (RFC 3264): whose turn it is, and what one description may change of the one before.
//!
//! | the offer stands in | the answer stands in |
//! |---|---|
//! | an INVITE | a reliable provisional response or the 2xx (RFC 3261 13.2.1, RFC 3262 5) |
//! | the 2xx of an INVITE | its ACK (RFC 3261 13.2.1) |
//! | a reliable provisional response | its PRACK (RFC 3262 5) |
//! | a PRACK | the 2xx of it (RFC 3262 5) |
//! | an UPDATE | the 2xx of it (RFC 3311 5.2) |

use bytes::Bytes;
use thiserror::Error;

use crate::header::Headers;
use crate::mime;
use crate::sdp::{self, Origin};

/// The message that an offer stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OfferPlace {
    /// An INVITE, the first or a later one.
    Invite,
    /// The 2xx of an INVITE that had none.
    Success,
    /// A reliable provisional response to an INVITE that had none.
    Provisional,
    /// A PRACK.
    Prack,
    /// An UPDATE.
    Update,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Negotiation {
    /// Nobody's: no offer is unanswered.
    Idle,
    /// The peer's: this end's offer is unanswered.
    Offered(OfferPlace),
    /// This end's: the peer's offer is unanswered.
    Asked(OfferPlace),
}

/// What moves a negotiation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NegotiationInput {
    /// This end sends an offer.
    OfferSent(OfferPlace),
    /// The peer sends an offer.
    OfferReceived(OfferPlace),
    /// This end answers.
    AnswerSent,
    /// The peer answers.
    AnswerReceived,
    /// The offer is refused, or the message that it stood in fails.
    Rejected,
}

impl OfferPlace {
    /// Every place.
    pub const ALL: [Self; 5] = [
        Self::Invite,
        Self::Success,
        Self::Provisional,
        Self::Prack,
        Self::Update,
    ];
}

impl Negotiation {
    /// Where an input leads, or `None` where it is not allowed: a second offer, or an answer to none.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3264#section-4
    //# However, it MUST NOT generate a new offer if it has
    //# received an offer which it has not yet answered or rejected.
    //# Furthermore, it MUST NOT generate a new offer if it has generated a
    //# prior offer for which it has not yet received an answer or a
    //# rejection.
    pub fn next(self, input: NegotiationInput) -> Option<Self> {
        use NegotiationInput as I;
        Some(match (self, input) {
            (Self::Idle, I::OfferSent(place)) => Self::Offered(place),
            (Self::Idle, I::OfferReceived(place)) => Self::Asked(place),
            (Self::Offered(_), I::AnswerReceived | I::Rejected)
            | (Self::Asked(_), I::AnswerSent | I::Rejected) => Self::Idle,
            _ => return None,
        })
    }
}

/// Why a description cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// The body cannot be read.
    #[error("the body cannot be read")]
    Body,
    /// The description is malformed.
    #[error("malformed session description: {0}")]
    Malformed(#[from] sdp::SdpError),
    /// Media that were there before are missing.
    #[error("the description drops media of the one before")]
    FewerMedia,
    /// The answer has not the offer's media.
    #[error("the answer does not have the media of the offer")]
    OtherMedia,
    /// It says that nothing has changed, and something has.
    #[error("the description has changed and its version has not")]
    Version,
}

/// What is remembered of the peer's latest description: enough to tell whether the next one is new and fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Of the whole text.
    pub(crate) text: u64,
    /// Of the `o=` line without its version.
    pub(crate) origin: u64,
    /// Of the version.
    pub(crate) version: u64,
    pub(crate) media: u32,
}

impl Fingerprint {
    fn of(description: &sdp::Session) -> Self {
        let Origin {
            username,
            session_id,
            version,
            address_type,
            address,
        } = &description.origin;
        Self {
            text: hash(&[&description.to_string()]),
            origin: hash(&[username, session_id, address_type, address]),
            version: hash(&[version]),
            media: count(description),
        }
    }
}

/// The descriptions of a session and the exchange under way.
#[derive(Clone, Debug)]
pub(crate) struct OfferAnswer {
    pub(crate) state: Negotiation,
    /// This end's latest agreed description.
    pub(crate) local: Option<Bytes>,
    /// The peer's latest agreed description.
    pub(crate) remote: Option<Fingerprint>,
    pending: Option<Box<Pending>>,
}

/// What stands before agreement.
#[derive(Clone, Debug, Default)]
struct Pending {
    local: Option<Bytes>,
    remote: Option<Fingerprint>,
    media: u32,
}

impl OfferAnswer {
    pub(crate) fn new() -> Self {
        Self {
            state: Negotiation::Idle,
            local: None,
            remote: None,
            pending: None,
        }
    }

    /// What was agreed on before, in another process.
    pub(crate) fn restored(local: Option<Bytes>, remote: Option<Fingerprint>) -> Self {
        Self {
            local,
            remote,
            ..Self::new()
        }
    }

    /// Whether an offer was ever answered.
    pub(crate) fn is_agreed(&self) -> bool {
        self.local.is_some() && self.remote.is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state == Negotiation::Idle
    }

    /// Whether the peer's offer is what it offered or answered before, word for word.
    pub(crate) fn is_known(&self, description: &sdp::Session) -> bool {
        self.is_agreed() && self.remote == Some(Fingerprint::of(description))
    }

    /// Fits a description of this end to the one before: its origin stays, and its version grows if anything else has changed.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3264#section-8
    //# When issuing an offer that modifies the session,
    //# the "o=" line of the new SDP MUST be identical to that in the
    //# previous SDP, except that the version in the origin field MUST
    //# increment by one from the previous SDP.
    pub(crate) fn fit(&self, description: &sdp::Session) -> Result<Bytes, DescriptionError> {
        let Some(before) = self.local.as_ref() else {
            return Ok(exact(description));
        };
        let before = sdp::Session::parse(before)?;
        //= https://www.rfc-editor.org/rfc/rfc3264#section-8
        //# In other words, if the previous SDP had N "m="
        //# lines, the new SDP MUST have at least N "m=" lines.
        if description.media.len() < before.media.len() {
            return Err(DescriptionError::FewerMedia);
        }
        let mut fitted = description.clone();
        fitted.origin = before.origin.clone();
        if fitted != before {
            let version = before.origin.version.parse::<u64>().unwrap_or(0);
            fitted.origin.version = version.saturating_add(1).to_string().into();
        }
        Ok(exact(&fitted))
    }

    /// This end offers.
    pub(crate) fn offer(&mut self, place: OfferPlace, text: Bytes) -> Result<(), DescriptionError> {
        let media = count(&sdp::Session::parse(&text)?);
        if let Some(state) = self.state.next(NegotiationInput::OfferSent(place)) {
            self.state = state;
            self.pending = Some(Box::new(Pending {
                local: Some(text),
                remote: None,
                media,
            }));
        }
        Ok(())
    }

    /// The peer offers.
    pub(crate) fn take_offer(
        &mut self,
        place: OfferPlace,
        description: &sdp::Session,
    ) -> Result<(), DescriptionError> {
        let fingerprint = Fingerprint::of(description);
        if let Some(before) = self.remote {
            if fingerprint.media < before.media {
                return Err(DescriptionError::FewerMedia);
            }
            //= https://www.rfc-editor.org/rfc/rfc3264#section-8
            //# If the version in the origin
            //# line does not increment, the SDP MUST be identical to the SDP with
            //# that version number.
            let same = fingerprint.origin == before.origin && fingerprint.version == before.version;
            if same && fingerprint.text != before.text {
                return Err(DescriptionError::Version);
            }
        }
        if let Some(state) = self.state.next(NegotiationInput::OfferReceived(place)) {
            self.state = state;
            self.pending = Some(Box::new(Pending {
                local: None,
                remote: Some(fingerprint),
                media: fingerprint.media,
            }));
        }
        Ok(())
    }

    /// Whether an answer of this end has the offer's media.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3264#section-6
    //# For each "m=" line in the offer, there MUST be a corresponding "m="
    //# line in the answer.
    pub(crate) fn fits_offer(&self, description: &sdp::Session) -> Result<(), DescriptionError> {
        let offered = self.pending.as_ref().map_or(0, |pending| pending.media);
        if count(description) == offered {
            Ok(())
        } else {
            Err(DescriptionError::OtherMedia)
        }
    }

    /// This end answers.
    pub(crate) fn answer(&mut self, text: Bytes) {
        if let Some(state) = self.state.next(NegotiationInput::AnswerSent) {
            self.state = state;
            self.local = Some(text);
            self.remote = self.pending.take().and_then(|pending| pending.remote);
        }
    }

    /// The peer answers.
    pub(crate) fn take_answer(&mut self, description: &sdp::Session) -> Result<(), DescriptionError> {
        self.fits_offer(description)?;
        if let Some(state) = self.state.next(NegotiationInput::AnswerReceived) {
            self.state = state;
            self.local = self.pending.take().and_then(|pending| pending.local);
            self.remote = Some(Fingerprint::of(description));
        }
        Ok(())
    }

    /// The exchange fails: what was agreed on before holds on.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3264#section-4
    //# The offer/answer exchange is atomic; if
    //# the answer is rejected, the session reverts to the state prior to the
    //# offer (which may be absence of a session).
    pub(crate) fn reject(&mut self) {
        if let Some(state) = self.state.next(NegotiationInput::Rejected) {
            self.state = state;
            self.pending = None;
        }
    }
}

/// The session description in a body, if it has one.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
//# If the Content-Disposition header field is missing, bodies of
//# Content-Type application/sdp imply the disposition "session", while
//# other content types imply "render".
pub(crate) fn description(headers: &Headers, body: &Bytes) -> Result<Option<sdp::Session>, DescriptionError> {
    let parts =
        mime::body_parts(headers, body, &mime::Limits::default()).map_err(|_| DescriptionError::Body)?;
    let found = parts.into_iter().find(|part| {
        let kind = part.content_type();
        kind.type_().eq_ignore_ascii_case("application")
            && kind.subtype().eq_ignore_ascii_case("sdp")
            && (part.disposition().is_none() || part.is_disposed("session"))
    });
    match found {
        Some(part) => Ok(Some(sdp::Session::parse(part.body())?)),
        None => Ok(None),
    }
}

/// The answer that takes none of the offered media: valid, and of no use (RFC 3264 section 6).
pub(crate) fn refusal(offer: &sdp::Session) -> sdp::Session {
    sdp::Session {
        origin: offer.origin.clone(),
        lines: offer.lines.clone(),
        media: offer.media.iter().map(sdp::Media::refused).collect(),
    }
}

/// The text with no room to spare, since it is kept as long as the session.
fn exact(description: &sdp::Session) -> Bytes {
    Bytes::copy_from_slice(&description.write())
}

fn count(description: &sdp::Session) -> u32 {
    u32::try_from(description.media.len()).unwrap_or(u32::MAX)
}

/// FNV-1a: tells a changed description from an unchanged one, and protects nothing.
fn hash(texts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for octet in texts.iter().flat_map(|text| text.bytes().chain([0])) {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}
