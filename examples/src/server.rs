//! A server: the node on its sockets, with its store.

use std::fs::File;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use im_roles::config::NextHop;
use im_roles::driver::{Driver, Stores};
use im_roles::flow::{Protocol, Transport};
use im_roles::node::Node;
use serde::Serialize;

use crate::config::Plan;
use crate::net::{Network, Settings};
use crate::relay::RelayServer;
use crate::store::{OpenError, Store};
use crate::trace::Recorder;
use crate::{clock, entropy, events, xcap_http};

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    driver: Driver<Node, Network, Store, Store>,
    http: Option<xcap_http::Server>,
    relay: Option<RelayServer>,
    ready: Ready,
    recorder: Option<Recorder>,
    events: Option<File>,
}

/// Where a server listens.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Ready {
    /// SIP over UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_udp: Option<SocketAddr>,
    /// SIP over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_tcp: Option<SocketAddr>,
    /// MSRP over TCP.
    pub msrp_tcp: SocketAddr,
    /// The relay over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msrp_relay: Option<SocketAddr>,
    /// The relay over WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msrp_ws: Option<SocketAddr>,
    /// XCAP over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xcap_http: Option<SocketAddr>,
}

impl Ready {
    /// The line that says so: one JSON object.
    pub fn line(&self) -> String {
        serde_json::json!({ "ready": self }).to_string()
    }
}

/// Why a server does not start, or does not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A key's value cannot be used on this machine: an address is taken, a file cannot be made.
    #[error("{key}: {source}")]
    Io {
        /// The key.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("store.path: {0}")]
    Store(#[from] OpenError),
}

impl Server {
    /// Opens the store and listens.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be opened, an address is taken or a file cannot be made.
    pub async fn start(mut plan: Plan) -> Result<Self, ServerError> {
        let store = Arc::new(Store::open(&plan.store)?);
        let events = plan
            .sinks
            .events
            .as_deref()
            .map(append)
            .transpose()
            .map_err(io("events.file"))?;
        let recorder = recorder(&plan)?;
        let mut settings = Settings::default();
        "server".clone_into(&mut settings.name);
        settings.recorder.clone_from(&recorder);
        settings.trusted = plan.trusted.clone();
        let mut network = Network::new(settings);
        let (sip, msrp) = (Protocol::Sip, Protocol::Msrp);
        let sip_udp = listen(&mut network, sip, Transport::Udp, plan.sip_udp)
            .await
            .map_err(io("listen.sip_udp"))?;
        let sip_tcp = listen(&mut network, sip, Transport::Tcp, plan.sip_tcp)
            .await
            .map_err(io("listen.sip_tcp"))?;
        let msrp_tcp = network
            .listen(msrp, Transport::Tcp, plan.msrp_tcp)
            .await
            .map_err(io("listen.msrp_tcp"))?;
        let http = match plan.xcap_http {
            Some(address) => {
                let settings = xcap_http::Settings {
                    proxies: plan.xcap_proxies.clone(),
                    ..xcap_http::Settings::default()
                };
                let started = xcap_http::Server::start(address, settings, &network).await;
                Some(started.map_err(io("listen.xcap_http"))?)
            }
            None => None,
        };
        let relay = match plan.relay.take() {
            Some(mut settings) => {
                settings.recorder.clone_from(&recorder);
                let started = RelayServer::start(settings).await;
                Some(started.map_err(io("listen.msrp_relay or listen.msrp_ws"))?)
            }
            None => None,
        };
        plan.roles.msrp_host = msrp_tcp.ip().to_string();
        plan.roles.msrp_port = msrp_tcp.port();
        for (transport, address) in [(Transport::Udp, sip_udp), (Transport::Tcp, sip_tcp)] {
            plan.roles
                .addresses
                .extend(address.map(|at| NextHop::new(transport, at.ip().to_string(), at.port())));
        }
        let xcap_http = http.as_ref().map(xcap_http::Server::address);
        let node = Node::new(plan.roles, clock::wall_clock(), entropy::os());
        let driver = Driver::new(node, network, Stores::new(store.clone(), store));
        Ok(Self {
            driver,
            http,
            ready: Ready {
                msrp_relay: relay.as_ref().map(RelayServer::tcp),
                msrp_ws: relay.as_ref().and_then(RelayServer::websocket),
                sip_udp,
                sip_tcp,
                msrp_tcp,
                xcap_http,
            },
            relay,
            recorder,
            events,
        })
    }

    /// Where it listens.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Works until `stop` is ready, and then ends politely.
    ///
    /// # Errors
    ///
    /// Fails when what is written beside the store could not be written.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let mut stop = std::pin::pin!(stop);
        let mut clock_check = tokio::time::interval(CLOCK_CHECK);
        loop {
            tokio::select! {
                event = self.driver.next_event() => match event {
                    Some(event) => self.report(&event),
                    None => break,
                },
                _ = clock_check.tick() => {
                    self.driver.machine().set_wall_clock(Instant::now(), clock::unix_now());
                }
                () = &mut stop => break,
            }
        }
        self.end().await
    }

    async fn end(&mut self) -> Result<(), ServerError> {
        self.http = None;
        self.relay = None;
        self.driver.host().stop_listening();
        self.driver.machine().shut_down(Instant::now());
        let limit = tokio::time::Instant::now() + END_LIMIT;
        let (mut seen, mut since) = (self.driver.machine().load(), tokio::time::Instant::now());
        while tokio::time::Instant::now() < limit && !self.is_finished(since.elapsed()) {
            match tokio::time::timeout(END_STEP, self.driver.next_event()).await {
                Ok(Some(event)) => self.report(&event),
                Ok(None) => break,
                Err(_) => {}
            }
            let load = self.driver.machine().load();
            if load != seen {
                (seen, since) = (load, tokio::time::Instant::now());
            }
        }
        if seen.media_sessions > 0 {
            eprintln!("{} sessions did not end in time", seen.media_sessions);
        }
        let network = self.driver.host();
        while network.queued() > 0 && tokio::time::Instant::now() < limit {
            let soon = Instant::now() + END_STEP;
            // The machine has finished: what still comes in is for nobody.
            drop(network.next(Some(soon)).await);
        }
        if let Some(recorder) = &self.recorder {
            recorder.finish().map_err(io("trace"))?;
        }
        Ok(())
    }

    /// Whether every session has ended and everything is answered that can be, after nothing has changed for a while.
    ///
    /// Transactions may be left that only wait for a message to come again, which with INVITE takes half a minute:
    /// with nobody connected, or with nothing going on, they are not waited for.
    fn is_finished(&mut self, quiet: Duration) -> bool {
        let load = self.driver.machine().load();
        let idle = load.requests == 0 && load.client_transactions == 0;
        load.media_sessions == 0
            && load.openings == 0
            && self.driver.host().unanswered() == 0
            && (idle || load.flows == 0 || quiet >= END_QUIET)
    }

    fn report(&mut self, event: &im_roles::node::Event) {
        let Some(file) = &mut self.events else { return };
        let line = format!("{}\n", events::json(event, clock::unix_now()));
        if let Err(error) = file.write_all(line.as_bytes()) {
            eprintln!("events.file: {error}");
            self.events = None;
        }
    }
}

async fn listen(
    network: &mut Network,
    protocol: Protocol,
    transport: Transport,
    address: Option<SocketAddr>,
) -> io::Result<Option<SocketAddr>> {
    match address {
        Some(address) => network.listen(protocol, transport, address).await.map(Some),
        None => Ok(None),
    }
}

fn recorder(plan: &Plan) -> Result<Option<Recorder>, ServerError> {
    let sinks = &plan.sinks;
    if sinks.pcapng.is_none() && sinks.ladder.is_none() {
        return Ok(None);
    }
    let recorder = Recorder::new();
    if let Some(path) = &sinks.pcapng {
        recorder.capture_to(path).map_err(io("trace.pcapng"))?;
    }
    if let Some(path) = &sinks.ladder {
        // Found out now rather than at the end.
        File::create(path).map_err(io("trace.ladder"))?;
        recorder
            .draw_to(path, &plan.roles.domain)
            .map_err(io("trace.ladder"))?;
    }
    Ok(Some(recorder))
}

fn append(path: &std::path::Path) -> io::Result<File> {
    std::fs::OpenOptions::new().create(true).append(true).open(path)
}

fn io(key: &'static str) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::Io { key, source }
}

/// How long ending politely may take.
const END_LIMIT: Duration = Duration::from_secs(8);
/// How long nothing must have changed before what is left is taken for waiting only.
const END_QUIET: Duration = Duration::from_secs(1);
const END_STEP: Duration = Duration::from_millis(10);
/// How often the calendar clock is read again, in case that it was set.
const CLOCK_CHECK: Duration = Duration::from_secs(60);
