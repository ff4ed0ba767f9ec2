//! Sessions with users and conferences.

use std::time::Duration;

use bytes::Bytes;
use im_roles::client::{CommandError, CommandId, Content, Event, ListEntry, SessionKey};
use im_roles::flow::Protocol;
use im_xdm_model::document::is_composing::{IsComposing, State};
use msrp::cpim;
use msrp::endpoint::{Event as MediaEvent, OutgoingBody, OutgoingMessage, Role, SessionConfig};
use sip_im::dialog::Dialog;
use sip_im::endpoint::ServerTransaction;
use sip_im::header::{
    Contact, HeaderName, NameAddr, ProxyAuthenticate, ProxyAuthorization, ReferSub, ReferTo, ReferredBy,
    Require, Subject,
};
use sip_im::mime::{Limits, Multipart};
use sip_im::{ContentType, Method, Request, ResponseBuilder, StatusCode};

use super::world::{World, uri};

pub(crate) const CONFERENCE: &str = "sip:conf-1@example.com";

/// The server's end of a session.
pub(crate) struct Session {
    pub(crate) media: msrp::endpoint::SessionKey,
    pub(crate) dialog: Dialog,
    pub(crate) key: SessionKey,
}

fn description(path: &msrp::Uri, setup: &str, types: &str) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=message 2855 TCP/MSRP *\r\na=path:{path}\r\na=setup:{setup}\r\na=accept-types:{types}\r\n\
         a=accept-wrapped-types:*\r\na=max-size:10000000\r\na=chatroom:nickname private-messages\r\n"
    ))
}

/// The session description of a request or response, out of its multipart if it is in one.
fn offered(content_type: &ContentType, body: &Bytes) -> String {
    let body = if content_type.is("application", "sdp") {
        body.clone()
    } else {
        Multipart::parse(content_type, body, &Limits::default())
            .unwrap()
            .parts()[0]
            .body()
            .clone()
    };
    String::from_utf8(body.to_vec()).unwrap()
}

fn attribute<'a>(description: &'a str, name: &str) -> Option<&'a str> {
    description
        .lines()
        .find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

fn sdp_of(request: &Request) -> String {
    offered(&request.content_type().unwrap().unwrap(), request.body())
}

fn contact(address: &str, focus: bool) -> Contact {
    let mut address = NameAddr::new(uri(address));
    if focus {
        address.params.set("isfocus", None).unwrap();
    }
    Contact::Addr(address)
}

/// What accepts an INVITE, for a conference or a user, and the server's end of the media.
fn acceptance(
    world: &mut World,
    request: &Request,
    address: &str,
    focus: bool,
) -> (ResponseBuilder, msrp::endpoint::SessionKey) {
    let offer = sdp_of(request);
    let local = world.msrp.mint_uri(false, "192.0.2.1", 2855);
    let remote = msrp::Uri::parse(attribute(&offer, "path").unwrap()).unwrap();
    let mut config = SessionConfig::new(local.clone(), vec![remote], Role::Passive);
    config.delivery = msrp::endpoint::Delivery::Whole { max: 10_000_000 };
    let media = world.msrp.open_session(config, world.now).unwrap();
    let types = if focus {
        "message/cpim"
    } else {
        "text/plain application/im-iscomposing+xml"
    };
    let body = description(&local, "passive", types);
    let response = request
        .response(StatusCode::OK)
        .contact(&contact(address, focus))
        .body(&ContentType::application_sdp(), body);
    (response, media)
}

#[track_caller]
pub(crate) fn started(world: &World) -> SessionKey {
    let found = world.events.iter().rev().find_map(|event| match event {
        Event::SessionStarted { session, .. } => Some(*session),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no session: {:?}", world.events))
}

fn accept_as(world: &mut World, address: &str, focus: bool) -> (Request, Session) {
    let (transaction, request) = world.request(&Method::Invite);
    let (response, media) = acceptance(world, &request, address, focus);
    let response = response.to_tag("far").build().unwrap();
    world
        .sip
        .respond(transaction, response.clone(), world.now)
        .unwrap();
    world.run();
    let ack = world.acks.pop().expect("an ACK");
    assert_eq!(ack.uri().as_str(), address);
    let dialog = Dialog::from_uas(&request, &response).unwrap();
    (
        request,
        Session {
            media,
            dialog,
            key: started(world),
        },
    )
}

/// Joins a conference.
pub(crate) fn joined(world: &mut World, privacy: bool) -> (Request, Session) {
    world.register();
    world.client.join(uri(CONFERENCE), privacy, world.now).unwrap();
    accept_as(world, CONFERENCE, true)
}

fn chatting(world: &mut World) -> Session {
    world.register();
    world.client.chat(uri("sip:bob@example.com"), world.now).unwrap();
    accept_as(world, "sip:bob@192.0.2.9", false).1
}

/// What has arrived at the server.
fn arrived(world: &mut World) -> Vec<(ContentType, Bytes)> {
    world.run();
    let media = std::mem::take(&mut world.media);
    let messages = media.into_iter().filter_map(|event| match event {
        MediaEvent::MessageReceived {
            content_type: Some(content_type),
            body,
            ..
        } => Some((content_type, body)),
        _ => None,
    });
    messages.collect()
}

fn envelope(world: &mut World) -> cpim::Message {
    let messages = arrived(world);
    assert_eq!(messages.len(), 1);
    assert!(messages[0].0.is("message", "cpim"));
    cpim::Message::parse(&messages[0].1).unwrap()
}

/// Says something to the client in a session.
fn say_to(world: &mut World, session: &Session, content_type: ContentType, body: Bytes) {
    let message = OutgoingMessage::new(content_type, OutgoingBody::Whole(body));
    world.msrp.send(session.media, message, world.now).unwrap();
    world.run();
}

fn wrapped(from: &str, to: &str, text: &str) -> Bytes {
    let message = cpim::Message::builder()
        .from(None, from)
        .to(None, to)
        .date_time(cpim::DateTime::parse("2026-01-02T03:04:05Z").unwrap())
        .content(ContentType::text_plain(), Bytes::from(text.to_owned()))
        .build()
        .unwrap();
    message.to_bytes()
}

#[track_caller]
fn said(world: &mut World, session: SessionKey, content: Content, to: Option<&str>) -> CommandId {
    let command = world.client.say(session, content, to, false, world.now).unwrap();
    world.run();
    command
}

//= R-5.3.1-04
//= type=test
#[test]
fn a_group_is_called_together_by_the_factory() {
    let mut world = World::new();
    world.register();
    let members = vec![
        ListEntry::to(uri("sip:bob@example.com")),
        ListEntry::to(uri("sip:dave@example.com")),
    ];
    let command = world
        .client
        .group(members, Some("lunch".to_owned()), world.now)
        .unwrap();
    let (request, _) = accept_as(&mut world, CONFERENCE, true);
    assert_eq!(request.uri().as_str(), "sip:conference@example.com");
    assert!(
        request
            .headers()
            .get::<Require>()
            .unwrap()
            .unwrap()
            .contains("recipient-list-invite")
    );
    assert_eq!(
        request.headers().get::<Subject>().unwrap().unwrap().as_str(),
        "lunch"
    );
    let body = Multipart::parse(
        &request.content_type().unwrap().unwrap(),
        request.body(),
        &Limits::default(),
    )
    .unwrap();
    assert!(body.parts()[0].content_type().is("application", "sdp"));
    assert!(body.parts()[1].is_disposed("recipient-list"));
    let list = String::from_utf8(body.parts()[1].body().to_vec()).unwrap();
    assert!(list.contains("sip:bob@example.com") && list.contains("sip:dave@example.com"));

    let offer = sdp_of(&request);
    assert_eq!(attribute(&offer, "setup"), Some("active"));
    assert_eq!(attribute(&offer, "accept-types"), Some("message/cpim"));
    let Some(Event::SessionStarted {
        command: of,
        peer,
        conference,
        ..
    }) = world.events.last()
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!(
        (*of, peer.as_str(), *conference),
        (Some(command), CONFERENCE, true)
    );
    assert!(world.opened.iter().any(|(protocol, _, host, port)| {
        *protocol == Protocol::Msrp && host == "192.0.2.1" && *port == 2855
    }));
}

//= R-5.3.1-05
//= type=test
#[test]
fn what_is_said_in_a_conference_is_for_all_or_for_one() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let command = said(&mut world, session.key, Content::text("good morning"), None);
    let message = envelope(&mut world);
    assert_eq!(
        message.head().from().unwrap().uri.as_str(),
        "sip:alice@example.com"
    );
    assert_eq!(message.head().to()[0].uri.as_str(), CONFERENCE);
    assert_eq!(message.content(), "good morning");
    assert!(
        matches!(world.events.last(), Some(Event::Sent { command: of, status: 200, .. }) if *of == command)
    );

    said(
        &mut world,
        session.key,
        Content::text("psst"),
        Some("sip:bob@example.com"),
    );
    assert_eq!(
        envelope(&mut world).head().to()[0].uri.as_str(),
        "sip:bob@example.com"
    );
}

#[test]
fn large_content_arrives_octet_for_octet() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let octets: Vec<u8> = (0_u32..1_500_000)
        .map(|number| u8::try_from(number % 251).unwrap())
        .collect();
    let content = Content::new(
        ContentType::parse("image/png").unwrap(),
        Bytes::from(octets.clone()),
    );
    said(&mut world, session.key, content, None);
    let message = envelope(&mut world);
    assert!(message.head().content_type().is("image", "png"));
    assert!(message.content() == &Bytes::from(octets));
}

#[test]
fn what_is_said_by_others_is_told_with_who_and_to_whom() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    say_to(
        &mut world,
        &session,
        ContentType::message_cpim(),
        wrapped("sip:bob@example.com", CONFERENCE, "to all"),
    );
    let Some(Event::MessageReceived(message)) = world.events.last() else {
        panic!("{:?}", world.events)
    };
    assert_eq!(message.session, Some(session.key));
    assert_eq!(message.from.as_ref().unwrap().uri, "sip:bob@example.com");
    assert_eq!((message.text(), message.private), (Some("to all"), false));
    assert_eq!(message.datetime.as_deref(), Some("2026-01-02T03:04:05Z"));

    let private = wrapped(
        "sip:anonymous1@anonymous.invalid",
        "sip:alice@example.com",
        "psst",
    );
    say_to(&mut world, &session, ContentType::message_cpim(), private);
    let Some(Event::MessageReceived(message)) = world.events.last() else {
        panic!("{:?}", world.events)
    };
    assert_eq!(
        message.from.as_ref().unwrap().uri,
        "sip:anonymous1@anonymous.invalid"
    );
    assert_eq!((message.text(), message.private), (Some("psst"), true));
}

#[test]
fn nicknames_are_asked_for() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    for (name, status) in [
        ("Ally", msrp::StatusCode::OK),
        ("root", msrp::StatusCode::NICKNAME_IN_USE),
    ] {
        let command = world.client.nickname(session.key, name, world.now).unwrap();
        world.run();
        let asked = world.media.iter().find_map(|event| match event {
            MediaEvent::NicknameRequested {
                transaction,
                nickname,
                ..
            } => Some((*transaction, nickname.clone())),
            _ => None,
        });
        let (transaction, nickname) = asked.unwrap();
        assert_eq!(nickname.as_str(), name);
        world.media.clear();
        world
            .msrp
            .respond(session.media, &transaction, status, world.now)
            .unwrap();
        world.run();
        assert!(matches!(
            world.events.last(),
            Some(Event::Nickname { command: of, name: given, status: told, .. })
                if *of == command && given == name && *told == status.code()
        ));
    }
}

//= R-6.3-03
//= type=test
#[test]
fn who_joins_privately_says_nothing_of_himself() {
    let mut world = World::with(|config| config.display_name = Some("Alice".to_owned()));
    let (request, session) = joined(&mut world, true);
    assert_eq!(
        request.from().unwrap().uri().as_str(),
        "sip:anonymous@anonymous.invalid"
    );
    assert!(request.headers().contains(&HeaderName::PRIVACY));
    let contact: Contact = request.headers().get().unwrap().unwrap();
    assert_eq!(contact.uri().unwrap().user(), Some("anonymous"));
    said(&mut world, session.key, Content::text("guess who"), None);
    let messages = arrived(&mut world);
    assert!(
        !String::from_utf8_lossy(&messages[0].1)
            .to_lowercase()
            .contains("alice")
    );
}

#[test]
fn a_refused_session_is_told_with_its_warning() {
    let mut world = World::new();
    world.register();
    let command = world
        .client
        .join(uri("sip:room@example.com"), true, world.now)
        .unwrap();
    let (transaction, request) = world.request(&Method::Invite);
    let warning = sip_im::header::Warning::new(399, "example.com", "119 Anonymity not allowed");
    let response = request.response(StatusCode::FORBIDDEN).header_typed(&warning);
    world.answer(transaction, response);
    let Some(Event::Failed {
        command: of, failure, ..
    }) = world.events.last()
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!((*of, failure.status), (Some(command), Some(403)));
    assert_eq!(failure.warning.as_deref(), Some("119 Anonymity not allowed"));
    assert_eq!(world.client.sessions().count(), 0);
}

#[test]
fn an_invitation_is_sent_again_with_credentials_and_its_ack_carries_them() {
    let mut world = World::new();
    world.register();
    world.client.join(uri(CONFERENCE), false, world.now).unwrap();
    let (transaction, request) = world.request(&Method::Invite);
    let challenge = sip_im::digest::Challenge::new("example.com", "n", sip_im::digest::Algorithm::Sha256);
    let response = request
        .response(StatusCode::PROXY_AUTHENTICATION_REQUIRED)
        .header_typed(&ProxyAuthenticate::digest_of(challenge));
    world.answer(transaction, response);
    let (transaction, again) = world.request(&Method::Invite);
    assert!(again.headers().contains(&HeaderName::PROXY_AUTHORIZATION));
    let (response, _) = acceptance(&mut world, &again, CONFERENCE, true);
    world.answer(transaction, response);
    let ack = world.acks.pop().unwrap();
    let of_ack: ProxyAuthorization = ack.headers().get().unwrap().unwrap();
    assert_eq!(Some(of_ack), again.headers().get().unwrap());
    assert_eq!(ack.cseq().unwrap().seq, again.cseq().unwrap().seq);
    started(&world);
    // In the dialog the count goes on from there, with credentials from the start.
    let session = started(&world);
    world.client.leave(session, world.now).unwrap();
    let (_, bye) = world.request(&Method::Bye);
    assert!(bye.cseq().unwrap().seq > again.cseq().unwrap().seq);
    assert!(bye.headers().contains(&HeaderName::PROXY_AUTHORIZATION));
}

//= R-5.3.1-06
//= type=test
#[test]
fn leaving_lets_what_was_said_go_out_first() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    world.events.clear();
    let content = Content::new(
        ContentType::parse("image/png").unwrap(),
        Bytes::from(vec![7; 300_000]),
    );
    world
        .client
        .say(session.key, content, None, false, world.now)
        .unwrap();
    let command = world.client.leave(session.key, world.now).unwrap();
    assert_eq!(
        world
            .client
            .say(session.key, Content::text("late"), None, false, world.now),
        Err(CommandError::WrongState)
    );
    let (transaction, bye) = world.request(&Method::Bye);
    assert_eq!(arrived(&mut world).len(), 1);
    let response = bye.response(StatusCode::OK);
    world.answer(transaction, response);
    assert!(matches!(
        world.events.last(),
        Some(Event::Left { command: Some(of), reason: None, .. }) if *of == command
    ));
    assert_eq!(world.client.sessions().count(), 0);
    assert_eq!(
        world.client.leave(session.key, world.now),
        Err(CommandError::NoSession)
    );
}

#[test]
fn the_other_side_may_end_it() {
    let mut world = World::new();
    let (_, mut session) = joined(&mut world, false);
    let bye = session.dialog.request(Method::Bye).build().unwrap();
    world.send(bye);
    assert_eq!(world.status(), 200);
    assert!(matches!(
        world.events.last(),
        Some(Event::Left { session: of, command: None, reason: Some(_) }) if *of == session.key
    ));
    let again = session.dialog.request(Method::Bye).build().unwrap();
    world.send(again);
    assert_eq!(world.status(), 481);
}

#[test]
fn a_session_without_its_connection_is_ended() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let MediaEvent::SessionBound { connection, .. } = world.media[0] else {
        panic!("{:?}", world.media)
    };
    world.close(sip_im::FlowId(connection.0));
    world.answer_next(&Method::Bye, StatusCode::OK);
    assert!(matches!(
        world.events.last(),
        Some(Event::Left { session: of, reason: Some(_), .. }) if *of == session.key
    ));
}

#[test]
fn an_invitation_may_be_withdrawn() {
    let mut world = World::new();
    world.register();
    let command = world.client.chat(uri("sip:bob@example.com"), world.now).unwrap();
    let (transaction, invite) = world.request(&Method::Invite);
    let session = world.client.sessions().next().unwrap();
    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    //= type=test
    //# If no provisional response has been received, the CANCEL request MUST
    //# NOT be sent; rather, the client MUST wait for the arrival of a
    //# provisional response before sending the request.
    world.sent.clear();
    let ending = world.client.leave(session, world.now).unwrap();
    assert_ne!(command, ending);
    world.run();
    assert!(!String::from_utf8_lossy(&world.sent).contains("CANCEL"));
    let ringing = invite.response(StatusCode::RINGING);
    world.answer(transaction, ringing);
    assert!(String::from_utf8_lossy(&world.sent).contains("CANCEL sip:bob@example.com"));
    let terminated = invite.response(StatusCode::REQUEST_TERMINATED);
    world.answer(transaction, terminated);
    assert!(matches!(world.events.last(), Some(Event::Left { command: Some(of), .. }) if *of == ending));
}

#[test]
fn an_invitation_that_is_accepted_while_it_is_withdrawn_is_ended() {
    let mut world = World::new();
    world.register();
    world.client.chat(uri("sip:bob@example.com"), world.now).unwrap();
    let (transaction, invite) = world.request(&Method::Invite);
    let session = world.client.sessions().next().unwrap();
    world.client.leave(session, world.now).unwrap();
    let (response, _) = acceptance(&mut world, &invite, "sip:bob@192.0.2.9", false);
    world.answer(transaction, response);
    assert_eq!(world.acks.len(), 1);
    world.answer_next(&Method::Bye, StatusCode::OK);
    assert!(matches!(world.events.last(), Some(Event::Left { .. })));
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::SessionStarted { .. }))
    );
}

/// An invitation to a conference.
fn invitation(world: &mut World) -> (Request, msrp::Uri) {
    let local = world.msrp.mint_uri(false, "192.0.2.1", 2855);
    let body = description(&local, "passive", "message/cpim");
    let request = world
        .incoming(Method::Invite, CONFERENCE)
        .contact(&contact(CONFERENCE, true))
        .header_typed(&ReferredBy::new(uri("sip:bob@example.com")))
        .header_typed(&Subject::new("lunch"))
        .body(&ContentType::application_sdp(), body)
        .build()
        .unwrap();
    (request, local)
}

fn invited(world: &World) -> SessionKey {
    let Some(Event::Invited { session, .. }) = world.events.last() else {
        panic!("{:?}", world.events)
    };
    *session
}

#[test]
fn an_invitation_is_told_and_accepted() {
    let mut world = World::new();
    world.register();
    let (request, _) = invitation(&mut world);
    world.send(request);
    assert_eq!(world.status(), 180);
    let Some(Event::Invited {
        session,
        from,
        conference,
        subject,
        ..
    }) = world.events.last().cloned()
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!(from.uri, "sip:bob@example.com");
    assert_eq!(conference.unwrap().as_str(), CONFERENCE);
    assert_eq!(subject.as_deref(), Some("lunch"));

    world.client.accept(session, false, world.now).unwrap();
    world.client.poll_transmit(world.now);
    assert_eq!(
        world.client.accept(session, false, world.now),
        Err(CommandError::WrongState)
    );
}

#[test]
fn an_accepted_invitation_is_connected_by_the_client() {
    for auto in [false, true] {
        let mut world = World::with(|config| config.auto_accept = auto);
        world.register();
        let (request, local) = invitation(&mut world);
        let media = {
            let mut config = SessionConfig::new(local, Vec::new(), Role::Passive);
            config.delivery = msrp::endpoint::Delivery::Whole { max: 10_000 };
            world.msrp.open_session(config, world.now).unwrap()
        };
        let transaction = world.send(request.clone());
        if !auto {
            assert_eq!(world.status(), 180);
            let session = invited(&world);
            world.client.accept(session, false, world.now).unwrap();
            world.run();
        }
        let (of, response) = world.responses.pop_front().unwrap();
        assert_eq!((of, response.status()), (transaction, StatusCode::OK));
        let answer = offered(&response.content_type().unwrap().unwrap(), response.body());
        assert_eq!(attribute(&answer, "setup"), Some("active"));
        let remote = msrp::Uri::parse(attribute(&answer, "path").unwrap()).unwrap();
        world
            .msrp
            .set_remote_path(media, vec![remote], world.now)
            .unwrap();
        let dialog = Dialog::from_uac(&request, &response).unwrap();
        let ack = dialog.ack(1).build().unwrap();
        let link = world.link;
        world
            .sip
            .acknowledge(transaction, ack, sip_im::endpoint::Target::Flow(link), world.now)
            .unwrap();
        world.run();
        let Some(Event::SessionStarted {
            session,
            conference: true,
            peer,
            ..
        }) = world.events.last().cloned()
        else {
            panic!("{:?}", world.events)
        };
        assert_eq!(peer.as_str(), CONFERENCE);
        said(&mut world, session, Content::text("here I am"), None);
        assert_eq!(envelope(&mut world).content(), "here I am");
    }
}

#[test]
fn an_invitation_may_be_declined_and_cancelled() {
    let mut world = World::new();
    world.register();
    let (request, _) = invitation(&mut world);
    world.send(request);
    assert_eq!(world.status(), 180);
    let session = invited(&world);
    let command = world.client.decline(session, 486, world.now).unwrap();
    assert_eq!(world.status(), 486);
    assert!(matches!(world.events.last(), Some(Event::Left { command: Some(of), .. }) if *of == command));

    let (request, _) = invitation(&mut world);
    let transaction = world.send(request);
    assert_eq!(world.status(), 180);
    let session = invited(&world);
    world.sip.cancel(transaction, world.now).unwrap();
    world.run();
    let statuses: Vec<_> = world
        .responses
        .iter()
        .map(|(_, response)| response.status().code())
        .collect();
    assert!(statuses.contains(&487), "{statuses:?}");
    assert!(matches!(world.events.last(), Some(Event::Left { session: of, .. }) if *of == session));
    assert_eq!(
        world.client.accept(session, false, world.now),
        Err(CommandError::NoSession)
    );
}

#[test]
fn invitations_without_a_usable_offer_and_too_many_are_refused() {
    let mut world = World::with(|config| config.limits.max_sessions = 1);
    world.register();
    let bare = world
        .incoming(Method::Invite, CONFERENCE)
        .contact(&contact(CONFERENCE, true))
        .build()
        .unwrap();
    world.send(bare);
    assert_eq!(world.status(), 488);
    let (request, _) = invitation(&mut world);
    world.send(request);
    assert_eq!(world.status(), 180);
    let (request, _) = invitation(&mut world);
    world.send(request);
    assert_eq!(world.status(), 486);
    assert_eq!(
        world.client.chat(uri("sip:bob@example.com"), world.now),
        Err(CommandError::TooMany)
    );
}

#[test]
fn an_offer_that_nobody_could_connect_to_is_refused() {
    let mut world = World::with(|config| config.auto_accept = true);
    world.register();
    let path = world.msrp.mint_uri(false, "192.0.2.9", 9);
    let request = world
        .incoming(Method::Invite, "sip:bob@example.com")
        .contact(&contact("sip:bob@192.0.2.9", false))
        .body(
            &ContentType::application_sdp(),
            description(&path, "active", "text/plain"),
        )
        .build()
        .unwrap();
    world.send(request);
    assert_eq!(world.status(), 488);
    assert_eq!(world.client.sessions().count(), 0);
}

#[test]
fn two_users_talk_without_envelopes() {
    let mut world = World::new();
    let session = chatting(&mut world);
    assert!(matches!(
        world.events.last(),
        Some(Event::SessionStarted {
            conference: false,
            ..
        })
    ));
    said(&mut world, session.key, Content::text("hello"), None);
    let messages = arrived(&mut world);
    assert!(messages[0].0.is("text", "plain"));
    assert_eq!(messages[0].1, "hello");

    say_to(
        &mut world,
        &session,
        ContentType::text_plain(),
        Bytes::from("hello yourself"),
    );
    let Some(Event::MessageReceived(message)) = world.events.last() else {
        panic!("{:?}", world.events)
    };
    assert_eq!(message.text(), Some("hello yourself"));
    assert_eq!(message.from.as_ref().unwrap().uri, "sip:bob@example.com");
    assert!(!message.private);
    // An envelope cannot make it somebody else's.
    let forged = wrapped("sip:carol@example.com", "sip:alice@example.com", "I am carol");
    say_to(&mut world, &session, ContentType::message_cpim(), forged);
    let Some(Event::MessageReceived(message)) = world.events.last() else {
        panic!("{:?}", world.events)
    };
    assert_eq!(message.from.as_ref().unwrap().uri, "sip:bob@example.com");
}

#[test]
fn what_the_peer_does_not_take_is_refused_here() {
    let mut world = World::new();
    let session = chatting(&mut world);
    let image = Content::new(ContentType::parse("image/png").unwrap(), Bytes::from("x"));
    assert_eq!(
        world.client.say(session.key, image, None, false, world.now),
        Err(CommandError::NotAccepted)
    );
    let long = Content::text("x".repeat(10_000_001));
    assert_eq!(
        world.client.say(session.key, long, None, false, world.now),
        Err(CommandError::NotAccepted)
    );
    assert_eq!(
        world.client.nickname(session.key, "x", world.now),
        Err(CommandError::NotAConference)
    );
    assert_eq!(
        world.client.roster(session.key, world.now),
        Err(CommandError::NotAConference)
    );
    let bob = uri("sip:bob@example.com");
    assert_eq!(
        world.client.add(session.key, &bob, world.now),
        Err(CommandError::NotAConference)
    );
}

//= R-5.5.9-01
//= type=test
#[test]
fn a_client_that_listens_lets_the_peer_connect() {
    let mut world = World::with(|config| config.media_listen = Some(("192.0.2.7".to_owned(), 7000)));
    world.register();
    world.client.chat(uri("sip:bob@example.com"), world.now).unwrap();
    let (transaction, request) = world.request(&Method::Invite);
    let offer = sdp_of(&request);
    assert_eq!(attribute(&offer, "setup"), Some("actpass"));
    let path = attribute(&offer, "path").unwrap();
    assert!(path.starts_with("msrp://192.0.2.7:7000/"), "{path}");
    assert!(offer.contains("m=message 7000 "));
    let local = world.msrp.mint_uri(false, "192.0.2.9", 9);
    let config = SessionConfig::new(local.clone(), vec![msrp::Uri::parse(path).unwrap()], Role::Active);
    world.msrp.open_session(config, world.now).unwrap();
    let response = request
        .response(StatusCode::OK)
        .contact(&contact("sip:bob@192.0.2.9", false))
        .body(
            &ContentType::application_sdp(),
            description(&local, "active", "text/plain"),
        );
    world.answer(transaction, response);
    let session = started(&world);
    said(&mut world, session, Content::text("hello"), None);
    assert_eq!(arrived(&mut world)[0].1, "hello");
    assert!(
        world
            .opened
            .iter()
            .all(|(protocol, ..)| *protocol == Protocol::Sip)
    );
}

#[test]
fn participants_are_added_and_expelled_by_refer() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let dave = uri("sip:dave@example.com");
    let refer = |world: &mut World, command: Result<CommandId, CommandError>, status: StatusCode| {
        let command = command.unwrap();
        let request = world.answer_next(&Method::Refer, status);
        assert_eq!(request.uri().as_str(), CONFERENCE);
        assert_eq!(
            request.headers().get::<ReferSub>().unwrap(),
            Some(ReferSub(false))
        );
        let target: ReferTo = request.headers().get().unwrap().unwrap();
        (command, target.uri().to_string())
    };
    let add = world.client.add(session.key, &dave, world.now);
    let (command, target) = refer(&mut world, add, StatusCode::ACCEPTED);
    assert_eq!(target, "sip:dave@example.com");
    assert!(
        matches!(world.events.last(), Some(Event::Sent { command: of, status: 202, .. }) if *of == command)
    );

    let expel = world.client.expel(session.key, &dave, world.now);
    let (command, target) = refer(&mut world, expel, StatusCode::FORBIDDEN);
    assert_eq!(target, "sip:dave@example.com;method=BYE");
    assert!(matches!(world.events.last(), Some(Event::Failed { command: Some(of), .. }) if *of == command));

    let end = world.client.end(session.key, world.now);
    let (_, target) = refer(&mut world, end, StatusCode::OK);
    assert_eq!(target, format!("{CONFERENCE};method=BYE"));
}

#[test]
fn composing_is_told_both_ways() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    world.client.composing(session.key, true, world.now).unwrap();
    let message = envelope(&mut world);
    assert!(
        message
            .head()
            .content_type()
            .is("application", "im-iscomposing+xml")
    );
    let document = IsComposing::parse(message.content(), &im_xdm_model::xml::Limits::default()).unwrap();
    assert_eq!(document.state, State::Active);

    let body = cpim::Message::builder()
        .from(None, "sip:bob@example.com")
        .to(None, CONFERENCE)
        .content(
            ContentType::parse("application/im-iscomposing+xml").unwrap(),
            IsComposing::new(State::Active).write(),
        )
        .build()
        .unwrap();
    say_to(&mut world, &session, ContentType::message_cpim(), body.to_bytes());
    assert!(matches!(
        world.events.last(),
        Some(Event::Composing { session: Some(of), from: Some(from), active: true })
            if *of == session.key && from.uri == "sip:bob@example.com"
    ));
}

#[test]
fn reports_are_told() {
    let mut world = World::new();
    let session = chatting(&mut world);
    let command = world
        .client
        .say(session.key, Content::text("hello"), None, true, world.now)
        .unwrap();
    world.run();
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::Sent { command: of, .. } if *of == command))
    );
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Report { status: 200, message_id, session: of, .. } if *of == session.key && !message_id.is_empty()
    )));
}

#[test]
fn shutting_down_leaves_every_session() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    world.client.shut_down(world.now);
    let mut answered: Vec<Method> = Vec::new();
    world.run();
    while let Some((transaction, request)) = world.requests.pop_front() {
        answered.push(request.method().clone());
        let response = request.response(StatusCode::OK);
        let transaction: ServerTransaction = transaction;
        world.answer(transaction, response);
    }
    assert!(
        answered.contains(&Method::Bye) && answered.contains(&Method::Register),
        "{answered:?}"
    );
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::Left { session: of, .. } if *of == session.key))
    );
    world.pass(Duration::from_secs(60));
    assert!(world.client.is_drained());
    assert_eq!(world.client.poll_timeout(), None);
}
