//! The four figures of RFC 3261 section 17 (two of them as RFC 6026 redraws them) as tables: every pair of state and input.
//!
//! A row is a state; `-` stands where the figure has no arrow. Beside an arrow stands what the figure writes beside it.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Debug;

use sip_im::transaction::{
    Action, InviteClient, InviteClientInput, InviteServer, InviteServerInput, NonInviteClient,
    NonInviteClientInput, NonInviteServer, NonInviteServerInput,
};

/// Reads a figure: `state input -> state : actions`, one arrow a line.
fn arrows(figure: &str) -> BTreeMap<(String, String), (String, Vec<String>)> {
    figure
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (arrow, actions) = line.split_once(" : ").unwrap_or((line, ""));
            let (from, to) = arrow.split_once(" -> ").expect("an arrow");
            let (state, input) = from.split_once(' ').expect("state and input");
            let actions = actions
                .split(", ")
                .filter(|action| !action.is_empty())
                .map(str::to_owned)
                .collect();
            (
                (state.to_owned(), input.trim().to_owned()),
                (to.trim().to_owned(), actions),
            )
        })
        .collect()
}

fn compare<S: Copy + Debug, I: Copy + Debug>(
    figure: &str,
    states: &[S],
    inputs: &[I],
    arrow: impl Fn(S, I) -> Option<(S, &'static [Action])>,
) {
    let mut figure = arrows(figure);
    for state in states {
        for input in inputs {
            let ours = arrow(*state, *input).map(|(next, actions)| {
                (
                    format!("{next:?}"),
                    actions.iter().map(|a| format!("{a:?}")).collect::<Vec<_>>(),
                )
            });
            let theirs = figure.remove(&(format!("{state:?}"), format!("{input:?}")));
            assert_eq!(ours, theirs, "{state:?} on {input:?}");
        }
    }
    assert!(
        figure.is_empty(),
        "arrows that the code does not know: {figure:?}"
    );
}

#[test]
fn the_invite_client_is_figure_5_of_rfc_6026() {
    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.4
    //= type=test
    //# When a 2xx response is received while in either the "Calling" or
    //# "Proceeding" states, the client transaction MUST transition to the
    //# "Accepted" state, and Timer M MUST be started with a value of
    //# 64*T1.
    compare(
        "
        Calling    TimerA         -> Calling    : SendRequest
        Calling    TimerB         -> Terminated : ReportFailure
        Calling    TransportError -> Terminated : ReportFailure
        Calling    Provisional    -> Proceeding : Report
        Calling    Success        -> Accepted   : Report
        Calling    Failure        -> Completed  : SendAck, Report
        Proceeding Provisional    -> Proceeding : Report
        Proceeding Success        -> Accepted   : Report
        Proceeding Failure        -> Completed  : SendAck, Report
        Completed  Failure        -> Completed  : SendAck
        Completed  TransportError -> Terminated : ReportFailure
        Completed  TimerD         -> Terminated
        Accepted   Success        -> Accepted   : Report
        Accepted   TimerM         -> Terminated
        ",
        &InviteClient::ALL,
        &InviteClientInput::ALL,
        InviteClient::arrow,
    );
}

#[test]
fn the_non_invite_client_is_figure_6_of_rfc_3261() {
    compare(
        "
        Trying     TimerE         -> Trying     : SendRequest
        Trying     TimerF         -> Terminated : ReportFailure
        Trying     TransportError -> Terminated : ReportFailure
        Trying     Provisional    -> Proceeding : Report
        Trying     Final          -> Completed  : Report
        Proceeding TimerE         -> Proceeding : SendRequest
        Proceeding TimerF         -> Terminated : ReportFailure
        Proceeding TransportError -> Terminated : ReportFailure
        Proceeding Provisional    -> Proceeding : Report
        Proceeding Final          -> Completed  : Report
        Completed  Final          -> Completed
        Completed  TimerK         -> Terminated
        ",
        &NonInviteClient::ALL,
        &NonInviteClientInput::ALL,
        NonInviteClient::arrow,
    );
}

#[test]
fn the_invite_server_is_figure_7_of_rfc_6026() {
    //= https://www.rfc-editor.org/rfc/rfc6026#section-7.1
    //= type=test
    //# Instead, the associated INVITE server transaction state
    //# machine MUST remain in its current state.
    compare(
        "
        Proceeding Request        -> Proceeding : SendResponse
        Proceeding Provisional    -> Proceeding : SendResponse
        Proceeding Success        -> Accepted   : SendResponse
        Proceeding Failure        -> Completed  : SendResponse
        Proceeding TransportError -> Proceeding : ReportFailure
        Completed  Request        -> Completed  : SendResponse
        Completed  TimerG         -> Completed  : SendResponse
        Completed  TransportError -> Completed  : ReportFailure
        Completed  Ack            -> Confirmed
        Completed  TimerH         -> Terminated : ReportFailure
        Confirmed  Ack            -> Confirmed
        Confirmed  TimerI         -> Terminated
        Accepted   Request        -> Accepted
        Accepted   Ack            -> Accepted   : Report
        Accepted   Success        -> Accepted   : SendResponse
        Accepted   TransportError -> Accepted   : ReportFailure
        Accepted   TimerL         -> Terminated
        ",
        &InviteServer::ALL,
        &InviteServerInput::ALL,
        InviteServer::arrow,
    );
}

#[test]
fn the_non_invite_server_is_figure_8_of_rfc_3261() {
    compare(
        "
        Trying     Provisional    -> Proceeding : SendResponse
        Trying     Final          -> Completed  : SendResponse
        Proceeding Request        -> Proceeding : SendResponse
        Proceeding Provisional    -> Proceeding : SendResponse
        Proceeding Final          -> Completed  : SendResponse
        Proceeding TransportError -> Terminated : ReportFailure
        Completed  Request        -> Completed  : SendResponse
        Completed  TransportError -> Terminated : ReportFailure
        Completed  TimerJ         -> Terminated
        ",
        &NonInviteServer::ALL,
        &NonInviteServerInput::ALL,
        NonInviteServer::arrow,
    );
}
