//! Documents that a server makes itself.

use im_xdm_model::xcap::{
    Directory, DirectoryEntry, Folder, Method, Request, ResourceUri, Stored, Usages, apply,
};
use im_xdm_model::xml::Limits;

#[test]
fn directories_are_read_and_written() {
    let text = include_bytes!("data/authored/xcap-directory.xml");
    let directory = Directory::parse(text, &Limits::default()).unwrap();
    let [lists, groups, rules] = directory.folders.as_slice() else {
        unreachable!("{directory:?}")
    };
    assert_eq!(
        (lists.auid.as_str(), groups.entries.len(), rules.entries.len()),
        ("resource-lists", 0, 0)
    );
    let [entry] = lists.entries.as_slice() else {
        unreachable!("{lists:?}")
    };
    assert_eq!((entry.etag.as_str(), entry.size), ("W/'435-1'", Some(435)));
    assert_eq!(
        entry.last_modified.as_ref().unwrap().to_string(),
        "2009-12-22T11:42:12+01:00"
    );
    assert_eq!(
        Directory::parse(&directory.write(), &Limits::default()).unwrap(),
        directory
    );
    for bad in [
        "<xcap-directory/>",
        "<xcap-directory xmlns='urn:oma:xml:xdm:xcap-directory'><folder/></xcap-directory>",
        "<xcap-directory xmlns='urn:oma:xml:xdm:xcap-directory'><folder auid='a'><entry/></folder></xcap-directory>",
        "<xcap-directory xmlns='urn:oma:xml:xdm:xcap-directory'><folder auid='a'><entry uri='b' size='c'/></folder></xcap-directory>",
        "<xcap-directory xmlns='urn:oma:xml:xdm:xcap-directory'><folder auid='a'><entry uri='b' last-modified='c'/></folder></xcap-directory>",
    ] {
        assert!(
            Directory::parse(bad.as_bytes(), &Limits::default()).is_err(),
            "{bad}"
        );
    }
    let more = "<xcap-directory xmlns='urn:oma:xml:xdm:xcap-directory' xmlns:x='urn:x' x:a='1'><folder auid='a' x:b='2'>\
                <entry uri='c' x:d='3'/><x:e/></folder><error-code>404</error-code></xcap-directory>";
    let more = Directory::parse(more.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(Directory::parse(&more.write(), &Limits::default()).unwrap(), more);
}

#[test]
fn directories_are_only_read() {
    let mut folder = Folder::new("resource-lists");
    folder
        .entries
        .push(DirectoryEntry::new("http://x/index", "\"1\""));
    let stored = Stored::new(Directory::of(vec![folder]).write());
    let ask = |method: Method, node: &str| {
        let path = format!("/org.openmobilealliance.xcap-directory/users/sip:a@b/directory.xml{node}");
        let uri = ResourceUri::parse("", &path).unwrap();
        apply(&Request::new(method, uri), Some(&stored), &Usages::standard())
    };
    let whole = ask(Method::Get, "");
    assert_eq!(
        (whole.status, whole.content_type.as_deref()),
        (200, Some("application/vnd.oma.xcap-directory+xml"))
    );
    let folder = ask(
        Method::Get,
        "/~~/xcap-directory/folder%5b@auid=%22resource-lists%22%5d/entry/@etag",
    );
    assert_eq!(
        (folder.status, folder.body.as_ref()),
        (200, &b"\"&quot;1&quot;\""[..])
    );
    for method in [Method::Put, Method::Delete] {
        assert_eq!(ask(method, "").status, 405);
    }
}
