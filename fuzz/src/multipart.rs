//! The parts of a body are slices of it, in order and bounded in number; building a body of them gives the same parts again.

use bytes::Bytes;
use sip_im::ContentType;
use sip_im::header::Headers;
use sip_im::mime::{ExternalBody, Limits, Multipart, Part, leaf_parts};

/// The first line is the Content-Type, the rest the body.
pub fn multipart(data: &[u8]) {
    let end = data
        .iter()
        .position(|octet| *octet == b'\n')
        .unwrap_or(data.len());
    let (first, rest) = data.split_at_checked(end).unwrap_or((data, &[]));
    let Ok(content_type) = std::str::from_utf8(first).map(str::trim).map(ContentType::parse) else {
        return;
    };
    let Ok(content_type) = content_type else { return };
    let body = Bytes::copy_from_slice(rest.get(1..).unwrap_or_default());
    let limits = Limits::default();
    let mut headers = Headers::new();
    if headers.push_typed(&content_type).is_ok()
        && let Ok(leaves) = leaf_parts(&headers, &body, &limits)
    {
        assert!(leaves.len() <= limits.parts, "more parts than allowed");
        let sum: usize = leaves.iter().map(|part| part.body().len()).sum();
        assert!(sum <= body.len(), "the parts are larger than the body");
        for part in &leaves {
            if let Ok(external) = ExternalBody::read(part, &limits) {
                let again = external.to_part().map(|part| ExternalBody::read(&part, &limits));
                assert!(
                    again.is_ok_and(|read| read.as_ref() == Ok(&external)),
                    "a reference is not read back"
                );
            }
        }
    }
    let Ok(read) = Multipart::parse(&content_type, &body, &limits) else {
        return;
    };
    let mut at = 0;
    for part in read.parts() {
        if part.body().is_empty() {
            continue;
        }
        let start = part.body().as_ptr().addr() - body.as_ptr().addr();
        assert!(
            start >= at && start + part.body().len() <= body.len(),
            "a part is no slice in order"
        );
        at = start + part.body().len();
    }
    let root = read.root();
    assert!(root.is_err() || root.is_ok_and(|root| read.parts().iter().any(|part| std::ptr::eq(part, root))));
    rebuilt(&read, &limits);
}

fn rebuilt(read: &Multipart, limits: &Limits) {
    let mut count = 0;
    let mut entropy: sip_im::Entropy = Box::new(move |out| {
        count += 1;
        out.fill(count);
    });
    let builder = read
        .parts()
        .iter()
        .cloned()
        .fold(Multipart::builder(), sip_im::mime::MultipartBuilder::part);
    let Ok((content_type, body)) = builder.build(&mut entropy) else {
        panic!("parts that were read cannot be written");
    };
    let again = Multipart::parse(&content_type, &body, limits).unwrap_or_else(|error| panic!("{error}"));
    let bodies =
        |multipart: &Multipart| -> Vec<Bytes> { multipart.parts().iter().map(Part::body).cloned().collect() };
    assert_eq!(bodies(&again), bodies(read), "the parts change");
}
