//! Finding numbers and names in a text, without expressions: one look from each place where a word
//! begins.

use super::checks;
use super::{Kind, Span};

/// Letters and digits of a candidate, and where each stands.
struct Run {
    /// Their bytes.
    characters: Vec<u8>,
    /// For each, the place behind it.
    ends: Vec<usize>,
    /// How many stand together between two signs.
    groups: Vec<usize>,
    /// For each, whether a group ends with it.
    closes: Vec<bool>,
}

/// Characters of the longest candidate: an IBAN.
const LONGEST: usize = 34;

/// How far before a number the word may stand that says what it is, in bytes.
const NEAR: usize = 24;

/// All spans of these kinds, in the order of the text and apart from each other: of two that
/// overlap, the one that begins first, and of these the longest.
pub(super) fn spans(
    text: &str,
    wanted: impl Fn(Kind) -> bool,
    records: &[String],
    names: &[String],
) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match at_word(text, at, &wanted, records, names) {
            Some(span) => {
                at = span.range.end;
                found.push(span);
            }
            None => at += 1,
        }
    }
    found
}

fn at_word(
    text: &str,
    at: usize,
    wanted: &impl Fn(Kind) -> bool,
    records: &[String],
    names: &[String],
) -> Option<Span> {
    let bytes = text.as_bytes();
    let begins = bytes.get(at).is_some_and(|byte| is_word(*byte));
    if !begins || at > 0 && bytes.get(at - 1).is_some_and(|byte| is_word(*byte)) {
        return None;
    }
    let ends = [
        (Kind::Iban, iban(bytes, at)),
        (Kind::Card, card(bytes, at)),
        (Kind::Ssn, ssn(bytes, at)),
        (Kind::Nhs, nhs(bytes, at)),
        (
            Kind::Record,
            longest(records, |pattern| record(bytes, at, pattern)),
        ),
        (Kind::Name, longest(names, |name| word(bytes, at, name))),
    ];
    let ends = ends.into_iter().filter(|(kind, _)| wanted(*kind));
    let ends = ends.filter_map(|(kind, end)| Some((kind, end?)));
    let (kind, end) = ends.max_by_key(|(_, end)| *end)?;
    Some(Span {
        kind,
        range: at..end,
    })
}

/// Letters and digits of any script, so that a number inside a word is none.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether what ends before `end` is not the beginning of a longer word or number.
fn is_whole(bytes: &[u8], end: usize) -> bool {
    let next = bytes.get(end).copied().unwrap_or(b' ');
    let after = bytes.get(end + 1).copied().unwrap_or(b' ');
    let goes_on = is_word(next) || next == b'-' && after.is_ascii_digit();
    !goes_on
}

/// Reads characters that `takes` accepts, with single spaces or hyphens between groups.
fn run(bytes: &[u8], start: usize, takes: impl Fn(u8) -> bool) -> Run {
    let mut run = Run {
        characters: Vec::new(),
        ends: Vec::new(),
        groups: Vec::new(),
        closes: Vec::new(),
    };
    let (mut at, mut group, mut sign) = (start, 0, None);
    while let Some(byte) = bytes
        .get(at)
        .copied()
        .filter(|_| run.characters.len() <= LONGEST)
    {
        let next = bytes.get(at + 1).copied();
        if takes(byte) {
            run.characters.push(byte);
            run.ends.push(at + 1);
            run.closes.push(false);
            group += 1;
        } else if matches!(byte, b' ' | b'-')
            && group > 0
            && next.is_some_and(&takes)
            && sign.is_none_or(|sign| sign == byte)
        {
            sign = Some(byte);
            run.groups.push(group);
            group = 0;
            if let Some(last) = run.closes.last_mut() {
                *last = true;
            }
        } else {
            break;
        }
        at += 1;
    }
    run.groups.push(group);
    if let Some(last) = run.closes.last_mut() {
        *last = true;
    }
    run
}

impl Run {
    /// The end of the longest beginning of so many characters that passes `check`, made of whole
    /// groups.
    fn longest(
        &self,
        bytes: &[u8],
        lengths: std::ops::RangeInclusive<usize>,
        check: impl Fn(&[u8]) -> bool,
    ) -> Option<usize> {
        lengths.rev().find_map(|length| {
            let end = *self.ends.get(length.checked_sub(1)?)?;
            let whole = *self.closes.get(length - 1)? && is_whole(bytes, end);
            (whole && check(self.characters.get(..length)?)).then_some(end)
        })
    }

    fn digits(&self) -> Vec<u8> {
        self.characters
            .iter()
            .map(|byte| byte.wrapping_sub(b'0'))
            .collect()
    }
}

/// 12 to 19 digits with Luhn's check, together or in groups of 3 to 7, which telephone numbers are
/// not written in.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    let run = run(bytes, at, |byte| byte.is_ascii_digit());
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
    run.longest(bytes, 12..=19, |found| {
        digits.get(..found.len()).is_some_and(checks::luhn)
    })
}

/// Two letters, two digits, 11 to 30 letters and digits, and the right sum.
fn iban(bytes: &[u8], at: usize) -> Option<usize> {
    let head = bytes.get(at..at + 4)?;
    let country = head.get(..2)?.iter().all(u8::is_ascii_alphabetic);
    if !country || !head.get(2..)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let run = run(bytes, at, |byte| byte.is_ascii_alphanumeric());
    run.longest(bytes, 15..=LONGEST, checks::iban)
}

/// 123-45-6789, but for the numbers that are never issued.
fn ssn(bytes: &[u8], at: usize) -> Option<usize> {
    let end = record(bytes, at, "###-##-####")?;
    let part = |range: std::ops::Range<usize>| bytes.get(at..end)?.get(range);
    let (area, group, serial) = (part(0..3)?, part(4..6)?, part(7..11)?);
    let issued = area != b"000" && area != b"666" && area.first() != Some(&b'9');
    (issued && group != b"00" && serial != b"0000").then_some(end)
}

/// 943 476 5919, or ten digits together where `NHS` stands before them.
fn nhs(bytes: &[u8], at: usize) -> Option<usize> {
    let run = run(bytes, at, |byte| byte.is_ascii_digit());
    let before = bytes.get(at.saturating_sub(NEAR)..at)?;
    let said = before
        .windows(3)
        .any(|word| word.eq_ignore_ascii_case(b"nhs"));
    if !(run.groups == [3, 3, 4] || said && run.groups == [10]) {
        return None;
    }
    let digits = run.digits();
    run.longest(bytes, 10..=10, |_| checks::nhs(&digits))
}

/// A pattern of the site: `#` a digit, `@` a capital letter, anything else itself.
fn record(bytes: &[u8], at: usize, pattern: &str) -> Option<usize> {
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
    (fits && !pattern.is_empty() && is_whole(bytes, end)).then_some(end)
}

/// A name of the list, as it is written.
fn word(bytes: &[u8], at: usize, name: &str) -> Option<usize> {
    let end = at + name.len();
    let there = bytes.get(at..end)? == name.as_bytes() && !name.is_empty();
    (there && is_whole(bytes, end)).then_some(end)
}

fn longest(of: &[String], end: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    of.iter().filter_map(|one| end(one)).max()
}
