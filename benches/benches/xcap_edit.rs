//! Putting one element into a document of a megabyte, against a copy of the document and one reading of it.

use benches::Comparison;
use bytes::Bytes;
use im_xdm_model::document::ResourceLists;
use im_xdm_model::xcap::{Change, Method, Request, ResourceUri, Stored, Usages, apply};
use im_xdm_model::xml::Limits;

const ROOT: &str = "/resource-lists/users/sip:joe@example.com/index/~~/resource-lists";

fn main() {
    let text = Bytes::from(document(1_000_000));
    let stored = Stored::new(text.clone());
    let usages = Usages::standard();
    let last = "list%5b@name=%22friends%22%5d/entry%5b@uri=%22sip:new@example.com%22%5d";
    let first = "list%5b1%5d/*%5b1%5d%5b@uri=%22sip:new@example.com%22%5d";
    let element = "<entry uri=\"sip:new@example.com\"><display-name>New</display-name></entry>";
    let mut requests = Vec::new();
    for (name, selector) in [
        ("PUT of a new last element", last),
        ("PUT of a new first element", first),
    ] {
        if let Ok(uri) = ResourceUri::parse("", &format!("{ROOT}/{selector}")) {
            requests.push((name, 201, Request::put(uri, "application/xcap-el+xml", element)));
        }
    }
    let known = "list%5b@name=%22friends%22%5d/entry%5b@uri=%22sip:user4000@example.com%22%5d";
    if let Ok(uri) = ResourceUri::parse("", &format!("{ROOT}/{known}")) {
        requests.push(("DELETE of an element", 200, Request::new(Method::Delete, uri)));
    }
    for (name, status, request) in requests {
        let outcome = apply(&request, Some(&stored), &usages);
        assert_eq!(outcome.status, status, "{name}");
        assert!(matches!(outcome.change, Change::Put(_)), "{name}");
        let label = format!("xcap_edit/{name} in {} octets", text.len());
        Comparison::new(&label, text.len(), 1).run(
            || apply(&request, Some(&stored), &usages).status,
            "a copy and a reading",
            || {
                (
                    text.to_vec(),
                    ResourceLists::parse(&text, &Limits::default()).is_ok(),
                )
            },
        );
    }
}

/// Lists of friends and their friends, of about this many octets.
fn document(octets: usize) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n <list name=\"friends\">\n",
    );
    let mut number = 0_usize;
    while text.len() < octets {
        number += 1;
        let entry = "  <entry uri=\"sip:userN@example.com\"><display-name>User N</display-name></entry>\n";
        text.push_str(&entry.replace('N', &number.to_string()));
    }
    text.push_str(" </list>\n</resource-lists>\n");
    text
}
