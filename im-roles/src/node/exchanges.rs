//! Who is owed which response: requests from the wire or a role on one side, to the wire or a role on the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sip_im::Method;
use sip_im::endpoint::{ClientTransaction, ServerTransaction};
use sip_im::header::{CallId, From, Headers, To};

use crate::message;
use crate::signal::{IncomingId, OutgoingId, RoleKind};

/// Where a request came from, and its response goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// The wire; whether the peer there is trusted.
    Wire(ServerTransaction, bool),
    Role(OutgoingId),
}

/// Where a request went, and its response comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Callee {
    /// The wire; whether the peer there is trusted.
    Wire(ClientTransaction, bool),
    Role(IncomingId),
}

/// A request in the hands of a role.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) caller: Caller,
    pub(super) role: RoleKind,
    pub(super) method: Method,
    lingers_until: Option<Instant>,
}

/// A request that a role has sent.
#[derive(Clone, Debug)]
struct Outgoing {
    callee: Callee,
    lingers_until: Option<Instant>,
}

/// A dialog by Call-ID and both tags, as its INVITE has them.
pub(super) type DialogKey = (String, String, String);

/// What is kept for a while after a 2xx to an INVITE.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Lingering {
    Incoming(IncomingId),
    Outgoing(OutgoingId),
    Answer(DialogKey),
    Retransmission(ServerTransaction),
}

/// Who gave a dialog's 2xx.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AnsweredBy {
    /// A peer on the wire, by this transaction.
    Wire(ClientTransaction),
    /// A role of this server, to this request.
    Role(IncomingId, RoleKind),
}

/// The table of exchanges. Bounded by what the endpoint and the roles take in.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    last: u64,
    incoming: BTreeMap<IncomingId, Incoming>,
    outgoing: BTreeMap<OutgoingId, Outgoing>,
    servers: BTreeMap<ServerTransaction, IncomingId>,
    clients: BTreeMap<ClientTransaction, OutgoingId>,
    answers: BTreeMap<DialogKey, AnsweredBy>,
    /// Which role's 2xx the endpoint sends again on a transaction that another role holds.
    retransmissions: BTreeMap<ServerTransaction, (IncomingId, RoleKind)>,
    lingering: BTreeSet<(Instant, Lingering)>,
}

impl Exchanges {
    pub(super) fn take_in(&mut self, caller: Caller, role: RoleKind, method: Method) -> IncomingId {
        self.last = self.last.wrapping_add(1);
        let id = IncomingId(self.last);
        if let Caller::Wire(transaction, _) = caller {
            self.servers.insert(transaction, id);
        }
        self.incoming.insert(
            id,
            Incoming {
                caller,
                role,
                method,
                lingers_until: None,
            },
        );
        id
    }

    pub(super) fn send_out(&mut self, id: OutgoingId, callee: Callee) {
        if let Callee::Wire(transaction, _) = callee {
            self.clients.insert(transaction, id);
        }
        self.outgoing.insert(
            id,
            Outgoing {
                callee,
                lingers_until: None,
            },
        );
    }

    pub(super) fn open(&self) -> usize {
        self.incoming.len()
    }

    pub(super) fn incoming(&self, id: IncomingId) -> Option<&Incoming> {
        self.incoming.get(&id)
    }

    pub(super) fn by_server(&self, transaction: ServerTransaction) -> Option<(IncomingId, &Incoming)> {
        let id = *self.servers.get(&transaction)?;
        self.incoming.get(&id).map(|incoming| (id, incoming))
    }

    pub(super) fn callee(&self, id: OutgoingId) -> Option<Callee> {
        self.outgoing.get(&id).map(|outgoing| outgoing.callee)
    }

    pub(super) fn by_client(&self, transaction: ClientTransaction) -> Option<(OutgoingId, Callee)> {
        let id = *self.clients.get(&transaction)?;
        self.callee(id).map(|callee| (id, callee))
    }

    /// A final response is on its way to the caller: the exchange is over on that side, or lingers after an INVITE's 2xx.
    pub(super) fn finish_incoming(&mut self, id: IncomingId, success: bool, now: Instant) {
        let Some(incoming) = self.incoming.get_mut(&id) else {
            return;
        };
        if success && incoming.method == Method::Invite {
            if incoming.lingers_until.is_none() {
                // Longer than the endpoint waits for the ACK, of whose absence the role is to hear.
                let until = message::after(now, message::LINGER.saturating_mul(2));
                incoming.lingers_until = Some(until);
                self.lingering.insert((until, Lingering::Incoming(id)));
            }
        } else if incoming.lingers_until.is_none() {
            self.drop_incoming(id);
        }
    }

    /// A final response has come from the callee.
    pub(super) fn finish_outgoing(&mut self, id: OutgoingId, success: bool, invite: bool, now: Instant) {
        let Some(outgoing) = self.outgoing.get_mut(&id) else {
            return;
        };
        if success && invite {
            if outgoing.lingers_until.is_none() {
                let until = message::after(now, message::LINGER);
                outgoing.lingers_until = Some(until);
                self.lingering.insert((until, Lingering::Outgoing(id)));
            }
        } else if outgoing.lingers_until.is_none() {
            self.drop_outgoing(id);
        }
    }

    pub(super) fn drop_incoming(&mut self, id: IncomingId) {
        if let Some(incoming) = self.incoming.remove(&id) {
            if let Caller::Wire(transaction, _) = incoming.caller {
                self.servers.remove(&transaction);
            }
            if let Some(until) = incoming.lingers_until {
                self.lingering.remove(&(until, Lingering::Incoming(id)));
            }
        }
    }

    pub(super) fn drop_outgoing(&mut self, id: OutgoingId) {
        if let Some(outgoing) = self.outgoing.remove(&id) {
            if let Callee::Wire(transaction, _) = outgoing.callee {
                self.clients.remove(&transaction);
            }
            if let Some(until) = outgoing.lingers_until {
                self.lingering.remove(&(until, Lingering::Outgoing(id)));
            }
        }
    }

    /// Remembers who answered an INVITE with a 2xx; the first one to say so did.
    pub(super) fn note_answer(&mut self, dialog: DialogKey, by: AnsweredBy, now: Instant) {
        if !self.answers.contains_key(&dialog) {
            self.lingering.insert((
                message::after(now, message::LINGER),
                Lingering::Answer(dialog.clone()),
            ));
            self.answers.insert(dialog, by);
        }
    }

    pub(super) fn answered_by(&self, dialog: &DialogKey) -> Option<AnsweredBy> {
        self.answers.get(dialog).copied()
    }

    /// Remembers whose 2xx the endpoint sends again, to tell him when no ACK comes. Kept longer than the endpoint tries.
    pub(super) fn note_retransmission(
        &mut self,
        transaction: ServerTransaction,
        answer: (IncomingId, RoleKind),
        now: Instant,
    ) {
        if self.retransmissions.insert(transaction, answer).is_none() {
            let until = message::after(now, message::LINGER.saturating_mul(2));
            self.lingering
                .insert((until, Lingering::Retransmission(transaction)));
        }
    }

    pub(super) fn retransmitted_for(&self, transaction: ServerTransaction) -> Option<(IncomingId, RoleKind)> {
        self.retransmissions.get(&transaction).copied()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.lingering.first().map(|(at, _)| *at)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, what)) = self.lingering.pop_first() {
            if at > now {
                self.lingering.insert((at, what));
                break;
            }
            match what {
                Lingering::Incoming(id) => self.drop_incoming(id),
                Lingering::Outgoing(id) => self.drop_outgoing(id),
                Lingering::Answer(dialog) => {
                    self.answers.remove(&dialog);
                }
                Lingering::Retransmission(transaction) => {
                    self.retransmissions.remove(&transaction);
                }
            }
        }
    }
}

/// The dialog that a message with both tags belongs to, from the side of its From.
pub(super) fn dialog_key(headers: &Headers) -> Option<DialogKey> {
    let call_id = headers.get::<CallId>().ok().flatten()?.as_str().to_owned();
    let from = headers.get::<From>().ok().flatten()?.tag()?.to_owned();
    let to = headers.get::<To>().ok().flatten()?.tag()?.to_owned();
    Some((call_id, from, to))
}
