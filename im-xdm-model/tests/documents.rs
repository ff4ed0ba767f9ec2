//! Documents of the RFCs are read, and what is written is read back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use im_xdm_model::document::conference_info::{
    Endpoint, EndpointStatus, JoiningMethod, MergeError, Merged, State, User,
};
use im_xdm_model::document::deferred::{DeferredList, DeferredMessage};
use im_xdm_model::document::imdn::{DeliveryStatus, DisplayStatus, Imdn, Notification, ProcessingStatus};
use im_xdm_model::document::is_composing::{self, IsComposing};
use im_xdm_model::document::{
    Action, AllowInvite, Condition, ConferenceInfo, CopyControl, DisplayName, Entry, EntryRef, Except,
    External, Group, IdentityMatch, Item, List, Permission, ResourceLists, Rule, Ruleset, SubHandling,
    Validity,
};
use im_xdm_model::xml::{DateTime, Limits};
use im_xdm_model::{DocumentError, DocumentErrorKind};
use proptest::prelude::*;

fn limits() -> Limits {
    Limits::default()
}

/// Reads a document, writes it, and reads that again.
fn round<T: PartialEq + std::fmt::Debug>(
    text: &[u8],
    parse: impl Fn(&[u8], &Limits) -> Result<T, DocumentError>,
    write: impl Fn(&T) -> bytes::Bytes,
) -> T {
    let read = parse(text, &limits()).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(text)));
    let written = write(&read);
    assert_eq!(
        parse(&written, &limits()).as_ref(),
        Ok(&read),
        "{}",
        String::from_utf8_lossy(&written)
    );
    assert_eq!(write(&parse(&written, &limits()).unwrap()), written);
    read
}

macro_rules! data {
    ($($name:literal),* $(,)?) => { [$(&include_bytes!(concat!("data/", $name))[..]),*] };
}

#[test]
fn resource_lists_of_the_rfcs_are_read() {
    let documents = data![
        "rfc/rfc4825-10-resource-lists.xml",
        "rfc/rfc4825-12-resource-lists.xml",
        "rfc/rfc4826-01-resource-lists.xml",
        "rfc/rfc5362-01-resource-lists.xml",
        "rfc/rfc5364-01-resource-lists.xml",
        "rfc/rfc5364-02-resource-lists.xml",
        "rfc/rfc5365-01-resource-lists.xml",
        "rfc/rfc5365-02-resource-lists.xml",
        "rfc/rfc5366-01-resource-lists.xml",
        "rfc/rfc5366-02-resource-lists.xml",
        "rfc/rfc5366-03-resource-lists.xml",
        "rfc/rfc5368-01-resource-lists.xml",
        "rfc/rfc5368-02-resource-lists.xml",
    ];
    for document in documents {
        round(document, ResourceLists::parse, ResourceLists::write);
    }
    let [friends] = data!["rfc/rfc4826-01-resource-lists.xml"];
    let lists = ResourceLists::parse(friends, &limits()).unwrap();
    let [list] = lists.lists.as_slice() else {
        panic!("one list")
    };
    assert_eq!(list.name.as_deref(), Some("friends"));
    assert!(matches!(
        list.children.as_slice(),
        [Item::Entry(entry), Item::EntryRef(_), Item::List(inner)]
            if entry.display_name == Some(DisplayName::new("Bill Doe")) && inner.children.len() == 3
    ));
}

#[test]
fn copy_control_is_read_in_either_spelling_of_its_namespace() {
    for namespace in [
        "urn:ietf:params:xml:ns:copycontrol",
        "urn:ietf:params:xml:ns:copyControl",
    ] {
        let text = format!(
            "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists' xmlns:cp='{namespace}'><list>\
             <entry uri='sip:a@b' cp:copyControl='cc' cp:anonymize='1' cp:count='3'/></list></resource-lists>"
        );
        let lists = round(text.as_bytes(), ResourceLists::parse, ResourceLists::write);
        let [Item::Entry(entry)] = lists.lists[0].children.as_slice() else {
            panic!("one entry")
        };
        assert_eq!(
            (entry.copy_control, entry.anonymize, entry.count),
            (Some(CopyControl::Cc), true, Some(3))
        );
    }
}

#[test]
fn lists_that_break_the_schema_are_refused() {
    let kind = |inner: &str| {
        let text = format!(
            "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists' xmlns:o='urn:o' \
             xmlns:cp='urn:ietf:params:xml:ns:copycontrol'>{inner}</resource-lists>"
        );
        ResourceLists::parse(text.as_bytes(), &limits()).map_err(|e| e.kind)
    };
    assert!(kind("<list o:x='1'><o:y/></list>").is_ok());
    assert_eq!(
        kind("<entry uri='sip:a@b'/>").unwrap_err(),
        DocumentErrorKind::UnexpectedElement("resource-lists")
    );
    assert_eq!(
        kind("<list><other/></list>").unwrap_err(),
        DocumentErrorKind::UnexpectedElement("list")
    );
    assert_eq!(
        kind("<list><entry/></list>").unwrap_err(),
        DocumentErrorKind::MissingAttribute("uri")
    );
    assert_eq!(
        kind("<list x='1'/>").unwrap_err(),
        DocumentErrorKind::UnexpectedAttribute("list")
    );
    assert_eq!(
        kind("<list>text</list>").unwrap_err(),
        DocumentErrorKind::UnexpectedText("list")
    );
    assert_eq!(
        kind("<list><entry uri='x' cp:copyControl='all'/></list>").unwrap_err(),
        DocumentErrorKind::BadValue("copyControl")
    );
    assert_eq!(
        kind("<list><display-name>a</display-name><display-name>b</display-name></list>").unwrap_err(),
        DocumentErrorKind::RepeatedElement("display-name")
    );
    let error = ResourceLists::parse(b"<resource-lists/>", &limits()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unexpected root element, resource-lists expected at byte 0 (line 1, column 1)"
    );
}

#[test]
fn rules_of_the_rfc_are_read() {
    for document in data![
        "rfc/rfc4745-01-ruleset.xml",
        "rfc/rfc4745-02-ruleset.xml",
        "rfc/rfc4745-03-ruleset.xml",
        "rfc/rfc4745-04-ruleset.xml",
        "rfc/rfc4745-05-ruleset.xml",
        "rfc/rfc4745-06-ruleset.xml",
        "rfc/rfc4745-07-ruleset.xml",
        "authored/access-rules.xml",
    ] {
        round(document, Ruleset::parse, Ruleset::write);
    }
    let [rules] = data!["authored/access-rules.xml"];
    let rules = Ruleset::parse(rules, &limits()).unwrap();
    assert_eq!(rules.rules[1].conditions, [Condition::AnonymousRequest]);
    assert_eq!(
        rules.rules[2].actions,
        [
            Action::AllowInvite(AllowInvite::Pass),
            Action::AllowOfflineStorage(true)
        ]
    );
}

#[test]
fn groups_are_read() {
    let [prearranged, open] = data!["authored/group-prearranged.xml", "authored/group-chat-open.xml"];
    let group = round(prearranged, Group::parse, Group::write);
    assert_eq!(group.uri, "sip:friends@im.example.com");
    assert_eq!((group.members.len(), group.externals.len()), (2, 1));
    assert_eq!((group.invite_members, group.max_participants), (true, Some(10)));
    assert_eq!(group.subject().unwrap().text, "Weekend");
    let rules = group.ruleset.unwrap();
    assert_eq!(rules.rules[0].conditions, [Condition::IsListMember]);
    assert!(
        rules.rules[1]
            .actions
            .contains(&Action::Permission(Permission::AllowExpelling, true))
    );

    let group = round(open, Group::parse, Group::write);
    assert!(!group.invite_members);
    assert!(group.members.is_empty());
}

#[test]
fn conference_state_of_the_rfc_is_read() {
    let [full, other] = data![
        "rfc/rfc4575-01-conference-info.xml",
        "rfc/rfc4575-02-conference-info.xml"
    ];
    let info = round(full, ConferenceInfo::parse, ConferenceInfo::write);
    assert_eq!((info.version, info.state), (Some(1), State::Full));
    assert_eq!(info.conference_state.as_ref().unwrap().user_count, Some(33));
    let alice = &info.users[1];
    assert_eq!(alice.entity.as_deref(), Some("sip:alice@example.com"));
    let endpoint = &alice.endpoints[0];
    assert_eq!(endpoint.status, Some(EndpointStatus::Connected));
    assert_eq!(endpoint.joining_method, Some(JoiningMethod::DialedOut));
    assert_eq!(
        endpoint.joining_info.as_ref().unwrap().by.as_deref(),
        Some("sip:mike@example.com")
    );
    assert_eq!(endpoint.media[0].kind.as_deref(), Some("audio"));
    round(other, ConferenceInfo::parse, ConferenceInfo::write);
}

#[test]
fn partial_states_build_one_coherent_state() {
    let mut state = ConferenceInfo::new("sip:room@example.com", 1);
    state.users.push(User::new("sip:a@example.com"));
    state.users.push(User::new("sip:b@example.com"));
    let partial = |version: u32, users: Vec<User>| {
        let mut update = ConferenceInfo::new("sip:room@example.com", version);
        update.state = State::Partial;
        update.users_state = Some(State::Partial);
        update.users = users;
        ConferenceInfo::parse(&update.write(), &limits()).unwrap()
    };
    let mut joins = User::new("sip:c@example.com");
    joins.endpoints.push(Endpoint::new("sip:c@pc"));
    let mut leaves = User::new("sip:a@example.com");
    leaves.state = State::Deleted;
    assert_eq!(state.merge(&partial(2, vec![joins, leaves])), Ok(Merged::Changed));
    let who = |state: &ConferenceInfo| -> Vec<String> {
        state.users.iter().filter_map(|u| u.entity.clone()).collect()
    };
    assert_eq!(who(&state), ["sip:b@example.com", "sip:c@example.com"]);

    let mut named = User::new("sip:c@example.com");
    named.state = State::Partial;
    named.nickname = Some("C".into());
    assert_eq!(state.merge(&partial(3, vec![named])), Ok(Merged::Changed));
    assert_eq!(state.users[1].nickname.as_deref(), Some("C"));
    assert_eq!(state.users[1].endpoints.len(), 1);

    assert_eq!(state.merge(&partial(3, vec![])), Ok(Merged::Stale));
    let before = state.clone();
    //= https://www.rfc-editor.org/rfc/rfc4575#section-4.6
    //= type=test
    //# if the 'version' number in the received document is more than one number
    //# higher than the previous local version number, the subscriber MUST
    //# generate a subscription refresh request to trigger a full state
    //# notification.
    assert_eq!(state.merge(&partial(5, vec![])), Err(MergeError::Gap));
    assert_eq!(state, before);

    let mut end = ConferenceInfo::new("sip:room@example.com", 9);
    end.state = State::Deleted;
    assert_eq!(state.merge(&end), Ok(Merged::Ended));
    assert_eq!(
        state.merge(&ConferenceInfo::new("sip:x@example.com", 10)),
        Err(MergeError::OtherConference)
    );
}

#[test]
fn own_entries_and_nicknames_are_marked() {
    let text = br#"<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:r@x" state="partial"
        version="7" xmlns:n="urn:ietf:params:xml:ns:xcon-conference-info"><users state="partial">
        <user entity="sip:a@x" yourown="true" n:nickname="Dopey Donkey" state="deleted"/></users></conference-info>"#;
    let info = round(text, ConferenceInfo::parse, ConferenceInfo::write);
    assert_eq!(info.users_state, Some(State::Partial));
    let user = &info.users[0];
    assert_eq!(
        (user.own, user.nickname.as_deref(), user.state),
        (Some(true), Some("Dopey Donkey"), State::Deleted)
    );
}

#[test]
fn disposition_notifications_of_the_rfc_are_read() {
    for document in data![
        "rfc/rfc5438-01-imdn.xml",
        "rfc/rfc5438-02-imdn.xml",
        "rfc/rfc5438-03-imdn.xml",
        "rfc/rfc5438-04-imdn.xml",
        "rfc/rfc5438-05-imdn.xml",
    ] {
        let imdn = round(document, Imdn::parse, Imdn::write);
        assert_eq!(imdn.message_id, "34jk324j");
        assert_eq!(imdn.original_recipient_uri.as_deref(), Some("im:bob@example.com"));
    }
    let [delivered] = data!["rfc/rfc5438-01-imdn.xml"];
    let imdn = Imdn::parse(delivered, &limits()).unwrap();
    assert_eq!(
        imdn.notification,
        Some(Notification::Delivery(DeliveryStatus::Delivered))
    );
}

#[test]
fn disposition_notifications_hold_one_known_status() {
    let kind = |inner: &str| {
        let text = format!(
            "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>1</message-id>\
             <datetime>2008-04-04T12:16:49-05:00</datetime>{inner}</imdn>"
        );
        Imdn::parse(text.as_bytes(), &limits())
            .map(|i| i.notification)
            .map_err(|e| e.kind)
    };
    assert_eq!(kind(""), Ok(None));
    for wrong in ["<displayed/>", "<delivered/><failed/>", ""] {
        let text = format!("<delivery-notification><status>{wrong}</status></delivery-notification>");
        assert_eq!(kind(&text), Err(DocumentErrorKind::BadValue("status")), "{wrong}");
    }
    assert_eq!(
        kind("<delivery-notification/>"),
        Err(DocumentErrorKind::MissingElement("status"))
    );
}

#[test]
fn composing_indications_of_the_rfc_are_read() {
    let [active, idle] = data!["rfc/rfc3994-01-isComposing.xml", "rfc/rfc3994-02-isComposing.xml"];
    let read = round(active, IsComposing::parse, IsComposing::write);
    assert_eq!(
        (read.state, read.refresh.map(u32::from)),
        (is_composing::State::Active, Some(90))
    );
    let read = round(idle, IsComposing::parse, IsComposing::write);
    assert_eq!(read.state, is_composing::State::Idle);
    assert_eq!(read.last_active.unwrap().to_string(), "2003-01-27T10:43:00Z");
    let unknown =
        b"<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>thinking</state></isComposing>";
    assert_eq!(
        IsComposing::parse(unknown, &limits()).unwrap().state,
        is_composing::State::Idle
    );
    let zero = b"<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>idle</state><refresh>0</refresh></isComposing>";
    assert!(IsComposing::parse(zero, &limits()).is_err());
}

fn text() -> impl Strategy<Value = String> {
    // Anything that a document can hold, awkward characters first.
    proptest::string::string_regex("[\\t\\n\\r<>&\"'\\] a-z\u{e9}\u{1F600}]{0,12}").unwrap()
}

fn display_name() -> impl Strategy<Value = Option<DisplayName>> {
    proptest::option::of(
        (proptest::option::of("[a-z]{2}"), text()).prop_map(|(lang, text)| {
            let mut name = DisplayName::new(text);
            name.lang = lang;
            name
        }),
    )
}

fn role() -> impl Strategy<Value = Option<CopyControl>> {
    proptest::option::of(prop_oneof![
        Just(CopyControl::To),
        Just(CopyControl::Cc),
        Just(CopyControl::Bcc)
    ])
}

fn item() -> impl Strategy<Value = Item> {
    let leaf = (
        0..3_u8,
        text(),
        display_name(),
        role(),
        any::<bool>(),
        proptest::option::of(any::<u32>()),
    )
        .prop_map(|(kind, uri, name, role, anonymize, count)| match kind {
            0 => {
                let mut entry = Entry::new(uri);
                (
                    entry.display_name,
                    entry.copy_control,
                    entry.anonymize,
                    entry.count,
                ) = (name, role, anonymize, count);
                Item::Entry(entry)
            }
            1 => {
                let mut entry = EntryRef::new(uri);
                (entry.display_name, entry.copy_control, entry.anonymize) = (name, role, anonymize);
                Item::EntryRef(entry)
            }
            _ => {
                let mut external = External::new(uri);
                (external.display_name, external.copy_control, external.anonymize) = (name, role, anonymize);
                Item::External(external)
            }
        });
    leaf.prop_recursive(4, 20, 5, |inner| {
        (
            proptest::option::of(text()),
            display_name(),
            role(),
            proptest::collection::vec(inner, 0..5),
        )
            .prop_map(|(name, display_name, role, children)| {
                let mut list = List::new();
                (list.name, list.display_name, list.copy_control, list.children) =
                    (name, display_name, role, children);
                Item::List(list)
            })
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let instant = || (0..253_402_300_800_u64).prop_map(|s| DateTime::from_unix(Duration::from_secs(s)));
    let except = (proptest::option::of(text()), proptest::option::of(text())).prop_map(|(id, domain)| {
        let mut except = Except::default();
        (except.id, except.domain) = (id, domain);
        except
    });
    let identity = prop_oneof![
        text().prop_map(|id| IdentityMatch::One { id }),
        (
            proptest::option::of(text()),
            proptest::collection::vec(except, 0..3)
        )
            .prop_map(|(domain, except)| IdentityMatch::Many { domain, except }),
    ];
    prop_oneof![
        proptest::collection::vec(identity, 0..3).prop_map(Condition::Identity),
        text().prop_map(Condition::Sphere),
        proptest::collection::vec(
            (instant(), instant()).prop_map(|(a, b)| Validity::new(a, b)),
            1..3
        )
        .prop_map(Condition::Validity),
        proptest::collection::vec(text(), 0..3).prop_map(Condition::ExternalList),
        Just(Condition::IsListMember),
        Just(Condition::OtherIdentity),
        Just(Condition::AnonymousRequest),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        prop_oneof![
            Just(AllowInvite::Reject),
            Just(AllowInvite::Pass),
            Just(AllowInvite::Accept)
        ]
        .prop_map(Action::AllowInvite),
        Just(Action::SubHandling(SubHandling::PoliteBlock)),
        any::<bool>().prop_map(Action::AllowOfflineStorage),
        any::<bool>().prop_map(|granted| Action::Permission(Permission::AllowExpelling, granted)),
    ];
    (
        text(),
        proptest::collection::vec(condition(), 0..4),
        proptest::collection::vec(action, 0..4),
    )
        .prop_map(|(id, conditions, actions)| {
            let mut rule = Rule::new(id);
            (rule.conditions, rule.actions) = (conditions, actions);
            rule
        })
}

proptest! {
    #[test]
    fn lists_that_are_written_are_read_back(items in proptest::collection::vec(item(), 0..5)) {
        let mut list = List::new();
        list.children = items;
        let lists = ResourceLists::of(vec![list]);
        prop_assert_eq!(ResourceLists::parse(&lists.write(), &limits()), Ok(lists));
    }

    #[test]
    fn rules_that_are_written_are_read_back(rules in proptest::collection::vec(rule(), 0..5)) {
        let rules = Ruleset::of(rules);
        prop_assert_eq!(Ruleset::parse(&rules.write(), &limits()), Ok(rules));
    }

    #[test]
    fn notifications_that_are_written_are_read_back(
        id in "[a-zA-Z0-9@.]{1,20}", at in 0..253_402_300_800_u64, subject in proptest::option::of(text()), kind in 0..4_u8,
    ) {
        let mut imdn = Imdn::new(id.clone(), DateTime::from_unix(Duration::from_secs(at)));
        imdn.subject = subject.clone();
        imdn.notification = match kind {
            0 => None,
            1 => Some(Notification::Delivery(DeliveryStatus::Failed)),
            2 => Some(Notification::Display(DisplayStatus::Forbidden)),
            _ => Some(Notification::Processing(ProcessingStatus::Stored)),
        };
        prop_assert_eq!(Imdn::parse(&imdn.write(), &limits()), Ok(imdn));
        let mut message = DeferredMessage::new(id);
        (message.subject, message.size) = (subject, Some(at));
        message.date = Some(DateTime::from_unix(Duration::from_secs(at)));
        let list = DeferredList::of(vec![message]);
        prop_assert_eq!(DeferredList::parse(&list.write(), &limits()), Ok(list));
    }

    #[test]
    fn groups_that_are_written_are_read_back(
        uri in text(), name in display_name(), members in proptest::collection::vec(text(), 0..4),
        invite in any::<bool>(), count in proptest::option::of(any::<u32>()), ids in proptest::collection::vec(text(), 0..4),
    ) {
        let mut group = Group::new(uri);
        group.display_name = name;
        group.members = members.into_iter().map(Entry::new).collect();
        group.invite_members = invite;
        group.max_participants = count;
        group.ruleset = Some(Ruleset::of(ids.into_iter().map(Rule::new).collect()));
        prop_assert_eq!(Group::parse(&group.write(), &limits()), Ok(group));
    }

    #[test]
    fn conference_states_that_are_written_are_read_back(
        entity in text(), version in any::<u32>(), users in proptest::collection::vec((text(), text(), text()), 0..4),
    ) {
        let mut info = ConferenceInfo::new(entity, version);
        info.users = users.into_iter().map(|(entity, nickname, shown)| {
            let mut user = User::new(entity);
            user.nickname = Some(nickname);
            user.display_text = Some(shown);
            user
        }).collect();
        prop_assert_eq!(ConferenceInfo::parse(&info.write(), &limits()), Ok(info));
    }
}
