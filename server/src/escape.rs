//! Trying to get out, as `cloister doctor` does: every attempt must fail, and each is one that
//! would succeed, were the process not confined. Nothing here speaks to another machine.

use rustix::net::{AddressFamily, SendFlags, SocketType};
use serde::{Deserialize, Serialize};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What was tried.
    pub what: String,
    /// What stopped it; `None` means that nothing did.
    pub stopped_by: Option<String>,
}

/// What must be opened before the process is confined, so that the attempts have a target.
pub struct Target {
    address: SocketAddr,
    opened: TcpStream,
    _listener: TcpListener,
}

impl Target {
    /// Opens a listener on the loopback interface and one connection to it.
    pub fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let opened = TcpStream::connect(address)?;
        Ok(Self {
            address,
            opened,
            _listener: listener,
        })
    }
}

/// Tries every way out. `target` is there where the process could open one before it was confined.
pub fn attempt_all(target: Option<&Target>) -> Vec<Attempt> {
    let nearby = target.map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)), |t| t.address);
    let mut attempts = vec![
        attempt("connect over TCP (IPv4)", || {
            TcpStream::connect(nearby).map(drop)
        }),
        attempt("connect over TCP (IPv6)", || {
            open(AddressFamily::INET6, SocketType::STREAM)
        }),
        attempt("open a UDP socket, as a name lookup would", || {
            UdpSocket::bind("127.0.0.1:0").map(drop)
        }),
        attempt("open a raw socket", || {
            open(AddressFamily::INET, SocketType::RAW)
        }),
        attempt("open a netlink socket", || {
            open(AddressFamily::NETLINK, SocketType::RAW)
        }),
        attempt("open a packet socket", || {
            open(AddressFamily::PACKET, SocketType::RAW)
        }),
        attempt("read the machine's password hashes", || {
            std::fs::File::open("/etc/shadow").map(drop)
        }),
        attempt("write outside the data folder", || {
            write_outside(Path::new("/var/tmp"))
        }),
    ];
    if let Some(target) = target {
        attempts.push(attempt("connect a socket that was opened before", || {
            rustix::net::connect(&target.opened, &nearby).map_err(Into::into)
        }));
        attempts.push(attempt("send while connecting (TCP fast open)", || {
            let fast = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.unsigned_abs());
            let sent = rustix::net::sendto(&target.opened, b"x", fast, &nearby);
            sent.map(drop).map_err(Into::into)
        }));
    }
    attempts
}

fn attempt(what: &str, go: impl FnOnce() -> std::io::Result<()>) -> Attempt {
    // Only a refusal of the kernel counts: a connection that nobody answers has got out.
    let refused = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::PermissionDenied;
    let stopped_by = go().err().filter(refused).map(|cause| cause.to_string());
    Attempt {
        what: what.to_owned(),
        stopped_by,
    }
}

fn open(family: AddressFamily, kind: SocketType) -> std::io::Result<()> {
    rustix::net::socket(family, kind, None)
        .map(drop)
        .map_err(Into::into)
}

fn write_outside(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!("cloister-doctor-{}", std::process::id()));
    std::fs::write(&path, b"out")?;
    std::fs::remove_file(&path)
}
