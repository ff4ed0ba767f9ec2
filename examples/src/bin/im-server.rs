//! im-server: a server for instant messaging in one process.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use examples::{command, config};
use lexopt::prelude::*;

enum Task {
    Serve(PathBuf),
    Check(PathBuf),
    PrintDefault,
    Help,
}

fn main() -> ExitCode {
    match arguments() {
        Ok(Task::Serve(path)) => command::serve(&path),
        Ok(Task::Check(path)) => match command::plan(&path) {
            Ok(_) => ExitCode::SUCCESS,
            Err(text) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
        },
        Ok(Task::PrintDefault) => print(config::DEFAULT),
        Ok(Task::Help) => print(USAGE),
        Err(error) => {
            eprint!("im-server: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Task, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut task = None;
    while let Some(argument) = parser.next()? {
        let next = match argument {
            Long("config") => Task::Serve(parser.value()?.into()),
            Long("check") => Task::Check(parser.value()?.into()),
            Long("print-default-config") => Task::PrintDefault,
            Short('h') | Long("help") => Task::Help,
            other => return Err(other.unexpected()),
        };
        if task.replace(next).is_some() {
            return Err("only one of these at a time".into());
        }
    }
    task.ok_or_else(|| "nothing to do".into())
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

const USAGE: &str = "\
usage: im-server --config FILE            serve; SIGTERM ends it
       im-server --check FILE             say what is wrong with a configuration
       im-server --print-default-config   every key with its default
";
