//! Presence through the node: who publishes, who watches, and what the rules let them see.

use std::time::Duration;

use im_roles::effect::{Answer, Effect, StoreError, StoredDocument};
use im_roles::node::Event;
use im_roles::presence;
use im_roles::xdms::XcapRequest;
use im_xdm_model::document::access_rules::SubHandling;
use im_xdm_model::document::pidf::{Basic, Presence};
use im_xdm_model::document::watcherinfo::{WatcherStatus, Watcherinfo};
use im_xdm_model::xml::Limits;
use sip_im::header::{AllowEvents, HeaderName, SubscriptionState, SubscriptionStateValue};
use sip_im::{Request, Response};

use crate::world::{World, config};

const RULES: &str = "/xcap-root/pres-rules/users/sip:bob@example.com/index";

fn pidf(id: &str, basic: &str, note: &str) -> String {
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:bob@example.com\"><tuple id=\"{id}\"><status>\
         <basic>{basic}</basic></status><contact>sip:bob@example.com</contact><note>{note}</note></tuple></presence>"
    )
}

fn rules(handling: &str, transformations: &str) -> String {
    format!(
        "<cr:ruleset xmlns:cr=\"urn:ietf:params:xml:ns:common-policy\" xmlns:pr=\"urn:ietf:params:xml:ns:pres-rules\">\
         <cr:rule id=\"a\"><cr:conditions><cr:identity><cr:one id=\"sip:alice@example.com\"/></cr:identity>\
         </cr:conditions><cr:actions><pr:sub-handling>{handling}</pr:sub-handling></cr:actions>\
         <cr:transformations>{transformations}</cr:transformations></cr:rule></cr:ruleset>"
    )
}

fn has_rules(world: &mut World, rules: &str) {
    let stored = StoredDocument::new("r1", rules.to_owned().into());
    world
        .documents
        .insert("pres-rules/sip:bob@example.com/index".to_owned(), stored);
}

/// Changes bob's rules by XCAP.
fn change_rules(world: &mut World, rules: &str) {
    let mut request = XcapRequest::new("PUT", RULES);
    request.content_type = Some("application/auth-policy+xml".to_owned());
    request.body = rules.to_owned().into();
    world.xcap(Some("bob"), request);
    let Effect::StoreDocument { id, document, .. } = world.take_effect() else {
        panic!("no write")
    };
    let key = "pres-rules/sip:bob@example.com/index".to_owned();
    world.documents.insert(key, document);
    world.answer(Answer::Written { id, result: Ok(()) });
    assert!(world.get_xcap().status < 300);
}

/// Four users, each on the flow of his number.
fn world() -> World {
    let mut world = World::new();
    for flow in 1..=4 {
        world.open(flow, false);
    }
    world
}

fn publish(world: &mut World, extra: &str, body: &str) -> Response {
    let uri = "sip:bob@example.com";
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/pidf+xml\r\n"
    };
    let extra = format!("Event: presence\r\n{kind}{extra}");
    let text = world.text(2, "PUBLISH", uri, uri, &extra, body);
    world.ask(2, "bob", &text)
}

fn etag(response: &Response) -> String {
    assert_eq!(response.status().code(), 200);
    response
        .headers()
        .value(&HeaderName::SIP_ETAG)
        .unwrap()
        .to_string()
}

fn subscribe_text(world: &mut World, flow: u64, user: &str, package: &str, extra: &str) -> String {
    let extra = format!(
        "Event: {package}\r\nContact: <sip:{user}@127.0.0.1:{}>\r\n{extra}",
        6000 + flow
    );
    let from = format!("sip:{user}@example.com");
    world.text(flow, "SUBSCRIBE", "sip:bob@example.com", &from, &extra, "")
}

fn subscribe(world: &mut World, flow: u64, user: &str, package: &str, extra: &str) -> Response {
    let text = subscribe_text(world, flow, user, package, extra);
    world.ask(flow, user, &text)
}

/// The next NOTIFY on a flow, answered, with what it says of the subscription.
fn notified(world: &mut World, flow: u64) -> (SubscriptionState, Request) {
    let request = world.get_request(flow);
    assert_eq!(request.method().as_str(), "NOTIFY");
    world.reply(flow, &request, 200, &[]);
    let state = request.headers().get::<SubscriptionState>().unwrap().unwrap();
    (state, request)
}

fn document(request: &Request) -> Presence {
    let document = Presence::parse(request.body(), &Limits::default()).unwrap();
    assert_eq!(document.entity, "sip:bob@example.com");
    document
}

fn watchers(request: &Request) -> Vec<(String, WatcherStatus)> {
    let info = Watcherinfo::parse(request.body(), &Limits::default()).unwrap();
    let watchers = info.lists.into_iter().flat_map(|list| list.watchers);
    watchers.map(|watcher| (watcher.uri, watcher.status)).collect()
}

/// A SUBSCRIBE inside the dialog that a NOTIFY shows.
fn refresh(world: &mut World, flow: u64, user: &str, notify: &Request, expires: u32) -> Response {
    let headers = notify.headers();
    let value = |name| headers.value(name).unwrap().to_string();
    let contact = value(&HeaderName::CONTACT);
    let uri = contact
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap()
        .to_owned();
    let routes = headers.values(&HeaderName::RECORD_ROUTE);
    let routes = routes.fold(String::new(), |all, route| all + "Route: " + &route + "\r\n");
    let extra = format!(
        "{routes}Event: presence\r\nExpires: {expires}\r\nContact: <sip:{user}@127.0.0.1:{}>\r\n",
        6000 + flow
    );
    let from = format!("sip:{user}@example.com");
    let text = world.text(flow, "SUBSCRIBE", &uri, &from, &extra, "");
    let lines = text.split("\r\n").map(|line| match line.split_once(": ") {
        Some(("From", _)) => format!("From: {}", value(&HeaderName::TO)),
        Some(("To", _)) => format!("To: {}", value(&HeaderName::FROM)),
        Some(("Call-ID", _)) => format!("Call-ID: {}", value(&HeaderName::CALL_ID)),
        _ => line.to_owned(),
    });
    let text: Vec<String> = lines.collect();
    world.ask(flow, user, &text.join("\r\n"))
}

#[test]
fn what_is_published_reaches_who_watches() {
    let mut world = world();
    let first = publish(&mut world, "", &pidf("a", "open", "at work"));
    let tag = etag(&first);
    let response = subscribe(&mut world, 1, "alice", "presence", "");
    assert_eq!(response.status().code(), 200);
    let (state, request) = notified(&mut world, 1);
    assert_eq!(state.state, SubscriptionStateValue::Active);
    let shown = document(&request);
    assert_eq!(shown.tuples[0].basic, Some(Basic::Open));
    assert_eq!(shown.tuples[0].notes[0].text, "at work");

    // A change is told, though not more often than the server wants.
    let second = publish(
        &mut world,
        &format!("SIP-If-Match: {tag}\r\n"),
        &pidf("a", "closed", "away"),
    );
    let tag = etag(&second);
    assert!(world.get(1).is_none());
    world.pass(Duration::from_millis(500));
    let (_, request) = notified(&mut world, 1);
    assert_eq!(document(&request).tuples[0].basic, Some(Basic::Closed));

    // A refresh changes nothing, and nobody is told anything.
    let third = publish(&mut world, &format!("SIP-If-Match: {tag}\r\n"), "");
    let tag = etag(&third);
    world.pass(Duration::from_secs(1));
    assert!(world.get(1).is_none());

    // What is removed is away.
    let removed = publish(&mut world, &format!("SIP-If-Match: {tag}\r\nExpires: 0\r\n"), "");
    assert_eq!(removed.status().code(), 200);
    world.pass(Duration::from_millis(500));
    let (_, request) = notified(&mut world, 1);
    assert_eq!(document(&request).tuples[0].basic, Some(Basic::Closed));
    assert_eq!(world.node.load().publications, 0);
}

#[test]
fn several_clients_of_a_user_are_shown_together() {
    let mut world = world();
    etag(&publish(&mut world, "", &pidf("a", "open", "desk")));
    etag(&publish(
        &mut world,
        "Expires: 60\r\n",
        &pidf("a", "closed", "phone"),
    ));
    subscribe(&mut world, 1, "alice", "presence", "");
    let (_, request) = notified(&mut world, 1);
    let shown = document(&request);
    let notes: Vec<_> = shown
        .tuples
        .iter()
        .map(|tuple| tuple.notes[0].text.as_str())
        .collect();
    assert_eq!(notes, ["desk", "phone"]);
    assert_ne!(shown.tuples[0].id, shown.tuples[1].id);
    // The one whose time is over is gone.
    world.pass(Duration::from_secs(60));
    let (_, request) = notified(&mut world, 1);
    assert_eq!(document(&request).tuples.len(), 1);
}

#[test]
fn publications_are_refused_for_what_is_wrong_with_them() {
    let mut world = world();
    let tag = etag(&publish(&mut world, "", &pidf("a", "open", "")));
    let stale = publish(&mut world, "SIP-If-Match: nonsense\r\n", "");
    assert_eq!(stale.status().code(), 412);
    let brief = publish(&mut world, &format!("SIP-If-Match: {tag}\r\nExpires: 5\r\n"), "");
    assert_eq!(brief.status().code(), 423);
    assert_eq!(
        brief.headers().value(&HeaderName::MIN_EXPIRES).as_deref(),
        Some("60")
    );
    let broken = publish(&mut world, "", "<presence");
    assert_eq!(broken.status().code(), 400);
    let empty = publish(&mut world, "", "");
    assert_eq!(empty.status().code(), 400);
    let coded = publish(
        &mut world,
        "Content-Encoding: deflate\r\n",
        &pidf("a", "open", ""),
    );
    assert_eq!(coded.status().code(), 415);
    assert_eq!(
        coded.headers().value(&HeaderName::ACCEPT_ENCODING).as_deref(),
        Some("identity")
    );
    let large = publish(&mut world, "", &pidf("a", "open", &"x".repeat(33_000)));
    assert_eq!(large.status().code(), 413);
    let uri = "sip:bob@example.com";
    for (extra, status) in [
        ("Content-Type: text/plain\r\nEvent: presence\r\n", 415),
        ("Content-Type: text/plain\r\nEvent: weather\r\n", 489),
        ("Content-Type: text/plain\r\n", 489),
    ] {
        let text = world.text(2, "PUBLISH", uri, uri, extra, "hello");
        assert_eq!(world.ask(2, "bob", &text).status().code(), status, "{extra}");
    }
    assert_eq!(world.node.load().publications, 1);
}

//= https://www.rfc-editor.org/rfc/rfc3903#section-14.1
//= type=test
//# The state agent SHOULD authenticate the EPA, and SHOULD apply its
//# authorization policies (e.g., based on access control lists) to all
//# requests.
#[test]
fn nobody_publishes_for_somebody_else() {
    let mut world = world();
    let extra = "Event: presence\r\nContent-Type: application/pidf+xml\r\n";
    let body = pidf("a", "open", "");
    let text = world.text(
        1,
        "PUBLISH",
        "sip:bob@example.com",
        "sip:alice@example.com",
        extra,
        &body,
    );
    assert_eq!(world.ask(1, "alice", &text).status().code(), 403);
    assert_eq!(world.node.load().publications, 0);
    // Under another of his addresses he is still himself.
    let text = world.text(
        1,
        "PUBLISH",
        "tel:+15551234",
        "sip:alice@example.com",
        extra,
        &body,
    );
    assert_eq!(world.ask(1, "alice", &text).status().code(), 200);
}

#[test]
fn publications_of_a_user_are_limited() {
    let mut config = config();
    config.limits.max_publications = 2;
    let mut world = World::with(config);
    world.open(2, false);
    for status in [200, 200, 503] {
        let response = publish(&mut world, "", &pidf("a", "open", ""));
        assert_eq!(response.status().code(), status);
    }
}

#[test]
fn who_has_published_nothing_is_not_available() {
    let mut world = world();
    subscribe(&mut world, 1, "alice", "presence", "Expires: 0\r\n");
    let (state, request) = notified(&mut world, 1);
    // A look is over at once.
    assert_eq!(state.state, SubscriptionStateValue::Terminated);
    assert_eq!(document(&request).tuples[0].basic, Some(Basic::Closed));
    assert_eq!(world.node.load().watchers, 0);
    world.assert_quiet();
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let mut world = world();
    for package in ["presence.winfo.winfo; id=1", "presence.", "\"presence\""] {
        let response = subscribe(&mut world, 1, "alice", package, "");
        assert!(matches!(response.status().code(), 400 | 480 | 489), "{package}");
    }
    let text = subscribe_text(&mut world, 1, "alice", "x", "").replace("Event: x\r\n", "");
    let response = world.ask(1, "alice", &text);
    assert_eq!(response.status().code(), 489);
    let packages: AllowEvents = response.headers().get().unwrap().unwrap();
    assert_eq!(
        packages.iter().collect::<Vec<_>>(),
        ["presence", "presence.winfo"]
    );
    let response = subscribe(&mut world, 1, "alice", "presence", "Accept: text/html\r\n");
    assert_eq!(response.status().code(), 406);
    let response = subscribe(&mut world, 1, "alice", "presence", "Expires: 10\r\n");
    assert_eq!(response.status().code(), 423);
    let text = subscribe_text(&mut world, 1, "alice", "presence", "").replace("sip:bob@", "sip:presence@");
    assert_eq!(world.ask(1, "alice", &text).status().code(), 404);
    let text = subscribe_text(&mut world, 1, "alice", "presence", "")
        .replace("SUBSCRIBE sip:bob@", "SUBSCRIBE sip:presence@")
        .replace(
            "To: <sip:bob@example.com>",
            "To: <sip:bob@example.com>;tag=nobody",
        );
    assert_eq!(world.ask(1, "alice", &text).status().code(), 481);
    assert_eq!(world.node.load().watchers, 0);
}

//= https://www.rfc-editor.org/rfc/rfc6665#section-4.3
//= type=test
//# If a proxy
//# wishes to see all of the SUBSCRIBE and NOTIFY requests for a given
//# dialog, it MUST add a "Record-Route" header field to the initial
//# SUBSCRIBE request and all NOTIFY requests.
#[test]
fn a_subscription_is_renewed_and_ended_in_its_dialog() {
    let mut world = world();
    subscribe(&mut world, 1, "alice", "presence", "Expires: 100\r\n");
    let (_, first) = notified(&mut world, 1);
    assert!(first.headers().contains(&HeaderName::RECORD_ROUTE));
    world.pass(Duration::from_secs(50));
    let response = refresh(&mut world, 1, "alice", &first, 300);
    assert_eq!(response.status().code(), 200);
    let (state, _) = notified(&mut world, 1);
    assert_eq!(state.expires(), Some(300));
    world.pass(Duration::from_secs(100));
    assert_eq!(world.node.load().watchers, 1);
    let response = refresh(&mut world, 1, "alice", &first, 0);
    assert_eq!(response.status().code(), 200);
    let (state, _) = notified(&mut world, 1);
    assert_eq!(
        (state.state.clone(), state.reason()),
        (SubscriptionStateValue::Terminated, Some("timeout"))
    );
    assert_eq!(refresh(&mut world, 1, "alice", &first, 300).status().code(), 481);
    world.assert_quiet();
}

#[test]
fn a_subscription_that_is_not_renewed_ends_and_so_does_one_whose_watcher_is_gone() {
    let mut world = world();
    subscribe(&mut world, 1, "alice", "presence", "Expires: 100\r\n");
    notified(&mut world, 1);
    world.pass(Duration::from_secs(100));
    let (state, _) = notified(&mut world, 1);
    assert_eq!(state.reason(), Some("timeout"));
    assert_eq!(world.node.load().watchers, 0);

    subscribe(&mut world, 1, "alice", "presence", "");
    let request = world.get_request(1);
    world.reply(1, &request, 481, &[]);
    assert_eq!(world.node.load().watchers, 0);

    subscribe(&mut world, 1, "alice", "presence", "");
    assert_eq!(world.get_request(1).method().as_str(), "NOTIFY");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.node.load().watchers, 0);
}

//= https://www.rfc-editor.org/rfc/rfc5025#section-3.2.1
//= type=test
//# It has the value of zero, and it represents the
//# default value.
#[test]
fn rules_decide_who_may_watch() {
    for (handling, status) in [
        ("allow", Ok(SubscriptionStateValue::Active)),
        ("polite-block", Ok(SubscriptionStateValue::Active)),
        ("confirm", Ok(SubscriptionStateValue::Pending)),
        ("block", Err(403)),
    ] {
        let mut world = world();
        has_rules(
            &mut world,
            &rules(
                handling,
                "<pr:provide-services><pr:all-services/></pr:provide-services>",
            ),
        );
        etag(&publish(&mut world, "", &pidf("a", "open", "secret")));
        let response = subscribe(&mut world, 1, "alice", "presence", "");
        match status {
            Ok(wanted) => {
                assert_eq!(response.status().code(), 200, "{handling}");
                let (state, request) = notified(&mut world, 1);
                assert_eq!(state.state, wanted, "{handling}");
                match handling {
                    "confirm" => assert!(request.body().is_empty()),
                    "allow" => {
                        let shown = document(&request);
                        assert_eq!(shown.tuples[0].basic, Some(Basic::Open));
                        // The note is not granted.
                        assert!(shown.tuples[0].notes.is_empty());
                    }
                    _ => {
                        let polite = document(&request);
                        assert_eq!(polite.tuples[0].basic, Some(Basic::Closed));
                    }
                }
            }
            Err(status) => assert_eq!(response.status().code(), status),
        }
        // Whom no rule names is blocked.
        let response = subscribe(&mut world, 3, "carol", "presence", "");
        assert_eq!(response.status().code(), 403, "{handling}");
        // A user sees himself.
        assert_eq!(
            subscribe(&mut world, 2, "bob", "presence", "").status().code(),
            200
        );
        let (_, request) = notified(&mut world, 2);
        assert_eq!(document(&request).tuples[0].notes[0].text, "secret");
    }
}

#[test]
fn who_is_turned_away_politely_sees_what_he_would_see_of_somebody_away() {
    let mut polite = world();
    has_rules(&mut polite, &rules("polite-block", ""));
    etag(&publish(&mut polite, "", &pidf("a", "open", "")));
    subscribe(&mut polite, 1, "alice", "presence", "");
    let (_, turned_away) = notified(&mut polite, 1);
    etag(&publish(&mut polite, "", &pidf("b", "open", "")));
    polite.pass(Duration::from_secs(2));
    assert!(
        polite.get(1).is_none(),
        "a change shows that there is something to see"
    );

    let mut away = world();
    subscribe(&mut away, 1, "alice", "presence", "");
    let (_, request) = notified(&mut away, 1);
    assert_eq!(request.body(), turned_away.body());
}

//= https://www.rfc-editor.org/rfc/rfc5025#section-3.2.1
//= type=test
//# If the <sub-handling> permission changes value to "block", this
//# causes a "rejected" event to be generated into the subscription state
//# machine for all affected subscriptions.
#[test]
fn changed_rules_hold_for_those_who_watch_already() {
    let all = "<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-note>true</pr:provide-note>";
    let mut world = world();
    has_rules(&mut world, &rules("confirm", all));
    etag(&publish(&mut world, "", &pidf("a", "open", "here")));
    // Bob is told who waits for him to decide.
    subscribe(&mut world, 2, "bob", "presence.winfo", "");
    let (_, request) = notified(&mut world, 2);
    assert_eq!(watchers(&request), []);
    subscribe(&mut world, 1, "alice", "presence", "");
    let (state, _) = notified(&mut world, 1);
    assert_eq!(state.state, SubscriptionStateValue::Pending);
    world.pass(Duration::from_millis(500));
    let (_, request) = notified(&mut world, 2);
    assert_eq!(
        watchers(&request),
        [("sip:alice@example.com".to_owned(), WatcherStatus::Pending)]
    );

    change_rules(&mut world, &rules("allow", all));
    let (state, request) = notified(&mut world, 1);
    assert_eq!(state.state, SubscriptionStateValue::Active);
    assert_eq!(document(&request).tuples[0].notes[0].text, "here");
    world.pass(Duration::from_millis(500));
    let (_, request) = notified(&mut world, 2);
    assert_eq!(watchers(&request)[0].1, WatcherStatus::Active);

    change_rules(&mut world, &rules("confirm", all));
    let (state, request) = notified(&mut world, 1);
    assert_eq!(state.state, SubscriptionStateValue::Pending);
    assert!(request.body().is_empty());
    world.pass(Duration::from_millis(500));
    notified(&mut world, 2);

    change_rules(&mut world, &rules("block", all));
    let (state, request) = notified(&mut world, 1);
    assert_eq!(
        (state.state.clone(), state.reason()),
        (SubscriptionStateValue::Terminated, Some("rejected"))
    );
    assert!(request.body().is_empty());
    world.pass(Duration::from_millis(500));
    let (_, request) = notified(&mut world, 2);
    assert_eq!(watchers(&request), []);
}

//= https://www.rfc-editor.org/rfc/rfc3857#section-4.6
//= type=test
//# It is RECOMMENDED that user A be allowed to subscribe to their own
//# watcher information for any package.
#[test]
fn who_watches_is_told_to_the_watched_alone() {
    let mut world = world();
    assert_eq!(
        subscribe(&mut world, 1, "alice", "presence.winfo", "")
            .status()
            .code(),
        403
    );
    assert_eq!(
        subscribe(&mut world, 2, "bob", "presence.winfo", "")
            .status()
            .code(),
        200
    );
    let (_, request) = notified(&mut world, 2);
    assert!(
        request
            .content_type()
            .unwrap()
            .unwrap()
            .is("application", "watcherinfo+xml")
    );
}

#[test]
fn rules_that_cannot_be_had_let_nobody_in_and_nobody_out() {
    let mut world = world();
    subscribe(&mut world, 1, "alice", "presence", "");
    notified(&mut world, 1);
    world.answering = false;
    let text = subscribe_text(&mut world, 3, "carol", "presence", "");
    world.begin(3, "carol", &text);
    let Effect::FetchDocument { id, .. } = world.take_effect() else {
        panic!("no question")
    };
    let result = Err(StoreError::Unavailable);
    world.answer(Answer::Document { id, result });
    assert_eq!(world.get_response(3).status().code(), 500);

    let text = subscribe_text(&mut world, 3, "carol", "presence", "");
    world.begin(3, "carol", &text);
    world.pass(Duration::from_secs(10));
    assert_eq!(world.get_final(3).status().code(), 504);
    world.answering = true;
    world.effects.clear();

    has_rules(&mut world, "<nonsense/>");
    assert_eq!(
        subscribe(&mut world, 3, "carol", "presence", "").status().code(),
        500
    );
    assert_eq!(world.node.load().watchers, 1);
}

#[test]
fn watchers_are_limited_for_each_user_and_in_all() {
    for everywhere in [false, true] {
        let mut config = config();
        if everywhere {
            config.limits.max_presence_subscriptions = 1;
        } else {
            config.limits.max_watchers = 1;
        }
        let mut world = World::with(config);
        world.open(1, false);
        world.open(3, false);
        assert_eq!(
            subscribe(&mut world, 1, "alice", "presence", "").status().code(),
            200
        );
        let response = subscribe(&mut world, 3, "carol", "presence", "");
        assert_eq!(response.status().code(), 503);
        assert!(response.headers().contains(&HeaderName::RETRY_AFTER));
    }
}

#[test]
fn without_rules_the_host_decides() {
    let mut config = config();
    config.presence_default = SubHandling::Confirm;
    let mut world = World::with(config);
    world.open(1, false);
    subscribe(&mut world, 1, "alice", "presence", "");
    let (state, _) = notified(&mut world, 1);
    assert_eq!(state.state, SubscriptionStateValue::Pending);
}

//= R-5.1-02
//= type=test
#[test]
fn a_server_without_presence_leaves_it_to_clients() {
    let mut config = config();
    config.presence = false;
    let mut world = World::with(config);
    world.open(1, false);
    world.open(2, false);
    world.register(2, "bob");
    let text = subscribe_text(&mut world, 1, "alice", "presence", "");
    world.begin(1, "alice", &text);
    assert_eq!(world.get_request(2).method().as_str(), "SUBSCRIBE");
}

#[test]
fn a_watcher_in_another_domain_is_told_as_well() {
    let mut world = World::new();
    world.open(2, false);
    world.open(9, true);
    etag(&publish(&mut world, "", &pidf("a", "open", "")));
    let extra = "Event: presence\r\nContact: <sip:zoe@127.0.0.1:6009>\r\n\
                 P-Asserted-Identity: <sip:zoe@elsewhere.example>\r\n";
    let text = world.text(
        9,
        "SUBSCRIBE",
        "sip:bob@example.com",
        "sip:zoe@elsewhere.example",
        extra,
        "",
    );
    world.send(9, &text);
    assert_eq!(world.get_response(9).status().code(), 200);
    let (_, request) = notified(&mut world, 9);
    assert_eq!(document(&request).tuples[0].basic, Some(Basic::Open));
    let watched = world.events.iter().any(|event| {
        matches!(event, Event::Presence(presence::Event::Watched { watcher, .. }) if watcher == "sip:zoe@elsewhere.example")
    });
    assert!(watched);
}

#[test]
fn a_server_that_ends_tells_those_who_watch() {
    let mut world = world();
    subscribe(&mut world, 1, "alice", "presence", "");
    notified(&mut world, 1);
    world.node.shut_down(world.now);
    world.drain();
    let (state, _) = notified(&mut world, 1);
    assert_eq!(state.reason(), Some("deactivated"));
    world.assert_quiet();
    assert!(world.node.is_drained());
}
