use super::*;

/// A request with every header field that a boundary may touch.
const EVERYTHING: &str = "P-Asserted-Identity: <sip:alice@example.com>\r\nP-Preferred-Identity: <sip:alice@example.com>\r\n\
    P-Asserted-Service: urn:urn-7:x\r\nP-Preferred-Service: urn:urn-7:x\r\nP-Associated-URI: <sip:a@example.com>\r\n\
    P-Called-Party-ID: <sip:b@example.com>\r\nP-Charging-Vector: icid-value=1\r\nP-Charging-Function-Addresses: ccf=1\r\n\
    P-Early-Media: sendrecv\r\nP-Private-Network-Indication: example.com\r\nP-Profile-Key: <sip:x@example.com>\r\n\
    P-Served-User: <sip:alice@example.com>\r\nP-User-Database: <aaa://host.example.com>\r\nP-Visited-Network-ID: x\r\n\
    P-Access-Network-Info: 3GPP-X;a=1, 3GPP-X;network-provided\r\nCellular-Network-Info: 3GPP-X\r\nRemote-Party-ID: <sip:a@b.example>\r\n\
    History-Info: <sip:h@example.com>;index=1\r\nUser-Agent: x\r\nSubject: s\r\n";

/// Which of [`EVERYTHING`] is still there, in short: `+` all of it, `~` some of it or made anonymous, `-` gone.
fn crossed(privacy: &str, from: Trust, to: Trust) -> String {
    let mut crossing = request(&format!("{EVERYTHING}{privacy}"));
    let before: Vec<(String, String)> = crossing
        .headers()
        .iter()
        .skip(5)
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    cross_boundary(&mut crossing, from, to);
    before
        .iter()
        .filter(|(name, _)| name != "Content-Length")
        .map(|(name, value)| {
            let name = HeaderName::parse(name).unwrap();
            match crossing.headers().value(&name) {
                None => '-',
                Some(found) if found == value.as_str() => '+',
                Some(_) => '~',
            }
        })
        .collect()
}

#[test]
fn each_header_field_crosses_in_each_direction_as_the_table_says() {
    let (inside, outside) = (Trust::Trusted, Trust::Untrusted);
    let gone = "-".repeat(11);
    let leaving = |identity: &str, history: &str| format!("{identity}---++{gone}{history}++");
    let within = "+-++++++++++++++++++".to_owned();
    let entering = format!("---+{}~+-+++", "-".repeat(10));
    let passing = format!("{}+++", "-".repeat(17));
    for (privacy, leaves, itself) in [
        ("", leaving("+", "+"), ""),
        ("none", leaving("+", "+"), "+"),
        ("user", leaving("+", "+"), "+"),
        ("session", leaving("+", "+"), "+"),
        ("critical", leaving("+", "+"), "+"),
        ("id", leaving("-", "+"), "+"),
        ("header", leaving("+", "~"), "+"),
        ("history", leaving("+", "~"), "-"),
        ("history;critical", leaving("+", "~"), "-"),
        ("id;history", leaving("-", "~"), "~"),
        ("none;id", leaving("-", "+"), "+"),
        ("\u{e9}", leaving("-", "~"), "+"),
    ] {
        let field = if privacy.is_empty() {
            String::new()
        } else {
            format!("Privacy: {privacy}\r\n")
        };
        let stays = if privacy.is_empty() { "" } else { "+" };
        assert_eq!(
            crossed(&field, inside, outside),
            format!("{leaves}{itself}"),
            "out: {privacy}"
        );
        assert_eq!(
            crossed(&field, inside, inside),
            format!("{within}{stays}"),
            "within: {privacy}"
        );
        assert_eq!(
            crossed(&field, outside, inside),
            format!("{entering}{stays}"),
            "in: {privacy}"
        );
        let passes = crossed(&field, outside, outside);
        assert!(
            passes.starts_with(passing.trim_end_matches('+')),
            "{privacy}: {passes}"
        );
    }
}

#[test]
fn an_address_of_nobody_is_no_identity() {
    for nobody in [
        "sip:anonymous@anonymous.invalid",
        "sip:unavailable@unknown.INVALID.",
    ] {
        let asserted = request(&format!("P-Asserted-Identity: <{nobody}>, <tel:+1555>\r\n"));
        let originator = asserted_identity(&asserted, Trust::Trusted).unwrap();
        assert_eq!(originator.identities.len(), 1);
        assert!(originator.anonymous);
        assert!(is_anonymous_form(&crate::Uri::parse(nobody).unwrap()));
    }
    for somebody in [
        "sip:anonymous@example.com",
        "sip:a@invalid.example.com",
        "tel:+1555",
        "sip:a@notinvalid",
    ] {
        assert!(
            !is_anonymous_form(&crate::Uri::parse(somebody).unwrap()),
            "{somebody}"
        );
    }
    let from = anonymous_from(Some("t1"));
    assert!(is_anonymous_form(from.uri()) && from.tag() == Some("t1"));
}

//= https://www.rfc-editor.org/rfc/rfc7044#section-10.1.2
//= type=test
//# In any case, the Privacy Service MUST remove the Privacy
//# header field from the "headers" component of the hi-targeted-to-uris
//# in the hi-entries prior to forwarding.
//= https://www.rfc-editor.org/rfc/rfc7044#section-10.1.2
//= type=test
//# Once all the appropriate hi-entries have been anonymized,
//# the Privacy Service MUST remove the priv-value of "history" from the
//# Privacy header field in the message header of the request or
//# response.
#[test]
fn what_an_entry_asks_is_done_and_no_longer_asked() {
    let mut crossing = request(
        "Privacy: history\r\nHistory-Info: <sip:a?b@example.com?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1\r\n",
    );
    cross_boundary(&mut crossing, Trust::Trusted, Trust::Untrusted);
    let history = crossing.headers().value(&HeaderName::HISTORY_INFO).unwrap();
    assert_eq!(
        history,
        "<sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D302>;index=1"
    );
    assert!(!crossing.headers().contains(&HeaderName::PRIVACY));
    let mut other = request("History-Info: <sip:a@example.com?Privacy=id&x=y>;index=1\r\n");
    cross_boundary(&mut other, Trust::Trusted, Trust::Untrusted);
    let history = other.headers().value(&HeaderName::HISTORY_INFO).unwrap();
    assert_eq!(history, "<sip:a@example.com?x=y>;index=1");
}

#[test]
fn inside_the_trust_domain_the_network_goes_on_to_know_who_asks_for_user_privacy() {
    let fields =
        "Privacy: user\r\nP-Asserted-Identity: <sip:alice@example.com>\r\nSubject: x\r\nUser-Agent: y\r\n";
    let (done, request) = served(fields, &[]).unwrap();
    assert_eq!(done, [PrivacyValue::User]);
    assert!(request.headers().contains(&HeaderName::P_ASSERTED_IDENTITY));
    assert!(
        !request.headers().contains(&HeaderName::SUBJECT)
            && !request.headers().contains(&HeaderName::USER_AGENT)
    );
    let mut request = request;
    anonymise(&mut request).unwrap();
    assert!(!request.headers().contains(&HeaderName::P_ASSERTED_IDENTITY));
}

#[test]
fn critical_wishes_are_checked_before_a_request_goes_out() {
    for (privacy, status) in [
        ("", None),
        ("Privacy: critical;id\r\n", None),
        ("Privacy: session\r\n", None),
        ("Privacy: critical;session\r\n", Some(500)),
        ("Privacy: critical;header\r\n", Some(500)),
        ("Privacy: critical;new\r\n", Some(500)),
        ("Privacy: ;\r\n", Some(400)),
    ] {
        let checked = check_privacy(&request(privacy), &[]);
        assert_eq!(
            checked.err().map(|error| error.status().code()),
            status,
            "{privacy}"
        );
    }
    assert!(
        check_privacy(
            &request("Privacy: critical;session\r\n"),
            &[PrivacyValue::Session]
        )
        .is_ok()
    );
}
