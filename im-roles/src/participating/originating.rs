//! What a user sends: checked, then sent on to where it leads.

use std::time::Instant;

use sip_im::{Request, StatusCode};

use super::fork::Purpose;
use super::{Event, Participating};
use crate::ServiceWarning;
use crate::message;
use crate::signal::{Destination, IncomingId, Origin, SessionCase};

impl Participating {
    pub(super) fn originate(&mut self, id: IncomingId, request: Request, origin: Origin, now: Instant) {
        let octets = u64::try_from(request.body().len()).unwrap_or(u64::MAX);
        if octets > self.config.limits.max_message_size {
            //= R-5.3.2-18
            let warning = Some(ServiceWarning::SizeExceeded);
            let status = StatusCode::REQUEST_ENTITY_TOO_LARGE;
            self.events.push_back(Event::Refused {
                from: origin.user.clone(),
                to: message::target(&request),
                status,
                warning,
            });
            self.respond(
                id,
                message::refusal(&request, status, warning, &self.config.domain),
            );
            return;
        }
        let onwards = Destination::Route {
            case: SessionCase::Terminating,
        };
        self.forward(id, request, origin, Purpose::Onwards, vec![(None, onwards)], now);
    }
}
