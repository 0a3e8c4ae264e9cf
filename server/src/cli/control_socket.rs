//! The control socket: a Unix socket in the data folder, which only the user of the appliance can
//! open. A command sends its task and who runs it as a line of JSON, and the appliance sends back its
//! output. The kernel says which account the command has.

use super::arguments::Task;
use super::operator::Operator;
use super::output::{OutputEvent, OutputSink};
use super::{console, dispatch};
use crate::app::{App, AppState};
use crate::sandbox::{self, ConfinedProcess};
use anyhow::Context;
use cloister_config::Config;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

/// The longest task: the checkpoints that `audit verify` compares are the largest.
const MAX_REQUEST_BYTES: u64 = 4 * 1024 * 1024;

/// What a command sends.
#[derive(Serialize, Deserialize)]
struct CommandRequest {
    operator: Operator,
    task: Task,
}

fn socket_path(config: &Config) -> PathBuf {
    config.paths.data.join("control.sock")
}

/// Runs a task in the running appliance, or in this process if none is running.
pub fn run_task(task: Task, config: Config) -> anyhow::Result<ExitCode> {
    match UnixStream::connect(socket_path(&config)) {
        Ok(stream) => run_in_appliance(stream, &task),
        Err(_) => run_here(task, config),
    }
}

/// Sends a task to the running appliance and returns its first line of output. `None` if no
/// appliance is running.
pub fn query_appliance(config: &Config, task: &Task) -> Option<String> {
    let mut stream = UnixStream::connect(socket_path(config)).ok()?;
    send_task(&mut stream, task).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    match serde_json::from_str(&line).ok()? {
        OutputEvent::Line(text) => Some(text),
        OutputEvent::Progress { .. } | OutputEvent::Ended(_) | OutputEvent::Failed(_) => None,
    }
}

fn send_task(stream: &mut UnixStream, task: &Task) -> anyhow::Result<()> {
    let mut request = serde_json::to_vec(&CommandRequest {
        operator: Operator::of_this_process(),
        task: task.clone(),
    })?;
    request.push(b'\n');
    stream.write_all(&request)?;
    Ok(())
}

fn run_in_appliance(mut stream: UnixStream, task: &Task) -> anyhow::Result<ExitCode> {
    send_task(&mut stream, task)?;
    let mut printer = Printer::default();
    for line in BufReader::new(stream).lines() {
        if let Some(code) = printer.print(serde_json::from_str(&line?)?)? {
            return Ok(code);
        }
    }
    anyhow::bail!("the appliance stopped before the command ended")
}

fn run_here(task: Task, config: Config) -> anyhow::Result<ExitCode> {
    let request = CommandRequest {
        operator: Operator::of_this_process(),
        task,
    };
    let ConfinedProcess { status, runtime } = sandbox::confine(&config)?;
    runtime.block_on(async {
        let app = App::open(config, status).await?;
        let (sink, mut events) = OutputSink::new();
        let running = tokio::spawn(run_to_end(AppState::clone(&app), request, sink));
        let mut printer = Printer::default();
        let mut code = ExitCode::FAILURE;
        while let Some(event) = events.recv().await {
            if let Some(ended) = printer.print(event)? {
                code = ended;
            }
        }
        running.await?;
        app.store.close().await;
        Ok(code)
    })
}

/// Runs a task in this process and sends how it ended.
async fn run_to_end(app: AppState, request: CommandRequest, output: OutputSink) {
    let CommandRequest { operator, task } = request;
    let last = match dispatch::run_task(&app, &operator, task, &output).await {
        Ok(code) => OutputEvent::Ended(code),
        Err(cause) => OutputEvent::Failed(format!("{cause:#}")),
    };
    output.send(last).await;
}

/// Prints the output of a command.
#[derive(Default)]
struct Printer {
    progress_bar: Option<indicatif::ProgressBar>,
}

impl Printer {
    /// Prints an event. Returns the exit status at the end.
    fn print(&mut self, event: OutputEvent) -> anyhow::Result<Option<ExitCode>> {
        match event {
            OutputEvent::Line(text) => {
                self.clear_progress();
                console::line(&text);
                Ok(None)
            }
            OutputEvent::Progress { done, total, label } => {
                self.show_progress(done, total, label);
                Ok(None)
            }
            OutputEvent::Ended(code) => {
                self.clear_progress();
                Ok(Some(ExitCode::from(code)))
            }
            OutputEvent::Failed(cause) => {
                self.clear_progress();
                anyhow::bail!(cause)
            }
        }
    }

    fn show_progress(&mut self, done: u64, total: u64, label: String) {
        let bar = self
            .progress_bar
            .get_or_insert_with(|| new_progress_bar(total));
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(label);
    }

    fn clear_progress(&mut self) {
        if let Some(bar) = self.progress_bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_progress_bar(total: u64) -> indicatif::ProgressBar {
    let template = "{bar:30} {pos}/{len} {msg} ({elapsed}, {eta} left)";
    let style = indicatif::ProgressStyle::with_template(template)
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(total).with_style(style)
}

/// Opens the control socket of the appliance.
pub fn listen(config: &Config) -> anyhow::Result<StdListener> {
    let path = socket_path(config);
    remove_stale_socket(&path)?;
    let listener = StdListener::bind(&path)
        .with_context(|| format!("could not open the control socket `{}`", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket of an appliance that was killed.
fn remove_stale_socket(path: &Path) -> anyhow::Result<()> {
    if UnixStream::connect(path).is_ok() {
        anyhow::bail!(
            "an appliance is already running on this data folder. Stop it first, or use another \
             folder with CLOISTER_PATHS_DATA"
        );
    }
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause.into()),
        _ => Ok(()),
    }
}

/// Serves the control socket until the appliance stops.
pub async fn serve(listener: StdListener, app: AppState) -> anyhow::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let app = AppState::clone(&app);
        tokio::spawn(async move {
            if let Err(cause) = serve_command(stream, app).await {
                tracing::warn!(%cause, "the connection of a command failed: {cause}");
            }
        });
    }
}

async fn serve_command(stream: tokio::net::UnixStream, app: AppState) -> anyhow::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(MAX_REQUEST_BYTES))
        .read_line(&mut line)
        .await?;
    let CommandRequest { operator, task } = serde_json::from_str(&line)?;
    let operator = operator.verified(uid);
    let (sink, mut events) = OutputSink::new();
    tokio::spawn(run_to_end(app, CommandRequest { operator, task }, sink));
    while let Some(event) = events.recv().await {
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        write.write_all(&line).await?;
    }
    Ok(())
}
