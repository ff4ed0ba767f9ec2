//! The client's connections: one for SIP to the server, those of MSRP as sessions ask for them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use msrp::ConnectionId;

use crate::config::NextHop;
use crate::flow::{FlowId, Input, OpenId, Protocol, Transmit, Transport};

/// The connection to the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Link {
    Down,
    Opening(OpenId),
    Up {
        flow: FlowId,
        local: SocketAddr,
        transport: Transport,
    },
}

/// What a flow that was asked for is for.
#[derive(Clone, Copy, Debug)]
enum Opening {
    Link,
    Sip(sip_im::endpoint::OpenId),
    Msrp(msrp::endpoint::OpenId),
}

/// News of the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LinkChange {
    Up,
    Down,
}

/// Both protocols' endpoints behind the host's flows.
pub(super) struct Wire {
    pub(super) sip: sip_im::endpoint::Endpoint,
    pub(super) msrp: msrp::endpoint::Endpoint,
    server: NextHop,
    link: Link,
    flows: BTreeMap<FlowId, Protocol>,
    opening: BTreeMap<OpenId, Opening>,
    last_open: u64,
    out: VecDeque<Transmit>,
    /// Whether the SIP endpoint has closed the link by itself.
    link_given_up: bool,
}

impl Wire {
    pub(super) fn new(
        sip: sip_im::endpoint::Endpoint,
        msrp: msrp::endpoint::Endpoint,
        server: NextHop,
    ) -> Self {
        Self {
            sip,
            msrp,
            server,
            link: Link::Down,
            flows: BTreeMap::new(),
            opening: BTreeMap::new(),
            last_open: 0,
            out: VecDeque::new(),
            link_given_up: false,
        }
    }

    pub(super) fn link(&self) -> Link {
        self.link
    }

    /// Asks for the link, unless it is there or asked for.
    pub(super) fn open_link(&mut self) {
        if self.link != Link::Down {
            return;
        }
        let open = self.mint(Opening::Link);
        self.link = Link::Opening(open);
        self.out.push_back(Transmit::Open {
            open,
            protocol: Protocol::Sip,
            transport: self.server.transport,
            host: self.server.host.clone(),
            port: self.server.port,
            domain: None,
        });
    }

    /// Closes the link, behind what is to be sent over it.
    pub(super) fn close_link(&mut self, now: Instant) {
        if let Link::Up { flow, .. } = self.link {
            self.sip.close(flow, now);
            self.link = Link::Down;
        }
    }

    /// Closes the link and every connection of MSRP, as if the network had.
    pub(super) fn drop_all(&mut self, now: Instant) -> Option<LinkChange> {
        let flows: Vec<FlowId> = self.flows.keys().copied().collect();
        let mut change = None;
        for flow in flows {
            self.out.push_back(Transmit::Close { flow });
            change = self.closed(flow, now).or(change);
        }
        change
    }

    /// An empty keep-alive on a stream.
    pub(super) fn ping(&mut self) {
        //= https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
        //# For this mechanism, the client "ping" is a double-CRLF sequence, and
        //# the server "pong" is a single CRLF, as defined in the ABNF below:
        if let Link::Up { flow, transport, .. } = self.link
            && matches!(transport, Transport::Tcp | Transport::Tls)
        {
            self.out.push_back(Transmit::Send {
                flow,
                data: Bytes::from_static(b"\r\n\r\n").into(),
            });
        }
    }

    /// Gives an input to the endpoint it is for.
    pub(super) fn handle_input(&mut self, input: Input, now: Instant) -> Option<LinkChange> {
        match input {
            Input::Opened {
                flow,
                protocol,
                transport,
                local,
                remote,
                open,
                trusted,
            } => {
                let opening = open.and_then(|open| self.opening.remove(&open));
                self.flows.insert(flow, protocol);
                match protocol {
                    Protocol::Sip => self.opened_sip(flow, transport, (local, remote), opening, trusted, now),
                    Protocol::Msrp => {
                        let open = if let Some(Opening::Msrp(open)) = opening {
                            Some(open)
                        } else {
                            None
                        };
                        let secure = matches!(transport, Transport::Tls | Transport::Wss);
                        let connection = ConnectionId(flow.0);
                        self.msrp.handle_input(
                            msrp::endpoint::Input::Opened {
                                connection,
                                open,
                                secure,
                            },
                            now,
                        );
                        None
                    }
                }
            }
            Input::OpenFailed { open } => match self.opening.remove(&open)? {
                Opening::Link => {
                    self.link = Link::Down;
                    Some(LinkChange::Down)
                }
                Opening::Sip(open) => {
                    self.sip
                        .handle_input(sip_im::endpoint::Input::OpenFailed { open }, now);
                    None
                }
                Opening::Msrp(open) => {
                    self.msrp
                        .handle_input(msrp::endpoint::Input::OpenFailed { open }, now);
                    None
                }
            },
            Input::Received { flow, data } => {
                match self.flows.get(&flow) {
                    Some(Protocol::Sip) => {
                        self.sip
                            .handle_input(sip_im::endpoint::Input::Received { flow, data }, now);
                    }
                    Some(Protocol::Msrp) => {
                        let connection = ConnectionId(flow.0);
                        self.msrp
                            .handle_input(msrp::endpoint::Input::Received { connection, data }, now);
                    }
                    None => {}
                }
                None
            }
            Input::Blocked { flow } => {
                match self.flows.get(&flow) {
                    Some(Protocol::Sip) => self
                        .sip
                        .handle_input(sip_im::endpoint::Input::Blocked { flow }, now),
                    Some(Protocol::Msrp) => {
                        let connection = ConnectionId(flow.0);
                        self.msrp
                            .handle_input(msrp::endpoint::Input::Blocked { connection }, now);
                    }
                    None => {}
                }
                None
            }
            Input::Writable { flow } => {
                match self.flows.get(&flow) {
                    Some(Protocol::Sip) => self
                        .sip
                        .handle_input(sip_im::endpoint::Input::Writable { flow }, now),
                    Some(Protocol::Msrp) => {
                        let connection = ConnectionId(flow.0);
                        self.msrp
                            .handle_input(msrp::endpoint::Input::Writable { connection }, now);
                    }
                    None => {}
                }
                None
            }
            Input::Closed { flow } => self.closed(flow, now),
            // A client serves no documents.
            Input::Xcap { .. } => None,
        }
    }

    fn opened_sip(
        &mut self,
        flow: FlowId,
        transport: Transport,
        (local, remote): (SocketAddr, SocketAddr),
        opening: Option<Opening>,
        trusted: bool,
        now: Instant,
    ) -> Option<LinkChange> {
        let open = if let Some(Opening::Sip(open)) = opening {
            Some(open)
        } else {
            None
        };
        self.sip.handle_input(
            sip_im::endpoint::Input::Opened {
                flow,
                transport,
                local,
                remote,
                open,
                trusted,
            },
            now,
        );
        if let Some(Opening::Link) = opening {
            self.link = Link::Up {
                flow,
                local,
                transport,
            };
            return Some(LinkChange::Up);
        }
        None
    }

    fn closed(&mut self, flow: FlowId, now: Instant) -> Option<LinkChange> {
        match self.flows.remove(&flow)? {
            Protocol::Sip => self
                .sip
                .handle_input(sip_im::endpoint::Input::Closed { flow }, now),
            Protocol::Msrp => {
                let connection = ConnectionId(flow.0);
                self.msrp
                    .handle_input(msrp::endpoint::Input::Closed { connection }, now);
            }
        }
        match self.link {
            Link::Up { flow: link, .. } if link == flow => {
                self.link = Link::Down;
                Some(LinkChange::Down)
            }
            _ => None,
        }
    }

    /// Takes the next thing for the network; what the endpoints have is made now, not before.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(transmit) = self.out.pop_front() {
            return Some(transmit);
        }
        if let Some(transmit) = self.sip.poll_transmit(now) {
            return Some(match transmit {
                sip_im::endpoint::Transmit::Open {
                    open,
                    transport,
                    host,
                    port,
                    domain,
                } => {
                    let open = self.mint(Opening::Sip(open));
                    Transmit::Open {
                        open,
                        protocol: Protocol::Sip,
                        transport,
                        host,
                        port,
                        domain,
                    }
                }
                sip_im::endpoint::Transmit::Send { flow, data } => Transmit::Send {
                    flow,
                    data: data.into(),
                },
                sip_im::endpoint::Transmit::Close { flow } => {
                    self.flows.remove(&flow);
                    if matches!(self.link, Link::Up { flow: link, .. } if link == flow) {
                        // What came over it was not SIP.
                        self.link = Link::Down;
                        self.link_given_up = true;
                    }
                    Transmit::Close { flow }
                }
            });
        }
        let transmit = self.msrp.poll_transmit(now)?;
        Some(match transmit {
            msrp::endpoint::Transmit::Open {
                open,
                secure,
                host,
                port,
                ..
            } => {
                let transport = if secure { Transport::Tls } else { Transport::Tcp };
                let open = self.mint(Opening::Msrp(open));
                Transmit::Open {
                    open,
                    protocol: Protocol::Msrp,
                    transport,
                    host,
                    port,
                    domain: None,
                }
            }
            msrp::endpoint::Transmit::Send { connection, data } => Transmit::Send {
                flow: FlowId(connection.0),
                data,
            },
            msrp::endpoint::Transmit::Close { connection } => {
                let flow = FlowId(connection.0);
                self.flows.remove(&flow);
                Transmit::Close { flow }
            }
        })
    }

    /// What has happened to the link on the way out.
    pub(super) fn poll_link(&mut self) -> Option<LinkChange> {
        std::mem::take(&mut self.link_given_up).then_some(LinkChange::Down)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.sip.poll_timeout(), self.msrp.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.out.is_empty() && self.sip.is_drained() && self.msrp.is_drained()
    }

    fn mint(&mut self, opening: Opening) -> OpenId {
        self.last_open = self.last_open.wrapping_add(1);
        let open = OpenId(self.last_open);
        self.opening.insert(open, opening);
        open
    }
}
