//! The kinds of `im-inspect` that read and build SIP: what a line of a batch is answered.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use examples::inspect::{Meter, answer, kinds};
use serde_json::{Value, json};

struct NoMeter;

impl Meter for NoMeter {
    fn start(&self) {}

    fn peak(&self) -> usize {
        0
    }
}

fn ask(kind: &str, octets: &str, more: &Value) -> Value {
    let mut query = json!({"id": 1, "kind": kind, "data": STANDARD.encode(octets)});
    for (key, value) in more.as_object().into_iter().flatten() {
        query[key] = value.clone();
    }
    answer(&query.to_string(), &NoMeter)
}

fn build(op: &str, value: &str) -> Value {
    answer(
        &json!({"id": 1, "kind": "build", "op": op, "value": value}).to_string(),
        &NoMeter,
    )
}

fn decoded(value: &Value) -> String {
    String::from_utf8_lossy(&STANDARD.decode(value.as_str().unwrap()).unwrap()).into_owned()
}

const REQUEST: &str = "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
    From: \"Alice\" <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\
    P-Asserted-Identity: <sip:alice@example.com>, <tel:+1555>\r\nPrivacy: id\r\nContent-Length: 0\r\n\r\n";

#[test]
fn whom_a_request_comes_from_depends_on_trust() {
    let trusted = ask("identity", REQUEST, &json!({"trusted": true}));
    assert_eq!(
        trusted["value"],
        json!({"asserted": ["sip:alice@example.com", "tel:+1555"], "anonymous": true, "privacy": ["id"], "refused": null})
    );
    let untrusted = ask("identity", REQUEST, &json!({}));
    assert_eq!(untrusted["value"]["asserted"], json!([]));
    let malformed = REQUEST.replace("<tel:+1555>", "</>");
    let refused = ask("identity", &malformed, &json!({"trusted": true}));
    assert!(
        refused["value"]["refused"]
            .as_str()
            .unwrap()
            .starts_with("P-Asserted-Identity"),
        "{refused}"
    );
    let twice = REQUEST.replace("Privacy: id", "f: <sip:eve@example.com>;tag=2");
    let refused = ask("identity", &twice, &json!({"trusted": true}));
    assert_eq!(
        (&refused["error"]["where"], &refused["error"]["status"]),
        (&json!("From"), &json!(400))
    );
    assert_eq!(
        (
            &refused["ok"],
            &refused["value"]["asserted"],
            &refused["value"]["refused"]
        ),
        (&json!(false), &json!([]), &refused["error"]["text"])
    );
}

#[test]
fn what_is_forwarded_depends_on_both_neighbours() {
    let forwarded = |from: bool, to: bool| {
        decoded(
            &ask(
                "privacy",
                REQUEST,
                &json!({"from_trusted": from, "to_trusted": to}),
            )["value"]["written"],
        )
    };
    assert_eq!(forwarded(true, true), REQUEST);
    assert!(!forwarded(false, true).contains("P-Asserted-Identity"));
    let outside = forwarded(true, false);
    assert!(
        !outside.to_lowercase().contains("alice") && outside.contains("anonymous.invalid"),
        "{outside}"
    );
    let critical = REQUEST.replace("Privacy: id", "Privacy: critical;session");
    let refused = ask(
        "privacy",
        &critical,
        &json!({"from_trusted": true, "to_trusted": false}),
    );
    assert_eq!(
        (&refused["error"]["status"], &refused["error"]["text"]),
        (&json!(500), &json!("Privacy Failure: session"))
    );
}

#[test]
fn media_are_described_one_by_one() {
    let offer = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\
        m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim text/plain\r\na=path:msrp://192.0.2.1:2855/x1;tcp\r\n\
        a=setup:active\r\na=max-size:4096\r\na=chatroom:nickname\r\na=msrp-cema\r\na=sendonly\r\n";
    let described = ask("sdp", offer, &json!({}));
    let media = &described["value"]["media"];
    assert_eq!(
        (&media[0]["type"], &media[0]["port"], &media[0]["path"]),
        (&json!("audio"), &json!(4000), &json!([]))
    );
    let said = json!({
        "type": "message", "port": 2855, "proto": "TCP/MSRP", "path": ["msrp://192.0.2.1:2855/x1;tcp"],
        "accept_types": ["message/cpim", "text/plain"], "accept_wrapped_types": [], "max_size": 4096, "setup": "active",
        "chatroom": ["nickname"], "fingerprint": null, "msrp_cema": true, "file_selector": null, "direction": "sendonly",
        "address": "192.0.2.1", "file": null,
    });
    for (key, value) in said.as_object().unwrap() {
        assert_eq!(&media[1][key], value, "{key}");
    }
    let answered = ask("sdp-answer", offer, &json!({}));
    assert_eq!(
        answered["refused"],
        json!([{"where": "m=audio (0)", "text": "not an msrp medium"}])
    );
    let written = decoded(&ask("sdp-answer", offer, &json!({}))["value"]["written"]);
    assert!(
        written.contains("m=audio 0 ") && written.contains("a=setup:passive"),
        "{written}"
    );
    let no_path = offer.replace("a=path:", "a=other:");
    let described = ask("sdp", &no_path, &json!({}));
    assert_eq!(
        (&described["ok"], &described["refused"][0]["where"]),
        (&json!(true), &json!("path"))
    );
    assert_eq!(ask("sdp-answer", &no_path, &json!({}))["error"]["status"], 488);
    assert_eq!(ask("sdp", "v=1\r\n", &json!({}))["error"]["code"], "version");
}

#[test]
fn a_file_is_described_and_every_fault_of_it_told() {
    let offer = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=message 2855 TCP/MSRP *\r\n\
        a=accept-types:*\r\na=path:msrp://192.0.2.1:2855/x1;tcp\r\na=sendonly\r\n\
        a=file-selector:name:\"a%2Fb\" type:image/jpeg size:5 hash:sha-1:0A:0B\r\na=file-transfer-id:t1\r\n\
        a=file-disposition:render\r\na=file-date:creation:\"15 May 2006 15:01:31 +0300\"\r\na=file-icon:cid:i@a\r\na=file-range:1-*\r\n";
    let described = ask("sdp", offer, &json!({}));
    assert_eq!(described["refused"], json!([]));
    let said = json!({
        "file_selector": "name:\"a%2Fb\" type:image/jpeg size:5 hash:sha-1:0A:0B",
        "file": {"name": "a/b", "local_name": "a_b", "size": 5, "type": "image/jpeg", "hashes": ["sha-1:0A:0B"]},
        "file_transfer_id": "t1", "file_disposition": "render", "file_icon": "cid:i@a", "file_range": [1, null],
        "file_date": {"creation": "15 May 2006 15:01:31 +0300", "modification": null, "read": null},
    });
    for (key, value) in said.as_object().unwrap() {
        assert_eq!(&described["value"]["media"][0][key], value, "{key}");
    }
    let written = decoded(&ask("sdp-answer", offer, &json!({}))["value"]["written"]);
    assert!(
        written.contains("a=recvonly") && written.contains("a=file-transfer-id:t1"),
        "{written}"
    );
    let broken = offer
        .replace("size:5", "size:five")
        .replace("1-*", "0-*")
        .replace("+0300", "GMT");
    let described = ask("sdp", &broken, &json!({}));
    let places: Vec<&Value> = described["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["where"])
        .collect();
    assert_eq!(places, ["file-selector", "file-date", "file-range"]);
}

#[test]
fn parts_are_cut_at_the_boundary_of_the_type() {
    let body = "--b 1\r\nContent-ID: <c1>\r\nContent-Disposition: recipient-list\r\nContent-Type: a/b\r\n\r\nHi\r\n--b 1\r\n\r\n\r\n--b 1--\r\n";
    let parts = ask(
        "multipart",
        body,
        &json!({"content_type": "multipart/mixed;boundary=\"b 1\""}),
    );
    assert_eq!(
        parts["value"]["parts"],
        json!([
            {"content_type": "a/b", "disposition": "recipient-list", "content_id": "c1", "length": 2, "body": "Hi"},
            {"content_type": "text/plain", "disposition": null, "content_id": null, "length": 0, "body": ""},
        ])
    );
    assert_eq!(
        ask("multipart", body, &json!({"content_type": "text/plain"}))["error"]["status"],
        415
    );
    assert_eq!(
        ask("multipart", body, &json!({"content_type": "multipart/mixed"}))["error"]["code"],
        "boundary"
    );
    assert_eq!(
        ask("multipart", body, &json!({}))["error"]["where"],
        "content_type"
    );
}

#[test]
fn parts_in_parts_are_described_in_their_place() {
    let body = "--a\r\nContent-Type: multipart/related;boundary=b;start=\"<2@x>\"\r\n\r\n--b\r\nContent-ID: <1@x>\r\n\r\none\r\n--b\r\n\
        Content-ID: <2@x>\r\nContent-Transfer-Encoding: binary\r\n\r\n\r\n--b--\r\n--a\r\nContent-Type: multipart/mixed\r\n\r\n\r\n--a\r\n\
        Content-Type: message/external-body;access-type=URL;url=\"http://a/b\";expiration=\"Mon, 24 Jun 2002 09:00:00 GMT\"\r\n\r\n\
        Content-Type: image/png\r\nContent-Disposition: render\r\n\r\n\r\n--a--";
    let answer = ask(
        "multipart",
        body,
        &json!({"content_type": "multipart/mixed;boundary=a"}),
    );
    let parts = &answer["value"]["parts"];
    assert_eq!(parts[0]["parts"][1]["transfer_encoding"], "binary");
    assert_eq!(
        (&parts[0]["parts"][0]["body"], &parts[0]["parts"][1]["length"]),
        (&json!("one"), &json!(0))
    );
    assert_eq!(
        (
            &parts[2]["external"]["uri"],
            &parts[2]["external"]["content_type"]
        ),
        (&json!("http://a/b"), &json!("image/png"))
    );
    assert_eq!(
        answer["refused"],
        json!([{"where": "Content-Type", "text": "missing or invalid boundary at byte 0"}])
    );
    let related = ask(
        "multipart",
        "--b\r\n\r\n\r\n--b\r\nContent-ID: <2@x>\r\n\r\n\r\n--b--",
        &json!({"content_type": "multipart/related;boundary=b;start=\"<2@x>\""}),
    );
    assert_eq!(related["value"]["root"], 1);
}

const OPS: [&str; 18] = [
    "display_name",
    "uri_user",
    "uri_param_value",
    "header_name",
    "method",
    "reason_phrase",
    "call_id",
    "branch",
    "from_tag",
    "content_type",
    "auth_realm",
    "auth_username",
    "cpim_from_name",
    "msrp_message_id",
    "msrp_body",
    "multipart_part",
    "resource_list_display_name",
    "resource_list_uri",
];

#[test]
fn a_plain_value_is_read_back_from_every_place() {
    for op in OPS {
        let value = match op {
            "content_type" => "text/x-own",
            "msrp_message_id" => "abcd1234",
            "resource_list_uri" => "sip:carol@example.com",
            _ => "x-own",
        };
        let built = build(op, value);
        assert_eq!(built["ok"], true, "{op}: {built}");
        assert_eq!(built["value"]["read_back"], value, "{op}");
        assert_eq!(
            built["value"]["header_count_before"], built["value"]["header_count_after"],
            "{op}"
        );
    }
    assert_eq!(build("nonsense", "x")["error"]["where"], "op");
}

#[test]
fn no_value_adds_a_line_or_becomes_another() {
    let hostile = [
        "a\r\nEvil: b",
        "a\nEvil: b",
        "a\rEvil: b",
        "\"\r\n\r\n<sip:eve@example.com>",
        "a\" <sip:eve@example.com>;tag=\"",
        "<sip:eve@example.com>",
        "a\\",
        "a\0b",
        "\u{e9}\u{4e16}",
        "a;b=c,d?e=f&g@h",
        "--x\r\n\r\n-------a$\r\n",
        "a</display-name><entry uri=\"sip:eve@example.com\"/>",
        "]]>&amp;<!--",
        "",
        " ",
    ];
    let mut accepted = std::collections::BTreeSet::new();
    for op in OPS {
        for value in hostile {
            let built = build(op, value);
            if built["ok"] == false {
                assert_eq!(built["error"]["code"], "invalid_value", "{op} {value:?}: {built}");
                continue;
            }
            accepted.insert(op);
            let value_of = &built["value"];
            assert_eq!(
                value_of["header_count_before"], value_of["header_count_after"],
                "{op} {value:?}: {built}"
            );
            // A line end cannot be in a quoted string and becomes a space, NUL cannot be in XML; all else is as it was.
            let read = value_of["read_back"].as_str().unwrap();
            let same = [
                value.to_owned(),
                value.replace(['\r', '\n'], " "),
                value.replace('\0', "\u{fffd}"),
            ]
            .iter()
            .any(|value| value == read);
            assert!(
                same,
                "{op} {value:?}: {} {}",
                value_of["read_back"],
                decoded(&value_of["written"])
            );
        }
    }
    // Places of free text take nearly all of them.
    for op in [
        "display_name",
        "uri_user",
        "uri_param_value",
        "reason_phrase",
        "auth_realm",
        "cpim_from_name",
        "msrp_body",
        "multipart_part",
    ] {
        assert!(accepted.contains(op), "{op}");
    }
}

#[test]
fn the_kinds_are_in_alphabetical_order() {
    let listed: Vec<&str> = kinds().collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
    for kind in ["build", "identity", "multipart", "privacy", "sdp", "sdp-answer"] {
        assert!(listed.contains(&kind));
    }
}

const RULES: &str = "<cr:ruleset xmlns:cr='urn:ietf:params:xml:ns:common-policy' xmlns:p='urn:oma:xml:poc:poc-rules' \
    xmlns:o='urn:oma:xml:xdm:common-policy' xmlns:x='urn:oma:xml:xdm:extensions' xmlns:l='urn:oma:xml:poc:list-service'>\
    <cr:rule id='spam'><cr:conditions><cr:identity><cr:one id='sip:spam@example.com'/></cr:identity></cr:conditions>\
    <cr:actions><p:allow-invite>reject</p:allow-invite></cr:actions></cr:rule>\
    <cr:rule id='nobody'><cr:conditions><o:anonymous-request/></cr:conditions>\
    <cr:actions><x:allow-offline-storage x:allow='true'/></cr:actions></cr:rule>\
    <cr:rule id='then'><cr:conditions><cr:validity><cr:from>2026-01-01T00:00:00Z</cr:from>\
    <cr:until>2026-01-02T00:00:00+01:00</cr:until></cr:validity></cr:conditions>\
    <cr:actions><l:join-handling>true</l:join-handling></cr:actions></cr:rule></cr:ruleset>";

#[test]
fn rules_decide_by_whom_and_when() {
    let decide = |keys: Value| {
        let mut query = json!({"id": 1, "kind": "policy", "rules": RULES});
        for (key, value) in keys.as_object().unwrap() {
            query[key] = value.clone();
        }
        let answer = answer(&query.to_string(), &NoMeter);
        (
            answer["value"]["decision"].clone(),
            answer["value"]["rule_ids"].clone(),
        )
    };
    assert_eq!(
        decide(json!({"asserted": "sip:spam@EXAMPLE.com:5060;x=y", "now": 0, "action": "message"})),
        (json!("block"), json!(["spam"]))
    );
    assert_eq!(
        decide(json!({"asserted": ["tel:+1-555"], "aliases": [["tel:+1555", "sip:spam@example.com"]]})),
        (json!("block"), json!(["spam"]))
    );
    assert_eq!(
        decide(json!({"asserted": ["sip:spam@example.com"], "anonymous": true})),
        (json!("defer"), json!(["nobody"]))
    );
    for (now, decision) in [
        (json!("2026-01-01T12:00:00Z"), "allow"),
        (json!(1_767_222_000), "deny"),
        (json!("2026-01-01T23:00:00Z"), "deny"),
    ] {
        let asked = json!({"asserted": "sip:a@example.com", "now": now, "action": "join-handling"});
        assert_eq!(decide(asked).0, json!(decision), "{now}");
    }
    let unknown = ask("policy", RULES, &json!({"action": "dance"}));
    assert_eq!(unknown["error"]["where"], "action");
}

#[test]
fn documents_are_told_as_models_and_written_back() {
    let read = ask("access-rules", RULES, &json!({}));
    assert_eq!(read["value"]["rules"][0]["id"], "spam");
    let again = ask("access-rules", &decoded(&read["value"]["written"]), &json!({}));
    assert_eq!(again["value"], read["value"]);
    let refused = ask(
        "imdn",
        "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><dance/></imdn>",
        &json!({}),
    );
    assert_eq!(refused["error"]["status"], 400);
    assert!(refused["error"]["code"].is_string());
}

#[test]
fn xcap_requests_tell_what_becomes_of_the_document() {
    const LISTS: &str =
        "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list name='a'/></resource-lists>";
    let home = "http://xcap.example.com/root/resource-lists/users/sip:joe@example.com/index";
    let run = |keys: Value| {
        let mut query = json!({"id": 1, "kind": "xcap"});
        for (key, value) in keys.as_object().unwrap() {
            query[key] = value.clone();
        }
        let answer = answer(&query.to_string(), &NoMeter);
        assert_eq!(answer["ok"], true, "{answer}");
        answer["value"].clone()
    };
    let created = run(json!({
        "method": "PUT", "uri": home, "document": null, "body": LISTS, "content_type": "application/resource-lists+xml",
    }));
    assert_eq!(
        (&created["status"], &created["document"]),
        (&json!(201), &json!(LISTS))
    );
    let put = json!({
        "method": "PUT", "uri": format!("{home}/~~/resource-lists/list%5b@name=%22a%22%5d/entry"), "document": LISTS,
        "body": "<entry uri='sip:b@example.com'/>", "content_type": "application/xcap-el+xml", "if_match": created["etag"],
    });
    let changed = run(put.clone());
    assert_eq!(changed["status"], 201);
    let after = LISTS.replace(
        "<list name='a'/>",
        "<list name='a'><entry uri='sip:b@example.com'/></list>",
    );
    assert_eq!(changed["document"], after);
    assert_ne!(changed["etag"], created["etag"]);
    let mut stale = put;
    stale["document"] = json!(after);
    let refused = run(stale);
    assert_eq!(
        (&refused["status"], &refused["document"]),
        (&json!(412), &json!(after))
    );
    let fetched =
        run(json!({"method": "GET", "uri": format!("{home}/~~/*/list/entry/@uri"), "document": after}));
    assert_eq!(fetched["response"], "'sip:b@example.com'");
    assert_eq!(fetched["content_type"], "application/xcap-att+xml");
    let gone = run(json!({"method": "DELETE", "uri": home, "document": after}));
    assert_eq!((&gone["status"], &gone["document"]), (&json!(200), &Value::Null));
    let conflict = run(json!({
        "method": "PUT", "uri": home, "document": null, "body": "<a>", "content_type": "application/resource-lists+xml",
    }));
    assert_eq!(
        (&conflict["status"], &conflict["document"]),
        (&json!(409), &Value::Null)
    );
    let told = ask("xcap-error", conflict["response"].as_str().unwrap(), &json!({}));
    assert_eq!(told["value"]["condition"], "not-well-formed");
    let allowed = run(
        json!({"method": "PUT", "uri": format!("{home}/~~/*/namespace::*"), "document": after, "body": ""}),
    );
    assert_eq!(
        (&allowed["status"], &allowed["allow"]),
        (&json!(405), &json!("GET, HEAD"))
    );
    for (uri, status) in [
        ("/unknown/users/sip:joe@example.com/index", 404),
        ("/resource-lists/users/sip:joe@example.com/index/~~/p:a", 400),
        ("/resource-lists", 404),
    ] {
        assert_eq!(
            run(json!({"method": "GET", "uri": uri, "document": after}))["status"],
            status
        );
    }
    let caps = run(json!({"method": "GET", "uri": "/xcap-caps/global/index", "document": null}));
    let told = ask("xcap-caps", caps["response"].as_str().unwrap(), &json!({}));
    assert!(
        told["value"]["auids"]
            .as_array()
            .unwrap()
            .contains(&json!("xcap-caps"))
    );
}

#[test]
fn credentials_say_what_is_not_acceptable_in_them() {
    let good =
        "Digest username=\"b\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"00\", auts=\"x==\"";
    let answer = ask("sip-auth", good, &json!({}));
    assert_eq!(
        (&answer["value"]["auts"], &answer["refused"]),
        (&json!("x=="), &json!([]))
    );
    for (from, to, place) in [
        ("response", "x", "response"),
        ("\"00\"", "\"0g\"", "response"),
        ("auts=", "qop=auth, x=", "cnonce"),
        ("auts=", "algorithm=new, x=", "algorithm"),
        ("auts=", "nc=1, x=", "nc"),
    ] {
        let answer = ask("sip-auth", &good.replace(from, to), &json!({}));
        assert_eq!(
            (&answer["ok"], &answer["refused"][0]["where"]),
            (&json!(true), &json!(place)),
            "{to}"
        );
    }
}
