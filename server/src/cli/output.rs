//! The output of a command, which may run in another process than the terminal.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

/// A line of output, a progress report, or the end of a command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputEvent {
    /// A line of the result.
    Line(String),
    /// A report for a progress bar.
    Progress {
        /// Units that are done.
        done: u64,
        /// All units.
        total: u64,
        /// The unit.
        label: String,
    },
    /// The command ended with this status.
    Ended(u8),
    /// The command failed.
    Failed(String),
}

/// Where a command sends its output.
#[derive(Clone)]
pub struct OutputSink(mpsc::Sender<OutputEvent>);

impl OutputSink {
    /// A sink, and the events that it receives.
    pub fn new() -> (Self, mpsc::Receiver<OutputEvent>) {
        const BUFFER: usize = 64;
        let (sender, receiver) = mpsc::channel(BUFFER);
        (Self(sender), receiver)
    }

    /// Sends an event. If the terminal was closed, the command goes on without it.
    pub async fn send(&self, event: OutputEvent) {
        drop(self.0.send(event).await);
    }

    /// Prints a line.
    pub async fn line(&self, text: impl Into<String>) {
        self.send(OutputEvent::Line(text.into())).await;
    }

    /// Prints a result as JSON or as a sentence.
    pub async fn result(&self, as_json: bool, value: Value, sentence: impl Into<String>) {
        if as_json {
            self.line(value.to_string()).await;
        } else {
            self.line(sentence).await;
        }
    }

    /// Reports progress. A report is dropped if the buffer is full, since a newer one follows.
    pub fn progress(&self, done: u64, total: u64, label: impl Into<String>) {
        drop(self.0.try_send(OutputEvent::Progress {
            done,
            total,
            label: label.into(),
        }));
    }
}
