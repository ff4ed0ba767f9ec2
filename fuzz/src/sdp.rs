//! A description that is read is written as itself; what is answered has a medium for each that was offered, takes one of them,
//! and is a description again.

use bytes::Bytes;
use msrp::Uri;
use sip_im::sdp::{LocalMedia, MessageMedia, Session, Setup, answer};

/// The first octet chooses what this end can do, the rest is the description.
pub fn sdp(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let Ok(session) = Session::parse(&Bytes::copy_from_slice(rest)) else {
        return;
    };
    let written = session.write();
    let again =
        Session::parse(&written).unwrap_or_else(|error| panic!("what is written is refused: {error}"));
    assert_eq!(again, session, "what is written is another description");
    for media in &session.media {
        let refused = media.refused();
        assert!(refused.port == 0 && refused.formats == media.formats);
        let Ok((examined, faults)) = MessageMedia::examine(&session, media) else {
            continue;
        };
        match MessageMedia::read(&session, media) {
            Ok(read) => assert_eq!(read, examined),
            Err(error) => assert!(faults.contains(&error)),
        }
    }
    let uri = if choice & 1 == 0 { "msrp" } else { "msrps" };
    let Ok(uri) = Uri::parse(&format!("{uri}://192.0.2.1:2855/s1;tcp")) else {
        return;
    };
    let mut local = LocalMedia::new(uri);
    local.setup = [
        None,
        Some(Setup::Active),
        Some(Setup::Passive),
        Some(Setup::ActPass),
    ]
    .get(usize::from(choice >> 1 & 3))
    .copied()
    .flatten();
    local.cema = choice & 8 != 0;
    let Ok(answer) = answer(&session, &local) else {
        return;
    };
    assert_eq!(
        answer.session.media.len(),
        session.media.len(),
        "a medium is not answered"
    );
    for (at, media) in answer.session.media.iter().enumerate() {
        assert_eq!(media.port != 0, at == answer.chosen, "another medium is taken");
    }
    let said = Session::parse(&answer.session.write()).unwrap_or_else(|error| panic!("the answer: {error}"));
    assert_eq!(said, answer.session);
    let own = said
        .message_media()
        .unwrap_or_else(|| panic!("the answer cannot be used"));
    assert!(!(own.setup == Some(Setup::Active) && answer.remote.setup == Some(Setup::Active)));
    assert!(!(own.setup == Some(Setup::Passive) && answer.remote.setup == Some(Setup::Passive)));
}
