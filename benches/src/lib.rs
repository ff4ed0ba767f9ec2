//! Measures in turn, in one run, what is ours and what a peer does with the same input, and prints the ratio.
//!
//! The general benchmark libraries measure one function after the other; on a machine that changes its clock in between,
//! the ratio of two such figures says little. Here the two take turns, round by round, and the medians are compared.
//! What is measured is the time that the thread had a processor, so that a busy machine lengthens neither.
//!
//! `cargo bench -p benches` measures; with `-- --test` each function runs once, to see that it works, and
//! with `-- PART...` only those are measured whose names have one of the parts in them.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the figures are the product")]

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 31;
const ROUND: Duration = Duration::from_millis(20);

/// Two functions that do comparable work on one input.
pub struct Comparison<'a> {
    name: &'a str,
    /// Octets that one call works on, for the throughput.
    octets: usize,
    /// Messages in them.
    messages: usize,
}

impl<'a> Comparison<'a> {
    /// One call of either function works on this many octets with this many messages in them.
    pub fn new(name: &'a str, octets: usize, messages: usize) -> Self {
        Self {
            name,
            octets,
            messages: messages.max(1),
        }
    }

    /// Measures both in turn and prints the medians and how long ours takes for each unit of the peer's time.
    pub fn run<A, B>(&self, ours: impl FnMut() -> A, peer_name: &str, peer: impl FnMut() -> B) {
        let (mut ours, mut peer) = (ours, peer);
        if !is_wanted(self.name) {
            return;
        }
        if std::env::args().any(|argument| argument == "--test") {
            black_box(ours());
            black_box(peer());
            println!("{}: ran once", self.name);
            return;
        }
        let (our_calls, peer_calls) = (calls_a_round(&mut ours), calls_a_round(&mut peer));
        let (mut our_times, mut peer_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our_times.push(time(&mut ours, our_calls));
            peer_times.push(time(&mut peer, peer_calls));
        }
        let (our_time, peer_time) = (median(our_times), median(peer_times));
        println!(
            "{}: {:.0} ns a message, {:.2} GB/s; {peer_name} {:.0} ns, {:.2} GB/s; time ratio {:.2}, speed ratio {:.2}",
            self.name,
            self.nanos(our_time),
            self.gigabytes(our_time),
            self.nanos(peer_time),
            self.gigabytes(peer_time),
            our_time / peer_time,
            peer_time / our_time,
        );
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a benchmark are far below 2^52"
    )]
    fn nanos(&self, seconds: f64) -> f64 {
        seconds * 1e9 / self.messages as f64
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a benchmark are far below 2^52"
    )]
    fn gigabytes(&self, seconds: f64) -> f64 {
        self.octets as f64 / seconds / 1e9
    }
}

impl std::fmt::Debug for Comparison<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparison")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Whether a comparison of that name is to be run, so that one which is not needs no preparation.
pub fn is_wanted(name: &str) -> bool {
    let mut wanted = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    wanted.peek().is_none() || wanted.any(|part| name.contains(&part))
}

fn calls_a_round<T>(function: &mut impl FnMut() -> T) -> u32 {
    let mut calls = 1u32;
    loop {
        let started = processor_time();
        for _ in 0..calls {
            black_box(function());
        }
        if processor_time().saturating_sub(started) >= ROUND || calls >= 1 << 24 {
            return calls;
        }
        calls *= 2;
    }
}

fn time<T>(function: &mut impl FnMut() -> T, calls: u32) -> f64 {
    let started = processor_time();
    for _ in 0..calls {
        black_box(function());
    }
    processor_time().saturating_sub(started).as_secs_f64() / f64::from(calls)
}

/// How long the thread has run.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
