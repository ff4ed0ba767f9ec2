use super::*;

/// The example of RFC 7616 3.9.1.
fn example(algorithm: Algorithm, response: &str) -> Credentials {
    Credentials::parse(&format!(
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    ))
    .unwrap()
}

//= https://www.rfc-editor.org/rfc/rfc7616#section-3.4.1
//= type=test
//# If the qop value is "auth" or "auth-int":
#[test]
fn the_examples_of_rfc_7616_verify() {
    for (algorithm, response) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let ha1 = Ha1::of_password(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert!(
            example(algorithm, response).verify(&ha1, "GET", b""),
            "{algorithm}"
        );
        assert!(
            !example(algorithm, response).verify(&ha1, "PUT", b""),
            "{algorithm}"
        );
        let wrong = Ha1::of_password(algorithm, "Mufasa", "http-auth@example.org", "circle of life");
        assert!(
            !example(algorithm, response).verify(&wrong, "GET", b""),
            "{algorithm}"
        );
    }
}

/// The example of RFC 7616 3.9.2. What is printed there is of another hash than the one that is named, as its erratum 4897 says; the
/// values here are those of the erratum.
//= https://www.rfc-editor.org/rfc/rfc7616#section-3.4.4
//= type=test
//# username = H( unq(username) ":" unq(realm) )
#[test]
fn a_name_in_any_script_is_hashed_or_escaped() {
    let with = |name: &str, userhash: &str| {
        Credentials::parse(&format!(
            "Digest {name}, realm=\"api@example.org\", uri=\"/doe.json\", algorithm=SHA-512-256, \
             nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, \
             cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", qop=auth, \
             response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\", \
             opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\"{userhash}"
        ))
    };
    let jason = "J\u{e4}s\u{f8}n Doe";
    let ha1 = Ha1::of_password(Algorithm::Sha512T256, jason, "api@example.org", "Secret, or not?");
    let hashed = "username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\"";
    let escaped = "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe";
    for (name, userhash) in [
        (hashed, ", userhash=true"),
        (escaped, ", userhash=false"),
        (escaped, ""),
    ] {
        let credentials = with(name, userhash).unwrap();
        assert!(
            credentials.is_of(jason) && !credentials.is_of("Jason Doe"),
            "{name}"
        );
        assert!(credentials.verify(&ha1, "GET", b""), "{name}");
        assert_eq!(Credentials::parse(&credentials.to_string()), Ok(credentials));
    }
    let mut challenge = Challenge::new("api@example.org", "n", Algorithm::Sha512T256);
    challenge.userhash = true;
    let answer = challenge.answer(jason, &ha1, "GET", "/doe.json", "c", 1, b"");
    assert!(answer.userhash && answer.is_of(jason) && answer.verify(&ha1, "GET", b""));
    assert!(!answer.to_string().contains("Doe"));
    let error = Err(DigestError::Value { name: "username*" });
    assert_eq!(with(&format!("username=\"x\", {escaped}"), ""), error, "both");
    assert_eq!(with(escaped, ", userhash=true"), error);
    for name in [
        "latin1''a",
        "UTF-8'a",
        "UTF-8''%",
        "UTF-8''%f",
        "UTF-8''%zz",
        "UTF-8''%ff",
    ] {
        assert_eq!(with(&format!("username*={name}"), ""), error, "{name}");
    }
}

/// The example of RFC 2617 3.5, which RFC 3261 22.4 builds on.
#[test]
fn without_qop_the_response_is_that_of_rfc_2069() {
    let challenge =
        Challenge::parse("Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"")
            .unwrap();
    assert!(challenge.qop.is_empty());
    let ha1 = Ha1::of_password(Algorithm::Md5, "bob", "biloxi.com", "zanzibar");
    let credentials = challenge.answer("bob", &ha1, "INVITE", "sip:bob@biloxi.com", "0a4f113b", 1, b"");
    assert_eq!(credentials.response, "bf57e4e0d0bffc0fbaedce64d59add5e");
    assert_eq!((credentials.nc, credentials.cnonce), (None, None));
}

#[test]
fn with_auth_int_the_body_is_protected() {
    let challenge =
        Challenge::parse("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\", algorithm=SHA-512-256-sess")
            .unwrap();
    let ha1 = Ha1::of_password(challenge.algorithm, "u", "r", "p");
    let credentials = challenge.answer("u", &ha1, "MESSAGE", "sip:r", "c", 1, b"hello");
    assert!(credentials.verify(&ha1, "MESSAGE", b"hello"));
    assert!(!credentials.verify(&ha1, "MESSAGE", b"hullo"));
}

#[test]
fn every_algorithm_answers_what_it_verifies_and_reads_what_it_writes() {
    for algorithm in Algorithm::ALL {
        let challenge = Challenge::new("a \"realm\"", "nonce", algorithm);
        assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge.clone()));
        let ha1 = Ha1::of_password(algorithm, "user", &challenge.realm, "password");
        let credentials = challenge.answer(
            "user",
            &ha1,
            "AUTH",
            "msrps://r.example.com:1/s;tcp",
            "cnonce",
            255,
            b"",
        );
        let read = Credentials::parse(&credentials.to_string()).unwrap();
        assert_eq!(read, credentials);
        assert!(read.verify(&ha1, "AUTH", b""));
    }
}

#[test]
fn what_is_not_a_challenge_or_credentials_is_refused() {
    assert_eq!(Challenge::parse(""), Err(DigestError::NoScheme));
    assert_eq!(
        Challenge::parse("Basic realm=\"r\""),
        Err(DigestError::OtherScheme)
    );
    assert_eq!(
        Challenge::parse("Digest realm=\"r\""),
        Err(DigestError::Missing { name: "nonce" })
    );
    assert_eq!(
        Challenge::parse("Digest realm=\"r\", nonce=\"n\", algorithm=X"),
        Err(DigestError::UnknownAlgorithm)
    );
    assert_eq!(
        Challenge::parse("Digest realm=\"r\", realm=\"s\""),
        Err(DigestError::Repeated { offset: 18 })
    );
    assert_eq!(
        Challenge::parse("Digest realm=\"r"),
        Err(DigestError::Malformed { offset: 13 })
    );
    let base = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:r\"";
    for (rest, error) in [
        (", response=\"zz\"", DigestError::Value { name: "response" }),
        (
            ", response=\"ab\", qop=auth, cnonce=\"c\"",
            DigestError::Missing { name: "nc" },
        ),
        (
            ", response=\"ab\", qop=auth, cnonce=\"c\", nc=1",
            DigestError::Value { name: "nc" },
        ),
        (
            ", response=\"ab\", qop=auth, nc=00000001",
            DigestError::Missing { name: "cnonce" },
        ),
        ("", DigestError::Missing { name: "response" }),
    ] {
        assert_eq!(Credentials::parse(&format!("{base}{rest}")), Err(error), "{rest}");
    }
}

#[test]
fn no_text_can_break_out_of_its_line() {
    let challenge = Challenge::new("a\r\nInjected: yes", "n", Algorithm::Md5);
    assert!(!challenge.to_string().contains(['\r', '\n']));
    assert_eq!(
        format!("{:?}", Ha1::of_password(Algorithm::Md5, "u", "r", "p")),
        "Ha1(..)"
    );
}

#[test]
fn a_stored_hash_is_taken_in_hexadecimal_digits() {
    let ha1 = Ha1::of_password(Algorithm::Md5, "bob", "biloxi.com", "zanzibar");
    assert_eq!(Ha1::from_hex("12AF60467A33E8518DA5C68BBFF12B11"), Ok(ha1));
    assert!(Ha1::from_hex("12").is_err());
}

/// The messages of RFC 3310 4, whose nonce and RES are not printed there: what is computed is checked against itself.
#[test]
fn aka_answers_with_a_secret_of_octets() {
    let text = r#"Digest realm="RoamingUsers@mobile.biz", nonce="CjPk9mRqNuT25eRkajM09uTl9nM09uTl9nMz5OX25PZz==", qop="auth,auth-int", opaque="5ccc069c403ebaf9f0171e9517f40e41", algorithm=AKAv1-MD5"#;
    let challenge = Challenge::parse(text).unwrap();
    assert!(challenge.algorithm == Algorithm::AkaV1Md5 && challenge.algorithm.is_aka());
    let user = "jon.dough@mobile.biz";
    let secret = [0xa5, 0x42, 0x11, 0xd5, 0x00, 0xff, 0x0d, 0x0a];
    let ha1 = Ha1::of_secret(Algorithm::AkaV1Md5, user, &challenge.realm, &secret);
    let credentials = challenge.answer(user, &ha1, "REGISTER", "sip:home.mobile.biz", "0a4f113b", 1, b"");
    let read = Credentials::parse(&credentials.to_string()).unwrap();
    assert_eq!(read, credentials);
    assert!(read.verify(&ha1, "REGISTER", b""));
    let other = Ha1::of_secret(Algorithm::AkaV1Md5, user, &challenge.realm, &secret[..7]);
    assert!(!read.verify(&other, "REGISTER", b""));
    // The same as with a password of these octets.
    let text = Ha1::of_password(Algorithm::Md5, "u", "r", "p");
    assert!(Ha1::of_secret(Algorithm::AkaV2Md5, "u", "r", b"p") == text);
}

#[test]
fn a_client_whose_counter_differs_says_so_with_the_empty_secret() {
    let text = r#"Digest username="jon.dough@mobile.biz", realm="RoamingUsers@mobile.biz", nonce="CjPk9mRq", uri="sip:home.mobile.biz", qop=auth-int, nc=00000001, cnonce="0a4f113b", response="4429ffe49393c02397450934607c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41", auts="5PYxMuX2NOT2NeQ=""#;
    let credentials = Credentials::parse(text).unwrap();
    assert_eq!(credentials.auts.as_deref(), Some("5PYxMuX2NOT2NeQ="));
    assert_eq!(Credentials::parse(&credentials.to_string()).unwrap(), credentials);
}

#[test]
fn who_is_not_challenged_yet_may_leave_nonce_and_response_empty() {
    let text = r#"Digest username="a@home.net", realm="home.net", nonce="", uri="sip:home.net", response="""#;
    let credentials = Credentials::parse(text).unwrap();
    assert_eq!(Credentials::parse(&credentials.to_string()).unwrap(), credentials);
    let ha1 = Ha1::of_password(Algorithm::Md5, "a@home.net", "home.net", "");
    assert!(!credentials.verify(&ha1, "REGISTER", b""));
    let only = text.replace("nonce=\"\"", "nonce=\"x\"");
    assert_eq!(
        Credentials::parse(&only),
        Err(DigestError::Value { name: "response" })
    );
    let only = text.replace("response=\"\"", "response=\"zz\"");
    assert!(Credentials::parse(&only).is_err());
}

//= https://www.rfc-editor.org/rfc/rfc7235#section-2.1
//= type=test
//# The token68 syntax allows the 66 unreserved URI characters
//# ([RFC3986]), plus a few others, so that it can hold a base64,
//# base64url (URL and filename safe alphabet), base32, or base16 (hex)
//# encoding, with or without padding, but excluding whitespace
//# ([RFC4648]).
#[test]
fn a_scheme_has_parameters_or_one_value() {
    for (text, value) in [
        (
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            Some("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        ("Bearer a-b._~+/c", Some("a-b._~+/c")),
        (" NTLM  TlRMTVNTUAAB= ", Some("TlRMTVNTUAAB=")),
        ("Negotiate", None),
        ("Bearer realm=\"x\"", None),
        ("Bearer realm=x=", None),
    ] {
        let params = AuthParams::parse(text).unwrap();
        assert_eq!(params.token68(), value, "{text}");
        assert_eq!(
            params.iter().count(),
            usize::from(text.contains("realm")),
            "{text}"
        );
    }
    for bad in [
        "Basic a b",
        "Basic =",
        "Basic a\"",
        "Basic abc=, d=e",
        "Basic a,b",
    ] {
        assert!(AuthParams::parse(bad).is_err(), "{bad}");
    }
    let digest = "Digest QWxhZGRpbg==";
    assert_eq!(
        Challenge::parse(digest).err(),
        Some(DigestError::Malformed { offset: 7 })
    );
    assert_eq!(
        Credentials::parse(digest).err(),
        Some(DigestError::Malformed { offset: 7 })
    );
    assert!(AuthenticationInfo::parse("QWxhZGRpbg==").is_err());
}
