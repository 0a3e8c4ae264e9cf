//! What belongs to a sentence, and is quoted or read with it: the sentence that it refers to, the list
//! that it introduces, the item or the first row that it stands under.

use cloister_domain::{ByteRange, PassageDraft};

/// A sentence that begins so speaks of something in the one before.
const REFERRING: &[&str] = &[
    "it", "this", "these", "that", "those", "they", "such", "he", "she",
];

/// The place of a sentence with what belongs to it, on the page where it stands: a list that it
/// introduces, as far as the passage goes, or the sentence before, where it begins with `It` or `This`.
pub(crate) fn whole(draft: &PassageDraft, range: ByteRange) -> ByteRange {
    let other = end_of_list(draft, range).or_else(|| referred_to(draft, range));
    other
        .and_then(|other| joined(draft, range, other))
        .unwrap_or(range)
}

/// From the first of two places to the last, where all of it stands on one page, and so can be shown
/// there.
pub(crate) fn joined(draft: &PassageDraft, one: ByteRange, other: ByteRange) -> Option<ByteRange> {
    let joined = ByteRange::new(one.start.min(other.start), one.end.max(other.end));
    (draft.locate(joined).len() == 1).then_some(joined)
}

/// The sentence before one that refers to it.
fn referred_to(draft: &PassageDraft, range: ByteRange) -> Option<ByteRange> {
    let first = range.of(&draft.text)?.split_whitespace().next()?;
    let refers = REFERRING.contains(&first.to_lowercase().as_str());
    let mut before = draft.sentences.iter().rev();
    before
        .find(|other| other.end <= range.start)
        .filter(|_| refers)
        .copied()
}

/// The last sentence of the list that a sentence with a colon introduces.
fn end_of_list(draft: &PassageDraft, range: ByteRange) -> Option<ByteRange> {
    let lead = range.of(&draft.text)?.trim();
    let mut after = draft
        .sentences
        .iter()
        .filter(|other| other.start >= range.end);
    let first = after.next().filter(|_| lead.ends_with(':'))?;
    let points = Point::of(draft, *first)?;
    // `13. The network is tested:` introduces no `14.`
    if Point::of_text(lead) == Some(points) {
        return None;
    }
    let mut last = *first;
    for next in after {
        let point = Point::of(draft, *next);
        let goes_on = ByteRange::new(last.start, next.start)
            .of(&draft.text)
            .is_some_and(|between| !between.contains('\n'));
        if !goes_on && point != Some(points) && point != Some(Point::Mark) {
            break;
        }
        last = *next;
    }
    Some(last)
}

/// How a point of a list begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    Mark,
    Number,
}

impl Point {
    fn of(draft: &PassageDraft, range: ByteRange) -> Option<Self> {
        Self::of_text(range.of(&draft.text)?.trim_start())
    }

    fn of_text(text: &str) -> Option<Self> {
        if text.starts_with(['•', '◦', '–']) {
            return Some(Self::Mark);
        }
        let number = text.split_whitespace().next()?;
        let inside = number.strip_suffix(['.', ')'])?.trim_start_matches('(');
        let letter = inside.len() == 1 && inside.chars().all(|c| c.is_ascii_lowercase());
        let digits = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_digit() || c == '.');
        (letter || digits).then_some(Self::Number)
    }
}

/// What a sentence stands under, in its passage's words: the item above a point (`13. The network is
/// tested:` above `• Testing is monthly.`), or the first row of its table.
pub(crate) fn stands_under(draft: &PassageDraft, range: ByteRange) -> Option<&str> {
    let text = |range: &ByteRange| range.of(&draft.text).map(str::trim);
    let is_point = |text: &str| Point::of_text(text) == Some(Point::Mark);
    let is_row = |text: &str| text.contains(" | ");
    let own = text(&range)?;
    let mut before = draft
        .sentences
        .iter()
        .rev()
        .filter(|other| other.end <= range.start)
        .filter_map(text);
    if is_point(own) {
        before.find(|text| !is_point(text))
    } else if is_row(own) {
        before.take_while(|text| is_row(text)).last()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::of_lines;
    use cloister_domain::PassageSpan;

    #[test]
    fn a_list_is_quoted_with_what_introduces_it() {
        let check = |lines: &[&str], from: usize, to: usize| {
            let draft = of_lines(lines).passage.draft;
            let quoted = whole(&draft, draft.sentences[from]);
            let expected = lines[from..=to].join("\n");
            assert_eq!(quoted.of(&draft.text), Some(expected.as_str()));
        };
        let keys = "Keys are counted.";
        let steps = [
            "To begin:",
            "1. Wash.",
            "a) both hands",
            "• with soap",
            "2. Dry.",
            keys,
        ];
        check(&steps, 0, 4);
        check(&steps, 1, 1);
        check(&["Two things matter:", "• Calm.", "• Care.", keys], 0, 2);
        check(&["Two things matter:", keys, "• Calm."], 0, 0);
        check(
            &["13. Tested:", "14. Cleaned:", "• Floors.", "• Walls."],
            0,
            0,
        );
        check(
            &["13. Tested:", "14. Cleaned:", "• Floors.", "15. Locked."],
            1,
            2,
        );
        check(&["The porter decides.", "• Calm."], 0, 0);
        check(&["The end:"], 0, 0);
    }

    #[test]
    fn a_list_ends_with_its_page_and_a_point_with_its_last_sentence() {
        let mut draft = of_lines(&["Seen to:", "• Floors.", "• Walls. Twice.", "Then rest."])
            .passage
            .draft;
        let point = draft.sentences[2];
        let middle = point.start + "• Walls.".len();
        let parts = [
            ByteRange::new(point.start, middle),
            ByteRange::new(middle + 1, point.end),
        ];
        draft.sentences.splice(2..3, parts);
        let all = whole(&draft, draft.sentences[0]);
        assert_eq!(all, ByteRange::new(0, point.end));
        let page = PassageSpan {
            page: 2,
            range: ByteRange::new(point.start, draft.text.len()),
        };
        draft.spans[0].range.end = point.start;
        draft.spans.push(page);
        assert_eq!(whole(&draft, draft.sentences[0]), draft.sentences[0]);
    }

    #[test]
    fn a_point_stands_under_its_item_and_a_row_under_its_tables_first() {
        let lines = [
            "13. The network is tested:",
            "• Scans are monthly.",
            "• Probes are yearly.",
            "Keys are counted.",
            "Role | Days",
            "Nurse | 30",
            "Porter | 14",
        ];
        let draft = of_lines(&lines).passage.draft;
        let above: Vec<Option<&str>> = draft
            .sentences
            .iter()
            .map(|range| stands_under(&draft, *range))
            .collect();
        let (item, row) = (Some(lines[0]), Some(lines[4]));
        assert_eq!(above, [None, item, item, None, None, row, row]);
    }
}
