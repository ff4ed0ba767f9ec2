//! A URI is written as it was read; its relations are what they have to be: equality reflexive and symmetric, and never finer
//! than canonical identity, which is a fixed point; edits change what they say and no more.

use sip_im::{Scheme, Uri};

/// Two URIs, a line each.
pub fn sip_uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let Some(Ok(a)) = lines.next().map(Uri::parse) else {
        return;
    };
    check(&a, text.split('\n').next().unwrap_or_default());
    let Some(Ok(b)) = lines.next().map(Uri::parse) else {
        return;
    };
    assert_eq!(a.equivalent(&b), b.equivalent(&a), "equality is not symmetric");
    if a.equivalent(&b) {
        assert_eq!(a.identity(), b.identity(), "equal URIs name two");
    }
}

fn check(uri: &Uri, text: &str) {
    assert_eq!(uri.as_str(), text);
    assert!(uri.equivalent(uri), "not equal to itself");
    let identity = uri.identity();
    let again = Uri::parse(identity.as_str());
    let again = again.unwrap_or_else(|error| panic!("the identity {identity} is no URI: {error}"));
    assert_eq!(again.identity(), identity, "the identity has another identity");
    // The extension of a telephone number is another telephone.
    if uri.scheme() != Scheme::Tel {
        assert_eq!(
            uri.without_parameters().identity(),
            identity,
            "parameters name someone"
        );
    }
    if let Some(digits) = uri.digits() {
        assert!(uri.scheme() == Scheme::Tel && !digits.is_empty());
    }
    for (name, _) in uri.parameters() {
        // A local number is none without its context, so that stays.
        if uri.scheme() == Scheme::Tel && name.eq_ignore_ascii_case("phone-context") {
            continue;
        }
        assert!(
            uri.without_parameter(name).parameter(name).is_none(),
            "{name} is still there"
        );
    }
    if let Ok(more) = uri.with_parameter("x-own", Some("a;b\r\n")) {
        assert_eq!(more.parameter("x-own"), Some(Some("a%3Bb%0D%0A")));
        assert_eq!(more.without_parameter("x-own").identity(), identity);
        assert_eq!(more.headers().count(), uri.headers().count());
    }
    let _ = (
        uri.user(),
        uri.password(),
        uri.host(),
        uri.port(),
        format!("{uri:?}"),
    );
}
