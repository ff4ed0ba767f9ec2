//! A recorder of every octet sent and received, and what it makes of them: a capture file and a sequence diagram.
//!
//! A [`Recorder`] is shared by the networks of one process. It cuts streams into messages first, so that a capture has
//! one message a segment, however the network cut it, and a diagram one message a line.

mod frame;
mod ladder;
mod pcapng;
mod split;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use im_roles::flow::Protocol;

use ladder::Ladder;
use pcapng::Capture;
use split::Splitter;

/// Where octets travel: between which addresses, as what.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Line {
    stream: bool,
    sip: bool,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Line {
    /// A TCP connection.
    pub fn stream(protocol: Protocol, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            stream: true,
            sip: protocol == Protocol::Sip,
            local,
            remote,
        }
    }

    /// Datagrams.
    pub fn datagram(protocol: Protocol, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            stream: false,
            sip: protocol == Protocol::Sip,
            local,
            remote,
        }
    }

    /// This end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The far end.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }
}

/// Which way octets go.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Way {
    /// From here to the peer.
    Sent,
    /// From the peer to here.
    Received,
}

/// Octets as they were seen in one piece.
#[derive(Clone)]
#[non_exhaustive]
pub struct Record {
    /// Where.
    pub line: Line,
    /// Which way.
    pub way: Way,
    /// What.
    pub data: Bytes,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, way, data } = self;
        f.debug_struct("Record")
            .field("line", line)
            .field("way", way)
            .field("octets", &data.len())
            .finish()
    }
}

/// Records; clones share what they record.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    names: BTreeMap<SocketAddr, String>,
    locals: BTreeSet<SocketAddr>,
    ports: BTreeMap<SocketAddr, u16>,
    splitters: BTreeMap<(Line, Way), Splitter>,
    capture: Option<Capture>,
    ladder: Option<(PathBuf, Ladder)>,
    kept: Option<Vec<Record>>,
    failure: Option<io::ErrorKind>,
}

impl Recorder {
    /// A recorder that keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a capture file from now on.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be created.
    pub fn capture_to(&self, path: &Path) -> io::Result<()> {
        self.inner().capture = Some(Capture::create(path)?);
        Ok(())
    }

    /// Draws a sequence diagram from now on; one begun earlier is written first.
    ///
    /// # Errors
    ///
    /// Fails when the earlier diagram cannot be written.
    pub fn draw_to(&self, path: &Path, title: &str) -> io::Result<()> {
        self.inner()
            .ladder
            .replace((path.to_owned(), Ladder::new(title)))
            .map_or(Ok(()), |(path, ladder)| ladder.write(&path))
    }

    /// Keeps everything in memory from now on, for [`Self::take`].
    pub fn keep(&self) {
        self.inner().kept.get_or_insert_default();
    }

    /// Takes what was kept since the last time.
    pub fn take(&self) -> Vec<Record> {
        self.inner().kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Says what the party at an address is called.
    pub fn name(&self, address: SocketAddr, name: &str) {
        if !name.is_empty() {
            self.inner().names.insert(address, name.to_owned());
        }
    }

    /// What the party at an address is called.
    pub fn name_of(&self, address: SocketAddr) -> String {
        self.inner().name(address)
    }

    /// Says that the party at an address is one of this process, and what it is called: what it sends to another one of
    /// the same process is then recorded once.
    pub fn local(&self, address: SocketAddr, name: &str) {
        self.inner().locals.insert(address);
        self.name(address, name);
    }

    /// Says that a server listens here: in a capture it is shown with the protocol's own port, 5060 or 2855, by which
    /// readers know what to expect.
    pub fn well_known(&self, address: SocketAddr, protocol: Protocol) {
        let port = match protocol {
            Protocol::Msrp => MSRP_PORT,
            _ => SIP_PORT,
        };
        self.inner().ports.insert(address, port);
    }

    /// Takes octets that were sent or have been received.
    pub fn record(&self, line: &Line, way: Way, data: &Bytes) {
        self.inner().record(*line, way, data);
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    ///
    /// Fails when a file cannot be written, or could not be at some time before.
    pub fn finish(&self) -> io::Result<()> {
        let mut inner = self.inner();
        let rest: Vec<_> = inner
            .splitters
            .iter_mut()
            .filter_map(|(key, splitter)| Some((*key, splitter.rest()?)))
            .collect();
        for ((line, way), piece) in rest {
            inner.piece(line, way, &piece, true);
        }
        if let Some(capture) = &mut inner.capture {
            capture.flush()?;
        }
        if let Some((path, ladder)) = &inner.ladder {
            ladder.write(path)?;
        }
        inner.failure.take().map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A recorder that panicked half-way has at worst a line too few.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn record(&mut self, line: Line, way: Way, data: &Bytes) {
        if let Some(kept) = &mut self.kept {
            kept.push(Record {
                line,
                way,
                data: data.clone(),
            });
        }
        if self.capture.is_none() && self.ladder.is_none() {
            return;
        }
        // Between two parties of this process each octet is seen twice.
        if way == Way::Received && self.locals.contains(&line.remote) {
            return;
        }
        if !line.stream {
            return self.piece(line, way, data, true);
        }
        let mut splitter = self
            .splitters
            .remove(&(line, way))
            .unwrap_or_else(|| Splitter::new(line.sip));
        splitter.push(data);
        while let Some((piece, end)) = splitter.next() {
            self.piece(line, way, &piece, end);
        }
        self.splitters.insert((line, way), splitter);
    }

    fn piece(&mut self, line: Line, way: Way, data: &Bytes, end: bool) {
        let (from, to) = match way {
            Way::Sent => (line.local, line.remote),
            Way::Received => (line.remote, line.local),
        };
        let at = crate::clock::unix_now();
        let (from_name, to_name) = (self.name(from), self.name(to));
        if let Some(capture) = &mut self.capture {
            let shown = |address: SocketAddr| {
                let port = self
                    .ports
                    .get(&address)
                    .copied()
                    .unwrap_or_else(|| address.port());
                SocketAddr::new(address.ip().to_canonical(), port)
            };
            let written = if line.stream {
                capture.segment(
                    at,
                    shown(from),
                    shown(to),
                    data,
                    &format!("{from_name} -> {to_name}"),
                )
            } else {
                capture.datagram(
                    at,
                    shown(from),
                    shown(to),
                    data,
                    &format!("{from_name} -> {to_name}"),
                )
            };
            if let Err(error) = written {
                self.failure = Some(error.kind());
                self.capture = None;
            }
        }
        if let Some((_, ladder)) = &mut self.ladder {
            ladder.piece(at, (&from_name, from), (&to_name, to), line.sip, data, end);
        }
    }

    fn name(&self, address: SocketAddr) -> String {
        self.names
            .get(&address)
            .cloned()
            .unwrap_or_else(|| address.to_string())
    }
}

/// When something happened, as captures and diagrams take it: since 1970-01-01T00:00:00Z.
type Moment = Duration;

const SIP_PORT: u16 = 5060;
const MSRP_PORT: u16 = 2855;
