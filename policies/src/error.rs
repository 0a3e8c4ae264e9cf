//! Why nothing could be decided.

/// Why nothing could be decided. Whoever meets one denies.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The rules or their schema do not parse or do not fit each other.
    #[error("the policies are not valid: {0}")]
    Invalid(String),
    /// A decision's entities do not fit the schema.
    #[error("the policies could not be asked: {0}")]
    Unaskable(String),
}

impl PolicyError {
    pub(crate) fn invalid(cause: impl std::fmt::Display) -> Self {
        Self::Invalid(cause.to_string())
    }

    pub(crate) fn unaskable(cause: impl std::fmt::Display) -> Self {
        Self::Unaskable(cause.to_string())
    }
}
