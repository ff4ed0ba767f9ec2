//! Subscriptions that go on in another process.
#![cfg(test)]

mod machines;

use std::time::Duration;

use bytes::Bytes;
use machines::{epoch, request, uri};
use sip_im::header::{Accept, Event, Expires, HeaderName};
use sip_im::snapshot::SnapshotError;
use sip_im::subscription::{
    Notifier, NotifierConfig, NotifierSnapshot, Subscriber, SubscriberEvent, SubscriberSnapshot,
    SubscriberState,
};
use sip_im::{ContentType, Method, Request, StatusCode};

fn subscribe() -> Request {
    let mut subscribe = request(Method::Subscribe, "c");
    let headers = subscribe.headers_mut();
    let mut event = Event::new("conference");
    event.params.set("id", Some("7")).expect("a parameter");
    headers.push_typed(&event).expect("Event");
    headers.push_typed(&Expires(600)).expect("Expires");
    headers
        .push(&HeaderName::ACCEPT, "application/conference-info+xml")
        .expect("Accept");
    subscribe
        .set_body(
            &ContentType::parse("application/simple-filter+xml").expect("a type"),
            Bytes::from_static(b"<filter-set/>"),
        )
        .expect("a body");
    subscribe
}

#[test]
fn both_ends_of_a_subscription_go_on_where_they_were() {
    let now = epoch();
    let config = NotifierConfig::default();
    let (mut notifier, ok) =
        Notifier::accept(&subscribe(), "r1", &uri("sip:room@192.0.2.2"), &config, now).expect("accepted");
    let mut subscriber = Subscriber::new(subscribe(), Duration::from_secs(32), now).expect("a subscriber");
    assert!(subscriber.snapshot(now).is_none(), "before the first NOTIFY");
    subscriber.handle_response(Some(&ok), now);
    let notify = notifier.notify(None, now).expect("a notify");
    assert_eq!(subscriber.handle_notify(&notify, now), StatusCode::OK);

    let later = now + Duration::from_secs(100);
    notifier.state_changed(later);
    let text = notifier.snapshot(later).expect("a snapshot").write();
    let read = NotifierSnapshot::read(&text).expect("a snapshot");
    assert_eq!(read.write(), text);
    let mut notifier = Notifier::restore(&read, &config, later).expect("restored");
    assert!(notifier.is_notify_due(), "what was untold is told");
    assert_eq!(notifier.poll_timeout(), Some(now + Duration::from_secs(600)));

    let text = subscriber.snapshot(later).expect("a snapshot").write();
    let read = SubscriberSnapshot::read(&text).expect("a snapshot");
    assert_eq!(read.write(), text);
    let before = subscriber.poll_timeout();
    let mut subscriber = Subscriber::restore(&read, later).expect("restored");
    assert_eq!(subscriber.poll_timeout(), before);
    assert_eq!(*subscriber.state(), SubscriberState::Active);
    let notify = notifier.notify(None, later).expect("a notify");
    assert_eq!(notify.cseq().expect("CSeq").seq, 2);
    assert_eq!(subscriber.handle_notify(&notify, later), StatusCode::OK);

    let due = subscriber.poll_timeout().expect("a renewal");
    subscriber.handle_timeout(due);
    assert_eq!(subscriber.poll_event(), Some(SubscriberEvent::RefreshDue));
    let refresh = subscriber.refresh(due).expect("a subscribe");
    assert_eq!(refresh.cseq().expect("CSeq").seq, 2);
    assert_eq!(
        refresh.headers().require::<Event>().expect("Event").id(),
        Some("7")
    );
    assert!(
        refresh
            .headers()
            .get::<Accept>()
            .is_ok_and(|accept| accept.is_some())
    );
    let ok = notifier.refresh(&refresh, due).expect("renewed");
    subscriber.handle_response(Some(&ok), due);
    let again = subscriber.anew("d", "t2").expect("a subscribe");
    assert_eq!(again.body(), subscribe().body());
    assert_eq!(again.uri(), subscribe().uri());
    assert!(again.to().expect("To").tag().is_none());

    notifier.terminate("noresource");
    assert!(notifier.snapshot(due).is_none(), "its last NOTIFY is owed");
}

#[test]
fn what_is_no_subscription_is_not_restored() {
    let now = epoch();
    let config = NotifierConfig::default();
    let (mut notifier, _) =
        Notifier::accept(&subscribe(), "r1", &uri("sip:room@192.0.2.2"), &config, now).expect("accepted");
    let mut subscriber = Subscriber::new(subscribe(), Duration::from_secs(32), now).expect("a subscriber");
    let notify = notifier.notify(None, now).expect("a notify");
    subscriber.handle_notify(&notify, now);
    let mut one = notifier.snapshot(now).expect("a snapshot");
    one.event = "a b".to_owned();
    assert_eq!(
        Notifier::restore(&one, &config, now).err(),
        Some(SnapshotError::Value("event"))
    );
    let mut two = subscriber.snapshot(now).expect("a snapshot");
    two.template = "sip:bob@b.test\nnonsense".to_owned();
    assert_eq!(
        Subscriber::restore(&two, now).err(),
        Some(SnapshotError::Value("template"))
    );
    assert_eq!(
        SubscriberSnapshot::read(&notifier.snapshot(now).expect("a snapshot").write()).err(),
        Some(SnapshotError::Malformed("sip-im-subscriber"))
    );
}
