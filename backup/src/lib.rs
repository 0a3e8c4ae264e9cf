//! Encrypted, deduplicated backups in a folder.
//!
//! A file is cut into chunks of one mebibyte. Each chunk is stored once, under the SHA-256 of its
//! content, encrypted to the public key of an age identity. A snapshot is an encrypted manifest that
//! lists files and their chunks. The machine that is backed up has the public key only, so somebody
//! who has broken into it cannot read its backups.
//!
//! ```text
//! objects/ab/ab12….age      a chunk
//! snapshots/NAME.age        a manifest
//! snapshots/NAME.chunks     the names of its chunks, so that old ones can be deleted without the key
//! ```

mod error;
mod keys;
mod manifest;
mod objects;
mod repository;

pub use error::BackupError;
pub use keys::{Identity, Recipient, generate_identity};
pub use manifest::{BackedUpFile, Manifest};
pub use repository::{Repository, SnapshotSummary, SnapshotWriter};
