//! The Participating function on its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use im_roles::config::Config;
use im_roles::effect::{Answer, Effect};
use im_roles::participating::Participating;
use im_roles::signal::{
    Destination, IncomingId, Input, Location, OutgoingId, RoleKind, SessionCase, Transmit,
};
use proptest::prelude::*;
use sip_im::endpoint::RequestFailure;
use sip_im::{FlowId, Method, Request, StatusCode, Uri};

use crate::{check_deadline, clock, origin, request};

fn role(change: impl FnOnce(&mut Config)) -> (Participating, Instant) {
    let now = Instant::now();
    let mut config = Config::new("example.com").unwrap();
    change(&mut config);
    (Participating::new(Arc::new(config), clock(now)), now)
}

fn terminate(role: &mut Participating, method: Method, id: u64, now: Instant) {
    let request = request(method, "sip:bob@example.com", u32::try_from(id).unwrap(), "hi");
    let origin = origin(&request, None, SessionCase::Terminating);
    role.handle_input(
        Input::Request {
            id: IncomingId::new(id),
            request,
            origin,
        },
        now,
    );
}

fn no_rules(role: &mut Participating, now: Instant) {
    while let Some(effect) = role.poll_effect() {
        role.handle_answer(
            Answer::Document {
                id: effect.id(),
                result: Ok(None),
            },
            now,
        );
    }
}

fn locate(role: &mut Participating, flows: &[u64], now: Instant) {
    let Some(Transmit::Locate { id, user }) = role.poll_transmit(now) else {
        panic!("no question")
    };
    assert_eq!(user.to_string(), "sip:bob@example.com");
    let contacts = flows
        .iter()
        .map(|flow| {
            Location::new(
                Uri::parse(&format!("sip:bob@10.0.0.{flow}")).unwrap(),
                Some(FlowId(*flow)),
                Vec::new(),
            )
        })
        .collect();
    role.handle_input(Input::Located { id, contacts }, now);
}

fn sent(role: &mut Participating, now: Instant) -> (OutgoingId, Request, Destination) {
    match role.poll_transmit(now) {
        Some(Transmit::Request {
            id,
            request,
            destination,
        }) => (id, request, destination),
        other => panic!("no request but {other:?}"),
    }
}

fn answer(role: &mut Participating, id: OutgoingId, request: &Request, code: u16, now: Instant) {
    let response = request.response(StatusCode::new(code).unwrap()).build().unwrap();
    role.handle_input(Input::Response { id, response }, now);
}

fn passed_on(role: &mut Participating, now: Instant) -> u16 {
    match role.poll_transmit(now) {
        Some(Transmit::PassOn { response, .. } | Transmit::Respond { response, .. }) => {
            response.status().code()
        }
        other => panic!("no response but {other:?}"),
    }
}

#[test]
fn the_rules_of_a_second_usage_count_when_there_are_none_of_the_first() {
    let (mut role, now) = role(|config| config.rules.push("org.openmobilealliance.im-rules".to_owned()));
    terminate(&mut role, Method::Message, 1, now);
    let mut documents = Vec::new();
    while let Some(Effect::FetchDocument { id, selector }) = role.poll_effect() {
        documents.push(selector.document);
        role.handle_answer(Answer::Document { id, result: Ok(None) }, now);
    }
    assert_eq!(documents, ["access-rules", "im-rules"]);
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
//= type=test
//# After a final response has been sent on the server transaction,
//# the following responses MUST be forwarded immediately:
//#
//# -  Any 2xx response to an INVITE request
#[test]
fn every_2xx_to_an_invite_is_passed_on_and_the_other_branches_are_cancelled() {
    let (mut role, now) = role(|_| {});
    terminate(&mut role, Method::Invite, 1, now);
    no_rules(&mut role, now);
    locate(&mut role, &[1, 2, 3], now);
    let branches: Vec<_> = (0..3).map(|_| sent(&mut role, now)).collect();
    let [first, second, third] = branches.as_slice() else {
        panic!("three branches")
    };
    answer(&mut role, first.0, &first.1, 200, now);
    let mut cancelled = Vec::new();
    let mut codes = Vec::new();
    while let Some(transmit) = role.poll_transmit(now) {
        match transmit {
            Transmit::Cancel { id } => cancelled.push(id),
            Transmit::PassOn { response, .. } => codes.push(response.status().code()),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(cancelled, [second.0, third.0]);
    answer(&mut role, second.0, &second.1, 200, now);
    answer(&mut role, third.0, &third.1, 487, now);
    codes.push(passed_on(&mut role, now));
    assert_eq!(codes, [200, 200]);
    assert!(role.poll_transmit(now).is_none());
    let later = now + Duration::from_secs(32);
    role.handle_timeout(later);
    while role.poll_event().is_some() {}
    assert!(role.is_drained());
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
//= type=test
//# It MUST choose from the 6xx class responses if any exist in the
//# context.
#[test]
fn a_decline_speaks_for_the_user() {
    let (mut role, now) = role(|_| {});
    terminate(&mut role, Method::Invite, 1, now);
    no_rules(&mut role, now);
    locate(&mut role, &[1, 2], now);
    let (first, second) = (sent(&mut role, now), sent(&mut role, now));
    answer(&mut role, first.0, &first.1, 603, now);
    assert!(matches!(role.poll_transmit(now), Some(Transmit::Cancel { id }) if id == second.0));
    answer(&mut role, second.0, &second.1, 487, now);
    assert_eq!(passed_on(&mut role, now), 603);
    while role.poll_event().is_some() {}
    assert!(role.is_drained());
}

#[test]
fn contacts_beyond_the_limit_are_left_out() {
    let (mut role, now) = role(|config| config.limits.max_branches = 2);
    terminate(&mut role, Method::Message, 1, now);
    no_rules(&mut role, now);
    locate(&mut role, &[1, 2, 3, 4], now);
    sent(&mut role, now);
    sent(&mut role, now);
    assert!(role.poll_transmit(now).is_none());
}

#[test]
fn what_was_deferred_once_is_not_deferred_again() {
    let (mut role, now) = role(|_| {});
    let request = request(Method::Message, "sip:bob@example.com", 1, "hi");
    let origin = origin(&request, Some(RoleKind::Deferred), SessionCase::Terminating);
    role.handle_input(
        Input::Request {
            id: IncomingId::new(1),
            request,
            origin,
        },
        now,
    );
    no_rules(&mut role, now);
    locate(&mut role, &[], now);
    assert_eq!(passed_on(&mut role, now), 480);
}

#[test]
fn dialogs_beyond_the_limit_are_refused() {
    let (mut role, now) = role(|config| config.limits.max_dialogs = 1);
    let mut codes = Vec::new();
    for id in 1..=2 {
        let request = request(Method::Invite, "sip:bob@example.com", id, "");
        let origin = origin(&request, None, SessionCase::Originating);
        role.handle_input(
            Input::Request {
                id: IncomingId::new(u64::from(id)),
                request,
                origin,
            },
            now,
        );
        while let Some(transmit) = role.poll_transmit(now) {
            if let Transmit::Respond { response, .. } = transmit {
                codes.push(response.status().code());
            }
        }
    }
    assert_eq!(codes, [503]);
}

/// What happens to the exchanges of a role.
#[derive(Clone, Debug)]
enum Step {
    Message,
    Invite,
    Rules(bool),
    Contacts(usize),
    Respond(usize, u16),
    Fail(usize),
    Cancel(u64),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Message),
        2 => Just(Step::Invite),
        4 => any::<bool>().prop_map(Step::Rules),
        4 => (0_usize..4).prop_map(Step::Contacts),
        6 => ((0_usize..8), prop::sample::select(vec![100, 180, 200, 302, 404, 408, 480, 487, 500, 603]))
            .prop_map(|(n, code)| Step::Respond(n, code)),
        1 => (0_usize..8).prop_map(Step::Fail),
        1 => (1_u64..6).prop_map(Step::Cancel),
        1 => (0_u64..60_000).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// However contacts and stores behave, each request gets exactly one final response that is no 2xx to an INVITE, or
    /// 2xx only; and in the end nothing is left.
    #[test]
    fn each_request_is_answered_once(steps in steps()) {
        let (mut role, start) = role(|_| {});
        let mut now = start;
        let mut next = 0_u64;
        let mut finals: std::collections::BTreeMap<IncomingId, Vec<u16>> = std::collections::BTreeMap::new();
        let (mut effects, mut questions, mut open) = (Vec::new(), Vec::new(), Vec::new());
        let mut closing = vec![Step::Pass(200_000); 6];
        closing.extend(std::iter::repeat_n(Step::Rules(true), 20));
        for step in steps.iter().chain(&closing) {
            match step {
                Step::Message | Step::Invite => {
                    next += 1;
                    let method = if matches!(step, Step::Invite) { Method::Invite } else { Method::Message };
                    finals.insert(IncomingId::new(next), Vec::new());
                    terminate(&mut role, method, next, now);
                }
                Step::Rules(well) => {
                    if let Some(id) = effects.pop() {
                        let result = if *well { Ok(None) } else { Err(im_roles::effect::StoreError::Unavailable) };
                        role.handle_answer(Answer::Document { id, result: result.clone() }, now);
                        role.handle_answer(Answer::Document { id, result }, now);
                    }
                }
                Step::Contacts(count) => {
                    if let Some(id) = questions.pop() {
                        let contact = Uri::parse("sip:bob@10.0.0.1").unwrap();
                        let contacts = vec![Location::new(contact, Some(FlowId(1)), Vec::new()); *count];
                        role.handle_input(Input::Located { id, contacts }, now);
                    }
                }
                Step::Respond(number, code) => {
                    if let Some(number) = number.checked_rem(open.len()) {
                        let (id, request): &(OutgoingId, Request) = open.get(number).unwrap();
                        let (id, request) = (*id, request.clone());
                        answer(&mut role, id, &request, *code, now);
                    }
                }
                Step::Fail(number) => {
                    if let Some(number) = number.checked_rem(open.len()) {
                        let (id, _) = open.remove(number);
                        role.handle_input(Input::Failed { id, reason: RequestFailure::TimedOut }, now);
                    }
                }
                Step::Cancel(id) => role.handle_input(Input::Cancel { id: IncomingId::new(*id) }, now),
                Step::Pass(time) => {
                    now += Duration::from_millis(*time);
                    check_deadline(&mut role, now);
                }
            }
            while let Some(effect) = role.poll_effect() {
                effects.push(effect.id());
            }
            while let Some(transmit) = role.poll_transmit(now) {
                match transmit {
                    Transmit::Locate { id, .. } => questions.push(id),
                    Transmit::Request { id, request, .. } => open.push((id, request)),
                    Transmit::Respond { id, response } | Transmit::PassOn { id, response }
                        if response.status().is_final() =>
                    {
                        finals.get_mut(&id).unwrap().push(response.status().code());
                    }
                    _ => {}
                }
            }
            while role.poll_event().is_some() {}
        }
        prop_assert!(role.is_drained());
        for (id, codes) in finals {
            let all_2xx = codes.iter().all(|code| *code < 300);
            prop_assert!(codes.len() == 1 || (all_2xx && !codes.is_empty()), "{:?} was answered {:?}", id, codes);
        }
    }
}
