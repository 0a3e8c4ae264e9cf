//! Detecting numbers and names in a text, without regular expressions: one attempt at each start of
//! a word.

use super::checks;
use super::{PersonalDataKind, PersonalDataSpan};

/// The letters and digits of a candidate, and their positions.
struct CharacterRun {
    /// The letters and digits.
    characters: Vec<u8>,
    /// For each of them, the byte offset after it.
    ends: Vec<usize>,
    /// The number of characters in each group between separators.
    groups: Vec<usize>,
    /// For each character, whether it is the last of its group.
    is_group_end: Vec<bool>,
}

/// Length of the longest candidate, which is an IBAN.
const MAX_CANDIDATE_CHARS: usize = 34;

/// A word that identifies a number may precede it by this many bytes.
const IDENTIFYING_WORD_BYTES: usize = 24;

/// All spans of the wanted kinds, in order and without overlaps. Of two overlapping spans, the one
/// that starts first is kept; if they start at the same byte, the longer one.
pub(super) fn detect(
    text: &str,
    wanted: impl Fn(PersonalDataKind) -> bool,
    records: &[String],
    names: &[String],
) -> Vec<PersonalDataSpan> {
    let mut found: Vec<PersonalDataSpan> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match detect_at(text, at, &wanted, records, names) {
            Some(span) => {
                at = span.range.end;
                found.push(span);
            }
            None => at += 1,
        }
    }
    found
}

fn detect_at(
    text: &str,
    at: usize,
    wanted: &impl Fn(PersonalDataKind) -> bool,
    records: &[String],
    names: &[String],
) -> Option<PersonalDataSpan> {
    let bytes = text.as_bytes();
    let begins = bytes.get(at).is_some_and(|byte| is_word(*byte));
    if !begins || at > 0 && bytes.get(at - 1).is_some_and(|byte| is_word(*byte)) {
        return None;
    }
    let ends = [
        (PersonalDataKind::Iban, match_iban(bytes, at)),
        (PersonalDataKind::Card, match_card(bytes, at)),
        (PersonalDataKind::Ssn, match_ssn(bytes, at)),
        (PersonalDataKind::Nhs, match_nhs(bytes, at)),
        (
            PersonalDataKind::Record,
            longest_match(records, |pattern| match_record(bytes, at, pattern)),
        ),
        (
            PersonalDataKind::Name,
            longest_match(names, |name| match_name(bytes, at, name)),
        ),
    ];
    let ends = ends.into_iter().filter(|(kind, _)| wanted(*kind));
    let ends = ends.filter_map(|(kind, end)| Some((kind, end?)));
    let (kind, end) = ends.max_by_key(|(_, end)| *end)?;
    Some(PersonalDataSpan {
        kind,
        range: at..end,
    })
}

/// Letters and digits of any script, so that a number inside a word does not count.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether a word or number ends at `end`.
fn ends_word(bytes: &[u8], end: usize) -> bool {
    let next = bytes.get(end).copied().unwrap_or(b' ');
    let after = bytes.get(end + 1).copied().unwrap_or(b' ');
    let continues = is_word(next) || next == b'-' && after.is_ascii_digit();
    !continues
}

/// Collects characters that `accepts`, with single spaces or hyphens between groups.
fn collect_run(bytes: &[u8], start: usize, accepts: impl Fn(u8) -> bool) -> CharacterRun {
    let mut run = CharacterRun {
        characters: Vec::new(),
        ends: Vec::new(),
        groups: Vec::new(),
        is_group_end: Vec::new(),
    };
    let (mut at, mut group, mut sign) = (start, 0, None);
    while let Some(byte) = bytes
        .get(at)
        .copied()
        .filter(|_| run.characters.len() <= MAX_CANDIDATE_CHARS)
    {
        let next = bytes.get(at + 1).copied();
        if accepts(byte) {
            run.characters.push(byte);
            run.ends.push(at + 1);
            run.is_group_end.push(false);
            group += 1;
        } else if matches!(byte, b' ' | b'-')
            && group > 0
            && next.is_some_and(&accepts)
            && sign.is_none_or(|sign| sign == byte)
        {
            sign = Some(byte);
            run.groups.push(group);
            group = 0;
            if let Some(last) = run.is_group_end.last_mut() {
                *last = true;
            }
        } else {
            break;
        }
        at += 1;
    }
    run.groups.push(group);
    if let Some(last) = run.is_group_end.last_mut() {
        *last = true;
    }
    run
}

impl CharacterRun {
    /// The end of the longest prefix that consists of complete groups, has one of these lengths,
    /// and passes `check`.
    fn longest_prefix(
        &self,
        bytes: &[u8],
        lengths: std::ops::RangeInclusive<usize>,
        check: impl Fn(&[u8]) -> bool,
    ) -> Option<usize> {
        lengths.rev().find_map(|length| {
            let end = *self.ends.get(length.checked_sub(1)?)?;
            let is_complete = *self.is_group_end.get(length - 1)? && ends_word(bytes, end);
            (is_complete && check(self.characters.get(..length)?)).then_some(end)
        })
    }

    fn digits(&self) -> Vec<u8> {
        self.characters
            .iter()
            .map(|byte| byte.wrapping_sub(b'0'))
            .collect()
    }
}

/// A card number: 12 to 19 digits with a Luhn checksum, together or in groups of 3 to 7. Telephone
/// numbers are grouped differently.
fn match_card(bytes: &[u8], at: usize) -> Option<usize> {
    let run = collect_run(bytes, at, |byte| byte.is_ascii_digit());
    let grouped = run.groups.len() > 1;
    let plausible = run.groups.iter().all(|group| (3..=7).contains(group));
    let issued = run
        .characters
        .first()
        .is_some_and(|byte| (b'1'..=b'6').contains(byte));
    if !issued || grouped && !plausible {
        return None;
    }
    let digits = run.digits();
    run.longest_prefix(bytes, 12..=19, |found| {
        digits.get(..found.len()).is_some_and(checks::is_luhn_valid)
    })
}

/// An IBAN: two letters, two digits, and 11 to 30 letters and digits, with a valid checksum.
fn match_iban(bytes: &[u8], at: usize) -> Option<usize> {
    let head = bytes.get(at..at + 4)?;
    let country = head.get(..2)?.iter().all(u8::is_ascii_alphabetic);
    if !country || !head.get(2..)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let run = collect_run(bytes, at, |byte| byte.is_ascii_alphanumeric());
    run.longest_prefix(bytes, 15..=MAX_CANDIDATE_CHARS, cloister_text::is_iban)
}

/// A US social security number such as 123-45-6789, except numbers that are never issued.
fn match_ssn(bytes: &[u8], at: usize) -> Option<usize> {
    let end = match_record(bytes, at, "###-##-####")?;
    let number = bytes.get(at..end)?;
    let (area, group, serial) = (number.get(0..3)?, number.get(4..6)?, number.get(7..11)?);
    let issued = area != b"000" && area != b"666" && area.first() != Some(&b'9');
    (issued && group != b"00" && serial != b"0000").then_some(end)
}

/// An NHS number such as 943 476 5919, or ten digits without spaces if `NHS` precedes them.
fn match_nhs(bytes: &[u8], at: usize) -> Option<usize> {
    let run = collect_run(bytes, at, |byte| byte.is_ascii_digit());
    let before = bytes.get(at.saturating_sub(IDENTIFYING_WORD_BYTES)..at)?;
    let said = before
        .windows(3)
        .any(|word| word.eq_ignore_ascii_case(b"nhs"));
    if !(run.groups == [3, 3, 4] || said && run.groups == [10]) {
        return None;
    }
    let digits = run.digits();
    run.longest_prefix(bytes, 10..=10, |_| checks::is_nhs_number_valid(&digits))
}

/// A record number of the site, by its pattern: `#` stands for a digit, `@` for a capital letter,
/// and everything else for itself.
fn match_record(bytes: &[u8], at: usize, pattern: &str) -> Option<usize> {
    let end = at + pattern.len();
    let found = bytes.get(at..end)?;
    let fits = found
        .iter()
        .zip(pattern.bytes())
        .all(|(byte, sign)| match sign {
            b'#' => byte.is_ascii_digit(),
            b'@' => byte.is_ascii_uppercase(),
            other => *byte == other,
        });
    (fits && !pattern.is_empty() && ends_word(bytes, end)).then_some(end)
}

/// A name of the site's list, as written there.
fn match_name(bytes: &[u8], at: usize, name: &str) -> Option<usize> {
    let end = at + name.len();
    let there = bytes.get(at..end)? == name.as_bytes() && !name.is_empty();
    (there && ends_word(bytes, end)).then_some(end)
}

fn longest_match(of: &[String], end: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    of.iter().filter_map(|one| end(one)).max()
}
