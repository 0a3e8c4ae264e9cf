//! Names of people, groups and collections.

use crate::error::StoreError;
use unicode_normalization::UnicodeNormalization;
use unicode_security::mixed_script::MixedScript;
use unicode_security::skeleton;

/// The longest name, in characters.
const MAX_LENGTH: usize = 64;

/// Names that the audit log gives to things that are no person.
const RESERVED: &[&str] = &[
    "appliance",
    "cloister",
    "console",
    "root",
    "system",
    "unknown",
];

/// The name in Unicode normal form NFKC, in which names are stored and compared.
pub fn normalize_name(name: &str) -> String {
    name.nfkc().collect()
}

/// Refuses names that would be surprising in a path, a log line or a form.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let fits = (1..=MAX_LENGTH).contains(&name.chars().count());
    let plain = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '@'));
    let tidy = name.trim() == name && !name.starts_with('.');
    if fits && plain && tidy {
        Ok(())
    } else {
        Err(StoreError::BadName(shortened(name)))
    }
}

/// Refuses names of people that could be mistaken for something else in the audit log: names in
/// several scripts, names that are not normalized, and the names of the log's own actors.
pub fn check_person_name(name: &str) -> Result<(), StoreError> {
    check_name(name)?;
    if normalize_name(name) != name || !name.is_single_script() {
        return Err(StoreError::ConfusableName(name.to_owned()));
    }
    if RESERVED
        .iter()
        .any(|reserved| looks_like(reserved) == looks_like(name))
    {
        return Err(StoreError::ReservedName(name.to_owned()));
    }
    Ok(())
}

/// What a name looks like: names with the same result are hard to tell apart (Unicode Technical
/// Standard 39, skeletons), apart from upper and lower case.
pub(crate) fn looks_like(name: &str) -> String {
    let lower = normalize_name(name).to_lowercase();
    skeleton(&lower).collect()
}

/// The start of a name that is too long to be repeated.
fn shortened(name: &str) -> String {
    name.chars().take(MAX_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_others_are_refused() {
        for good in [
            "ada",
            "Ada Lovelace",
            "søren",
            "ada@ward.example",
            "Анна",
            "李雷",
        ] {
            assert!(check_person_name(good).is_ok(), "{good}");
        }
        for bad in [
            "console",
            "Appliance",
            "unknown",
            "rооt",
            "\u{0430}da",
            "ﬁona",
            " ada",
            "",
        ] {
            assert!(check_person_name(bad).is_err(), "{bad}");
        }
        assert_eq!(looks_like("ada"), looks_like("Ada"));
        assert_eq!(looks_like("paypal"), looks_like("раураӏ"));
        assert_ne!(looks_like("ada"), looks_like("eda"));
    }

    #[test]
    fn a_long_name_is_not_repeated_in_the_error() {
        let error = check_name(&"x".repeat(100_000)).unwrap_err();
        assert!(error.to_string().len() < 300);
    }
}
