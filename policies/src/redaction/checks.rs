//! The sums that tell a number from any other.

/// Luhn's check (ISO/IEC 7812-1, annex B) of decimal digits.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit) << (place % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit > 0)
}

/// Modulo 97 (ISO 7064) of an IBAN's letters and digits without spaces, ISO 13616.
pub(super) fn iban(characters: &[u8]) -> bool {
    let Some((head, rest)) = characters.split_at_checked(4) else {
        return false;
    };
    let mut remainder = 0_u32;
    for character in rest.iter().chain(head) {
        let value = match character {
            b'0'..=b'9' => u32::from(character - b'0'),
            b'A'..=b'Z' => u32::from(character - b'A') + 10,
            b'a'..=b'z' => u32::from(character - b'a') + 10,
            _ => return false,
        };
        let shift = if value > 9 { 100 } else { 10 };
        remainder = (remainder * shift + value) % 97;
    }
    remainder == 1
}

/// Modulo 11 of an NHS number's ten digits (NHS Data Dictionary).
pub(super) fn nhs(digits: &[u8]) -> bool {
    let [front @ .., check] = digits else {
        return false;
    };
    let weighted = front.iter().zip((2..=10_u32).rev());
    let sum: u32 = weighted
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    let wanted = (11 - sum % 11) % 11;
    digits.len() == 10 && wanted == u32::from(*check) && sum > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn numbers_of_the_standards_pass_and_any_other_digit_does_not() {
        for (check, text) in [
            (luhn as fn(&[u8]) -> bool, "4111111111111111"),
            (luhn, "378282246310005"),
            (nhs, "9434765919"),
            (nhs, "4010232137"),
        ] {
            let good = digits(text);
            assert!(check(&good), "{text}");
            for place in 0..good.len() {
                let mut bad = good.clone();
                bad[place] = (bad[place] + 1) % 10;
                assert!(!check(&bad), "{text} at {place}");
            }
        }
        assert!(!luhn(&[0; 16]) && !nhs(&[0; 10]) && !nhs(&[]) && !nhs(&digits("943476591")));
        assert!(iban(b"GB82WEST12345698765432") && iban(b"de89370400440532013000"));
        assert!(!iban(b"GB82WEST12345698765433") && !iban(b"GB") && !iban(b"GB82-EST"));
    }
}
