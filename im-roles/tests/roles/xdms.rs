//! The XDM server on its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use im_roles::config::Config;
use im_roles::effect::{Answer, Effect, StoredDocument};
use im_roles::xdms::{Input, Transmit, XcapId, XcapRequest, Xdms};
use sip_im::{Identity, Uri};

use crate::check_deadline;

const TARGET: &str = "/xcap-root/resource-lists/users/sip:bob@example.com/index";
const LIST: &str =
    r#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list/></resource-lists>"#;

fn server(change: impl FnOnce(&mut Config)) -> (Xdms, Instant) {
    let mut config = Config::new("example.com").unwrap();
    change(&mut config);
    (Xdms::new(Arc::new(config)), Instant::now())
}

fn bob() -> Identity {
    Uri::parse("sip:bob@example.com").unwrap().identity()
}

fn put(body: &str) -> XcapRequest {
    let mut request = XcapRequest::new("PUT", TARGET);
    request.content_type = Some("application/resource-lists+xml".to_owned());
    request.body = body.to_owned().into();
    request
}

fn ask(server: &mut Xdms, id: u64, request: XcapRequest, now: Instant) {
    let owner = server.owner(&request);
    server.handle_input(
        Input::Request {
            id: XcapId(id),
            request,
            user: bob(),
            owner,
        },
        now,
    );
}

fn answered(server: &mut Xdms, now: Instant) -> (u64, u16) {
    match server.poll_transmit(now) {
        Some(Transmit::Response { id, response }) => (id.0, response.status),
        other => panic!("no answer but {other:?}"),
    }
}

#[test]
fn requests_for_one_document_are_served_one_after_the_other() {
    let (mut server, now) = server(|_| {});
    ask(&mut server, 1, put(LIST), now);
    ask(&mut server, 2, XcapRequest::new("DELETE", TARGET), now);
    let Some(Effect::FetchDocument { id, .. }) = server.poll_effect() else {
        panic!("no fetch")
    };
    assert!(server.poll_effect().is_none());
    server.handle_answer(Answer::Document { id, result: Ok(None) }, now);
    let Some(Effect::StoreDocument { id, document, .. }) = server.poll_effect() else {
        panic!("no write")
    };
    assert!(server.poll_effect().is_none() && server.poll_transmit(now).is_none());
    server.handle_answer(Answer::Written { id, result: Ok(()) }, now);
    assert_eq!(answered(&mut server, now), (1, 201));
    let Some(Effect::FetchDocument { id, .. }) = server.poll_effect() else {
        panic!("no fetch")
    };
    server.handle_answer(
        Answer::Document {
            id,
            result: Ok(Some(document.clone())),
        },
        now,
    );
    let Some(Effect::DeleteDocument { id, expected, .. }) = server.poll_effect() else {
        panic!("no delete")
    };
    assert_eq!(expected, document.etag);
    server.handle_answer(Answer::Written { id, result: Ok(()) }, now);
    assert_eq!(answered(&mut server, now), (2, 200));
    while server.poll_event().is_some() {}
    assert!(server.is_drained());
}

#[test]
fn late_and_repeated_answers_are_ignored() {
    let (mut server, now) = server(|_| {});
    ask(&mut server, 1, put(LIST), now);
    let Some(Effect::FetchDocument { id, .. }) = server.poll_effect() else {
        panic!("no fetch")
    };
    let later = now + Duration::from_secs(10);
    check_deadline(&mut server, later);
    assert_eq!(answered(&mut server, later), (1, 504));
    let late = StoredDocument::new("e", LIST.into());
    server.handle_answer(
        Answer::Document {
            id,
            result: Ok(Some(late)),
        },
        later,
    );
    assert!(server.poll_transmit(later).is_none() && server.poll_effect().is_none());
    assert!(server.is_drained());
}

#[test]
fn documents_and_requests_beyond_the_limits_are_refused() {
    let (mut server, now) = server(|config| {
        config.limits.max_document_size = 100;
        config.limits.max_xcap_requests = 1;
    });
    ask(&mut server, 1, put(&" ".repeat(101)), now);
    assert_eq!(answered(&mut server, now), (1, 413));
    ask(&mut server, 2, put(LIST), now);
    ask(&mut server, 3, put(LIST), now);
    assert_eq!(answered(&mut server, now), (3, 503));
}

#[test]
fn nobody_writes_the_global_tree() {
    let (mut server, now) = server(|_| {});
    let mut request = put(LIST);
    request.target = "/xcap-root/resource-lists/global/index".to_owned();
    ask(&mut server, 1, request, now);
    assert_eq!(answered(&mut server, now), (1, 403));
    ask(&mut server, 2, XcapRequest::new("GET", "/elsewhere/index"), now);
    assert_eq!(answered(&mut server, now), (2, 404));
}

#[test]
fn a_head_request_gets_no_body() {
    let (mut server, now) = server(|_| {});
    ask(&mut server, 1, XcapRequest::new("HEAD", TARGET), now);
    let Some(Effect::FetchDocument { id, .. }) = server.poll_effect() else {
        panic!("no fetch")
    };
    server.handle_answer(
        Answer::Document {
            id,
            result: Ok(Some(StoredDocument::new("e", LIST.into()))),
        },
        now,
    );
    let Some(Transmit::Response { response, .. }) = server.poll_transmit(now) else {
        panic!("no answer")
    };
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert!(response.headers.contains(&("ETag", "\"e\"".to_owned())));
}
