//! Attempts to break out of the sandbox. Every attempt must fail, and each would succeed in a
//! process that is not confined. No attempt contacts another machine.

use rustix::net::{AddressFamily, SendFlags, SocketType};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What was tried.
    pub what: String,
    /// The error that stopped it. `None` if nothing stopped it.
    pub stopped_by: Option<String>,
}

impl Attempt {
    /// Only a refusal by the kernel counts. A connection that nobody answers has got out.
    fn new(what: &str, result: io::Result<()>) -> Self {
        let refusal = result
            .err()
            .filter(|cause| cause.kind() == io::ErrorKind::PermissionDenied);
        Self {
            what: what.to_owned(),
            stopped_by: refusal.map(|cause| cause.to_string()),
        }
    }
}

/// A listener on the loopback interface and a connection to it, opened before the process is
/// confined.
pub struct Target {
    address: SocketAddr,
    connection: TcpStream,
    _listener: TcpListener,
}

impl Target {
    /// Opens the listener and the connection.
    pub fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        Ok(Self {
            address,
            connection: TcpStream::connect(address)?,
            _listener: listener,
        })
    }

    /// Connects the open connection again.
    fn reconnect(&self) -> io::Result<()> {
        rustix::net::connect(&self.connection, &self.address).map_err(io::Error::from)
    }

    /// Connects by sending, which `MSG_FASTOPEN` allows.
    fn send_while_connecting(&self) -> io::Result<()> {
        let fast_open = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.unsigned_abs());
        rustix::net::sendto(&self.connection, b"x", fast_open, &self.address)?;
        Ok(())
    }
}

/// Tries every way out. Without a target, the attempts that need one are left out.
pub fn attempt_all(target: Option<&Target>) -> Vec<Attempt> {
    let unused_port = SocketAddr::from(([127, 0, 0, 1], 9));
    let address = target.map_or(unused_port, |target| target.address);
    let mut attempts = vec![
        Attempt::new(
            "connect over TCP (IPv4)",
            TcpStream::connect(address).map(drop),
        ),
        Attempt::new(
            "connect over TCP (IPv6)",
            open_socket(AddressFamily::INET6, SocketType::STREAM),
        ),
        Attempt::new(
            "open a UDP socket, as a name lookup would",
            UdpSocket::bind("127.0.0.1:0").map(drop),
        ),
        Attempt::new(
            "open a local datagram socket, which reaches a log forwarder",
            UnixDatagram::unbound().map(drop),
        ),
        Attempt::new(
            "open a raw socket",
            open_socket(AddressFamily::INET, SocketType::RAW),
        ),
        Attempt::new(
            "open a netlink socket",
            open_socket(AddressFamily::NETLINK, SocketType::RAW),
        ),
        Attempt::new(
            "open a packet socket",
            open_socket(AddressFamily::PACKET, SocketType::RAW),
        ),
        Attempt::new(
            "read the password hashes of the machine",
            std::fs::File::open("/etc/shadow").map(drop),
        ),
        Attempt::new(
            "write outside the data folder",
            write_file_in(Path::new("/var/tmp")),
        ),
    ];
    if let Some(target) = target {
        attempts.push(Attempt::new(
            "connect a socket that was opened before",
            target.reconnect(),
        ));
        attempts.push(Attempt::new(
            "send while connecting (TCP fast open)",
            target.send_while_connecting(),
        ));
    }
    attempts
}

fn open_socket(family: AddressFamily, socket_type: SocketType) -> io::Result<()> {
    rustix::net::socket(family, socket_type, None)?;
    Ok(())
}

fn write_file_in(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("cloister-doctor-{}", std::process::id()));
    std::fs::write(&path, b"out")?;
    std::fs::remove_file(&path)
}
