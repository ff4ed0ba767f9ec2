//! What the parsers make of octets.
//!
//! ```text
//! im-inspect KIND [FILE|-]     one input; pretty JSON; exit 0 accepted, 1 refused, 2 wrong usage
//! im-inspect batch             JSON lines in, JSON lines out, in order
//! im-inspect kinds             the kinds, one a line
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program does"
)]

use std::io::{BufWriter, Read, Write};
use std::process::ExitCode;

use bytes::Bytes;
use examples::inspect::{self, Meter};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

struct Allocations(std::cell::Cell<usize>);

impl Meter for Allocations {
    fn start(&self) {
        ALLOCATOR.reset_peak_usage();
        self.0.set(ALLOCATOR.current_usage());
    }

    fn peak(&self) -> usize {
        ALLOCATOR.peak_usage().saturating_sub(self.0.get())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let meter = Allocations(std::cell::Cell::new(0));
    let result = match arguments.as_slice() {
        ["kinds"] => {
            inspect::kinds().for_each(|kind| println!("{kind}"));
            Ok(ExitCode::SUCCESS)
        }
        ["batch"] => {
            let mut output = BufWriter::new(std::io::stdout().lock());
            inspect::batch(&mut std::io::stdin().lock(), &mut output, &meter).map(|()| ExitCode::SUCCESS)
        }
        [kind] if inspect::is_kind(kind) => one(kind, "-", &meter),
        [kind, file] if inspect::is_kind(kind) => one(kind, file, &meter),
        _ => {
            eprintln!("usage: im-inspect KIND [FILE|-] | im-inspect batch | im-inspect kinds");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("im-inspect: {error}");
        ExitCode::from(2)
    })
}

fn one(kind: &str, file: &str, meter: &dyn Meter) -> std::io::Result<ExitCode> {
    let mut octets = Vec::new();
    if file == "-" {
        std::io::stdin().lock().read_to_end(&mut octets)?;
    } else {
        octets = std::fs::read(file)?;
    }
    let answer = inspect::answer_octets(kind, &Bytes::from(octets), meter);
    let mut output = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &answer)?;
    output.write_all(b"\n")?;
    Ok(if answer.get("ok").is_some_and(|ok| ok == true) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
