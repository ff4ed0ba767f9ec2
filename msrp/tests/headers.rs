//! What is written is read as it was, and nothing that is read breaks anything.
#![cfg(test)]

use std::fmt::Debug;

use msrp::header::{
    ByteRange, Expires, FailureReport, FromPath, Header, Headers, MessageIdHeader, Status, SuccessReport,
    ToPath, UseNickname, UsePath,
};
use msrp::{ByteStr, MessageId, SessionId, StatusCode, Uri};
use proptest::prelude::*;

fn there_and_back<H: Header + PartialEq + Debug>(header: &H) -> Result<(), TestCaseError> {
    let mut headers = Headers::default();
    headers.push_typed(header).unwrap();
    prop_assert_eq!(&headers.require::<H>().unwrap(), header);
    Ok(())
}

fn fixed_point<H: Header + PartialEq + Debug>(text: &str) -> Result<(), TestCaseError> {
    if let Ok(header) = H::parse(&ByteStr::from(text.to_owned())) {
        there_and_back(&header)?;
    }
    Ok(())
}

fn uri() -> impl Strategy<Value = Uri> {
    let host = prop_oneof![
        "[a-z][a-z0-9.-]{0,20}",
        Just("192.0.2.1".to_owned()),
        Just("2001:db8::1".to_owned())
    ];
    let id = prop::option::of("[a-zA-Z0-9._~+=/-]{1,20}");
    (any::<bool>(), host, 1..=u16::MAX, id, "[a-z]{1,5}").prop_map(|(secure, host, port, id, transport)| {
        let id = id.map(|id| SessionId::new(&id).unwrap());
        Uri::new(secure, &host, port, id.as_ref(), &transport).unwrap()
    })
}

fn number() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(any::<u64>())
}

proptest! {
    #[test]
    fn headers_come_back_as_they_were(
        start in 1..=u64::MAX, end in number(), total in number(),
        uris in prop::collection::vec(uri(), 1..5),
        code in 0..=999_u16, comment in prop::option::of("[!-~ü][ -~ü]{0,20}"),
        id in "[a-zA-Z0-9][a-zA-Z0-9.+%=-]{3,31}",
        nickname in "[^\\p{Cc}]{0,20}",
        seconds in any::<u64>(),
    ) {
        there_and_back(&ByteRange { start, end, total })?;
        there_and_back(&ToPath::new(uris.clone()).unwrap())?;
        there_and_back(&FromPath::new(uris.clone()).unwrap())?;
        there_and_back(&UsePath::new(uris).unwrap())?;
        let mut status = Status::of(StatusCode::new(code).unwrap());
        status.comment = comment.map(ByteStr::from);
        there_and_back(&status)?;
        there_and_back(&MessageIdHeader(MessageId::new(&id).unwrap()))?;
        there_and_back(&UseNickname(ByteStr::from(nickname)))?;
        there_and_back(&Expires(seconds))?;
    }

    #[test]
    fn what_can_be_read_is_written_so_that_it_is_read_again(text in "([a-z0-9*/: .;=@\\[\\]%\"\\\\-]|msrp://|;tcp|yes|no|000 200){0,12}") {
        fixed_point::<ByteRange>(&text)?;
        fixed_point::<ToPath>(&text)?;
        fixed_point::<Status>(&text)?;
        fixed_point::<MessageIdHeader>(&text)?;
        fixed_point::<UseNickname>(&text)?;
        fixed_point::<SuccessReport>(&text)?;
        fixed_point::<FailureReport>(&text)?;
        fixed_point::<Expires>(&text)?;
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(uri.to_string(), text);
        }
    }

    #[test]
    fn uris_are_equivalent_to_themselves_whatever_their_case(uri in uri(), other in uri()) {
        prop_assert!(uri.equivalent(&uri));
        prop_assert_eq!(uri.equivalent(&other), other.equivalent(&uri));
        let upper = Uri::parse(&uri.as_str().replacen(uri.host(), &uri.host().to_uppercase(), 1)).unwrap();
        prop_assert!(upper.equivalent(&uri) || uri.session_id().is_some_and(|id| id.contains(uri.host())) || "msrps".contains(uri.host()));
    }

    #[test]
    fn a_uri_cut_anywhere_is_read_or_refused(uri in uri(), at in any::<prop::sample::Index>(), octet in any::<char>()) {
        let text = uri.as_str();
        let at = at.index(text.len() + 1);
        if let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) {
            let _ = Uri::parse(before);
            let _ = Uri::parse(&format!("{before}{octet}{after}"));
        }
    }
}
