//! One TCP connection: a task that reads and one that writes.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Buf, BytesMut};
use im_roles::flow::{FlowId, Octets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};

use super::{Settings, Sighting};
use crate::trace::{Line, Recorder, Way};

/// What became of octets given for a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Queued {
    /// More may follow.
    Room,
    /// No more, until [`Sighting::Writable`].
    Full,
    /// More than is ever held: the connection is to be given up.
    Overrun,
}

/// What both tasks of a connection need.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) flow: FlowId,
    pub(super) line: Option<(Recorder, Line)>,
    pub(super) settings: Arc<Settings>,
    pub(super) sender: mpsc::Sender<Sighting>,
}

/// This end's handle of a connection; dropping it closes the connection once everything queued is written.
#[derive(Debug)]
pub(super) struct Connection {
    queue: mpsc::UnboundedSender<Octets>,
    shared: Arc<Shared>,
    writer: tokio::task::AbortHandle,
}

#[derive(Debug)]
struct Shared {
    queued: AtomicU64,
    full: AtomicBool,
    finished: Notify,
    /// All connections' octets together.
    unsent: Arc<AtomicU64>,
}

impl Shared {
    /// Takes octets off the counts, and tells how many still wait.
    fn done(&self, length: u64) -> u64 {
        self.unsent.fetch_sub(length, Ordering::AcqRel);
        self.queued
            .fetch_sub(length, Ordering::AcqRel)
            .saturating_sub(length)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Both tasks and the handle are gone: what was not written never will be.
        self.unsent.fetch_sub(*self.queued.get_mut(), Ordering::AcqRel);
    }
}

impl Connection {
    pub(super) fn start(stream: TcpStream, context: Context, unsent: Arc<AtomicU64>) -> Self {
        // Small requests must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let shared = Arc::new(Shared {
            queued: AtomicU64::new(0),
            full: AtomicBool::new(false),
            finished: Notify::new(),
            unsent,
        });
        let (queue, waiting) = mpsc::unbounded_channel();
        let (incoming, outgoing) = stream.into_split();
        tokio::spawn(read(incoming, shared.clone(), context.clone()));
        let writer = tokio::spawn(write(outgoing, waiting, shared.clone(), context)).abort_handle();
        Self {
            queue,
            shared,
            writer,
        }
    }

    pub(super) fn send(&mut self, data: Octets, settings: &Settings) -> Queued {
        let length = octets(data.remaining());
        let before = self.shared.queued.fetch_add(length, Ordering::AcqRel);
        self.shared.unsent.fetch_add(length, Ordering::AcqRel);
        if self.queue.send(data).is_err() {
            // The writer has ended; that the connection is closed is on its way.
            self.shared.done(length);
            return Queued::Room;
        }
        let waiting = before.saturating_add(length);
        if waiting > settings.queue_limit {
            return Queued::Overrun;
        }
        if waiting > settings.queue_high && !self.shared.full.swap(true, Ordering::AcqRel) {
            return Queued::Full;
        }
        Queued::Room
    }

    /// Closes it at once.
    pub(super) fn abort(self) {
        self.writer.abort();
        self.shared.finished.notify_one();
    }
}

async fn read(mut stream: OwnedReadHalf, shared: Arc<Shared>, context: Context) {
    let Context {
        flow,
        line,
        settings,
        sender,
    } = context;
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < READ_LEAST {
            buffer.reserve(READ_SIZE);
        }
        let got = tokio::select! {
            got = stream.read_buf(&mut buffer) => got,
            // What the peer still sends is taken and dropped for a while: closing with unread octets would reset
            // the connection, and the peer could lose our last ones.
            () = shared.finished.notified() => {
                drain(&mut stream, &settings).await;
                break;
            }
        };
        match got {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let data = buffer.split().freeze();
                if let Some((recorder, line)) = &line {
                    recorder.record(line, Way::Received, &data);
                }
                if sender.send(Sighting::Received { flow, data }).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = sender.send(Sighting::Closed { flow }).await;
}

async fn drain(stream: &mut OwnedReadHalf, settings: &Settings) {
    let mut waste = vec![0; READ_LEAST];
    let all = async { while matches!(stream.read(&mut waste).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(settings.linger, all).await;
}

async fn write(
    mut stream: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Octets>,
    shared: Arc<Shared>,
    context: Context,
) {
    let Context {
        flow,
        line,
        settings,
        sender,
    } = context;
    let low = settings.queue_high / 4;
    while let Some(first) = queue.recv().await {
        let mut batch = Batch::default();
        batch.push(first);
        while batch.parts.len() < BATCH_PARTS && batch.octets < BATCH_OCTETS {
            match queue.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        let length = octets(batch.octets);
        // Only a trace needs the octets in one piece.
        let written = if let Some((recorder, line)) = &line {
            let whole = batch.copy_to_bytes(batch.remaining());
            let written =
                tokio::time::timeout(settings.write_timeout, stream.write_all_buf(&mut whole.clone())).await;
            if matches!(written, Ok(Ok(()))) {
                recorder.record(line, Way::Sent, &whole);
            }
            written
        } else {
            tokio::time::timeout(settings.write_timeout, stream.write_all_buf(&mut batch)).await
        };
        let waiting = shared.done(length);
        if !matches!(written, Ok(Ok(()))) {
            let _ = sender.send(Sighting::Closed { flow }).await;
            break;
        }
        if waiting <= low
            && shared.full.swap(false, Ordering::AcqRel)
            && sender.send(Sighting::Writable { flow }).await.is_err()
        {
            break;
        }
    }
    let _ = stream.shutdown().await;
    shared.finished.notify_one();
}

/// Several messages as one buffer, for one vectored write.
#[derive(Debug, Default)]
struct Batch {
    parts: VecDeque<Octets>,
    octets: usize,
}

impl Batch {
    fn push(&mut self, part: Octets) {
        self.octets = self.octets.saturating_add(part.remaining());
        self.parts.push_back(part);
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.parts
            .iter()
            .map(Buf::remaining)
            .fold(0, usize::saturating_add)
    }

    fn chunk(&self) -> &[u8] {
        self.parts
            .iter()
            .map(Buf::chunk)
            .find(|chunk| !chunk.is_empty())
            .unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled: usize = 0;
        for part in &self.parts {
            let Some(free) = slices.get_mut(filled..) else {
                break;
            };
            if free.is_empty() {
                break;
            }
            filled = filled.saturating_add(part.chunks_vectored(free));
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.parts.front_mut() {
            let step = count.min(part.remaining());
            part.advance(step);
            count = count.saturating_sub(step);
            if part.has_remaining() {
                break;
            }
            self.parts.pop_front();
        }
    }
}

fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const READ_SIZE: usize = 64 * 1024;
const READ_LEAST: usize = 4 * 1024;
const BATCH_PARTS: usize = 32;
const BATCH_OCTETS: usize = 256 * 1024;
