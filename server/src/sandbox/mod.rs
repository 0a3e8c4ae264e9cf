//! The sandbox of the process: it gives up the network and most of the disk before it serves.
//!
//! Landlock (Linux 5.13 and newer) leaves it the folders that it works in and, from Linux 6.7 on,
//! no TCP connection. Landlock does not cover UDP, raw sockets or open sockets, so seccomp denies
//! every new socket that is not local, and every connect. `cloister doctor` tests what is enforced
//! instead of trusting what the kernel reports.

mod apply;
mod paths;
pub mod selftest;

pub use apply::SandboxStatus;
pub use paths::{ConfinedProcess, confine};
