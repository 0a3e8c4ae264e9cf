//! What happens to a connection before TLS: limits by address, and the PROXY protocol.

use super::proxy_protocol::{self, ProxyHeaderError};
use crate::limits::{RateLimiter, network_of};
use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tower::Layer;

/// How long a proxy may take to send its header.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that takes no data for this long is disconnected.
const SEND_TIMEOUT: Duration = Duration::from_mins(1);

/// A connection through which nothing passes for this long is closed. This is longer than any
/// request takes without a part of its response.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// The address of the client of a connection: the proxy's header names it if there is a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open connections of everybody.
    pub total: usize,
    /// Open connections from one address.
    pub per_address: usize,
}

/// Admits connections.
#[derive(Clone)]
pub struct GuardedAcceptor {
    connections: Arc<Connections>,
    requires_proxy_header: bool,
    warnings: Arc<RateLimiter<()>>,
}

/// The open connections, by network.
struct Connections {
    limits: ConnectionLimits,
    // INVARIANT: the counts are at least one, and their sum is at most `limits.total`.
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Connections {
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<OpenConnection> {
        let network = network_of(address);
        let mut open = self.open.lock();
        let total: usize = open.values().sum();
        let own = open.get(&network).copied().unwrap_or(0);
        if total >= self.limits.total || own >= self.limits.per_address {
            return None;
        }
        open.insert(network, own + 1);
        Some(OpenConnection {
            network,
            connections: Arc::clone(self),
        })
    }
}

/// An open connection. It is no longer counted when this is dropped.
struct OpenConnection {
    network: IpAddr,
    connections: Arc<Connections>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        match open.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.network)),
        }
    }
}

impl GuardedAcceptor {
    /// An acceptor with these limits.
    pub fn new(limits: ConnectionLimits, requires_proxy_header: bool) -> Self {
        Self {
            connections: Arc::new(Connections {
                limits,
                open: Mutex::default(),
            }),
            requires_proxy_header,
            warnings: Arc::new(RateLimiter::per_minute(1)),
        }
    }

    /// Reports why connections are refused, but not each of them.
    fn refused(&self, cause: &ProxyHeaderError) -> io::Error {
        if self.warnings.take((), Instant::now()).is_ok() {
            tracing::warn!(%cause, "a connection was refused: {cause}");
        }
        io::Error::other(cause.to_string())
    }

    async fn admit(self, mut stream: TcpStream) -> io::Result<(GuardedStream, ClientAddress)> {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_tcp_user_timeout(&stream, millis(SEND_TIMEOUT))?;
        let peer = stream.peer_addr()?.ip();
        let address = if self.requires_proxy_header {
            let header = proxy_protocol::read_client_address(&mut stream);
            match tokio::time::timeout(PROXY_HEADER_TIMEOUT, header).await {
                Ok(Ok(client)) => client.unwrap_or(peer),
                Ok(Err(cause)) => return Err(self.refused(&cause)),
                Err(_elapsed) => return Err(self.refused(&ProxyHeaderError::Missing)),
            }
        } else {
            peer
        };
        let Some(open) = self.connections.admit(address) else {
            return Err(io::Error::other("too many connections"));
        };
        let stream = GuardedStream::new(stream, open);
        Ok((stream, ClientAddress(address.to_canonical())))
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

type Admission<S> = Pin<
    Box<dyn Future<Output = io::Result<(GuardedStream, AddExtension<S, ClientAddress>)>> + Send>,
>;

impl<S: Send + 'static> Accept<TcpStream, S> for GuardedAcceptor {
    type Stream = GuardedStream;
    type Service = AddExtension<S, ClientAddress>;
    type Future = Admission<S>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let acceptor = self.clone();
        Box::pin(async move {
            let (stream, address) = acceptor.admit(stream).await?;
            Ok((stream, Extension(address).layer(service)))
        })
    }
}

/// A connection that is counted while it is open, and closed if nothing passes through it.
pub struct GuardedStream {
    stream: TcpStream,
    last_used: Instant,
    idle: Pin<Box<Sleep>>,
    _open: OpenConnection,
}

impl GuardedStream {
    fn new(stream: TcpStream, open: OpenConnection) -> Self {
        Self {
            stream,
            last_used: Instant::now(),
            idle: Box::pin(tokio::time::sleep(IDLE_TIMEOUT)),
            _open: open,
        }
    }

    /// Whether nothing was read or written for too long.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.idle.as_mut().poll(context).is_ready() {
            let end = self.last_used + IDLE_TIMEOUT;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(end.into());
        }
        Poll::Pending
    }

    fn used(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.last_used = Instant::now();
        }
        result
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.last_used = Instant::now();
            return read;
        }
        match self.poll_idle(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.used(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.used(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        total: 3,
        per_address: 2,
    };

    #[test]
    fn connections_are_limited_by_address_and_in_all() {
        let acceptor = GuardedAcceptor::new(LIMITS, false);
        let admit = |text: &str| acceptor.connections.admit(text.parse().unwrap());
        let first = admit("10.0.0.1").unwrap();
        let second = admit("10.0.0.1").unwrap();
        assert!(admit("10.0.0.1").is_none(), "the address has too many");
        let third = admit("10.0.0.2").unwrap();
        assert!(admit("10.0.0.3").is_none(), "there are too many in all");
        drop(first);
        assert!(admit("10.0.0.3").is_some());
        drop((second, third));
        assert!(acceptor.connections.open.lock().is_empty());
    }

    /// Connects, sends `bytes`, and returns the address that the acceptor found.
    async fn address_after(requires_proxy_header: bool, bytes: &[u8]) -> io::Result<IpAddr> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (accepted, _) = listener.accept().await?;
        client.write_all(bytes).await?;
        client.shutdown().await?;
        let acceptor = GuardedAcceptor::new(LIMITS, requires_proxy_header);
        Ok(acceptor.admit(accepted).await?.1.0)
    }

    #[tokio::test]
    async fn the_proxy_header_is_required_if_configured() {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend([10, 1, 2, 3, 127, 0, 0, 1, 0x12, 0x34, 0x20, 0xfb]);
        let address = address_after(true, &header).await.unwrap();
        assert_eq!(address.to_string(), "10.1.2.3");
        assert!(
            address_after(true, b"\x16\x03\x01 client hello")
                .await
                .is_err()
        );
        assert!(address_after(true, b"").await.is_err());
        let direct = address_after(false, b"").await.unwrap();
        assert_eq!(direct.to_string(), "127.0.0.1");
    }
}
