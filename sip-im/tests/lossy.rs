//! Every flow over a network that loses, repeats and reorders: each request ends once, and nothing is left.
#![cfg(test)]

mod machines;
mod simulation;

use machines::{FINE, Weather};
use simulation::{Flow, Summary, run, weather};

/// Seeds of each flow. `cargo run --release -p sip-im --example lossy` takes more.
const SEEDS: u64 = 400;

#[test]
fn in_fine_weather_every_flow_comes_to_its_end() {
    for flow in Flow::ALL {
        let Summary {
            requests,
            answered,
            failed,
            completed,
            ..
        } = run(flow, 1, FINE, None);
        assert!(completed, "{flow:?}");
        assert_eq!((answered, failed), (requests, 0), "{flow:?}");
    }
}

#[test]
fn each_single_datagram_may_be_lost() {
    for flow in Flow::ALL {
        let all = run(flow, 1, FINE, None).datagrams;
        for lost in 0..all {
            let summary = run(flow, 1, FINE, Some(lost));
            assert!(
                summary.completed && summary.failed == 0,
                "{flow:?} without datagram {lost}: {summary:?}"
            );
        }
    }
}

#[test]
fn whatever_is_lost_every_request_ends_once_and_nothing_is_left() {
    let mut total = Summary::default();
    let mut completed = 0;
    for seed in 0..SEEDS {
        for flow in Flow::ALL {
            let summary = run(flow, seed, weather(seed), None);
            total.requests += summary.requests;
            total.answered += summary.answered;
            completed += u64::from(summary.completed);
        }
    }
    let runs = SEEDS * 6;
    assert!(
        completed > runs / 2,
        "{completed} of {runs} flows came to their end"
    );
    assert!(total.answered * 4 > total.requests * 3, "{total:?}");
}

#[test]
fn where_nothing_arrives_everything_fails() {
    let silence = Weather { loss: 100, ..FINE };
    for flow in Flow::ALL {
        let summary = run(flow, 1, silence, None);
        assert_eq!(
            (summary.answered, summary.failed),
            (0, summary.requests),
            "{flow:?}"
        );
        assert!(!summary.completed, "{flow:?}");
    }
}
