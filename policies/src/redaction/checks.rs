//! Checksums, which distinguish valid numbers from other numbers.

/// Luhn checksum of decimal digits (ISO/IEC 7812-1, annex B).
pub(super) fn is_luhn_valid(digits: &[u8]) -> bool {
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

/// Checksum modulo 11 of the ten digits of an NHS number (NHS Data Dictionary).
pub(super) fn is_nhs_number_valid(digits: &[u8]) -> bool {
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
    fn valid_numbers_pass_and_numbers_with_a_wrong_digit_do_not() {
        for (check, text) in [
            (is_luhn_valid as fn(&[u8]) -> bool, "4111111111111111"),
            (is_luhn_valid, "378282246310005"),
            (is_nhs_number_valid, "9434765919"),
            (is_nhs_number_valid, "4010232137"),
        ] {
            let good = digits(text);
            assert!(check(&good), "{text}");
            for place in 0..good.len() {
                let mut bad = good.clone();
                bad[place] = (bad[place] + 1) % 10;
                assert!(!check(&bad), "{text} at {place}");
            }
        }
        assert!(
            !is_luhn_valid(&[0; 16])
                && !is_nhs_number_valid(&[0; 10])
                && !is_nhs_number_valid(&[])
                && !is_nhs_number_valid(&digits("943476591"))
        );
    }
}
