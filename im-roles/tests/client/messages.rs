//! Messages by MESSAGE: out, in, notified of, to lists.

use std::time::Duration;

use bytes::Bytes;
use im_roles::client::{
    CommandError, Content, Event, ListEntry, MessageRequest, Notifications, ReceivedMessage,
};
use im_xdm_model::document::imdn::{DeliveryStatus, DisplayStatus, Imdn, Notification};
use im_xdm_model::document::resource_lists::{CopyControl, Item, ResourceLists};
use msrp::cpim::{self, DispositionNotification};
use sip_im::header::{
    Date, Expires, HeaderName, PAssertedIdentity, PPreferredIdentity, Privacy, PrivacyValue, Require,
    RetryAfter,
};
use sip_im::mime::{Limits, Multipart};
use sip_im::{ContentType, Method, Request, StatusCode};

use super::world::{World, uri};

fn text(body: &str) -> MessageRequest {
    MessageRequest::text(uri("sip:bob@example.com"), body)
}

fn received(world: &mut World) -> Vec<ReceivedMessage> {
    world.run();
    let events = std::mem::take(&mut world.events);
    let messages = events.into_iter().filter_map(|event| match event {
        Event::MessageReceived(message) => Some(message),
        _ => None,
    });
    messages.collect()
}

fn wrapped(request: &Request) -> cpim::Message {
    assert!(request.content_type().unwrap().unwrap().is("message", "cpim"));
    cpim::Message::parse(request.body()).unwrap()
}

/// A message from bob that asks for notifications.
fn asking(world: &mut World, id: &str, from: &str) -> Request {
    let body = cpim::Message::builder()
        .from(Some("Bob"), from)
        .to(None, "sip:alice@example.com")
        .date_time(cpim::DateTime::parse("2026-01-02T03:04:05Z").unwrap())
        .imdn_message_id(id)
        .disposition_notification(DispositionNotification::PositiveDelivery)
        .disposition_notification(DispositionNotification::Display)
        .content(ContentType::text_plain(), Bytes::from("are you there?"))
        .build()
        .unwrap();
    world
        .incoming(Method::Message, "sip:bob@example.com")
        .body(&ContentType::message_cpim(), body.to_bytes())
        .build()
        .unwrap()
}

//= R-5.3.1-07
//= type=test
#[test]
fn a_text_is_sent_as_it_is() {
    let mut world = World::new();
    let command = world.client.message(text("hello"), world.now).unwrap();
    let (transaction, request) = world.request(&Method::Message);
    assert_eq!(request.uri().as_str(), "sip:bob@example.com");
    assert_eq!(request.from().unwrap().uri().as_str(), "sip:alice@example.com");
    assert_eq!(request.body(), "hello");
    assert!(request.content_type().unwrap().unwrap().is("text", "plain"));
    let date: Date = request.headers().get().unwrap().unwrap();
    assert_eq!(date.since_epoch(), Duration::from_secs(1_700_000_000));
    assert!(!request.headers().contains(&HeaderName::CONTACT));
    let response = request.response(StatusCode::ACCEPTED);
    world.answer(transaction, response);
    assert!(matches!(
        world.events.last(),
        Some(Event::Sent { command: of, status: 202, message_id: None, .. }) if *of == command
    ));
}

#[test]
fn a_refusal_is_told_with_its_warning() {
    let mut world = World::new();
    let command = world.client.message(text("hello"), world.now).unwrap();
    let (transaction, request) = world.request(&Method::Message);
    let warning = sip_im::header::Warning::new(399, "example.com", "127 Service not authorised");
    let response = request.response(StatusCode::FORBIDDEN).header_typed(&warning);
    world.answer(transaction, response);
    let Some(Event::Failed {
        command: Some(of),
        failure,
        ..
    }) = world.events.last()
    else {
        panic!("no failure")
    };
    assert_eq!(*of, command);
    assert_eq!(failure.status, Some(403));
    assert_eq!(failure.warning.as_deref(), Some("127 Service not authorised"));
}

#[test]
fn silence_is_told_as_a_timeout() {
    let mut world = World::new();
    world.client.message(text("hello"), world.now).unwrap();
    world.run();
    world.pass(Duration::from_secs(40));
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Failed { failure, .. } if failure.status == Some(408)
    )));
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-8
//= type=test
//# A UAC MUST NOT initiate a new out-of-dialog MESSAGE transaction to a
//# given URI if there is a previous out-of-dialog transaction pending
//# for the same URI.
#[test]
fn one_message_at_a_time_goes_to_an_address() {
    let mut world = World::new();
    for number in 0..5 {
        world
            .client
            .message(text(&number.to_string()), world.now)
            .unwrap();
    }
    world
        .client
        .message(
            MessageRequest::text(uri("sip:carol@example.com"), "hi"),
            world.now,
        )
        .unwrap();
    world.run();
    assert_eq!(world.requests.len(), 2);
    for number in 0..5 {
        let at = world
            .requests
            .iter()
            .position(|(_, request)| request.uri().user() == Some("bob"))
            .unwrap();
        let (transaction, request) = world.requests.remove(at).unwrap();
        assert_eq!(request.body(), &Bytes::from(number.to_string()));
        let status = if number == 2 {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        let response = request.response(status);
        world.answer(transaction, response);
    }
    let sent = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Sent { .. }))
        .count();
    assert_eq!(sent, 4);
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-8
//= type=test
//# The size of MESSAGE requests outside of a media session MUST NOT
//# exceed 1300 bytes
#[test]
fn what_is_too_large_for_a_message_is_refused() {
    let mut world = World::new();
    let command = world.client.message(text(&"x".repeat(1_200)), world.now).unwrap();
    world.run();
    assert!(world.requests.is_empty());
    assert!(matches!(world.events.last(), Some(Event::Failed { command: Some(of), .. }) if *of == command));
    world.client.message(text("short"), world.now).unwrap();
    let (_, request) = world.request(&Method::Message);
    assert!(request.to_bytes().len() <= 1_300);
}

#[test]
fn what_a_refusal_says_of_the_next_try_is_told() {
    let mut world = World::new();
    world.client.message(text("hello"), world.now).unwrap();
    world.client.message(text("again"), world.now).unwrap();
    let (transaction, request) = world.request(&Method::Message);
    let response = request
        .response(StatusCode::SERVICE_UNAVAILABLE)
        .header_typed(&RetryAfter::new(20));
    world.answer(transaction, response);
    let Some(Event::Failed { failure, .. }) = world.events.last() else {
        panic!("no failure")
    };
    assert_eq!(failure.retry_after, Some(Duration::from_secs(20)));
    world.run();
    assert!(world.requests.is_empty(), "the server is left alone meanwhile");
    world.pass(Duration::from_secs(20));
    assert_eq!(world.request(&Method::Message).1.body(), "again");
}

#[test]
fn credentials_that_make_a_message_too_large_are_not_sent_with_it() {
    let mut world = World::new();
    let bare = {
        let command = world.client.message(text("x"), world.now).unwrap();
        let (transaction, request) = world.request(&Method::Message);
        let response = request.response(StatusCode::OK);
        world.answer(transaction, response);
        assert!(matches!(world.events.last(), Some(Event::Sent { command: of, .. }) if *of == command));
        request.to_bytes().len()
    };
    let config = world.client.config().pager.clone();
    let body = "x".repeat(config.max_octets - config.own_octets - config.later_octets - bare);
    let command = world.client.message(text(&body), world.now).unwrap();
    let (transaction, request) = world.request(&Method::Message);
    let challenge =
        sip_im::digest::Challenge::new("example.com", "n".repeat(300), sip_im::digest::Algorithm::Sha256);
    let response = request
        .response(StatusCode::UNAUTHORIZED)
        .header_typed(&sip_im::header::WwwAuthenticate::digest_of(challenge));
    world.answer(transaction, response);
    world.run();
    assert!(world.requests.is_empty());
    let Some(Event::Failed {
        command: of, failure, ..
    }) = world.events.last()
    else {
        panic!("no failure")
    };
    assert_eq!(*of, Some(command));
    assert!(failure.reason.contains("session"), "{}", failure.reason);
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-7
//= type=test
//# If the message is displayed, the UAS SHOULD clearly
//# indicate to the user that the message has expired.
#[test]
fn a_message_that_comes_after_its_time_is_marked() {
    let mut world = World::new();
    world.register();
    for (late, expired) in [(0, false), (61, true)] {
        let date = Duration::from_secs(1_700_000_000 - late);
        let request = world
            .incoming(Method::Message, "sip:bob@example.com")
            .header_typed(&Date::from_unix(date))
            .header_typed(&Expires(60))
            .body(&ContentType::text_plain(), Bytes::from("lunch now?"))
            .build()
            .unwrap();
        world.send(request);
        let messages = received(&mut world);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].expired, expired, "{late} s late");
    }
}

//= R-6.3-02
//= type=test
#[test]
fn privacy_hides_the_address_from_the_recipient() {
    let mut world = World::with(|config| config.display_name = Some("Alice".to_owned()));
    let mut message = text("guess who");
    message.privacy = true;
    message.notifications = Notifications::delivery_and_display();
    world.client.message(message, world.now).unwrap();
    let (_, request) = world.request(&Method::Message);
    let from = request.from().unwrap();
    assert_eq!(from.uri().as_str(), "sip:anonymous@anonymous.invalid");
    assert_eq!(from.display(), Some("Anonymous"));
    let privacy: Privacy = request.headers().get().unwrap().unwrap();
    assert!(privacy.contains(&PrivacyValue::Id));
    // The server has to know for whom it acts; it takes the header field away.
    let preferred: PPreferredIdentity = request.headers().get().unwrap().unwrap();
    assert_eq!(preferred.uri().as_str(), "sip:alice@example.com");
    assert!(!String::from_utf8_lossy(request.body()).contains("lice"));
}

#[test]
fn privacy_may_be_switched_on_for_all() {
    let mut world = World::new();
    world.client.privacy(true);
    world.client.message(text("guess who"), world.now).unwrap();
    let (_, request) = world.request(&Method::Message);
    assert!(request.headers().contains(&HeaderName::PRIVACY));
}

//= https://www.rfc-editor.org/rfc/rfc5438#section-6.3
//= type=test
//# The IM Sender MUST include the Message-ID header field in the IM for
//# which he wishes to receive an IMDN.
#[test]
fn a_message_asks_for_notifications_in_its_envelope() {
    let mut world = World::new();
    let mut message = text("hello");
    message.notifications = Notifications::delivery_and_display();
    message.subject = Some("greetings".to_owned());
    message.expires = Some(Duration::from_secs(60));
    world.client.message(message, world.now).unwrap();
    let request = world.answer_next(&Method::Message, StatusCode::OK);
    assert_eq!(request.headers().get::<Expires>().unwrap().unwrap().0, 60);
    let envelope = wrapped(&request);
    let head = envelope.head();
    assert_eq!(head.from().unwrap().uri.as_str(), "sip:alice@example.com");
    assert_eq!(head.to()[0].uri.as_str(), "sip:bob@example.com");
    assert_eq!(
        head.date_time().unwrap().unix(),
        Some(Duration::from_secs(1_700_000_000))
    );
    assert_eq!(head.subjects()[0].text.as_str(), "greetings");
    assert_eq!(
        head.disposition_notification(),
        [
            DispositionNotification::PositiveDelivery,
            DispositionNotification::NegativeDelivery,
            DispositionNotification::Display
        ]
    );
    assert_eq!(envelope.content(), "hello");
    let id = head.imdn_message_id().unwrap().to_owned();
    let Some(Event::Sent {
        command, message_id, ..
    }) = world.events.last().cloned()
    else {
        panic!("not sent")
    };
    assert_eq!(message_id.as_deref(), Some(id.as_str()));

    let mut document = Imdn::new(id.as_str(), "2026-01-02T03:04:05Z".parse().unwrap());
    document.notification = Some(Notification::Delivery(DeliveryStatus::Delivered));
    let body = cpim::Message::builder()
        .from(None, "sip:bob@example.com")
        .to(None, "sip:alice@example.com")
        .imdn_message_id("of-bob")
        .content(ContentType::parse("message/imdn+xml").unwrap(), document.write())
        .build()
        .unwrap();
    let notification = world
        .incoming(Method::Message, "sip:bob@example.com")
        .body(&ContentType::message_cpim(), body.to_bytes())
        .build()
        .unwrap();
    world.send(notification);
    assert_eq!(world.status(), 200);
    let Some(Event::Notification {
        message_id,
        command: of,
        status,
        ..
    }) = world.events.last()
    else {
        panic!("no notification")
    };
    assert_eq!(
        (message_id.as_str(), *of, status.as_str()),
        (id.as_str(), Some(command), "delivered")
    );
    // A notification is not notified of.
    assert!(world.requests.is_empty());
}

#[test]
fn a_text_is_received() {
    let mut world = World::new();
    world.register();
    let request = world
        .incoming(Method::Message, "sip:bob@example.com")
        .header_typed(&PAssertedIdentity::new(uri("sip:bob@example.com")))
        .header_typed(&Date::from_unix(Duration::from_secs(1_600_000_000)))
        .body(&ContentType::text_plain(), Bytes::from("hello"))
        .build()
        .unwrap();
    world.send(request);
    let (_, response) = world.responses.pop_front().unwrap();
    //= https://www.rfc-editor.org/rfc/rfc3428#section-7
    //= type=test
    //# A 2xx response to a MESSAGE request MUST NOT contain a body.  A UAS
    //# MUST NOT insert a Contact header field into a 2xx response.
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.body().is_empty() && !response.headers().contains(&HeaderName::CONTACT));
    let messages = received(&mut world);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].text(), Some("hello"));
    assert_eq!(messages[0].from.as_ref().unwrap().uri, "sip:bob@example.com");
    assert_eq!(
        messages[0].datetime.as_deref(),
        Some("Sun, 13 Sep 2020 12:26:40 GMT")
    );
    assert_eq!(messages[0].session, None);
}

//= https://www.rfc-editor.org/rfc/rfc5438#section-7.2.1
//= type=test
//# IM Recipients MUST insert a
//# Content-Disposition header field set to the value "notification".
#[test]
fn delivery_is_told_at_once_and_display_when_it_happens() {
    let mut world = World::new();
    world.register();
    let request = asking(&mut world, "m1", "sip:bob@example.com");
    world.send(request);
    assert_eq!(world.status(), 200);
    let messages = received(&mut world);
    assert_eq!(messages[0].text(), Some("are you there?"));
    assert_eq!(messages[0].message_id.as_deref(), Some("m1"));
    assert_eq!(messages[0].datetime.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert!(messages[0].display_wanted);

    let told = |request: &Request| {
        assert_eq!(request.uri().as_str(), "sip:bob@example.com");
        let envelope = wrapped(request);
        assert!(envelope.head().content_disposition().unwrap().is("notification"));
        assert!(envelope.head().disposition_notification().is_empty());
        assert_ne!(envelope.head().imdn_message_id(), Some("m1"));
        let document = Imdn::parse(envelope.content(), &im_xdm_model::xml::Limits::default()).unwrap();
        assert_eq!(document.message_id, "m1");
        assert_eq!(document.datetime.to_string(), "2026-01-02T03:04:05Z");
        document.notification.unwrap()
    };
    let delivery = world.answer_next(&Method::Message, StatusCode::OK);
    assert_eq!(told(&delivery), Notification::Delivery(DeliveryStatus::Delivered));

    world.client.displayed("m1", world.now).unwrap();
    let display = world.answer_next(&Method::Message, StatusCode::OK);
    assert_eq!(told(&display), Notification::Display(DisplayStatus::Displayed));

    //= https://www.rfc-editor.org/rfc/rfc5438#section-7.2.1
    //= type=test
    //# An IM Recipient MUST NOT construct
    //# more than one IMDN per disposition type.
    assert_eq!(
        world.client.displayed("m1", world.now),
        Err(CommandError::NoMessage)
    );
    assert_eq!(
        world.client.displayed("m2", world.now),
        Err(CommandError::NoMessage)
    );
}

#[test]
fn delivery_is_not_told_when_that_is_switched_off() {
    let mut world = World::with(|config| config.notify_delivery = false);
    world.register();
    let request = asking(&mut world, "m1", "sip:bob@example.com");
    world.send(request);
    assert!(world.requests.is_empty());
    assert_eq!(received(&mut world).len(), 1);
}

#[test]
fn no_third_party_can_be_made_the_target_of_notifications() {
    let mut world = World::new();
    world.register();
    let request = asking(&mut world, "m1", "sip:victim@example.com");
    world.send(request);
    assert_eq!(received(&mut world).len(), 1);
    assert!(world.requests.is_empty());
    assert_eq!(
        world.client.displayed("m1", world.now),
        Err(CommandError::NoMessage)
    );
}

#[test]
fn a_message_that_comes_twice_is_told_once() {
    let mut world = World::new();
    world.register();
    for _ in 0..2 {
        let request = asking(&mut world, "m1", "sip:bob@example.com");
        world.send(request);
        assert_eq!(world.status(), 200);
    }
    assert_eq!(received(&mut world).len(), 1);
    world.answer_next(&Method::Message, StatusCode::OK);
    assert!(world.requests.is_empty());
}

//= https://www.rfc-editor.org/rfc/rfc5365#section-6
//= type=test
//# The UAC MUST also include the 'recipient-list-message'
//# option-tag, defined in Section 5, in a Require header field.
#[test]
fn a_message_to_a_list_goes_to_the_exploder() {
    let mut world = World::new();
    let mut hidden = ListEntry::to(uri("sip:dave@example.com"));
    hidden.anonymize = true;
    let list = vec![
        ListEntry::to(uri("sip:bob@example.com")),
        ListEntry::bcc(uri("sip:carol@example.com")),
        hidden,
    ];
    let command = world
        .client
        .explode(list, Content::text("all of you"), world.now)
        .unwrap();
    let request = world.answer_next(&Method::Message, StatusCode::ACCEPTED);
    assert_eq!(request.uri().as_str(), "sip:exploder@example.com");
    assert!(
        request
            .headers()
            .get::<Require>()
            .unwrap()
            .unwrap()
            .contains("recipient-list-message")
    );
    let body = Multipart::parse(
        &request.content_type().unwrap().unwrap(),
        request.body(),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(body.parts()[0].body(), "all of you");
    assert!(body.parts()[1].is_disposed("recipient-list"));
    let lists = ResourceLists::parse(body.parts()[1].body(), &im_xdm_model::xml::Limits::default()).unwrap();
    let entries: Vec<_> = lists.lists[0]
        .children
        .iter()
        .map(|item| match item {
            Item::Entry(entry) => (entry.uri.as_str(), entry.copy_control, entry.anonymize),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("sip:bob@example.com", Some(CopyControl::To), false),
            ("sip:carol@example.com", Some(CopyControl::Bcc), false),
            ("sip:dave@example.com", Some(CopyControl::To), true),
        ]
    );
    assert!(
        matches!(world.events.last(), Some(Event::Sent { command: of, status: 202, .. }) if *of == command)
    );
}

#[test]
fn a_list_has_a_length() {
    let mut world = World::with(|config| config.limits.max_recipients = 2);
    let bob = || ListEntry::to(uri("sip:bob@example.com"));
    let explode = |world: &mut World, count: usize| {
        let list = std::iter::repeat_with(bob).take(count).collect();
        world.client.explode(list, Content::text("x"), world.now)
    };
    assert_eq!(explode(&mut world, 0), Err(CommandError::Recipients));
    assert_eq!(explode(&mut world, 3), Err(CommandError::Recipients));
    assert!(explode(&mut world, 2).is_ok());
    assert_eq!(
        world.client.group(vec![bob(), bob(), bob()], None, world.now),
        Err(CommandError::Recipients)
    );
}

#[test]
fn an_exploded_message_tells_its_visible_recipients() {
    let mut world = World::new();
    world.register();
    let (content_type, body) = exploded();
    let request = world
        .incoming(Method::Message, "sip:bob@example.com")
        .body(&content_type, body)
        .build()
        .unwrap();
    world.send(request);
    let messages = received(&mut world);
    assert_eq!(messages[0].text(), Some("all of you"));
    assert_eq!(
        messages[0].recipients,
        ["sip:alice@example.com", "sip:carol@example.com"]
    );
}

fn exploded() -> (ContentType, Bytes) {
    let history = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>\
        <entry uri=\"sip:alice@example.com\"/><entry uri=\"sip:carol@example.com\"/></list></resource-lists>";
    let list = sip_im::mime::Part::new(ContentType::parse("application/resource-lists+xml").unwrap())
        .with_disposition(
            sip_im::mime::ContentDisposition::parse("recipient-list-history; handling=optional").unwrap(),
        )
        .with_body(Bytes::from(history));
    let text = sip_im::mime::Part::new(ContentType::text_plain()).with_body(Bytes::from("all of you"));
    Multipart::builder()
        .part(text)
        .part(list)
        .build(&mut super::world::entropy(9))
        .unwrap()
}

#[test]
fn somebody_who_writes_is_told_of() {
    let mut world = World::new();
    world.register();
    let body =
        "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state></isComposing>";
    let request = world
        .incoming(Method::Message, "sip:bob@example.com")
        .body(
            &ContentType::parse("application/im-iscomposing+xml").unwrap(),
            Bytes::from(body),
        )
        .build()
        .unwrap();
    world.send(request);
    assert_eq!(world.status(), 200);
    assert!(matches!(
        world.events.last(),
        Some(Event::Composing { session: None, from: Some(from), active: true }) if from.uri == "sip:bob@example.com"
    ));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut world = World::new();
    world.register();
    let broken = ["message/cpim", "multipart/mixed;boundary=x"];
    for content_type in broken {
        let request = world
            .incoming(Method::Message, "sip:bob@example.com")
            .body(
                &ContentType::parse(content_type).unwrap(),
                Bytes::from("no such thing"),
            )
            .build()
            .unwrap();
        world.send(request);
        assert_eq!(world.status(), 400);
    }
    assert!(received(&mut world).is_empty());
}

#[test]
fn unknown_extensions_and_methods_are_refused() {
    let mut world = World::new();
    world.register();
    let request = world
        .incoming(Method::Message, "sip:bob@example.com")
        .header_typed(&Require::new(["something"]))
        .body(&ContentType::text_plain(), Bytes::from("x"))
        .build()
        .unwrap();
    world.send(request);
    let (_, response) = world.responses.pop_front().unwrap();
    assert_eq!(response.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        response
            .headers()
            .value(&HeaderName::UNSUPPORTED)
            .unwrap()
            .as_str(),
        "something"
    );
    for (method, status) in [
        (Method::Publish, 405),
        (Method::Options, 200),
        (Method::Bye, 481),
        (Method::Notify, 481),
    ] {
        let request = world.incoming(method, "sip:bob@example.com").build().unwrap();
        world.send(request);
        assert_eq!(world.status(), status);
    }
}

#[test]
fn an_application_that_does_not_listen_costs_no_memory() {
    let mut world = World::with(|config| config.limits.max_events = 3);
    world.register();
    let mut statuses = Vec::new();
    for number in 0..6 {
        let body = Bytes::from(number.to_string());
        let request = world
            .incoming(Method::Message, "sip:bob@example.com")
            .body(&ContentType::text_plain(), body)
            .build();
        world.deliver_unheard(request.unwrap());
        statuses.push(world.responses.pop_front().unwrap().1.status().code());
    }
    assert_eq!(statuses, [200, 200, 200, 503, 503, 503]);
}

#[test]
fn too_many_commands_are_refused() {
    let mut world = World::with(|config| config.limits.max_waiting = 3);
    for _ in 0..3 {
        world.client.message(text("x"), world.now).unwrap();
    }
    assert_eq!(
        world.client.message(text("x"), world.now),
        Err(CommandError::TooMany)
    );
}
