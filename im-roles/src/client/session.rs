//! Sessions: their table, and what the application does with them.

use std::collections::BTreeMap;
use std::time::Instant;

use msrp::{MessageId, TransactionId};
use sip_im::dialog::{Dialog, DialogId};
use sip_im::endpoint::{ClientTransaction, ServerTransaction};
use sip_im::{Method, Request, StatusCode, Uri};

use super::event::{CommandId, Event, Failure, SessionKey};
use super::media::Media;
use super::message::ListEntry;
use super::remembered::Remembered;
use super::requests::Purpose;
use super::roster::Roster;
use super::subscription::Subscription;
use super::timers::Timer;
use super::{Client, CommandError, Job, Work};

/// How far a session has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its INVITE waits for the link.
    Waiting,
    /// Its INVITE is out.
    Calling {
        transaction: ClientTransaction,
        /// Whether a provisional response has come: only then a CANCEL may go out.
        provisional: bool,
        /// Whether the user does not want it any more.
        cancelled: bool,
    },
    /// The user is invited and has not answered.
    Invited {
        transaction: ServerTransaction,
        invite: Box<Request>,
    },
    /// It is there.
    Up { dialog: Box<Dialog> },
    /// Its BYE is out.
    Ending,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    /// The command that asked for it.
    pub(super) command: Option<CommandId>,
    /// The command that ends it.
    pub(super) ending: Option<CommandId>,
    /// The user at the other side, or the conference, the factory before its answer.
    pub(super) peer: Uri,
    pub(super) conference: bool,
    pub(super) privacy: bool,
    pub(super) subject: Option<String>,
    pub(super) members: Vec<ListEntry>,
    pub(super) stage: Stage,
    pub(super) media: Media,
    pub(super) roster: Roster,
    pub(super) subscription: Option<Subscription>,
    pub(super) nicknames: BTreeMap<TransactionId, (CommandId, String)>,
    /// Messages that are on their way.
    pub(super) sending: BTreeMap<MessageId, CommandId>,
    /// Messages that have arrived, on which reports may still come.
    pub(super) reported: Remembered<MessageId, CommandId>,
    /// Whether the application was told that it is there.
    pub(super) started: bool,
    /// Why its media has ended, if nobody wanted it.
    pub(super) lost: Option<&'static str>,
}

impl Session {
    pub(super) fn new(peer: Uri, conference: bool, stage: Stage, media: Media) -> Self {
        Self {
            command: None,
            ending: None,
            peer,
            conference,
            privacy: false,
            subject: None,
            members: Vec::new(),
            stage,
            media,
            roster: Roster::default(),
            subscription: None,
            nicknames: BTreeMap::new(),
            sending: BTreeMap::new(),
            reported: Remembered::new(REPORTED),
            started: false,
            lost: None,
        }
    }

    pub(super) fn dialog(&mut self) -> Option<&mut Dialog> {
        if let Stage::Up { dialog } = &mut self.stage {
            Some(dialog)
        } else {
            None
        }
    }
}

/// All sessions, and the names by which the network knows them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) table: BTreeMap<SessionKey, Session>,
    pub(super) by_dialog: BTreeMap<DialogId, SessionKey>,
    pub(super) by_media: BTreeMap<msrp::endpoint::SessionKey, SessionKey>,
    /// INVITEs that were sent, for as long as their session lasts: a forked 2xx may still come.
    pub(super) by_invite: BTreeMap<ClientTransaction, (SessionKey, Box<Request>)>,
    /// INVITEs that came in.
    pub(super) by_incoming: BTreeMap<ServerTransaction, SessionKey>,
    /// Call-IDs of subscriptions: a NOTIFY may come before the answer that makes the dialog.
    pub(super) by_subscription: BTreeMap<String, SessionKey>,
    /// The sessions' paths through relays.
    pub(super) by_relay: BTreeMap<msrp::endpoint::RelayKey, SessionKey>,
    last: u64,
}

impl Sessions {
    pub(super) fn add(&mut self, session: Session) -> SessionKey {
        self.last = self.last.wrapping_add(1);
        let key = SessionKey(self.last);
        self.table.insert(key, session);
        key
    }

    /// Forgets a session and all its names.
    fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.table.remove(&key)?;
        self.by_dialog.retain(|_, session| *session != key);
        self.by_media.retain(|_, session| *session != key);
        self.by_invite.retain(|_, (session, _)| *session != key);
        self.by_incoming.retain(|_, session| *session != key);
        self.by_subscription.retain(|_, session| *session != key);
        Some(session)
    }
}

impl Client {
    /// Invites one user to a session.
    ///
    /// # Errors
    ///
    /// Fails when too much is under way, or the client is shutting down.
    pub fn chat(&mut self, to: Uri, now: Instant) -> Result<CommandId, CommandError> {
        //= R-5.3.1-04
        self.call(to, false, Vec::new(), None, self.privacy, now)
    }

    /// Calls a conference together, by the conference factory (RFC 5366).
    ///
    /// # Errors
    ///
    /// Fails when there are too many members or too much is under way, or the client is shutting down.
    pub fn group(
        &mut self,
        members: Vec<ListEntry>,
        subject: Option<String>,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        if members.len() > self.config.limits.max_recipients {
            return Err(CommandError::Recipients);
        }
        let factory = self.config.conference_factory.clone();
        self.call(factory, true, members, subject, self.privacy, now)
    }

    /// Joins a conference, a chat room or a pre-arranged group; with `privacy` under a pseudonym.
    ///
    /// # Errors
    ///
    /// Fails when too much is under way, or the client is shutting down.
    pub fn join(&mut self, conference: Uri, privacy: bool, now: Instant) -> Result<CommandId, CommandError> {
        self.call(conference, true, Vec::new(), None, privacy || self.privacy, now)
    }

    fn call(
        &mut self,
        to: Uri,
        conference: bool,
        members: Vec<ListEntry>,
        subject: Option<String>,
        privacy: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.admit()?;
        if self.sessions.table.len() >= self.config.limits.max_sessions {
            return Err(CommandError::TooMany);
        }
        let command = self.mint_command();
        let mut session = Session::new(to, conference, Stage::Waiting, Media::default());
        session.command = Some(command);
        session.privacy = privacy;
        session.subject = subject;
        session.members = members;
        let session = self.sessions.add(session);
        self.start(Job {
            command: Some(command),
            work: Work::Invite(session),
        });
        self.settle(now);
        Ok(command)
    }

    /// Accepts an invitation; with `privacy` under a pseudonym.
    ///
    /// # Errors
    ///
    /// Fails when there is no such invitation, or what it offers cannot be answered.
    pub fn accept(
        &mut self,
        session: SessionKey,
        privacy: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        let entry = self
            .sessions
            .table
            .get_mut(&session)
            .ok_or(CommandError::NoSession)?;
        let Stage::Invited { .. } = entry.stage else {
            return Err(CommandError::WrongState);
        };
        //= R-6.3-03
        entry.privacy = privacy || self.privacy;
        let accepted = self.accept_invite(session, now);
        let command = self.mint_command();
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            entry.command = Some(command);
        }
        self.settle(now);
        accepted.map(|()| command)
    }

    /// Declines an invitation with a status of 400 to 699; any other is taken for 603.
    ///
    /// # Errors
    ///
    /// Fails when there is no such invitation.
    pub fn decline(
        &mut self,
        session: SessionKey,
        status: u16,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        if !matches!(entry.stage, Stage::Invited { .. }) {
            return Err(CommandError::WrongState);
        }
        let command = self.mint_command();
        self.refuse_invite(session, status, command, now);
        self.settle(now);
        Ok(command)
    }

    fn refuse_invite(&mut self, session: SessionKey, status: u16, command: CommandId, now: Instant) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        entry.ending = Some(command);
        if let Stage::Invited { transaction, invite } = &entry.stage {
            let status = Some(status).filter(|status| (400..700).contains(status));
            let status = status.and_then(StatusCode::new).unwrap_or(StatusCode::DECLINE);
            let (transaction, response) = (*transaction, invite.response(status));
            self.respond(transaction, response, now);
        }
        self.left(session, None, now);
    }

    /// Leaves a session, once what was said in it has gone out; an invitation of one's own is cancelled.
    ///
    /// # Errors
    ///
    /// Fails when there is no such session, or it is ending already.
    pub fn leave(&mut self, session: SessionKey, now: Instant) -> Result<CommandId, CommandError> {
        //= R-5.3.1-06
        let command = self.mint_command();
        let entry = self
            .sessions
            .table
            .get_mut(&session)
            .ok_or(CommandError::NoSession)?;
        match &mut entry.stage {
            Stage::Ending => return Err(CommandError::WrongState),
            Stage::Invited { .. } => self.refuse_invite(session, 603, command, now),
            Stage::Waiting => self.left(session, None, now),
            Stage::Calling {
                transaction,
                provisional,
                cancelled,
            } => {
                entry.ending = Some(command);
                let first = !std::mem::replace(cancelled, true);
                let (transaction, provisional) = (*transaction, *provisional);
                if provisional && first {
                    // It may have been answered at the same time: its BYE goes out then.
                    let _ = self.wire.sip.cancel(transaction, now);
                }
            }
            Stage::Up { .. } => {
                entry.ending = Some(command);
                self.hang_up(session, Some(command), now);
            }
        }
        self.settle(now);
        Ok(command)
    }

    /// Ends a conference for everybody, if the user may (RFC 4579 5.12); any other session is left.
    ///
    /// # Errors
    ///
    /// As for [`leave`](Self::leave), and when too much waits already.
    pub fn end(&mut self, session: SessionKey, now: Instant) -> Result<CommandId, CommandError> {
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        if !entry.conference || !matches!(entry.stage, Stage::Up { .. }) {
            return self.leave(session, now);
        }
        let conference = entry.peer.clone();
        self.refer(session, &conference, Some(Method::Bye), now)
    }

    /// Sends the BYE, behind what waits to be sent, and lets the media go.
    pub(super) fn hang_up(&mut self, session: SessionKey, command: Option<CommandId>, now: Instant) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        if let Some(media) = entry.media.session {
            if self.wire.msrp.queued(media) > 0 {
                // The BYE goes out when the media has ended.
                self.wire.msrp.close_session(media, now);
                entry.media.closing = true;
                return;
            }
            self.wire.msrp.close_session(media, now);
        }
        self.start(Job {
            command,
            work: Work::Bye(session),
        });
    }

    pub(super) fn send_bye(&mut self, session: SessionKey, command: Option<CommandId>, now: Instant) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        let Some(bye) = entry.dialog().map(|dialog| dialog.request(Method::Bye).build()) else {
            return;
        };
        entry.stage = Stage::Ending;
        match bye {
            Ok(request) => self.transmit(request, Purpose::Bye { session, command }, now),
            Err(_) => self.left(session, None, now),
        }
    }

    pub(super) fn bye_done(&mut self, session: SessionKey, command: Option<CommandId>, now: Instant) {
        if let Some(entry) = self.sessions.table.get_mut(&session)
            && command.is_some()
        {
            entry.ending = command;
        }
        self.left(session, None, now);
    }

    /// The session is over: the media goes, and the application is told.
    pub(super) fn left(&mut self, session: SessionKey, reason: Option<String>, now: Instant) {
        let Some(mut entry) = self.sessions.remove(session) else {
            return;
        };
        self.dismiss_path(entry.media.relay.take(), now);
        if let Some(media) = entry.media.session {
            self.wire.msrp.close_session(media, now);
        }
        self.timers.clear(Timer::Subscription(session));
        let reason = entry.lost.map(ToOwned::to_owned).or(reason);
        if entry.command.is_some() && !entry.started && entry.ending.is_none() {
            let failure = Failure::local(
                reason
                    .as_deref()
                    .unwrap_or("the session has ended before it was there"),
            );
            let command = entry.command;
            return self.push_event(Event::Failed {
                command,
                session: Some(session),
                message_id: None,
                failure,
            });
        }
        self.push_event(Event::Left {
            session,
            command: entry.ending,
            reason,
        });
    }

    /// The session never came about.
    pub(super) fn never_came(&mut self, session: SessionKey, failure: Failure, now: Instant) {
        let Some(mut entry) = self.sessions.remove(session) else {
            return;
        };
        self.dismiss_path(entry.media.relay.take(), now);
        if let Some(media) = entry.media.session {
            self.wire.msrp.close_session(media, now);
        }
        let command = entry.command;
        self.push_event(Event::Failed {
            command,
            session: Some(session),
            message_id: None,
            failure,
        });
    }
}

/// How many messages of a session are remembered for the reports on them.
const REPORTED: usize = 256;
