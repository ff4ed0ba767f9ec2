//! Registering with the server (RFC 3261 10.2), and keeping it so.

use std::time::{Duration, Instant};

use sip_im::header::{Contact, Expires, MinExpires};
use sip_im::{Method, Request, Response};

use super::event::{CommandId, Event, Failure};
use super::requests::Purpose;
use super::timers::Timer;
use super::{Client, Job, Work};

/// Where the registration stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Not wanted.
    Idle,
    /// Wanted; a REGISTER request is under way, or will be when its timer or the link says so.
    Wanted,
    /// In force.
    Registered,
}

/// The registration of one contact.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) step: Step,
    call_id: String,
    sequence: u32,
    expires: Duration,
}

impl Registration {
    pub(super) fn new(call_id: String, expires: Duration) -> Self {
        Self { step: Step::Idle, call_id, sequence: 0, expires }
    }
}

impl Client {
    /// Registers the user, and keeps him registered until [`unregister`](Self::unregister).
    ///
    /// # Errors
    ///
    /// Fails when too much waits already, or the client is shutting down.
    pub fn register(&mut self, now: Instant) -> Result<CommandId, super::CommandError> {
        //= R-5.3.1-02
        self.admit()?;
        let command = self.mint_command();
        self.registration.step = Step::Wanted;
        self.start(Job { command: Some(command), work: Work::Register }, now);
        self.settle(now);
        Ok(command)
    }

    /// Ends the registration.
    ///
    /// # Errors
    ///
    /// Fails when too much waits already, or the client is shutting down.
    pub fn unregister(&mut self, now: Instant) -> Result<CommandId, super::CommandError> {
        self.admit()?;
        let command = self.mint_command();
        self.stop_registration(Some(command), now);
        self.settle(now);
        Ok(command)
    }

    pub(super) fn stop_registration(&mut self, command: Option<CommandId>, now: Instant) {
        self.registration.step = Step::Idle;
        self.timers.clear(Timer::Register);
        self.start(Job { command, work: Work::Unregister }, now);
    }

    pub(super) fn send_register(&mut self, command: Option<CommandId>, expires: Duration, now: Instant) {
        let Some(contact) = self.contact(false) else { return };
        self.registration.sequence = self.registration.sequence.wrapping_add(1);
        let user = self.config.user.clone();
        let domain = self.registrar();
        let built = Request::builder(Method::Register, domain)
            .from(&user, self.config.display_name.as_deref(), &self.shared.token())
            .to(&user, None)
            .call_id(&self.registration.call_id)
            .cseq(self.registration.sequence)
            .header_typed(&contact)
            .header_typed(&Expires(seconds(expires)))
            .build();
        match built {
            Ok(request) => self.transmit(request, Purpose::Register { command, expires }, now),
            Err(_) => self.failed(command, Failure::local("the REGISTER request cannot be written")),
        }
    }

    pub(super) fn registered(
        &mut self,
        command: Option<CommandId>,
        asked: Duration,
        request: &Request,
        response: &Response,
        now: Instant,
    ) {
        // Digest has counted on from the number that was minted.
        if let Ok(sequence) = request.cseq() {
            self.registration.sequence = self.registration.sequence.max(sequence.seq);
        }
        let status = response.status();
        match status.code() {
            200..=299 if asked.is_zero() => {
                self.push_event(Event::Unregistered { command });
            }
            200..=299 => {
                let granted = self.granted(response).unwrap_or(asked);
                if self.registration.step != Step::Idle {
                    self.registration.step = Step::Registered;
                    self.timers.set(Timer::Register, renewal(granted), now);
                }
                self.reconnects = 0;
                self.push_event(Event::Registered { command, expires: granted });
            }
            423 => {
                //= https://www.rfc-editor.org/rfc/rfc3261#section-10.2.8
                //# If a UA receives a 423 (Interval Too Brief) response, it MAY retry
                //# the registration after making the expiration interval of all contact
                //# addresses in the REGISTER request equal to or greater than the
                //# expiration interval within the Min-Expires header field of the 423
                //# (Interval Too Brief) response.
                let least = response.headers().get::<MinExpires>().ok().flatten();
                match least.map(|least| Duration::from_secs(u64::from(least.0))) {
                    Some(least) if least > asked && least <= LONGEST => {
                        self.registration.expires = least;
                        self.send_register(command, least, now);
                    }
                    _ => self.register_failed(command, super::requests::failure_of(response), now),
                }
            }
            _ => self.register_failed(command, super::requests::failure_of(response), now),
        }
    }

    /// A registration that was in force is tried again; one that never was is given up, since a wrong secret stays wrong.
    pub(super) fn register_failed(&mut self, command: Option<CommandId>, failure: Failure, now: Instant) {
        let refused = failure.status.is_some_and(|status| (400..500).contains(&status) && status != 408);
        match self.registration.step {
            Step::Registered if !refused => {
                let after = self.back_off();
                self.timers.set(Timer::Register, after, now);
            }
            Step::Registered => {
                self.registration.step = Step::Idle;
                self.push_event(Event::Unregistered { command: None });
            }
            Step::Wanted => self.registration.step = Step::Idle,
            Step::Idle => {}
        }
        self.failed(command, failure);
    }

    pub(super) fn wanted_expires(&self) -> Duration {
        self.registration.expires
    }

    /// What the registrar grants this contact: the parameter of the contact itself, else that of the message.
    fn granted(&self, response: &Response) -> Option<Duration> {
        let own = self.contact(false)?;
        let own = own.uri()?;
        let bindings = response.headers().all::<Contact>().filter_map(Result::ok);
        let mut listed = bindings.filter(|contact| contact.uri().is_some_and(|uri| uri.equivalent(own)));
        let listed = listed.find_map(|contact| contact.expires());
        let granted = listed.or_else(|| response.headers().get::<Expires>().ok().flatten().map(|expires| expires.0))?;
        (granted > 0).then(|| Duration::from_secs(u64::from(granted)))
    }
}

/// When to renew what was granted: half way, or ten minutes before the end of a long one (3GPP TS 24.229 5.1.1.4.1).
fn renewal(granted: Duration) -> Duration {
    if granted > Duration::from_secs(1_200) { granted.saturating_sub(Duration::from_secs(600)) } else { granted / 2 }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// The longest interval that a registrar's Min-Expires may push the client to.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);
