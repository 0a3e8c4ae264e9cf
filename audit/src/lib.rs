//! The audit log that nobody can quietly edit.
//!
//! Entries are lines of JSON in `entries.jsonl`, the leaves of an RFC 6962 Merkle tree. Its size
//! and root are signed in `checkpoint`, a C2SP checkpoint (<https://c2sp.org/tlog-checkpoint>). A
//! checkpoint kept elsewhere shows any later change, removal, reordering or cut tail, with
//! [`verify`] or the program `cloister-audit`, which needs this folder and the public key alone.
//!
//! [`AuditLog::append`] returns once the entry is on the disk, and not before: no log, no answer.
//! This crate deliberately does not know what may be asked or by whom. To log a new kind of event,
//! add a variant to [`EventKind`].

mod checkpoint;
mod error;
mod event;
mod filter;
mod log;
mod merkle;
mod recovery;
mod verify;
mod writer;

pub use checkpoint::{Checkpoint, PublicKey};
pub use error::AuditError;
pub use event::{Actor, Entry, Event, EventKind, Outcome};
pub use filter::{Filter, FoundEntries};
pub use log::{AuditLog, Receipt};
pub use verify::{Finding, Verification, verify};
