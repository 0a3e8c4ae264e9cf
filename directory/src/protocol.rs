//! The questions of the appliance and the answers of the connector: frames of JSON, each with its
//! length in four bytes before it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame. The settings are the longest, with the certificates of authorities.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// What the appliance asks.
#[derive(Serialize, Deserialize)]
pub enum Inquiry {
    /// Whether this is the password of the person with this name.
    SignIn {
        /// The name as typed.
        name: String,
        /// The password. It is sent to the directory, and stored nowhere.
        password: String,
    },
    /// Whether the person still exists, and in which groups they are.
    Lookup {
        /// The value of the attribute that identifies them.
        key: String,
    },
    /// Each step to the directory, for an operator.
    Check {
        /// A person to look for.
        name: Option<String>,
    },
}

/// A question with its number, which its answer has, too.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) inquiry: Inquiry,
}

/// What the connector answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The person, whose password was right if one was given.
    Person(DirectoryPerson),
    /// The password is wrong, or the directory refuses the account.
    WrongPassword,
    /// There is no such person, or more than one.
    Unknown,
    /// The account is disabled in the directory.
    Disabled,
    /// The directory did not answer.
    Unavailable(String),
    /// The steps of a check, up to the first that failed.
    Checked(Vec<CheckStep>),
}

/// A person of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryPerson {
    /// The value of the attribute that identifies them.
    pub key: String,
    /// The name to sign in with.
    pub name: String,
    /// Those groups of the settings in which they are, directly or through other groups, as the
    /// settings write them.
    pub groups: Vec<String>,
}

/// A step of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStep {
    /// What was tried.
    pub what: String,
    /// What was found.
    pub found: Option<String>,
    /// What to do if it failed.
    pub advice: Option<String>,
}

/// An answer with the number of its question.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) id: u64,
    pub(crate) answer: Answer,
}

/// How the start of the connector ended: what the kernel enforces, or why it did not start.
pub(crate) type StartReport = Result<String, String>;

/// Reads a frame. `None` at the end of the stream.
pub(crate) async fn read_frame<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<T>> {
    let length = match stream.read_u32().await {
        Ok(length) => usize::try_from(length).map_err(io::Error::other)?,
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(cause) => return Err(cause),
    };
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Writes a frame.
pub(crate) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    value: &impl Serialize,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    if bytes.len() > MAX_FRAME_BYTES {
        return Err(io::Error::other("a frame is too long"));
    }
    stream.write_u32(length).await?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_bounded_and_end_with_the_stream() {
        let mut written = Vec::new();
        write_frame(&mut written, &Answer::Unknown).await.unwrap();
        let mut stream = written.as_slice();
        let read: Option<Answer> = read_frame(&mut stream).await.unwrap();
        assert_eq!(read, Some(Answer::Unknown));
        let end: Option<Answer> = read_frame(&mut stream).await.unwrap();
        assert_eq!(end, None);
        let long = "x".repeat(MAX_FRAME_BYTES);
        assert!(write_frame(&mut Vec::new(), &long).await.is_err());
        let claimed = u32::MAX.to_be_bytes();
        let refused = read_frame::<Answer>(&mut claimed.as_slice()).await;
        assert!(refused.is_err());
    }
}
