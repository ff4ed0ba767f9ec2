//! Subscriptions at both ends (RFC 6665).
#![cfg(test)]

mod machines;

use std::time::{Duration, Instant};

use bytes::Bytes;
use machines::{answer, epoch, request, uri};
use sip_im::header::{Event, Expires, MinExpires, SubscriptionState, SubscriptionStateValue};
use sip_im::subscription::{
    Again, Notifier, NotifierConfig, NotifierState, Subscriber, SubscriberEvent, SubscriberState,
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
            retry_after: None,
            again: Again::Now,
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
            retry_after: None,
            again: Again::AtWill,
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
            retry_after: None,
            again: Again::Never,
        })
    );
}

#[test]
fn each_reason_says_whether_to_subscribe_again() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
    //= type=test
    //# If no reason code or an unknown
    //# reason code is present, the client MAY attempt to re-subscribe at any
    //# time (unless a "retry-after" parameter is present, in which case the
    //# client SHOULD NOT attempt re-subscription until after the number of
    //# seconds specified by the "retry-after" parameter).
    let after = Again::After(30 * SECOND);
    for (reason, without, with) in [
        (Some("deactivated"), Again::Now, Again::Now),
        (Some("timeout"), Again::Now, Again::Now),
        (Some("probation"), Again::Later, after),
        (Some("giveup"), Again::AtWill, after),
        (Some("rejected"), Again::Never, Again::Never),
        (Some("noresource"), Again::Never, Again::Never),
        (Some("invariant"), Again::Never, Again::Never),
        (Some("whatever"), Again::AtWill, after),
        (None, Again::AtWill, after),
    ] {
        assert_eq!(Again::of(reason, None), without, "{reason:?}");
        assert_eq!(Again::of(reason, Some(30)), with, "{reason:?}");
    }
}

#[test]
fn a_notify_is_due_at_once_or_when_the_latest_is_long_enough_ago() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    //= type=test
    //# When a SUBSCRIBE request is answered with a 200-class response, the
    //# notifier MUST immediately construct and send a NOTIFY request to the
    //# subscriber.
    //= https://www.rfc-editor.org/rfc/rfc6446#section-5.2
    //= type=test
    //# A compliant notifier MUST NOT generate a notification if the interval
    //# since the most recent notification is less than the reciprocal value
    //# of the "max-rate" parameter, except when generating the notification
    //# either upon receipt of a SUBSCRIBE request, when the subscription
    //# state is changing from "pending" to "active" state, or upon
    //# termination of the subscription (the last notification).
    //= https://www.rfc-editor.org/rfc/rfc6446#section-5.2
    //= type=test
    //# A compliant notifier MUST reflect back the possibly adjusted maximum
    //# rate of notifications in a "max-rate" Subscription-State header field
    //# parameter of the subsequent NOTIFY requests.
    let start = epoch();
    let room = uri("sip:room@192.0.2.2");
    let mut asking = subscribe(Some(600));
    asking
        .headers_mut()
        .set(&sip_im::header::HeaderName::EVENT, "conference;max-rate=0.2")
        .expect("Event");
    let (mut notifier, _) =
        Notifier::accept(&asking, "r", &room, &NotifierConfig::default(), start).expect("accepted");
    assert!(notifier.is_notify_due());
    let notify = notifier.notify(None, start).expect("a notify");
    let state = notify.headers().require::<SubscriptionState>().expect("a state");
    assert_eq!(state.params.get("max-rate"), Some(Some("0.2")));
    assert!(!notifier.is_notify_due());
    notifier.state_changed(start + SECOND);
    notifier.state_changed(start + 2 * SECOND);
    assert!(!notifier.is_notify_due(), "five seconds have to pass");
    assert_eq!(notifier.poll_timeout(), Some(start + 5 * SECOND));
    notifier.handle_timeout(start + 4 * SECOND);
    assert!(!notifier.is_notify_due());
    notifier.handle_timeout(start + 5 * SECOND);
    assert!(notifier.is_notify_due());
    assert_eq!(notifier.poll_timeout(), Some(start + 600 * SECOND));
    let _ = notifier.notify(None, start + 5 * SECOND).expect("a notify");
    notifier.terminate("noresource");
    assert!(notifier.is_notify_due(), "an end waits for nothing");
    // By local policy, and rates that say nothing.
    for (rate, seconds) in [
        ("0", 2),
        ("100", 2),
        (".5", 2),
        ("1.", 2),
        ("1.00000000001", 2),
        ("0.0000000001", 600),
        ("99", 2),
    ] {
        let mut config = NotifierConfig::default();
        config.min_interval = 2 * SECOND;
        let mut asking = subscribe(Some(600));
        asking
            .headers_mut()
            .set(
                &sip_im::header::HeaderName::EVENT,
                &format!("conference;max-rate={rate}"),
            )
            .expect("Event");
        let (mut notifier, _) = Notifier::accept(&asking, "r", &room, &config, start).expect("accepted");
        let _ = notifier.notify(None, start).expect("a notify");
        notifier.state_changed(start);
        assert_eq!(notifier.poll_timeout(), Some(start + seconds * SECOND), "{rate}");
    }
}

#[test]
fn a_forked_subscribe_makes_several_subscriptions() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.4
    //= type=test
    //# Until Timer N expires, several NOTIFY requests may arrive from
    //# different destinations (see Section 4.4.1).  Each of these requests
    //# establishes a new dialog usage and a new subscription.
    let now = epoch();
    let asking = subscribe(Some(600));
    let room = uri("sip:room@192.0.2.2");
    let [mut one, mut two, mut three] = ["r1", "r2", "r3"].map(|tag| {
        let accepted = Notifier::accept(&asking, tag, &room, &NotifierConfig::default(), now);
        accepted.expect("accepted").0
    });
    let mut first = Subscriber::new(asking, 32 * SECOND, now).expect("a subscriber");
    let notify = one.notify(None, now).expect("a notify");
    assert!(first.fork(&notify, now).is_none(), "the first is no fork");
    assert_eq!(first.handle_notify(&notify, now), StatusCode::OK);
    assert!(first.fork(&notify, now).is_none(), "nor is what is known");
    let notify = two.notify(None, now).expect("a notify");
    let mut second = first.fork(&notify, now + 31 * SECOND).expect("a fork");
    assert_eq!(second.handle_notify(&notify, now), StatusCode::OK);
    assert_ne!(
        first.dialog().expect("a dialog").id(),
        second.dialog().expect("a dialog").id()
    );
    let again = two.notify(None, now).expect("a notify");
    assert!(second.is_for_us(&again) && !first.is_for_us(&again));
    let late = three.notify(None, now).expect("a notify");
    assert!(first.fork(&late, now + 32 * SECOND).is_none() && second.fork(&late, now).is_none());
    let mut unrelated = late;
    unrelated
        .headers_mut()
        .set(&sip_im::header::HeaderName::EVENT, "presence")
        .expect("Event");
    assert!(first.fork(&unrelated, now).is_none());
}

#[test]
fn a_renewal_that_fails_is_tried_again_while_the_subscription_lasts() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
    //= type=test
    //# If a SUBSCRIBE request to refresh a subscription fails with any error
    //# code other than those listed above, the original subscription is
    //# still considered valid for the duration of the most recently known
    //# "Expires" value as negotiated by the most recent successful SUBSCRIBE
    //# transaction, or as communicated by a NOTIFY request in its
    //# "Subscription-State" header field "expires" parameter.
    let start = epoch();
    let (mut notifier, mut subscriber) = both(start);
    let notify = notifier.notify(None, start).expect("a notify");
    assert_eq!(subscriber.handle_notify(&notify, start), StatusCode::OK);
    let (mut now, mut tried) = (start, 0);
    while let Some(at) = subscriber.poll_timeout() {
        assert!(at > now, "no spinning");
        now = at;
        subscriber.handle_timeout(now);
        match subscriber.poll_event() {
            Some(SubscriberEvent::RefreshDue) => {
                let refresh = subscriber.refresh(now).expect("a subscribe");
                let failed = answer(&refresh, StatusCode::SERVER_INTERNAL_ERROR);
                subscriber.handle_response((tried % 2 == 0).then_some(&failed), now);
                tried += 1;
            }
            Some(SubscriberEvent::Terminated { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(now, start + 600 * SECOND);
    assert!(tried > 3, "{tried}");
    let next = subscriber.anew("another", "other").expect("a subscribe");
    assert_eq!(next.call_id().expect("Call-ID").as_str(), "another");
    assert_eq!(next.from().expect("From").tag(), Some("other"));
    assert_eq!(
        next.headers().require::<Event>().expect("Event"),
        Event::new("conference")
    );
    assert!(Subscriber::new(next, 32 * SECOND, now).is_ok());
}

#[test]
fn too_brief_a_wish_is_lengthened() {
    let now = epoch();
    let brief = |request: &Request, least| {
        let response = request.response(StatusCode::INTERVAL_TOO_BRIEF);
        response
            .header_typed(&MinExpires(least))
            .build()
            .expect("a response")
    };
    let asking = subscribe(Some(60));
    let mut subscriber = Subscriber::new(asking.clone(), 32 * SECOND, now).expect("a subscriber");
    subscriber.handle_response(Some(&brief(&asking, 300)), now);
    assert!(matches!(
        subscriber.poll_event(),
        Some(SubscriberEvent::Terminated { .. })
    ));
    assert_eq!(subscriber.poll_event(), Some(SubscriberEvent::TooBrief));
    let next = subscriber.anew("another", "other").expect("a subscribe");
    assert_eq!(
        next.headers().require::<Expires>().expect("Expires"),
        Expires(300)
    );
    let mut subscriber = Subscriber::new(next.clone(), 32 * SECOND, now).expect("a subscriber");
    subscriber.handle_response(Some(&brief(&next, 300)), now);
    assert!(matches!(
        subscriber.poll_event(),
        Some(SubscriberEvent::Terminated { .. })
    ));
    assert_eq!(subscriber.poll_event(), None, "that would go on for ever");
}
