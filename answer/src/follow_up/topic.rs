//! What the question before was about, as it is named there.

use super::{ASKING, AUXILIARIES, Earlier, plain, tokens};
use crate::words::{content_stems, stem};
use std::collections::HashSet;

const ARTICLES: &[&str] = &["a", "an", "the", "our", "all", "each", "every"];

/// What the question before was about: of its runs of words, with their article, the one that its
/// answer speaks of most, and that is of the pronoun's number where there is one.
pub(super) fn topic(earlier: &Earlier, plural: Option<bool>) -> Option<String> {
    let all: Vec<&str> = tokens(&earlier.question).collect();
    let said: Vec<&String> = earlier.titles.iter().chain(&earlier.quotes).collect();
    let known: HashSet<String> = said.iter().flat_map(|text| stems(text)).collect();
    let weight = |(from, to): &(usize, usize)| {
        let run = all.get(*from..*to).unwrap_or_default();
        let stems: Vec<String> = run.iter().map(|token| stem(&plain(token))).collect();
        let words = stems.iter().filter(|stem| known.contains(*stem)).count();
        let together = said.iter().any(|text| stands_in(&stems, text));
        let last = run.last().map(|token| plain(token)).unwrap_or_default();
        let is_plural = last.ends_with('s') && !last.ends_with("ss");
        let agrees = plural.is_none_or(|plural| plural == is_plural);
        // One of many things has an article; without one a word may well be a verb.
        let one = plural == Some(false) && article(&all, *from).is_some();
        let signs = usize::from(together) + usize::from(one) + 3 * usize::from(agrees);
        (words > 0).then_some(words + signs)
    };
    let runs = runs(&all).into_iter();
    let weighed = runs.filter_map(|run| Some((weight(&run)?, run)));
    // Of equals the longest, then the first: what a question is about mostly stands before what is
    // asked of it.
    let (_, (from, to)) = weighed
        .rev()
        .max_by_key(|(weight, run)| (*weight, run.1 - run.0))?;
    let (from, to) = whole(&all, from, to);
    let article = article(&all, from);
    let mut run: Vec<String> = all
        .get(article.unwrap_or(from)..to)?
        .iter()
        .map(|token| (*token).to_owned())
        .collect();
    if let (Some(_), Some(first)) = (article, run.first_mut()) {
        *first = first.to_lowercase();
    }
    let run = run.join(" ");
    Some(run.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
}

fn stems(text: &str) -> impl Iterator<Item = String> + '_ {
    crate::words::words(text).map(|word| stem(&word))
}

/// Every stretch of at most four words that say something, as places.
fn runs(all: &[&str]) -> Vec<(usize, usize)> {
    const LONGEST: usize = 4;
    let says = |place: &usize| says_something(all, *place);
    let starts = (0..all.len()).filter(says);
    starts
        .flat_map(|from| {
            let ends = (from..all.len()).take(LONGEST).take_while(says);
            ends.map(move |last| (from, last + 1))
        })
        .collect()
}

/// Whether the word at `place` can be part of what a thing is called.
fn says_something(all: &[&str], place: usize) -> bool {
    let at = |place: Option<usize>| place.and_then(|p| all.get(p)).map(|token| plain(token));
    let Some(word) = at(Some(place)) else {
        return false;
    };
    // In `Who reviews audit logs` and `Who has to approve a request` this is what is done, not what
    // it is done to.
    let (before, first) = (at(place.checked_sub(1)), at(place.checked_sub(2)));
    let must = first.is_some_and(|first| ["has", "have", "had"].contains(&first.as_str()));
    let does = (place == 1 && before.as_deref() == Some("who"))
        || (before.as_deref() == Some("to") && must);
    !does
        && !content_stems(&word).is_empty()
        && !is_done_to(&word)
        && !ASKING.contains(&word.as_str())
        && !AUXILIARIES.contains(&word.as_str())
}

/// The run with what belongs to its name: all of `an idle VPN connection`, of which the answer may
/// speak by a part, and what follows in `a request for an audit`.
fn whole(all: &[&str], mut from: usize, mut to: usize) -> (usize, usize) {
    let is = |place: usize, words: &[&str]| {
        let token = all.get(place).map(|token| plain(token));
        token.is_some_and(|word| words.contains(&word.as_str()))
    };
    let run_ends = |mut place: usize| {
        while says_something(all, place) {
            place += 1;
        }
        place
    };
    while from > 0 && says_something(all, from - 1) {
        from -= 1;
    }
    // The last word may be what is done: `are logs kept?`, `which exercises test the plan?` It is not
    // where that is said before or after.
    let end = run_ends(to);
    let asked_before = (0..from).any(|place| is(place, AUXILIARIES));
    let done_before = end == all.len() && !asked_before;
    let done_after = all.get(end).is_some_and(|token| is_done_to(&plain(token)));
    if done_before || done_after || is(end, AUXILIARIES) {
        to = end;
    }
    if is(to, &["of", "for", "on"]) {
        let start = to + 1 + usize::from(is(to + 1, ARTICLES));
        let end = run_ends(start);
        let end = end - usize::from(asked_before && end == all.len());
        to = if end > start { end } else { to };
    }
    (from, to)
}

/// The place of the article before a run.
fn article(all: &[&str], from: usize) -> Option<usize> {
    let before = from.checked_sub(1)?;
    let token = all.get(before)?;
    ARTICLES.contains(&plain(token).as_str()).then_some(before)
}

/// Whether these stems stand in a text, one after the other.
fn stands_in(run: &[String], text: &str) -> bool {
    let said: Vec<String> = stems(text).collect();
    said.windows(run.len().max(1)).any(|window| window == run)
}

/// `Reviewed` in `How often are policies reviewed?`, which is not part of what they are.
fn is_done_to(word: &str) -> bool {
    word.len() > 4 && word.ends_with("ed")
}
