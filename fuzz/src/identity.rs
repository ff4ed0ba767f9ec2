//! Whoever a request comes from, what is told of it keeps the rules: nothing of an untrusted neighbour is believed, nothing that
//! was to stay inside goes out, crossing a boundary twice is crossing it once, and what is forwarded is a request again.

use bytes::Bytes;
use sip_im::codec::{Limits, parse_datagram};
use sip_im::header::{From, HeaderName, PrivacyValue};
use sip_im::identity::{
    Trust, anonymise, asserted_identity, check_privacy, cross_boundary, is_anonymous_form, serve_privacy,
    wants_anonymity,
};
use sip_im::{Message, Request};

/// The header fields of a request; those that it must have are put before them.
pub fn identity(data: &[u8]) {
    const START: &[u8] = b"MESSAGE sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
        From: \"Alice\" <sip:alice@a.example>;tag=a1\r\nTo: <sip:b@b.example>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n";
    let octets = [START, data, b"\r\n\r\n"].concat();
    let Some(request) = read(Bytes::from(octets)) else {
        return;
    };
    let (trusted, untrusted) = (Trust::Trusted, Trust::Untrusted);
    if let Ok(originator) = asserted_identity(&request, trusted) {
        assert!(
            originator.identities.len() <= 2,
            "more than a SIP and a tel identity"
        );
        let nobody = originator.identities.iter().any(is_anonymous_form);
        assert!(!nobody, "nobody is taken for somebody");
        assert!(
            !wants_anonymity(request.headers()) || originator.anonymous,
            "a wish for privacy is overlooked"
        );
    }
    if let Ok(originator) = asserted_identity(&request, untrusted) {
        assert!(originator.identities.is_empty(), "a stranger is believed");
    }
    for (from, to) in [
        (trusted, trusted),
        (trusted, untrusted),
        (untrusted, trusted),
        (untrusted, untrusted),
    ] {
        let mut crossed = request.clone();
        cross_boundary(&mut crossed, from, to);
        let once = crossed.to_bytes();
        let mut again = read(once.clone()).unwrap_or_else(|| panic!("what is forwarded is no request"));
        let tells = again.headers().contains(&HeaderName::P_ASSERTED_IDENTITY);
        assert!(!tells || from == trusted, "an assertion of a stranger passes");
        let hides = request
            .headers()
            .get::<sip_im::header::Privacy>()
            .map_or(true, |privacy| {
                privacy.is_some_and(|privacy| privacy.contains(&PrivacyValue::Id))
            });
        assert!(
            !tells || to == trusted || !hides,
            "an identity that was to be hidden goes out"
        );
        if from == to {
            cross_boundary(&mut again, from, to);
            assert_eq!(again.to_bytes(), once, "the second crossing changes more");
        }
    }
    let mut hidden = request.clone();
    if anonymise(&mut hidden).is_ok() {
        let from = hidden.headers().require::<From>();
        let from = from.unwrap_or_else(|error| panic!("{error}"));
        assert!(is_anonymous_form(from.uri()) && from.tag() == Some("a1"));
        assert!(!hidden.headers().contains(&HeaderName::P_ASSERTED_IDENTITY));
        assert!(
            read(hidden.to_bytes()).is_some(),
            "what is anonymous is no request"
        );
    }
    let mut served = request.clone();
    let result = serve_privacy(&mut served, &[]);
    assert_eq!(
        result.is_err(),
        check_privacy(&request, &[]).is_err(),
        "checked and served are not the same"
    );
    if result.is_err() {
        assert_eq!(
            served.to_bytes(),
            request.to_bytes(),
            "a failure changes the request"
        );
    }
}

fn read(octets: Bytes) -> Option<Request> {
    match parse_datagram(octets, &Limits::default()) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}
