//! International bank account numbers (ISO 13616).

use std::ops::RangeInclusive;

/// The number of characters of an IBAN.
const LENGTHS: RangeInclusive<usize> = 15..=34;

/// Characters in each group of a printed IBAN, except the last, which may be shorter.
const GROUP: usize = 4;

/// The IBAN that these words begin with if it is printed in groups of four, as one word. The words
/// must be in lower case.
pub fn find_iban(words: &[String]) -> Option<String> {
    let first = words.first().filter(|word| word.len() == GROUP)?;
    let (country, check_digits) = first.split_at_checked(2)?;
    let is_country = country.bytes().all(|b| b.is_ascii_lowercase());
    if !is_country || !check_digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut joined = first.clone();
    let mut found = None;
    for word in words.get(1..)?.iter().take_while(|word| is_group(word)) {
        joined.push_str(word);
        if LENGTHS.contains(&joined.len()) && is_iban(joined.as_bytes()) {
            found = Some(joined.clone());
        }
        if word.len() < GROUP || joined.len() > *LENGTHS.end() {
            break;
        }
    }
    found
}

fn is_group(word: &str) -> bool {
    (1..=GROUP).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Whether the check digits of an IBAN without spaces are right (ISO 7064, modulo 97).
pub fn is_iban(characters: &[u8]) -> bool {
    let Some((head, rest)) = characters.split_at_checked(4) else {
        return false;
    };
    let mut remainder = 0_u32;
    for character in rest.iter().chain(head) {
        let Some(value) = char::from(*character).to_digit(36) else {
            return false;
        };
        let shift = if value > 9 { 100 } else { 10 };
        remainder = (remainder * shift + value) % 97;
    }
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_has_the_right_check_digits() {
        assert!(is_iban(b"GB82WEST12345698765432") && is_iban(b"de89370400440532013000"));
        assert!(!is_iban(b"GB82WEST12345698765433") && !is_iban(b"GB") && !is_iban(b"GB82-EST"));
    }
}
