//! Reports of changes on a server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use im_xdm_model::xcap::ETag;
use im_xdm_model::xcap::diff::{Component, DocumentChange, UpdateError, XcapDiff};
use im_xdm_model::xcap::patch::{Limits, diff};
use im_xdm_model::xml;

fn sample(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/rfc");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn the_reports_of_the_rfcs_are_read_and_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/rfc");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with("-xcap-diff.xml") {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let report = XcapDiff::parse(&text, &xml::Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(report.xcap_root.starts_with("http://"));
        assert_eq!(
            XcapDiff::parse(&report.write(), &xml::Limits::default()).unwrap(),
            report,
            "{}",
            path.display()
        );
        read += 1;
    }
    assert!(read >= 15, "{read}");
    let report = XcapDiff::parse(
        sample("rfc5874-01-xcap-diff.xml").as_bytes(),
        &xml::Limits::default(),
    )
    .unwrap();
    let [
        Component::Document(change),
        Component::Element(element),
        Component::Attribute(attribute),
    ] = report.components.as_slice()
    else {
        panic!("{report:?}")
    };
    assert_eq!(
        (
            change.previous_etag.as_deref(),
            change.new_etag.as_deref(),
            &change.patch
        ),
        (Some("8a77f8d"), Some("7ahggs"), &None)
    );
    assert!(element.content.as_ref().unwrap().starts_with("<service uri="));
    assert!(
        element
            .bindings
            .contains(&("rl".into(), "urn:ietf:params:xml:ns:resource-lists".into()))
    );
    assert_eq!(attribute.value, "sip:marketing@example.com");
}

#[test]
fn reports_that_are_not_of_the_schema_are_refused() {
    let parse = |inner: &str| {
        let text = format!(
            "<xcap-diff xmlns='urn:ietf:params:xml:ns:xcap-diff' xcap-root='http://x/'>{inner}</xcap-diff>"
        );
        XcapDiff::parse(text.as_bytes(), &xml::Limits::default())
    };
    for bad in [
        "text",
        "<document/>",
        "<other/>",
        "<document sel='a'><body-not-changed/><remove sel='b'/></document>",
        "<document sel='a'><add/></document>",
        "<document sel='a'><add sel='b' pos='inside'/></document>",
        "<document sel='a'><add sel='b' type='c'/></document>",
        "<document sel='a'><remove sel='b' ws='all'/></document>",
        "<document sel='a'><remove sel='b'>x</remove></document>",
        "<element/>",
        "<element sel='a' exists='maybe'/>",
        "<element sel='a'><b/><c/></element>",
        "<attribute/>",
        "<attribute sel='a'><b/></attribute>",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(
        XcapDiff::parse(
            b"<xcap-diff xmlns='urn:ietf:params:xml:ns:xcap-diff'/>",
            &xml::Limits::default()
        )
        .is_err()
    );
    assert!(XcapDiff::parse(b"<a/>", &xml::Limits::default()).is_err());
    assert!(XcapDiff::parse(b"\xff", &xml::Limits::default()).is_err());
    let extended = parse(
        "<document sel='a' x:b='c' xmlns:x='urn:x'><add sel='d' x:e='f'>g</add><x:h/></document><i xmlns='urn:i'/>",
    )
    .unwrap();
    assert_eq!(extended.elements.len(), 1);
    assert_eq!(
        XcapDiff::parse(&extended.write(), &xml::Limits::default()).unwrap(),
        extended
    );
}

//= https://www.rfc-editor.org/rfc/rfc5874#section-6
//= type=test
//# When a diff client applies XCAP diff document
//# changes, it MUST apply a resource state change only if entity tag
//# values match with octet-by-octet equivalence according to the table
//# defined in Figure 1.
#[test]
fn cached_documents_are_updated_from_the_version_they_are() {
    let (old, new) = (ETag::new("1"), ETag::new("2"));
    let limits = Limits::default();
    let mut change = DocumentChange::changed("a/global/index", &old, &new);
    assert_eq!(change.update("1", "<r/>", &limits), Err(UpdateError::Fetch));
    change.patch = diff("<r/>", "<r><a/></r>", &limits);
    assert_eq!(change.update("1", "<r/>", &limits).as_deref(), Ok("<r><a/></r>"));
    assert_eq!(
        change.update("2", "<r/>", &limits),
        Err(UpdateError::OtherVersion)
    );
    change.patch = None;
    change.body_not_changed = true;
    assert_eq!(change.update("1", "<r/>", &limits).as_deref(), Ok("<r/>"));
    let removed = DocumentChange::removed("a/global/index", &old);
    assert_eq!(removed.update("1", "<r/>", &limits), Err(UpdateError::Removed));
    let exists = DocumentChange::exists("a/global/index", &new);
    assert_eq!(exists.update("1", "<r/>", &limits), Err(UpdateError::Fetch));
}
