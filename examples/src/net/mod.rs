//! Sockets for a machine that speaks in flows: [`Network`].
//!
//! Each connection has a task that reads and one that writes. What they see comes through one bounded queue, so a
//! machine that is slow slows its peers down. What a machine sends waits in the connection's own queue; when that
//! grows over [`Settings::queue_high`] the machine is told [`Input::Blocked`] *before* it is asked for more, and
//! [`Input::Writable`] once the queue is below a quarter of it. Only the octets on their way are held here.

mod connection;
mod datagram;
mod host;
mod trusted;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use im_roles::driver::{Host, Wake};
use im_roles::flow::{FlowId, Input, OpenId, Protocol, Transmit, Transport};
use im_roles::xdms::{XcapId, XcapRequest, XcapResponse};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};

pub use host::{ClientHost, MachineHost};
pub use trusted::{TrustedPeer, TrustedPeerError, TrustedPeers};

use connection::{Connection, Context};
use datagram::{Peers, Socket};

use crate::trace::{Line, Recorder};

/// How a [`Network`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// What this party is called in a trace. Default: empty, which is shown as its address.
    pub name: String,
    /// Records what is sent and received. Default: nothing does.
    pub recorder: Option<Recorder>,
    /// The peers that belong to the trust domain. Default: none.
    pub trusted: TrustedPeers,
    /// Connections at a time; more are closed as they come. Default: 100,000.
    pub max_connections: usize,
    /// Remote addresses remembered for one UDP socket; the one unused for longest is forgotten. Default: 100,000.
    pub max_datagram_peers: usize,
    /// Octets that may wait for one connection before the machine is told to stop. Default: 256 KiB.
    pub queue_high: u64,
    /// Octets that may wait for one connection before it is given up, for a machine that does not stop. Default: 64 MiB.
    pub queue_limit: u64,
    /// How long opening a connection may take, the resolution of its name included. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long a peer may take none of what waits for it. Default: 60 s.
    pub write_timeout: Duration,
    /// How long a connection that was closed here is kept so that its last octets arrive. Default: 5 s.
    pub linger: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            recorder: None,
            trusted: TrustedPeers::default(),
            max_connections: 100_000,
            max_datagram_peers: 100_000,
            queue_high: 256 * 1024,
            queue_limit: 64 * 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            linger: Duration::from_secs(5),
        }
    }
}

/// What a task has seen.
#[derive(Debug)]
pub(crate) enum Sighting {
    Accepted {
        protocol: Protocol,
        transport: Transport,
        stream: TcpStream,
        remote: SocketAddr,
    },
    Connected {
        open: OpenId,
        protocol: Protocol,
        transport: Transport,
        stream: io::Result<TcpStream>,
    },
    Resolved {
        open: OpenId,
        protocol: Protocol,
        remote: io::Result<SocketAddr>,
    },
    Received {
        flow: FlowId,
        data: bytes::Bytes,
    },
    Writable {
        flow: FlowId,
    },
    Closed {
        flow: FlowId,
    },
    Datagram {
        socket: usize,
        remote: SocketAddr,
        data: bytes::Bytes,
    },
    Xcap {
        request: XcapRequest,
        reply: oneshot::Sender<XcapResponse>,
    },
}

/// The sockets of one machine.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use examples::net::{Network, Settings};
/// use im_roles::flow::{Protocol, Transport};
///
/// let mut network = Network::new(Settings::default());
/// let address = network.listen(Protocol::Sip, Transport::Tcp, "127.0.0.1:0".parse()?).await?;
/// assert_ne!(address.port(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Network {
    settings: Arc<Settings>,
    sightings: mpsc::Receiver<Sighting>,
    sender: mpsc::Sender<Sighting>,
    pending: VecDeque<Input>,
    connections: BTreeMap<FlowId, Connection>,
    sockets: Vec<Socket>,
    peers: Peers,
    listeners: Vec<tokio::task::AbortHandle>,
    xcap: BTreeMap<XcapId, oneshot::Sender<XcapResponse>>,
    next_flow: u64,
    next_xcap: u64,
    listening: bool,
    unsent: Arc<AtomicU64>,
}

impl Network {
    /// A network without listeners; it opens connections on request all the same.
    pub fn new(settings: Settings) -> Self {
        let (sender, sightings) = mpsc::channel(SIGHTINGS);
        let peers = Peers::new(settings.max_datagram_peers);
        Self {
            settings: Arc::new(settings),
            sightings,
            sender,
            pending: VecDeque::new(),
            connections: BTreeMap::new(),
            sockets: Vec::new(),
            peers,
            listeners: Vec::new(),
            xcap: BTreeMap::new(),
            next_flow: 0,
            next_xcap: 0,
            listening: true,
            unsent: Arc::default(),
        }
    }

    /// Listens on an address, and tells which one it is when the port was 0.
    ///
    /// # Errors
    ///
    /// Fails when the address cannot be bound, and for a transport that is neither UDP nor TCP.
    pub async fn listen(
        &mut self,
        protocol: Protocol,
        transport: Transport,
        address: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let local = match transport {
            Transport::Udp => {
                let index = self.bind_socket(protocol, address).await?;
                self.sockets.get(index).map_or(address, |socket| socket.local)
            }
            Transport::Tcp => {
                let listener = TcpListener::bind(address).await?;
                let local = listener.local_addr()?;
                let task = tokio::spawn(accept(listener, protocol, transport, self.sender.clone()));
                self.listeners.push(task.abort_handle());
                local
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        if let Some(recorder) = &self.settings.recorder {
            recorder.local(local, &self.settings.name);
            recorder.well_known(local, protocol);
        }
        Ok(local)
    }

    /// Accepts no more connections; those that are there stay.
    pub fn stop_listening(&mut self) {
        self.listening = false;
        for listener in self.listeners.drain(..) {
            listener.abort();
        }
    }

    /// What gives XCAP requests to the machine from an HTTP server.
    pub(crate) fn sightings(&self) -> mpsc::Sender<Sighting> {
        self.sender.clone()
    }

    /// Whether more may be sent: not while the machine has yet to hear that a connection takes no more.
    pub fn has_room(&self) -> bool {
        self.pending.is_empty()
    }

    /// Octets that wait to be written, those of connections that are being closed included.
    pub fn queued(&self) -> u64 {
        self.unsent.load(Ordering::Acquire)
    }

    /// XCAP requests that the machine has not answered yet.
    pub fn unanswered(&self) -> usize {
        self.xcap.values().filter(|reply| !reply.is_closed()).count()
    }

    /// Carries out what the machine wants.
    pub fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open {
                open,
                protocol,
                transport,
                host,
                port,
                ..
            } => self.open(open, protocol, transport, host, port),
            Transmit::Send { flow, data } => self.send(flow, data),
            Transmit::Close { flow } => {
                if let Some(connection) = self.connections.remove(&flow) {
                    drop(connection);
                }
                self.peers.forget(flow);
            }
            Transmit::Xcap { id, response } => {
                if let Some(reply) = self.xcap.remove(&id) {
                    // The HTTP client may be gone by now.
                    let _ = reply.send(response);
                }
            }
            _ => {}
        }
    }

    /// Waits for the next input; `None` when the deadline comes first. Cancel-safe.
    pub async fn next(&mut self, deadline: Option<Instant>) -> Option<Input> {
        loop {
            if let Some(input) = self.pending.pop_front() {
                return Some(input);
            }
            let sighting = match deadline {
                Some(at) => tokio::time::timeout_at(at.into(), self.sightings.recv())
                    .await
                    .ok()?,
                None => self.sightings.recv().await,
            };
            // The queue cannot end: this end holds a sender too.
            self.see(sighting?);
        }
    }

    fn see(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Accepted {
                protocol,
                transport,
                stream,
                remote,
            } => {
                let full = self.connections.len() >= self.settings.max_connections;
                if self.listening && !full {
                    let trusted = self.settings.trusted.contains(remote);
                    self.adopt(protocol, transport, stream, None, trusted);
                }
            }
            Sighting::Connected {
                open,
                protocol,
                transport,
                stream,
            } => match stream {
                Ok(stream) if self.connections.len() < self.settings.max_connections => {
                    let trusted = stream
                        .peer_addr()
                        .is_ok_and(|remote| self.settings.trusted.reached(remote));
                    self.adopt(protocol, transport, stream, Some(open), trusted);
                }
                _ => self.pending.push_back(Input::OpenFailed { open }),
            },
            Sighting::Resolved {
                open,
                protocol,
                remote,
            } => match remote {
                Ok(remote) => self.open_datagram(open, protocol, remote),
                Err(_) => self.pending.push_back(Input::OpenFailed { open }),
            },
            Sighting::Received { flow, data } => {
                if self.connections.contains_key(&flow) {
                    self.pending.push_back(Input::Received { flow, data });
                }
            }
            Sighting::Writable { flow } => {
                if self.connections.contains_key(&flow) {
                    self.pending.push_back(Input::Writable { flow });
                }
            }
            Sighting::Closed { flow } => {
                if let Some(connection) = self.connections.remove(&flow) {
                    drop(connection);
                    self.pending.push_back(Input::Closed { flow });
                }
            }
            Sighting::Datagram { socket, remote, data } => self.datagram(socket, remote, data),
            Sighting::Xcap { request, reply } => {
                self.next_xcap = self.next_xcap.wrapping_add(1);
                let id = XcapId(self.next_xcap);
                self.xcap.retain(|_, waiting| !waiting.is_closed());
                self.xcap.insert(id, reply);
                self.pending.push_back(Input::Xcap { id, request });
            }
        }
    }

    fn open(&mut self, open: OpenId, protocol: Protocol, transport: Transport, host: String, port: u16) {
        let sender = self.sender.clone();
        let limit = self.settings.connect_timeout;
        match transport {
            Transport::Udp => {
                tokio::spawn(async move {
                    let remote = tokio::time::timeout(limit, resolve(&host, port))
                        .await
                        .unwrap_or_else(timed_out);
                    let _ = sender
                        .send(Sighting::Resolved {
                            open,
                            protocol,
                            remote,
                        })
                        .await;
                });
            }
            Transport::Tcp => {
                tokio::spawn(async move {
                    let stream = tokio::time::timeout(limit, connect(&host, port))
                        .await
                        .unwrap_or_else(timed_out);
                    let _ = sender
                        .send(Sighting::Connected {
                            open,
                            protocol,
                            transport,
                            stream,
                        })
                        .await;
                });
            }
            _ => self.pending.push_back(Input::OpenFailed { open }),
        }
    }

    fn open_datagram(&mut self, open: OpenId, protocol: Protocol, remote: SocketAddr) {
        let found = self
            .sockets
            .iter()
            .position(|socket| socket.protocol == protocol && socket.local.is_ipv4() == remote.is_ipv4());
        let socket = match found {
            Some(index) => index,
            None => match self.bind_ephemeral(protocol, remote) {
                Ok(index) => index,
                Err(_) => return self.pending.push_back(Input::OpenFailed { open }),
            },
        };
        let trusted = self.settings.trusted.reached(remote);
        self.introduce(socket, remote, Some(open), trusted);
    }

    fn datagram(&mut self, socket: usize, remote: SocketAddr, data: bytes::Bytes) {
        let flow = match self.peers.flow(socket, remote) {
            Some(flow) => flow,
            None if self.listening => {
                let trusted = self.settings.trusted.contains(remote);
                self.introduce(socket, remote, None, trusted)
            }
            None => return,
        };
        self.pending.push_back(Input::Received { flow, data });
    }

    /// Gives a socket and a remote address a flow of their own.
    fn introduce(
        &mut self,
        socket: usize,
        remote: SocketAddr,
        open: Option<OpenId>,
        trusted: bool,
    ) -> FlowId {
        let flow = self.mint();
        if let Some(forgotten) = self.peers.insert(flow, socket, remote) {
            self.pending.push_back(Input::Closed { flow: forgotten });
        }
        if let Some(socket) = self.sockets.get(socket) {
            let (protocol, local) = (socket.protocol, socket.local);
            let transport = Transport::Udp;
            self.pending.push_back(Input::Opened {
                flow,
                protocol,
                transport,
                local,
                remote,
                open,
                trusted,
            });
        }
        flow
    }

    fn adopt(
        &mut self,
        protocol: Protocol,
        transport: Transport,
        stream: TcpStream,
        open: Option<OpenId>,
        trusted: bool,
    ) {
        let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else {
            // It broke before it could be named; an accepted one nobody has heard of.
            if let Some(open) = open {
                self.pending.push_back(Input::OpenFailed { open });
            }
            return;
        };
        let flow = self.mint();
        let sender = self.sender.clone();
        let line = self.settings.recorder.clone().map(|recorder| {
            recorder.local(local, &self.settings.name);
            (recorder, Line::stream(protocol, local, remote))
        });
        let settings = self.settings.clone();
        let connection = Connection::start(
            stream,
            Context {
                flow,
                line,
                settings,
                sender,
            },
            self.unsent.clone(),
        );
        self.connections.insert(flow, connection);
        self.pending.push_back(Input::Opened {
            flow,
            protocol,
            transport,
            local,
            remote,
            open,
            trusted,
        });
    }

    fn send(&mut self, flow: FlowId, data: im_roles::flow::Octets) {
        if let Some(connection) = self.connections.get_mut(&flow) {
            match connection.send(data, &self.settings) {
                connection::Queued::Room => {}
                connection::Queued::Full => self.pending.push_back(Input::Blocked { flow }),
                connection::Queued::Overrun => {
                    if let Some(connection) = self.connections.remove(&flow) {
                        connection.abort();
                    }
                    self.pending.push_back(Input::Closed { flow });
                }
            }
        } else if let Some((socket, remote)) = self.peers.address(flow)
            && let Some(socket) = self.sockets.get(socket)
        {
            socket.send(remote, data);
        }
    }

    async fn bind_socket(&mut self, protocol: Protocol, address: SocketAddr) -> io::Result<usize> {
        let socket = UdpSocket::bind(address).await?;
        self.add_socket(protocol, socket)
    }

    fn bind_ephemeral(&mut self, protocol: Protocol, remote: SocketAddr) -> io::Result<usize> {
        let any: IpAddr = match remote.ip() {
            ip if ip.is_loopback() => ip,
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        self.add_socket(protocol, UdpSocket::from_std(socket)?)
    }

    fn add_socket(&mut self, protocol: Protocol, socket: UdpSocket) -> io::Result<usize> {
        let index = self.sockets.len();
        self.sockets.push(Socket::start(
            index,
            protocol,
            socket,
            &self.settings,
            self.sender.clone(),
        )?);
        Ok(index)
    }

    fn mint(&mut self) -> FlowId {
        self.next_flow = self.next_flow.wrapping_add(1);
        FlowId(self.next_flow)
    }
}

#[async_trait]
impl Host for Network {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn has_room(&self) -> bool {
        Self::has_room(self)
    }

    fn transmit(&mut self, transmit: Transmit) {
        Self::transmit(self, transmit);
    }

    async fn next(&mut self, deadline: Option<Instant>) -> Wake {
        Self::next(self, deadline)
            .await
            .map_or(Wake::Timeout, Wake::Input)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

async fn accept(
    listener: TcpListener,
    protocol: Protocol,
    transport: Transport,
    sender: mpsc::Sender<Sighting>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if sender
                    .send(Sighting::Accepted {
                        protocol,
                        transport,
                        stream,
                        remote,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // Out of descriptors, or the peer is gone already: neither is a reason to stop listening.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    tokio::net::lookup_host((host, port))
        .await?
        .next()
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((host, port)).await
}

fn timed_out<T>(_: tokio::time::error::Elapsed) -> io::Result<T> {
    Err(io::ErrorKind::TimedOut.into())
}

/// Sightings that may wait: with 64 KiB each, 16 MiB at the most.
const SIGHTINGS: usize = 256;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
