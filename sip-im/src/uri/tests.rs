use proptest::prelude::*;

use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_examples_of_rfc_3261_are_read() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:sips%3Auser%40example.com@example.net",
        "sip:user;par=u%40example.net@example.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "sip:[2001:db8::10]:5070",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "im:fred@example.com",
        "urn:service:sos",
        "soap.beep://192.0.2.103:3002",
        "isbn:2983792873",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        ":",
        "/",
        "sip",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:a b@example.com",
        "sip:alice@exa mple.com",
        "sip:alice@example.com:",
        "sip:alice@example.com:5x",
        "sip:alice@example.com:65536",
        "sip:alice@example.com:+5",
        "sip:alice@example.com;",
        "sip:alice@example.com;;a",
        "sip:alice@example.com;a=",
        "sip:alice@example.com;=b",
        "sip:alice@example.com;a=\"b\"",
        "sip:alice@example.com;a=1;A=2",
        "sip:alice@example.com;t=1;%54=2",
        "tel:+1;%74;t=2",
        "sip:alice@example.com?",
        "sip:a%4@example.com",
        "sip:a%zz@example.com",
        "sip:a@b@example.com",
        "sip:a@[2001:db8::1",
        "sip:a@[::g]",
        "sip:a@1.2.3",
        "sip:a@-x.com",
        "sip:a@x..com",
        "sip:a@[2001:db8:::1]",
        "1sip:a@b",
        "sip:ä@example.com",
        "tel:",
        "tel:+",
        "tel:12a.x",
        "tel:+12a",
        "tel:7042",
        "tel:+1;ext=",
        "im:",
        "urn:",
        "<sip:a@b>",
        "sip:a@b>",
    ] {
        assert!(Uri::parse(text).is_err(), "{text}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
//= type=test
//# A user, ttl, or method uri-parameter appearing in only one
//# URI never matches, even if it contains the default value.
#[test]
fn equality_is_that_of_rfc_3261() {
    for (a, b) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:DB8:0::1]", "sip:a@[2001:db8::1]"),
        ("sip:a@[2001:db8:::192.0.2.1]", "sip:a@[2001:db8::192.0.2.1]"),
        ("tel:+1-555-1234;ext=1-2", "tel:+15551234;EXT=12"),
    ] {
        assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
    }
    for (a, b) in [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=ip"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=1.2.3.4"),
        ("sip:a%2Cb@biloxi.com", "sip:a,b@biloxi.com"),
        ("tel:+1555", "tel:+1555;ext=1"),
    ] {
        assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(!uri(b).equivalent(&uri(a)), "{b} {a}");
    }
}

#[test]
fn identity_has_one_spelling() {
    for (text, identity) in [
        ("sips:Alice@EXAMPLE.com:5061;a=b?c=d", "sip:Alice@example.com"),
        ("sip:al%69ce:pw@example.com.", "sip:alice@example.com"),
        ("sip:a%2c@example.com", "sip:a%2C@example.com"),
        ("sip:example.com:5060", "sip:example.com"),
        ("sip:a@[::ffff:192.0.2.1]", "sip:a@192.0.2.1"),
        ("tel:+1-(555)-1234;x=y", "tel:+15551234"),
        ("sip:+1.555.1234@gw.com", "tel:+15551234"),
        ("sip:%2B1.555.1234;isub=3@gw.com;user=phone", "tel:+15551234"),
        (
            "sip:7042;phone-context=EXAMPLE.com@gw.com;user=phone",
            "tel:7042;phone-context=example.com",
        ),
        (
            "tel:70-42;phone-context=example.com",
            "tel:7042;phone-context=example.com",
        ),
        ("sip:7042@gw.com;user=phone", "sip:7042@gw.com"),
        ("sip:+alice@example.com", "sip:+alice@example.com"),
    ] {
        assert_eq!(uri(text).identity().to_string(), identity, "{text}");
    }
}

#[test]
fn aliases_fold_whatever_order_they_are_told_in() {
    let mut aliases = Aliases::new();
    aliases.insert(&uri("tel:+1555"), &uri("sip:al@example.com"));
    aliases.insert(&uri("sip:al@example.com"), &uri("sip:alice@example.com"));
    aliases.insert(&uri("sip:alice@example.com"), &uri("tel:+1555"));
    let alice = uri("sip:alice@example.com").identity();
    for text in ["tel:+1-555", "sip:al@example.com:5060", "sip:alice@example.com"] {
        assert_eq!(aliases.fold(&uri(text).identity()), alice);
    }
}

#[test]
fn edits_keep_the_rest() {
    let start = uri("sip:alice@example.com;a=1;lr?x=y");
    assert_eq!(
        start.with_parameter("A", Some("2 ;\r\n")).unwrap().as_str(),
        "sip:alice@example.com;lr;A=2%20%3B%0D%0A?x=y"
    );
    assert_eq!(
        start.without_parameter("lr").as_str(),
        "sip:alice@example.com;a=1?x=y"
    );
    assert_eq!(start.without_parameters().as_str(), "sip:alice@example.com");
    assert_eq!(
        Uri::sip("a b@c;d>", "example.com").unwrap().as_str(),
        "sip:a%20b%40c;d%3E@example.com"
    );
    assert!(Uri::sip("a", "example.com>\r\nX: y").is_err());
}

#[test]
fn the_password_is_not_in_the_debug_text() {
    assert_eq!(
        format!("{:?}", uri("sip:a:secret@b.com")),
        "sip:a:[redacted]@b.com"
    );
}

#[test]
fn parameters_are_bounded() {
    let many: Vec<String> = (0..65).map(|n| format!(";p{n}")).collect();
    let many = many.concat();
    assert_eq!(
        Uri::parse(&format!("sip:a@b.com{many}")).map_err(|error| error.kind),
        Err(ParseErrorKind::LimitExceeded)
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_written_back(text in "\\PC{0,40}") {
        if let Ok(parsed) = Uri::parse(&text) {
            prop_assert_eq!(parsed.as_str(), text.as_str());
            prop_assert!(parsed.equivalent(&parsed));
            let _ = parsed.identity();
        }
    }

    #[test]
    fn sip_like_text_is_read_or_refused(text in "sips?:[a-z%0-9@:;=?&.\\[\\]]{0,40}") {
        if let Ok(parsed) = Uri::parse(&text) {
            let identity = parsed.identity();
            let again = Uri::parse(identity.as_str()).unwrap();
            prop_assert_eq!(again.identity(), identity);
            prop_assert!(parsed.without_parameters().parameters().next().is_none());
        }
    }

    #[test]
    fn any_user_can_be_written(user in "\\PC{1,20}") {
        let made = Uri::sip(&user, "example.com").unwrap();
        prop_assert_eq!(made.host(), Some("example.com"));
    }
}

#[test]
fn what_names_a_telephone_is_well_formed() {
    for bad in [
        "tel:+1555;ext",
        "tel:+1555;ext=",
        "tel:+1555;ext=a",
        "tel:7042;phone-context",
        "tel:7042;phone-context=",
        "tel:7042;phone-context=+",
        "tel:7042;phone-context=a/b",
        "tel:+1555;ext=1;ext=2",
        "tel:7042",
    ] {
        assert!(Uri::parse(bad).is_err(), "{bad}");
    }
    for good in [
        "tel:+1555;ext=1-2",
        "tel:7042;phone-context=+1-2",
        "tel:7042;phone-context=Example.com",
        "tel:+1555;isub=a/b;x",
    ] {
        let identity = uri(good).identity();
        assert_eq!(uri(identity.as_str()).identity(), identity, "{good}");
    }
    // In a user part they are only text, and name a telephone where they are what they look like.
    assert_eq!(
        uri("sip:+1555;ext=x@a.example").identity(),
        uri("tel:+1555").identity()
    );
    assert_eq!(
        uri("sip:7042;phone-context=a%2Fb@a.example").identity().domain(),
        Some("a.example")
    );
}

#[test]
fn a_urn_has_its_namespace_in_any_case_and_a_uuid_is_one_in_any_case() {
    let same = |a: &str, b: &str| (uri(a).equivalent(&uri(b)), uri(a).identity() == uri(b).identity());
    assert_eq!(
        same("urn:UUID:F81D4FAE-7dec", "URN:uuid:f81d4fae-7DEC"),
        (true, true)
    );
    assert_eq!(same("urn:Urn-7:3gpp", "urn:urn-7:3gpp"), (true, true));
    assert_eq!(same("urn:x:a", "urn:x:A"), (false, false));
    let escaped = uri("urn:uuid:%56").identity();
    assert_eq!(uri(escaped.as_str()).identity(), escaped);
}

#[test]
fn a_user_that_is_no_number_is_none_with_a_context_either() {
    let uri = Uri::parse("sip:+--p;phone-context=example.com@gw.example").unwrap();
    assert!(uri.identity().as_str().starts_with("sip:"));
    assert_eq!(
        Uri::parse(uri.identity().as_str()).unwrap().identity(),
        uri.identity()
    );
}

proptest! {
    #[test]
    fn an_ipv6_address_is_one_for_us_when_it_is_one_for_the_standard_library(
        text in "(::)?([0-9a-f]{1,4}:{1,2}){0,8}([0-9a-fA-F]{0,5}|:|::1|1.2.3.4)",
    ) {
        // RFC 5118 4.10 has a third colon before an IPv4 address.
        prop_assume!(!text.contains(":::"));
        let is_address = text.parse::<core::net::Ipv6Addr>().is_ok();
        prop_assert_eq!(Uri::parse(&format!("sip:[{text}]")).is_ok(), is_address, "{}", text);
    }
}
