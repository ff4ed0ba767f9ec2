//! The loop.

use std::pin::pin;
use std::time::Instant;

use async_trait::async_trait;
use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};

use super::stores::{DocumentSource, MessageStore, Stores};
use crate::effect::{Answer, Effect};
use crate::flow::{Input, Transmit};
use crate::machine::Role;

/// What a wait has brought.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver acts on each")]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it comes out")]
pub enum Wake {
    /// Something from the network.
    Input(Input),
    /// The deadline, or nothing in particular.
    Timeout,
    /// [`Host::has_room`] may say yes again.
    Room,
}

/// The network and the clock of a driver.
#[async_trait]
pub trait Host: Send {
    /// The clock.
    fn now(&self) -> Instant;
    /// Whether another transmit may be handed over; when not, transmits wait in the machine, which costs nothing.
    fn has_room(&self) -> bool;
    /// Takes a transmit, without waiting.
    fn transmit(&mut self, transmit: Transmit);
    /// Waits for input, for room after there was none, or for the deadline. It must lose nothing when it is dropped.
    async fn next(&mut self, deadline: Option<Instant>) -> Wake;
}

/// Drives a machine by its host and stores.
pub struct Driver<R, H, D, M> {
    machine: R,
    host: H,
    stores: Stores<D, M>,
    work: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl<R: std::fmt::Debug, H, D, M> std::fmt::Debug for Driver<R, H, D, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("machine", &self.machine)
            .field("work", &self.work.len())
            .finish_non_exhaustive()
    }
}

impl<R, H, D, M> Driver<R, H, D, M>
where
    R: Role<Input = Input, Transmit = Transmit, Effect = Effect, Answer = Answer>,
    H: Host,
    D: DocumentSource + 'static,
    M: MessageStore + 'static,
{
    /// Puts the parts together.
    pub fn new(machine: R, host: H, stores: Stores<D, M>) -> Self {
        Self {
            machine,
            host,
            stores,
            work: FuturesUnordered::new(),
        }
    }

    /// The machine, for commands; what they cause goes out at the next call of [`Driver::next_event`].
    pub fn machine(&mut self) -> &mut R {
        &mut self.machine
    }

    /// The host.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// Works until there is news; `None` once the machine has finished. May be dropped and called again.
    pub async fn next_event(&mut self) -> Option<R::Event> {
        loop {
            self.pump();
            if let Some(event) = self.machine.poll_event() {
                return Some(event);
            }
            if self.machine.is_drained() && self.work.is_empty() {
                return None;
            }
            // What is taken out of a future here is given to the machine before the next await.
            match self.wait().await {
                Step::Answer(answer) => self.machine.handle_answer(answer, self.host.now()),
                Step::Wake(Wake::Input(input)) => self.machine.handle_input(input, self.host.now()),
                Step::Wake(Wake::Timeout | Wake::Room) => {}
            }
            let now = self.host.now();
            if self.machine.poll_timeout().is_some_and(|at| at <= now) {
                self.machine.handle_timeout(now);
            }
        }
    }

    fn pump(&mut self) {
        while self.host.has_room() {
            let Some(transmit) = self.machine.poll_transmit(self.host.now()) else {
                break;
            };
            self.host.transmit(transmit);
        }
        while let Some(effect) = self.machine.poll_effect() {
            self.work.push(Box::pin(self.stores.clone().perform(effect)));
        }
    }

    async fn wait(&mut self) -> Step {
        let deadline = self.machine.poll_timeout();
        if self.work.is_empty() {
            return Step::Wake(self.host.next(deadline).await);
        }
        let host = pin!(self.host.next(deadline));
        match select(self.work.next(), host).await {
            Either::Left((Some(answer), _)) => Step::Answer(answer),
            Either::Left((None, _)) => Step::Wake(Wake::Timeout),
            Either::Right((wake, _)) => Step::Wake(wake),
        }
    }
}

/// What a wait has brought.
enum Step {
    Answer(Answer),
    Wake(Wake),
}
