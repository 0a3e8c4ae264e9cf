//! The control socket: a local socket in the data folder, which only the appliance's own user can
//! open. A command line talks to the running appliance through it, one line of JSON each way.

use super::act;
use super::commands::Task;
use super::console;
use super::reach::{self, Confined};
use crate::app::{App, AppState};
use crate::config::Config;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// What a command says while it works.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// A line of the result.
    Line(String),
    /// How far it has come, for a progress bar.
    Progress {
        /// So much is done.
        done: u64,
        /// Out of this.
        total: u64,
        /// What is being done.
        what: String,
    },
    /// It ended with this status.
    Ended(u8),
    /// It failed.
    Failed(String),
}

/// Where a command says it.
pub type Saying = mpsc::Sender<Said>;

fn socket(config: &Config) -> PathBuf {
    config.paths.data.join("control.sock")
}

/// Does a task: in the running appliance, or here where none runs.
pub fn perform(task: Task, config: Config) -> anyhow::Result<ExitCode> {
    match UnixStream::connect(socket(&config)) {
        Ok(stream) => ask_appliance(stream, &task),
        Err(_) => perform_here(task, config),
    }
}

fn ask_appliance(mut stream: UnixStream, task: &Task) -> anyhow::Result<ExitCode> {
    let mut request = serde_json::to_vec(task)?;
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut printer = Printer::default();
    for line in BufReader::new(stream).lines() {
        if let Some(code) = printer.print(serde_json::from_str(&line?)?)? {
            return Ok(code);
        }
    }
    anyhow::bail!("the appliance stopped before the command ended")
}

fn perform_here(task: Task, config: Config) -> anyhow::Result<ExitCode> {
    let Confined { isolation, runtime } = reach::confine(&config)?;
    runtime.block_on(async {
        let app = App::open(config, isolation).await?;
        let (saying, mut said) = mpsc::channel(64);
        let work = tokio::spawn({
            let app = AppState::clone(&app);
            async move { perform_in(&app, task, saying).await }
        });
        let mut printer = Printer::default();
        let mut code = ExitCode::FAILURE;
        while let Some(next) = said.recv().await {
            if let Some(ended) = printer.print(next)? {
                code = ended;
            }
        }
        work.await?;
        app.store.close().await;
        Ok(code)
    })
}

/// Does a task in this process, and says how it ended.
async fn perform_in(app: &AppState, task: Task, saying: Saying) {
    let last = match act::act(app, task, &saying).await {
        Ok(code) => Said::Ended(code),
        Err(cause) => Said::Failed(format!("{cause:#}")),
    };
    // The command line may have been closed; the work is done all the same.
    drop(saying.send(last).await);
}

/// Prints what a command says.
#[derive(Default)]
struct Printer {
    bar: Option<indicatif::ProgressBar>,
}

impl Printer {
    fn print(&mut self, said: Said) -> anyhow::Result<Option<ExitCode>> {
        match said {
            Said::Line(text) => {
                self.clear();
                console::line(&text);
            }
            Said::Progress { done, total, what } => self.progress(done, total, what),
            Said::Ended(code) => {
                self.clear();
                return Ok(Some(ExitCode::from(code)));
            }
            Said::Failed(cause) => {
                self.clear();
                anyhow::bail!(cause);
            }
        }
        Ok(None)
    }

    fn progress(&mut self, done: u64, total: u64, what: String) {
        let bar = self.bar.get_or_insert_with(|| {
            let shape = "{bar:30} {pos}/{len} {msg} ({elapsed}, {eta} left)";
            let style = indicatif::ProgressStyle::with_template(shape);
            let style = style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
            indicatif::ProgressBar::new(total).with_style(style)
        });
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(what);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Takes commands for the running appliance.
pub fn listen(config: &Config) -> anyhow::Result<StdListener> {
    let path = socket(config);
    remove_stale(&path)?;
    let listener = StdListener::bind(&path)
        .with_context(|| format!("the control socket `{}`", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A socket that nobody answers was left by an appliance that was killed.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    if UnixStream::connect(path).is_ok() {
        anyhow::bail!(
            "an appliance runs on this data folder already. Stop it first, or give this one \
             another folder with CLOISTER_PATHS_DATA"
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
            if let Err(cause) = serve_one(stream, app).await {
                tracing::warn!(%cause, "a command line was cut off: {cause}");
            }
        });
    }
}

async fn serve_one(stream: tokio::net::UnixStream, app: AppState) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read).read_line(&mut line).await?;
    let task: Task = serde_json::from_str(&line)?;
    let (saying, mut said) = mpsc::channel(64);
    tokio::spawn(async move { perform_in(&app, task, saying).await });
    while let Some(next) = said.recv().await {
        let mut line = serde_json::to_vec(&next)?;
        line.push(b'\n');
        write.write_all(&line).await?;
    }
    Ok(())
}
