//! UDP sockets, and which flow stands for which remote address.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use im_roles::flow::{FlowId, Octets, Protocol};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::{Settings, Sighting};
use crate::trace::{Line, Way};

/// A UDP socket with its two tasks.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) protocol: Protocol,
    pub(super) local: SocketAddr,
    queue: mpsc::Sender<(SocketAddr, Bytes)>,
    reader: tokio::task::AbortHandle,
}

impl Socket {
    pub(super) fn start(
        index: usize,
        protocol: Protocol,
        socket: UdpSocket,
        settings: &Arc<Settings>,
        sender: mpsc::Sender<Sighting>,
    ) -> io::Result<Self> {
        let local = socket.local_addr()?;
        if let Some(recorder) = &settings.recorder {
            recorder.local(local, &settings.name);
        }
        let socket = Arc::new(socket);
        let (queue, queued) = mpsc::channel(DATAGRAMS);
        tokio::spawn(write(socket.clone(), protocol, local, queued, settings.clone()));
        let reader =
            tokio::spawn(read(index, socket, protocol, local, settings.clone(), sender)).abort_handle();
        Ok(Self {
            protocol,
            local,
            queue,
            reader,
        })
    }

    /// Sends one datagram; when too many wait it is lost, as a datagram may be.
    pub(super) fn send(&self, remote: SocketAddr, mut data: Octets) {
        let _ = self
            .queue
            .try_send((remote, data.copy_to_bytes(data.remaining())));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The writer ends by itself, once it has sent what is queued.
        self.reader.abort();
    }
}

async fn read(
    index: usize,
    socket: Arc<UdpSocket>,
    protocol: Protocol,
    local: SocketAddr,
    settings: Arc<Settings>,
    sender: mpsc::Sender<Sighting>,
) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(DATAGRAM_SIZE);
        // An error is a datagram that did not arrive somewhere: nothing to do with the next one.
        let Ok((_, remote)) = socket.recv_buf_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Copied: a datagram of a few hundred octets must not hold the whole buffer.
        let data = Bytes::copy_from_slice(&buffer);
        buffer.clear();
        if let Some(recorder) = &settings.recorder {
            recorder.record(&Line::datagram(protocol, local, remote), Way::Received, &data);
        }
        if sender
            .send(Sighting::Datagram {
                socket: index,
                remote,
                data,
            })
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn write(
    socket: Arc<UdpSocket>,
    protocol: Protocol,
    local: SocketAddr,
    mut queue: mpsc::Receiver<(SocketAddr, Bytes)>,
    settings: Arc<Settings>,
) {
    while let Some((remote, data)) = queue.recv().await {
        if socket.send_to(&data, remote).await.is_ok()
            && let Some(recorder) = &settings.recorder
        {
            recorder.record(&Line::datagram(protocol, local, remote), Way::Sent, &data);
        }
    }
}

/// The flows of all UDP sockets, bounded: the one unused for longest goes first.
#[derive(Debug)]
pub(super) struct Peers {
    by_flow: BTreeMap<FlowId, Peer>,
    by_address: BTreeMap<(usize, SocketAddr), FlowId>,
    by_use: BTreeMap<u64, FlowId>,
    uses: u64,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    socket: usize,
    remote: SocketAddr,
    used: u64,
}

impl Peers {
    pub(super) fn new(limit: usize) -> Self {
        let (by_flow, by_address, by_use) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            by_flow,
            by_address,
            by_use,
            uses: 0,
            limit: limit.max(1),
        }
    }

    /// The flow on which datagrams from an address come in.
    pub(super) fn flow(&mut self, socket: usize, remote: SocketAddr) -> Option<FlowId> {
        let flow = *self.by_address.get(&(socket, remote))?;
        self.touch(flow);
        Some(flow)
    }

    /// Where datagrams on a flow go.
    pub(super) fn address(&mut self, flow: FlowId) -> Option<(usize, SocketAddr)> {
        self.touch(flow);
        self.by_flow.get(&flow).map(|peer| (peer.socket, peer.remote))
    }

    /// Adds a flow, and gives the one that had to go for it.
    ///
    /// A second flow for one address sends there too; what comes from there stays on the first.
    pub(super) fn insert(&mut self, flow: FlowId, socket: usize, remote: SocketAddr) -> Option<FlowId> {
        let forgotten = if self.by_flow.len() >= self.limit {
            self.by_use.first_key_value().map(|(_, flow)| *flow)
        } else {
            None
        };
        if let Some(forgotten) = forgotten {
            self.forget(forgotten);
        }
        self.uses = self.uses.wrapping_add(1);
        self.by_flow.insert(
            flow,
            Peer {
                socket,
                remote,
                used: self.uses,
            },
        );
        self.by_use.insert(self.uses, flow);
        self.by_address.entry((socket, remote)).or_insert(flow);
        forgotten
    }

    pub(super) fn forget(&mut self, flow: FlowId) {
        if let Some(peer) = self.by_flow.remove(&flow) {
            self.by_use.remove(&peer.used);
            if self.by_address.get(&(peer.socket, peer.remote)) == Some(&flow) {
                self.by_address.remove(&(peer.socket, peer.remote));
            }
        }
    }

    fn touch(&mut self, flow: FlowId) {
        if let Some(peer) = self.by_flow.get_mut(&flow) {
            self.by_use.remove(&peer.used);
            self.uses = self.uses.wrapping_add(1);
            peer.used = self.uses;
            self.by_use.insert(self.uses, flow);
        }
    }
}

const DATAGRAMS: usize = 1024;
const DATAGRAM_SIZE: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_unused_for_longest_makes_room() {
        let mut peers = Peers::new(2);
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(peers.insert(FlowId(1), 0, address(1)), None);
        assert_eq!(peers.insert(FlowId(2), 0, address(2)), None);
        assert_eq!(peers.flow(0, address(1)), Some(FlowId(1)));
        assert_eq!(peers.insert(FlowId(3), 0, address(3)), Some(FlowId(2)));
        assert_eq!(peers.flow(0, address(2)), None);
        assert_eq!(peers.address(FlowId(1)), Some((0, address(1))));
    }
}
