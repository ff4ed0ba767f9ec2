//! What a proxy does to requests (RFC 3261 section 16).
#![cfg(test)]

mod machines;

use machines::{answer, request, uri};
use sip_im::header::{HeaderName, MaxForwards, ProxyRequire, RecordRoute, Route, Unsupported};
use sip_im::proxy::{self, ProxyError};
use sip_im::{Method, Request, StatusCode};

fn with_routes(target: &str, routes: &[&str]) -> Request {
    let mut made = request(Method::Bye, "c");
    made.set_uri(uri(target));
    for route in routes {
        made.headers_mut()
            .push_typed(&Route::new(uri(route)))
            .expect("Route");
    }
    made
}

fn routes(request: &Request) -> Vec<String> {
    request
        .headers()
        .all::<Route>()
        .map(|route| route.expect("Route").uri().to_string())
        .collect()
}

#[test]
fn a_request_has_so_many_hops_to_go() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
    //= type=test
    //# If the request contains a Max-Forwards header field with a field
    //# value of zero (0), the element MUST NOT forward the request.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
    //= type=test
    //# If the copy contains a Max-Forwards header field, the proxy
    //# MUST decrement its value by one (1).
    let mut current = request(Method::Message, "c");
    for left in (0..70).rev() {
        current = proxy::forward_request(&current).expect("passed on");
        assert_eq!(
            current.headers().require::<MaxForwards>().expect("Max-Forwards"),
            MaxForwards(left)
        );
    }
    let refused = proxy::forward_request(&current).expect_err("no hop left");
    assert_eq!(
        (refused.clone(), refused.status()),
        (ProxyError::TooManyHops, StatusCode::TOO_MANY_HOPS)
    );
    current.headers_mut().remove(&HeaderName::MAX_FORWARDS);
    let passed = proxy::forward_request(&current).expect("passed on");
    assert_eq!(
        passed.headers().require::<MaxForwards>().expect("Max-Forwards"),
        MaxForwards(70)
    );
    current
        .headers_mut()
        .push(&HeaderName::MAX_FORWARDS, "many")
        .expect("a line");
    let refused = proxy::forward_request(&current).expect_err("malformed");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn what_is_required_of_proxies_and_not_known_is_named() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
    //= type=test
    //# If the request contains a Proxy-Require header field (Section
    //# 20.29) with one or more option-tags this element does not
    //# understand, the element MUST return a 420 (Bad Extension)
    //# response.
    let mut asking = request(Method::Message, "c");
    asking
        .headers_mut()
        .push_typed(&ProxyRequire::new(["foo", "bar"]))
        .expect("Proxy-Require");
    let refused = proxy::forward_request(&asking).expect_err("unknown");
    let response = refused.response(&asking).build().expect("a response");
    assert_eq!(response.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        response.headers().require::<Unsupported>().expect("Unsupported"),
        Unsupported::new(["foo", "bar"])
    );
}

#[test]
fn the_proxys_own_route_is_taken_off() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.4
    //= type=test
    //# If the first value in the Route header field indicates this proxy,
    //# the proxy MUST remove that value from the request.
    let is_ours = |uri: &sip_im::Uri| uri.host() == Some("p1.test");
    let mut loose = with_routes("sip:bob@b.test", &["sip:p1.test;lr;x=1", "sip:p2.test;lr"]);
    let own = proxy::take_own_route(&mut loose, is_ours).expect("read");
    assert_eq!(
        own.map(|uri| uri.to_string()).as_deref(),
        Some("sip:p1.test;lr;x=1")
    );
    assert_eq!(routes(&loose), ["sip:p2.test;lr"]);
    assert_eq!(proxy::next_hop(&loose).expect("a hop").as_str(), "sip:p2.test;lr");
    assert_eq!(proxy::take_own_route(&mut loose, is_ours).expect("read"), None);
    assert_eq!(routes(&loose), ["sip:p2.test;lr"]);

    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.4
    //= type=test
    //# The proxy MUST inspect the Request-URI of the request.  If the
    //# Request-URI of the request contains a value this proxy previously
    //# placed into a Record-Route header field (see Section 16.6 item 4),
    //# the proxy MUST replace the Request-URI in the request with the last
    //# value from the Route header field, and remove that value from the
    //# Route header field.
    let mut strict = with_routes("sip:p1.test;lr", &["sip:p2.test;lr", "sip:bob@b.test"]);
    assert_eq!(proxy::take_own_route(&mut strict, is_ours).expect("read"), None);
    assert_eq!(strict.uri().as_str(), "sip:bob@b.test");
    assert_eq!(routes(&strict), ["sip:p2.test;lr"]);
}

#[test]
fn a_strict_next_hop_gets_the_request_as_it_wants_it() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
    //= type=test
    //# If the copy contains a Route header field, the proxy MUST
    //# inspect the URI in its first value.  If that URI does not
    //# contain an lr parameter, the proxy MUST modify the copy as
    //# follows:
    let mut strict = with_routes("sip:bob@b.test", &["sip:old.test", "sip:p2.test;lr"]);
    proxy::prepare_strict_route(&mut strict).expect("prepared");
    assert_eq!(strict.uri().as_str(), "sip:old.test");
    assert_eq!(routes(&strict), ["sip:p2.test;lr", "sip:bob@b.test"]);
    let mut loose = with_routes("sip:bob@b.test", &["sip:p2.test;lr"]);
    proxy::prepare_strict_route(&mut loose).expect("left alone");
    assert_eq!(
        (loose.uri().as_str(), routes(&loose)),
        ("sip:bob@b.test", vec!["sip:p2.test;lr".to_owned()])
    );
}

#[test]
fn a_record_route_is_loose_and_on_top() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
    //= type=test
    //# The URI placed in the Record-Route header field value MUST be a
    //# SIP or SIPS URI.  This URI MUST contain an lr parameter (see
    //# Section 19.1.1).
    let mut invite = request(Method::Invite, "c");
    for proxy in ["sip:p1.test", "sip:p2.test;lr"] {
        proxy::add_record_route(&mut invite, &uri(proxy)).expect("added");
    }
    let found: Vec<_> = invite
        .headers()
        .all::<RecordRoute>()
        .map(|route| route.expect("Record-Route").uri().to_string())
        .collect();
    assert_eq!(found, ["sip:p2.test;lr", "sip:p1.test;lr"]);
}

#[test]
fn the_best_response_is_the_most_telling_one() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    //= type=test
    //# It MUST choose from the 6xx class responses if any exist in the
    //# context.  If no 6xx class responses are present, the proxy
    //# SHOULD choose from the lowest response class stored in the
    //# response context.
    let invite = request(Method::Invite, "c");
    for (codes, best) in [
        (&[486, 603, 401][..], 603),
        (&[503, 486, 500], 486),
        (&[486, 404, 407], 407),
        (&[503, 500], 500),
        (&[486, 302], 302),
    ] {
        let responses: Vec<_> = codes
            .iter()
            .map(|code| answer(&invite, StatusCode::new(*code).expect("a status")))
            .collect();
        assert_eq!(
            proxy::best_response(&responses).map(|response| response.status().code()),
            Some(best),
            "{codes:?}"
        );
    }
    assert!(proxy::best_response(&[]).is_none());
}
