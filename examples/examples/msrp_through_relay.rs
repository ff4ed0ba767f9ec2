//! Two clients that have one relay, or one each, and talk through it: how a host drives `msrp::endpoint` alone.
//!
//! `msrp_through_relay RELAY-URI[,RELAY-URI] [RELAY-URI[,RELAY-URI]] USER PASSWORD SIZE...` sends a message of each
//! size in both directions, and succeeds if each arrives as it was sent and is reported.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command-line program")]

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use examples::entropy;
use msrp::endpoint::{
    Config, Delivery, Endpoint, Event, Input, OpenId, OutgoingBody, OutgoingMessage, RelayKey, Role,
    SessionConfig, SessionKey, Transmit,
};
use msrp::header::content::ContentType;
use msrp::relay::Access;
use msrp::{ConnectionId, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let run = || -> Outcome<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async { tokio::time::timeout(LIMIT, talk()).await? })
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn talk() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let uris = arguments
        .iter()
        .take_while(|text| text.starts_with("msrp"))
        .count();
    let relays: Vec<String> = arguments.drain(..uris).collect();
    let (Some(first), [user, password, sizes @ ..]) = (relays.first(), arguments.as_slice()) else {
        return Err("usage: msrp_through_relay RELAY [RELAY] USER PASSWORD SIZE...".into());
    };
    let second = relays.last().unwrap_or(first);
    let mut alice = Client::enlist(first, user, password).await?;
    let mut bob = Client::enlist(second, user, password).await?;
    let (to_bob, to_alice) = (bob.described(), alice.described());
    bob.open(to_alice, Role::Passive)?;
    alice.open(to_bob, Role::Active)?;
    for size in sizes {
        let size: usize = size.parse()?;
        for (name, from_alice) in [("there", true), ("back", false)] {
            let started = Instant::now();
            let (from, to) = if from_alice {
                (&mut alice, &mut bob)
            } else {
                (&mut bob, &mut alice)
            };
            let body: Bytes = (0..size).map(|at| octet(at, from_alice)).collect();
            from.say(body.clone())?;
            let (mut arrived, mut sent, mut reported) = (false, false, false);
            while !(arrived && sent && reported) {
                let event = tokio::select! {
                    event = from.event() => (true, event?),
                    event = to.event() => (false, event?),
                };
                match event {
                    (false, Event::MessageReceived { body: received, .. }) => {
                        if received != body {
                            return Err(format!(
                                "{size} {name}: {} octets of something else",
                                received.len()
                            )
                            .into());
                        }
                        arrived = true;
                    }
                    (true, Event::MessageSent { .. }) => sent = true,
                    (true, Event::ReportReceived { status, .. }) if status.code.is_success() => {
                        reported = true;
                    }
                    (_, Event::SessionBound { .. }) => {}
                    (ours, other) => return Err(format!("{size} {name}: {ours} {other:?}").into()),
                }
            }
            println!("{size} octets {name}: {:.3} s", started.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// Octets among which end-lines might be.
fn octet(at: usize, from_alice: bool) -> u8 {
    let text: &[u8] = if from_alice {
        b"\r\n-------abcd$\r\nMSRP "
    } else {
        b"-------\xff\x00\r\n"
    };
    let odd = u8::try_from(at / 1000 % 251).unwrap_or(0);
    text.get(at % (text.len() + 1)).copied().unwrap_or(odd)
}

/// One endpoint on its sockets.
struct Client {
    endpoint: Endpoint,
    local: Uri,
    relay: RelayKey,
    session: Option<SessionKey>,
    sockets: BTreeMap<ConnectionId, mpsc::UnboundedSender<Bytes>>,
    seen: mpsc::Receiver<Seen>,
    sees: mpsc::Sender<Seen>,
    last: u64,
}

enum Seen {
    Connected(OpenId, std::io::Result<TcpStream>),
    Received(ConnectionId, Bytes),
    Closed(ConnectionId),
}

impl Client {
    async fn enlist(relays: &str, user: &str, password: &str) -> Outcome<Self> {
        let relays = relays.split(',').map(Uri::parse).collect::<Result<Vec<_>, _>>()?;
        let mut endpoint = Endpoint::new(Config::default(), entropy::os());
        let local = endpoint.mint_uri(false, "127.0.0.1", 9);
        let relay = endpoint.enlist(Access::new(relays, user, password), local.clone(), Instant::now())?;
        let (sees, sights) = mpsc::channel(64);
        let mut client = Self {
            endpoint,
            local,
            relay,
            session: None,
            sockets: BTreeMap::new(),
            seen: sights,
            sees,
            last: 0,
        };
        match client.event().await? {
            Event::RelayReady { .. } => Ok(client),
            other => Err(format!("no path: {other:?}").into()),
        }
    }

    /// This end's path as SDP has it.
    fn described(&self) -> Vec<Uri> {
        let path = self.endpoint.relay_path(self.relay).iter().rev();
        path.chain([&self.local]).cloned().collect()
    }

    fn open(&mut self, remote: Vec<Uri>, role: Role) -> Outcome<()> {
        let mut config = SessionConfig::new(self.local.clone(), remote, role);
        config.relay = Some(self.relay);
        config.delivery = Delivery::Whole { max: 64 << 20 };
        self.session = Some(self.endpoint.open_session(config, Instant::now())?);
        Ok(())
    }

    fn say(&mut self, body: Bytes) -> Outcome<()> {
        let mut message = OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(body));
        message.success_report = true;
        let session = self.session.ok_or("no session")?;
        self.endpoint.send(session, message, Instant::now())?;
        Ok(())
    }

    /// The next event. Cancel-safe.
    async fn event(&mut self) -> Outcome<Event> {
        loop {
            let now = Instant::now();
            while let Some(transmit) = self.endpoint.poll_transmit(now) {
                self.transmit(transmit);
            }
            if let Some(event) = self.endpoint.poll_event() {
                return Ok(event);
            }
            let seen = match self.endpoint.poll_timeout() {
                Some(at) => tokio::time::timeout_at(at.into(), self.seen.recv()).await.ok(),
                None => Some(self.seen.recv().await),
            };
            match seen {
                Some(Some(seen)) => self.see(seen),
                Some(None) => return Err("no sockets".into()),
                None => self.endpoint.handle_timeout(Instant::now()),
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open { open, host, port, .. } => {
                let sees = self.sees.clone();
                tokio::spawn(async move {
                    let stream = TcpStream::connect((host, port)).await;
                    let _ = sees.send(Seen::Connected(open, stream)).await;
                });
            }
            Transmit::Send { connection, mut data } => {
                if let Some(socket) = self.sockets.get(&connection) {
                    let length = data.remaining();
                    let _ = socket.send(data.copy_to_bytes(length));
                }
            }
            Transmit::Close { connection } => {
                self.sockets.remove(&connection);
            }
        }
    }

    fn see(&mut self, seen: Seen) {
        let input = match seen {
            Seen::Connected(open, Ok(stream)) => {
                self.last += 1;
                let connection = ConnectionId(self.last);
                let (queue, waiting) = mpsc::unbounded_channel();
                self.sockets.insert(connection, queue);
                tokio::spawn(carry(stream, connection, waiting, self.sees.clone()));
                Input::Opened {
                    connection,
                    open: Some(open),
                    secure: false,
                }
            }
            Seen::Connected(open, Err(_)) => Input::OpenFailed { open },
            Seen::Received(connection, data) => Input::Received { connection, data },
            Seen::Closed(connection) => Input::Closed { connection },
        };
        self.endpoint.handle_input(input, Instant::now());
    }
}

async fn carry(
    stream: TcpStream,
    connection: ConnectionId,
    mut waiting: mpsc::UnboundedReceiver<Bytes>,
    sees: mpsc::Sender<Seen>,
) {
    let _ = stream.set_nodelay(true);
    let (mut incoming, mut outgoing) = stream.into_split();
    tokio::spawn(async move {
        while let Some(data) = waiting.recv().await {
            if outgoing.write_all(&data).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(16 * 1024);
        match incoming.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let data = buffer.split().freeze();
                if sees.send(Seen::Received(connection, data)).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = sees.send(Seen::Closed(connection)).await;
}

const LIMIT: Duration = Duration::from_secs(60);
