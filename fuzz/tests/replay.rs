//! The corpora hold nothing that the targets find fault with.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a corpus that cannot be read fails the test"
)]

use std::path::Path;

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        target(&data);
        // The same octets in pieces of every small size.
        for step in 1..=64u8 {
            let mut cut = data.clone();
            cut[0] = step;
            target(&cut);
        }
        count += 1;
    }
    assert!(count > 0, "{name} has a corpus");
}

/// A test for each target, and one that no target and no corpus is left out.
macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), fuzz::$name);
        })*

        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replayed! {
    conference_info
    cpim
    identity
    msrp_connection
    msrp_framer
    msrp_message
    msrp_relay
    multipart
    policy_evaluate
    sdp
    sip_endpoint
    sip_header
    sip_message
    sip_session
    sip_stream
    sip_transaction
    sip_uri
    xcap_edit
    xcap_patch
    xcap_request
    xdm_document
}

#[test]
fn every_target_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let mut targets: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, REPLAYED);
}
