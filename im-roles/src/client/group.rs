//! What a participant asks of a conference: adding and expelling (RFC 4579 5.5, 5.11).

use std::time::Instant;

use sip_im::header::{ReferSub, ReferTo};
use sip_im::{Method, Response, Uri};

use super::event::{CommandId, Event, Failure, SessionKey};
use super::requests::Purpose;
use super::session::{Session, Stage};
use super::{Client, CommandError, Job, Work};

impl Client {
    /// Asks a conference to invite a user.
    ///
    /// # Errors
    ///
    /// Fails when the session is not there or not a conference, or too much waits.
    pub fn add(&mut self, session: SessionKey, user: &Uri, now: Instant) -> Result<CommandId, CommandError> {
        self.refer(session, user, None, now)
    }

    /// Asks a conference to expel a participant.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn expel(
        &mut self,
        session: SessionKey,
        user: &Uri,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.refer(session, user, Some(Method::Bye), now)
    }

    pub(super) fn refer(
        &mut self,
        session: SessionKey,
        user: &Uri,
        method: Option<Method>,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.admit()?;
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        if !entry.conference {
            return Err(CommandError::NotAConference);
        }
        if !matches!(entry.stage, Stage::Up { .. }) {
            return Err(CommandError::WrongState);
        }
        let mut target = user.without_parameters();
        if let Some(method) = method {
            target = target
                .with_parameter("method", Some(method.as_str()))
                .map_err(|_| CommandError::Unwritable)?;
        }
        let command = self.mint_command();
        self.start(Job {
            command: Some(command),
            work: Work::Refer { session, target },
        });
        self.settle(now);
        Ok(command)
    }

    pub(super) fn send_refer(&mut self, session: SessionKey, command: CommandId, target: Uri, now: Instant) {
        let contact = self.contact(
            self.sessions
                .table
                .get(&session)
                .is_some_and(|entry| entry.privacy),
        );
        let dialog = self.sessions.table.get_mut(&session).and_then(Session::dialog);
        let request = dialog.zip(contact).and_then(|(dialog, contact)| {
            dialog
                .request(Method::Refer)
                .header_typed(&contact)
                .header_typed(&ReferTo::new(target))
                .header_typed(&ReferSub(false))
                .build()
                .ok()
        });
        match request {
            Some(request) => self.transmit(request, Purpose::Refer { session, command }, now),
            None => self.failed_in(session, command, None, Failure::local("the session has ended")),
        }
    }

    pub(super) fn refer_accepted(&mut self, session: SessionKey, command: CommandId, response: &Response) {
        let status = response.status().code();
        self.push_event(Event::Sent {
            command,
            session: Some(session),
            message_id: None,
            status,
        });
    }
}
