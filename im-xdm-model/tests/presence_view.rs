//! What presence rules let a watcher see (RFC 5025 section 3.3).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::time::Duration;

use im_xdm_model::document::Ruleset;
use im_xdm_model::document::access_rules::SubHandling;
use im_xdm_model::document::pidf::Presence;
use im_xdm_model::policy::{Query, View, evaluate};
use im_xdm_model::xml::Limits;
use sip_im::Uri;

const PRESENCE: &str = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
 xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:x="urn:example:x" entity="sip:bob@example.com">
<tuple id="im"><status><basic>open</basic></status><dm:deviceID>urn:d</dm:deviceID><rpid:class>work</rpid:class>
<contact>sip:bob@example.com:5060</contact><note>busy</note></tuple>
<tuple id="phone"><status><basic>closed</basic></status><contact>tel:+1555</contact><x:odd/></tuple>
<note>about</note>
<dm:person id="p"><rpid:activities><rpid:meeting/></rpid:activities><rpid:mood><rpid:happy/></rpid:mood></dm:person>
<dm:device id="d"><rpid:user-input idle-threshold="60" last-input="2026-01-02T03:04:05Z">idle</rpid:user-input>
<dm:deviceID>urn:d</dm:deviceID></dm:device></presence>"#;

fn seen(rules: &[&str]) -> Presence {
    let mut written = String::new();
    for (number, transformations) in rules.iter().enumerate() {
        write!(
            written,
            "<cr:rule id=\"r{number}\"><cr:actions><sub-handling>allow</sub-handling></cr:actions>\
             <cr:transformations>{transformations}</cr:transformations></cr:rule>"
        )
        .unwrap();
    }
    let text = format!(
        "<cr:ruleset xmlns:cr=\"urn:ietf:params:xml:ns:common-policy\" xmlns=\"urn:ietf:params:xml:ns:pres-rules\">{written}\
         </cr:ruleset>"
    );
    let rules = Ruleset::parse(text.as_bytes(), &Limits::default()).unwrap();
    let who = [Uri::parse("sip:alice@example.com").unwrap().identity()];
    let verdict = evaluate(&rules, &Query::new(&who, Duration::ZERO));
    assert_eq!(verdict.subscription, Some(SubHandling::Allow));
    let presence = Presence::parse(PRESENCE.as_bytes(), &Limits::default()).unwrap();
    View::granted(&rules, &verdict.rule_ids).of_presence(presence)
}

fn tuples(presence: &Presence) -> Vec<&str> {
    presence.tuples.iter().map(|tuple| tuple.id.as_str()).collect()
}

#[test]
fn nothing_is_seen_without_being_granted() {
    let nothing = seen(&[""]);
    assert!(nothing.tuples.is_empty() && nothing.persons.is_empty() && nothing.devices.is_empty());
    assert!(nothing.notes.is_empty());
    assert_eq!(nothing.entity, "sip:bob@example.com");
}

#[test]
fn services_are_granted_by_what_they_are_called() {
    let by = |member: &str| seen(&[&format!("<provide-services>{member}</provide-services>")]);
    assert_eq!(tuples(&by("<all-services/>")), ["im", "phone"]);
    assert_eq!(tuples(&by("<class>work</class>")), ["im"]);
    assert_eq!(tuples(&by("<occurrence-id>phone</occurrence-id>")), ["phone"]);
    assert_eq!(
        tuples(&by("<service-uri>sip:bob@example.com</service-uri>")),
        ["im"]
    );
    assert_eq!(
        tuples(&by("<service-uri-scheme>TEL</service-uri-scheme>")),
        ["phone"]
    );
    assert_eq!(tuples(&by("<class>Work</class>")), [""; 0]);
}

#[test]
fn devices_and_persons_are_granted_apart() {
    let seen_devices = seen(&["<provide-devices><deviceID>urn:d</deviceID></provide-devices>"]);
    assert_eq!((seen_devices.devices.len(), seen_devices.persons.len()), (1, 0));
    let seen_persons = seen(&["<provide-persons><all-persons/></provide-persons>"]);
    assert_eq!((seen_persons.devices.len(), seen_persons.persons.len()), (0, 1));
    assert_eq!(seen_persons.persons[0].rpid.activities, None);
}

#[test]
fn attributes_are_granted_one_by_one() {
    let all = "<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons>\
               <provide-devices><all-devices/></provide-devices>";
    let bare = seen(&[all]);
    assert!(bare.tuples[0].basic.is_some() && bare.tuples[0].contact.is_some());
    assert_eq!(bare.tuples[0].device_id, None);
    assert_eq!(bare.tuples[0].rpid.class, None);
    assert!(bare.tuples[0].notes.is_empty() && bare.tuples[1].extensions.is_empty());
    assert_eq!(bare.devices[0].rpid.user_input, None);

    // What several rules grant adds up.
    let some = seen(&[
        all,
        "<provide-activities>true</provide-activities><provide-mood>false</provide-mood>\
         <provide-user-input>bare</provide-user-input><provide-note>1</provide-note>",
        "<provide-user-input>thresholds</provide-user-input>\
         <provide-unknown-attribute name=\"odd\" ns=\"urn:example:x\">true</provide-unknown-attribute>",
    ]);
    assert!(some.persons[0].rpid.activities.is_some());
    assert_eq!(some.persons[0].rpid.mood, None);
    assert_eq!(some.tuples[0].notes.len(), 1);
    assert_eq!(some.notes.len(), 1);
    assert_eq!(some.tuples[1].extensions.elements.len(), 1);
    let input = some.devices[0].rpid.user_input.as_ref().unwrap();
    assert_eq!(
        (input.idle_threshold, input.last_input.is_some()),
        (Some(60), false)
    );

    let whole = Presence::parse(PRESENCE.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(seen(&[all, "<provide-all-attributes/>"]), whole);
}
