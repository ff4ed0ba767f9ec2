//! Requests that were forwarded and wait for their answers.
//!
//! A transaction's place is part of its identifier, so that an answer finds it without a table, and places are used
//! again, so that forwarding allocates nothing once there are enough of them. All answers may take equally long:
//! what was sent first is due first, and a list through the places is all that the timer needs.

use std::sync::Arc;
use std::time::Instant;

use super::LinkKey;
use crate::header::FailureReport;
use crate::{Entropy, TransactionId};

/// Where a message came from, and where news of it goes.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// The connection that it came on.
    pub(super) link: LinkKey,
    /// Its `From-Path` as it came.
    pub(super) from_path: Box<str>,
    /// The URI of this relay that it came to.
    pub(super) own: Box<str>,
}

/// A `Message-ID`; those of the grammar's length are kept without an allocation.
#[derive(Clone, Debug)]
pub(super) enum MessageText {
    Short([u8; 32], u8),
    Long(Arc<str>),
}

impl MessageText {
    pub(super) fn new(text: &str) -> Self {
        let mut octets = [0; 32];
        let place = octets.get_mut(..text.len());
        match (place, u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short(octets, length)
            }
            _ => Self::Long(text.into()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Short(octets, length) => octets
                .get(..usize::from(*length))
                .and_then(|octets| std::str::from_utf8(octets).ok())
                .unwrap_or_default(),
            Self::Long(text) => text,
        }
    }
}

/// What is known of a request that was forwarded.
#[derive(Clone, Debug)]
pub(super) enum Forwarded {
    /// A chunk.
    Chunk {
        origin: Arc<Origin>,
        message: MessageText,
        failure_report: FailureReport,
        /// The place of its first octet, from 1.
        start: u64,
        octets: u64,
        total: Option<u64>,
    },
    /// Another request, whose answer goes back to where it came from.
    Request {
        /// The connection that it came on.
        back: LinkKey,
        /// Its identifier there.
        original: TransactionId,
        /// Whether it was an AUTH with credentials.
        credentials: bool,
        /// What the sender is told if no answer comes.
        on_timeout: Option<Arc<Origin>>,
    },
}

#[derive(Debug)]
struct Place {
    id: TransactionId,
    /// The connection that it was sent on.
    out: LinkKey,
    what: Option<Forwarded>,
    /// When it is due; none while it is being sent.
    deadline: Option<Instant>,
    /// Whether it was answered while it was being sent.
    answered: bool,
    before: Option<usize>,
    after: Option<usize>,
}

/// Draws what an identifier is made of.
pub(super) fn draw(entropy: &mut Entropy) -> [u8; crate::id::RANDOM] {
    let mut random = [0; crate::id::RANDOM];
    entropy(&mut random);
    random
}

/// Requests that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    places: Vec<Place>,
    free: Vec<usize>,
    first: Option<usize>,
    last: Option<usize>,
    most: usize,
}

impl Transactions {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Begins a request; it is due when [`Self::sent`] has said so. Without a place for it, it has an identifier all
    /// the same, but its answer means nothing.
    pub(super) fn begin(
        &mut self,
        what: Option<Forwarded>,
        out: LinkKey,
        entropy: &mut Entropy,
    ) -> (TransactionId, bool) {
        let Some(what) = what else {
            return (TransactionId::mint(draw(entropy), 0), false);
        };
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.places.len() < self.most => self.places.len(),
            None => return (TransactionId::mint(draw(entropy), 0), false),
        };
        let number = u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1);
        let id = TransactionId::mint(draw(entropy), number);
        let new = Place {
            id,
            out,
            what: Some(what),
            deadline: None,
            answered: false,
            before: None,
            after: None,
        };
        match self.places.get_mut(place) {
            Some(old) => *old = new,
            None => self.places.push(new),
        }
        (id, true)
    }

    /// Notes that the last octet of a request has been handed over, and how many its body had. Says whether an answer
    /// is waited for.
    pub(super) fn sent(&mut self, id: &TransactionId, body: u64, due: Instant) -> bool {
        let Some(place) = self.place(id) else {
            return false;
        };
        let last = self.last;
        let Some(own) = self.places.get_mut(place) else {
            return false;
        };
        if own.answered {
            own.what = None;
            self.free.push(place);
            return false;
        }
        if let Some(Forwarded::Chunk { octets, .. }) = &mut own.what {
            *octets = body;
        }
        own.deadline = Some(due);
        own.before = last;
        match last.and_then(|last| self.places.get_mut(last)) {
            Some(last) => last.after = Some(place),
            None => self.first = Some(place),
        }
        self.last = Some(place);
        true
    }

    /// Forgets a request that will not be answered, if it is still being sent.
    pub(super) fn give_up(&mut self, id: &TransactionId) -> Option<Forwarded> {
        self.release(self.place(id)?)
    }

    /// Takes what an answer on a connection is for, and says whether it was counted as waited for.
    pub(super) fn answered(&mut self, id: &TransactionId, out: LinkKey) -> Option<(Forwarded, bool)> {
        let place = self.place(id)?;
        let own = self.places.get_mut(place).filter(|own| own.out == out)?;
        if own.deadline.is_none() {
            // It is still being sent, and keeps its identifier until then.
            if own.answered {
                return None;
            }
            own.answered = true;
            return own.what.clone().map(|what| (what, false));
        }
        self.release(place).map(|what| (what, true))
    }

    /// When the next request is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.places.get(self.first?)?.deadline
    }

    /// Takes a request that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Forwarded, LinkKey)> {
        let place = self.first?;
        let own = self.places.get(place)?;
        let out = own.out;
        own.deadline.filter(|deadline| *deadline <= now)?;
        self.release(place).map(|what| (what, out))
    }

    fn place(&self, id: &TransactionId) -> Option<usize> {
        let number = id.minted_number()?;
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        let own = self.places.get(place)?;
        (own.id == *id && own.what.is_some()).then_some(place)
    }

    fn release(&mut self, place: usize) -> Option<Forwarded> {
        let own = self.places.get_mut(place)?;
        let what = own.what.take()?;
        let listed = own.deadline.take().is_some();
        let (before, after) = (own.before.take(), own.after.take());
        self.free.push(place);
        if listed {
            match before.and_then(|before| self.places.get_mut(before)) {
                Some(before) => before.after = after,
                None => self.first = after,
            }
            match after.and_then(|after| self.places.get_mut(after)) {
                Some(after) => after.before = before,
                None => self.last = before,
            }
        }
        Some(what)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entropy() -> Entropy {
        let mut state = 1_u8;
        Box::new(move |octets| {
            for octet in octets {
                state = state.wrapping_mul(5).wrapping_add(113);
                *octet = state;
            }
        })
    }

    fn request(number: u64) -> Forwarded {
        Forwarded::Request {
            back: LinkKey(number),
            original: TransactionId::new("abcd").unwrap(),
            credentials: false,
            on_timeout: None,
        }
    }

    fn origin(what: &Forwarded) -> u64 {
        match what {
            Forwarded::Request { back, .. } => back.0,
            Forwarded::Chunk { .. } => panic!(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "instants have no other beginning")]
    fn epoch() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_was_sent_first_is_due_first_and_what_was_answered_never() {
        let (mut entropy, mut table, now, out) = (entropy(), Transactions::new(10), epoch(), LinkKey(9));
        let ids: Vec<_> = (0..5)
            .map(|number| table.begin(Some(request(number)), out, &mut entropy).0)
            .collect();
        for (id, second) in ids.iter().zip(1..) {
            assert!(table.sent(id, 0, now + Duration::from_secs(second)));
        }
        assert!(
            table.answered(&ids[0], LinkKey(8)).is_none(),
            "another connection"
        );
        assert!(matches!(table.answered(&ids[0], out), Some((_, true))));
        assert!(table.answered(&ids[0], out).is_none());
        assert!(table.answered(&ids[2], out).is_some());
        assert!(table.answered(&ids[4], out).is_some());
        assert_eq!(table.next_due(), Some(now + Duration::from_secs(2)));
        assert!(table.due(now + Duration::from_secs(1)).is_none());
        let late = now + Duration::from_secs(9);
        let due: Vec<_> = std::iter::from_fn(|| table.due(late))
            .map(|(what, _)| origin(&what))
            .collect();
        assert_eq!(due, [1, 3]);
        assert_eq!((table.len(), table.next_due()), (0, None));
    }

    #[test]
    fn places_are_used_again_under_new_names_and_are_bounded() {
        let (mut entropy, mut table, now, out) = (entropy(), Transactions::new(2), epoch(), LinkKey(9));
        let (first, _) = table.begin(Some(request(1)), out, &mut entropy);
        let (_, watched) = table.begin(Some(request(2)), out, &mut entropy);
        assert!(watched);
        let (beyond, watched) = table.begin(Some(request(3)), out, &mut entropy);
        assert!(!watched && table.answered(&beyond, out).is_none() && !table.sent(&beyond, 0, now));
        assert!(table.sent(&first, 0, now));
        assert!(table.answered(&first, out).is_some());
        let (again, watched) = table.begin(Some(request(4)), out, &mut entropy);
        assert!(watched && again != first);
        assert!(table.answered(&first, out).is_none());
        assert_eq!(table.places.len(), 2);
    }

    #[test]
    fn an_early_answer_is_taken_once_and_ends_the_matter() {
        let (mut entropy, mut table, now, out) = (entropy(), Transactions::new(2), epoch(), LinkKey(9));
        let (id, _) = table.begin(Some(request(1)), out, &mut entropy);
        assert!(matches!(table.answered(&id, out), Some((_, false))));
        assert!(table.answered(&id, out).is_none());
        assert!(!table.sent(&id, 0, now));
        assert_eq!((table.len(), table.next_due()), (0, None));
    }

    #[test]
    fn message_ids_survive() {
        for text in [
            "abcd",
            "a-message-id-of-thirty-two-octet",
            "{a-very-long-one}@some.host.example.com",
        ] {
            assert_eq!(MessageText::new(text).as_str(), text);
        }
    }
}
