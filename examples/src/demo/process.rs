//! The server as a process of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::Failed;

/// How to start a server: the program and what comes before the configuration file's name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its first arguments.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// Puts the two together.
    pub fn new(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            path: path.into(),
            arguments: arguments.into_iter().map(OsString::from).collect(),
        }
    }
}

/// A server process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ready: serde_json::Value,
}

impl Process {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be started or does not listen within ten seconds.
    pub async fn start(program: &Program, configuration: &Path, log: &Path) -> Result<Self, Failed> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Failed::new("the server has no output"))?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let read = tokio::time::timeout(PATIENCE, output.read_line(&mut line)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return Err(Failed::new("the server did not get ready; its log says why"));
        }
        let ready: serde_json::Value =
            serde_json::from_str(&line).map_err(|error| Failed(error.to_string()))?;
        Ok(Self {
            child,
            ready: ready.get("ready").cloned().unwrap_or_default(),
        })
    }

    /// Where the server listens, by the key of its configuration.
    ///
    /// # Errors
    ///
    /// Fails when it does not listen there.
    pub fn address(&self, key: &str) -> Result<SocketAddr, Failed> {
        let text = self.ready.get(key).and_then(serde_json::Value::as_str);
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| Failed(format!("the server does not listen for {key}")))
    }

    /// Asks it to end, as a service manager does, and waits until it has; its exit code must be 0.
    ///
    /// # Errors
    ///
    /// Fails when it does not end within ten seconds, or with another exit code.
    pub async fn stop(mut self) -> Result<(), Failed> {
        let id = self
            .child
            .id()
            .ok_or_else(|| Failed::new("the server has ended by itself"))?;
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &id.to_string()])
            .status()
            .await?;
        if !sent.success() {
            return Err(Failed::new("the server cannot be signalled"));
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failed(format!("the server ended with {status}"))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Failed::new("the server does not end")),
        }
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    ///
    /// Fails when the system does not let it.
    pub async fn kill(mut self) -> Result<(), Failed> {
        Ok(self.child.kill().await?)
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
