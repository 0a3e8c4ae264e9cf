//! A tamper-evident audit log.
//!
//! Entries are lines of JSON in `entries.jsonl`, the leaves of an RFC 6962 Merkle tree. The tree's
//! size and root are signed in `checkpoint`, a C2SP checkpoint
//! (<https://c2sp.org/tlog-checkpoint>). A checkpoint that is stored elsewhere reveals every later
//! change, removal, reordering or cut tail. [`verify`] and the program `cloister-audit` check this;
//! they need only the folder and the public key.
//!
//! [`AuditLog::append`] returns when the entry is on the disk, and not before: no log, no answer.
//! This crate deliberately does not know what may be asked or by whom. To log a new kind of event,
//! add a variant to [`EventKind`].

mod checkpoint;
mod error;
mod event;
mod filter;
mod find;
mod log;
mod merkle;
mod proof;
mod recovery;
mod requests;
mod state;
mod verify;
mod writer;

pub use checkpoint::{Checkpoint, PublicKey};
pub use error::AuditError;
pub use event::{Actor, Entry, Event, EventKind, Outcome};
pub use filter::EntryFilter;
pub use find::EntryPage;
pub use log::AuditLog;
pub use proof::InclusionProof;
pub use recovery::Anchor;
pub use state::Receipt;
pub use verify::{Verification, VerificationFinding, VerificationStatus, verify};
