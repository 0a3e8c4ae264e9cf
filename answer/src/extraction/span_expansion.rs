//! Expands a sentence to what must be quoted with it: the list that it introduces, or the sentence
//! that it refers to. Finds the line that a list item or table row belongs to.

use crate::extraction::table::{header_text, row_at};
use cloister_domain::{ByteRange, PassageDraft};
use cloister_text::fold::words;

/// A sentence that starts with one of these words refers to the previous sentence.
const ANAPHORS: &[&str] = &[
    "it", "this", "these", "that", "those", "they", "such", "he", "she",
];

/// The range of a sentence, expanded on its page: to the end of the list that it introduces, or to
/// the previous sentence if it starts with `It`, `This` and the like.
pub(crate) fn expand(draft: &PassageDraft, sentence: ByteRange) -> ByteRange {
    end_of_list(draft, sentence)
        .or_else(|| referenced_sentence(draft, sentence))
        .and_then(|other| merge_ranges(draft, sentence, other))
        .unwrap_or(sentence)
}

/// At most this many bytes are quoted around a sentence if the question asks for everything.
const MAX_SECTION_BYTES: usize = 900;

/// The range of a sentence with everything that belongs to it: the list that it is in or that it
/// introduces, or the sentences around it. A row of a table stays alone.
pub(crate) fn expand_to_section(draft: &PassageDraft, sentence: ByteRange) -> ByteRange {
    if row_at(draft, sentence).is_some() {
        return sentence;
    }
    let mut range = expand(draft, sentence);
    if let Some(introduction) = introduction_of_item(draft, sentence) {
        let list = expand(draft, introduction);
        let merged = merge_ranges(draft, range, list);
        return merged
            .filter(|merged| merged.len() <= 2 * MAX_SECTION_BYTES)
            .unwrap_or(range);
    }
    let ByteRange { start, end } = range;
    let sentences = draft
        .sentences
        .iter()
        .filter(|other| row_at(draft, **other).is_none());
    for next in sentences.clone().filter(|other| other.start >= end) {
        let Some(merged) = merge_ranges(draft, range, *next) else {
            break;
        };
        if merged.len() > MAX_SECTION_BYTES {
            break;
        }
        range = merged;
    }
    for previous in sentences.rev().filter(|other| other.end <= start) {
        let Some(merged) = merge_ranges(draft, range, *previous) else {
            break;
        };
        if merged.len() > MAX_SECTION_BYTES {
            break;
        }
        range = merged;
    }
    range
}

/// The sentence that introduces the list of an item.
fn introduction_of_item(draft: &PassageDraft, item: ByteRange) -> Option<ByteRange> {
    let marker = ListMarker::of_sentence(draft, item)?;
    let above = draft
        .sentences
        .iter()
        .rev()
        .filter(|other| other.end <= item.start);
    for other in above {
        let text = other.slice(&draft.text)?.trim();
        let is_item = match ListMarker::parse(text) {
            Some(ListMarker::Number) => marker == ListMarker::Number,
            Some(ListMarker::Bullet(_)) => true,
            None => false,
        };
        if !is_item {
            return text.ends_with(':').then_some(*other);
        }
    }
    None
}

/// The range from the start of the first range to the end of the last one. `None` if it is not on
/// a single page, since a quote is shown on one page.
pub(crate) fn merge_ranges(
    draft: &PassageDraft,
    one: ByteRange,
    other: ByteRange,
) -> Option<ByteRange> {
    let merged = ByteRange::new(one.start.min(other.start), one.end.max(other.end));
    (draft.locate(merged).len() == 1).then_some(merged)
}

/// The sentence before one that starts with an anaphor.
fn referenced_sentence(draft: &PassageDraft, sentence: ByteRange) -> Option<ByteRange> {
    let first_word = sentence.slice(&draft.text)?.split_whitespace().next()?;
    if !ANAPHORS.contains(&first_word.to_lowercase().as_str()) {
        return None;
    }
    draft
        .sentences
        .iter()
        .rev()
        .find(|other| other.end <= sentence.start)
        .copied()
}

/// The last sentence of the list that a sentence with a colon introduces.
fn end_of_list(draft: &PassageDraft, sentence: ByteRange) -> Option<ByteRange> {
    let introduction = sentence.slice(&draft.text)?.trim();
    if !introduction.ends_with(':') {
        return None;
    }
    let mut following = draft
        .sentences
        .iter()
        .copied()
        .filter(|other| other.start >= sentence.end);
    let first = following.next()?;
    let marker = ListMarker::of_sentence(draft, first)?;
    // `13. The network is tested:` does not introduce `14.`
    if ListMarker::parse(introduction) == Some(marker) {
        return None;
    }
    let mut last = first;
    for next in following {
        let next_marker = ListMarker::of_sentence(draft, next);
        let is_item = next_marker == Some(marker) || next_marker.is_some_and(ListMarker::is_bullet);
        if !is_item && !is_same_line(draft, last, next) {
            break;
        }
        last = next;
    }
    Some(last)
}

/// Whether a sentence continues the line of the previous one.
fn is_same_line(draft: &PassageDraft, previous: ByteRange, next: ByteRange) -> bool {
    ByteRange::new(previous.start, next.start)
        .slice(&draft.text)
        .is_some_and(|between| !between.contains('\n'))
}

/// Between the cells of a table row.
const CELL_SEPARATOR: &str = " | ";

/// How a list item starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListMarker {
    /// `•`, `-`
    Bullet(char),
    /// `1.`, `(a)`
    Number,
}

impl ListMarker {
    pub(super) fn of_sentence(draft: &PassageDraft, sentence: ByteRange) -> Option<Self> {
        Self::parse(sentence.slice(&draft.text)?.trim_start())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let first = text.chars().next()?;
        if BULLETS.contains(&first) {
            return Some(Self::Bullet(first));
        }
        if text.starts_with("- ") || text.starts_with("* ") {
            return Some(Self::Bullet(first));
        }
        let first_word = text.split_whitespace().next()?;
        let number = first_word.strip_suffix(['.', ')'])?.trim_start_matches('(');
        let is_letter = number.len() == 1 && number.chars().all(|c| c.is_ascii_lowercase());
        let is_number =
            !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
        (is_letter || is_number).then_some(Self::Number)
    }

    pub(super) fn is_bullet(self) -> bool {
        matches!(self, Self::Bullet(_))
    }
}

/// Signs that start an item. A hyphen or an asterisk does only before a space.
const BULLETS: [char; 9] = ['•', '◦', '–', '▪', '‣', '●', '○', '■', '・'];

/// What a list item or a table row belongs to: the numbered item and the labels above a bullet
/// (`13. The network is tested:` above `• Testing is monthly.`, `Codeine: Child:` above `- 1 mg`), or
/// the header of the table. `None` for other sentences, and if no row can be the header.
pub(crate) fn context_line(draft: &PassageDraft, sentence: ByteRange) -> Option<String> {
    if let Some(row) = row_at(draft, sentence) {
        return header_text(draft, row).map(str::to_owned);
    }
    let text = sentence.slice(&draft.text)?.trim();
    let previous = draft
        .sentences
        .iter()
        .rev()
        .filter(|other| other.end <= sentence.start)
        .filter_map(|other| other.slice(&draft.text).map(str::trim));
    if is_bullet(text) {
        let above: Vec<&str> = previous.collect();
        item_context(text, &above)
    } else if is_table_row(text) {
        let rows_above: Vec<&str> = previous.take_while(|line| is_table_row(line)).collect();
        header_row(&rows_above, cell_count(text)).map(str::to_owned)
    } else {
        None
    }
}

/// The labels and the introduction that a bullet is under. `above` are the lines above it, nearest
/// first.
fn item_context(item: &str, above: &[&str]) -> Option<String> {
    let bullets = above
        .iter()
        .take_while(|line| is_bullet(line) || is_alternative(line));
    let top_marker = bullets
        .clone()
        .last()
        .and_then(|line| ListMarker::parse(line));
    let marker = ListMarker::parse(item);
    let is_nested = top_marker.is_some_and(|top| marker != Some(top));
    // Labels of nested items say nothing about an item of the top level.
    let has_levels = bullets
        .clone()
        .any(|line| is_bullet(line) && ListMarker::parse(line) != top_marker);
    let mut labels: Vec<&str> = Vec::new();
    if (!is_label(item) || is_about_people(item)) && (is_nested || !has_levels) {
        for line in bullets.filter(|line| !is_alternative(line)) {
            let is_parent = is_nested && ListMarker::parse(line) == top_marker;
            let is_above_label = labels.last().is_none_or(|below| is_about_people(below));
            let is_new = labels.is_empty() && !is_about_people(item) || !is_about_people(line);
            if (is_label(line) || is_parent) && is_above_label && is_new {
                labels.push(line);
            }
            if is_parent || is_label(line) && !is_about_people(line) {
                break;
            }
        }
    }
    if labels.is_empty() {
        let introduction = above
            .iter()
            .find(|line| !is_bullet(line) && !is_alternative(line));
        return introduction.map(|line| (*line).to_owned());
    }
    let texts = labels.iter().rev().map(|label| without_bullet(label));
    Some(texts.collect::<Vec<&str>>().join(" "))
}

fn is_bullet(text: &str) -> bool {
    ListMarker::parse(text).is_some_and(ListMarker::is_bullet)
}

/// Whether an item only names what the items below are about: `- Codeine:`.
fn is_label(item: &str) -> bool {
    const MAX_WORDS: usize = 6;
    item.ends_with(':') && item.split_whitespace().count() <= MAX_WORDS
}

/// Whether a label names a group of people, which is part of something: `Child:` of a medicine.
fn is_about_people(label: &str) -> bool {
    const GROUPS: [&str; 12] = [
        "adult", "adults", "child", "children", "neonate", "neonates", "infant", "infants",
        "women", "men", "elderly", "years",
    ];
    is_label(label) && words(label).any(|word| GROUPS.contains(&word.as_str()))
}

/// Whether a line only joins the items above and below it: `Or:`.
fn is_alternative(line: &str) -> bool {
    let word = line.trim_end_matches(':').to_lowercase();
    ["or", "and", "plus", "and/or", "then"].contains(&word.as_str())
}

fn without_bullet(item: &str) -> &str {
    item.trim_start_matches(|c: char| BULLETS.contains(&c) || matches!(c, '-' | '*' | ' '))
}

fn is_table_row(text: &str) -> bool {
    text.contains(CELL_SEPARATOR)
}

fn cell_count(row: &str) -> usize {
    row.split(CELL_SEPARATOR).count()
}

/// The header of a row with `cells` cells, of the rows above it, nearest first. This is the top row
/// if it has as many cells. Otherwise another table starts below the top row: its first row is the
/// header if it has no digits, because a row of values under a wrong header would be misread.
fn header_row<'a>(rows_above: &[&'a str], cells: usize) -> Option<&'a str> {
    let top = *rows_above.last()?;
    if cell_count(top) == cells {
        return Some(top);
    }
    let first_of_table = rows_above
        .iter()
        .take_while(|row| cell_count(row) == cells)
        .last()?;
    let is_header = !first_of_table.chars().any(|c| c.is_ascii_digit());
    is_header.then_some(first_of_table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved_lines;
    use cloister_domain::PassageSpan;

    #[test]
    fn a_row_has_the_header_of_its_own_table() {
        let lines = [
            "Service | Basic | Standard | Premium",
            "Account | 2.00 | 4.00 | 9.00",
            "Service | Online | Counter",
            "SEPA transfer | 0.00 | 3.50",
            "Other transfer | 12.00 | 25.00",
        ];
        let draft = retrieved_lines(&lines).passage.draft;
        let context = |row: usize| context_line(&draft, draft.sentences[row]);
        assert_eq!(context(1).as_deref(), Some(lines[0]));
        assert_eq!(context(3).as_deref(), Some(lines[2]));
        assert_eq!(context(4).as_deref(), Some(lines[2]));
    }

    #[test]
    fn a_row_of_values_is_no_header_of_a_row_with_more_cells() {
        let lines = [
            "5 years | End of the relationship | Branches",
            "Complaints | 5 years | Final response | Legal",
            "Recordings | 5 years | Day of recording | Care",
        ];
        let draft = retrieved_lines(&lines).passage.draft;
        assert_eq!(context_line(&draft, draft.sentences[1]), None);
        assert_eq!(context_line(&draft, draft.sentences[2]), None);
    }

    #[test]
    fn a_list_is_quoted_with_its_introduction() {
        let check = |lines: &[&str], from: usize, to: usize| {
            let draft = retrieved_lines(lines).passage.draft;
            let quoted = expand(&draft, draft.sentences[from]);
            let expected = lines[from..=to].join("\n");
            assert_eq!(quoted.slice(&draft.text), Some(expected.as_str()));
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
    fn a_list_ends_with_its_page_and_an_item_with_its_last_sentence() {
        let mut draft =
            retrieved_lines(&["Seen to:", "• Floors.", "• Walls. Twice.", "Then rest."])
                .passage
                .draft;
        let item = draft.sentences[2];
        let middle = item.start + "• Walls.".len();
        let parts = [
            ByteRange::new(item.start, middle),
            ByteRange::new(middle + 1, item.end),
        ];
        draft.sentences.splice(2..3, parts);
        let all = expand(&draft, draft.sentences[0]);
        assert_eq!(all, ByteRange::new(0, item.end));
        let page = PassageSpan {
            page: 2,
            range: ByteRange::new(item.start, draft.text.len()),
        };
        draft.spans[0].range.end = item.start;
        draft.spans.push(page);
        assert_eq!(expand(&draft, draft.sentences[0]), draft.sentences[0]);
    }

    #[test]
    fn a_bullet_has_its_item_as_context_and_a_row_the_first_row() {
        let lines = [
            "13. The network is tested:",
            "• Scans are monthly.",
            "• Probes are yearly.",
            "Keys are counted.",
            "Role | Days",
            "Nurse | 30",
            "Porter | 14",
        ];
        let draft = retrieved_lines(&lines).passage.draft;
        let context: Vec<Option<String>> = draft
            .sentences
            .iter()
            .map(|sentence| context_line(&draft, *sentence))
            .collect();
        let context: Vec<Option<&str>> = context.iter().map(Option::as_deref).collect();
        let (item, row) = (Some(lines[0]), Some(lines[4]));
        assert_eq!(context, [None, item, item, None, None, row, row]);
    }

    #[test]
    fn a_nested_item_has_the_labels_above_it() {
        let lines = [
            "Drug treatment",
            "• Antibiotics:",
            "- Tetracycline:",
            "- Adult: 500 mg",
            "Or:",
            "- Erythromycin:",
            "- Child:",
            "- Up to 2 years: 125 mg",
            "• Rest.",
        ];
        let draft = retrieved_lines(&lines).passage.draft;
        let context = |line: usize| context_line(&draft, draft.sentences[line]);
        assert_eq!(context(3).as_deref(), Some("Tetracycline:"));
        assert_eq!(context(7).as_deref(), Some("Erythromycin: Child:"));
        assert_eq!(context(6).as_deref(), Some("Erythromycin:"));
        assert_eq!(context(8).as_deref(), Some("Drug treatment"));
    }
}
