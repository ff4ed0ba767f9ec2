//! What one connection has sent for another and waits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::transaction::{MessageText, Origin};
use crate::TransactionId;
use crate::codec::Continuation;
use crate::connection::end_line::Tail;
use crate::header::{ByteRange, FailureReport};

/// What one connection has sent for another.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) items: VecDeque<Item>,
    pub(super) octets: usize,
    /// The last octet of what could go out. It waits for what follows it, so that the chunk that ends a message has an
    /// octet: an empty one could not say where in the message it belongs (RFC 4975 section 7.1.1).
    pub(super) held: Bytes,
    /// The part whose head is not in `items` any more.
    pub(super) current: Option<Current>,
    pub(super) in_turn: bool,
    /// Whether the connection that it is of is gone.
    pub(super) orphan: bool,
}

#[derive(Debug)]
pub(super) enum Item {
    Head(PartHead),
    Body(Bytes),
    /// Small pieces that wait, joined, so that each costs what it is.
    Joined(BytesMut),
    End(Continuation),
}

/// What the heads of the chunks of one forwarded SEND have in common.
#[derive(Clone, Debug)]
pub(super) struct PartHead {
    /// All headers but `Byte-Range`.
    pub(super) text: Bytes,
    /// Where in the text it goes.
    pub(super) split: usize,
    pub(super) range: Option<ByteRange>,
    pub(super) has_body: bool,
    pub(super) failure_report: FailureReport,
    pub(super) message: MessageText,
    pub(super) origin: Arc<Origin>,
}

#[derive(Debug)]
pub(super) struct Current {
    pub(super) head: PartHead,
    /// How many octets of its body have gone out.
    pub(super) sent: u64,
    pub(super) chunk: Option<Chunk>,
}

/// The chunk that is being sent.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) transaction: TransactionId,
    pub(super) octets: usize,
    pub(super) tail: Tail,
}

impl Item {
    /// What it costs to keep it.
    fn cost(&self) -> usize {
        let octets = match self {
            Self::Head(head) => head.text.len(),
            Self::Body(body) => body.len(),
            Self::Joined(body) => body.len(),
            Self::End(_) => 0,
        };
        octets.saturating_add(size_of::<Self>())
    }
}

impl Lane {
    pub(super) fn push(&mut self, item: Item) -> usize {
        if let Item::Body(body) = &item
            && body.len() == 1
            && self.items.is_empty()
            && self.held.is_empty()
            && self.current.is_some()
        {
            self.held = body.clone();
            return 0;
        }
        let (cost, item) = match (self.items.back_mut(), item) {
            (Some(Item::Joined(joined)), Item::Body(body)) if joined.len() < JOINED && body.len() < SMALL => {
                joined.put_slice(&body);
                (body.len(), None)
            }
            (Some(Item::Body(_) | Item::Joined(_)), Item::Body(body)) if body.len() < SMALL => {
                let item = Item::Joined(BytesMut::from(&*body));
                (item.cost(), Some(item))
            }
            (_, item) => (item.cost(), Some(item)),
        };
        self.octets = self.octets.saturating_add(cost);
        self.items.extend(item);
        cost
    }

    pub(super) fn pop(&mut self, freed: &mut usize) -> Option<Item> {
        let item = self.items.pop_front()?;
        let cost = item.cost();
        self.octets = self.octets.saturating_sub(cost);
        *freed = freed.saturating_add(cost);
        Some(item)
    }

    /// Takes up to `most` octets of the body that lie together.
    pub(super) fn take_body(&mut self, most: usize, freed: &mut usize) -> Bytes {
        if !self.held.is_empty() {
            let piece = std::mem::take(&mut self.held);
            self.hold(freed);
            return piece;
        }
        if let Some(front) = self.items.front_mut()
            && let Item::Joined(joined) = front
        {
            *front = Item::Body(joined.split().freeze());
        }
        let Some(Item::Body(body)) = self.items.front_mut() else {
            return Bytes::new();
        };
        if body.len() > most {
            let piece = body.split_to(most);
            self.octets = self.octets.saturating_sub(most);
            *freed = freed.saturating_add(most);
            self.hold(freed);
            return piece;
        }
        let Some(Item::Body(mut body)) = self.pop(freed) else {
            return Bytes::new();
        };
        if self.items.is_empty() {
            self.held = body.split_off(body.len().saturating_sub(1));
        } else {
            self.hold(freed);
        }
        body
    }

    /// Holds what is left, if that is but one octet.
    fn hold(&mut self, freed: &mut usize) {
        let left = match self.items.front() {
            Some(Item::Body(body)) => body.len(),
            Some(Item::Joined(body)) => body.len(),
            _ => 0,
        };
        if left == 1 && self.items.len() == 1 {
            self.held = match self.pop(freed) {
                Some(Item::Body(body)) => body,
                Some(Item::Joined(body)) => body.freeze(),
                _ => Bytes::new(),
            };
        }
    }

    /// Puts back octets that were taken, but may not go out now.
    pub(super) fn put_back(&mut self, rest: Bytes, freed: &mut usize) {
        for body in [std::mem::take(&mut self.held), rest] {
            if !body.is_empty() {
                let item = Item::Body(body);
                let cost = item.cost();
                self.octets = self.octets.saturating_add(cost);
                *freed = freed.saturating_sub(cost);
                self.items.push_front(item);
            }
        }
    }

    /// Whether a chunk can begin: a head alone says nothing.
    pub(super) fn is_ready(&self) -> bool {
        match &self.current {
            Some(_) => !self.items.is_empty(),
            None => self.items.len() >= 2,
        }
    }

    /// The length of the rest of the part, if all of it is here and it is at most so long.
    pub(super) fn known_length(&self, most: usize) -> Option<usize> {
        let mut length = self.held.len();
        for item in &self.items {
            match item {
                Item::Body(body) => length = length.saturating_add(body.len()),
                Item::Joined(body) => length = length.saturating_add(body.len()),
                Item::End(_) => return Some(length),
                Item::Head(_) => return None,
            }
            if length > most {
                return None;
            }
        }
        None
    }
}

/// Below how many octets pieces that wait are joined, and up to how many about.
const SMALL: usize = 512;
const JOINED: usize = 4096;
