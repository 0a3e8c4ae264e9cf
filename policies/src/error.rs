//! Why no decision could be made.

/// Why no decision could be made. The caller must deny the request.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The policies or their schema are not valid, or do not match.
    #[error("the policies are not valid: {0}")]
    Invalid(String),
    /// The entities of a request do not match the schema.
    #[error("the authorisation request does not match the schema: {0}")]
    InvalidRequest(String),
}

impl PolicyError {
    pub(crate) fn invalid(cause: impl std::fmt::Display) -> Self {
        Self::Invalid(cause.to_string())
    }

    pub(crate) fn invalid_request(cause: impl std::fmt::Display) -> Self {
        Self::InvalidRequest(cause.to_string())
    }
}
