//! Subscriptions at both ends (RFC 6665).
#![cfg(test)]

mod machines;

use std::time::{Duration, Instant};

use bytes::Bytes;
use machines::{answer, epoch, request, uri};
use sip_im::header::{Event, Expires, MinExpires, SubscriptionState, SubscriptionStateValue};
use sip_im::subscription::{
    Notifier, NotifierConfig, NotifierState, Subscriber, SubscriberEvent, SubscriberState,
};
use sip_im::{ContentType, Method, Request, StatusCode};

const SECOND: Duration = Duration::from_secs(1);

fn subscribe(expires: Option<u32>) -> Request {
    let mut request = request(Method::Subscribe, "c");
    request
        .headers_mut()
        .push_typed(&Event::new("conference"))
        .expect("Event");
    if let Some(seconds) = expires {
        request
            .headers_mut()
            .push_typed(&Expires(seconds))
            .expect("Expires");
    }
    request
}

/// Both ends of a subscription of ten minutes, the first NOTIFY not yet made.
fn both(now: Instant) -> (Notifier, Subscriber) {
    let subscribe = subscribe(Some(600));
    let room = uri("sip:room@192.0.2.2");
    let (notifier, ok) =
        Notifier::accept(&subscribe, "r", &room, &NotifierConfig::default(), now).expect("accepted");
    assert_eq!(ok.headers().require::<Expires>().expect("Expires"), Expires(600));
    let mut subscriber = Subscriber::new(subscribe, 32 * SECOND, now).expect("a subscriber");
    subscriber.handle_response(Some(&ok), now);
    (notifier, subscriber)
}

#[test]
fn a_subscription_lives_is_renewed_and_ends() {
    let mut now = epoch();
    let (mut notifier, mut subscriber) = both(now);
    let plain = ContentType::parse("text/plain").expect("a type");
    let notify = notifier
        .notify(Some((&plain, Bytes::from_static(b"state"))), now)
        .expect("a notify");
    assert_eq!(notify.body().as_ref(), b"state");
    assert_eq!(subscriber.handle_notify(&notify, now), StatusCode::OK);
    assert_eq!(*subscriber.state(), SubscriberState::Active);

    now = subscriber.poll_timeout().expect("a time to renew");
    subscriber.handle_timeout(now);
    assert_eq!(subscriber.poll_event(), Some(SubscriberEvent::RefreshDue));
    let refresh = subscriber.refresh(now).expect("a subscribe");
    let ok = notifier.refresh(&refresh, now).expect("renewed");
    subscriber.handle_response(Some(&ok), now);
    assert_eq!(notifier.poll_timeout(), Some(now + 600 * SECOND));
    let notify = notifier.notify(None, now).expect("a notify");
    assert_eq!(subscriber.handle_notify(&notify, now), StatusCode::OK);

    let end = subscriber.unsubscribe(now).expect("a subscribe");
    let ok = notifier.refresh(&end, now).expect("ended");
    subscriber.handle_response(Some(&ok), now);
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    //= type=test
    //# NOTIFY requests MUST contain a "Subscription-State" header field with
    //# a value of "active", "pending", or "terminated".
    let last = notifier.notify(None, now).expect("a notify");
    let state = last
        .headers()
        .require::<SubscriptionState>()
        .expect("Subscription-State");
    assert_eq!(
        (state.state.clone(), state.reason()),
        (SubscriptionStateValue::Terminated, Some("timeout"))
    );
    assert_eq!(subscriber.handle_notify(&last, now), StatusCode::OK);
    let reason = Some("timeout".into());
    assert_eq!(
        subscriber.poll_event(),
        Some(SubscriberEvent::Terminated {
            reason,
            retry_after: None
        })
    );
    assert!(
        notifier.is_drained() && subscriber.poll_timeout().is_none() && notifier.poll_timeout().is_none()
    );
}

#[test]
fn without_renewal_the_notifier_ends_it() {
    let now = epoch();
    let (mut notifier, _) = both(now);
    notifier.handle_timeout(now + 599 * SECOND);
    assert_eq!(notifier.state(), NotifierState::Active);
    notifier.handle_timeout(now + 600 * SECOND);
    assert_eq!(notifier.state(), NotifierState::Terminated("timeout"));
    assert!(!notifier.is_drained(), "a last NOTIFY is owed");
    let _ = notifier.notify(None, now).expect("a notify");
    assert!(notifier.is_drained());
    let refused = notifier
        .refresh(&subscribe(None), now)
        .err()
        .map(|refused| refused.status);
    assert_eq!(refused, Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
}

#[test]
fn without_notify_the_subscriber_gives_up() {
    let now = epoch();
    let (_, mut subscriber) = both(now);
    assert_eq!(subscriber.poll_timeout(), Some(now + 32 * SECOND));
    subscriber.handle_timeout(now + 32 * SECOND);
    assert_eq!(
        subscriber.poll_event(),
        Some(SubscriberEvent::Terminated {
            reason: None,
            retry_after: None
        })
    );
    assert_eq!(subscriber.poll_timeout(), None);
}

#[test]
fn a_notify_before_the_response_makes_the_subscription_and_others_are_unknown() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
    //= type=test
    //# NOTIFY requests are matched to such SUBSCRIBE requests if they
    //# contain the same "Call-ID", a "To" header field "tag" parameter that
    //# matches the "From" header field "tag" parameter of the SUBSCRIBE
    //# request, and the same "Event" header field.
    let now = epoch();
    let subscribe = subscribe(None);
    let room = uri("sip:room@192.0.2.2");
    let config = NotifierConfig::default();
    let (mut one, _) = Notifier::accept(&subscribe, "one", &room, &config, now).expect("accepted");
    let (mut two, _) = Notifier::accept(&subscribe, "two", &room, &config, now).expect("accepted");
    let mut subscriber = Subscriber::new(subscribe, 32 * SECOND, now).expect("a subscriber");
    let first = one.notify(None, now).expect("a notify");
    assert_eq!(subscriber.handle_notify(&first, now), StatusCode::OK);
    let fork = two.notify(None, now).expect("a notify");
    assert_eq!(
        subscriber.handle_notify(&fork, now),
        StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
    );
    assert_eq!(
        subscriber.handle_notify(&first, now),
        StatusCode::SERVER_INTERNAL_ERROR,
        "out of order"
    );
    let mut other = one.notify(None, now).expect("a notify");
    other
        .headers_mut()
        .set_typed(&Event::new("presence"))
        .expect("Event");
    assert_eq!(
        subscriber.handle_notify(&other, now),
        StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
    );
}

#[test]
fn a_refused_subscribe_or_a_lost_notify_ends_it() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    //= type=test
    //# If the NOTIFY request fails due to expiration of SIP Timer F
    //# (transaction timeout), the notifier SHOULD remove the subscription.
    let now = epoch();
    let (mut notifier, mut subscriber) = both(now);
    notifier.handle_response(None);
    assert!(notifier.is_drained());
    let notify = request(Method::Notify, "c");
    let unavailable = answer(&notify, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
    let (mut notifier, _) = both(now);
    notifier.handle_response(Some(&answer(&notify, StatusCode::OK)));
    assert!(!notifier.is_drained());
    notifier.handle_response(Some(&unavailable));
    assert!(notifier.is_drained());
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
    //= type=test
    //# If a SUBSCRIBE request to refresh a subscription receives a 404, 405,
    //# 410, 416, 480-485, 489, 501, or 604 response, the subscriber MUST
    //# consider the subscription terminated.
    subscriber.handle_response(Some(&answer(&subscribe(None), StatusCode::FORBIDDEN)), now);
    assert_eq!(*subscriber.state(), SubscriberState::Terminated);
}

#[test]
fn durations_are_bounded_and_nothing_is_a_fetch() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.1.1
    //= type=test
    //# If and only if the expiration interval is
    //# greater than zero AND smaller than one hour AND less than a notifier-
    //# configured minimum, the notifier MAY return a 423 (Interval Too
    //# Brief) error that contains a "Min-Expires" header field.
    let now = epoch();
    let room = uri("sip:room@192.0.2.2");
    let config = NotifierConfig::default();
    let brief = subscribe(Some(59));
    let refused = Notifier::accept(&brief, "r", &room, &config, now).expect_err("too brief");
    let response = refused.response(&brief).build().expect("a response");
    assert_eq!(
        response.headers().get::<MinExpires>().expect("Min-Expires"),
        Some(MinExpires(60))
    );
    let (_, ok) = Notifier::accept(&subscribe(Some(1_000_000)), "r", &room, &config, now).expect("accepted");
    assert_eq!(ok.headers().require::<Expires>().expect("Expires"), Expires(7200));
    let (mut fetch, ok) = Notifier::accept(&subscribe(Some(0)), "r", &room, &config, now).expect("accepted");
    assert_eq!(ok.headers().require::<Expires>().expect("Expires"), Expires(0));
    assert!(!fetch.is_drained());
    let _ = fetch.notify(None, now).expect("a notify");
    assert!(fetch.is_drained());
    let without = request(Method::Subscribe, "c");
    let refused = Notifier::accept(&without, "r", &room, &config, now).expect_err("no event");
    assert_eq!(refused.status, StatusCode::BAD_EVENT);
}

#[test]
fn a_subscription_may_wait_for_leave() {
    let now = epoch();
    let (mut notifier, mut subscriber) = both(now);
    notifier.set_pending();
    let notify = notifier.notify(None, now).expect("a notify");
    assert_eq!(subscriber.handle_notify(&notify, now), StatusCode::OK);
    assert_eq!(*subscriber.state(), SubscriberState::Pending);
    notifier.activate();
    let notify = notifier.notify(None, now).expect("a notify");
    assert_eq!(subscriber.handle_notify(&notify, now), StatusCode::OK);
    assert_eq!(*subscriber.state(), SubscriberState::Active);
    notifier.terminate("rejected");
    let notify = notifier.notify(None, now).expect("a notify");
    assert_eq!(subscriber.handle_notify(&notify, now), StatusCode::OK);
    let reason = Some("rejected".into());
    assert_eq!(
        subscriber.poll_event(),
        Some(SubscriberEvent::Terminated {
            reason,
            retry_after: None
        })
    );
}
