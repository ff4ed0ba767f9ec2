//! Runs the flows of `tests/simulation` over many more seeds than the tests do: `cargo run --release -p sip-im --example lossy -- 100000`.
//! Each seed is a flow and a weather; a seed that breaks a promise is named in the panic, and reproduces it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a check that fails by panicking, on the command line"
)]

#[path = "../tests/machines/mod.rs"]
mod machines;
#[path = "../tests/simulation/mod.rs"]
mod simulation;

use simulation::{Flow, run, weather};

fn main() {
    let seeds = std::env::args()
        .nth(1)
        .map_or(100_000, |text| text.parse().expect("a number of seeds"));
    let (mut requests, mut answered, mut failed, mut completed) = (0, 0, 0, 0_u64);
    for seed in 0..seeds {
        for (at, flow) in (0_u64..).zip(Flow::ALL) {
            if seed % 6 == at {
                let summary = run(flow, seed, weather(seed), None);
                requests += summary.requests;
                answered += summary.answered;
                failed += summary.failed;
                completed += u64::from(summary.completed);
            }
        }
    }
    println!(
        "{seeds} seeds: {requests} requests, each ended once, {answered} with a response and {failed} without; \
         {completed} flows came to their end; nothing was left"
    );
}
