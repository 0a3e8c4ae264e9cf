//! The words of the product: ids, documents, passages, principals, time and chance.
//!
//! Every other crate speaks in these types, so that a passage means the same thing to the reader
//! that cut it, the index that finds it and the browser that highlights it.
//!
//! This crate does no I/O and knows no other crate of the house. It deliberately does not know
//! SQL, HTTP, tensors or file formats. To add a word, add it to the module whose noun it belongs
//! to, say its units, and keep its invariant in its constructor.

pub mod access;
pub mod chance;
pub mod document;
pub mod ids;
pub mod labels;
pub mod principal;
pub mod text;
pub mod time;

pub use access::Permitted;
pub use chance::Entropy;
pub use document::{
    Block, BlockKind, DocumentInfo, Page, PageText, Passage, PassageDraft, PassageSpan, Rect, Word,
};
pub use ids::{
    CollectionId, DocumentId, FileHash, FileId, GroupId, PassageId, RevisionId, SessionId, UserId,
};
pub use labels::{Day, Labels, NotADay};
pub use principal::{Principal, Role};
pub use text::ByteRange;
pub use time::{Clock, Timestamp};
