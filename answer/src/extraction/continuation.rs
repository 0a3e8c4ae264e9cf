//! Lists that continue on the next page, or in the passage before or after the quoted one.

use crate::extraction::quote_spans::QuoteSpan;
use crate::extraction::span_expansion::{ListMarker, merge_ranges};
use crate::model::hit::RetrievedPassage;
use cloister_domain::{ByteRange, PassageDraft, PassageId};

/// The passages that the first quote may continue in.
pub(crate) fn adjacent_passages(quote: &QuoteSpan<'_>) -> Vec<PassageId> {
    let id = quote.hit.passage.id.0;
    let mut ids = Vec::new();
    if is_inside_list(&quote.hit.passage.draft, quote.range) {
        ids.push(PassageId(id - 1));
    }
    let draft = &quote.hit.passage.draft;
    let rest = rest_of_list(draft, quote.range);
    if continues_below(draft, rest.last().copied().unwrap_or(quote.range)) {
        ids.push(PassageId(id + 1));
    }
    ids
}

/// Adds the rest of the list that the first quote is a part of. `adjacent` are the passages of
/// [`adjacent_passages`] that exist.
pub(crate) fn continue_list<'p>(
    quotes: Vec<QuoteSpan<'p>>,
    adjacent: &'p [RetrievedPassage],
) -> Vec<QuoteSpan<'p>> {
    let mut quotes = quotes.into_iter();
    let Some(first) = quotes.next() else {
        return Vec::new();
    };
    let passage = &first.hit.passage;
    let find = |id: i64| {
        adjacent.iter().find(|hit| {
            hit.passage.id.0 == id && hit.passage.draft.headings == passage.draft.headings
        })
    };
    let above =
        find(passage.id.0 - 1).and_then(|hit| Some((hit, end_of_list(&hit.passage.draft)?)));
    let below =
        find(passage.id.0 + 1).and_then(|hit| Some((hit, start_of_list(&hit.passage.draft)?)));
    let span = |(hit, range)| QuoteSpan::new(hit, range);
    let mut list: Vec<QuoteSpan<'p>> = above.map(span).into_iter().collect();
    let rest = rest_of_list(&passage.draft, first.range);
    let rest: Vec<QuoteSpan<'p>> = rest
        .into_iter()
        .map(|range| span((first.hit, range)))
        .collect();
    list.push(first);
    list.extend(rest);
    list.extend(below.map(span));
    for quote in quotes {
        let is_there = list.iter().any(|part| {
            part.hit.passage.id == quote.hit.passage.id && part.range.overlaps(quote.range)
        });
        if !is_there {
            list.push(quote);
        }
    }
    list
}

/// The items after a range that ends with an item, one range for each page.
fn rest_of_list(draft: &PassageDraft, range: ByteRange) -> Vec<ByteRange> {
    const MAX_BYTES: usize = 1_800;
    let mut quoted = draft
        .sentences
        .iter()
        .rev()
        .filter(|other| range.contains(**other));
    let marker = quoted
        .clone()
        .find_map(|item| ListMarker::of_sentence(draft, *item));
    let (Some(marker), Some(mut previous)) = (marker, quoted.next().copied()) else {
        return Vec::new();
    };
    let mut parts: Vec<ByteRange> = Vec::new();
    for next in draft
        .sentences
        .iter()
        .filter(|other| other.start >= range.end)
    {
        let is_item = match ListMarker::of_sentence(draft, *next) {
            Some(next) => next == marker || next.is_bullet(),
            None => is_unfinished(draft, previous) || is_same_line(draft, previous, *next),
        };
        if !is_item || next.end - range.end > MAX_BYTES {
            break;
        }
        match parts.last_mut() {
            Some(part) => match merge_ranges(draft, *part, *next) {
                Some(merged) => *part = merged,
                None => parts.push(*next),
            },
            None => parts.push(*next),
        }
        previous = *next;
    }
    parts
}

/// Whether a sentence goes on after the range, for example on the next page.
fn is_unfinished(draft: &PassageDraft, sentence: ByteRange) -> bool {
    let text = sentence.slice(&draft.text).unwrap_or_default().trim_end();
    !text.ends_with(['.', ';', ':', '!', '?'])
}

/// Whether a range starts its passage with an item that is not the first of its list.
fn is_inside_list(draft: &PassageDraft, range: ByteRange) -> bool {
    let starts_passage = !draft.sentences.iter().any(|other| other.end <= range.start);
    let text = range.slice(&draft.text).unwrap_or_default().trim_start();
    let is_first = ["1.", "1)", "(1)", "a.", "a)", "(a)"]
        .iter()
        .any(|number| text.starts_with(number));
    starts_passage && ListMarker::parse(text).is_some() && !is_first
}

/// Whether a range ends its passage with an item, or with the introduction of a list.
fn continues_below(draft: &PassageDraft, range: ByteRange) -> bool {
    let ends_passage = !draft.sentences.iter().any(|other| other.start >= range.end);
    let last = draft
        .sentences
        .iter()
        .rev()
        .find(|sentence| range.contains(**sentence));
    let Some(last) = last.filter(|_| ends_passage) else {
        return false;
    };
    let text = last.slice(&draft.text).unwrap_or_default().trim_end();
    ListMarker::of_sentence(draft, *last).is_some() || text.ends_with(':')
}

/// The items at the start of a passage.
fn start_of_list(draft: &PassageDraft) -> Option<ByteRange> {
    let first = *draft.sentences.first()?;
    let marker = ListMarker::of_sentence(draft, first)?;
    let mut range = first;
    for next in draft.sentences.iter().skip(1) {
        let is_item = ListMarker::of_sentence(draft, *next) == Some(marker);
        if !is_item && !is_same_line(draft, range, *next) {
            break;
        }
        let Some(merged) = merge_ranges(draft, range, *next) else {
            break;
        };
        range = merged;
    }
    Some(range)
}

/// The items at the end of a passage, with the line that introduces them.
fn end_of_list(draft: &PassageDraft) -> Option<ByteRange> {
    let last = *draft.sentences.last()?;
    let mut range = last;
    let mut is_item = ListMarker::of_sentence(draft, last).is_some();
    let ends_open = last.slice(&draft.text)?.trim_end().ends_with(':');
    if !is_item && !ends_open {
        return None;
    }
    for previous in draft.sentences.iter().rev().skip(1) {
        let introduces = previous
            .slice(&draft.text)
            .is_some_and(|text| text.trim_end().ends_with(':'));
        let continues = ListMarker::of_sentence(draft, *previous).is_some()
            || is_same_line(draft, *previous, range)
            || is_item && introduces;
        let Some(merged) = merge_ranges(draft, *previous, range).filter(|_| continues) else {
            break;
        };
        range = merged;
        is_item = ListMarker::of_sentence(draft, *previous).is_some();
        if introduces && !is_item {
            break;
        }
    }
    Some(range)
}

fn is_same_line(draft: &PassageDraft, above: ByteRange, below: ByteRange) -> bool {
    ByteRange::new(above.end, below.start.max(above.end))
        .slice(&draft.text)
        .is_some_and(|between| !between.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved_lines;
    use cloister_domain::PassageSpan;

    fn part(id: i64, lines: &[&str]) -> RetrievedPassage {
        let mut hit = retrieved_lines(lines);
        hit.passage.id = PassageId(id);
        hit
    }

    #[test]
    fn a_list_is_quoted_across_passages() {
        let first = part(1, &["Keys.", "Access is given so:", "1. Ask.", "2. Wait."]);
        let second = part(2, &["3. Sign.", "4. Enter."]);
        let third = part(3, &["5. Leave.", "Visitors wait outside."]);
        let full = ByteRange::new(0, second.passage.draft.text.len());
        let quote = QuoteSpan::new(&second, full);
        assert_eq!(adjacent_passages(&quote), [PassageId(1), PassageId(3)]);
        let adjacent = [first, third];
        let list = continue_list(vec![quote], &adjacent);
        let texts: Vec<&str> = list.iter().filter_map(QuoteSpan::text).collect();
        assert_eq!(
            texts,
            [
                "Access is given so:\n1. Ask.\n2. Wait.",
                "3. Sign.\n4. Enter.",
                "5. Leave.",
            ]
        );
    }

    #[test]
    fn a_list_is_quoted_across_pages() {
        let mut hit = part(
            1,
            &["So:", "• Ask and", "wait.", "• Sign.", "Visitors wait."],
        );
        let draft = &mut hit.passage.draft;
        let middle = draft.sentences[1].end;
        let next_page = PassageSpan {
            page: 2,
            range: ByteRange::new(middle + 1, draft.text.len()),
        };
        draft.spans[0].range.end = middle;
        draft.spans.push(next_page);
        let range = ByteRange::new(0, middle);
        let list = continue_list(vec![QuoteSpan::new(&hit, range)], &[]);
        let texts: Vec<&str> = list.iter().filter_map(QuoteSpan::text).collect();
        assert_eq!(texts, ["So:\n• Ask and", "wait.\n• Sign."]);
    }

    #[test]
    fn a_quote_that_is_no_list_stays_alone() {
        let hit = part(2, &["Keys are signed for.", "1. Ask.", "Then wait."]);
        let alone = |line: usize| {
            let range = hit.passage.draft.sentences[line];
            adjacent_passages(&QuoteSpan::new(&hit, range))
        };
        assert!(alone(0).is_empty());
        assert!(alone(1).is_empty());
        assert!(alone(2).is_empty());
    }
}
