//! The client transactions of each flow, which fail when it does: in the order in which they were sent.

use super::Client;
use crate::endpoint::Endpoint;
use crate::endpoint::event::ClientTransaction;
use crate::flow::FlowId;

/// The place of a transaction among those of its flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    before: Option<ClientTransaction>,
    behind: Option<ClientTransaction>,
    is_in: bool,
}

/// The first and the last transaction of a flow.
#[derive(Clone, Copy, Debug)]
pub(in crate::endpoint) struct Ends {
    first: ClientTransaction,
    last: ClientTransaction,
}

impl Endpoint {
    /// Puts a transaction at the end of its flow's line.
    pub(super) fn link(&mut self, id: ClientTransaction, flow: FlowId) {
        let ends = self.client_flows.get(&flow).copied();
        let before = ends.map(|ends| ends.last);
        let Some(line) = self.line_of(Some(id)).filter(|line| !line.is_in) else {
            return;
        };
        *line = Line {
            before,
            behind: None,
            is_in: true,
        };
        if let Some(last) = self.line_of(before) {
            last.behind = Some(id);
        }
        let first = ends.map_or(id, |ends| ends.first);
        self.client_flows.insert(flow, Ends { first, last: id });
    }

    /// Takes a transaction out of its flow's line, if it is in it.
    pub(super) fn unlink(&mut self, id: ClientTransaction, flow: FlowId) {
        let Some(line) = self.line_of(Some(id)).filter(|line| line.is_in) else {
            return;
        };
        let Line { before, behind, .. } = core::mem::take(line);
        if let Some(line) = self.line_of(before) {
            line.behind = behind;
        }
        if let Some(line) = self.line_of(behind) {
            line.before = before;
        }
        let Some(ends) = self.client_flows.get_mut(&flow) else {
            return;
        };
        match (before, behind) {
            (None, None) => {
                self.client_flows.remove(&flow);
            }
            (None, Some(next)) => ends.first = next,
            (Some(previous), None) => ends.last = previous,
            (Some(_), Some(_)) => {}
        }
    }

    /// The transactions of a flow.
    pub(in crate::endpoint) fn clients_of(&self, flow: FlowId) -> Vec<ClientTransaction> {
        let first = self.client_flows.get(&flow).map(|ends| ends.first);
        core::iter::successors(first, |id| self.clients.get(id.0)?.line.behind).collect()
    }

    fn line_of(&mut self, id: Option<ClientTransaction>) -> Option<&mut Line> {
        let client: &mut Client = self.clients.get_mut(id?.0)?;
        Some(&mut client.line)
    }
}
