//! Attempts what the confined child must not be able to do.
//!
//! A test and the command `doctor` request this. Reading a file never does.

use crate::wire::Attempt;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

/// Attempts each forbidden operation once.
pub fn run_attempts() -> Vec<Attempt> {
    vec![
        attempt("open a file", std::fs::File::open("/etc/passwd")),
        attempt(
            "make a file",
            std::fs::File::create("/tmp/cloister-selfcheck"),
        ),
        attempt("list a folder", std::fs::read_dir("/")),
        attempt("open its own memory", std::fs::File::open("/proc/self/mem")),
        attempt("reach a TCP port", TcpStream::connect(("127.0.0.1", 80))),
        attempt("offer a TCP port", TcpListener::bind(("127.0.0.1", 0))),
        attempt("open a UDP socket", UdpSocket::bind(("127.0.0.1", 0))),
        attempt("reach a local socket", UnixStream::connect("/run/cloister")),
        attempt("start a thread", std::thread::Builder::new().spawn(|| ())),
        attempt("start a program", start_program()),
        attempt(
            "become root",
            rustix::thread::set_thread_uid(rustix::thread::Uid::ROOT),
        ),
        attempt(
            "signal another process",
            rustix::process::test_kill_process(rustix::process::Pid::INIT),
        ),
    ]
}

fn attempt<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) -> Attempt {
    Attempt {
        what: what.to_owned(),
        refused: outcome.err().map(|cause| cause.to_string()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the check is that this process cannot start another"
)]
fn start_program() -> std::io::Result<std::process::ExitStatus> {
    std::process::Command::new("/bin/true").status()
}
