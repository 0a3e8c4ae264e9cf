//! Who may do what: the one authorisation function, for the interface, the API, the viewer and the
//! command line.
//!
//! The rules are in `cloister.cedar`, the words they use in `cloister.cedarschema`, and what they
//! must decide in `decisions.toml`; all three are compiled in, and the rules are validated against
//! the schema at start. This is the only crate that knows Cedar. It deliberately knows neither the
//! database nor a session: it is handed a principal and what is granted, and decides. To add a
//! rule, write it, with an allow and a deny row beside it.
//!
//! [`redaction`] is the second half: which personal data is masked in what is shown, for whom.

mod decide;
mod error;
pub mod redaction;

pub use decide::{Decision, Granted, Policies, Question};
pub use error::PolicyError;
