//! The relay of RFC 4976 on sockets: over TCP for clients, peers and other relays, over WebSocket for clients in
//! browsers (RFC 7977).

mod connection;
mod websocket;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use im_roles::flow::Protocol;
use msrp::ConnectionId;
use msrp::digest::Ha1;
use msrp::relay::{Address, Answer, Config, Effect, Event, Input, OpenId, Password, Peer, Relay, Transmit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;

use connection::{Connection, Context};

use crate::entropy;
use crate::trace::{Line, Recorder};

/// Where a relay listens, and for whom.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// For MSRP over TCP.
    pub tcp: SocketAddr,
    /// For MSRP over WebSocket.
    pub websocket: Option<SocketAddr>,
    /// The name in the URIs that it hands out; the address where it listens if there is none.
    pub host: Option<String>,
    /// Further names under which clients address it; with a leading dot, all that end so.
    pub names: Vec<String>,
    /// The realm of its challenges.
    pub realm: String,
    /// The passwords, by user name.
    pub passwords: HashMap<String, String>,
    /// Records what is sent and received.
    pub recorder: Option<Recorder>,
}

impl Settings {
    /// A relay on that address, for nobody yet.
    pub fn new(tcp: SocketAddr, realm: impl Into<String>) -> Self {
        Self {
            tcp,
            websocket: None,
            host: None,
            names: Vec::new(),
            realm: realm.into(),
            passwords: HashMap::new(),
            recorder: None,
        }
    }
}

/// Tells no passwords.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("tcp", &self.tcp)
            .field("websocket", &self.websocket)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// What a task has seen.
#[derive(Debug)]
enum Sighting {
    Accepted(TcpStream),
    /// The handshake is done.
    Shaken(Box<WebSocketStream<TcpStream>>),
    Connected(OpenId, io::Result<TcpStream>),
    Received {
        id: ConnectionId,
        data: Bytes,
        /// Given back once it has been dealt with.
        turn: OwnedSemaphorePermit,
    },
    Writable {
        id: ConnectionId,
    },
    Closed {
        id: ConnectionId,
    },
}

/// A relay that listens; it ends when this is dropped.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use examples::relay::{RelayServer, Settings};
///
/// let relay = RelayServer::start(Settings::new("127.0.0.1:0".parse()?, "example.com")).await?;
/// assert_ne!(relay.tcp().port(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RelayServer {
    tcp: SocketAddr,
    websocket: Option<SocketAddr>,
    tasks: Vec<tokio::task::AbortHandle>,
}

impl RelayServer {
    /// Listens.
    ///
    /// # Errors
    ///
    /// Fails when an address cannot be bound.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let (sender, sightings) = mpsc::channel(SIGHTINGS);
        let listener = TcpListener::bind(settings.tcp).await?;
        let tcp = listener.local_addr()?;
        let mut tasks = vec![tokio::spawn(accept(listener, sender.clone())).abort_handle()];
        let mut websocket = None;
        if let Some(address) = settings.websocket {
            let listener = TcpListener::bind(address).await?;
            websocket = Some(listener.local_addr()?);
            tasks.push(tokio::spawn(accept_websocket(listener, sender.clone())).abort_handle());
        }
        if let Some(recorder) = &settings.recorder {
            for local in [Some(tcp), websocket].into_iter().flatten() {
                recorder.local(local, "relay");
                recorder.well_known(local, Protocol::Msrp);
            }
        }
        let host = settings.host.clone().unwrap_or_else(|| tcp.ip().to_string());
        let mut config = Config::new(Address::new(false, host, tcp.port()));
        config.realm.clone_from(&settings.realm);
        config.names.clone_from(&settings.names);
        config
            .names
            .extend([tcp.ip().to_string(), "localhost".to_owned()]);
        // What protects its connections, if anything does, is in front of this process.
        config.plain_auth = true;
        // As long as most sessions last: a path that is renewed has to be offered anew. It dies with its connection anyway.
        config.default_expires = Duration::from_secs(12 * 3600);
        let running = Running {
            relay: Relay::new(config, entropy::os()),
            settings,
            sender,
            connections: BTreeMap::new(),
            pending: VecDeque::new(),
            turns: Vec::new(),
            last: 0,
        };
        tasks.push(tokio::spawn(running.run(sightings)).abort_handle());
        Ok(Self {
            tcp,
            websocket,
            tasks,
        })
    }

    /// Where it listens for MSRP over TCP.
    pub fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// Where it listens for MSRP over WebSocket.
    pub fn websocket(&self) -> Option<SocketAddr> {
        self.websocket
    }
}

impl Drop for RelayServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The relay with its connections.
struct Running {
    relay: Relay,
    settings: Settings,
    sender: mpsc::Sender<Sighting>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// What the relay is to hear before it is asked for more.
    pending: VecDeque<Input>,
    turns: Vec<OwnedSemaphorePermit>,
    last: u64,
}

impl Running {
    async fn run(mut self, mut sightings: mpsc::Receiver<Sighting>) {
        loop {
            self.settle();
            let sighting = match self.relay.poll_timeout() {
                Some(at) => tokio::time::timeout_at(at.into(), sightings.recv()).await.ok(),
                None => Some(sightings.recv().await),
            };
            match sighting {
                Some(Some(sighting)) => self.see(sighting),
                // The queue cannot end: this end holds a sender too.
                Some(None) => return,
                None => self.relay.handle_timeout(Instant::now()),
            }
        }
    }

    fn settle(&mut self) {
        loop {
            let now = Instant::now();
            while let Some(input) = self.pending.pop_front() {
                self.relay.handle_input(input, now);
            }
            while let Some(effect) = self.relay.poll_effect() {
                let answer = self.answer(effect);
                self.relay.handle_answer(answer, now);
            }
            while let Some(event) = self.relay.poll_event() {
                if let Event::CredentialsRefused { username, .. } = event {
                    eprintln!("relay: credentials refused that name {username:?}");
                }
            }
            match self.relay.poll_transmit(now) {
                Some(transmit) => self.transmit(transmit),
                None if self.pending.is_empty() => break,
                None => {}
            }
        }
        self.turns.clear();
    }

    fn answer(&self, effect: Effect) -> Answer {
        let Effect::FindPassword {
            id,
            username,
            realm,
            algorithm,
        } = effect;
        let found = self.settings.passwords.get(&username);
        let password = match found {
            Some(password) => Password::Known(Ha1::of_password(algorithm, &username, &realm, password)),
            None => Password::Unknown,
        };
        Answer::Password { id, password }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open {
                open,
                secure,
                host,
                port,
            } => {
                if secure {
                    // There is no TLS here yet.
                    return self.pending.push_back(Input::OpenFailed { open });
                }
                let sender = self.sender.clone();
                tokio::spawn(async move {
                    let stream = connection::connect(&host, port.unwrap_or(DEFAULT_PORT)).await;
                    let _ = sender.send(Sighting::Connected(open, stream)).await;
                });
            }
            Transmit::Send {
                connection,
                data,
                ends,
            } => {
                if let Some(own) = self.connections.get(&connection)
                    && own.send(data, ends)
                {
                    self.pending.push_back(Input::Blocked { connection });
                }
            }
            Transmit::Pause { connection } => self.read(connection, false),
            Transmit::Resume { connection } => self.read(connection, true),
            Transmit::Close { connection } => {
                self.connections.remove(&connection);
            }
        }
    }

    fn read(&self, connection: ConnectionId, reads: bool) {
        if let Some(own) = self.connections.get(&connection) {
            own.read(reads);
        }
    }

    fn see(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Accepted(stream) => {
                let context = self.adopt(None, &stream);
                let id = context.id;
                self.connections.insert(id, Connection::tcp(stream, context));
            }
            Sighting::Shaken(stream) => {
                let context = self.adopt(None, stream.get_ref());
                let id = context.id;
                self.connections
                    .insert(id, Connection::websocket(*stream, context));
            }
            Sighting::Connected(open, Ok(stream)) => {
                let context = self.adopt(Some(open), &stream);
                let id = context.id;
                self.connections.insert(id, Connection::tcp(stream, context));
            }
            Sighting::Connected(open, Err(_)) => self.pending.push_back(Input::OpenFailed { open }),
            Sighting::Received { id, data, turn } => {
                if self.connections.contains_key(&id) {
                    self.turns.push(turn);
                    self.pending.push_back(Input::Received { connection: id, data });
                }
            }
            Sighting::Writable { id } => self.pending.push_back(Input::Writable { connection: id }),
            Sighting::Closed { id } => {
                if self.connections.remove(&id).is_some() {
                    self.pending.push_back(Input::Closed { connection: id });
                }
            }
        }
    }

    /// Gives a connection a name, and tells the relay of it.
    fn adopt(&mut self, open: Option<OpenId>, stream: &TcpStream) -> Context {
        self.last += 1;
        let id = ConnectionId(self.last);
        self.pending.push_back(Input::Opened {
            connection: id,
            open,
            secure: false,
            peer: Peer::Unknown,
        });
        let line = match (&self.settings.recorder, stream.local_addr(), stream.peer_addr()) {
            (Some(recorder), Ok(local), Ok(remote)) => {
                Some((recorder.clone(), Line::stream(Protocol::Msrp, local, remote)))
            }
            _ => None,
        };
        Context {
            id,
            line,
            sender: self.sender.clone(),
            turns: Arc::new(Semaphore::new(1)),
        }
    }
}

async fn accept(listener: TcpListener, sender: mpsc::Sender<Sighting>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if sender.send(Sighting::Accepted(stream)).await.is_err() {
                    return;
                }
            }
            // Too many files are open, most likely: the next attempt has to wait.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn accept_websocket(listener: TcpListener, sender: mpsc::Sender<Sighting>) {
    let shaking = Arc::new(Semaphore::new(SHAKING));
    loop {
        let Ok(permit) = shaking.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    if let Some(stream) = websocket::accept(stream).await {
                        let _ = sender.send(Sighting::Shaken(Box::new(stream))).await;
                    }
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

const SIGHTINGS: usize = 1024;
/// Handshakes at a time.
const SHAKING: usize = 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The port of a relay whose URI has none (RFC 4976 section 8).
const DEFAULT_PORT: u16 = 2855;
