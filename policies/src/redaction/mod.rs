//! Personal data: what is found in a text, and what is masked, for whom.
//!
//! Finding and masking are functions of text alone. Which kinds are masked follows from
//! `redaction.toml`: its rules name kinds, collections and the roles that are excepted.

mod checks;
mod find;
mod rules;

pub use rules::Redaction;

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Kinds of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The number of a payment card.
    Card,
    /// An international bank account number.
    Iban,
    /// A social security number of the United States.
    Ssn,
    /// A number of the National Health Service.
    Nhs,
    /// A medical record number of the site.
    Record,
    /// A name of the site's list.
    Name,
}

impl Kind {
    /// What stands in the text instead.
    const fn mask(self) -> &'static str {
        match self {
            Self::Card => "[card number]",
            Self::Iban => "[account number]",
            Self::Ssn => "[social security number]",
            Self::Nhs => "[NHS number]",
            Self::Record => "[record number]",
            Self::Name => "[name]",
        }
    }
}

/// Personal data in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its kind.
    pub kind: Kind,
    /// Its bytes.
    pub range: Range<usize>,
}

/// The text with these spans replaced. They must lie in the order of the text, apart from each
/// other and on its characters, as [`Redaction::find`] gives them; one that does not is masked
/// from where it can be.
pub fn masked(text: &str, spans: &[Span]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        out.push_str(text.get(at..span.range.start).unwrap_or_default());
        out.push_str(span.kind.mask());
        at = at.max(span.range.end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
