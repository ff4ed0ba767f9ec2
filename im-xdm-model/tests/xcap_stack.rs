//! XCAP and patches in little memory for the stack, however deep a document or long a selector is.

use im_xdm_model::xcap::diff::XcapDiff;
use im_xdm_model::xcap::patch::{Limits as PatchLimits, apply as patch, diff, equivalent, operations};
use im_xdm_model::xcap::{
    Capabilities, Directory, Method, Request, ResourceUri, Stored, Usage, Usages, XcapError, apply,
};
use im_xdm_model::xml::Limits;

fn deep(levels: usize, inner: &str) -> String {
    format!("{}{inner}{}", "<a>".repeat(levels), "</a>".repeat(levels))
}

#[test]
fn everything_runs_in_256_kib_of_stack() {
    let work = || {
        let mut limits = PatchLimits::default();
        limits.xml.depth = 20_000;
        limits.steps = 20_000;
        // The limits on depth are lifted, so that nothing but the code keeps the stack small.
        let (old, new) = (deep(1_500, "<b/>"), deep(1_500, "<c x='1'/>"));
        assert!(equivalent(&old, &old, &limits.xml));
        let selector = format!("{}/b", vec!["a"; 1_500].join("/"));
        let text = format!("<d><replace sel='{selector}'><c x='1'/></replace></d>");
        let changes = operations(&text, "", &limits.xml).unwrap();
        assert_eq!(patch(&old, &changes, &limits).unwrap(), new);
        let (old, new) = (deep(40, "<b/>"), deep(40, "<c x='1'/>"));
        let changes = diff(&old, &new, &limits).unwrap();
        assert_eq!(patch(&old, &changes, &limits).unwrap(), new);
        let mut usages = Usages::none();
        usages.insert(Usage::new("test", "application/test+xml", ""));
        let path = format!("/test/global/index/~~/{}/b", vec!["a"; 63].join("/"));
        let mut request = Request::new(Method::Put, ResourceUri::parse("", &path).unwrap());
        request.content_type = Some("application/xcap-el+xml".to_owned());
        request.body = "<b/>".into();
        let outcome = apply(&request, Some(&Stored::new(deep(63, ""))), &usages);
        assert_eq!(outcome.status, 201);
        let text = deep(1_500, "");
        let octets = text.as_bytes();
        assert!(XcapDiff::parse(octets, &limits.xml).is_err());
        assert!(XcapError::parse(octets, &Limits::default()).is_err());
        assert!(Capabilities::parse(octets, &Limits::default()).is_err());
        assert!(Directory::parse(octets, &Limits::default()).is_err());
        let _ = ResourceUri::parse("", &format!("/a/global/b/~~/{}", "a/".repeat(4_000)));
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}
