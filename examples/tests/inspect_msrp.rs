//! The kinds of `im-inspect` that put a session behind the octets of a connection, and read envelopes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use examples::inspect::{Meter, answer};
use serde_json::{Value, json};

struct NoMeter;

impl Meter for NoMeter {
    fn start(&self) {}

    fn peak(&self) -> usize {
        0
    }
}

const OWN: &str = "msrp://own.example:2855/ours;tcp";
const PEER: &str = "msrp://peer.example:7654/theirs;tcp";

fn chunk(id: &str, headers: &str, range: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP tid1 SEND\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\nByte-Range: {range}\r\n{headers}\
         Content-Type: text/plain\r\n\r\n{body}\r\n-------tid1{flag}\r\n"
    )
}

fn inspect(octets: &str, cuts: &[usize]) -> Value {
    let query = json!({"id": 1, "kind": "msrp-session", "data": STANDARD.encode(octets), "cuts": cuts});
    let answer = answer(&query.to_string(), &NoMeter);
    assert_eq!(answer["ok"], true);
    answer["value"].clone()
}

fn sent(value: &Value) -> String {
    String::from_utf8(STANDARD.decode(value["sent"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn messages_are_put_together_from_their_chunks() {
    let octets = [
        chunk("12345678", "", "6-*/11", " wXrld", '$'),
        chunk("abcdefgh", "", "1-3/3", "one", '$'),
        chunk("12345678", "", "7-*/*", "wo", '+'),
        chunk("12345678", "", "1-5/11", "hello", '+'),
    ]
    .concat();
    let value = inspect(&octets, &[]);
    assert_eq!(
        value["messages"],
        json!([
            {"id": "12345678", "body": "hello world", "complete": true, "content_type": "text/plain"},
            {"id": "abcdefgh", "body": "one", "complete": true, "content_type": "text/plain"},
        ])
    );
    assert_eq!(value["open_messages"], 0);
    assert_eq!(sent(&value).matches("MSRP tid1 200 OK\r\n").count(), 4);
    let each: Vec<usize> = (1..octets.len()).collect();
    assert_eq!(inspect(&octets, &each), value);
}

#[test]
fn what_is_not_complete_is_shown_up_to_its_gap() {
    let octets = [
        chunk("12345678", "", "1-*/1000000000000000", "hello", '+'),
        chunk("12345678", "", "9-*/1000000000000000", "there", '+'),
        chunk("abcdefgh", "", "1-*/9", "gone", '+'),
        chunk("abcdefgh", "", "5-*/9", "", '#'),
    ]
    .concat();
    let value = inspect(&octets, &[]);
    assert_eq!(
        value["messages"],
        json!([
            {"id": "12345678", "body": "hello", "complete": false, "content_type": "text/plain"},
            {"id": "abcdefgh", "body": "gone", "complete": false, "content_type": "text/plain"},
        ])
    );
    assert_eq!(value["open_messages"], 1);
}

#[test]
fn a_message_that_comes_again_is_answered_and_reported_but_shown_once() {
    let once = chunk("12345678", "Success-Report: yes\r\n", "1-5/5", "hello", '$');
    let value = inspect(&once.repeat(2), &[]);
    assert_eq!(value["messages"].as_array().unwrap().len(), 1);
    let sent = sent(&value);
    assert_eq!(sent.matches(" 200 OK\r\nTo-Path").count(), 2);
    assert_eq!(sent.matches(" REPORT\r\n").count(), 2);
}

#[test]
fn strangers_and_nonsense_are_answered_as_the_protocol_says() {
    let bind = chunk("12345678", "", "1-2/2", "hi", '$');
    let stranger = bind.replace("/ours", "/other").replace("tid1", "tid2");
    let value = inspect(&format!("{bind}{stranger}"), &[]);
    assert_eq!(value["messages"].as_array().unwrap().len(), 1);
    assert!(sent(&value).contains("MSRP tid2 481 No Such Session\r\n"));
    let value = inspect("nonsense\r\n", &[]);
    assert_eq!((&value["messages"], sent(&value)), (&json!([]), String::new()));
}

#[test]
fn what_came_before_a_fault_is_answered_however_it_is_cut() {
    let octets = chunk("message1", "", "1-5/5", "hello", '$') + "no message\r\n";
    for cuts in [&[][..], &[octets.len() - 12]] {
        let value = inspect(&octets, cuts);
        assert!(sent(&value).starts_with("MSRP tid1 200 OK\r\n"), "{cuts:?}");
        assert_eq!(value["messages"][0]["complete"], true);
    }
}

#[test]
fn an_envelope_is_refused_for_a_header_that_is_named() {
    let envelope =
        "From: <sip:a@b>\r\nDateTime: 2000-02-30T13:40:00Z\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
    let query = json!({"id": 1, "kind": "cpim", "data": STANDARD.encode(envelope)});
    let answer = answer(&query.to_string(), &NoMeter);
    let error = &answer["error"];
    assert_eq!(answer["ok"], false);
    assert_eq!(
        (&error["where"], &error["offset"]),
        (&json!("DateTime"), &json!(17))
    );
}
