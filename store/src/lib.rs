//! What must survive a power cut: people, grants, sessions, files, documents and their passages,
//! in SQLite; and the original files, kept by their content's hash.
//!
//! The rows are the truth; indexes follow them and can be thrown away. This is the only crate that
//! knows SQL. It deliberately does not know who may do what: it is handed a [`Permitted`] and
//! hands out a [`Library`] narrowed to it. To keep something new, add a migration, a module with
//! one private row struct, and its translation into the domain's type. Queries use `$1`
//! placeholders and no function of one engine alone, so that PostgreSQL can take SQLite's place.

mod access;
mod connection;
mod conversations;
mod error;
mod files;
mod filter;
mod in_force;
mod inside;
mod library;
mod originals;
mod people;
mod publish;
mod sequence;
mod sessions;
mod settings;
mod vectors;

pub use access::{Collection, Group};
pub use connection::Store;
pub use conversations::{ConversationSummary, QuotedPlace, Turn, WrittenSentence};
pub use error::StoreError;
pub use files::{FileRecord, FileState, FileTally, SeenFile};
pub use filter::DocumentFilter;
pub use library::{DocumentRecord, Library, RevisionRecord};
pub use originals::Originals;
pub use people::{NewUser, User};
pub use publish::{FileInside, NewRevision, Settled};
pub use sequence::StoredPassage;
pub use sessions::{Session, SignInRecord};
pub use settings::ReadingOf;
pub use vectors::{EmbedderInUse, Unembedded};
