//! Event state publication at both ends (RFC 3903).
#![cfg(test)]

mod machines;

use std::time::{Duration, Instant};

use bytes::Bytes;
use machines::talk::SECOND;
use machines::{Dice, entropy, epoch, uri};
use proptest::prelude::*;
use sip_im::header::{AllowEvents, Event, Expires, HeaderName, MinExpires, RetryAfter, SipEtag, SipIfMatch};
use sip_im::publication::{
    Compositor, CompositorEvent, Config, Package, Publication, PublicationEvent, PublicationState, Resource,
};
use sip_im::{ContentType, Request, Response, StatusCode};

fn pidf() -> ContentType {
    ContentType::parse("application/pidf+xml").expect("a type")
}

fn compositor(change: impl FnOnce(&mut Config)) -> Compositor {
    let mut config = Config::default();
    config.packages = vec![
        Package::new("presence", ["application/pidf+xml"]),
        Package::new("any", []),
    ];
    change(&mut config);
    Compositor::new(config, entropy(4))
}

fn publication() -> Publication {
    Publication::new(uri("sip:alice@a.test"), Event::new("presence"), "c", "t", 600)
}

fn publish(compositor: &mut Compositor, request: &Request, now: Instant) -> Response {
    let outcome = compositor.publish(request, request.uri().identity(), now);
    outcome.response(request, "e").expect("a response")
}

fn bodies(compositor: &Compositor) -> Vec<Bytes> {
    let resource = Resource::new(uri("sip:alice@a.test").identity(), "presence");
    compositor
        .published(&resource)
        .map(|one| one.body.clone())
        .collect()
}

fn events(publication: &mut Publication) -> Vec<PublicationEvent> {
    std::iter::from_fn(|| publication.poll_event()).collect()
}

fn next(publication: &mut Publication) -> Request {
    publication.next_request().expect("written").expect("due")
}

#[test]
fn state_is_published_changed_renewed_and_removed() {
    //= https://www.rfc-editor.org/rfc/rfc3903#section-4.1
    //= type=test
    //# When updating previously published event state, PUBLISH requests MUST
    //# contain a single SIP-If-Match header field identifying the specific
    //# event state that the request is refreshing, modifying or removing.
    //= https://www.rfc-editor.org/rfc/rfc3903#section-4.3
    //= type=test
    //# Therefore, a PUBLISH request that refreshes event state
    //# MUST NOT have a body.
    //= https://www.rfc-editor.org/rfc/rfc3903#section-6
    //= type=test
    //# The response MUST contain an
    //# Expires header field indicating the expiration interval chosen by
    //# the ESC.  The response MUST also contain a SIP-ETag header field
    //# that contains a single entity-tag identifying the publication.
    let mut now = epoch();
    let (mut server, mut client) = (compositor(|_| {}), publication());
    assert!(client.next_request().expect("nothing to write").is_none());
    client.publish(&pidf(), Bytes::from_static(b"one"));
    assert_eq!(events(&mut client), [PublicationEvent::Due]);
    let mut tags = Vec::new();
    let mut sequence = 0;
    let mut exchange = |server: &mut Compositor, client: &mut Publication, now| {
        let request = next(client);
        //= https://www.rfc-editor.org/rfc/rfc3903#section-4
        //= type=test
        //# EPAs MUST NOT send a new PUBLISH request (not a re-transmission) for
        //# the same Request-URI, until they have received a final response from
        //# the ESC for the previous one or the previous PUBLISH request has
        //# timed out.
        assert!(client.next_request().expect("nothing to write").is_none());
        sequence += 1;
        assert_eq!(request.cseq().expect("CSeq").seq, sequence);
        let response = publish(server, &request, now);
        assert_eq!(response.status(), StatusCode::OK);
        let tag = response.headers().require::<SipEtag>().expect("SIP-ETag");
        assert!(!tags.contains(&tag), "each success has a tag of its own");
        tags.push(tag);
        client.handle_response(Some(&response), now);
        request
    };
    let request = exchange(&mut server, &mut client, now);
    assert!(!request.headers().contains(&HeaderName::SIP_IF_MATCH));
    assert_eq!(
        request.headers().require::<Expires>().expect("Expires"),
        Expires(600)
    );
    assert_eq!(events(&mut client), [PublicationEvent::Published]);
    assert_eq!(
        client.state(),
        PublicationState::Published {
            until: now + 600 * SECOND
        }
    );

    client.publish(&pidf(), Bytes::from_static(b"two"));
    let request = exchange(&mut server, &mut client, now);
    assert_eq!(request.headers().values(&HeaderName::SIP_IF_MATCH).count(), 1);
    assert_eq!(bodies(&server), ["two"]);

    now = client.poll_timeout().expect("a time to renew");
    client.handle_timeout(now);
    let request = exchange(&mut server, &mut client, now);
    assert!(request.body().is_empty() && request.headers().contains(&HeaderName::SIP_IF_MATCH));
    assert_eq!(bodies(&server), ["two"], "renewed, and as it was");
    server.handle_timeout(now + 599 * SECOND);
    assert_eq!(bodies(&server), ["two"]);

    events(&mut client);
    client.remove();
    let request = exchange(&mut server, &mut client, now);
    assert!(request.body().is_empty());
    assert_eq!(
        request.headers().require::<Expires>().expect("Expires"),
        Expires(0)
    );
    assert_eq!(
        events(&mut client),
        [PublicationEvent::Due, PublicationEvent::Removed]
    );
    assert!(server.is_empty() && server.poll_timeout().is_none());
    assert!(client.is_drained() && client.poll_timeout().is_none());
    let changes = std::iter::from_fn(|| server.poll_event()).count();
    assert_eq!(changes, 1, "told once for all that happened since");
}

#[test]
fn what_the_compositor_has_forgotten_is_published_anew() {
    //= https://www.rfc-editor.org/rfc/rfc3903#section-5
    //= type=test
    //# Instead, to publish event
    //# state, the EPA SHOULD perform an initial publication, i.e., a PUBLISH
    //# request without a SIP-If-Match header field, as described in Section
    //# 4.2.  The EPA MUST also discard the entity-tag that produced this
    //# error response.
    //= https://www.rfc-editor.org/rfc/rfc3903#section-6
    //= type=test
    //# If no match is found, the ESC MUST reject the publication with
    //# a response of 412 (Conditional Request Failed), and skip the
    //# remaining steps.
    let mut now = epoch();
    let (mut server, mut client) = (compositor(|_| {}), publication());
    client.publish(&pidf(), Bytes::from_static(b"one"));
    let request = next(&mut client);
    client.handle_response(Some(&publish(&mut server, &request, now)), now);
    let mut restarted = Compositor::new(
        {
            let mut config = Config::default();
            config.packages = vec![Package::new("presence", ["application/*"])];
            config
        },
        entropy(99),
    );
    now = client.poll_timeout().expect("a time to renew");
    client.handle_timeout(now);
    events(&mut client);
    let request = next(&mut client);
    let response = publish(&mut restarted, &request, now);
    assert_eq!(response.status(), StatusCode::CONDITIONAL_REQUEST_FAILED);
    client.handle_response(Some(&response), now);
    assert_eq!(events(&mut client), [PublicationEvent::Due]);
    let request = next(&mut client);
    assert!(!request.headers().contains(&HeaderName::SIP_IF_MATCH));
    assert_eq!(request.body().as_ref(), b"one");
    client.handle_response(Some(&publish(&mut restarted, &request, now)), now);
    assert_eq!(bodies(&restarted), ["one"]);
    // A 412 to an initial publication makes no sense, and no loop.
    client.publish(&pidf(), Bytes::from_static(b"two"));
    let answer = |request: &Request| {
        let response = request.response(StatusCode::CONDITIONAL_REQUEST_FAILED);
        response.to_tag("e").build().expect("a response")
    };
    let request = next(&mut client);
    client.handle_response(Some(&answer(&request)), now);
    let request = next(&mut client);
    client.handle_response(Some(&answer(&request)), now);
    assert!(client.next_request().expect("nothing to write").is_none());
    let failed = PublicationEvent::Failed {
        status: Some(StatusCode::CONDITIONAL_REQUEST_FAILED),
    };
    assert_eq!(events(&mut client).last(), Some(&failed));
}

#[test]
fn too_short_a_time_is_lengthened_and_the_rest_refused() {
    //= https://www.rfc-editor.org/rfc/rfc3903#section-5
    //= type=test
    //# If an EPA receives a 423 (Interval Too Brief) response to a PUBLISH
    //# request, it MAY retry the publication after changing the expiration
    //# interval in the Expires header field to be equal to or greater than
    //# the expiration interval within the Min-Expires header field of the
    //# 423 (Interval Too Brief) response.
    let now = epoch();
    let (mut server, mut client) = (compositor(|c| c.min_expires = 900), publication());
    client.publish(&pidf(), Bytes::from_static(b"one"));
    let request = next(&mut client);
    let response = publish(&mut server, &request, now);
    assert_eq!(response.status(), StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(
        response.headers().require::<MinExpires>().expect("Min-Expires"),
        MinExpires(900)
    );
    client.handle_response(Some(&response), now);
    let request = next(&mut client);
    assert_eq!(
        request.headers().require::<Expires>().expect("Expires"),
        Expires(900)
    );
    assert_eq!(publish(&mut server, &request, now).status(), StatusCode::OK);
    // Always briefer than it should be: no loop.
    let brief = request
        .response(StatusCode::INTERVAL_TOO_BRIEF)
        .header_typed(&MinExpires(900))
        .build()
        .expect("a response");
    client.handle_response(Some(&brief), now);
    assert!(client.next_request().expect("nothing to write").is_none());
    assert_eq!(
        client.state(),
        PublicationState::Refused(StatusCode::INTERVAL_TOO_BRIEF)
    );
}

#[test]
fn a_publication_that_can_not_be_renewed_is_tried_again_until_it_ends() {
    let start = epoch();
    let (mut server, mut client) = (compositor(|_| {}), publication());
    client.publish(&pidf(), Bytes::from_static(b"one"));
    let request = next(&mut client);
    client.handle_response(Some(&publish(&mut server, &request, start)), start);
    events(&mut client);
    let mut tried = 0;
    let mut now = start;
    while let Some(at) = client.poll_timeout() {
        assert!(at > now, "no spinning");
        now = at;
        client.handle_timeout(now);
        let told = events(&mut client);
        if told.contains(&PublicationEvent::Expired) {
            break;
        }
        assert_eq!(told, [PublicationEvent::Due]);
        assert!(next(&mut client).body().is_empty());
        client.handle_response(None, now);
        assert_eq!(events(&mut client), [PublicationEvent::Failed { status: None }]);
        tried += 1;
    }
    assert_eq!(now, start + 600 * SECOND);
    assert!((3..12).contains(&tried), "{tried}");
    assert!(!next(&mut client).body().is_empty(), "then it begins anew");
    let busy = request
        .response(StatusCode::SERVICE_UNAVAILABLE)
        .header_typed(&RetryAfter::new(20))
        .build()
        .expect("a response");
    client.handle_response(Some(&busy), now);
    assert!(client.next_request().expect("nothing to write").is_none());
    assert_eq!(client.poll_timeout(), Some(now + 20 * SECOND));
    client.handle_timeout(now + 20 * SECOND);
    assert!(!next(&mut client).body().is_empty());
}

#[test]
fn each_step_of_the_compositor_refuses_what_it_has_to() {
    //= https://www.rfc-editor.org/rfc/rfc3903#section-6
    //= type=test
    //# If the Event header field is missing or contains an event package
    //# which the ESC does not support, the ESC MUST respond to the
    //# PUBLISH request with a 489 (Bad Event) response, and skip the
    //# remaining steps.
    let now = epoch();
    let mut server = compositor(|c| c.max_body = 100);
    let mut client = publication();
    client.publish(&pidf(), Bytes::from_static(b"one"));
    let good = next(&mut client);
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let set = |name: HeaderName, value: &'static str| {
        move |request: &mut Request| request.headers_mut().set(&name, value).expect("a line")
    };
    let plain = ContentType::text_plain();
    for (request, status) in [
        (with(&set(HeaderName::EVENT, "dialog")), 489),
        (
            with(&|r| assert!(r.headers_mut().remove(&HeaderName::EVENT))),
            489,
        ),
        (
            with(&|r| {
                r.headers_mut()
                    .push(&HeaderName::EVENT, "presence")
                    .expect("a line");
            }),
            400,
        ),
        (with(&set(HeaderName::SIP_IF_MATCH, "unknown")), 412),
        (
            with(&|r| {
                for tag in ["a", "b"] {
                    r.headers_mut()
                        .push(&HeaderName::SIP_IF_MATCH, tag)
                        .expect("a line");
                }
            }),
            400,
        ),
        (with(&set(HeaderName::EXPIRES, "59")), 423),
        (with(&set(HeaderName::EXPIRES, "soon")), 400),
        (with(&|r| r.remove_body()), 400),
        (
            with(&|r| r.set_body(&plain, Bytes::from_static(b"x")).expect("a body")),
            415,
        ),
        (
            with(&|r| r.set_body(&pidf(), Bytes::from(vec![b'x'; 101])).expect("a body")),
            413,
        ),
    ] {
        let response = publish(&mut server, &request, now);
        assert_eq!(response.status().code(), status, "{request:?}");
        assert!(server.is_empty() && server.poll_event().is_none() && server.poll_timeout().is_none());
        if status == 489 {
            let known = response.headers().require::<AllowEvents>().expect("Allow-Events");
            assert!(known.contains("presence"));
        }
        if status == 415 {
            assert_eq!(
                response.headers().value(&HeaderName::ACCEPT).as_deref(),
                Some("application/pidf+xml")
            );
        }
    }
    assert_eq!(publish(&mut server, &good, now).status(), StatusCode::OK);
    // A tag is of its resource and package.
    let tag = publish(&mut server, &good, now)
        .headers()
        .require::<SipEtag>()
        .expect("SIP-ETag");
    let mut elsewhere = good.clone();
    elsewhere
        .headers_mut()
        .set_typed(&SipIfMatch(tag.0.clone()))
        .expect("a tag");
    let outcome = server.publish(&elsewhere, uri("sip:eve@a.test").identity(), now);
    assert_eq!(outcome.status, StatusCode::CONDITIONAL_REQUEST_FAILED);
}

#[test]
fn what_is_held_is_bounded_and_ends_in_time() {
    let start = epoch();
    let mut server = compositor(|c| {
        c.max_publications = 2;
        c.max_total = 3;
        c.max_octets = 100;
    });
    let publish_for = |server: &mut Compositor, user: &str, octets: usize| {
        let resource = uri(&format!("sip:{user}@a.test"));
        let mut client = Publication::new(resource.clone(), Event::new("presence"), "c", "t", 600);
        client.publish(&pidf(), Bytes::from(vec![b'x'; octets]));
        let outcome = server.publish(&next(&mut client), resource.identity(), start);
        outcome.status.code()
    };
    assert_eq!(publish_for(&mut server, "a", 30), 200);
    assert_eq!(publish_for(&mut server, "a", 30), 200);
    assert_eq!(publish_for(&mut server, "a", 1), 503, "too many of one resource");
    assert_eq!(publish_for(&mut server, "b", 41), 503, "too many octets");
    assert_eq!(publish_for(&mut server, "b", 40), 200);
    assert_eq!(publish_for(&mut server, "c", 1), 503, "too many in all");
    assert_eq!(server.len(), 3);
    while server.poll_event().is_some() {}
    server.handle_timeout(start + 599 * SECOND);
    assert_eq!((server.len(), server.poll_event()), (3, None));
    server.handle_timeout(start + 600 * SECOND);
    assert!(server.is_empty() && server.poll_timeout().is_none());
    let told: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
    assert_eq!(told.len(), 2);
    assert!(matches!(&told[0], CompositorEvent::Changed { resource } if resource.package == "presence"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_ends_agree_in_the_end_whatever_is_lost(seed in any::<u64>()) {
        let (start, mut dice) = (epoch(), Dice::new(seed));
        let (mut server, mut client) = (compositor(|_| {}), publication());
        let (mut now, mut wanted) = (start, None);
        for step in 0..40_u32 {
            match dice.below(6) {
                0 => {
                    let body = Bytes::from(step.to_string());
                    client.publish(&pidf(), body.clone());
                    wanted = Some(body);
                }
                1 => {
                    client.remove();
                    wanted = None;
                }
                2 => now += Duration::from_secs(dice.below(400)),
                _ => {}
            }
            server.handle_timeout(now);
            client.handle_timeout(now);
            prop_assert!(client.poll_timeout().is_none_or(|at| at > now));
            if let Some(request) = client.next_request().expect("written") {
                // Lost on the way there, or on the way back.
                let arrives = !dice.percent(20);
                let response = arrives.then(|| publish(&mut server, &request, now));
                let heard = response.filter(|_| !dice.percent(20));
                client.handle_response(heard.as_ref(), now);
            }
        }
        // In fine weather what is wanted comes to be.
        for _ in 0..10 {
            now = client.poll_timeout().unwrap_or(now).max(now);
            client.handle_timeout(now);
            server.handle_timeout(now);
            while let Some(request) = client.next_request().expect("written") {
                client.handle_response(Some(&publish(&mut server, &request, now)), now);
            }
        }
        let latest = bodies(&server).last().cloned();
        if let (Some(wanted), PublicationState::Published { .. }) = (wanted, client.state()) {
            prop_assert_eq!(latest, Some(wanted));
        }
    }
}
