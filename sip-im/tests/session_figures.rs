//! What the RFCs draw of sessions, as tables: every pair of state and input.
#![cfg(test)]

mod machines;

use std::collections::BTreeMap;
use std::time::Duration;

use machines::{epoch, request};
use proptest::prelude::*;
use sip_im::dialog::{Dialog, DialogSnapshot};
use sip_im::header::{Contact, MinSe, RecordRoute, Refresher, Require, SessionExpires, Supported};
use sip_im::session::{
    IntervalTooSmall, SessionInput, SessionState, SessionTimer, Side, TimerConfig, refresher,
};
use sip_im::snapshot::{MAX_OCTETS, SnapshotError};
use sip_im::{Method, Request, StatusCode};

/// Compares a table, `state input -> state` a line, with the code.
fn compare(figure: &str, side: Side) {
    let mut arrows: BTreeMap<(String, String), String> = figure
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (from, to) = line.split_once(" -> ").expect("an arrow");
            let (state, input) = from.split_once(' ').expect("state and input");
            ((state.to_owned(), input.trim().to_owned()), to.trim().to_owned())
        })
        .collect();
    for state in SessionState::ALL {
        for input in SessionInput::ALL {
            let ours = state.next(side, input).map(|next| format!("{next:?}"));
            let theirs = arrows.remove(&(format!("{state:?}"), format!("{input:?}")));
            assert_eq!(ours, theirs, "{state:?} on {input:?}");
        }
    }
    assert!(
        arrows.is_empty(),
        "arrows that the code does not know: {arrows:?}"
    );
}

#[test]
fn the_caller_is_figure_1_of_rfc_5407() {
    compare(
        "
        Preparative Provisional -> Early
        Preparative Success     -> Moratorium
        Preparative Failure     -> Morgue
        Early       Success     -> Moratorium
        Early       Failure     -> Morgue
        Early       ByeSent     -> Mortal
        Moratorium  Ack         -> Established
        Moratorium  ByeSent     -> Mortal
        Moratorium  ByeReceived -> Mortal
        Established Success     -> Established
        Established Ack         -> Established
        Established ByeSent     -> Mortal
        Established ByeReceived -> Mortal
        Mortal      Success     -> Mortal
        Mortal      Ack         -> Mortal
        Mortal      ByeReceived -> Mortal
        Mortal      Timeout     -> Morgue
        ",
        Side::Caller,
    );
}

#[test]
fn the_callee_is_figure_2_of_rfc_5407() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15
    //= type=test
    //# The caller's UA MAY send a BYE for either
    //# confirmed or early dialogs, and the callee's UA MAY send a BYE on
    //# confirmed dialogs, but MUST NOT send a BYE on early dialogs.
    compare(
        "
        Preparative Provisional -> Early
        Preparative Success     -> Moratorium
        Preparative Failure     -> Morgue
        Early       Success     -> Moratorium
        Early       Failure     -> Morgue
        Early       ByeReceived -> Mortal
        Moratorium  Success     -> Moratorium
        Moratorium  Ack         -> Established
        Moratorium  ByeSent     -> Mortal
        Moratorium  ByeReceived -> Mortal
        Established ByeSent     -> Mortal
        Established ByeReceived -> Mortal
        Mortal      ByeReceived -> Mortal
        Mortal      Timeout     -> Morgue
        ",
        Side::Callee,
    );
}

#[test]
fn the_refresher_is_that_of_table_2_of_rfc_4028() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-9
    //= type=test
    //# However, as the table
    //# indicates, the UAS cannot override the UAC's choice of refresher, if
    //# it made one.
    let (uac, uas) = (Refresher::Uac, Refresher::Uas);
    for (supports, named, answers) in [
        (false, None, [Some(uas), Some(uas)]),
        (false, Some(uac), [None, None]),
        (false, Some(uas), [None, None]),
        (true, None, [Some(uac), Some(uas)]),
        (true, Some(uac), [Some(uac), Some(uac)]),
        (true, Some(uas), [Some(uas), Some(uas)]),
    ] {
        for (wanted, answer) in [uac, uas].into_iter().zip(answers) {
            assert_eq!(refresher(supports, named, wanted), answer);
        }
    }
}

/// An INVITE with these header fields of RFC 4028.
fn asking(supported: bool, interval: Option<(u32, Option<Refresher>)>, min_se: Option<u32>) -> Request {
    let mut invite = request(Method::Invite, "c");
    let headers = invite.headers_mut();
    if supported {
        headers.push_typed(&Supported::new(["timer"])).expect("Supported");
    }
    if let Some((seconds, side)) = interval {
        headers
            .push_typed(&SessionExpires::new(seconds, side))
            .expect("Session-Expires");
    }
    if let Some(seconds) = min_se {
        headers.push_typed(&MinSe::new(seconds)).expect("Min-SE");
    }
    invite
}

#[test]
fn the_answering_end_grants_no_more_than_was_asked_and_no_less_than_the_minimum() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-9
    //= type=test
    //# The UAS MUST
    //# NOT increase the value of the Session-Expires header field.
    let mut own = TimerConfig::default();
    own.session_expires = Some(600);
    own.min_se = 120;
    let granted = |request: &Request, config: &TimerConfig| {
        SessionTimer::default()
            .grant(request.headers(), config)
            .map(|granted| granted.map(|granted| (granted.seconds, granted.refresher)))
    };
    let (uac, uas) = (Refresher::Uac, Refresher::Uas);
    for (request, expected) in [
        (asking(true, Some((1800, None)), None), Ok(Some((600, uas)))),
        (asking(true, Some((300, Some(uac))), None), Ok(Some((300, uac)))),
        (asking(true, Some((1800, None)), Some(900)), Ok(Some((900, uas)))),
        (asking(true, Some((100, None)), None), Err(IntervalTooSmall(120))),
        // Who does not know of timers can't be told of a minimum either.
        (asking(false, Some((100, None)), None), Ok(Some((100, uas)))),
        (asking(false, Some((50, None)), None), Ok(None)),
        (asking(true, None, None), Ok(Some((600, uas)))),
        (asking(true, None, Some(700)), Ok(Some((700, uas)))),
    ] {
        assert_eq!(granted(&request, &own), expected, "{request:?}");
    }
    let off = TimerConfig::off();
    assert_eq!(granted(&asking(true, None, None), &off), Ok(None));
    assert_eq!(
        granted(&asking(true, Some((7200, Some(uac))), None), &off),
        Ok(Some((7200, uac)))
    );
}

#[test]
fn a_2xx_requires_the_timer_of_a_peer_that_has_to_act() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-9
    //= type=test
    //# If the refresher parameter in the Session-Expires header field in the
    //# 2xx response has a value of 'uac', the UAS MUST place a Require
    //# header field into the response with the value 'timer'.
    let config = TimerConfig::default();
    for (supported, side, requires) in [
        (true, Some(Refresher::Uac), true),
        (true, Some(Refresher::Uas), true),
        (false, None, false),
    ] {
        let invite = asking(supported, Some((600, side)), None);
        let granted = SessionTimer::default()
            .grant(invite.headers(), &config)
            .expect("granted");
        let ok = SessionTimer::answer(invite.response(StatusCode::OK), granted)
            .build()
            .expect("a response");
        let required = ok.headers().get::<Require>().expect("Require");
        assert_eq!(required.is_some_and(|tags| tags.contains("timer")), requires);
    }
}

#[test]
fn a_session_ends_a_little_before_its_expiry_and_is_refreshed_at_half_of_it() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-10
    //= type=test
    //# The minimum of 32 seconds and one third of the session
    //# interval is RECOMMENDED.
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.2
    //= type=test
    //# It is
    //# RECOMMENDED that this refresh be sent once half the session interval
    //# has elapsed.
    let now = epoch();
    let seconds = Duration::from_secs;
    for (interval, refresh, end) in [
        (1800, 900, 1768),
        (90, 45, 60),
        // Less than RFC 4028 knows is taken for the least it knows.
        (10, 45, 60),
    ] {
        let mut timer = SessionTimer::default();
        let mut ok = asking(false, Some((interval, Some(Refresher::Uac))), None);
        timer.accepted(ok.headers(), now);
        assert_eq!(timer.refresh_at(), Some(now + seconds(refresh)));
        assert_eq!(timer.ends_at(), Some(now + seconds(end)));
        ok = asking(false, Some((interval, Some(Refresher::Uas))), None);
        timer.accepted(ok.headers(), now);
        assert_eq!((timer.refresh_at(), timer.is_ours()), (None, false));
    }
    // A 2xx without the field leaves the timer to the end that asked.
    let mut timer = SessionTimer::default();
    let config = TimerConfig::default();
    let builder = Request::builder(Method::Update, machines::uri("sip:b.test"));
    drop(timer.ask(builder, &config));
    timer.accepted(asking(false, None, None).headers(), now);
    assert_eq!((timer.interval(), timer.is_ours()), (Some(1800), true));
    timer.accepted(asking(false, None, None).headers(), now);
    assert_eq!(timer.interval(), None, "nobody asked, nobody granted");
}

#[test]
fn a_422_raises_what_is_asked_for_and_is_heeded_while_it_grows() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //= type=test
    //# The UAC MUST insert the Min-SE header field into a session refresh
    //# request for a particular dialog if it has ever received a 422
    //# response to a previous session refresh request on the same dialog, or
    //# if it has received a session refresh request on that dialog that
    //# contained a Min-SE header field.
    let mut config = TimerConfig::default();
    config.session_expires = Some(100);
    let mut timer = SessionTimer::default();
    let ask = |timer: &mut SessionTimer| {
        let bob = machines::uri("sip:bob@b.test");
        let builder = Request::builder(Method::Invite, bob.clone())
            .from(&bob, None, "a")
            .to(&bob, None)
            .call_id("c")
            .cseq(1);
        let invite = timer.ask(builder, &config).build().expect("an invite");
        let headers = invite.headers();
        (
            headers
                .get::<SessionExpires>()
                .expect("Session-Expires")
                .map(|se| se.seconds),
            headers.get::<MinSe>().expect("Min-SE").map(|min| min.seconds),
        )
    };
    assert_eq!(ask(&mut timer), (Some(100), None));
    let told = asking(false, None, Some(3600));
    assert!(timer.too_small(told.headers()));
    assert_eq!(ask(&mut timer), (Some(3600), Some(3600)));
    assert!(
        !timer.too_small(told.headers()),
        "asking again would change nothing"
    );
    assert!(timer.too_small(asking(false, None, Some(4000)).headers()));
    assert_eq!(ask(&mut timer), (Some(4000), Some(4000)));
    assert_eq!(timer.interval(), None, "nothing is granted yet");
}

fn dialog(routes: &[&str]) -> Dialog {
    let mut invite = request(Method::Invite, "call:with%odd-1@x");
    for route in routes {
        invite
            .headers_mut()
            .push_typed(&RecordRoute::new(machines::uri(route)))
            .expect("Record-Route");
    }
    let ok = invite
        .response(StatusCode::OK)
        .to_tag("b1")
        .contact(&Contact::new(machines::uri("sip:bob@192.0.2.2;transport=tcp")))
        .build()
        .expect("a response");
    Dialog::from_uac(&invite, &ok).expect("a dialog")
}

#[test]
fn a_dialog_goes_on_after_its_snapshot_as_if_nothing_had_happened() {
    let mut kept = dialog(&["sip:p2.test;lr;x=1", "sip:p1.test;lr"]);
    drop(kept.request(Method::Info));
    let snapshot = kept.snapshot();
    let text = snapshot.write();
    assert_eq!(DialogSnapshot::read(&text), Ok(snapshot.clone()));
    let mut restored = Dialog::restore(&snapshot).expect("a dialog");
    let (one, two) = (
        kept.request(Method::Bye).build().expect("a bye"),
        restored.request(Method::Bye).build().expect("a bye"),
    );
    assert_eq!(one.to_bytes(), two.to_bytes());
}

#[test]
fn what_is_no_snapshot_is_refused_by_its_place() {
    let snapshot = dialog(&[]).snapshot();
    let text = snapshot.write();
    assert_eq!(
        DialogSnapshot::read(&text.replacen(":1:1", ":1:2", 1)),
        Err(SnapshotError::Version)
    );
    assert_eq!(
        DialogSnapshot::read(&format!("{text}more:1:x\n")),
        Err(SnapshotError::Malformed("end"))
    );
    assert_eq!(
        DialogSnapshot::read(&"x".repeat(MAX_OCTETS + 1)),
        Err(SnapshotError::TooLarge)
    );
    assert_eq!(
        DialogSnapshot::read(&text.replace("secure:1:0", "secure:1:7")),
        Err(SnapshotError::Value("secure"))
    );
    let changed = |change: &dyn Fn(&mut DialogSnapshot)| {
        let mut changed = snapshot.clone();
        change(&mut changed);
        changed
    };
    for (key, changed) in [
        ("call-id", changed(&|s| "a\r\nb".clone_into(&mut s.call_id))),
        ("local-tag", changed(&|s| "a;b".clone_into(&mut s.local_tag))),
        ("remote", changed(&|s| "<sip:>".clone_into(&mut s.remote))),
        ("target", changed(&|s| "bob".clone_into(&mut s.target))),
        ("local-sequence", changed(&|s| s.local_sequence = Some(1 << 31))),
        (
            "route",
            changed(&|s| s.routes = vec!["<sip:p;lr>".to_owned(); 33]),
        ),
    ] {
        assert_eq!(Dialog::restore(&changed).err(), Some(SnapshotError::Value(key)));
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_a_snapshot_panic(cut in 0..600_usize, at in 0..600_usize, with in any::<char>()) {
        let text = dialog(&["sip:p1.test;lr"]).snapshot().write();
        let mut characters: Vec<char> = text.chars().take(cut).collect();
        if let Some(place) = characters.get_mut(at) {
            *place = with;
        }
        let text: String = characters.into_iter().collect();
        if let Ok(snapshot) = DialogSnapshot::read(&text) {
            prop_assert_eq!(&snapshot.write(), &text);
            if let Ok(dialog) = Dialog::restore(&snapshot) {
                prop_assert_eq!(DialogSnapshot::read(&dialog.snapshot().write()), Ok(dialog.snapshot()));
            }
        }
    }
}
