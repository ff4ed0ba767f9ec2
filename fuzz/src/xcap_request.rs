//! Any XCAP request on any document.

use bytes::Bytes;
use im_xdm_model::xcap::{
    Change, ERROR_MEDIA_TYPE, Method, Request, ResourceUri, Stored, Usage, Usages, XcapError, apply,
};
use im_xdm_model::xml::{Element, Limits};

/// The first octet chooses method and type; then come, separated by NUL, the URI, the document and the body.
///
/// # Panics
///
/// Panics when an answer is none of XCAP's, or a document would be stored that is not well-formed.
pub fn xcap_request(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let mut parts = rest.splitn(3, |octet| *octet == 0);
    let (Some(uri), Some(document)) = (parts.next(), parts.next()) else {
        return;
    };
    let body = parts.next().unwrap_or_default();
    let Ok(uri) = std::str::from_utf8(uri) else { return };
    let uri = match ResourceUri::parse("", uri) {
        Ok(uri) => uri,
        Err(error) => {
            assert!(matches!(error.status(), 400 | 404 | 414));
            return;
        }
    };
    // Written with its escapes it may be longer than what is read.
    let again = ResourceUri::parse("", &uri.to_string());
    if !again.as_ref().is_err_and(|error| error.status() == 414) {
        assert_eq!(again.ok().as_ref().and_then(ResourceUri::node), uri.node());
    }
    let mut usages = Usages::standard();
    usages.insert(Usage::new("test", "application/test+xml", ""));
    let types = [
        "application/xcap-el+xml",
        "application/xcap-att+xml",
        "application/resource-lists+xml",
        "application/test+xml",
    ];
    let method = match choice % 4 {
        0 => Method::Get,
        1 | 2 => Method::Put,
        _ => Method::Delete,
    };
    let mut request = Request::new(method, uri);
    request.content_type = types
        .get(usize::from(choice / 4 % 4))
        .map(|&kind| kind.to_owned());
    request.body = Bytes::copy_from_slice(body);
    let stored = (choice < 128).then(|| Stored::new(document.to_vec()));
    let outcome = apply(&request, stored.as_ref(), &usages);
    assert!(
        matches!(outcome.status, 200 | 201 | 404 | 405 | 409 | 413 | 415 | 500),
        "{}",
        outcome.status
    );
    if outcome.status == 409 {
        assert_eq!(outcome.content_type.as_deref(), Some(ERROR_MEDIA_TYPE));
        assert!(XcapError::parse(&outcome.body, &Limits::default()).is_ok());
    }
    if let Change::Put(text) = &outcome.change {
        assert!(outcome.status < 300 && outcome.etag.is_some());
        assert!(Element::parse(text, &Limits::default()).is_ok());
    }
    if outcome.status >= 300 {
        assert_eq!(outcome.change, Change::None);
    }
}
