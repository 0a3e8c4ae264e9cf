//! The side of the connector: it takes its settings, resolves the one host, confines itself, and
//! answers questions.

use crate::confine::confine;
use crate::ldap::Directory;
use crate::protocol::{Answer, Request, Response, StartReport, read_frame, write_frame};
use crate::settings::DirectorySettings;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, Semaphore};

/// Questions that are answered at once. Further ones wait.
const MAX_CONCURRENT: usize = 16;

/// Runs the connector, whose standard input is a socket of the appliance, until that is closed.
pub fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = runtime.and_then(|runtime| runtime.block_on(serve()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        // The appliance has the reason, or has ended itself.
        Err(_) => ExitCode::FAILURE,
    }
}

async fn serve() -> std::io::Result<()> {
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    let stream = StdStream::from(input);
    stream.set_nonblocking(true)?;
    let (mut reader, mut writer) = UnixStream::from_std(stream)?.into_split();
    let Some(settings) = read_frame::<DirectorySettings>(&mut reader).await? else {
        return Ok(());
    };
    let prepared = prepare(settings);
    let report: StartReport = match &prepared {
        Ok((_, status)) => Ok(status.clone()),
        Err(reason) => Err(reason.clone()),
    };
    write_frame(&mut writer, &report).await?;
    match prepared {
        Ok((directory, _)) => answer_all(Arc::new(directory), reader, writer).await,
        Err(_) => Ok(()),
    }
}

/// Prepares everything that needs files or name servers, and then gives both up.
fn prepare(settings: DirectorySettings) -> Result<(Directory, String), String> {
    let addresses = resolve(&settings)?;
    let port = settings.port;
    let directory = Directory::new(settings, addresses)?;
    let status = confine(port)?;
    Ok((directory, status))
}

fn resolve(settings: &DirectorySettings) -> Result<Vec<SocketAddr>, String> {
    let DirectorySettings { host, port, .. } = settings;
    let resolved = (host.as_str(), *port).to_socket_addrs();
    let addresses: Vec<_> = resolved
        .map_err(|cause| format!("the host name `{host}` could not be resolved: {cause}"))?
        .collect();
    if addresses.is_empty() {
        return Err(format!("the host name `{host}` has no address"));
    }
    Ok(addresses)
}

async fn answer_all(
    directory: Arc<Directory>,
    mut reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
) -> std::io::Result<()> {
    let writer = Arc::new(Mutex::new(writer));
    let turns = Arc::new(Semaphore::new(MAX_CONCURRENT));
    while let Some(Request { id, inquiry }) = read_frame(&mut reader).await? {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
            break;
        };
        let (directory, writer) = (Arc::clone(&directory), Arc::clone(&writer));
        tokio::spawn(async move {
            // The library that reads the directory's answers may fail on a hostile one.
            let answered = tokio::spawn(async move { directory.answer(inquiry).await }).await;
            let answer = answered.unwrap_or_else(|cause| Answer::Unavailable(cause.to_string()));
            let response = Response { id, answer };
            // If the appliance has gone, the next read ends the connector.
            let _unsent = write_frame(&mut *writer.lock().await, &response).await;
            drop(turn);
        });
    }
    Ok(())
}
