//! Redaction: detecting personal data in a text, and masking it.
//!
//! Detection and masking depend on the text alone. The rules in `redaction.toml` decide which kinds
//! are masked: they list kinds, collections, and the roles that are exempt.

mod checks;
mod detect;
mod rules;

pub use rules::Redaction;

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Kinds of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PersonalDataKind {
    /// A payment card number.
    Card,
    /// An international bank account number.
    Iban,
    /// A US social security number.
    Ssn,
    /// A number of the UK's National Health Service.
    Nhs,
    /// A medical record number of the site.
    Record,
    /// A name from the site's list.
    Name,
}

impl PersonalDataKind {
    /// The text that replaces it.
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
pub struct PersonalDataSpan {
    /// Its kind.
    pub kind: PersonalDataKind,
    /// Its byte range.
    pub range: Range<usize>,
}

/// Replaces the spans by their masks. Spans must be in order, without overlaps, and at character
/// boundaries, as [`Redaction::find`] returns them. A span that is not is masked as far as
/// possible.
pub fn mask_spans(text: &str, spans: &[PersonalDataSpan]) -> String {
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
