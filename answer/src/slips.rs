//! Words of a question that were mistyped.
//!
//! A question asks for *Luterans*, and every passage that was found says *Lutherans*. Nothing is
//! rewritten for that: it is found by its meaning, and only when passages are judged the mistyped word
//! counts as the one that they hold. The person is told, because it may be another drug's name.

use crate::retrieve::FoundPassage;
use crate::words::content_stems;
use std::collections::{BTreeSet, HashMap};

/// For stems of a question that no passage holds, one that some passage holds and that differs from it
/// by a slip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slips(HashMap<String, String>);

impl Slips {
    /// Those of `question` where these passages were found.
    pub fn of(question: &str, passages: &[FoundPassage]) -> Self {
        let held: BTreeSet<String> = passages.iter().flat_map(stems).collect();
        let asked = content_stems(question).into_iter();
        let unknown = asked.filter(|stem| !held.contains(stem));
        let meant = unknown.filter_map(|stem| {
            let meant = held.iter().find(|held| differ_by_a_slip(&stem, held))?;
            Some((stem, meant.clone()))
        });
        Self(meant.collect())
    }

    /// What the word with this stem was meant to be, as a stem, where it was mistyped.
    pub fn meant(&self, stem: &str) -> Option<&str> {
        self.0.get(stem).map(String::as_str)
    }

    /// Stems of the question as they were meant.
    pub fn mended(&self, stems: BTreeSet<String>) -> BTreeSet<String> {
        let meant = |stem: String| {
            self.meant(&stem)
                .map_or_else(|| stem.clone(), str::to_owned)
        };
        stems.into_iter().map(meant).collect()
    }
}

/// The stems of what a passage says and stands under.
pub fn stems(found: &FoundPassage) -> BTreeSet<String> {
    let draft = &found.passage.draft;
    let titles = std::iter::once(&found.source.title).chain(&draft.headings);
    let texts = titles.chain(std::iter::once(&draft.text));
    texts.flat_map(|text| content_stems(text)).collect()
}

/// Whether two words are one but for a slip: a letter too many, one too few, another one, or two that
/// changed places. Short words that differ so mean something else, and so do numbers and codes; and a
/// slip is rarely at the beginning.
fn differ_by_a_slip(one: &str, other: &str) -> bool {
    const SHORTEST: usize = 6;
    let (mut one, mut other): (Vec<char>, Vec<char>) =
        (one.chars().collect(), other.chars().collect());
    if one.len() > other.len() {
        std::mem::swap(&mut one, &mut other);
    }
    let plain = one.iter().chain(&other).all(|c| c.is_alphabetic());
    if !plain || one.len() < SHORTEST || other.len() - one.len() > 1 || one.first() != other.first()
    {
        return false;
    }
    let same = |(a, b): &(&char, &char)| a == b;
    let before = one.iter().zip(&other).take_while(same).count();
    let left = one.len() - before;
    let after = one.iter().rev().zip(other.iter().rev()).take_while(same);
    let after = after.take(left).count();
    let differs = |word: &[char]| -> Vec<char> {
        let inside = word.get(before..word.len() - after);
        inside.unwrap_or_default().to_vec()
    };
    match (&*differs(&one), &*differs(&other)) {
        ([] | [_], [_]) => true,
        ([a, b], [c, d]) => (a, b) == (d, c),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::sample;

    #[test]
    fn a_mistyped_word_is_what_the_passages_hold_and_a_known_one_stays() {
        let passages = [
            sample(1, 1, "The Lutherans met in Jacksonville."),
            sample(2, 2, "Insured persons and insurers agree."),
        ];
        let question = "When did Luterans insure Jacksonvile?";
        let slips = Slips::of(question, &passages);
        let mended: Vec<String> = slips.mended(content_stems(question)).into_iter().collect();
        assert_eq!(mended, ["insur", "jacksonvill", "lutheran"]);
    }

    #[test]
    fn a_slip_of_the_pen_is_known() {
        for (one, other) in [
            ("luteran", "lutheran"),
            ("babbage", "babbbage"),
            ("kublai", "kubali"),
            ("normandy", "normandi"),
            ("jacksonville", "jacksonvile"),
            ("patient", "patients"),
        ] {
            assert!(differ_by_a_slip(one, other), "{one}, {other}");
            assert!(differ_by_a_slip(other, one), "{other}, {one}");
        }
        for (one, other) in [
            ("prednison", "prednisolon"),
            ("iodine", "lodine"),
            ("e11.92", "e11.93"),
            ("paris", "parish"),
            ("tramadol", "tramadol"),
            ("quinine", "quinidin"),
        ] {
            assert!(!differ_by_a_slip(one, other), "{one}, {other}");
        }
    }
}
