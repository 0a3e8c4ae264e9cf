//! Ids: one type for each kind of thing, so that the compiler tells a document from a revision.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(digits: &str) -> Result<Self, Self::Err> {
                digits.parse().map(Self)
            }
        }
    };
}

row_id!(
    /// A collection, which is a top folder of the inbox. Access is granted to collections.
    CollectionId
);
row_id!(
    /// A document, which is a path in a collection, regardless of its content. Fits in a `u32`.
    DocumentId
);
row_id!(
    /// A revision, which is one content of a document.
    RevisionId
);
row_id!(
    /// A passage of a revision. Ids grow in the order of commits and are never reused, so they are
    /// also the sequence numbers that indexes follow.
    PassageId
);
row_id!(
    /// A person. Ids of removed persons are never reused.
    UserId
);
row_id!(
    /// A personal API token. Ids of revoked tokens are never reused.
    TokenId
);
row_id!(
    /// A security key or passkey of a person. Ids of removed keys are never reused.
    SecurityKeyId
);
row_id!(
    /// A change of an account that waits for a second administrator.
    AccountRequestId
);
row_id!(
    /// A group of people, to which collections are granted.
    GroupId
);
row_id!(
    /// A file of the inbox, and its entry in the ingestion queue.
    FileId
);

/// SHA-256 of a session's secret. The database stores it, and the audit log may contain it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

/// SHA-256 of a file's bytes, as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FileHash(
    // INVARIANT: 64 lower-case hexadecimal digits, so that it is safe as a file name.
    String,
);

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a SHA-256 in lower-case hexadecimal")]
pub struct ParseFileHashError(pub String);

impl FileHash {
    /// The hash as its 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash of these bytes.
    pub fn digest(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(hex::encode(sha2::Sha256::digest(bytes)))
    }
}

impl TryFrom<String> for FileHash {
    type Error = ParseFileHashError;
    fn try_from(digits: String) -> Result<Self, Self::Error> {
        let well_formed = digits.len() == 64
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed {
            Ok(Self(digits))
        } else {
            Err(ParseFileHashError(digits))
        }
    }
}

impl<'de> Deserialize<'de> for FileHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        Self::try_from(digits).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
