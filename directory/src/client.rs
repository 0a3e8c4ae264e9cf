//! The side of the appliance: it starts the connector, and asks it.

use crate::protocol::{Answer, Inquiry, Request, Response, StartReport, read_frame, write_frame};
use crate::settings::DirectorySettings;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

/// How long an answer may take: a few operations of the directory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the connector did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The program could not be started.
    #[error("could not start `{program}`: {cause}. It must be installed beside `cloister`")]
    Start {
        /// The program.
        program: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The connector refused to start.
    #[error("the connector to the directory did not start: {0}")]
    Refused(String),
    /// The connector has ended, or sent something else.
    #[error("the connector to the directory has ended: {0}")]
    Ended(String),
    /// The connector took too long.
    #[error("the directory did not answer in time")]
    Timeout,
}

impl From<io::Error> for ConnectorError {
    fn from(cause: io::Error) -> Self {
        Self::Ended(cause.to_string())
    }
}

/// A connector that runs, before the appliance has a runtime.
pub struct StartedConnector {
    stream: StdStream,
    child: Child,
}

impl StartedConnector {
    /// Starts the connector. The appliance must not have given up the network yet, because the
    /// connector would not have it either.
    pub fn start(program: &Path) -> Result<Self, ConnectorError> {
        let failed = |cause| ConnectorError::Start {
            program: program.to_owned(),
            cause,
        };
        let (own, other) = StdStream::pair().map_err(failed)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the connector is the one program that this crate starts"
        )]
        let mut command = Command::new(program);
        command
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(other)))
            .stdout(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        Ok(Self { stream: own, child })
    }

    /// Gives the connector its settings, after which it confines itself.
    pub async fn connect(
        self,
        settings: &DirectorySettings,
    ) -> Result<DirectoryClient, ConnectorError> {
        self.stream.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(self.stream)?;
        write_frame(&mut stream, settings).await?;
        let report: Option<StartReport> = read_frame(&mut stream).await?;
        let report = report.ok_or_else(|| ConnectorError::Refused("it ended".into()))?;
        let status = report.map_err(ConnectorError::Refused)?;
        let (reader, writer) = stream.into_split();
        let pending = Pending::default();
        tokio::spawn(receive_answers(reader, Pending::clone(&pending)));
        Ok(DirectoryClient {
            status,
            writer: tokio::sync::Mutex::new(writer),
            pending,
            next_id: AtomicU64::new(0),
            child: self.child.id(),
        })
    }
}

/// The questions that wait for an answer.
type Pending = Arc<Mutex<PendingAnswers>>;

#[derive(Default)]
struct PendingAnswers {
    senders: HashMap<u64, oneshot::Sender<Answer>>,
    has_ended: bool,
}

/// Asks the directory through the connector.
pub struct DirectoryClient {
    status: String,
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    pending: Pending,
    next_id: AtomicU64,
    child: u32,
}

impl DirectoryClient {
    /// What the kernel enforces on the connector.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// The id of the process of the connector.
    pub fn process_id(&self) -> u32 {
        self.child
    }

    /// Asks a question and waits for its answer.
    pub async fn ask(&self, inquiry: Inquiry) -> Result<Answer, ConnectorError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let receiver = self.expect_answer(id)?;
        let request = Request { id, inquiry };
        let exchange = async {
            write_frame(&mut *self.writer.lock().await, &request).await?;
            let ended = |_| ConnectorError::Ended("it closed the connection".into());
            receiver.await.map_err(ended)
        };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        self.pending.lock().senders.remove(&id);
        answer.unwrap_or(Err(ConnectorError::Timeout))
    }

    fn expect_answer(&self, id: u64) -> Result<oneshot::Receiver<Answer>, ConnectorError> {
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.pending.lock();
        if pending.has_ended {
            let detail = "start the appliance again".to_owned();
            return Err(ConnectorError::Ended(detail));
        }
        pending.senders.insert(id, sender);
        Ok(receiver)
    }
}

/// Passes answers on until the connector ends.
async fn receive_answers(mut reader: OwnedReadHalf, pending: Pending) {
    loop {
        let response: io::Result<Option<Response>> = read_frame(&mut reader).await;
        let Ok(Some(Response { id, answer })) = response else {
            break;
        };
        if let Some(sender) = pending.lock().senders.remove(&id) {
            // The caller may have stopped waiting.
            let _unreceived = sender.send(answer);
        }
    }
    let mut pending = pending.lock();
    pending.has_ended = true;
    pending.senders.clear();
    tracing::error!("the connector to the directory has ended. Start the appliance again");
}
