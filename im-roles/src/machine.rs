//! The one shape of every state machine, named once.
//!
//! Machines of the other crates have these methods as inherent ones, so that none of them needs this crate to be
//! driven; [`impl_machine!`](crate::impl_machine) implements the trait for them, for code that is generic over machines.

use std::time::Instant;

/// A state machine that is driven by inputs and time, and polled for what comes of them.
pub trait Machine {
    /// What comes in.
    type Input;
    /// What goes to the network.
    type Transmit;
    /// News; ignoring it is safe.
    type Event;
    /// Takes one input. Infallible: a peer's fault becomes an answer, a close or an event.
    fn handle_input(&mut self, input: Self::Input, now: Instant);
    /// Acts on every deadline up to `now`. A call before the first deadline changes nothing.
    fn handle_timeout(&mut self, now: Instant);
    /// Gives the next thing for the network.
    fn poll_transmit(&mut self, now: Instant) -> Option<Self::Transmit>;
    /// Gives the next piece of news.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// The instant at which `handle_timeout` wants to be called, if any.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Whether the machine has finished and may be dropped.
    fn is_drained(&self) -> bool;
}

/// A machine that also asks its host for work, each piece of which is owed exactly one answer.
pub trait Role: Machine {
    /// Work for the host.
    type Effect;
    /// What came of it.
    type Answer;
    /// Gives the next piece of work.
    fn poll_effect(&mut self) -> Option<Self::Effect>;
    /// Takes an answer; one that is late, or comes again, is ignored.
    fn handle_answer(&mut self, answer: Self::Answer, now: Instant);
}

/// Implements [`Machine`] for a type by its inherent methods, or with `role` also [`Role`].
///
/// ```
/// use std::time::Instant;
///
/// /// Says each thing once more.
/// #[derive(Default)]
/// struct Echo(Vec<u8>);
///
/// impl Echo {
///     fn handle_input(&mut self, input: u8, _now: Instant) {
///         self.0.push(input);
///     }
///     fn handle_timeout(&mut self, _now: Instant) {}
///     fn poll_transmit(&mut self, _now: Instant) -> Option<u8> {
///         self.0.pop()
///     }
///     fn poll_event(&mut self) -> Option<()> {
///         None
///     }
///     fn poll_timeout(&self) -> Option<Instant> {
///         None
///     }
///     fn is_drained(&self) -> bool {
///         self.0.is_empty()
///     }
/// }
///
/// im_roles::impl_machine!(Echo: u8 => u8, ());
///
/// fn drained(machine: &impl im_roles::machine::Machine) -> bool {
///     machine.is_drained()
/// }
/// assert!(drained(&Echo::default()));
/// ```
#[macro_export]
macro_rules! impl_machine {
    (role $machine:ty: $input:ty => $transmit:ty, $event:ty; $effect:ty => $answer:ty) => {
        $crate::impl_machine!($machine: $input => $transmit, $event);
        impl $crate::machine::Role for $machine {
            type Effect = $effect;
            type Answer = $answer;
            fn poll_effect(&mut self) -> Option<Self::Effect> {
                <$machine>::poll_effect(self)
            }
            fn handle_answer(&mut self, answer: Self::Answer, now: std::time::Instant) {
                <$machine>::handle_answer(self, answer, now);
            }
        }
    };
    ($machine:ty: $input:ty => $transmit:ty, $event:ty) => {
        impl $crate::machine::Machine for $machine {
            type Input = $input;
            type Transmit = $transmit;
            type Event = $event;
            fn handle_input(&mut self, input: Self::Input, now: std::time::Instant) {
                <$machine>::handle_input(self, input, now);
            }
            fn handle_timeout(&mut self, now: std::time::Instant) {
                <$machine>::handle_timeout(self, now);
            }
            fn poll_transmit(&mut self, now: std::time::Instant) -> Option<Self::Transmit> {
                <$machine>::poll_transmit(self, now)
            }
            fn poll_event(&mut self) -> Option<Self::Event> {
                <$machine>::poll_event(self)
            }
            fn poll_timeout(&self) -> Option<std::time::Instant> {
                <$machine>::poll_timeout(self)
            }
            fn is_drained(&self) -> bool {
                <$machine>::is_drained(self)
            }
        }
    };
}
