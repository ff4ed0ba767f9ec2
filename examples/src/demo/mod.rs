//! im-demo: a server process and users at clients, on loopback ports of their own, and what they go through.
//!
//! Every flow checks what it claims: what each user is told, and, where it matters what somebody does *not* learn, every
//! octet that reached him.

mod flows;
mod party;
mod process;
mod raw;
mod xcap;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use im_roles::client;
use im_roles::config::NextHop;
use im_roles::flow::{Protocol, Transport};
use sip_im::Uri;

pub use flows::Flow;
pub use party::Party;
pub use process::{Process, Program};
pub use raw::RawClient;
pub use xcap::{Answer, XcapClient};

use crate::trace::{Record, Recorder, Way};

/// Why a flow failed, for a person to read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
#[expect(clippy::exhaustive_structs, reason = "it is a text")]
pub struct Failed(pub String);

impl Failed {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What came of a flow.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Which.
    pub flow: Flow,
    /// Whether all it claims is true.
    pub result: Result<(), Failed>,
    /// How long it took.
    pub took: Duration,
    /// Its sequence diagram.
    pub ladder: PathBuf,
}

/// Runs flows one after the other, and tells of each as it ends.
///
/// # Errors
///
/// Fails when the server or the folder for what is written cannot be had; a flow that fails is no error here.
pub async fn run(
    program: Program,
    out: &Path,
    flows: &[Flow],
    mut report: impl FnMut(&Outcome),
) -> Result<Vec<Outcome>, Failed> {
    let mut world = World::start(program, out).await?;
    let mut outcomes = Vec::new();
    for (index, flow) in flows.iter().enumerate() {
        let ladder = out.join(format!("{:02}-{}.html", index.saturating_add(1), flow.name()));
        world.recorder.draw_to(&ladder, flow.title())?;
        world.begin();
        let begun = Instant::now();
        let result = flows::run(*flow, &mut world).await;
        let outcome = Outcome {
            flow: *flow,
            result,
            took: begun.elapsed(),
            ladder,
        };
        report(&outcome);
        outcomes.push(outcome);
    }
    world.end().await?;
    Ok(outcomes)
}

/// The server, the users, and what went between them.
#[derive(Debug)]
struct World {
    program: Program,
    directory: PathBuf,
    recorder: Recorder,
    records: Vec<Record>,
    server: Option<Process>,
    /// Where the server listens, once known: it comes back at the same addresses.
    sip: SocketAddr,
    msrp: SocketAddr,
    xcap: SocketAddr,
    parties: BTreeMap<&'static str, Party>,
}

impl World {
    async fn start(program: Program, out: &Path) -> Result<Self, Failed> {
        std::fs::create_dir_all(out)?;
        let directory = out.join("server");
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let recorder = Recorder::new();
        recorder.capture_to(&out.join("demo.pcapng"))?;
        recorder.keep();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut world = Self {
            program,
            directory,
            recorder,
            records: Vec::new(),
            server: None,
            sip: any,
            msrp: any,
            xcap: any,
            parties: BTreeMap::new(),
        };
        world.start_server().await?;
        Ok(world)
    }

    async fn start_server(&mut self) -> Result<(), Failed> {
        let configuration = self.directory.join("im-server.toml");
        std::fs::write(&configuration, self.configuration())?;
        let server = Process::start(&self.program, &configuration, &self.directory.join("log")).await?;
        self.sip = server.address("sip_tcp")?;
        self.msrp = server.address("msrp_tcp")?;
        self.xcap = server.address("xcap_http")?;
        for (address, protocol) in [(self.sip, Protocol::Sip), (self.msrp, Protocol::Msrp)] {
            self.recorder.name(address, "server");
            self.recorder.well_known(address, protocol);
        }
        self.server = Some(server);
        Ok(())
    }

    fn configuration(&self) -> String {
        let Self { sip, msrp, xcap, .. } = self;
        let file = |name: &str| toml::Value::String(self.directory.join(name).to_string_lossy().into_owned());
        let (store, events) = (file("im.db"), file("events.jsonl"));
        let mut text = format!(
            "domain = \"{DOMAIN}\"\n\
             [listen]\nsip_udp = \"\"\nsip_tcp = \"{sip}\"\nmsrp_tcp = \"{msrp}\"\nxcap_http = \"{xcap}\"\n\
             [store]\npath = {store}\n[events]\nfile = {events}\n\
             [limits]\nmax_message_size = 16777216\nnotify_interval_ms = 100\n\
             [[groups]]\nuri = \"{ROOM}\"\nkind = \"chat\"\nowner = \"sip:alice@{DOMAIN}\"\n\
             members = [\"sip:alice@{DOMAIN}\", \"sip:bob@{DOMAIN}\", \"sip:carol@{DOMAIN}\"]\n"
        );
        for user in USERS {
            let password = password(user);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "[[users]]\nuri = \"sip:{user}@{DOMAIN}\"\npassword = \"{password}\""
            );
        }
        text
    }

    /// A client's configuration, for a user of the server.
    fn client(&self, user: &str) -> Result<client::Config, Failed> {
        let server = NextHop::new(Transport::Tcp, self.sip.ip().to_string(), self.sip.port());
        let mut config = client::Config::new(address(user)?, password(user), server).map_err(Failed::of)?;
        config.auto_accept = true;
        config.reconnect = Duration::from_millis(100);
        Ok(config)
    }

    /// Starts a user's client and registers it.
    async fn enter(&mut self, user: &'static str, config: client::Config) -> Result<(), Failed> {
        let mut party = Party::start(user, config, self.recorder.clone(), true).await?;
        party.tell(client::Client::register).await?;
        party
            .wait("registration", |event| match event {
                client::Event::Registered { .. } => Some(Ok(())),
                client::Event::Failed { failure, .. } => {
                    Some(Err(Failed(format!("{user}: {}", failure.reason))))
                }
                _ => None,
            })
            .await??;
        self.parties.insert(user, party);
        Ok(())
    }

    fn party(&mut self, user: &str) -> Result<&mut Party, Failed> {
        self.parties
            .get_mut(user)
            .ok_or_else(|| Failed(format!("{user} is not there")))
    }

    /// Forgets what was recorded and told so far.
    fn begin(&mut self) {
        self.recorder.take();
        self.records.clear();
        self.parties.values_mut().for_each(Party::forget);
    }

    /// What has gone between a user and everybody else since the flow began, each connection's octets in one piece.
    fn octets(&mut self, user: &str, way: Way) -> Vec<Vec<u8>> {
        self.records.extend(self.recorder.take());
        let mut streams: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.way == way) {
            if self.recorder.name_of(record.line.local()) == user {
                streams
                    .entry(record.line)
                    .or_default()
                    .extend_from_slice(&record.data);
            }
        }
        streams.into_values().collect()
    }

    async fn end(self) -> Result<(), Failed> {
        for party in self.parties.into_values() {
            party.stop().await;
        }
        if let Some(server) = self.server {
            server.stop().await?;
        }
        self.recorder.finish()?;
        Ok(())
    }
}

fn address(user: &str) -> Result<Uri, Failed> {
    Uri::sip(user, DOMAIN).map_err(Failed::of)
}

fn password(user: &str) -> String {
    format!("{user}'s secret")
}

const DOMAIN: &str = "example.com";
const ROOM: &str = "sip:room@example.com";
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
