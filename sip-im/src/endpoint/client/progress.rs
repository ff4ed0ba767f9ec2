//! What moves a client transaction on: responses and timers.

use core::time::Duration;
use std::time::Instant;

use super::{Cancel, State, Way};
use crate::Method;
use crate::StatusCode;
use crate::endpoint::event::{ClientTransaction, Event, RequestFailure};
use crate::endpoint::flows::Place;
use crate::endpoint::schedule::{ClientTimer, Key};
use crate::endpoint::{Endpoint, SHORTEST, via};
use crate::header::HeaderName;
use crate::message::Response;
use crate::resolve::Outcome;
use crate::transaction::{Action, InviteClient, InviteClientInput, NonInviteClient, NonInviteClientInput};

impl Endpoint {
    /// Takes a response.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.9
    //# If there is a match, the response MUST be passed to
    //# that transaction.  Otherwise, any element other than a stateless
    //# proxy MUST silently discard the response.
    pub(in crate::endpoint) fn response(&mut self, response: Response, now: Instant) {
        let Some((key, top)) = via::response_key(&response) else {
            return;
        };
        let Some(id) = self
            .clients
            .find(&self.clients.hashed(key))
            .map(ClientTransaction)
        else {
            return;
        };
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.2
        //# If the value of the "sent-by" parameter in
        //# that header field value does not correspond to a value that the
        //# client transport is configured to insert into requests, the response
        //# MUST be silently discarded.
        if !client.sent_by.as_ref().is_some_and(|ours| ours.is_in(&top)) {
            return;
        }
        let (provisional, success) = (response.status().is_provisional(), response.status().is_success());
        let actions = match &mut client.state {
            State::Invite(state) => {
                let input = if provisional {
                    InviteClientInput::Provisional
                } else if success {
                    InviteClientInput::Success
                } else {
                    InviteClientInput::Failure
                };
                let Some((next, actions)) = state.arrow(input) else {
                    return;
                };
                *state = next;
                actions
            }
            State::Other(state) => {
                let input = if provisional {
                    NonInviteClientInput::Provisional
                } else {
                    NonInviteClientInput::Final
                };
                let Some((next, actions)) = state.arrow(input) else {
                    return;
                };
                *state = next;
                actions
            }
        };
        let mut response = response;
        response.headers_mut().remove_first(&HeaderName::VIA);
        let is_trying = response.status().code() == 100;
        let mut report = actions.contains(&Action::Report);
        if actions.contains(&Action::SendAck) {
            self.acknowledge_failure(id, &response, now);
        }
        if report && success && self.repeat_ack(id, &response, now) {
            report = false;
        }
        if report {
            self.note_response(id, &response, now);
            if response.status() == StatusCode::SERVICE_UNAVAILABLE && self.can_fail_over(id) {
                self.leave_acknowledger(id, now);
                if self.next_destination(id, now) {
                    return;
                }
            }
        }
        self.settle(id, is_trying, now);
        if report && !self.is_internal(id) {
            self.emit(Event::ResponseReceived {
                transaction: id,
                response,
            });
        }
        self.finish(id);
    }

    /// Arms and disarms what the state entered asks for.
    fn settle(&mut self, id: ClientTransaction, is_trying: bool, now: Instant) {
        let Some(client) = self.clients.get(id.0) else {
            return;
        };
        let (state, reliable, cancel) = (client.state, client.reliable, client.cancel);
        let key = |timer| Key::Client(id, timer);
        match state {
            State::Invite(InviteClient::Proceeding) => {
                let first = self.schedule.is_armed(key(ClientTimer::Timeout));
                self.schedule.disarm(key(ClientTimer::Repeat));
                self.schedule.disarm(key(ClientTimer::Timeout));
                if let Some(client) = self.clients.get_mut(id.0) {
                    client.wire = None;
                }
                //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
                //# For an INVITE transaction, if the response is a provisional
                //# response with status codes 101 to 199 inclusive (i.e., anything
                //# but 100), the proxy MUST reset timer C for that client
                //# transaction.
                if cancel != Cancel::Sent && (first || !is_trying) {
                    self.schedule
                        .arm(key(ClientTimer::Patience), now, self.config.timers.c);
                }
                if cancel == Cancel::Wanted {
                    self.send_cancel(id, now);
                }
            }
            State::Invite(InviteClient::Completed) => {
                // A repeated final response does not start the timer again.
                if !self.schedule.is_armed(key(ClientTimer::Linger)) {
                    self.schedule.disarm_client(id);
                    self.schedule
                        .arm(key(ClientTimer::Linger), now, self.config.timers.d(reliable));
                }
            }
            State::Invite(InviteClient::Accepted) => {
                if !self.schedule.is_armed(key(ClientTimer::Linger)) {
                    self.schedule.disarm_client(id);
                    self.schedule
                        .arm(key(ClientTimer::Linger), now, self.config.timers.transaction());
                }
            }
            State::Other(NonInviteClient::Proceeding) => {
                if let Some(client) = self.clients.get_mut(id.0) {
                    client.interval = self.config.timers.t2.max(SHORTEST);
                }
            }
            State::Other(NonInviteClient::Completed) => {
                if !self.schedule.is_armed(key(ClientTimer::Linger)) {
                    self.schedule.disarm_client(id);
                    self.schedule.arm(
                        key(ClientTimer::Linger),
                        now,
                        self.config.timers.network(reliable),
                    );
                }
            }
            State::Invite(_) | State::Other(_) => {}
        }
    }

    /// Ends a transaction whose waiting is of no duration.
    fn finish(&mut self, id: ClientTransaction) {
        let Some(client) = self.clients.get(id.0) else {
            return;
        };
        let wait = match client.state {
            State::Invite(InviteClient::Completed) => self.config.timers.d(client.reliable),
            State::Other(NonInviteClient::Completed) => self.config.timers.network(client.reliable),
            State::Invite(InviteClient::Terminated) | State::Other(NonInviteClient::Terminated) => {
                Duration::ZERO
            }
            _ => return,
        };
        if wait.is_zero() {
            self.forget_client(id);
        }
    }

    pub(in crate::endpoint) fn client_timeout(
        &mut self,
        id: ClientTransaction,
        timer: ClientTimer,
        now: Instant,
    ) {
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        match timer {
            ClientTimer::Repeat => {
                let arrow = match client.state {
                    State::Invite(state) => state.next(InviteClientInput::TimerA).is_some(),
                    State::Other(state) => state.next(NonInviteClientInput::TimerE).is_some(),
                };
                let (Place::Open(flow), Some(wire), true) = (client.place, client.wire.clone(), arrow) else {
                    return;
                };
                client.interval = match client.state {
                    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.2
                    //# This process MUST continue so that the request is
                    //# retransmitted with intervals that double after each transmission.
                    State::Invite(_) => client.interval.saturating_mul(2),
                    State::Other(NonInviteClient::Trying) => self.config.timers.doubled(client.interval),
                    State::Other(_) => self.config.timers.t2,
                }
                .max(SHORTEST);
                let interval = client.interval;
                self.schedule
                    .arm(Key::Client(id, ClientTimer::Repeat), now, interval);
                self.transmit(flow, wire, now);
            }
            ClientTimer::Timeout => {
                let arrow = match client.state {
                    State::Invite(state) => state.next(InviteClientInput::TimerB).is_some(),
                    State::Other(state) => state.next(NonInviteClientInput::TimerF).is_some(),
                };
                if !arrow {
                    return;
                }
                let untouched = matches!(
                    client.state,
                    State::Invite(InviteClient::Calling) | State::Other(NonInviteClient::Trying)
                );
                if untouched {
                    self.report_destination(id, Outcome::Failed, now);
                    if self.can_fail_over(id) && self.next_destination(id, now) {
                        return;
                    }
                }
                self.report_failure(id, RequestFailure::TimedOut);
                self.forget_client(id);
            }
            ClientTimer::Linger => self.forget_client(id),
            //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
            //# If there is no final response for the original
            //# request in 64*T1 seconds (T1 is defined in Section 17.1.1.1), the
            //# client SHOULD then consider the original transaction cancelled and
            //# SHOULD destroy the client transaction handling the original request.
            ClientTimer::Patience if client.cancel == Cancel::Sent => {
                self.report_failure(id, RequestFailure::TimedOut);
                self.forget_client(id);
            }
            ClientTimer::Patience => self.send_cancel(id, now),
        }
    }

    pub(super) fn send_cancel(&mut self, id: ClientTransaction, now: Instant) {
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        if client.cancel == Cancel::Sent {
            return;
        }
        client.cancel = Cancel::Sent;
        let (place, branch) = (client.place, client.branch.clone());
        let cancel = client
            .request
            .as_ref()
            .and_then(|request| via::hop_by_hop(request, Method::Cancel, None));
        self.schedule.arm(
            Key::Client(id, ClientTimer::Patience),
            now,
            self.config.timers.transaction(),
        );
        let (Some(cancel), Place::Open(flow)) = (cancel, place) else {
            return;
        };
        if self.flow_info(flow).is_none() {
            return;
        }
        let way = Way {
            place: Place::Open(flow),
            fallback: None,
            delivery: None,
        };
        self.start(cancel, branch, way, true, now);
    }

    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.4
    //# The ACK MUST be sent to the
    //# same address, port, and transport to which the original request
    //# was sent.
    fn acknowledge_failure(&mut self, id: ClientTransaction, response: &Response, now: Instant) {
        let Some(client) = self.clients.get(id.0) else {
            return;
        };
        let Place::Open(flow) = client.place else { return };
        let request = client.request.as_ref();
        if let Some(ack) =
            request.and_then(|request| via::hop_by_hop(request, Method::Ack, Some(response.headers())))
        {
            self.transmit(flow, ack.to_bytes(), now);
        }
    }

    /// Sends the ACK of a 2xx again, if it is known.
    fn repeat_ack(&mut self, id: ClientTransaction, response: &Response, now: Instant) -> bool {
        let Some(client) = self.clients.get(id.0) else {
            return false;
        };
        let tag = via::to_tag(response.headers()).unwrap_or_default();
        let Some((flow, ack)) = client
            .acks
            .iter()
            .find(|(known, ..)| *known == tag)
            .map(|(_, flow, ack)| (*flow, ack.clone()))
        else {
            return false;
        };
        self.transmit(flow, ack, now);
        true
    }
}
