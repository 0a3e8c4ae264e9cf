//! Storage: people, grants, sessions, files, documents and their passages in SQLite, and the
//! original files, by the hash of their content.
//!
//! The rows are the truth; indexes follow them and can be rebuilt. This is the only crate that
//! knows SQL. It deliberately does not know who may do what: it receives a
//! [`Permitted`](cloister_domain::Permitted) and returns a [`Library`] that is restricted to it. To store something new, add a migration, and a
//! module with a private row struct and its translation into the domain's type. Queries use `$1`
//! placeholders and standard SQL, so that PostgreSQL can replace SQLite.

mod access;
mod account_requests;
mod activation;
mod api_tokens;
mod attachments;
mod backup;
mod connection;
mod conversations;
mod directory;
mod error;
mod files;
mod filter;
mod in_force;
mod library;
mod names;
mod new_revision;
mod numbers;
mod originals;
mod people;
mod publish;
mod reading_accounts;
mod second_factor;
mod security_keys;
mod sequence;
mod sessions;
mod settings;
mod sign_in_attempts;
mod vectors;

pub use access::{Collection, Group};
pub use account_requests::{AccountChange, AccountRequest};
pub use activation::InvitedPerson;
pub use api_tokens::{ApiToken, NewApiToken};
pub use connection::Store;
pub use conversations::{ConversationSummary, ConversationTurn, GeneratedSentence, QuoteLocation};
pub use directory::DirectoryLink;
pub use error::StoreError;
pub use files::{FileCount, FileRecord, FileState, ScannedFile};
pub use filter::DocumentFilter;
pub use library::{DocumentRecord, Library, RevisionRecord};
pub use names::{check_person_name, normalize_name};
pub use new_revision::{NewAttachment, NewRevision};
pub use originals::Originals;
pub use people::{NewUser, User};
pub use publish::{ContentMatch, RemovedCopy};
pub use reading_accounts::ReadingCounts;
pub use second_factor::SecondFactor;
pub use security_keys::{AddedKey, KeyUse, NewSecurityKey, SecurityKeyRecord};
pub use sequence::StoredPassage;
pub use sessions::{Session, SignInRecord};
pub use settings::ReaderSettings;
pub use sign_in_attempts::{AttemptDelays, AttemptKey};
pub use vectors::{ActiveEmbedder, PassageWithoutVector};
