//! A revision that is ready to be published.

use cloister_domain::{DocumentInfo, DocumentMetadata, FileHash, FileId, Page, PassageDraft};

/// A revision that is ready to be published.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// The file that was read.
    pub file: FileId,
    /// The hash of the bytes that were read.
    pub hash: FileHash,
    /// The number of the bytes.
    pub size: u64,
    /// What the file says about itself.
    pub info: DocumentInfo,
    /// Its pages.
    pub pages: Vec<Page>,
    /// Its passages, each with its vector.
    pub passages: Vec<(PassageDraft, Vec<f32>)>,
    /// Its attachments, which are stored among the originals. They are ingested as files of their
    /// own.
    pub attachments: Vec<NewAttachment>,
    /// The metadata from a `document.toml` when the file was read.
    pub metadata: DocumentMetadata,
    /// SHA-256 of the embedder that made the vectors. It must be the active one.
    pub embedder: String,
    /// The time from taking the file from the queue to now, in milliseconds.
    pub took_ms: u64,
}

/// A file that is contained in another one, such as an attachment of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// Its name, which names no folder and is unique among its siblings.
    pub name: String,
    /// The hash of its bytes.
    pub hash: FileHash,
    /// The number of its bytes.
    pub size: u64,
}
