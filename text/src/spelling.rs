//! Mistyped words.

/// Shorter words that differ by one letter usually mean something else.
const MIN_CHARS: usize = 6;

/// Whether two words differ by one typing error: a letter too many, too few or wrong, or two
/// adjacent letters swapped (optimal string alignment distance 1).
///
/// Numbers, codes, short words and words that differ in their first letter never match: they mean
/// something else.
pub fn is_misspelling(one: &str, other: &str) -> bool {
    if one == other {
        return false;
    }
    // `farmacy` is how *pharmacy* sounds.
    let (one, other) = (&one.replace("ph", "f"), &other.replace("ph", "f"));
    let is_plain = one.chars().chain(other.chars()).all(char::is_alphabetic);
    let (length, other_length) = (one.chars().count(), other.chars().count());
    if !is_plain
        || length.min(other_length) < MIN_CHARS
        || length.abs_diff(other_length) > 1
        || one.chars().next() != other.chars().next()
    {
        return false;
    }
    strsim::osa_distance(one, other) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognised_in_both_directions() {
        for (one, other) in [
            ("luteran", "lutheran"),
            ("babbage", "babbbage"),
            ("kublai", "kubali"),
            ("normandy", "normandi"),
            ("jacksonville", "jacksonvile"),
            ("patient", "patients"),
            ("farmacy", "pharmacy"),
        ] {
            assert!(is_misspelling(one, other), "{one}, {other}");
            assert!(is_misspelling(other, one), "{other}, {one}");
        }
        for (one, other) in [
            ("tramadol", "tramadol"),
            ("prednison", "prednisolon"),
            ("iodine", "lodine"),
            ("e11.92", "e11.93"),
            ("paris", "parish"),
            ("quinine", "quinidin"),
        ] {
            assert!(!is_misspelling(one, other), "{one}, {other}");
        }
    }
}
