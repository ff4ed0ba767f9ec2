//! A header that can be read is written in a form that is read as the same, and a head that is written of what was read
//! is read as it was.

use bytes::{Bytes, BytesMut};
use msrp::Uri;
use msrp::codec::{self, Continuation, Decoder, Frame, Head, Leniency, Limits, StartLine};
use msrp::header::{
    AuthenticationInfo, Authorization, ByteRange, ContentDisposition, ContentType, Expires, FailureReport,
    FromPath, Header, MaxExpires, MessageIdHeader, MinExpires, Status, SuccessReport, ToPath, UseNickname,
    UsePath, WwwAuthenticate,
};

/// The input is a stream; its first octet means nothing.
pub fn msrp_message(data: &[u8]) {
    let Some((_, stream)) = data.split_first() else {
        return;
    };
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    decoder.push(Bytes::copy_from_slice(stream));
    while let Ok(Some(frame)) = decoder.next() {
        if let Frame::Head(head) = frame {
            headers(&head);
            written_again(&head);
        }
    }
}

fn headers(head: &Head) {
    round_trip::<ToPath>(head);
    round_trip::<FromPath>(head);
    round_trip::<UsePath>(head);
    round_trip::<MessageIdHeader>(head);
    round_trip::<ByteRange>(head);
    round_trip::<SuccessReport>(head);
    round_trip::<FailureReport>(head);
    round_trip::<Status>(head);
    round_trip::<Expires>(head);
    round_trip::<MinExpires>(head);
    round_trip::<MaxExpires>(head);
    round_trip::<WwwAuthenticate>(head);
    round_trip::<Authorization>(head);
    round_trip::<AuthenticationInfo>(head);
    round_trip::<UseNickname>(head);
    round_trip::<ContentType>(head);
    round_trip::<ContentDisposition>(head);
    let typed = head.headers.get::<ToPath>().ok().flatten();
    let uris = typed.as_ref().map_or(&[][..], ToPath::uris);
    for uri in uris {
        assert_eq!(Uri::parse(&uri.to_string()).as_ref(), Ok(uri));
        assert!(uri.equivalent(uri));
    }
    let looked_at = head.headers.to_path().ok();
    assert_eq!(looked_at.map_or(0, msrp::header::PathRef::len), uris.len());
}

fn round_trip<H: Header>(head: &Head) {
    let Ok(Some(header)) = head.headers.get::<H>() else {
        return;
    };
    let (mut once, mut twice) = (String::new(), String::new());
    let written = header.write(&mut once).is_ok();
    assert!(written, "{} cannot be written", H::NAME);
    match H::parse(&once) {
        Ok(again) => {
            let written = again.write(&mut twice).is_ok();
            assert!(written && once == twice, "{}: {once} becomes {twice}", H::NAME);
        }
        Err(error) => panic!("{} is written as {once}, which is not read: {error}", H::NAME),
    }
}

/// A head without defects, written of its parts, is read as the same.
fn written_again(head: &Head) {
    if head.defect.is_some() {
        return;
    }
    let mut out = BytesMut::new();
    match &head.start {
        StartLine::Request(method) => codec::request_line(&mut out, &head.transaction, method),
        StartLine::Response { status, .. } => codec::response_line(&mut out, &head.transaction, *status),
    }
    for (name, value) in head.headers.iter() {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    codec::end_line(&mut out, &head.transaction, Continuation::Complete);
    if out.len() > Limits::default().head_octets {
        return;
    }
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    decoder.push(out.freeze());
    let Ok(Some(Frame::Head(again))) = decoder.next() else {
        panic!("a head that was written is not read: {head:?}")
    };
    assert_eq!(again.transaction, head.transaction);
    match (&again.start, &head.start) {
        (StartLine::Request(one), StartLine::Request(other)) => assert_eq!(one, other),
        (StartLine::Response { status: one, .. }, StartLine::Response { status: other, .. }) => {
            assert_eq!(one, other);
        }
        (one, other) => panic!("{other:?} becomes {one:?}"),
    }
    assert!(
        again.headers.iter().eq(head.headers.iter()),
        "{head:?} becomes {again:?}"
    );
    assert_eq!((again.has_body, again.defect), (false, None));
}
