//! Words of a question that were mistyped.
//!
//! A question asks for *Luterans*, and every passage that was found says *Lutherans*. Nothing is
//! rewritten for that: it is found by its meaning, its quotes say how the word is written, and only
//! when passages are judged the mistyped word counts as the one that they hold.

use crate::retrieve::FoundPassage;
use crate::words::content_stems;
use cloister_domain::text::differ_by_a_slip;
use std::collections::{BTreeSet, HashMap};

/// For stems of a question that no passage holds, one that some passage holds and that differs from it
/// by a slip.
#[derive(Debug, Default)]
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

    /// Stems of the question as they were meant.
    pub fn mended(&self, stems: BTreeSet<String>) -> BTreeSet<String> {
        let meant = |stem: String| self.0.get(&stem).cloned().unwrap_or(stem);
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
}
