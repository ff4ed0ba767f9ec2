//! Conferences: who comes in, who learns what, and that nothing is left when all have gone.

use std::time::Duration;

use bytes::Bytes;
use im_roles::signal::{Input, MediaCommand, MediaId};
use msrp::codec::Continuation;
use msrp::endpoint::{Config, Endpoint, Event, Role, SessionConfig, SessionKey};
use msrp::header::{ByteRange, ContentType, FailureReport, Headers};
use msrp::{MessageId, TransactionId};
use proptest::prelude::*;
use sip_im::dialog::Dialog;
use sip_im::header::{Contact, HeaderName};
use sip_im::{Method, Uri};

use super::{Focus, OFFER, contains, with_list};

const JOIN: &str = "Contact: <sip:someone@192.0.2.1;transport=tcp>\nContent-Type: application/sdp";

/// Somebody in a conference: his media session, and his dialog as his client sees it.
struct Seat {
    media: MediaId,
    dialog: Dialog,
}

impl Focus {
    /// Lets a user join by INVITE, and gives his seat.
    fn join(&mut self, user: &str, uri: &str, fields: &str) -> Seat {
        let before = self.media.len();
        let id = self.ask(user, &format!("INVITE {uri}"), fields, OFFER);
        if self.status(id).is_none() {
            self.groups_are(&[]);
        }
        self.seat(user, id, before)
    }

    fn seat(&mut self, user: &str, id: im_roles::signal::IncomingId, before: usize) -> Seat {
        assert_eq!(
            self.status(id),
            Some(200),
            "{user} comes in: {}",
            self.warning(id)
        );
        let response = self.response(id).unwrap().clone();
        let contact = response.headers().get::<Contact>().unwrap().unwrap();
        assert!(contact.has_feature("isfocus"));
        let opened = self
            .media
            .iter()
            .skip(before)
            .find(|(_, command)| matches!(command, MediaCommand::Open(_)));
        let media = opened.expect("a media session is opened").0;
        let uri = contact.uri().unwrap().clone();
        let invite = sip_im::Request::builder(Method::Invite, uri.clone())
            .from(
                &Uri::sip(user, "example.com").unwrap(),
                None,
                response.from().unwrap().tag().unwrap(),
            )
            .to(&uri, None)
            .call_id(&response.call_id().unwrap().0)
            .cseq(1)
            .contact(&Contact::new(Uri::parse("sip:someone@192.0.2.1").unwrap()))
            .build()
            .unwrap();
        let dialog = Dialog::from_uac(&invite, &response).unwrap();
        let ack = dialog.ack(1).build().unwrap();
        self.input(Input::Ack { request: ack });
        Seat { media, dialog }
    }

    fn leave(&mut self, user: &str, seat: &mut Seat) {
        let bye = seat.dialog.request(Method::Bye).build().unwrap();
        let id = self.hand_over(user, bye);
        assert_eq!(self.status(id), Some(200));
    }

    /// Everything that was said about media sessions other than `own`, as octets.
    fn told_to_others(&self, own: MediaId) -> Vec<u8> {
        let mut told = Vec::new();
        for (media, command) in &self.media {
            if let (true, MediaCommand::Append(_, octets)) = (*media != own, command) {
                told.extend_from_slice(octets);
            }
        }
        told
    }

    /// A message in pieces, as the media plane tells of it.
    fn say(&mut self, seat: &Seat, message: &str, octets: &Bytes, step: usize) {
        let (session, message) = (some_session(), MessageId::new(message).unwrap());
        let total = octets.len() as u64;
        let media = seat.media;
        let transaction = TransactionId::new("abcd1234").unwrap();
        self.input(Input::Media {
            media,
            event: Event::MessageStarted {
                session,
                message: message.clone(),
                content_type: Some(ContentType::message_cpim()),
                total: Some(total),
                success_report: false,
                failure_report: FailureReport::Yes,
                headers: Box::new(Headers::default()),
            },
        });
        for (index, piece) in octets.chunks(step).enumerate() {
            let event = Event::BodyReceived {
                session,
                message: message.clone(),
                offset: (index * step) as u64,
                data: octets.slice_ref(piece),
            };
            self.input(Input::Media { media, event });
        }
        let range = ByteRange {
            start: 1,
            end: Some(total),
            total: Some(total),
        };
        let continuation = Continuation::Complete;
        self.input(Input::Media {
            media,
            event: Event::ChunkReceived {
                session,
                message: message.clone(),
                transaction,
                range,
                continuation,
            },
        });
        self.input(Input::Media {
            media,
            event: Event::MessageCompleted {
                session,
                message,
                total,
            },
        });
    }

    /// What a participant gets of a message, put together.
    fn heard(&self, seat: &Seat) -> Vec<u8> {
        let own = self.media.iter().filter(|(media, _)| *media == seat.media);
        own.filter_map(|(_, command)| match command {
            MediaCommand::Append(_, octets) => Some(octets.to_vec()),
            _ => None,
        })
        .flatten()
        .collect()
    }
}

/// A key, which only an endpoint can make.
fn some_session() -> SessionKey {
    let mut endpoint = Endpoint::new(Config::default(), Box::new(|octets: &mut [u8]| octets.fill(5)));
    let local = endpoint.mint_uri(false, "192.0.2.9", 2855);
    endpoint
        .open_session(
            SessionConfig::new(local, Vec::new(), Role::Passive),
            std::time::Instant::now(),
        )
        .unwrap()
}

fn envelope(from: &str, to: &str, content: &[u8]) -> Bytes {
    let mut octets =
        format!("From: <{from}>\r\nTo: <{to}>\r\n\r\nContent-Type: text/plain\r\n\r\n").into_bytes();
    octets.extend_from_slice(content);
    Bytes::from(octets)
}

/// An ad hoc group of alice's that invites bob.
fn adhoc(focus: &mut Focus) -> (Seat, String) {
    let (fields, body) = with_list(
        "recipient-list-invite",
        "application/sdp",
        OFFER,
        "<entry uri=\"sip:bob@example.com\"/><entry uri=\"sip:mallory@example.com\" cp:copyControl=\"bcc\"/>",
    );
    let before = focus.media.len();
    let id = focus.ask("alice", "INVITE sip:conference@example.com", &fields, &body);
    assert!(
        focus.status(id).is_none() && focus.requests.is_empty(),
        "nobody is invited before the store has answered"
    );
    focus.groups_are(&[]);
    let seat = focus.seat("alice", id, before);
    let uri = focus
        .response(id)
        .unwrap()
        .headers()
        .get::<Contact>()
        .unwrap()
        .unwrap()
        .uri()
        .unwrap()
        .to_string();
    (seat, uri)
}

//= R-5.3.2.1.1-05
//= type=test
//= R-5.3.2-08
//= type=test
#[test]
fn an_ad_hoc_group_invites_its_members_as_a_focus_and_shows_no_blind_copy() {
    let mut focus = Focus::new();
    let (mut alice, uri) = adhoc(&mut focus);
    let mut invited: Vec<_> = focus
        .requests
        .iter()
        .filter_map(|(_, request)| request.uri().user().map(str::to_owned))
        .collect();
    invited.sort();
    assert_eq!(invited, ["bob", "mallory"]);
    for (_, request) in &focus.requests {
        assert!(
            request
                .headers()
                .value(&HeaderName::CONTACT)
                .unwrap()
                .contains("isfocus")
        );
        let own = request.uri().user() == Some("mallory");
        assert!(own || !contains(&request.to_bytes(), "mallory"));
    }
    assert_eq!(focus.controlling.participants(&Uri::parse(&uri).unwrap()), 1);
    focus.leave("alice", &mut alice);
    assert_eq!(
        focus.controlling.conferences(),
        0,
        "with its last participant the conference ends"
    );
    focus.after(Duration::from_secs(300));
    assert!(focus.controlling.is_drained());
}

//= R-6.3-03
//= type=test
//= R-6.3-06
//= type=test
//= R-6.3-07
//= type=test
#[test]
fn no_octet_to_the_others_holds_the_address_of_one_who_hides() {
    let mut focus = Focus::new();
    let (alice, uri) = adhoc(&mut focus);
    let subscribe = format!("SUBSCRIBE {uri}");
    let fields = "Event: conference\nExpires: 600\nContact: <sip:alice@192.0.2.1;transport=tcp>";
    let id = focus.ask("alice", &subscribe, fields, "");
    assert_eq!(focus.status(id), Some(200));
    let carol = focus.join("carol", &uri, &format!("Privacy: id\n{JOIN}"));
    let said = envelope("sip:carol@example.com", &uri, b"who am I?");
    focus.say(&carol, "hidden01", &said, 7);
    focus.after(Duration::from_secs(1));
    let heard = focus.heard(&alice);
    assert!(contains(&heard, "who am I?") && contains(&heard, "@anonymous.invalid>"));
    assert!(!contains(&focus.told_to_others(carol.media), "carol@"));
    let notifications: Vec<_> = focus
        .requests
        .iter()
        .filter(|(_, request)| *request.method() == Method::Notify)
        .map(|(_, request)| request.to_bytes())
        .collect();
    assert!(
        notifications
            .iter()
            .any(|octets| contains(octets, "@anonymous.invalid\"")),
        "the roster counts him"
    );
    assert!(
        focus
            .requests
            .iter()
            .all(|(_, request)| !contains(&request.to_bytes(), "carol")),
        "no request names him"
    );
}

//= R-5.3.2.3.2-03
//= type=test
#[test]
fn only_one_who_signs_with_his_own_address_is_heard() {
    let mut focus = Focus::new();
    let alice = focus.join("alice", "sip:room@example.com", JOIN);
    let bob = focus.join("bob", "sip:room@example.com", JOIN);
    focus.say(
        &bob,
        "forged01",
        &envelope("sip:alice@example.com", "sip:room@example.com", b"forged"),
        64,
    );
    assert!(focus.heard(&alice).is_empty());
    let refused = |status: u16| {
        focus.media.iter().any(|(media, command)| {
            *media == bob.media
                && matches!(command, MediaCommand::Respond(_, given) if given.code() == status)
        })
    };
    assert!(refused(403));
}

#[test]
fn a_closed_ad_hoc_group_lets_only_the_invited_in() {
    let mut focus = Focus::with(|config| config.open_adhoc_groups = false);
    let (_, uri) = adhoc(&mut focus);
    let id = focus.ask("carol", &format!("INVITE {uri}"), JOIN, OFFER);
    assert_eq!(focus.status(id), Some(403));
    focus.join("bob", &uri, JOIN);
}

proptest! {
    /// What one says is what the others get, octet for octet, however it is cut.
    #[test]
    fn the_switch_changes_nothing(content in prop::collection::vec(any::<u8>(), 0..400), step in 1_usize..200) {
        let mut focus = Focus::new();
        let alice = focus.join("alice", "sip:room@example.com", JOIN);
        let bob = focus.join("bob", "sip:room@example.com", JOIN);
        let carol = focus.join("carol", "sip:room@example.com", JOIN);
        let said = envelope("sip:alice@example.com", "sip:room@example.com", &content);
        focus.say(&alice, "message1", &said, step);
        prop_assert_eq!(focus.heard(&bob), said.to_vec());
        prop_assert_eq!(focus.heard(&carol), said.to_vec());
        prop_assert!(focus.heard(&alice).is_empty());
        let private = envelope("sip:bob@example.com", "sip:alice@example.com", &content);
        focus.say(&bob, "message2", &private, step);
        prop_assert_eq!(focus.heard(&alice), private.to_vec());
        prop_assert_eq!(focus.heard(&carol), said.to_vec());
    }
}
