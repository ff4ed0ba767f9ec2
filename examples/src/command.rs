//! The server as a command, shared by im-server and by im-demo's server process.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Plan};
use crate::server::Server;

/// Reads a configuration and checks it.
///
/// # Errors
///
/// Fails with a line for a person: the file, and the line or the key that is wrong.
pub fn plan(path: &Path) -> Result<Plan, String> {
    let config = Config::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Plan::new(&config).map_err(|error| format!("{}: {error}", path.display()))
}

/// Serves until SIGTERM or SIGINT, then ends politely.
pub fn serve(path: &Path) -> ExitCode {
    match try_serve(path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn try_serve(path: &Path) -> Result<(), String> {
    let plan = plan(path)?;
    for notice in &plan.notices {
        eprintln!("{notice}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let stop = signalled().map_err(|error| error.to_string())?;
        let server = Server::start(plan).await.map_err(|error| error.to_string())?;
        let line = server.ready().line();
        eprintln!("listening: {line}");
        // Who reads the line may be gone; that is no reason not to serve.
        let mut output = std::io::stdout();
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
        Box::pin(server.run(stop))
            .await
            .map_err(|error| error.to_string())?;
        eprintln!("ended");
        Ok(())
    })
}

#[cfg(unix)]
fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
