//! Why a file was set aside, in words for the administrator who dropped it.

use crate::wire::Refusal;
use std::time::Duration;

/// A file that is not read, and why. The file's name is in every message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Quarantine {
    /// Needs a password.
    #[error(
        "`{0}` is encrypted: it cannot be opened without a password. Remove the password and drop the file again"
    )]
    Encrypted(String),
    /// Of a kind that is not read.
    #[error("`{name}` is {found}, which is not read. Cloister reads {readable}")]
    NotRead {
        /// The file.
        name: String,
        /// What it is.
        found: String,
        /// What is read.
        readable: String,
    },
    /// Broken.
    #[error(
        "`{name}` is damaged: {detail}. Open it in the program that made it, save it again and drop the new file"
    )]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// Empty.
    #[error("`{0}` is empty")]
    Empty(String),
    /// No text at all.
    #[error(
        "`{name}` has {pages} pages and no text on them. If it is a scan, text recognition is not installed or does not know its language{said}"
    )]
    NoText {
        /// The file.
        name: String,
        /// Its pages.
        pages: u32,
        /// What was noticed while it was read.
        said: String,
    },
    /// Larger than the limit.
    #[error("`{name}` has {bytes} bytes, more than the limit of {limit}. Split the file")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Small, and huge once inflated.
    #[error("`{0}` inflates to more than the limit, as files made to exhaust a machine do")]
    Inflates(String),
    /// Too many pages.
    #[error("`{name}` has more than {limit} pages. Split the file")]
    TooManyPages {
        /// The file.
        name: String,
        /// The limit.
        limit: u32,
    },
    /// Too much text.
    #[error("`{name}` has more than {limit} bytes of text. Split the file")]
    TooMuchText {
        /// The file.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// The child hit its memory limit.
    #[error(
        "the reader ran out of memory on `{name}` (limit {limit} MiB). The file is damaged, or made to exhaust a machine"
    )]
    OutOfMemory {
        /// The file.
        name: String,
        /// The limit in MiB.
        limit: u64,
    },
    /// The child hit a limit on time.
    #[error(
        "reading `{name}` took longer than {} s and was stopped. The file is damaged, or made to exhaust a machine", .limit.as_secs()
    )]
    OutOfTime {
        /// The file.
        name: String,
        /// The limit.
        limit: Duration,
    },
    /// The child died.
    #[error("the reader crashed on `{name}` ({detail}). The file is damaged, or made to do this")]
    Crashed {
        /// The file.
        name: String,
        /// How it died.
        detail: String,
    },
    /// No such page.
    #[error("`{name}` has no page {page}")]
    NoSuchPage {
        /// The file.
        name: String,
        /// The page.
        page: u32,
    },
    /// The format has no pages that could be drawn.
    #[error("`{0}` has no pages that could be drawn")]
    NotDrawn(String),
    /// The child could not be confined: the machine's fault, not the file's.
    #[error(
        "the reader could not be confined, so it did not touch `{name}`: {detail}. It needs a Linux kernel of 6.7 or later with Landlock and seccomp"
    )]
    Unconfined {
        /// The file.
        name: String,
        /// What failed.
        detail: String,
    },
    /// The child could not be started: the machine's fault, not the file's.
    #[error("the reader could not be started for `{name}`: {detail}")]
    NotStarted {
        /// The file.
        name: String,
        /// What failed.
        detail: String,
    },
    /// The child said something that makes no sense.
    #[error("the reader gave an answer about `{name}` that makes no sense: {detail}")]
    Nonsense {
        /// The file.
        name: String,
        /// What it said.
        detail: String,
    },
}

impl Quarantine {
    /// Whether the machine is at fault and the file may be tried again unchanged.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Unconfined { .. } | Self::NotStarted { .. })
    }

    /// A short name for lists and counts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Encrypted(_) => "encrypted",
            Self::NotRead { .. } => "not-read",
            Self::Damaged { .. } => "damaged",
            Self::Empty(_) => "empty",
            Self::NoText { .. } => "no-text",
            Self::TooLarge { .. } => "too-large",
            Self::Inflates(_) => "inflates",
            Self::TooManyPages { .. } => "too-many-pages",
            Self::TooMuchText { .. } => "too-much-text",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::OutOfTime { .. } => "out-of-time",
            Self::Crashed { .. } => "crashed",
            Self::NoSuchPage { .. } => "no-such-page",
            Self::NotDrawn(_) => "not-drawn",
            Self::Unconfined { .. } => "unconfined",
            Self::NotStarted { .. } => "not-started",
            Self::Nonsense { .. } => "nonsense",
        }
    }

    /// From the child's own words.
    pub(crate) fn refused(refusal: Refusal, name: &str, file_limit: u64) -> Self {
        let name = name.to_owned();
        match refusal {
            Refusal::Encrypted => Self::Encrypted(name),
            Refusal::NotRead(found) => Self::NotRead {
                name,
                found,
                readable: crate::formats::readable(),
            },
            Refusal::Damaged(detail) => Self::Damaged { name, detail },
            Refusal::TooLarge(bytes) => Self::TooLarge {
                name,
                bytes,
                limit: file_limit,
            },
            Refusal::Inflates => Self::Inflates(name),
            Refusal::NoSuchPage(page) => Self::NoSuchPage { name, page },
            Refusal::NotDrawn => Self::NotDrawn(name),
            Refusal::Unconfined(detail) => Self::Unconfined { name, detail },
            Refusal::Empty => Self::Empty(name),
        }
    }
}
