//! Why a file was quarantined, in words for the administrator.

use crate::wire::Refusal;
use std::time::Duration;

/// Why a file was quarantined. Every message contains the file's name.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Quarantine {
    /// It needs a password.
    #[error(
        "`{0}` is encrypted: it cannot be opened without a password. Remove the password and drop the file again"
    )]
    Encrypted(String),
    /// It is of a kind that is not supported.
    #[error("`{name}` is {found}, which is not read. Cloister reads {readable}")]
    NotRead {
        /// The file.
        name: String,
        /// What it is.
        found: String,
        /// The supported kinds.
        readable: String,
    },
    /// It is damaged.
    #[error(
        "`{name}` is damaged: {detail}. Open it in the program that made it, save it again and drop the new file"
    )]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// It is empty.
    #[error("`{0}` is empty")]
    Empty(String),
    /// It has no text.
    #[error(
        "`{name}` has {pages} pages and no text on them. If it is a scan, text recognition is not installed or does not know its language{said}"
    )]
    NoText {
        /// The file.
        name: String,
        /// The number of its pages.
        pages: u32,
        /// Warnings from reading it, as the end of the sentence.
        said: String,
    },
    /// It has content, of which nothing was understood.
    #[error(
        "nothing in `{name}` could be understood{said}. Open it in the program that made it, save it in another format and drop the new file"
    )]
    NotUnderstood {
        /// The file.
        name: String,
        /// Warnings from reading it, as the end of the sentence.
        said: String,
    },
    /// It is larger than the limit.
    #[error("`{name}` has {bytes} bytes, more than the limit of {limit}. Split the file")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// It is small, but decompresses to more than the limit.
    #[error("`{0}` inflates to more than the limit, as files made to exhaust a machine do")]
    Inflates(String),
    /// It has too many pages.
    #[error("`{name}` has more than {limit} pages. Split the file")]
    TooManyPages {
        /// The file.
        name: String,
        /// The limit.
        limit: u32,
    },
    /// It has too much text.
    #[error("`{name}` has more than {limit} bytes of text. Split the file")]
    TooMuchText {
        /// The file.
        name: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The child exceeded its memory limit.
    #[error(
        "the reader ran out of memory on `{name}` (limit {limit} MiB). The file is damaged, or made to exhaust a machine"
    )]
    OutOfMemory {
        /// The file.
        name: String,
        /// The limit in MiB.
        limit: u64,
    },
    /// The child exceeded a time limit.
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
    /// It has no such page.
    #[error("`{name}` has no page {page}")]
    NoSuchPage {
        /// The file.
        name: String,
        /// The page.
        page: u32,
    },
    /// Its format has no pages that can be rendered.
    #[error("`{0}` has no pages that could be drawn")]
    NotDrawn(String),
    /// The child could not be confined. The machine is at fault, not the file.
    #[error(
        "the reader could not be confined, so it did not touch `{name}`: {detail}. It needs a Linux kernel of 6.7 or later with Landlock and seccomp"
    )]
    Unconfined {
        /// The file.
        name: String,
        /// What failed.
        detail: String,
    },
    /// The child could not be started. The machine is at fault, not the file.
    #[error("the reader could not be started for `{name}`: {detail}")]
    NotStarted {
        /// The file.
        name: String,
        /// What failed.
        detail: String,
    },
    /// The child violated the protocol.
    #[error("the reader gave an answer about `{name}` that makes no sense: {detail}")]
    Nonsense {
        /// The file.
        name: String,
        /// What it said.
        detail: String,
    },
}

impl Quarantine {
    /// Whether the file was read without a warning, and nothing is written in it.
    pub fn is_blank(&self) -> bool {
        matches!(self, Self::NoText { said, .. } if said.is_empty())
    }

    /// Whether the appliance is at fault, so that the unchanged file may be tried again.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Unconfined { .. } | Self::NotStarted { .. })
    }

    /// A short code for lists and counts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Encrypted(_) => "encrypted",
            Self::NotRead { .. } => "not-read",
            Self::Damaged { .. } => "damaged",
            Self::Empty(_) => "empty",
            Self::NoText { .. } => "no-text",
            Self::NotUnderstood { .. } => "not-understood",
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

    /// Adds the file's name to the child's refusal.
    pub(crate) fn refused(refusal: Refusal, name: &str, file_limit: u64) -> Self {
        let name = name.to_owned();
        match refusal {
            Refusal::Encrypted => Self::Encrypted(name),
            Refusal::NotRead(found) => Self::NotRead {
                name,
                found,
                readable: crate::formats::format_list(),
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
