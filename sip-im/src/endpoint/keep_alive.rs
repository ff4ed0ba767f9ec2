//! Keep-alives of flows (RFC 5626 section 4.4).

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::schedule::{FlowTimer, Key};
use super::{Endpoint, SHORTEST};
use crate::codec::StreamDecoder;
use crate::endpoint::Event;
use crate::flow::FlowId;
use crate::registration::spread;

impl Endpoint {
    /// Keeps a flow alive, at intervals of at most `interval`: what `Flow-Timer` said, or else 120 s on a stream and 29 s on
    /// datagrams. On a stream a ping is sent, and the flow has failed if no pong comes; on other flows
    /// [`Event::KeepAliveDue`] asks the host to. Says `false` when the flow is not open.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.4
    //# If the UA uses the server-recommended keep-alive frequency it SHOULD send
    //# its keep-alives so that the interval between each keep-alive is
    //# randomly distributed between 80% and 100% of the server-provided
    //# time.
    pub fn keep_alive(&mut self, flow: FlowId, interval: Duration, now: Instant) -> bool {
        let Some(entry) = self.flows.get_mut(flow) else {
            return false;
        };
        entry.keep_alive = Some(interval);
        self.arm_keep_alive(flow, interval, now);
        true
    }

    /// Keeps a flow alive no longer.
    pub fn stop_keep_alive(&mut self, flow: FlowId) {
        if let Some(entry) = self.flows.get_mut(flow) {
            entry.keep_alive = None;
        }
        self.schedule.disarm(Key::Flow(flow, FlowTimer::KeepAlive));
        self.schedule.disarm(Key::Flow(flow, FlowTimer::Pong));
    }

    fn arm_keep_alive(&mut self, flow: FlowId, interval: Duration, now: Instant) {
        let is_stream = self
            .flows
            .get(flow)
            .is_some_and(|entry| entry.info.transport.is_stream());
        // Between 24 and 29 seconds by default on datagrams (section 4.4.2), between 80 % and the whole otherwise.
        let percent = if is_stream { 80 } else { 83 };
        let wait = spread(interval, percent, &mut self.entropy).max(SHORTEST);
        self.schedule
            .arm(Key::Flow(flow, FlowTimer::KeepAlive), now, wait);
    }

    pub(super) fn send_keep_alive(&mut self, flow: FlowId, now: Instant) {
        let Some(entry) = self.flows.get(flow) else { return };
        let Some(interval) = entry.keep_alive else { return };
        if entry.info.transport.is_stream() {
            let pong = Key::Flow(flow, FlowTimer::Pong);
            if !self.schedule.is_armed(pong) {
                self.schedule
                    .arm(pong, now, self.config.pong_timeout.max(SHORTEST));
            }
            self.transmit(flow, Bytes::from_static(b"\r\n\r\n"), now);
        } else {
            self.events.push_back(Event::KeepAliveDue { flow });
        }
        if self.flows.get(flow).is_some() {
            self.arm_keep_alive(flow, interval, now);
        }
    }

    /// No pong came in time; a message that is just coming in is waited for, since the pong may be behind it.
    pub(super) fn pong_missed(&mut self, flow: FlowId, now: Instant) {
        let Some(entry) = self.flows.get(flow) else { return };
        let message = Key::Flow(flow, FlowTimer::Message);
        let incomplete = entry.decoder.as_ref().is_some_and(StreamDecoder::is_incomplete);
        if incomplete && self.schedule.is_armed(message) {
            self.schedule
                .arm(Key::Flow(flow, FlowTimer::Pong), now, Duration::from_secs(1));
        } else {
            self.fail_flow(flow, now);
        }
    }

    /// Closes a flow at once, without what it still had to send.
    pub(super) fn fail_flow(&mut self, flow: FlowId, now: Instant) {
        self.close(flow, now);
        self.flows.abandon(flow);
        self.schedule.disarm_flow(flow);
    }
}
