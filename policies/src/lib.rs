//! Who may do what: the one authorisation function, for the interface, the API, the viewer and the
//! command line.
//!
//! The policies are in `cloister.cedar`, their entities and actions in `cloister.cedarschema`, and
//! the expected decisions in `decisions.toml`. All three are compiled in, and the policies are
//! validated against the schema at start-up. This is the only crate that knows Cedar. It
//! deliberately knows neither the database nor sessions: it receives a principal and the grants,
//! and decides. To add a policy, write it, and add a row that it allows and a row that it does not.
//!
//! [`egress`] says which outbound connections a site allows. [`redaction`] is the second half: which personal data is masked, and for whom.

mod authorization;
pub mod egress;
mod error;
pub mod redaction;

pub use authorization::{
    AuthorizationRequest, CredentialReset, Decision, GrantedCollection, Policies, RoleChange,
};
pub use error::PolicyError;
