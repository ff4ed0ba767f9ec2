//! Two users over a network that loses, repeats and reorders datagrams: every flow of requests that an instant messaging service has,
//! in virtual time. Each request has to end once, and nothing may be left afterwards.

mod client;
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip_im::endpoint::{ClientTransaction, Endpoint, Event, ServerTransaction, Target};
use sip_im::{Method, Request, Response};

use crate::machines::{Dice, Pair, Weather};
use client::Client;
use server::Server;

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Register,
    Message,
    Session,
    Subscribe,
    Publish,
    Refer,
}

impl Flow {
    pub(crate) const ALL: [Self; 6] = [
        Self::Register,
        Self::Message,
        Self::Session,
        Self::Subscribe,
        Self::Publish,
        Self::Refer,
    ];
}

/// How a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) requests: usize,
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    pub(crate) datagrams: u64,
    /// The user got all the way to the end of the flow.
    pub(crate) completed: bool,
}

/// The requests of one end, and how often each has ended.
#[derive(Default)]
pub(crate) struct Ledger {
    ended: BTreeMap<ClientTransaction, u32>,
    answered: usize,
    failed: usize,
}

impl Ledger {
    pub(crate) fn send(
        &mut self,
        endpoint: &mut Endpoint,
        request: Request,
        target: &Target,
        now: Instant,
    ) -> ClientTransaction {
        let id = endpoint.send(request, target.clone(), now).expect("sent");
        self.ended.insert(id, 0);
        id
    }

    /// Takes note of the end of a request; gives the request, and its response if it got one.
    pub(crate) fn end(&mut self, event: &Event) -> Option<(ClientTransaction, Option<Response>)> {
        let (id, response) = match event {
            Event::ResponseReceived {
                transaction,
                response,
            } if response.status().is_final() => {
                // A repetition of a 2xx that came before the first could be acknowledged.
                let again = self.ended.get(transaction).is_some_and(|ended| *ended > 0);
                let invite = response.cseq().expect("CSeq").method == Method::Invite;
                if again && invite && response.status().is_success() {
                    return None;
                }
                self.answered += 1;
                (*transaction, Some(response.clone()))
            }
            Event::RequestFailed { transaction, .. } => {
                self.failed += 1;
                (*transaction, None)
            }
            _ => return None,
        };
        *self.ended.get_mut(&id).expect("a request of ours") += 1;
        Some((id, response))
    }
}

/// The weather of a seed: loss of 0 to 50 %, repetitions, and so much jitter that datagrams overtake each other.
///
/// None is under way for longer than T1: after 64*T1 a server transaction is forgotten, so the last repetition of a request, which is
/// sent T1 before that, would be a new request if it came later.
pub(crate) fn weather(seed: u64) -> Weather {
    let mut dice = Dice::new(seed ^ 0x77);
    Weather {
        loss: dice.below(51),
        repeat: dice.below(31),
        latency: Duration::from_millis(5 + dice.below(100)),
        jitter: Duration::from_millis(dice.below(390)),
    }
}

/// Lets the users do what they do, and checks that each request ends once and that nothing is left.
///
/// # Panics
///
/// Panics when that does not hold.
pub(crate) fn run(flow: Flow, seed: u64, weather: Weather, lost: Option<u64>) -> Summary {
    let _named = Named(flow, seed, lost);
    let mut pair = Pair::new(weather, seed);
    pair.lost.extend(lost);
    let mut client = Client::new(flow, seed, &mut pair);
    let mut server = Server::new(seed, &pair);
    client.begin(&mut pair);
    let limit = pair.now + Duration::from_secs(4000);
    loop {
        pair.settle();
        let mut moved = false;
        for event in std::mem::take(&mut pair.ends[0].events) {
            moved = true;
            client.on(&event, &mut pair);
        }
        for event in std::mem::take(&mut pair.ends[1].events) {
            moved = true;
            server.on(&event, &mut pair);
        }
        if moved {
            continue;
        }
        let due = |at: Option<Instant>, now| at.is_some_and(|at| at <= now);
        if due(client.poll_timeout(), pair.now) || due(server.poll_timeout(), pair.now) {
            client.handle_timeout(&mut pair);
            server.handle_timeout(&mut pair);
            assert!(
                !due(client.poll_timeout(), pair.now) && !due(server.poll_timeout(), pair.now),
                "a timeout that does not go away: {flow:?} seed {seed}"
            );
            continue;
        }
        let next = [pair.next(), client.poll_timeout(), server.poll_timeout()];
        // The flows' idle timers, of hours, are the last that is left.
        let Some(next) = next.into_iter().flatten().min().filter(|next| *next < limit) else {
            break;
        };
        let wait = next.saturating_duration_since(pair.now);
        pair.run_for(wait);
    }
    let place = format!("{flow:?} seed {seed} lost {lost:?}");
    for (ledger, end) in [(&client.ledger, 0), (&server.ledger, 1)] {
        for (id, ended) in &ledger.ended {
            assert_eq!(*ended, 1, "{place}: {id} of end {end}");
        }
        let endpoint = &pair.ends[end].endpoint;
        assert_eq!(endpoint.client_transactions(), 0, "{place}: end {end}");
        assert_eq!(endpoint.server_transactions(), 0, "{place}: end {end}");
        assert!(endpoint.is_drained(), "{place}: end {end}: {endpoint:?}");
        assert_eq!(
            endpoint.armed_timers(),
            endpoint.open_flows(),
            "{place}: end {end}"
        );
    }
    client.assert_nothing_left(&place);
    server.assert_nothing_left(&place);
    server.assert_delivered(&client.confirmed, &place);
    Summary {
        requests: client.ledger.ended.len() + server.ledger.ended.len(),
        answered: client.ledger.answered + server.ledger.answered,
        failed: client.ledger.failed + server.ledger.failed,
        datagrams: pair.datagrams,
        completed: client.completed,
    }
}

/// Names the run that a panic ends.
struct Named(Flow, u64, Option<u64>);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{:?} seed {} lost {:?}", self.0, self.1, self.2);
        }
    }
}

/// Answers a request of the other end, unless its transaction has ended meanwhile.
pub(crate) fn respond(endpoint: &mut Endpoint, id: ServerTransaction, response: Response, now: Instant) {
    let _ = endpoint.respond(id, response, now);
}
