//! XCAP through the node.

use im_roles::effect::{Answer, DocumentListing, DocumentSelector, Effect, StoreError, StoredDocument};
use im_roles::xdms::XcapRequest;
use sip_im::Uri;

use crate::world::World;

const BLOCK: &str = r#"<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:poc="urn:oma:xml:poc:poc-rules"><cr:rule id="a"><cr:conditions><cr:identity><cr:one id="sip:alice@example.com"/></cr:identity></cr:conditions><cr:actions><poc:allow-invite>reject</poc:allow-invite></cr:actions></cr:rule></cr:ruleset>"#;
const RULES: &str = "/xcap-root/org.openmobilealliance.access-rules/users/sip:bob@example.com/access-rules";

fn put(target: &str, kind: &str, body: &str) -> XcapRequest {
    let mut request = XcapRequest::new("PUT", target);
    request.content_type = Some(kind.to_owned());
    request.body = body.to_owned().into();
    request
}

fn group(uri: &str) -> String {
    format!(
        r#"<group xmlns="urn:oma:xml:poc:list-service"><list-service uri="{uri}"><list><entry uri="sip:alice@example.com"/></list></list-service></group>"#
    )
}

fn put_group(name: &str, uri: &str) -> XcapRequest {
    put(
        &format!("/xcap-root/org.openmobilealliance.groups/users/sip:bob@example.com/{name}"),
        "application/vnd.oma.poc.groups+xml",
        &group(uri),
    )
}

#[test]
fn nobody_reads_or_writes_unauthenticated() {
    let mut world = World::new();
    let response = world.xcap(None, XcapRequest::new("GET", RULES));
    assert_eq!(response.status, 401);
    assert_eq!(
        response
            .headers
            .iter()
            .filter(|(name, _)| *name == "WWW-Authenticate")
            .count(),
        2
    );
}

//= R-6.2-04
//= type=test
#[test]
fn a_user_has_his_own_documents_and_nobody_elses() {
    let mut world = World::new();
    for request in [
        XcapRequest::new("GET", RULES),
        put(RULES, "application/auth-policy+xml", BLOCK),
    ] {
        assert_eq!(world.xcap(Some("alice"), request).status, 403);
    }
    assert_eq!(
        world.xcap(Some("bob"), XcapRequest::new("GET", RULES)).status,
        404
    );
    assert!(world.effects.is_empty());
}

#[test]
fn capabilities_are_for_everybody_to_read() {
    let mut world = World::new();
    let response = world.xcap(
        Some("alice"),
        XcapRequest::new("GET", "/xcap-root/xcap-caps/global/index"),
    );
    assert_eq!(response.status, 200);
    assert!(String::from_utf8_lossy(&response.body).contains("org.openmobilealliance.access-rules"));
}

#[test]
fn a_put_is_answered_once_it_is_durable_and_then_blocks() {
    let mut world = World::new();
    assert_eq!(
        world
            .xcap(Some("bob"), put(RULES, "application/auth-policy+xml", BLOCK))
            .status,
        0,
        "not yet"
    );
    let Effect::StoreDocument {
        id,
        selector,
        expected,
        document,
        groups,
    } = world.take_effect()
    else {
        panic!("no write")
    };
    assert_eq!(
        (selector.document.as_str(), expected, groups.len()),
        ("access-rules", None, 0)
    );
    let key = "org.openmobilealliance.access-rules/sip:bob@example.com/access-rules".to_owned();
    world.documents.insert(key, document.clone());
    world.answer(Answer::Written { id, result: Ok(()) });
    let response = world.get_xcap();
    assert_eq!(response.status, 201);
    let etag = response
        .headers
        .iter()
        .find(|(name, _)| *name == "ETag")
        .unwrap()
        .1
        .clone();
    assert_eq!(etag, format!("\"{}\"", document.etag));

    world.open(1, false);
    let text = world.message(1, "alice", "bob", "hi");
    assert_eq!(world.ask(1, "alice", &text).status().code(), 403);
    world.assert_quiet();
}

#[test]
fn a_condition_that_fails_writes_nothing() {
    let mut world = World::new();
    let mut request = put(RULES, "application/auth-policy+xml", BLOCK);
    request.if_match = Some("\"other\"".to_owned());
    assert_eq!(world.xcap(Some("bob"), request).status, 412);
    assert!(world.effects.is_empty());
}

#[test]
fn a_document_that_changed_meanwhile_is_looked_at_again() {
    let mut world = World::new();
    world.xcap(Some("bob"), put(RULES, "application/auth-policy+xml", BLOCK));
    for _ in 0..2 {
        let Effect::StoreDocument { id, .. } = world.take_effect() else {
            panic!("no write")
        };
        world.answer(Answer::Written {
            id,
            result: Err(StoreError::Conflict),
        });
    }
    let Effect::StoreDocument { id, .. } = world.take_effect() else {
        panic!("no write")
    };
    world.answer(Answer::Written {
        id,
        result: Err(StoreError::Conflict),
    });
    assert_eq!(world.get_xcap().status, 503);
    world.assert_quiet();
}

#[test]
fn a_group_document_tells_the_store_the_address_it_defines() {
    let mut world = World::new();
    world.xcap(Some("bob"), put_group("friends", "sip:friends@example.com"));
    let Effect::StoreDocument { groups, .. } = world.take_effect() else {
        panic!("no write")
    };
    assert_eq!(
        groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["sip:friends@example.com"]
    );
}

#[test]
fn a_group_takes_no_address_that_is_somebodys() {
    let mut world = World::new();
    for uri in [
        "sip:alice@example.com",
        "sip:exploder@example.com",
        "sip:conference@example.com",
        "sip:deferred@example.com",
        "tel:+15551234",
        "sip:friends@elsewhere.test",
    ] {
        let response = world.xcap(Some("bob"), put_group("friends", uri));
        assert_eq!(response.status, 409, "{uri}");
        assert!(
            String::from_utf8_lossy(&response.body).contains("uniqueness-failure"),
            "{uri}"
        );
    }
    world.answering = false;
    world.xcap(Some("bob"), put_group("friends", "sip:friends@example.com"));
    let Effect::FetchDocument { id, .. } = world.take_effect() else {
        panic!("no fetch")
    };
    world.answer(Answer::Document { id, result: Ok(None) });
    let Effect::FindGroups { id, addresses } = world.take_effect() else {
        panic!("no question")
    };
    let other = StoredDocument::new("e", group("sip:friends@example.com").into());
    world.answer(Answer::Groups {
        id,
        result: Ok(vec![(addresses[0].clone(), other)]),
    });
    let response = world.get_xcap();
    assert_eq!(response.status, 409);
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        text.contains("<alt-value>sip:friends-2@example.com</alt-value>"),
        "{text}"
    );
    assert!(world.effects.is_empty());
}

#[test]
fn a_silent_store_costs_504_and_the_next_request_is_served() {
    let mut world = World::new();
    world.answering = false;
    world.xcap(Some("bob"), XcapRequest::new("GET", RULES));
    assert!(matches!(world.take_effect(), Effect::FetchDocument { .. }));
    world.pass(std::time::Duration::from_secs(10));
    assert_eq!(world.get_xcap().status, 504);
    world.answering = true;
    assert_eq!(
        world.xcap(Some("bob"), XcapRequest::new("GET", RULES)).status,
        404
    );
    world.assert_quiet();
}

//= R-6.2-03
//= type=test
#[test]
fn a_trusted_proxy_says_who_asks() {
    let mut world = World::new();
    let asked = |who: &str, target: &str| {
        let mut request = XcapRequest::new("GET", target);
        request.asserted = Some(who.to_owned());
        request
    };
    assert_eq!(
        world.xcap(None, asked("sip:bob@EXAMPLE.com:5060", RULES)).status,
        404
    );
    assert_eq!(
        world.xcap(None, asked("sip:alice@example.com", RULES)).status,
        403
    );
    assert_eq!(world.xcap(None, asked("nobody", RULES)).status, 400);
}

//= https://www.rfc-editor.org/rfc/rfc4825#section-8
//= type=test
//# If the URI refers to a user (identified by an XUI) that is
//# not recognized by the
//# server, it MUST reject the request with a 404 (Not Found).
#[test]
fn users_that_do_not_exist_have_no_documents() {
    let mut world = World::new();
    let target = "/xcap-root/resource-lists/users/sip:nobody@example.com/index";
    assert_eq!(
        world.xcap(Some("alice"), XcapRequest::new("GET", target)).status,
        404
    );
    let usage = "/xcap-root/unheard-of/users/sip:bob@example.com/index";
    assert_eq!(
        world.xcap(Some("alice"), XcapRequest::new("GET", usage)).status,
        404
    );
}

#[test]
fn the_directory_lists_what_a_user_has() {
    let mut world = World::new();
    let target = "/xcap-root/org.openmobilealliance.xcap-directory/users/sip:bob@example.com/directory.xml";
    let bob = Uri::parse("sip:bob@example.com").unwrap().identity();
    world.xcap(Some("bob"), XcapRequest::new("GET", target));
    let Effect::ListDocuments { id, user, .. } = world.take_effect() else {
        panic!("no listing")
    };
    assert_eq!(user, bob);
    let selector = DocumentSelector::of_user("resource-lists", bob, "my list");
    let listing = DocumentListing::new(selector, "7", 42);
    world.answer(Answer::Documents {
        id,
        result: Ok(vec![listing]),
    });
    let response = world.get_xcap();
    assert_eq!(response.status, 200);
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        text.contains(
            "uri=\"/xcap-root/resource-lists/users/sip:bob@example.com/my%20list\" etag=\"&quot;7&quot;\" size=\"42\""
        ),
        "{text}"
    );
    assert!(text.contains("<folder auid=\"org.openmobilealliance.groups\"/>"));
    assert_eq!(
        world
            .xcap(
                Some("bob"),
                put(target, "application/vnd.oma.xcap-directory+xml", &text)
            )
            .status,
        405
    );
}
