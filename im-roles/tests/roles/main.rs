//! Single roles as a host drives them without a node: signals and answers in, signals, effects and events out.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; one reading of the clock is the epoch of virtual time"
)]

mod deferred;
mod participating;
mod xdms;

use std::time::{Duration, Instant};

use im_roles::WallClock;
use im_roles::machine::Role;
use im_roles::signal::{Origin, RoleKind, SessionCase};
use sip_im::identity::{self, Trust};
use sip_im::{ByteStr, Method, Request, Uri};

pub(crate) fn clock(now: Instant) -> WallClock {
    WallClock::new(now, Duration::from_secs(1_700_000_000))
}

/// A request from alice, as a node hands it over.
pub(crate) fn request(method: Method, to: &str, serial: u32, body: &str) -> Request {
    let to = Uri::parse(to).unwrap();
    let alice = Uri::parse("sip:alice@example.com").unwrap();
    let mut request = Request::builder(method, to.clone())
        .from(&alice, None, &format!("f{serial}"))
        .to(&to, None)
        .call_id(&format!("call{serial}"))
        .cseq(serial)
        .build()
        .unwrap();
    request
        .headers_mut()
        .push_typed(&sip_im::header::PAssertedIdentity::new(alice))
        .unwrap();
    if !body.is_empty() {
        let kind = sip_im::ContentType::parse("text/plain").unwrap();
        request
            .set_body(&kind, ByteStr::from(body.to_owned()).as_str().to_owned().into())
            .unwrap();
    }
    request
}

pub(crate) fn origin(request: &Request, role: Option<RoleKind>, case: SessionCase) -> Origin {
    let originator = identity::asserted_identity(request, Trust::Trusted).unwrap();
    let user = originator.uri().map(Uri::identity);
    Origin::new(originator, user, None, role, case)
}

/// A call that is not due changes nothing, and after one that is due, nothing due stays behind.
pub(crate) fn check_deadline(role: &mut impl Role, now: Instant) {
    match role.poll_timeout() {
        Some(at) if at <= now => {
            role.handle_timeout(now);
            assert!(
                role.poll_timeout().is_none_or(|next| next > now),
                "a deadline stays behind"
            );
        }
        before => {
            role.handle_timeout(now);
            assert_eq!(role.poll_timeout(), before);
        }
    }
}
