//! Putting and deleting nodes: what was put is fetched, and everything else stays as it is.

use bytes::Bytes;
use im_xdm_model::xcap::{Change, Method, Outcome, Request, ResourceUri, Stored, Usage, Usages, apply};

/// The selector, the document and the body, separated by NUL.
///
/// # Panics
///
/// Panics when an edit changes what it should not, or cannot be undone.
pub fn xcap_edit(data: &[u8]) {
    let mut parts = data.splitn(3, |octet| *octet == 0);
    let (Some(selector), Some(document)) = (parts.next(), parts.next()) else {
        return;
    };
    let body = parts.next().unwrap_or_default().trim_ascii();
    let Ok(selector) = std::str::from_utf8(selector) else {
        return;
    };
    let Ok(uri) = ResourceUri::parse("", &format!("/test/global/index/~~/{selector}")) else {
        return;
    };
    let mut usages = Usages::none();
    usages.insert(Usage::new("test", "application/test+xml", ""));
    let stored = Stored::new(document.to_vec());
    let ask = |method: Method, stored: &Stored| {
        let mut request = Request::new(method, uri.clone());
        let is_attribute = uri.node().is_some_and(|node| node.terminal().is_some());
        let kind = if is_attribute {
            "application/xcap-att+xml"
        } else {
            "application/xcap-el+xml"
        };
        request.content_type = Some(kind.to_owned());
        request.body = Bytes::copy_from_slice(body);
        apply(&request, Some(stored), &usages)
    };
    let before = ask(Method::Get, &stored);
    let deleted = ask(Method::Delete, &stored);
    if let Some(after) = changed(&deleted) {
        assert_eq!(before.status, 200);
        assert_eq!(ask(Method::Get, &after).status, 404);
        assert!(
            kept(document, &after.text) >= after.text.len(),
            "a deletion adds something"
        );
    } else {
        assert!(matches!(deleted.status, 404 | 405 | 409 | 500));
    }
    let put = ask(Method::Put, &stored);
    let Some(after) = changed(&put) else { return };
    let fetched = ask(Method::Get, &after);
    assert_eq!(
        (fetched.status, fetched.body.as_ref()),
        (200, body),
        "what was put is not fetched"
    );
    let again = ask(Method::Put, &after);
    assert_eq!(again.status, 200);
    assert_eq!(
        changed(&again).map(|stored| stored.text),
        Some(after.text.clone())
    );
    if put.status == 200 {
        assert_eq!(before.status, 200, "nothing was there to be replaced");
        let rest = document.len().saturating_sub(before.body.len());
        assert!(
            kept(document, &after.text) >= rest,
            "a replacement changes something else"
        );
        return;
    }
    assert_eq!((put.status, before.status), (201, 404));
    // An empty-element tag becomes a pair of tags.
    let kept = kept(document, &after.text);
    assert!(
        kept.saturating_add(2) >= document.len(),
        "an insertion changes something"
    );
    let undone = ask(Method::Delete, &after);
    match changed(&undone) {
        Some(undone) if kept >= document.len() && after.text.len() == document.len() + body.len() => {
            assert_eq!(undone.text, document, "a deletion does not restore");
        }
        Some(_) => {}
        None => assert_eq!(undone.status, 409),
    }
}

fn changed(outcome: &Outcome) -> Option<Stored> {
    match &outcome.change {
        Change::Put(text) => Some(Stored::new(text.clone())),
        _ => None,
    }
}

/// How many octets two texts have in common at their beginning and at their end.
fn kept(one: &[u8], other: &[u8]) -> usize {
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let least = one.len().min(other.len()).saturating_sub(start);
    let ends = one.iter().rev().zip(other.iter().rev());
    start.saturating_add(ends.take(least).take_while(|(a, b)| a == b).count())
}
