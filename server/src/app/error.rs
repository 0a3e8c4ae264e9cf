//! Errors of use cases, with one table of codes.
//!
//! The cause of an internal error goes to the log of the program, never to a person.

use crate::limits::TurnsRefused;
use crate::passwords::PasswordError;
use crate::sealing::SealingError;
use cloister_answer::AnswerError;
use cloister_audit::AuditError;
use cloister_domain::entropy::EntropyError;
use cloister_policies::PolicyError;
use cloister_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $title:literal;)*) => {
        /// The kind of an error, for a program to act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum ErrorCode { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl ErrorCode {
            /// A sentence that is the same for every error of this code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The name or the password is wrong.
    WrongPassword = "wrong-password", "The name or the password is wrong";
    /// The password of a person who is signed in is wrong.
    WrongCurrentPassword = "wrong-current-password", "Your password is wrong";
    /// The person must type their password again before they do this.
    ReauthenticationNeeded = "reauthentication-needed", "Confirm that it is you";
    /// The password is right, and a code of the second factor is needed as well.
    SecondFactorNeeded = "second-factor-needed", "Enter a code of your second factor";
    /// The code of the second factor is wrong or was used before.
    WrongCode = "wrong-code", "The code is wrong or was used before";
    /// The security key was not accepted.
    KeyRefused = "key-refused", "The security key was not accepted";
    /// The person must set up a second factor before anything else.
    SecondFactorMissing = "second-factor-missing", "Set up a second factor first";
    /// The directory of the site does not answer.
    DirectoryUnavailable = "directory-unavailable", "The directory of your organization does not answer";
    /// The API token does not exist, has expired or was revoked.
    TokenRefused = "token-refused", "The API token is not valid";
    /// Too many wrong passwords for a name from one address. The next attempt has to wait.
    Locked = "locked", "Too many wrong passwords";
    /// Too many requests of one person or from one address.
    TooManyRequests = "too-many-requests", "Too many requests";
    /// Too many requests of everybody together.
    Overloaded = "overloaded", "The appliance is busy";
    /// The body of the request is too large.
    TooLarge = "too-large", "The request is too large";
    /// The request took too long to arrive.
    Timeout = "timeout", "The request took too long";
    /// There is no session, or it has ended.
    SignedOut = "signed-out", "You are not signed in";
    /// The person may not do this.
    Forbidden = "forbidden", "You may not do this";
    /// It does not exist, or the person may not know that it exists.
    NotFound = "not-found", "Not found";
    /// The name or the state conflicts.
    Conflict = "conflict", "That is already taken";
    /// A value is invalid.
    Invalid = "invalid", "That is not valid";
    /// The one-time link was used or has expired.
    SetupLinkSpent = "setup-link-spent", "This link can no longer be used";
    /// The queue is full.
    Busy = "busy", "Too many questions at once";
    /// The audit log cannot be written.
    AuditStopped = "audit-stopped", "The audit log cannot be written";
    /// The disk is full.
    DiskFull = "disk-full", "The disk is full";
    /// A model is missing or still loading.
    ModelUnavailable = "model-unavailable", "A model is not ready";
    /// An internal error.
    Internal = "internal", "Something went wrong in the appliance";
}

/// An error of a use case.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppError {
    /// The code.
    pub code: ErrorCode,
    /// The sentence for the code.
    pub title: String,
    /// What happened this time, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// Seconds after which another try makes sense.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_s: Option<u64>,
    /// How the person can prove their second factor, with `second-factor-needed`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second_factor: Option<Box<FactorRequest>>,
}

/// What a person can prove their second factor with. Recovery codes are always accepted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FactorRequest {
    /// Whether the person has an authenticator app.
    pub app: bool,
    /// A challenge, if the person has security keys that work with this site.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<KeyChallengeView>,
}

/// A challenge for a security key. It can be answered once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyChallenge)]
pub struct KeyChallengeView {
    /// The ticket to send back with the answer.
    pub ticket: String,
    /// What `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`
    /// takes.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, AppError>;

impl From<ErrorCode> for AppError {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            title: code.title().to_owned(),
            detail: None,
            retry_after_s: None,
            second_factor: None,
        }
    }
}

impl ErrorCode {
    /// An error with what happened this time.
    pub fn with_detail(self, detail: impl std::fmt::Display) -> AppError {
        AppError {
            detail: Some(detail.to_string()),
            ..self.into()
        }
    }

    /// An error that asks to wait.
    pub fn with_wait(self, wait: std::time::Duration) -> AppError {
        let seconds = wait.as_secs() + 1;
        let detail = match seconds {
            0..=90 => format!("Try again in {seconds} seconds"),
            _ => format!("Try again in {} minutes", seconds.div_ceil(60)),
        };
        self.with_detail(detail).retry_after(seconds)
    }
}

impl AppError {
    /// An internal error. The cause goes to the log of the program.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error: {cause}");
        ErrorCode::Internal.with_detail("The log of the appliance has the cause")
    }

    /// The error with the seconds after which another try makes sense.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl std::error::Error for AppError {}

impl From<StoreError> for AppError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::NameTaken(_) | StoreError::LastAdministrator => {
                ErrorCode::Conflict.with_detail(cause)
            }
            StoreError::BadName(_)
            | StoreError::ConfusableName(_)
            | StoreError::ReservedName(_) => ErrorCode::Invalid.with_detail(cause),
            StoreError::NotFound(_) => ErrorCode::NotFound.with_detail(cause),
            StoreError::DiskFull => ErrorCode::DiskFull.with_detail(cause),
            StoreError::UnsafeSqlite(_)
            | StoreError::EmbedderChanged
            | StoreError::Corrupt { .. }
            | StoreError::File { .. }
            | StoreError::Database(_)
            | StoreError::Migration(_) => Self::internal(cause),
        }
    }
}

impl From<AuditError> for AppError {
    fn from(cause: AuditError) -> Self {
        match cause {
            AuditError::BadCheckpoint(_)
            | AuditError::BadKey(_)
            | AuditError::NotSigned
            | AuditError::NotAProof
            | AuditError::BadProof(_)
            | AuditError::NotSealed { .. } => ErrorCode::Invalid.with_detail(cause),
            // The message names a path of the disk, which is for the log of the program only.
            AuditError::File { .. }
            | AuditError::Altered { .. }
            | AuditError::InUse(_)
            | AuditError::Intact => {
                tracing::error!(%cause, "{cause}");
                ErrorCode::AuditStopped
                    .with_detail("The disk of the log has an error. An administrator is needed")
            }
            AuditError::DiskFull | AuditError::Stopped(_) | AuditError::EntropyError(_) => {
                tracing::error!(%cause, "{cause}");
                ErrorCode::AuditStopped.with_detail(cause)
            }
        }
    }
}

impl From<AnswerError> for AppError {
    fn from(cause: AnswerError) -> Self {
        match cause {
            AnswerError::Store(cause) => cause.into(),
            AnswerError::Audit(cause) => cause.into(),
            AnswerError::Busy { retry_after_s } => ErrorCode::Busy
                .with_detail(format!("Ask again in {retry_after_s} seconds"))
                .retry_after(retry_after_s),
            AnswerError::Inference(cause) => ErrorCode::ModelUnavailable.with_detail(cause),
            AnswerError::Index(cause) => Self::internal(cause),
            AnswerError::Task(cause) => Self::internal(cause),
            AnswerError::LogEntry(cause) => Self::internal(cause),
        }
    }
}

impl From<PasswordError> for AppError {
    fn from(cause: PasswordError) -> Self {
        match cause {
            PasswordError::Length | PasswordError::Guessable => {
                ErrorCode::Invalid.with_detail(cause)
            }
            PasswordError::Hashing(_) => Self::internal(cause),
        }
    }
}

impl From<TurnsRefused> for AppError {
    fn from(cause: TurnsRefused) -> Self {
        const RETRY_AFTER_S: u64 = 5;
        let error = match cause {
            TurnsRefused::ByPerson => ErrorCode::TooManyRequests
                .with_detail("Wait until your earlier requests have ended"),
            TurnsRefused::ByAll => ErrorCode::Overloaded.with_detail("Try again in a few seconds"),
        };
        error.retry_after(RETRY_AFTER_S)
    }
}

impl From<PolicyError> for AppError {
    fn from(cause: PolicyError) -> Self {
        Self::internal(cause)
    }
}

impl From<SealingError> for AppError {
    fn from(cause: SealingError) -> Self {
        Self::internal(cause)
    }
}

impl From<EntropyError> for AppError {
    fn from(cause: EntropyError) -> Self {
        Self::internal(cause)
    }
}
