//! Typed header fields: what is read, what is refused, and that writing and reading are inverse.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use sip_im::header::*;
use sip_im::mime::ContentDisposition;
use sip_im::{ByteStr, ContentType, Uri};

fn read<H: Header>(text: &str) -> Option<H> {
    H::parse(&ByteStr::from(text)).ok()
}

/// Reads, writes, and reads again; `None` if it is refused.
fn through<H: Header>(text: &str) -> Option<String> {
    let first: H = read(text)?;
    let mut written = String::new();
    first.write(&mut written).unwrap();
    let second: H = read(&written).unwrap_or_else(|| panic!("{text} becomes {written}"));
    assert!(first == second, "{text} becomes {written}");
    Some(written)
}

macro_rules! values {
    ($test:ident: $type:ty, good [$($good:literal)*] bad [$($bad:literal)*]) => {
        #[test]
        fn $test() {
            $( assert!(through::<$type>($good).is_some(), "{} is refused", $good); )*
            $( assert!(through::<$type>($bad).is_none(), "{} is accepted", $bad); )*
        }
    };
}

values! { via: Via,
    good [
        "SIP/2.0/UDP a.example" "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"
        "SIP/2.0/TLS [2001:db8::9:1]:5061;received=2001:db8::1;rport=5070" "SIP/2.0/SCTP host.example : 5060;received=[2001:db8::1]"
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw;rport" "sip/2.0/udp a;x=\"b;c\"" "SIP/2.0/UNKNOWN a;hidden"
    ]
    bad [
        "" "SIP/2.0/UDP" "SIP/2.0/UDP " "SIP/2.0 UDP a" "SIP/2.0/UDP a b" "SIP/2.0/UDP a;;" "SIP/2.0/UDP a;branch" "SIP/2.0/UDP a;branch="
        "SIP/2.0/UDP a;branch=\"x\"" "SIP/2.0/UDP a:" "SIP/2.0/UDP a:70000" "SIP/2.0/UDP [::1" "SIP/2.0/UDP a;received=b.example"
        "SIP/2.0/UDP a;rport=x" "SIP/2.0/UDP a;rport=65536" "SIP/2.0/UDP a;branch=1;BRANCH=2" "SIP/2.0/UDP a,b" "SIP/2.0/UDP 1.2.3"
        "SIP/2.0/UDP a;x=\"b"
    ]
}
values! { from: From,
    good [
        "sip:a@b.example" "<sip:a@b.example>" "sip:a@b.example;tag=1" "\"A. G. Bell\" <sip:a@b.example>;tag=48s" "A B  C<sip:a@b.example>"
        "\"\\\\\\\"\" <sip:a@b.example;x=y?z=w>;tag=a.b;x" "\"\u{e9}, <\" <tel:+1555>;tag=1" "\"\"<sip:a@b.example>" "<urn:x:y>;tag=1" "isbn:2983792873"
    ]
    bad [
        "" "<>" "</>" "/" "<sip:a@b.example" "sip:a@b.example>" "\"A <sip:a@b.example>" "\"A\\\" <sip:a@b.example>" "\"A\\" "A, B <sip:a@b.example>"
        "\u{e9} <sip:a@b.example>" "< sip:a@b.example >" "<sip:a@b.example>;tag" "<sip:a@b.example>;tag=" "<sip:a@b.example>;tag=\"x\""
        "<sip:a@b.example>;tag=1;tag=2" "<sip:a@b.example> x" "<sip:a@b.example>;" "sip:a@b.example?x=y" "\"A\" sip:a@b.example" "<sip:a@b.example>,<sip:c@d>"
    ]
}
values! { contact: Contact,
    good ["*" "<sip:a@b.example>;q=0.7;expires=3600;+g.oma.sip-im" "\"A\" <sip:a@b.example;x=y>;+sip.instance=\"<urn:uuid:f8>\";methods=\"A,B\"" "sip:a@b.example"]
    bad ["" "* , *" "*;x=y" "<sip:a@b.example>;q=1.1" "<sip:a@b.example>;q=0.1234" "<sip:a@b.example>;q=.5" "<sip:a@b.example>;q"]
}
values! { route: Route, good ["<sip:p;lr>" "\"P\" <sip:p;lr>;x=y"] bad ["" "sip:p" "sip:p;lr" "<sip:p;lr" "p"] }
values! { cseq: CSeq, good ["1 INVITE" "0 a" "2147483647  MESSAGE" "0009 ACK"] bad ["" "1" "INVITE" "1INVITE" "2147483648 ACK" "-1 ACK" "1 A B" "1 A/B" "99999999999999999999 ACK"] }
values! { max_forwards: MaxForwards, good ["0" "70" "0068" "255"] bad ["" "256" "-1" "+1" "7 0" "7,7"] }
values! { expires: Expires, good ["0" "4294967295"] bad ["" "4294967296" "1.5" "Thu, 01 Dec 1994 16:00:00 GMT"] }
values! { retry_after: RetryAfter, good ["18000;duration=3600" "120 (I'm in a (long) meeting \\) )" "5"] bad ["" "x" "5 (open" "5 x"] }
values! { call_id: CallId, good ["f81d4fae-7dec-11d0@foo.bar.com" "a" "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"] bad ["" "a b" "a@" "@a" "a@b@c" "a,b"] }
values! { date: Date, good ["Sat, 13 Nov 2010 23:29:00 GMT" "Thu, 29 Feb 2024 00:00:00 GMT" "Thu, 01 Jan 1970 00:00:00 GMT"]
bad ["" "Fri, 01 Jan 2010 16:00:00 EST" "Sat, 13 Nov 2010 24:29:00 GMT" "Sat, 30 Feb 2010 23:29:00 GMT" "Sat, 13 Foo 2010 23:29:00 GMT" "Sat, 13 Nov 1969 23:29:00 GMT" "Sat 13 Nov 2010 23:29:00 GMT" "Xyz, 13 Nov 2010 23:29:00 GMT"] }
values! { event: Event, good ["presence" "presence.winfo;id=5" "conference"] bad ["" ";id=5" "presence;id=" "a b"] }
values! { subscription_state: SubscriptionState, good ["active;expires=60" "terminated;reason=timeout;retry-after=5" "pending" "other"] bad ["" ";expires=5"] }
values! { accept: Accept, good ["" "text/plain, text/*;q=0.5, */*" "application/sdp;level=1"] bad ["text" "text/" "text/plain," "text/plain;"] }
values! { allow: Allow, good ["" "INVITE,ACK , MESSAGE"] bad ["INVITE ACK" "A/B"] }
values! { supported: Supported, good ["" "100rel,timer"] bad ["a b" "a;b"] }
values! { require: Require, good ["recipient-list-message"] bad ["" "a," "a b"] }
values! { warning: Warning, good ["399 a.example \"127 Service, not \\\"authorised\\\"\"" "307 [2001:db8::1]:5060 \"x\"" "301 pseudo \"\""] bad ["" "399 a" "399 a x" "39 a \"x\"" "3999 a \"x\"" "399 \"x\"" "399 a \"x"] }
values! { reason: Reason, good ["SIP ;cause=200 ;text=\"Call completed elsewhere\"" "Q.850;cause=16"] bad ["" ";cause=1" "SIP cause"] }
values! { refer_to: ReferTo, good ["<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345>" "sip:a@b.example"] bad ["" "sip:a@b.example?x=y" "<sip:a"] }
values! { refer_sub: ReferSub, good ["true" "FALSE" "false;p=1;q"] bad ["" "yes" "true;" "true false"] }
values! { replaces: Replaces, good ["98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff" "a;to-tag=7743;from-tag=6472;early-only"] bad ["" "a" "a;to-tag=1" "a;to-tag;from-tag=2" ";to-tag=1;from-tag=2"] }
values! { target_dialog: TargetDialog, good ["fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544"] bad ["a;local-tag=1"] }
values! { asserted_identity: PAssertedIdentity, good ["\"Cullen Jennings\" <sip:fluffy@cisco.com>" "tel:+14085264000" "<sip:a@b.example;x=y>"] bad ["" "</>" "<sip:a@b.example>;x=y" "sip:a@b.example;x=y"] }
values! { served_user: PServedUser, good ["<sip:user@example.com>; sescase=orig; regstate=reg"] bad [""] }
values! { charging_vector: PChargingVector, good ["icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net" "icid-value=\"a b\""] bad ["" "orig-ioi=home1.net" "icid-value" ";icid-value=1"] }
values! { privacy: Privacy, good ["id" "header;user;critical" "none" "ID , history"] bad ["" ";" "id;" "a b"] }
values! { session_expires: SessionExpires, good ["4000;refresher=UAC" "1800" "90;refresher=uas;x=y"] bad ["" "x" "4000;refresher=me" "4000;refresher"] }
values! { accept_contact: AcceptContact, good ["*;+g.oma.sip-im" "*;audio;require;explicit" "*;methods=\"BYE,ACK\""] bad ["" "+g.oma.sip-im" "*;" "<sip:a>;x"] }
values! { content_type: ContentType, good ["text/plain" "multipart/mixed;boundary=\"a b\""] bad ["" "text" "/plain"] }
values! { content_disposition: ContentDisposition, good ["recipient-list" "recipient-list-history; handling=optional"] bad ["" ";handling=optional"] }
values! { authorization: Authorization,
good ["Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\""
    "NoOneKnowsThisScheme opaque-data=here"]
bad ["" "\"x\"" "Digest username=\"bob"] }

#[test]
fn the_expiration_of_a_contact_is_read_with_care() {
    let expires = |text: &str| read::<Contact>(text).unwrap().expires();
    assert_eq!(expires("<sip:a@b.example>;expires=60"), Some(60));
    assert_eq!(
        expires("<sip:a@b.example>;expires=280297596632815"),
        Some(u32::MAX)
    );
    assert_eq!(
        expires("<sip:a@b.example>;expires=99999999999999999999999"),
        Some(u32::MAX)
    );
    assert_eq!(expires("<sip:a@b.example>;expires=soon"), None);
    assert_eq!(expires("<sip:a@b.example>"), None);
}

#[test]
fn feature_tags_compare_without_case() {
    let contact: Contact = read("<sip:a@b.example>;+g.oma.SIP-im;isfocus;video=\"FALSE\"").unwrap();
    assert!(contact.has_feature("+g.oma.sip-im") && contact.has_feature("isfocus"));
    assert!(!contact.has_feature("video") && !contact.has_feature("audio"));
}

#[test]
fn the_most_specific_range_decides() {
    let accept: Accept = read("text/*, text/html;q=0, application/sdp").unwrap();
    assert!(accept.accepts_type("text", "plain") && accept.accepts_type("Application", "SDP"));
    assert!(!accept.accepts_type("text", "html") && !accept.accepts_type("image", "png"));
    assert!(!Accept::default().accepts_type("text", "plain"));
}

#[test]
fn parameters_are_bounded() {
    let many = |count: usize| {
        let params: Vec<String> = (0..count).map(|n| format!(";p{n}")).collect();
        read::<Contact>(&format!("<sip:a@b.example>{}", params.concat())).is_some()
    };
    assert!(many(64) && !many(65));
}

proptest! {
    #[test]
    fn a_date_is_the_second_it_was(seconds in 0_u64..253_402_300_800) {
        let date = Date::from_unix(std::time::Duration::from_secs(seconds));
        let mut written = String::new();
        date.write(&mut written).unwrap();
        prop_assert_eq!(read::<Date>(&written), Some(date));
    }

    #[test]
    fn an_address_is_read_back(display in "[^\r\n]{0,20}", user in "\\PC{1,10}", value in "[^\r\n]{0,10}", tag in "[a-z0-9.]{1,8}") {
        let mut from = From::new(Uri::sip(&user, "b.example").unwrap()).with_display(&display).with_tag(&tag);
        from.name_addr.params.set("x", Some(&value)).unwrap();
        let mut headers = Headers::new();
        headers.push_typed(&from).unwrap();
        let back: From = headers.require().unwrap();
        prop_assert_eq!(back.name_addr.params.unquoted("x"), Some(value));
        prop_assert_eq!(back, from);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~]{0,40}") {
        through::<Via>(&text);
        through::<From>(&text);
        through::<Contact>(&text);
        through::<Warning>(&text);
        through::<Accept>(&text);
        through::<Replaces>(&text);
        through::<Privacy>(&text);
        through::<RetryAfter>(&text);
        through::<PChargingVector>(&text);
        through::<Authorization>(&text);
    }

    #[test]
    fn any_via_is_read_or_refused(text in "SIP/2.0/[A-Z]{1,4} [a-z.:0-9\\[\\]]{1,12}(;(branch|received|rport|x)(=[a-z0-9:.\"]{0,6})?){0,4}") {
        through::<Via>(&text);
    }
}
