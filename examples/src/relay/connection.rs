//! The tasks of one connection, over TCP or over WebSocket: one that reads and one that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use msrp::ConnectionId;
use msrp::endpoint::Octets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Sighting;
use crate::trace::{Line, Recorder, Way};

/// What waits to be written, and whether the connection ends behind it.
type Waiting = mpsc::UnboundedReceiver<(Octets, bool)>;

/// This end's handle of a connection; dropping it closes the connection once everything queued is written.
#[derive(Debug)]
pub(super) struct Connection {
    queue: mpsc::UnboundedSender<(Octets, bool)>,
    shared: Arc<Shared>,
    reads: watch::Sender<bool>,
    reader: tokio::task::AbortHandle,
}

/// What both tasks of a connection need.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) id: ConnectionId,
    pub(super) line: Option<(Recorder, Line)>,
    pub(super) sender: mpsc::Sender<Sighting>,
    /// One: what was read is dealt with before more is read, so that nothing piles up between a socket and the relay.
    pub(super) turns: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Shared {
    queued: AtomicUsize,
    full: AtomicBool,
}

impl Context {
    fn record(&self, way: Way, octets: &Bytes) {
        if let Some((recorder, line)) = &self.line {
            recorder.record(line, way, octets);
        }
    }

    async fn received(&self, data: Bytes, turn: OwnedSemaphorePermit) -> bool {
        self.record(Way::Received, &data);
        let sighting = Sighting::Received {
            id: self.id,
            data,
            turn,
        };
        self.sender.send(sighting).await.is_ok()
    }

    /// Waits until what was read before is dealt with, and more is to be read.
    async fn turn(&self, reading: &mut watch::Receiver<bool>) -> Option<OwnedSemaphorePermit> {
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        reading.wait_for(|reads| *reads).await.ok()?;
        Some(turn)
    }

    async fn closed(&self) {
        let _ = self.sender.send(Sighting::Closed { id: self.id }).await;
    }
}

impl Connection {
    pub(super) fn tcp(stream: TcpStream, context: Context) -> Self {
        // Small requests must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let (incoming, outgoing) = stream.into_split();
        let (own, waiting, reading, shared) = Self::halves();
        let reader = tokio::spawn(read(incoming, reading, context.clone()));
        tokio::spawn(write(outgoing, waiting, shared, context));
        own.reader(reader.abort_handle())
    }

    pub(super) fn websocket(stream: WebSocketStream<TcpStream>, context: Context) -> Self {
        let (outgoing, incoming) = stream.split();
        let (own, waiting, reading, shared) = Self::halves();
        let reader = tokio::spawn(read_messages(incoming, reading, context.clone()));
        tokio::spawn(write_messages(outgoing, waiting, shared, context));
        own.reader(reader.abort_handle())
    }

    fn halves() -> (Halves, Waiting, watch::Receiver<bool>, Arc<Shared>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let (reads, reading) = watch::channel(true);
        let shared = Arc::new(Shared::default());
        let halves = Halves {
            queue,
            reads,
            shared: shared.clone(),
        };
        (halves, waiting, reading, shared)
    }

    /// Queues octets; says whether no more may follow until [`Sighting::Writable`].
    pub(super) fn send(&self, octets: Octets, ends: bool) -> bool {
        let length = octets.remaining();
        let waiting = self
            .shared
            .queued
            .fetch_add(length, Ordering::AcqRel)
            .saturating_add(length);
        // When the writer has ended, that the connection is closed is on its way.
        let _ = self.queue.send((octets, ends));
        waiting > QUEUE_HIGH && !self.shared.full.swap(true, Ordering::AcqRel)
    }

    /// Reads, or does not.
    pub(super) fn read(&self, reads: bool) {
        let _ = self.reads.send(reads);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Halves {
    queue: mpsc::UnboundedSender<(Octets, bool)>,
    reads: watch::Sender<bool>,
    shared: Arc<Shared>,
}

impl Halves {
    fn reader(self, reader: tokio::task::AbortHandle) -> Connection {
        Connection {
            queue: self.queue,
            shared: self.shared,
            reads: self.reads,
            reader,
        }
    }
}

async fn read(mut stream: OwnedReadHalf, mut reading: watch::Receiver<bool>, context: Context) {
    let mut buffer = BytesMut::new();
    while let Some(turn) = context.turn(&mut reading).await {
        if buffer.capacity() < READ_LEAST {
            buffer.reserve(READ_SIZE);
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                if !context.received(buffer.split().freeze(), turn).await {
                    return;
                }
            }
        }
    }
    context.closed().await;
}

async fn write(mut stream: OwnedWriteHalf, mut queue: Waiting, shared: Arc<Shared>, context: Context) {
    while let Some((mut octets, _)) = queue.recv().await {
        let length = octets.remaining();
        if context.line.is_some() {
            context.record(Way::Sent, &octets.clone().to_bytes());
        }
        let written = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all_buf(&mut octets)).await;
        if !matches!(written, Ok(Ok(()))) || !shared.written(length, &context).await {
            return context.closed().await;
        }
    }
    let _ = stream.shutdown().await;
}

/// RFC 7977 section 4.2: text is taken as the octets that it is.
async fn read_messages(
    mut stream: SplitStream<WebSocketStream<TcpStream>>,
    mut reading: watch::Receiver<bool>,
    context: Context,
) {
    while let Some(turn) = context.turn(&mut reading).await {
        let data = match stream.next().await {
            Some(Ok(Message::Binary(data))) => data,
            Some(Ok(Message::Text(text))) => text.into(),
            // Pings are answered by the stream itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
        };
        if !context.received(data, turn).await {
            return;
        }
    }
    context.closed().await;
}

//= https://www.rfc-editor.org/rfc/rfc7977#section-5.1
//# Each MSRP chunk MUST be carried within a single WebSocket message,
//# and a WebSocket message MUST NOT contain more than one MSRP chunk.
async fn write_messages(
    mut stream: SplitSink<WebSocketStream<TcpStream>, Message>,
    mut queue: Waiting,
    shared: Arc<Shared>,
    context: Context,
) {
    let mut ping = tokio::time::interval(PING);
    ping.tick().await;
    let mut gathered = BytesMut::new();
    let mut length = 0;
    loop {
        let message = tokio::select! {
            next = queue.recv() => match next {
                None => break,
                Some((octets, ends)) => {
                    length += octets.remaining();
                    for part in octets.into_parts() {
                        gathered.extend_from_slice(&part);
                    }
                    if !ends {
                        continue;
                    }
                    let data = gathered.split().freeze();
                    context.record(Way::Sent, &data);
                    Message::Binary(data)
                }
            },
            _ = ping.tick() => Message::Ping(Bytes::new()),
        };
        let written = tokio::time::timeout(WRITE_TIMEOUT, stream.send(message)).await;
        let done = std::mem::take(&mut length);
        if !matches!(written, Ok(Ok(()))) || !shared.written(done, &context).await {
            return context.closed().await;
        }
    }
    let _ = stream.close().await;
}

impl Shared {
    /// Takes octets off the count; says whether anybody still listens.
    async fn written(&self, length: usize, context: &Context) -> bool {
        let waiting = self
            .queued
            .fetch_sub(length, Ordering::AcqRel)
            .saturating_sub(length);
        if waiting > QUEUE_HIGH / 4 || !self.full.swap(false, Ordering::AcqRel) {
            return true;
        }
        context
            .sender
            .send(Sighting::Writable { id: context.id })
            .await
            .is_ok()
    }
}

/// Opens a connection to the next hop.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port)))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

const READ_SIZE: usize = 64 * 1024;
const READ_LEAST: usize = 4 * 1024;
/// Octets that may wait for one connection before the relay is told to stop.
const QUEUE_HIGH: usize = 256 * 1024;
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a WebSocket connection is kept open (RFC 7977 section 6).
const PING: Duration = Duration::from_secs(30);
