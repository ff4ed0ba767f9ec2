//! im-demo: a server, users at clients, and what they go through, on loopback.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use examples::command;
use examples::demo::{self, Flow, Outcome, Program};
use lexopt::prelude::*;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == SERVER) {
        // The demo's own server process.
        return command::serve(Path::new(&arguments.next().unwrap_or_default()));
    }
    match arguments_of_demo() {
        Ok(Some(out)) => run(&out),
        Ok(None) => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("im-demo: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn arguments_of_demo() -> Result<Option<PathBuf>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut out = PathBuf::from("demo-out");
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => out = parser.value()?.into(),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(out))
}

fn run(out: &Path) -> ExitCode {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(OsString::from("im-demo")));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("im-demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(demo::run(
        Program::new(program, [SERVER]),
        out,
        &Flow::ALL,
        report,
    ));
    match done {
        Ok(outcomes) => {
            let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
            say(&format!("capture: {}\n", out.join("demo.pcapng").display()));
            say(&format!(
                "{} passed, {failed} failed\n",
                outcomes.len().saturating_sub(failed)
            ));
            if failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("im-demo: {error}");
            say("0 passed, 1 failed\n");
            ExitCode::FAILURE
        }
    }
}

fn report(outcome: &Outcome) {
    let (verdict, reason) = match &outcome.result {
        Ok(()) => ("ok", String::new()),
        Err(error) => ("FAILED", format!("\n        {error}")),
    };
    let seconds = outcome.took.as_secs_f32();
    say(&format!(
        "{verdict:<6}  {} ({seconds:.1} s)  {}{reason}\n",
        outcome.flow.title(),
        outcome.ladder.display()
    ));
}

fn say(text: &str) {
    // Who reads may have had enough.
    let mut output = std::io::stdout();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

const SERVER: &str = "--server-process";
const USAGE: &str =
    "usage: im-demo [--out DIR]   DIR: where diagrams and the capture go, by default demo-out\n";
