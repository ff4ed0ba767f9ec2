//! XCAP requests on documents, elements and attributes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use im_xdm_model::document::ResourceLists;
use im_xdm_model::xcap::{
    Access, Capabilities, Change, Condition, ETag, Exists, Method, Outcome, Request, ResourceUri,
    SelectorError, Stored, Tree, UriError, Usage, Usages, XcapError, apply,
};
use im_xdm_model::xml::Limits;
use proptest::prelude::*;

const ELEMENT: &str = "application/xcap-el+xml";
const ATTRIBUTE: &str = "application/xcap-att+xml";
const LISTS: &str = "application/resource-lists+xml";

/// The document of RFC 4825 section 8.2.3.
const ROOT: &str = "<?xml version=\"1.0\"?>\n<root>\n <el1 att=\"first\"/>\n <el1 att=\"second\"/>\n <!-- comment -->\n <el2 att=\"first\"/>\n</root>";

fn usages() -> Usages {
    let mut usages = Usages::standard();
    usages.insert(Usage::new("test", "application/test+xml", ""));
    usages.insert(Usage::new(
        "named",
        "application/test+xml",
        "urn:test:default-namespace",
    ));
    usages
}

fn uri(path: &str) -> ResourceUri {
    let encoded = path.replace('"', "%22").replace('[', "%5b").replace(']', "%5d");
    ResourceUri::parse("/xcap", &encoded).unwrap()
}

fn node(selector: &str) -> ResourceUri {
    uri(&format!(
        "/xcap/test/users/sip:joe@example.com/index/~~/{selector}"
    ))
}

fn put(selector: &str, content_type: &str, body: &str, document: &str) -> Outcome {
    apply(
        &Request::put(node(selector), content_type, body.to_owned()),
        Some(&Stored::new(document.to_owned())),
        &usages(),
    )
}

fn get(selector: &str, document: &str) -> Outcome {
    apply(
        &Request::new(Method::Get, node(selector)),
        Some(&Stored::new(document.to_owned())),
        &usages(),
    )
}

fn delete(selector: &str, document: &str) -> Outcome {
    apply(
        &Request::new(Method::Delete, node(selector)),
        Some(&Stored::new(document.to_owned())),
        &usages(),
    )
}

fn text(outcome: &Outcome) -> String {
    match &outcome.change {
        Change::Put(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?} {}", String::from_utf8_lossy(&outcome.body)),
    }
}

fn conflict(outcome: &Outcome) -> Condition {
    assert_eq!(
        (outcome.status, outcome.content_type.as_deref()),
        (409, Some("application/xcap-error+xml"))
    );
    assert_eq!(outcome.change, Change::None);
    XcapError::parse(&outcome.body, &Limits::default())
        .unwrap()
        .condition
}

#[test]
fn paths_name_documents() {
    let uri = uri("/xcap/resource-lists/users/sip%3Ajoe%40example.com/index");
    assert_eq!(
        (uri.auid(), uri.user(), uri.document()),
        ("resource-lists", Some("sip:joe@example.com"), "index")
    );
    let absolute = ResourceUri::parse(
        "http://xcap.example.com/root/",
        "https://xcap.example.com/root/rls-services/global/index",
    )
    .unwrap();
    assert_eq!(
        (absolute.auid(), absolute.tree()),
        ("rls-services", &Tree::Global)
    );
    for (path, error) in [
        ("/other/resource-lists/global/index", UriError::NotBelowRoot),
        ("/xcapx/resource-lists/global/index", UriError::NotBelowRoot),
        ("/xcap/resource-lists", UriError::NoTree),
        ("/xcap/resource-lists/everybody/index", UriError::NoTree),
        ("/xcap/resource-lists/global", UriError::NoDocument),
        (
            "/xcap/resource-lists/users/sip:joe@example.com",
            UriError::NoDocument,
        ),
        (
            "/xcap/resource-lists/users/sip:joe@example.com/",
            UriError::NoDocument,
        ),
        ("/xcap/resource-lists/users/../../index", UriError::NoDocument),
        (
            "/xcap/resource-lists/users/sip:joe@example.com/..",
            UriError::NoDocument,
        ),
        (
            "/xcap/resource-lists/users/sip:joe@example.com/%2e%2e%2fx",
            UriError::NoDocument,
        ),
        (
            "/xcap/resource-lists/users/sip:joe@example.com/a%00b",
            UriError::BadEscape,
        ),
        (
            "/xcap/resource-lists/users/sip:joe@example.com/a%",
            UriError::BadEscape,
        ),
        (
            "/xcap/resource-lists/users/sip:joe@example.com/a%ff",
            UriError::BadEscape,
        ),
        (
            "/xcap/test/global/index/~~",
            UriError::Selector(SelectorError::UnknownStep),
        ),
        (
            "/xcap/test/global/index/~~/",
            UriError::Selector(SelectorError::UnknownStep),
        ),
        (
            "/xcap/test/global/index/~~/a%5bb=1%5d",
            UriError::Selector(SelectorError::UnknownStep),
        ),
        (
            "/xcap/test/global/index/~~/@a",
            UriError::Selector(SelectorError::UnknownStep),
        ),
        (
            "/xcap/test/global/index/~~/p:a",
            UriError::Selector(SelectorError::UnboundPrefix),
        ),
        (
            "/xcap/test/global/index/~~/p:a?xmlns(q=urn:x)",
            UriError::Selector(SelectorError::UnboundPrefix),
        ),
        (
            "/xcap/test/global/index/~~/a?xmlns(q",
            UriError::Selector(SelectorError::BadQuery),
        ),
    ] {
        assert_eq!(ResourceUri::parse("/xcap", path).unwrap_err(), error, "{path}");
    }
    //= https://www.rfc-editor.org/rfc/rfc4825#section-8
    //= type=test
    //# If any qualified names are present
    //# that use a namespace prefix, and that prefix is not defined in an
    //# xmlns() expression in the query component of the request URI, the
    //# server MUST reject the request with a 400 response.
    assert_eq!(UriError::Selector(SelectorError::UnboundPrefix).status(), 400);
    assert_eq!(UriError::Selector(SelectorError::UnknownStep).status(), 404);
    assert_eq!(
        ResourceUri::parse("/xcap", &"a".repeat(9000))
            .unwrap_err()
            .status(),
        414
    );
}

//= R-5.3.3-02
//= type=test
#[test]
fn documents_are_created_fetched_replaced_and_deleted() {
    let body =
        "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list name='a'/></resource-lists>";
    let uri = uri("/xcap/resource-lists/users/sip:joe@example.com/index");
    let created = apply(&Request::put(uri.clone(), LISTS, body), None, &usages());
    assert_eq!((created.status, text(&created).as_str()), (201, body));
    assert_eq!(created.etag, Some(ETag::of(body.as_bytes())));
    assert!(created.body.is_empty());
    let stored = Stored::with_etag(created.etag.unwrap(), body);

    let fetched = apply(&Request::new(Method::Get, uri.clone()), Some(&stored), &usages());
    assert_eq!((fetched.status, fetched.body.as_ref()), (200, body.as_bytes()));
    assert_eq!(
        (fetched.content_type.as_deref(), fetched.etag.as_ref()),
        (Some(LISTS), Some(&stored.etag))
    );

    let replaced = apply(
        &Request::put(uri.clone(), "application/Resource-Lists+xml; charset=utf-8", body),
        Some(&stored),
        &usages(),
    );
    assert_eq!(replaced.status, 200);

    let deleted = apply(
        &Request::new(Method::Delete, uri.clone()),
        Some(&stored),
        &usages(),
    );
    assert_eq!(
        (deleted.status, deleted.change, deleted.etag),
        (200, Change::Delete, None)
    );
    for method in [Method::Get, Method::Delete] {
        assert_eq!(
            apply(&Request::new(method, uri.clone()), None, &usages()).status,
            404
        );
    }
    let posted = apply(&Request::new(Method::Other, uri), Some(&stored), &usages());
    assert_eq!(
        (posted.status, posted.allow),
        (405, Some("GET, HEAD, PUT, DELETE"))
    );
}

#[test]
fn unknown_usages_do_not_exist() {
    let request = Request::new(Method::Get, uri("/xcap/unheard-of/global/index"));
    assert_eq!(apply(&request, Some(&Stored::new("<a/>")), &usages()).status, 404);
}

#[test]
fn documents_that_are_not_acceptable_conflict() {
    let put = |content_type: &str, body: &[u8]| {
        let uri = uri("/xcap/resource-lists/users/sip:joe@example.com/index");
        apply(
            &Request::put(uri, content_type, Bytes::copy_from_slice(body)),
            None,
            &usages(),
        )
    };
    assert_eq!(put("application/xml", b"<a/>").status, 415);
    assert_eq!(put(ELEMENT, b"<a/>").status, 415);
    assert_eq!(conflict(&put(LISTS, b"<a>")), Condition::NotWellFormed);
    assert_eq!(conflict(&put(LISTS, b"")), Condition::NotWellFormed);
    assert_eq!(conflict(&put(LISTS, b"<a>\xff</a>")), Condition::NotUtf8);
    assert_eq!(
        conflict(&put(LISTS, b"<?xml version='1.0' encoding='latin1'?><a/>")),
        Condition::NotUtf8
    );
    assert_eq!(conflict(&put(LISTS, b"<a/>")), Condition::SchemaValidationError);
    assert_eq!(
        conflict(&put(LISTS, b"<!DOCTYPE a><a/>")),
        Condition::ConstraintFailure
    );
    assert_eq!(put(LISTS, &vec![b' '; 2_000_000]).status, 413);
    let lists = |inner: &str| {
        put(
            LISTS,
            format!("<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'>{inner}</resource-lists>")
                .as_bytes(),
        )
    };
    assert_eq!(
        conflict(&lists(
            "<list name='x'/><list><list name='a'/><entry uri='sip:a@b'/><entry uri='sip:b@b'/><entry uri='sip:a@b'/></list>"
        )),
        Condition::UniquenessFailure {
            exists: vec![Exists::new("resource-lists/list%5B2%5D/entry%5B3%5D/@uri")]
        }
    );
    assert_eq!(
        conflict(&lists("<list name='x'/><list name='x'/>")),
        Condition::UniquenessFailure {
            exists: vec![Exists::new("resource-lists/list%5B2%5D/@name").with_alternative("x-2")]
        }
    );
    assert_eq!(
        conflict(&lists("<list><external anchor='file:///etc/passwd'/></list>")),
        Condition::ConstraintFailure
    );
    assert_eq!(
        conflict(&lists("<list><entry-ref ref='http://x/y'/></list>")),
        Condition::ConstraintFailure
    );
    assert_eq!(
        conflict(&lists("<list><entry/></list>")),
        Condition::SchemaValidationError
    );
    assert_eq!(
        lists("<list><list name='x'/></list><list><list name='x'/></list>").status,
        201
    );
}

#[test]
fn every_usage_checks_its_documents() {
    let check = |auid: &str, body: &str| {
        let usages = usages();
        let media_type = usages.get(auid).unwrap().media_type.clone();
        let uri = uri(&format!("/xcap/{auid}/users/sip:joe@example.com/index"));
        apply(&Request::put(uri, media_type, body.to_owned()), None, &usages).status
    };
    for (auid, good, bad) in [
        (
            "org.openmobilealliance.access-rules",
            include_str!("data/authored/access-rules.xml"),
            "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy'><rule id='a'/><rule id='a'/></ruleset>",
        ),
        (
            "org.openmobilealliance.im-rules",
            include_str!("data/authored/access-rules.xml"),
            "<ruleset/>",
        ),
        (
            "org.openmobilealliance.groups",
            include_str!("data/authored/group-prearranged.xml"),
            "<group xmlns='urn:oma:xml:poc:list-service'/>",
        ),
        (
            "rls-services",
            "<rls-services xmlns='urn:ietf:params:xml:ns:rls-services' xmlns:rl='urn:ietf:params:xml:ns:resource-lists'>\
             <service uri='sip:a@b'><list name='l'><rl:entry uri='sip:c@d'/></list><packages><package>presence</package></packages></service>\
             <service uri='sip:e@b'><resource-list>http://x/resource-lists/users/sip:joe@example.com/index/~~/resource-lists/list%5b1%5d</resource-list></service></rls-services>",
            "<rls-services xmlns='urn:ietf:params:xml:ns:rls-services'><service uri='sip:a@b'/></rls-services>",
        ),
        (
            "org.openmobilealliance.deferred-list",
            "<deferred-list xmlns='urn:oma:xml:im:history-list'><history history-reference='a'/></deferred-list>",
            "<deferred-list xmlns='urn:oma:xml:im:history-list'><history/></deferred-list>",
        ),
        (
            "org.openmobilealliance.conv-history",
            "<history-list xmlns='urn:oma:xml:im:history-list'><history history-reference='a'/><history><history-reference>b</history-reference></history></history-list>",
            "<history-list xmlns='urn:oma:xml:im:history-list'><history history-reference='a'/><history history-reference='a'/></history-list>",
        ),
    ] {
        assert_eq!((auid, check(auid, good)), (auid, 201));
        assert_eq!((auid, check(auid, bad)), (auid, 409));
    }
}

#[test]
fn services_refer_to_lists_of_the_same_user() {
    let put = |reference: &str| {
        let body = format!(
            "<rls-services xmlns='urn:ietf:params:xml:ns:rls-services'><service uri='sip:a@b'><resource-list>{reference}</resource-list></service></rls-services>"
        );
        let uri = uri("/xcap/rls-services/users/sip:joe@example.com/index");
        apply(
            &Request::put(uri, "application/rls-services+xml", body),
            None,
            &usages(),
        )
    };
    //= https://www.rfc-editor.org/rfc/rfc4826#section-4.4.5
    //= type=test
    //# The URI in a <resource-list> element MUST be an absolute URI.  The
    //# server MUST verify that the URI path contains "resource-lists" in
    //# the path segment corresponding to the AUID.
    for reference in [
        "/xcap/resource-lists/users/sip:joe@example.com/index",
        "http://x/other/users/sip:joe@example.com/index",
        "http://x/xresource-lists/users/sip:joe@example.com/index",
        "http://x/resource-lists/users/sip:eve@example.com/index",
        "http://x/resource-lists/global/index",
        "ftp://x/resource-lists/users/sip:joe@example.com/index",
        "",
    ] {
        assert_eq!(
            conflict(&put(reference)),
            Condition::ConstraintFailure,
            "{reference}"
        );
    }
    assert_eq!(
        put("https://x/a/resource-lists/users/sip%3Ajoe@example.com/friends").status,
        201
    );
}

#[test]
fn conditions_on_the_entity_tag_hold_or_fail() {
    let stored = Stored::new("<a/>");
    let tag = stored.etag.to_string();
    let run =
        |method: Method, if_match: Option<&str>, if_none_match: Option<&str>, stored: Option<&Stored>| {
            let mut request = Request::put(uri("/xcap/test/global/index"), "application/test+xml", "<b/>");
            request.method = method;
            request.if_match = if_match.map(str::to_owned);
            request.if_none_match = if_none_match.map(str::to_owned);
            apply(&request, stored, &usages())
        };
    assert_eq!(run(Method::Put, Some(&tag), None, Some(&stored)).status, 200);
    assert_eq!(
        run(Method::Put, Some("\"other\""), None, Some(&stored)).status,
        412
    );
    assert_eq!(run(Method::Put, Some("*"), None, None).status, 412);
    assert_eq!(run(Method::Put, None, Some("*"), None).status, 201);
    assert_eq!(run(Method::Put, None, Some("*"), Some(&stored)).status, 412);
    assert_eq!(
        run(Method::Delete, Some("\"other\""), None, Some(&stored)).change,
        Change::None
    );
    let unchanged = run(Method::Get, None, Some(&tag), Some(&stored));
    assert_eq!(
        (unchanged.status, unchanged.etag, unchanged.body.len()),
        (304, Some(stored.etag.clone()), 0)
    );
    assert_eq!(
        run(Method::Get, None, Some("\"other\""), Some(&stored)).status,
        200
    );
    assert_eq!(run(Method::Get, Some("\"other\""), None, None).status, 404);

    //= https://www.rfc-editor.org/rfc/rfc4825#section-8.2.6
    //= type=test
    //# In other words, a conditional PUT of an element or
    //# attribute with an If-None-Match: * will always fail.
    let mut request = Request::put(node("root/el3"), ELEMENT, "<el3/>");
    request.if_none_match = Some("*".into());
    assert_eq!(apply(&request, Some(&Stored::new(ROOT)), &usages()).status, 412);
}

#[test]
fn elements_are_inserted_where_the_rfc_puts_them() {
    let third = "<root>\n <el1 att=\"first\"/>\n <el1 att=\"second\"/><el1 att=\"third\"/>\n <!-- comment -->\n <el2 att=\"first\"/>\n</root>";
    let last = "<root>\n <el1 att=\"first\"/>\n <el1 att=\"second\"/>\n <!-- comment -->\n <el2 att=\"first\"/>\n<el3 att=\"first\"/></root>";
    let el2 = "<root>\n <el1 att=\"first\"/>\n <el1 att=\"second\"/>\n <!-- comment -->\n <el2 att=\"first\"/><el2 att=\"2\"/>\n</root>";
    let second = "<root>\n <el1 att=\"first\"/><el2 att=\"2\"/>\n <el1 att=\"second\"/>\n <!-- comment -->\n <el2 att=\"first\"/>\n</root>";
    let before = "<root>\n <el1 att=\"first\"/>\n <el1 att=\"second\"/>\n <!-- comment -->\n <el2 att=\"2\"/><el2 att=\"first\"/>\n</root>";
    for (selector, body, expected) in [
        ("root/el1[@att=\"third\"]", "<el1 att=\"third\"/>", third),
        ("root/el1[3][@att=\"third\"]", "<el1 att=\"third\"/>", third),
        ("root/*[3][@att=\"third\"]", "<el1 att=\"third\"/>", third),
        ("root/el3", "<el3 att=\"first\"/>", last),
        ("root/el3[1]", "<el3 att=\"first\"/>", last),
        ("*/el3[@att='first']", "<el3 att=\"first\"/>", last),
        ("root/el2[@att=\"2\"]", "<el2 att=\"2\"/>", el2),
        ("root/el2[2][@att=\"2\"]", "<el2 att=\"2\"/>", el2),
        ("root/*[2][@att=\"2\"]", "<el2 att=\"2\"/>", second),
        ("root/el2[1][@att=\"2\"]", "<el2 att=\"2\"/>", before),
    ] {
        let outcome = put(selector, ELEMENT, body, ROOT);
        assert_eq!(
            outcome.status,
            201,
            "{selector} {}",
            String::from_utf8_lossy(&outcome.body)
        );
        assert_eq!(
            text(&outcome),
            format!("<?xml version=\"1.0\"?>\n{expected}"),
            "{selector}"
        );
        assert_eq!(outcome.etag, Some(ETag::of(text(&outcome).as_bytes())));
        let read = get(selector, &text(&outcome));
        assert_eq!(
            (read.status, read.body.as_ref(), read.content_type.as_deref()),
            (200, body.as_bytes(), Some(ELEMENT))
        );
    }
    assert_eq!(
        text(&put(
            "root/*[@att=\"9\"]",
            ELEMENT,
            "<x att=\"9\"/>",
            "<root><a/> <!-- --></root>"
        )),
        "<root><a/> <!-- --><x att=\"9\"/></root>"
    );
    assert_eq!(
        text(&put(
            "root/*[1][@att=\"9\"]",
            ELEMENT,
            "<x att=\"9\"/>",
            "<root> <a/></root>"
        )),
        "<root> <x att=\"9\"/><a/></root>"
    );
    assert_eq!(
        text(&put("root/a", ELEMENT, "<a/>", "<root />")),
        "<root ><a/></root>"
    );
    assert_eq!(
        text(&put(
            "r:root/a?xmlns(r=u)",
            ELEMENT,
            "<a/>",
            "<p:root xmlns:p='u'/>"
        )),
        "<p:root xmlns:p='u'><a/></p:root>"
    );
}

#[test]
fn elements_are_replaced_and_nothing_else_changes() {
    let outcome = put(
        "root/el1[@att=\"second\"]",
        ELEMENT,
        "\n<el1 att='second'>x<y/></el1>\n",
        ROOT,
    );
    assert_eq!(outcome.status, 200);
    assert_eq!(
        text(&outcome),
        ROOT.replace("<el1 att=\"second\"/>", "<el1 att='second'>x<y/></el1>")
    );
    assert_eq!(
        text(&put("root", ELEMENT, "<root/>", ROOT)),
        "<?xml version=\"1.0\"?>\n<root/>"
    );
    let outcome = put("root/el1[1]", ELEMENT, "<el1 att=\"zero\"/>", ROOT);
    assert_eq!(
        text(&outcome),
        ROOT.replace("att=\"first\"/>\n <el1", "att=\"zero\"/>\n <el1")
    );
}

#[test]
fn elements_that_would_not_be_found_again_are_not_inserted() {
    //= https://www.rfc-editor.org/rfc/rfc4825#section-8.2.3
    //= type=test
    //# If this happens, the server MUST NOT perform the
    //# insertion, and MUST reject the request with a 409 response.
    for (selector, body) in [
        ("root/el1[@att=\"third\"]", "<el1 att=\"fourth\"/>"),
        ("root/el1[@att=\"second\"]", "<el1 att=\"other\"/>"),
        ("root/el3", "<el4/>"),
        ("root/el1[5][@att=\"x\"]", "<el1 att=\"x\"/>"),
        ("root/el3[2]", "<el3/>"),
        ("root/*[9][@att=\"x\"]", "<el1 att=\"x\"/>"),
        ("root/el1[0]", "<el1/>"),
        ("root/el1", "<el1/>"),
        ("root/*", "<el1/>"),
        ("root", "<other/>"),
        ("other", "<other/>"),
    ] {
        assert_eq!(
            conflict(&put(selector, ELEMENT, body, ROOT)),
            Condition::CannotInsert,
            "{selector}"
        );
    }
}

#[test]
fn parents_must_exist() {
    let outcome = put("root/el2[1]/inner/x", ELEMENT, "<x/>", ROOT);
    let ancestor = "/xcap/test/users/sip:joe@example.com/index/~~/root/el2%5B1%5D";
    assert_eq!(
        conflict(&outcome),
        Condition::NoParent {
            ancestor: Some(ancestor.into())
        }
    );
    let ambiguous = put("root/el1/x", ELEMENT, "<x/>", ROOT);
    assert!(
        matches!(conflict(&ambiguous), Condition::NoParent { ancestor: Some(a) } if a.ends_with("~~/root"))
    );
    let nowhere = put("other/x", ELEMENT, "<x/>", ROOT);
    assert!(matches!(conflict(&nowhere), Condition::NoParent { ancestor: Some(a) } if a.ends_with("/index")));
    let directory = uri("/xcap/test/users/sip:joe@example.com/none/index");
    let outcome = apply(
        &Request::put(directory, "application/test+xml", "<a/>"),
        None,
        &usages(),
    );
    let home = Condition::NoParent {
        ancestor: Some("/xcap/test/users/sip:joe@example.com/".into()),
    };
    assert_eq!(conflict(&outcome), home);
    let no_document = apply(&Request::put(node("root"), ELEMENT, "<root/>"), None, &usages());
    assert_eq!(conflict(&no_document), home);
    assert!(matches!(
        conflict(&put("root/el9/@a", ATTRIBUTE, "\"x\"", ROOT)),
        Condition::NoParent { .. }
    ));
}

#[test]
fn bodies_that_are_not_one_element_conflict() {
    for body in [
        "",
        "text",
        "<a/><b/>",
        "<a>",
        "<a/>text",
        "<!-- --><a/>",
        "<a/><?p?>",
        "<?xml version='1.0'?><a/>",
        "<p:a/>",
        "<a>&x;</a>",
        "<!DOCTYPE a><a/>",
    ] {
        assert_eq!(
            conflict(&put("root/a", ELEMENT, body, ROOT)),
            Condition::NotXmlFrag,
            "{body}"
        );
    }
    let request = Request::put(node("root/a"), ELEMENT, Bytes::from_static(b"<a>\xff</a>"));
    assert_eq!(
        conflict(&apply(&request, Some(&Stored::new(ROOT)), &usages())),
        Condition::NotUtf8
    );
    assert_eq!(put("root/a", "application/xml", "<a/>", ROOT).status, 415);
    assert_eq!(put("root/el2/@att", ELEMENT, "\"a\"", ROOT).status, 415);
    let deep = "<a>".repeat(64) + &"</a>".repeat(64);
    assert_eq!(
        conflict(&put("root/a", ELEMENT, &deep, ROOT)),
        Condition::ConstraintFailure
    );
}

#[test]
fn inserted_elements_may_use_the_prefixes_around_them() {
    let document = "<p:r xmlns:p=\"urn:p\"><p:a/></p:r>";
    let outcome = put(
        "q:r/q:b?xmlns(q=urn:p)",
        ELEMENT,
        "<p:b xmlns:z=\"urn:z\"/>",
        document,
    );
    assert_eq!(
        text(&outcome),
        "<p:r xmlns:p=\"urn:p\"><p:a/><p:b xmlns:z=\"urn:z\"/></p:r>"
    );
}

#[test]
fn attributes_are_created_replaced_fetched_and_deleted() {
    let created = put("root/el2/@new", ATTRIBUTE, "'a &amp; \"b\"'", ROOT);
    assert_eq!(created.status, 201);
    assert_eq!(
        text(&created),
        ROOT.replace("<el2 att=\"first\"/>", "<el2 att=\"first\" new='a &amp; \"b\"'/>")
    );
    let read = get("root/el2/@new", &text(&created));
    assert_eq!(
        (read.body.as_ref(), read.content_type.as_deref()),
        (&b"'a &amp; \"b\"'"[..], Some(ATTRIBUTE))
    );
    let replaced = put("root/el2/@att", ATTRIBUTE, "\"x\"", ROOT);
    assert_eq!(
        (replaced.status, text(&replaced)),
        (200, ROOT.replace("<el2 att=\"first\"", "<el2 att=\"x\""))
    );
    let deleted = delete("root/el2/@att", ROOT);
    assert_eq!(
        (deleted.status, text(&deleted)),
        (200, ROOT.replace("<el2 att=\"first\"/>", "<el2/>"))
    );
    assert_eq!(delete("root/el2/@none", ROOT).status, 404);
    assert_eq!(get("root/el2/@none", ROOT).status, 404);
    for body in [
        "",
        "x",
        "\"x",
        "\"x'",
        "\"a\"b\"",
        "\"<\"",
        "\"&x;\"",
        "\"\u{1}\"",
    ] {
        assert_eq!(
            conflict(&put("root/el2/@att", ATTRIBUTE, body, ROOT)),
            Condition::NotXmlAttValue,
            "{body}"
        );
    }
    // The selector would not find the attribute any more.
    assert_eq!(
        conflict(&put(
            "root/el1[@att=\"second\"]/@att",
            ATTRIBUTE,
            "\"third\"",
            ROOT
        )),
        Condition::CannotInsert
    );
    assert_eq!(
        conflict(&put("root/el2/@xmlns", ATTRIBUTE, "\"urn:x\"", ROOT)),
        Condition::CannotInsert
    );
    let prefixed = put("root/@p:a?xmlns(p=urn:p)", ATTRIBUTE, "\"1\"", "<root></root>");
    assert_eq!(text(&prefixed), "<root xmlns:p=\"urn:p\" p:a=\"1\"></root>");
    let bound = put(
        "root/@p:a?xmlns(p=urn:q)",
        ATTRIBUTE,
        "\"1\"",
        "<root xmlns:q='urn:q'/>",
    );
    assert_eq!(text(&bound), "<root xmlns:q='urn:q' q:a=\"1\"/>");
}

#[test]
fn deletion_is_idempotent_or_refused() {
    //= https://www.rfc-editor.org/rfc/rfc4825#section-8.4
    //= type=test
    //# If this happens, the server MUST NOT perform the deletion,
    //# and MUST reject the request with a 409 response.
    assert_eq!(conflict(&delete("root/el1[1]", ROOT)), Condition::CannotDelete);
    assert_eq!(conflict(&delete("root/*[1]", ROOT)), Condition::CannotDelete);
    let last = delete("root/el1[2]", ROOT);
    assert_eq!(
        (last.status, text(&last)),
        (200, ROOT.replace("<el1 att=\"second\"/>", ""))
    );
    assert_eq!(last.etag, Some(ETag::of(text(&last).as_bytes())));
    assert_eq!(
        delete(
            "root/*[1][@att=\"first\"]",
            "<root><a att=\"first\"/><b att=\"second\"/></root>"
        )
        .status,
        200
    );
    for missing in [
        "root/el1",
        "root/el9",
        "root/el1[9]",
        "other",
        "root/el1[@att=\"x\"]",
    ] {
        assert_eq!(delete(missing, ROOT).status, 404, "{missing}");
    }
    assert_eq!(conflict(&delete("root", ROOT)), Condition::SchemaValidationError);
}

#[test]
fn a_deletion_that_breaks_the_schema_is_refused() {
    let document = include_str!("data/authored/group-prearranged.xml");
    let path = "/xcap/org.openmobilealliance.groups/users/sip:alice@example.com/index/~~/group/list-service";
    let outcome = apply(
        &Request::new(Method::Delete, uri(path)),
        Some(&Stored::new(document)),
        &usages(),
    );
    assert_eq!(conflict(&outcome), Condition::SchemaValidationError);
}

#[test]
fn namespace_bindings_can_only_be_fetched() {
    let document = include_str!("data/rfc/rfc4825-02-foo.xml");
    let path = "/xcap/named/users/sip:joe@example.com/index/~~/foo/a:bar/b:baz";
    let query = "?xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace1-uri)";
    let run = |method: Method, rest: &str, query: &str| {
        apply(
            &Request::new(method, uri(&format!("{path}{rest}{query}"))),
            Some(&Stored::new(document)),
            &usages(),
        )
    };
    let bindings = run(Method::Get, "/namespace::*", query);
    assert_eq!(bindings.content_type.as_deref(), Some("application/xcap-ns+xml"));
    assert_eq!(
        bindings.body,
        r#"<baz xmlns="urn:test:namespace1-uri" xmlns:ns1="urn:test:namespace1-uri"/>"#
    );
    for method in [Method::Put, Method::Delete] {
        let refused = run(method, "/namespace::*", query);
        assert_eq!((refused.status, refused.allow), (405, Some("GET, HEAD")));
    }
    assert_eq!(run(Method::Get, "", query).body, "<baz/>");
    let second = "?xmlns(a=urn:test:namespace1-uri)other(x(y))%20xmlns(b=urn:test:namespace2-uri)";
    assert!(run(Method::Get, "", second).body.starts_with(b"<ns2:baz"));
    assert_eq!(
        run(
            Method::Get,
            "",
            "?xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:other)"
        )
        .status,
        404
    );
}

#[test]
fn attribute_values_in_selectors_may_hold_anything() {
    let document = "<root><e u=\"sip:a@b/c;d=e?f=g\"/><e u=\"it's &lt;&quot;&amp;]\"/></root>";
    assert_eq!(
        get("root/e[@u=\"sip:a@b/c;d=e%3Ff=g\"]", document).body,
        "<e u=\"sip:a@b/c;d=e?f=g\"/>"
    );
    assert_eq!(
        get("root/e[@u=\"it's%20%26lt;%26quot;%26amp;]\"]", document).status,
        200
    );
    assert_eq!(
        get("root/e[@xmlns=\"x\"]", "<root><e xmlns=\"x\"/></root>").status,
        404
    );
}

#[test]
fn the_capabilities_are_generated() {
    let request = |method: Method, path: &str| apply(&Request::new(method, uri(path)), None, &usages());
    let outcome = request(Method::Get, "/xcap/xcap-caps/global/index");
    assert_eq!(
        (outcome.status, outcome.content_type.as_deref()),
        (200, Some("application/xcap-caps+xml"))
    );
    let capabilities = Capabilities::parse(&outcome.body, &Limits::default()).unwrap();
    assert!(capabilities.auids.contains(&"xcap-caps".to_owned()));
    assert!(
        capabilities
            .namespaces
            .contains(&"urn:ietf:params:xml:ns:xcap-caps".to_owned())
    );
    let element = request(
        Method::Get,
        "/xcap/xcap-caps/global/index/~~/xcap-caps/auids/auid[1]",
    );
    assert_eq!(element.body, "<auid>xcap-caps</auid>");
    assert_eq!(
        request(Method::Get, "/xcap/xcap-caps/users/sip:a@b/index").status,
        404
    );
    assert_eq!(
        request(Method::Delete, "/xcap/xcap-caps/global/index").status,
        405
    );
}

#[test]
fn users_have_their_own_documents_to_themselves() {
    let own = uri("/xcap/resource-lists/users/sip:joe@example.com/index");
    let global = uri("/xcap/resource-lists/global/index");
    let who = |uri: &str| sip_im::Uri::parse(uri).unwrap().identity();
    let (joe, eve) = (who("sip:joe@EXAMPLE.com"), who("sip:eve@example.com"));
    let usages = usages();
    let lists = usages.get("resource-lists").unwrap();
    let may_access = |uri: &ResourceUri, who: &sip_im::Identity, privileged, access| {
        lists.may_access(uri, who, privileged, access)
    };
    //= R-5.3.3-04
    //= type=test
    assert!(may_access(&own, &joe, false, Access::Write));
    assert!(!may_access(&own, &eve, false, Access::Read));
    assert!(may_access(&own, &eve, true, Access::Write));
    assert!(may_access(&global, &eve, false, Access::Read));
    assert!(!may_access(&global, &eve, false, Access::Write));
}

#[test]
fn the_conflict_report_of_the_rfc_is_read() {
    let report = XcapError::parse(
        include_bytes!("data/rfc/rfc4825-09-xcap-error.xml"),
        &Limits::default(),
    )
    .unwrap();
    let Condition::UniquenessFailure { exists } = &report.condition else {
        panic!("{report:?}")
    };
    assert_eq!(exists[0].field, "rls-services/service/@uri");
    assert_eq!(exists[0].alternatives, ["sip:mybuddies@example.com"]);
    assert_eq!(
        XcapError::parse(&report.write(), &Limits::default()).unwrap(),
        report
    );
}

proptest! {
    /// Whatever is asked, the document stays one that its usage accepts, and what was put is what is fetched.
    #[test]
    fn documents_stay_valid(requests in proptest::collection::vec((0..3_u8, 0..4_usize, 0..4_u8, 0..3_u8), 1..20)) {
        let usages = usages();
        let mut stored = Stored::new("<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"> <list name=\"0\"/> </resource-lists>");
        for (method, position, name, kind) in requests {
            let (selector, body) = match kind {
                0 => (format!("resource-lists/list[@name=\"{name}\"]"), format!("<list name=\"{name}\"/>")),
                1 => (format!("resource-lists/*[{position}][@name=\"{name}\"]"), format!("<list name=\"{name}\"><list/></list>")),
                _ => (format!("resource-lists/list[@name=\"{name}\"]/entry[@uri=\"sip:{position}@x\"]"), format!("<entry uri=\"sip:{position}@x\"/>")),
            };
            let target = uri(&format!("/xcap/resource-lists/users/sip:a@b/index/~~/{selector}"));
            let request = match method {
                0 => Request::new(Method::Delete, target.clone()),
                _ => Request::put(target.clone(), ELEMENT, body.clone()),
            };
            let outcome = apply(&request, Some(&stored), &usages);
            prop_assert!(matches!(outcome.status, 200 | 201 | 404 | 409));
            if let Change::Put(text) = outcome.change {
                prop_assert!(ResourceLists::parse(&text, &Limits::default()).is_ok());
                stored = Stored::new(text);
                let read = apply(&Request::new(Method::Get, target), Some(&stored), &usages);
                if method == 0 {
                    prop_assert_eq!(read.status, 404);
                } else {
                    prop_assert_eq!(read.body, body);
                }
            }
        }
    }

    #[test]
    fn any_path_is_read_or_refused(path in "[a~/%5b\\[\\]@=\"'*:1-3?() xmlns]{0,60}") {
        let _ = ResourceUri::parse("/xcap", &path);
        if let Ok(uri) = ResourceUri::parse("/xcap", &format!("/xcap/test/global/index/~~/{path}")) {
            let _ = apply(&Request::new(Method::Get, uri.clone()), Some(&Stored::new(ROOT)), &usages());
            let _ = apply(&Request::put(uri.clone(), ELEMENT, "<a/>"), Some(&Stored::new(ROOT)), &usages());
            let _ = apply(&Request::new(Method::Delete, uri), Some(&Stored::new(ROOT)), &usages());
        }
    }
}
