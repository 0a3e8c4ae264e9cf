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

/// Whether two stems are forms of one word, such as `diabetic` and `diabetes`, or differ by a typing
/// error in a word that may be short. For checks that may be generous.
pub fn is_form_of(one: &str, other: &str) -> bool {
    const MIN_PREFIX: usize = 6;
    const MIN_TYPED: usize = 5;
    let shared = one
        .chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let shorter = one.chars().count().min(other.chars().count());
    let is_inflected = shared >= MIN_PREFIX && shared * 4 >= shorter * 3;
    is_inflected || shared > 0 && shorter >= MIN_TYPED && strsim::osa_distance(one, other) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_recognised() {
        for (one, other, expected) in [
            ("diabetic", "diabet", true),
            ("invoc", "invoic", true),
            ("linezolid", "linear", false),
            ("thursday", "thursd", true),
            ("hip", "hop", false),
        ] {
            assert_eq!(is_form_of(one, other), expected, "{one}, {other}");
        }
    }

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
