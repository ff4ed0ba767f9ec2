//! Whose turn it is: the lines of messages to one recipient.

use std::time::Instant;

use super::event::retry_after;
use super::{Due, Event, Failure, MessageKey, Overlap, Pager, Recipient, Unfinished};
use crate::message::Response;

impl Pager {
    pub(super) fn is_sent(&self, message: MessageKey) -> bool {
        self.messages
            .get(&message)
            .is_some_and(|unfinished| unfinished.is_sent)
    }

    pub(super) fn fail(&mut self, message: MessageKey, failure: Failure) {
        let Some(unfinished) = self.forget(message) else {
            return;
        };
        self.events.push_back(Event::Failed { message, failure });
        self.next(&unfinished.recipient);
    }

    /// Takes a message out, and out of its line.
    pub(super) fn forget(&mut self, message: MessageKey) -> Option<Unfinished> {
        let unfinished = self.messages.remove(&message)?;
        if let Some((at, _)) = &unfinished.until {
            self.due.remove(&(*at, Due::Message(message)));
        }
        self.ready.remove(&message);
        if !unfinished.is_sent {
            self.unsent = self.unsent.saturating_sub(1);
        }
        if let Some(line) = self.lines.get_mut(&unfinished.recipient)
            && !line.waiting.remove(&message)
        {
            line.under_way = line.under_way.saturating_sub(1);
        }
        Some(unfinished)
    }

    /// Leaves a recipient alone for as long as its server asks.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
    //# It SHOULD NOT forward any other requests to that server for
    //# the duration specified in the Retry-After header field, if present.
    pub(super) fn hold(&mut self, recipient: &Recipient, response: &Response, now: Instant) {
        let wait = retry_after(response).map(|wait| wait.min(self.config.max_hold));
        let Some(at) = wait
            .filter(|wait| !wait.is_zero())
            .and_then(|wait| now.checked_add(wait))
        else {
            return;
        };
        // Recipients that are left alone count like messages.
        if self.due.len() >= self.config.max_messages.saturating_mul(2) {
            return;
        }
        let Some(line) = self.lines.get_mut(recipient) else {
            return;
        };
        if let Some(before) = line.held.replace(at) {
            self.due.remove(&(before, Due::Held(recipient.clone())));
        }
        self.due.insert((at, Due::Held(recipient.clone())));
    }

    /// Gives a line's next message its turn, or forgets the line.
    pub(super) fn next(&mut self, recipient: &Recipient) {
        let Some(line) = self.lines.get_mut(recipient) else {
            return;
        };
        if line.held.is_some() {
            return;
        }
        let overlap = match recipient {
            Recipient::Uri(_) => self.config.overlap,
            Recipient::Dialog(_) => self.config.overlap_in_dialog,
        };
        while line.under_way == 0 || overlap == Overlap::Allow {
            let Some(message) = line.waiting.pop_first() else {
                break;
            };
            line.under_way = line.under_way.saturating_add(1);
            self.ready.insert(message);
        }
        if line.under_way == 0 {
            self.lines.remove(recipient);
        }
    }
}
