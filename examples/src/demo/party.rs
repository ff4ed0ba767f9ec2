//! A user at a client of his own, on a task of its own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use im_roles::client::{Client, Config, Event};
use im_roles::flow::{Protocol, Transport};
use tokio::sync::{mpsc, oneshot};

use super::Failed;
use crate::net::{ClientHost, Network, Settings};
use crate::trace::Recorder;

type Job = Box<dyn FnOnce(&mut Client, Instant) + Send>;

/// A user at a client.
#[derive(Debug)]
pub struct Party {
    name: String,
    jobs: mpsc::Sender<Job>,
    events: mpsc::Receiver<Event>,
    backlog: VecDeque<Event>,
    task: tokio::task::JoinHandle<()>,
}

impl Party {
    /// Starts the client; with `listening` it can be connected to for one-to-one sessions.
    ///
    /// # Errors
    ///
    /// Fails when there is no port to listen on.
    pub async fn start(
        name: &str,
        mut config: Config,
        recorder: Recorder,
        listening: bool,
    ) -> Result<Self, Failed> {
        let mut settings = Settings::default();
        name.clone_into(&mut settings.name);
        settings.recorder = Some(recorder);
        let mut network = Network::new(settings);
        if listening {
            let address = network
                .listen(Protocol::Msrp, Transport::Tcp, ([127, 0, 0, 1], 0).into())
                .await?;
            config.media_listen = Some((address.ip().to_string(), address.port()));
        }
        let client = Client::new(config, crate::clock::wall_clock(), crate::entropy::os());
        let (jobs, job_queue) = mpsc::channel(QUEUE);
        let (event_queue, events) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(ClientHost::new(client, network), job_queue, event_queue));
        Ok(Self {
            name: name.to_owned(),
            jobs,
            events,
            backlog: VecDeque::new(),
            task,
        })
    }

    /// Gives the client a command.
    ///
    /// # Errors
    ///
    /// Fails when the client does not take it.
    pub async fn tell<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
        &self,
        command: impl FnOnce(&mut Client, Instant) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failed> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |client, now| {
            let _ = reply.send(command(client, now));
        });
        let gone = || Failed(format!("{}: the client has ended", self.name));
        self.jobs.send(job).await.map_err(|_| gone())?;
        answer
            .await
            .map_err(|_| gone())?
            .map_err(|error| Failed(format!("{}: {error}", self.name)))
    }

    /// Waits for the first event that `pick` takes, those that came earlier and were not taken included.
    ///
    /// # Errors
    ///
    /// Fails after ten seconds without one; `what` says what was waited for.
    pub async fn wait<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, Failed> {
        for index in 0..self.backlog.len() {
            if let Some(found) = self.backlog.get(index).and_then(&mut pick) {
                self.backlog.remove(index);
                return Ok(found);
            }
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => match pick(&event) {
                    Some(found) => return Ok(found),
                    None => self.remember(event),
                },
                Ok(None) => {
                    return Err(Failed(format!(
                        "{}: the client has ended while waiting for {what}",
                        self.name
                    )));
                }
                Err(_) => {
                    let seen: Vec<String> = self
                        .backlog
                        .iter()
                        .rev()
                        .take(3)
                        .map(|event| format!("{event:?}"))
                        .collect();
                    return Err(Failed(format!(
                        "{}: no {what} came; seen last: {}",
                        self.name,
                        seen.join(", ")
                    )));
                }
            }
        }
    }

    /// Makes sure that no event that `pick` takes has come or comes during a time.
    ///
    /// # Errors
    ///
    /// Fails when one does.
    pub async fn none(
        &mut self,
        what: &str,
        during: Duration,
        mut pick: impl FnMut(&Event) -> bool,
    ) -> Result<(), Failed> {
        let deadline = tokio::time::Instant::now() + during;
        let mut seen = self.backlog.iter().any(&mut pick);
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, self.events.recv()).await {
            seen = seen || pick(&event);
            self.remember(event);
        }
        if seen {
            Err(Failed(format!("{}: there came {what}", self.name)))
        } else {
            Ok(())
        }
    }

    /// Forgets the events that nobody has waited for.
    pub fn forget(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            drop(event);
        }
        self.backlog.clear();
    }

    /// Ends the client; its connections break.
    pub async fn stop(self) {
        drop(self.jobs);
        self.task.abort();
        let _ = self.task.await;
    }

    fn remember(&mut self, event: Event) {
        if self.backlog.len() >= QUEUE {
            self.backlog.pop_front();
        }
        self.backlog.push_back(event);
    }
}

async fn run(mut host: ClientHost, mut jobs: mpsc::Receiver<Job>, events: mpsc::Sender<Event>) {
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => job(host.machine(), Instant::now()),
                None => return,
            },
            event = host.next_event() => match event {
                Some(event) => {
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
        }
    }
}

const QUEUE: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);
