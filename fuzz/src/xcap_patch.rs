//! Patches between any two documents, and any patch on any document.

use im_xdm_model::xcap::diff::XcapDiff;
use im_xdm_model::xcap::patch::{Limits, apply, diff, equivalent, operations};

/// Two documents, separated by NUL; the second is also read as a patch for the first.
///
/// # Panics
///
/// Panics when a patch does not turn one version into the other, or a report is not read as it was written.
pub fn xcap_patch(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some((one, other)) = text.split_once('\0') else {
        return;
    };
    let mut limits = Limits::default();
    limits.operations = 64;
    limits.visits = 20_000;
    if let Some(patch) = diff(one, other, &limits) {
        let patched = apply(one, &patch, &limits);
        assert!(patched.is_ok_and(|patched| equivalent(&patched, other, &limits.xml)));
    }
    if let Ok(patch) = operations(other, "", &limits.xml)
        && let Ok(patched) = apply(one, &patch, &limits)
    {
        assert!(equivalent(&patched, &patched, &limits.xml));
    }
    if let Ok(report) = XcapDiff::parse(other.as_bytes(), &limits.xml) {
        let again = XcapDiff::parse(&report.write(), &limits.xml);
        assert_eq!(again.ok(), Some(report));
    }
}
