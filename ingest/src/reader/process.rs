//! One child process: its pipes, its time limits, and how it ended.

use crate::limits::Limits;
use crate::quarantine::Quarantine;
use crate::wire::{FRAME_BYTES, Frame, REQUEST, Request};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::{Instant, timeout_at};

/// Bytes of the child's standard error that are examined.
const MAX_STDERR_BYTES: u64 = 8 << 10;

/// Why a child stopped before it was done.
#[derive(Debug)]
pub enum Stop {
    /// It sent nothing for this long, and was killed.
    Silent(Duration),
    /// The time limit of the file expired, and it was killed.
    Overdue,
    /// It exceeded its limit of processor time.
    Cpu,
    /// It exceeded its limit of memory.
    Memory,
    /// Its stack overflowed on deeply nested data.
    Stack,
    /// It died for another reason.
    Died(String),
    /// It sent something that is not a valid frame.
    Nonsense(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(limit) => write!(f, "silent for {} s", limit.as_secs()),
            Self::Overdue => f.write_str("the time for the file is over"),
            Self::Cpu => f.write_str("out of processor time"),
            Self::Memory => f.write_str("out of memory"),
            Self::Stack => f.write_str("nested too deeply"),
            Self::Died(how) => f.write_str(how),
            Self::Nonsense(what) => write!(f, "nonsense: {what}"),
        }
    }
}

impl Stop {
    /// Whether no further child should be started.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Overdue | Self::Nonsense(_))
    }

    /// Turns it into a message for the administrator.
    pub fn into_quarantine(self, name: &str, limits: &Limits) -> Quarantine {
        let name = name.to_owned();
        match self {
            Self::Silent(limit) => Quarantine::OutOfTime { name, limit },
            Self::Overdue => Quarantine::OutOfTime {
                name,
                limit: limits.wall,
            },
            Self::Cpu => Quarantine::OutOfTime {
                name,
                limit: limits.cpu,
            },
            Self::Memory => Quarantine::OutOfMemory {
                name,
                limit: limits.memory_bytes >> 20,
            },
            Self::Stack => Quarantine::Crashed {
                name,
                detail: "its parts are nested too deeply".to_owned(),
            },
            Self::Died(detail) => Quarantine::Crashed { name, detail },
            Self::Nonsense(detail) => Quarantine::Nonsense { name, detail },
        }
    }
}

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct ChildProcess {
    process: tokio::process::Child,
    frames: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
    deadline: Instant,
    opening: Duration,
    page: Duration,
    opened: bool,
}

impl ChildProcess {
    /// Starts `program` with `file` as standard input.
    pub fn start(
        program: &Path,
        file: &File,
        request: &Request,
        deadline: Instant,
    ) -> io::Result<Self> {
        let word = serde_json::to_string(request)?;
        let mut process = spawn(program, &word, file.try_clone()?)?;
        let Some(output) = process.stdout.take() else {
            return Err(io::Error::other("the child has no pipes"));
        };
        Ok(Self {
            stderr: process.stderr.take(),
            frames: BufReader::new(output),
            process,
            deadline,
            opening: request.limits.opening,
            page: request.limits.page,
            opened: false,
        })
    }

    /// Receives the next message.
    pub async fn next(&mut self) -> Result<Frame, Stop> {
        let bytes = self.next_raw().await?;
        let frame = serde_json::from_slice(&bytes);
        let frame = frame.map_err(|cause| Stop::Nonsense(cause.to_string()))?;
        self.opened |= matches!(frame, Frame::Info(_));
        Ok(frame)
    }

    /// Receives the next frame as raw bytes.
    pub async fn next_raw(&mut self) -> Result<Vec<u8>, Stop> {
        let limit = if self.opened { self.page } else { self.opening };
        let until = self.deadline.min(Instant::now() + limit);
        match timeout_at(until, read_frame(&mut self.frames)).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(self.explain_exit().await),
            Ok(Err(cause)) => {
                self.kill().await;
                Err(Stop::Nonsense(cause.to_string()))
            }
            Err(_elapsed) => {
                self.kill().await;
                let overdue = until == self.deadline;
                Err(if overdue {
                    Stop::Overdue
                } else {
                    Stop::Silent(limit)
                })
            }
        }
    }

    async fn kill(&mut self) {
        // The child may have died at this very moment, which is fine.
        let _gone = self.process.kill().await;
    }

    /// Finds out why a child closed its output.
    async fn explain_exit(&mut self) -> Stop {
        let mut message = String::new();
        if let Some(pipe) = self.stderr.take() {
            let mut pipe = pipe.take(MAX_STDERR_BYTES);
            let reading = pipe.read_to_string(&mut message);
            // An incomplete message is examined as far as it was received.
            let _read = tokio::time::timeout(Duration::from_secs(2), reading).await;
        }
        let waited = tokio::time::timeout(Duration::from_secs(5), self.process.wait()).await;
        let Ok(Ok(status)) = waited else {
            self.kill().await;
            return Stop::Died("it closed its output and did not end".to_owned());
        };
        if message.contains("memory allocation") {
            return Stop::Memory;
        }
        if message.contains("overflowed its stack") {
            return Stop::Stack;
        }
        match (status.signal(), status.code()) {
            (Some(libc::SIGXCPU), _) => Stop::Cpu,
            (Some(libc::SIGKILL), _) => Stop::Memory,
            (Some(signal), _) => Stop::Died(format!("ended by signal {signal}")),
            (None, Some(0)) => Stop::Nonsense("it ended before it was done".to_owned()),
            (None, code) => Stop::Died(format!("ended with code {}", code.unwrap_or(-1))),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the reader's supervisor, which starts the one program that may read files"
)]
fn spawn(program: &Path, request: &str, file: File) -> io::Result<tokio::process::Child> {
    tokio::process::Command::new(program)
        .env_clear()
        .env(REQUEST, request)
        .current_dir("/")
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Reads one frame. Returns `None` if the child closed its output between two frames.
async fn read_frame(frames: &mut BufReader<ChildStdout>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0_u8; 4];
    let first = frames.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    let mut filled = first;
    while let Some(rest) = length.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match frames.read(rest).await? {
            0 => return Ok(None),
            more => filled += more,
        }
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES {
        return Err(io::Error::other("a frame is longer than the limit"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    frames.take(limit).read_to_end(&mut bytes).await?;
    // An incomplete frame means that the child died while it was sending.
    Ok((bytes.len() == length).then_some(bytes))
}
