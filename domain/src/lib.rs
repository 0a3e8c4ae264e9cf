//! The domain model: ids, documents, passages, principals, time and entropy.
//!
//! All other crates use these types, so that a passage means the same to the reader that made it,
//! the index that finds it and the browser that highlights it.
//!
//! This crate does no I/O and depends on no other crate of the workspace. It deliberately does not
//! know SQL, HTTP, tensors or file formats. To add a type, add it to the module of its subject,
//! state its units, and enforce its invariant in its constructor.

pub mod access;
pub mod account;
pub mod atomic_file;
pub mod document;
pub mod entropy;
pub mod ids;
pub mod metadata;
pub mod principal;
pub mod random;
pub mod text;
pub mod time;

pub use access::Permitted;
pub use account::{LossKind, OmissionKind, ReadingAccount};
pub use document::{
    Block, BlockKind, DocumentInfo, Page, PageText, Passage, PassageDraft, PassageRow, PassageSpan,
    Rect, TableCell, TableRow, Word,
};
pub use entropy::Entropy;
pub use ids::{
    AccountRequestId, CollectionId, DocumentId, FileHash, FileId, GroupId, PassageId, RevisionId,
    SecurityKeyId, SessionId, TokenId, UserId,
};
pub use metadata::{Day, DocumentMetadata, ParseDayError};
pub use principal::{Principal, Role, TokenScope};
pub use text::ByteRange;
pub use time::{Clock, Timestamp};
