//! Tries what the confined child must not be able to do.
//!
//! A test and `doctor` ask for this; a reading never does.

use crate::wire::Attempt;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

/// Tries each forbidden thing once.
pub fn attempts() -> Vec<Attempt> {
    vec![
        tried("open a file", std::fs::File::open("/etc/passwd")),
        tried(
            "make a file",
            std::fs::File::create("/tmp/cloister-selfcheck"),
        ),
        tried("list a folder", std::fs::read_dir("/")),
        tried("open its own memory", std::fs::File::open("/proc/self/mem")),
        tried("reach a TCP port", TcpStream::connect(("127.0.0.1", 80))),
        tried("offer a TCP port", TcpListener::bind(("127.0.0.1", 0))),
        tried("open a UDP socket", UdpSocket::bind(("127.0.0.1", 0))),
        tried("reach a local socket", UnixStream::connect("/run/cloister")),
        tried("start a thread", std::thread::Builder::new().spawn(|| ())),
        tried("start a program", start_a_program()),
        tried(
            "become root",
            rustix::thread::set_thread_uid(rustix::thread::Uid::ROOT),
        ),
        tried(
            "signal another process",
            rustix::process::test_kill_process(rustix::process::Pid::INIT),
        ),
    ]
}

fn tried<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) -> Attempt {
    Attempt {
        what: what.to_owned(),
        refused: outcome.err().map(|cause| cause.to_string()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the check is that this process cannot start another"
)]
fn start_a_program() -> std::io::Result<std::process::ExitStatus> {
    std::process::Command::new("/bin/true").status()
}
