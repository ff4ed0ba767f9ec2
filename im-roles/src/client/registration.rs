//! Registering with the server (RFC 3261 10.2), and keeping it so.

use std::time::{Duration, Instant};

use sip_im::header::Contact;
use sip_im::registration::{Registration, RegistrationState};
use sip_im::{Request, Response};

use super::event::{CommandId, Event, Failure};
use super::requests::{Purpose, failure_of};
use super::timers::Timer;
use super::{Client, CommandError, Job, Work};

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
pub(super) struct Registered {
    pub(super) step: Step,
    /// What is registered at present: the contact of one link.
    machine: Option<Registration>,
}

impl Registered {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Idle,
            machine: None,
        }
    }

    /// The contact is gone with its link; the next one is another.
    pub(super) fn link_lost(&mut self) {
        self.machine = None;
    }
}

impl Client {
    /// Registers the user, and keeps him registered until [`unregister`](Self::unregister).
    ///
    /// # Errors
    ///
    /// Fails when too much waits already, or the client is shutting down.
    pub fn register(&mut self, now: Instant) -> Result<CommandId, CommandError> {
        //= R-5.3.1-02
        self.admit()?;
        let command = self.mint_command();
        if self.registration.step == Step::Idle {
            self.registration.step = Step::Wanted;
        }
        self.start(Job {
            command: Some(command),
            work: Work::Register,
        });
        self.settle(now);
        Ok(command)
    }

    /// Ends the registration.
    ///
    /// # Errors
    ///
    /// Fails when too much waits already, or the client is shutting down.
    pub fn unregister(&mut self, now: Instant) -> Result<CommandId, CommandError> {
        self.admit()?;
        let command = self.mint_command();
        self.stop_registration(Some(command));
        self.settle(now);
        Ok(command)
    }

    pub(super) fn stop_registration(&mut self, command: Option<CommandId>) {
        self.registration.step = Step::Idle;
        self.timers.clear(Timer::Register);
        self.start(Job {
            command,
            work: Work::Unregister,
        });
    }

    pub(super) fn send_register(&mut self, command: Option<CommandId>, ending: bool, now: Instant) {
        if !ending && self.registration.step == Step::Idle {
            // It was ended before its turn came.
            return self.failed(command, Failure::local("ended meanwhile"));
        }
        let made = match self.registration.machine.take() {
            Some(machine) => Some(machine),
            None => self.new_registration(),
        };
        let request = made.and_then(|mut machine| {
            let request = if ending {
                machine.unregister()
            } else {
                machine.register()
            };
            self.registration.machine = Some(machine);
            request.ok()
        });
        match request {
            Some(request) => self.transmit(request, Purpose::Register { command, ending }, now),
            None => self.register_failed(
                command,
                Failure::local("the REGISTER request cannot be written"),
                now,
            ),
        }
    }

    fn new_registration(&self) -> Option<Registration> {
        let Contact::Addr(contact) = self.contact(false)? else {
            return None;
        };
        let expires = u32::try_from(self.config.register_expires.as_secs()).unwrap_or(u32::MAX);
        let (call_id, tag) = (self.shared.token(), self.shared.token());
        Some(Registration::new(
            self.config.user.clone(),
            self.registrar(),
            contact,
            &call_id,
            &tag,
            expires,
        ))
    }

    /// A REGISTER request was sent again with credentials.
    pub(super) fn register_sent(&mut self, request: &Request) {
        if let Some(machine) = &mut self.registration.machine {
            machine.sent(request);
        }
    }

    pub(super) fn register_answered(
        &mut self,
        command: Option<CommandId>,
        ending: bool,
        response: &Response,
        now: Instant,
    ) {
        let Some(machine) = &mut self.registration.machine else {
            return self.register_failed(command, failure_of(response), now);
        };
        match machine.handle_response(response, now) {
            _ if ending && response.status().is_success() => {
                self.registration.machine = None;
                self.push_event(Event::Unregistered { command });
            }
            RegistrationState::Registered { until } => {
                let renewal = machine.poll_timeout();
                if self.registration.step != Step::Idle {
                    self.registration.step = Step::Registered;
                    if let Some(at) = renewal {
                        self.timers
                            .set(Timer::Register, at.saturating_duration_since(now), now);
                    }
                }
                self.reconnects = 0;
                self.push_event(Event::Registered {
                    command,
                    expires: until.saturating_duration_since(now),
                });
            }
            RegistrationState::TooBrief => self.send_register(command, ending, now),
            _ => self.register_failed(command, failure_of(response), now),
        }
    }

    /// A registration that was in force is tried again; one that never was is given up, since a wrong secret stays wrong.
    pub(super) fn register_failed(&mut self, command: Option<CommandId>, failure: Failure, now: Instant) {
        let refused = failure
            .status
            .is_some_and(|status| (400..500).contains(&status) && status != 408);
        match self.registration.step {
            Step::Registered if !refused => {
                //= https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
                //# It SHOULD NOT forward any other requests to that server for
                //# the duration specified in the Retry-After header field, if present.
                let asked = failure.retry_after.unwrap_or_default().min(LONGEST_WAIT);
                let after = self.back_off().max(asked);
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
}

/// The longest that an overloaded server keeps a registration from being tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
