//! The loop for a machine that asks for no work: a client.

use std::time::{Duration, Instant};

use im_roles::flow::{Input, Transmit};
use im_roles::machine::Machine;

use super::Network;

/// A client on sockets.
pub type ClientHost = MachineHost<im_roles::client::Client>;

/// Drives a machine without effects on a [`Network`].
#[derive(Debug)]
pub struct MachineHost<M> {
    machine: M,
    network: Network,
}

impl<M: Machine<Input = Input, Transmit = Transmit>> MachineHost<M> {
    /// Puts the two together.
    pub fn new(machine: M, network: Network) -> Self {
        Self { machine, network }
    }

    /// The machine, for commands; what they cause goes out at the next call of [`Self::next_event`].
    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The sockets.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Waits for news; `None` once the machine has finished. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<M::Event> {
        loop {
            if let Some(event) = self.pump() {
                return Some(event);
            }
            if self.machine.is_drained() {
                return None;
            }
            self.step(self.machine.poll_timeout()).await;
        }
    }

    /// Lets what is queued go out, up to `limit`; events that come meanwhile are for the next call of
    /// [`Self::next_event`].
    pub async fn flush(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            self.transmit();
            let now = Instant::now();
            if self.network.queued() == 0 || now >= end {
                return;
            }
            let soon = now + FLUSH_STEP;
            let deadline = self
                .machine
                .poll_timeout()
                .map_or(soon, |at| at.min(soon))
                .min(end);
            self.step(Some(deadline)).await;
        }
    }

    fn pump(&mut self) -> Option<M::Event> {
        self.transmit();
        self.machine.poll_event()
    }

    fn transmit(&mut self) {
        let now = Instant::now();
        while self.network.has_room() {
            let Some(transmit) = self.machine.poll_transmit(now) else {
                break;
            };
            self.network.transmit(transmit);
        }
    }

    async fn step(&mut self, deadline: Option<Instant>) {
        let input = self.network.next(deadline).await;
        let now = Instant::now();
        match input {
            Some(input) => self.machine.handle_input(input, now),
            None => self.machine.handle_timeout(now),
        }
    }
}

const FLUSH_STEP: Duration = Duration::from_millis(5);
