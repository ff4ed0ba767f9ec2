//! What is true of every machine.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::machines::epoch;

/// A machine and the host that drives it.
pub(crate) trait Subject: Sized {
    /// Something that is done to the machine.
    type Operation: Clone + Debug;

    /// Whether a host that polls late is told just what one is told that polls at once. Where several pieces of news become one, or
    /// where what is done depends on what was told, [`Self::account`] has to say that nothing was lost.
    const SAME_WHEN_LATE: bool;

    fn new(start: Instant) -> Self;

    /// Does it, and gives what was answered at once. Nothing is polled.
    fn apply(&mut self, operation: &Self::Operation, now: Instant) -> String;

    fn handle_timeout(&mut self, now: Instant);

    fn poll_timeout(&self) -> Option<Instant>;

    /// Polls until there is nothing more.
    fn drain(&mut self, now: Instant) -> Vec<String>;

    /// All that can be seen of the machine without changing it.
    fn look(&self) -> String;

    /// Asserts that what is held is within the limits; at any time.
    fn check_limits(&self);

    /// Asserts what is true between a timeout and the next operation.
    fn check_after_timeout(&self, _now: Instant) {}

    /// Does what the host still owes, so that the machine can end.
    fn settle(&mut self, now: Instant);

    /// Asserts that everything that was begun has ended, as it has to, and that nothing is left.
    fn account(&mut self, now: Instant);
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step<O> {
    Do(O),
    /// Time passes, and the host is called late or early.
    Wait(Duration),
    /// Time passes, and an operation comes before the call.
    Pass(Duration),
    /// The host is called at the very instant that it was told.
    Timeout,
}

pub(crate) fn steps<O: Clone + Debug + 'static>(
    operation: impl Strategy<Value = O> + 'static,
    longest: Duration,
) -> impl Strategy<Value = Vec<Step<O>>> {
    let longest = u64::try_from(longest.as_millis()).expect("a short time");
    let time = prop_oneof![Just(0), 0..longest / 20, 0..longest].prop_map(Duration::from_millis);
    let step = prop_oneof![
        12 => operation.prop_map(Step::Do),
        2 => time.clone().prop_map(Step::Wait),
        1 => time.prop_map(Step::Pass),
        3 => Just(Step::Timeout),
    ];
    proptest::collection::vec(step, 0..80)
}

/// Asserts the laws.
pub(crate) fn keep<S: Subject>(steps: &[Step<S::Operation>]) {
    let start = epoch();
    let plain = run::<S>(steps, start, Habit::Prompt);
    assert_eq!(plain, run::<S>(steps, start, Habit::Prompt), "law 2");
    assert_eq!(plain, run::<S>(steps, start, Habit::Hasty), "law 4");
    let late = run::<S>(steps, start, Habit::Late);
    if S::SAME_WHEN_LATE {
        let sorted = |mut log: Vec<String>| {
            log.sort();
            log
        };
        assert_eq!(sorted(plain), sorted(late), "law 1");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Polls after each operation.
    Prompt,
    /// As prompt, and calls before it is time.
    Hasty,
    /// Polls before it waits, and not before.
    Late,
}

fn run<S: Subject>(steps: &[Step<S::Operation>], start: Instant, habit: Habit) -> Vec<String> {
    let (mut subject, mut now, mut log) = (S::new(start), start, Vec::new());
    if habit != Habit::Late {
        log.extend(subject.drain(now));
    }
    for step in steps {
        if habit == Habit::Hasty {
            call_early(&mut subject, now);
        }
        match step {
            Step::Do(operation) => log.push(subject.apply(operation, now)),
            Step::Wait(time) => {
                log.extend(subject.drain(now));
                now += *time;
                call(&mut subject, now, &mut log);
            }
            Step::Pass(time) => now += *time,
            Step::Timeout => {
                log.extend(subject.drain(now));
                if let Some(next) = subject.poll_timeout() {
                    now = now.max(next);
                    call(&mut subject, now, &mut log);
                }
            }
        }
        subject.check_limits();
        if habit != Habit::Late {
            log.extend(subject.drain(now));
        }
    }
    log.extend(subject.drain(now));
    for _ in 0..10_000 {
        subject.settle(now);
        log.extend(subject.drain(now));
        subject.check_limits();
        let Some(next) = subject.poll_timeout() else { break };
        now = now.max(next);
        call(&mut subject, now, &mut log);
    }
    assert_eq!(subject.poll_timeout(), None, "time to come: {}", subject.look());
    subject.account(now);
    log
}

/// Law 3.
fn call<S: Subject>(subject: &mut S, now: Instant, log: &mut Vec<String>) {
    subject.handle_timeout(now);
    log.extend(subject.drain(now));
    let next = subject.poll_timeout();
    assert!(
        next.is_none_or(|next| next > now),
        "law 3: a timeout that does not go away: {}",
        subject.look()
    );
    subject.check_after_timeout(now);
}

/// Law 4, at this instant and at the last one before the deadline.
fn call_early<S: Subject>(subject: &mut S, now: Instant) {
    let next = subject.poll_timeout();
    let last = next.and_then(|next| next.checked_sub(Duration::from_nanos(1)));
    for at in [Some(now), last].into_iter().flatten() {
        if at < now || next.is_some_and(|next| next <= at) {
            continue;
        }
        let before = subject.look();
        subject.handle_timeout(at);
        assert_eq!(before, subject.look(), "law 4");
        assert_eq!(subject.poll_timeout(), next, "law 4");
        assert_eq!(subject.drain(at), Vec::<String>::new(), "law 4");
    }
}
