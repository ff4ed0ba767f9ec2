//! Services, settings, profiles and histories of a user: read, written, refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use im_xdm_model::document::history::{Conversation, History, HistoryList, Pager, Participant, Participants};
use im_xdm_model::document::im_settings::{HistoryMode, ImSettings};
use im_xdm_model::document::rls_services::{Packages, Resources, RlsServices, Service};
use im_xdm_model::document::user_profile::{Detail, Details, Gender, UserProfile, Values};
use im_xdm_model::document::{DisplayName, Entry, Item, List};
use im_xdm_model::xml::Limits;
use im_xdm_model::{DocumentError, DocumentErrorKind as Kind};
use proptest::prelude::*;

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

#[test]
fn services_of_the_rfc_are_read() {
    let services = round(
        include_bytes!("data/rfc/rfc4826-02-rls-services.xml"),
        RlsServices::parse,
        RlsServices::write,
    );
    let first = services.services.first().unwrap();
    assert!(matches!(&first.resources, Resources::Reference(uri) if uri.starts_with("http")));
    //= https://www.rfc-editor.org/rfc/rfc4826#section-4.1
    //= type=test
    //# When it is not present, it means
    //# that the RLS service will accept subscriptions for any event package.
    assert!(first.offers("presence") && !first.offers("conference"));
    assert!(Service::new("sip:a@b", Resources::List(List::new())).offers("conference"));
    let mut none = first.clone();
    none.packages = Some(Packages::default());
    assert!(!none.offers("presence"));
    assert!(
        services
            .services
            .iter()
            .any(|s| matches!(&s.resources, Resources::List(list) if !list.children.is_empty()))
    );
    round(
        include_bytes!("data/rfc/rfc4826-05-rls-services.xml"),
        RlsServices::parse,
        RlsServices::write,
    );
}

#[test]
fn services_that_break_the_schema_are_refused() {
    let kind = |inside: &str| {
        let text =
            format!("<rls-services xmlns='urn:ietf:params:xml:ns:rls-services'>{inside}</rls-services>");
        RlsServices::parse(text.as_bytes(), &Limits::default()).map_err(|e| e.kind)
    };
    assert!(kind("").is_ok());
    assert!(kind("<service uri='a'><list/><packages/><x xmlns='y'/></service>").is_ok());
    for (inside, wanted) in [
        ("<service uri='a'/>", Kind::MissingElement("list")),
        ("<service><list/></service>", Kind::MissingAttribute("uri")),
        (
            "<service uri='a'><packages/><list/></service>",
            Kind::UnexpectedElement("service"),
        ),
        (
            "<service uri='a'><list/><list/></service>",
            Kind::UnexpectedElement("service"),
        ),
        (
            "<service uri='a'><list/><packages><list/></packages></service>",
            Kind::UnexpectedElement("packages"),
        ),
        (
            "<service uri='a'>x<list/></service>",
            Kind::UnexpectedText("service"),
        ),
        ("<list/>", Kind::UnexpectedElement("rls-services")),
    ] {
        assert_eq!(kind(inside), Err(wanted), "{inside}");
    }
}

#[test]
fn settings_are_read_by_themselves_and_as_a_part_of_others() {
    let text = include_bytes!("data/authored/poc-settings-im.reconstructed.xml");
    let settings = round(text, ImSettings::parse, ImSettings::write);
    assert_eq!(settings.entity.as_deref(), Some("do39s8zksn2d98x"));
    assert_eq!(
        (settings.offline_delivery, settings.visible),
        (Some(true), Some(true))
    );
    assert!(
        settings.keeps_history(HistoryMode::Session) && !settings.keeps_history(HistoryMode::PagerAndLarge)
    );
    let more = b"<p:poc-settings xmlns:p='urn:oma:params:xml:ns:poc:poc-settings' xmlns='urn:oma:xml:im:service-settings'>\
        <p:entity id='1'><p:isb-settings/></p:entity><p:entity id='2'><p:am-settings/><im-settings>\
        <service-id>x</service-id><z:z xmlns:z='z'/></im-settings></p:entity></p:poc-settings>";
    let settings = round(more, ImSettings::parse, ImSettings::write);
    assert_eq!(
        (settings.other_entities.len(), settings.other_settings.len()),
        (1, 1)
    );
    for wrong in [
        &b"<im-settings xmlns='urn:oma:xml:im:service-settings'><vis-settings/></im-settings>"[..],
        b"<im-settings xmlns='urn:oma:xml:im:service-settings'><vis-settings><vis-status active='x'/></vis-settings></im-settings>",
        b"<im-settings xmlns='urn:oma:xml:im:service-settings'><dance/></im-settings>",
        b"<poc-settings xmlns='urn:oma:params:xml:ns:poc:poc-settings'><entity id='1'/></poc-settings>",
    ] {
        assert!(ImSettings::parse(wrong, &Limits::default()).is_err(), "{}", String::from_utf8_lossy(wrong));
    }
}

#[test]
fn histories_are_read() {
    let text = include_bytes!("data/authored/conv-history.reconstructed.xml");
    let list = round(text, HistoryList::parse, HistoryList::write);
    let history = list.history("sip:hist-0002@im.example.com").unwrap();
    let Some(Conversation::Conference(conference)) = &history.conversation else {
        panic!("{history:?}")
    };
    assert_eq!(conference.participants.as_ref().unwrap().entries.len(), 1);
    // Places are guessed, so other ones are read too.
    let other = b"<history-list xmlns='urn:oma:xml:im:history-list'><history><size>1</size>\
        <history-reference>sip:h@x</history-reference><pager><from>sip:a@b</from></pager></history></history-list>";
    assert_eq!(
        round(other, HistoryList::parse, HistoryList::write)
            .histories
            .first()
            .unwrap()
            .reference,
        "sip:h@x"
    );
    let nameless = b"<history-list xmlns='urn:oma:xml:im:history-list'><history/></history-list>";
    let refused = HistoryList::parse(nameless, &Limits::default()).map_err(|e| e.kind);
    assert_eq!(refused, Err(Kind::MissingAttribute("history-reference")));
}

#[test]
fn a_new_user_has_a_profile() {
    //= R-5.3.2-01
    let profile = UserProfile::of_new_user("sip:alice@example.com", Some("Alice"));
    let read = round(&profile.write(), UserProfile::parse, UserProfile::write);
    assert_eq!(read, profile);
    assert_eq!(read.display_name, Some(DisplayName::new("Alice")));
}

#[test]
fn profiles_are_read() {
    let text = b"<up:user-profiles xmlns:up='urn:oma:xml:xdm:user-profile'><up:user-profile uri='sip:a@b' x:y='z' xmlns:x='x'>\
        <up:communication-addresses><up:comm-addr>tel:+1555</up:comm-addr><x:more/></up:communication-addresses>\
        <up:display-name xml:lang='de'>A</up:display-name><up:birth-date>1980-02-29</up:birth-date>\
        <up:name><up:given-name>Ann</up:given-name></up:name><up:address><up:country>FR</up:country></up:address>\
        <up:gender> female </up:gender><up:hobbies><up:hobby>chess</up:hobby></up:hobbies>\
        <up:favourite-links><up:link>http://example.com</up:link></up:favourite-links><x:else/></up:user-profile></up:user-profiles>";
    let profile = round(text, UserProfile::parse, UserProfile::write);
    assert_eq!(profile.gender, Some(Gender::Female));
    assert_eq!(profile.name.as_ref().unwrap().get(Detail::GivenName), Some("Ann"));
    assert_eq!(profile.extensions.elements.len(), 1);
    for (inside, wanted) in [
        (
            "<birth-date>1981-02-29</birth-date>",
            Kind::BadValue("birth-date"),
        ),
        ("<gender>x</gender>", Kind::BadValue("gender")),
        (
            "<name><country>FR</country></name>",
            Kind::UnexpectedElement("name"),
        ),
        ("<dance/>", Kind::UnexpectedElement("user-profile")),
        ("<name/><name/>", Kind::RepeatedElement("name")),
    ] {
        let text = format!(
            "<user-profiles xmlns='urn:oma:xml:xdm:user-profile'><user-profile uri='a'>{inside}</user-profile></user-profiles>"
        );
        assert_eq!(
            UserProfile::parse(text.as_bytes(), &Limits::default()).map_err(|e| e.kind),
            Err(wanted),
            "{inside}"
        );
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e9}\u{20ac}\n\t]{0,12}"
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        uri in text(), words in proptest::collection::vec(text(), 0..4), names in proptest::collection::vec("[a-z-]{1,8}", 0..3),
        flags in any::<(Option<bool>, Option<bool>, bool)>(), size in any::<Option<u64>>(), trimmed in "[!-~]{1,9}",
    ) {
        let limits = Limits::default();
        let mut list = List::named(uri.clone());
        list.children = words.iter().map(|word| Item::Entry(Entry::new(word.clone()))).collect();
        let mut service = Service::new(uri.clone(), Resources::List(list));
        service.packages = Some(Packages::of(names));
        let services = RlsServices::of(vec![service, Service::new(uri.clone(), Resources::Reference(trimmed.clone()))]);
        prop_assert_eq!(RlsServices::parse(&services.write(), &limits), Ok(services));

        let mut settings = ImSettings::default();
        (settings.offline_delivery, settings.visible) = (flags.0, flags.1);
        settings.set_history(HistoryMode::PagerAndLarge, flags.2);
        settings.entity = size.map(|_| uri.clone());
        prop_assert_eq!(ImSettings::parse(&settings.write(), &limits), Ok(settings));

        let mut pager = Pager::default();
        pager.from = Some(trimmed.clone());
        let mut recipients = Participants::default();
        recipients.entries = words.iter().map(|word| Participant::new(word.clone())).collect();
        pager.recipients = Some(recipients);
        let mut history = History::new(trimmed);
        history.conversation = Some(Conversation::Pager(pager));
        history.size = size;
        history.subject = words.first().cloned();
        let list = HistoryList::of(vec![history]);
        prop_assert_eq!(HistoryList::parse(&list.write(), &limits), Ok(list));

        let mut profile = UserProfile::of_new_user(&uri, words.first().map(String::as_str));
        profile.hobbies = Some(Values::of(words.clone()));
        let mut name = Details::default();
        for (part, word) in [Detail::NamePrefix, Detail::GivenName, Detail::FamilyName].into_iter().zip(&words) {
            name.set(part, word.clone());
        }
        profile.name = Some(name);
        prop_assert_eq!(UserProfile::parse(&profile.write(), &limits), Ok(profile));
    }
}
