//! What is to be done over the link, in order, once it is up.

use std::time::Instant;

use super::Client;
use super::event::{CommandId, Event, Failure, SessionKey};
use super::publishing::PublicationKey;
use super::timers::Timer;
use super::watching::WatchKey;
use super::wire::Link;

/// Something to be done once the link is up.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Option<CommandId>,
    pub(super) work: Work,
}

#[derive(Debug)]
pub(super) enum Work {
    Register,
    Unregister,
    /// The MESSAGE requests whose turn it is.
    Pages,
    Invite(SessionKey),
    Bye(SessionKey),
    Refer {
        session: SessionKey,
        target: sip_im::Uri,
    },
    Subscribe(SessionKey),
    Publish(PublicationKey),
    Watch(WatchKey),
}

impl Client {
    /// Queues something to be done over the link, which is opened if need be.
    pub(super) fn start(&mut self, job: Job) {
        self.jobs.push_back(job);
        if self.wire.link() == Link::Down {
            self.timers.clear(Timer::Reconnect);
            self.wire.open_link();
        }
    }

    pub(super) fn run(&mut self, Job { command, work }: Job, now: Instant) {
        match work {
            Work::Register => self.send_register(command, false, now),
            Work::Unregister => self.send_register(command, true, now),
            Work::Pages => self.send_pages(now),
            Work::Invite(session) => self.send_invite(session, now),
            Work::Bye(session) => self.send_bye(session, command, now),
            Work::Refer { session, target } => {
                if let Some(command) = command {
                    self.send_refer(session, command, target, now);
                }
            }
            Work::Subscribe(session) => self.send_subscribe(session, command, now),
            Work::Publish(key) => self.send_publish(key, now),
            Work::Watch(key) => self.send_watch(key, now),
        }
    }

    /// What waited for the link comes to nothing.
    pub(super) fn give_up(&mut self, Job { command, work }: Job, now: Instant) {
        let failure = Failure::status(503, "no connection to the server");
        match work {
            Work::Register => self.register_failed(command, failure, now),
            Work::Unregister => self.push_event(Event::Unregistered { command }),
            Work::Pages => self.give_up_pages(now),
            Work::Invite(session) => self.never_came(session, failure, now),
            Work::Bye(session) => self.bye_done(session, command, now),
            Work::Refer { session, .. } => {
                if let Some(command) = command {
                    self.failed_in(session, command, None, failure);
                }
            }
            Work::Subscribe(session) => self.subscribe_failed(session, failure, now),
            Work::Publish(key) => self.publish_failed(key, failure, now),
            Work::Watch(key) => self.watch_failed(key, failure, now),
        }
    }
}
