//! Presence, registrations and watchers: read from the RFCs' documents, written, kept up to date.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use im_xdm_model::document::pidf::{Basic, Contact, Device, Person, Presence, Tokens, Tuple, UserInputState};
use im_xdm_model::document::reginfo::{
    self, ContactEvent, ContactState, Reginfo, Registration, RegistrationState,
};
use im_xdm_model::document::watcherinfo::{Watcher, WatcherEvent, WatcherList, WatcherStatus, Watcherinfo};
use im_xdm_model::document::{DisplayName, DocumentState, Updated};
use im_xdm_model::xml::Limits;
use im_xdm_model::{DocumentError, DocumentErrorKind};
use proptest::prelude::*;

/// Reads a document, writes it, and reads that again.
fn round<T: PartialEq + std::fmt::Debug>(
    text: &[u8],
    parse: impl Fn(&[u8], &Limits) -> Result<T, DocumentError>,
    write: impl Fn(&T) -> bytes::Bytes,
) -> T {
    let limits = Limits::default();
    let read = parse(text, &limits).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(text)));
    let written = write(&read);
    assert_eq!(
        parse(&written, &limits).as_ref(),
        Ok(&read),
        "{}",
        String::from_utf8_lossy(&written)
    );
    assert_eq!(write(&parse(&written, &limits).unwrap()), written);
    read
}

macro_rules! data {
    ($($name:literal),* $(,)?) => { [$(&include_bytes!(concat!("data/rfc/", $name, ".xml"))[..]),*] };
}

fn presence(text: &[u8]) -> Presence {
    round(text, Presence::parse, Presence::write)
}

fn reginfo(text: &[u8]) -> Reginfo {
    round(text, Reginfo::parse, Reginfo::write)
}

fn watchers(text: &[u8]) -> Watcherinfo {
    round(text, Watcherinfo::parse, Watcherinfo::write)
}

#[test]
fn presence_of_the_rfcs_is_read() {
    for text in data![
        "rfc3863-01-presence",
        "rfc3863-02-presence",
        "rfc3863-03-presence",
        "rfc3863-04-presence",
        "rfc3863-05-presence",
        "rfc3863-06-presence",
        "rfc4827-01-presence",
    ] {
        presence(text);
    }
    let rich = presence(include_bytes!("data/rfc/rfc4480-01-presence.xml"));
    assert!(rich.is_open());
    assert_eq!(rich.tuples.len(), 3);
    let first = rich.tuples.first().unwrap();
    let contact = first.contact.as_ref().unwrap();
    assert_eq!(
        (contact.uri.as_str(), contact.priority.as_deref()),
        ("im:someone@mobile.example.net", Some("0.8"))
    );
    assert!(first.rpid.relationship.as_ref().unwrap().contains("self"));
    assert_eq!(first.notes.get(1).unwrap().lang.as_deref(), Some("fr"));
    let person = rich.persons.first().unwrap();
    let activities = person.rpid.activities.as_ref().unwrap();
    assert!(activities.contains("away"));
    assert_eq!(activities.from.unwrap().to_string(), "2005-05-30T12:00:00+05:00");
    let mood = person.rpid.mood.as_ref().unwrap();
    assert_eq!(
        (mood.values.as_slice(), mood.other.as_ref().unwrap().text.as_str()),
        (&["angry".to_owned()][..], "brooding")
    );
    assert_eq!(
        person.rpid.sphere.as_ref().unwrap().other.as_ref().unwrap().text,
        "bowling league"
    );
    assert_eq!(person.rpid.time_offset, Some(-240));
    let input = rich.devices.first().unwrap().rpid.user_input.as_ref().unwrap();
    assert_eq!(
        (input.state, input.idle_threshold),
        (UserInputState::Idle, Some(600))
    );
    // What is not typed is kept in place.
    assert_eq!(person.extensions.elements.len(), 1);
}

#[test]
fn presence_that_says_less_than_it_must_is_refused() {
    let kind = |inside: &str| {
        let text =
            format!("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b'>{inside}</presence>");
        Presence::parse(text.as_bytes(), &Limits::default()).map_err(|e| e.kind)
    };
    assert!(kind("<tuple id='a'><status/></tuple>").is_ok());
    assert_eq!(
        kind("<tuple id='a'/>"),
        Err(DocumentErrorKind::MissingElement("status"))
    );
    assert_eq!(
        kind("<tuple><status/></tuple>"),
        Err(DocumentErrorKind::MissingAttribute("id"))
    );
    for (inside, place) in [
        ("<status><basic>ajar</basic></status>", "basic"),
        ("<status/><contact priority='1.5'>im:a@b</contact>", "priority"),
        ("<status/><contact priority='0.1234'>im:a@b</contact>", "priority"),
        ("<status/><timestamp>noon</timestamp>", "timestamp"),
    ] {
        let refused = kind(&format!("<tuple id='a'>{inside}</tuple>"));
        assert_eq!(refused, Err(DocumentErrorKind::BadValue(place)), "{inside}");
    }
}

#[test]
fn registrations_of_the_rfcs_are_read() {
    for text in data![
        "rfc3680-01-reginfo",
        "rfc3680-02-reginfo",
        "rfc3680-03-reginfo",
        "rfc5628-02-reginfo"
    ] {
        reginfo(text);
    }
    let info = reginfo(include_bytes!("data/rfc/rfc5628-01-reginfo.xml"));
    let contact = info.registrations.first().unwrap().contacts.first().unwrap();
    assert_eq!(
        (contact.event, contact.expires, contact.cseq),
        (ContactEvent::Registered, Some(3599), Some(54321))
    );
}

#[test]
fn changes_of_registrations_build_the_whole_state() {
    let contact =
        |id: &str, state, event| reginfo::Contact::new(id, format!("sip:joe@{id}.example.com"), state, event);
    let mut first = Registration::new("sip:joe@example.com", "a7", RegistrationState::Active);
    first
        .contacts
        .push(contact("1", ContactState::Active, ContactEvent::Registered));
    first
        .contacts
        .push(contact("2", ContactState::Active, ContactEvent::Registered));
    let mut known = Reginfo::new(7);
    known.registrations.push(first.clone());

    let mut change = Reginfo::new(8);
    change.state = DocumentState::Partial;
    first.contacts = vec![contact("2", ContactState::Terminated, ContactEvent::Expired)];
    change.registrations.push(first);
    change.registrations.push(Registration::new(
        "sip:ann@example.com",
        "b1",
        RegistrationState::Init,
    ));
    assert_eq!(known.update(&change), Updated::Changed);
    let contacts = &known.registrations.first().unwrap().contacts;
    assert_eq!(
        contacts.iter().map(|c| c.state).collect::<Vec<_>>(),
        [ContactState::Active, ContactState::Terminated]
    );
    assert_eq!(known.registrations.len(), 2);

    //= https://www.rfc-editor.org/rfc/rfc3680#section-5.2
    //= type=test
    //# If the value in the document is less than the local
    //# version, the document is discarded without processing.
    let before = known.clone();
    assert_eq!(known.update(&change), Updated::Stale);
    assert_eq!(known, before);
    change.version = 11;
    assert_eq!(known.update(&change), Updated::Gap);
    assert_eq!(known.update(&Reginfo::new(20)), Updated::Changed);
    assert!(known.registrations.is_empty());
}

#[test]
fn watchers_of_the_rfcs_are_read_and_kept_up_to_date() {
    for text in data![
        "rfc4660-11-watcherinfo",
        "rfc4660-13-watcherinfo",
        "rfc4660-15-watcherinfo",
        "rfc4660-18-watcherinfo"
    ] {
        watchers(text);
    }
    let mut info = watchers(include_bytes!("data/rfc/rfc3858-01-watcherinfo.xml"));
    let list = info.lists.first().unwrap();
    let (resource, known) = (list.resource.clone(), list.watchers.clone());
    assert_eq!(known.first().unwrap().uri, "sip:userA@example.net");
    assert_eq!(known.get(1).unwrap().status, WatcherStatus::Pending);

    let mut list = WatcherList::new(resource, "presence");
    let mut approved = known.get(1).unwrap().clone();
    (approved.status, approved.event) = (WatcherStatus::Active, WatcherEvent::Approved);
    list.watchers.push(approved.clone());
    list.watchers.push(Watcher::new(
        "n",
        "sip:new@example.com",
        WatcherStatus::Pending,
        WatcherEvent::Subscribe,
    ));
    let mut change = Watcherinfo::new(1);
    change.state = DocumentState::Partial;
    change.lists.push(list);
    assert_eq!(info.update(&change), Updated::Changed);
    let watchers = &info.lists.first().unwrap().watchers;
    assert_eq!((watchers.len(), watchers.get(1)), (3, Some(&approved)));
    //= https://www.rfc-editor.org/rfc/rfc3858#section-4
    //= type=test
    //# If the value
    //# in the document is less than the local version, the document is
    //# discarded without processing.
    assert_eq!(info.update(&change), Updated::Stale);
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e9}\u{20ac}\n\t]{0,12}"
}

prop_compose! {
    fn tuple()(id in "[a-z][a-z0-9]{0,4}", open in any::<Option<bool>>(), uri in "[a-z:@]{1,8}",
               note in proptest::option::of(text()), device in proptest::option::of("[a-z:]{1,6}")) -> Tuple {
        let mut tuple = Tuple::new(id);
        tuple.basic = open.map(|open| if open { Basic::Open } else { Basic::Closed });
        tuple.contact = Some(Contact::new(uri));
        tuple.notes = note.into_iter().map(DisplayName::new).collect();
        tuple.device_id = device;
        tuple
    }
}

proptest! {
    #[test]
    fn presence_that_is_written_is_read_back(
        entity in text(),
        tuples in proptest::collection::vec(tuple(), 0..4),
        words in proptest::collection::vec("[a-z][a-z-]{0,8}", 0..3),
        free in proptest::option::of("[a-z]{1,8}( [a-z]{1,4})?"),
        offset in any::<Option<i32>>(),
    ) {
        let mut presence = Presence::new(entity);
        presence.tuples = tuples;
        let mut person = Person::new("p");
        let mut tokens = Tokens::of(words.iter().map(String::as_str).filter(|w| !matches!(*w, "note" | "other")));
        tokens.other = free.map(DisplayName::new);
        person.rpid.activities = Some(tokens.clone());
        person.rpid.sphere = Some(tokens);
        person.rpid.time_offset = offset;
        presence.persons.push(person);
        presence.devices.push(Device::new("d", "urn:x"));
        prop_assert_eq!(Presence::parse(&presence.write(), &Limits::default()), Ok(presence));
    }

    #[test]
    fn registrations_that_are_written_are_read_back(
        version in any::<u64>(), aor in text(), id in text(), uri in "[!-~]{0,12}", call in text(), cseq in any::<Option<u64>>(),
        parameter in proptest::option::of((text(), "[!-~]{0,6}")),
    ) {
        let mut contact = reginfo::Contact::new(id.clone(), uri, ContactState::Active, ContactEvent::Probation);
        contact.call_id = Some(call);
        contact.cseq = cseq;
        contact.parameters = parameter.into_iter().collect();
        let mut registration = Registration::new(aor, id, RegistrationState::Terminated);
        registration.contacts.push(contact);
        let mut info = Reginfo::new(version);
        info.registrations.push(registration);
        prop_assert_eq!(Reginfo::parse(&info.write(), &Limits::default()), Ok(info));
    }
}
