use super::*;

#[test]
fn parts_are_found() {
    let uri = Uri::parse("msrp://host.example.com:8493/asfd34;tcp").unwrap();
    assert!(!uri.is_secure());
    assert_eq!(uri.user(), None);
    assert_eq!(uri.host(), "host.example.com");
    assert_eq!(uri.port(), Some(8493));
    assert_eq!(uri.session_id(), Some("asfd34"));
    assert_eq!(uri.transport(), "tcp");
    assert_eq!(uri.parameters().count(), 0);
    assert_eq!(uri.to_string(), "msrp://host.example.com:8493/asfd34;tcp");
}

#[test]
fn session_ids_may_contain_slashes_and_equals_signs() {
    let uri = Uri::parse("msrp://h:1/a/b+c=;tcp").unwrap();
    assert_eq!(uri.session_id(), Some("a/b+c="));
    assert_eq!(Uri::parse("msrp://u:p@[::1]:1;ws").unwrap().session_id(), None);
}

#[test]
fn malformed_uris_are_refused_with_their_place() {
    for (text, kind, offset) in [
        ("sip:a@b", UriErrorKind::Scheme, 0),
        ("http://a:1/b;tcp", UriErrorKind::Scheme, 0),
        ("msrp://", UriErrorKind::Host, 7),
        ("msrp://a b:1/c;tcp", UriErrorKind::Host, 7),
        ("msrp://[::1:1/c;tcp", UriErrorKind::Host, 7),
        ("msrp://a:+1/c;tcp", UriErrorKind::Port, 8),
        ("msrp://a:65536/c;tcp", UriErrorKind::Port, 8),
        ("msrp://a:0/c;tcp", UriErrorKind::Port, 8),
        ("msrp://a:1/;tcp", UriErrorKind::SessionId, 10),
        ("msrp://a:1/c", UriErrorKind::MissingTransport, 12),
        ("msrp://a:1/c;", UriErrorKind::MissingTransport, 12),
        ("msrp://a:1/c;tcp;", UriErrorKind::Parameter, 16),
        ("msrp://a:1/c;tcp;=x", UriErrorKind::Parameter, 16),
        ("msrp://%zz@a:1/c;tcp", UriErrorKind::User, 7),
    ] {
        assert_eq!(Uri::parse(text), Err(UriError { kind, offset }), "{text}");
    }
    assert_eq!(
        Uri::parse(&"m".repeat(1025)).unwrap_err().kind,
        UriErrorKind::TooLong
    );
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-6.1
//= type=test
//# A URI with an explicit port is never equivalent to
//# another with no port specified.
#[test]
fn equivalence_follows_the_rules() {
    let equal = |a: &str, b: &str| Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap());
    assert!(equal("msrp://Host:1/a;tcp", "MSRP://u@hOST:1/a;TCP;x=1"));
    assert!(equal("msrp://%68ost:1/a;tcp", "msrp://host:1/a;tcp"));
    assert!(equal(
        "msrp://[::ffff:1]:1/a;tcp",
        "msrp://[0::FFFF:0001]:1/a;tcp"
    ));
    for (a, b) in [
        ("msrp://h:1/a;tcp", "msrps://h:1/a;tcp"),
        ("msrp://h:1/a;tcp", "msrp://h/a;tcp"),
        ("msrp://h:1/a;tcp", "msrp://h:2/a;tcp"),
        ("msrp://h:1/a;tcp", "msrp://h:1/A;tcp"),
        ("msrp://h:1/a;tcp", "msrp://h:1;tcp"),
        ("msrp://h:1/a;tcp", "msrp://h:1/a;sctp"),
        ("msrp://h:1/a;tcp", "msrp://i:1/a;tcp"),
    ] {
        assert!(!equal(a, b) && !equal(b, a), "{a} {b}");
    }
}

#[test]
fn parts_cannot_smuggle_others_in() {
    for host in ["a/b", "a;tcp", "u@h", "h:1/x", "", "a b"] {
        assert!(Uri::new(false, host, 1, None, "tcp").is_err(), "{host}");
    }
    assert!(Uri::new(false, "h", 1, None, "tcp;x").is_err());
    assert!(Uri::new(false, "h", 0, None, "tcp").is_err());
}
