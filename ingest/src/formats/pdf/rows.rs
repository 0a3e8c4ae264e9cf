//! Joining words into text runs without wide gaps, and runs on one line into rows.

use super::words::{PlacedWord, TextDirection};
use cloister_domain::Rect;

/// A gap of more than this many font sizes separates cells of a table.
const CELL_GAP: f32 = 1.3;

/// Words on one line with normal gaps between them.
#[derive(Clone, Debug)]
pub struct TextRun {
    /// The words, from left to right.
    pub words: Vec<PlacedWord>,
    /// Their box, rotated so that the text reads from left to right.
    pub frame: Rect,
    /// The largest font size, in points.
    pub size: f32,
    /// Their direction.
    pub direction: TextDirection,
    /// The number of the table that it stands for, if it is a placeholder without words.
    pub table: Option<usize>,
}

impl TextRun {
    /// A run of one word.
    pub fn from_word(word: PlacedWord) -> Self {
        Self {
            frame: word.frame,
            size: word.size,
            direction: word.direction,
            words: vec![word],
            table: None,
        }
    }

    /// Appends the words of another run.
    pub fn append(&mut self, other: Self) {
        for word in other.words {
            self.push(word);
        }
    }

    /// Appends a word.
    pub fn push(&mut self, word: PlacedWord) {
        self.frame = self.frame.union(word.frame);
        self.size = self.size.max(word.size);
        self.words.push(word);
    }

    /// Removes the currency symbol at the end if it belongs to the following amount `next`.
    fn trailing_currency(&mut self, next: &str) -> Option<PlacedWord> {
        let amount = next.starts_with(|c: char| c.is_ascii_digit() || c == '(' || c == '—');
        let last = self
            .words
            .last()
            .filter(|_| amount && self.words.len() > 1)?;
        if !is_currency(&last.text) {
            return None;
        }
        self.words.pop()
    }

    /// Whether this text is on the same line as `frame`.
    pub fn shares_line(&self, direction: TextDirection, frame: Rect) -> bool {
        let shared = self.frame.y1.min(frame.y1) - self.frame.y0.max(frame.y0);
        self.direction == direction && shared > 0.4 * self.frame.height().min(frame.height())
    }

    /// The words, separated by spaces.
    pub fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}

/// Joins words into runs, in drawing order.
pub fn join_words(words: Vec<PlacedWord>) -> Vec<TextRun> {
    let mut runs: Vec<TextRun> = Vec::new();
    for word in words {
        match runs.last_mut() {
            Some(run) if continues_run(run, &word) => run.push(word),
            _ => runs.push(TextRun::from_word(word)),
        }
    }
    runs
}

fn continues_run(run: &TextRun, word: &PlacedWord) -> bool {
    let size = run.size.max(word.size);
    let mut gap = word.frame.x0 - run.frame.x1;
    if word.right_to_left && run.words.iter().all(|held| held.right_to_left) {
        // The next word is to the left, or it is one of several from left to right.
        gap = gap.max(run.frame.x0 - word.frame.x1);
    }
    run.shares_line(word.direction, word.frame) && gap > -0.3 * size && gap < CELL_GAP * size
}

/// Where the cells of a row are in a table.
#[derive(Clone, Debug, Default)]
pub struct RowPlace {
    /// The first column of each cell, and the number of columns that it covers.
    pub columns: Vec<(usize, usize)>,
    /// Whether a table begins with the row.
    pub starts_table: bool,
    /// Whether it names columns.
    pub is_header: bool,
}

/// One line of a page: a run, or the cells of a table row.
#[derive(Clone, Debug)]
pub struct TextRow {
    /// The cells, from left to right; at least one.
    pub cells: Vec<TextRun>,
    /// Their box, rotated so that the text reads from left to right.
    pub frame: Rect,
    /// The average font size in points, weighted by the number of letters.
    pub size: f32,
    /// Whether all letters are bold.
    pub bold: bool,
    /// Their direction.
    pub direction: TextDirection,
    /// Where the cells are in their table, if it is known.
    pub place: Option<RowPlace>,
}

impl TextRow {
    /// Whether it names the columns of its table.
    pub fn is_header(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_header)
    }

    /// The number of the table that it stands for, if it is a placeholder.
    pub fn table(&self) -> Option<usize> {
        self.cells.first().and_then(|cell| cell.table)
    }

    /// A row of these cells. `None` if there are none.
    pub fn from_cells(cells: Vec<TextRun>) -> Option<Self> {
        let first = cells.first()?;
        let (direction, mut frame) = (first.direction, first.frame);
        for cell in &cells {
            frame = frame.union(cell.frame);
        }
        let (mut letters, mut weighted, mut bold) = (0, 0.0, true);
        for word in cells.iter().flat_map(|cell| &cell.words) {
            letters += word.text.len();
            weighted += word.size * word.text.len() as f32;
            bold &= word.bold;
        }
        Some(Self {
            frame,
            size: weighted / letters.max(1) as f32,
            bold,
            direction,
            cells,
            place: None,
        })
    }

    /// The first word.
    pub fn first_word(&self) -> &str {
        let first = self.cells.first().and_then(|cell| cell.words.first());
        first.map_or("", |word| word.text.as_str())
    }

    /// The last word.
    pub fn last_word(&self) -> &str {
        let last = self.cells.last().and_then(|cell| cell.words.last());
        last.map_or("", |word| word.text.as_str())
    }
}

/// Joins runs that are on one line, and further lines of a table cell to that cell: half a row of a
/// table of doses would be worse than none.
pub fn join_rows(runs: Vec<TextRun>) -> Vec<TextRow> {
    let mut rows: Vec<Vec<TextRun>> = Vec::new();
    for run in runs {
        match rows.last_mut() {
            Some(row) if run.table.is_some() || row.iter().any(|held| held.table.is_some()) => {
                rows.push(vec![run]);
            }
            Some(row) if follows(row, &run) => row.push(run),
            Some(row) => match find_cell_above(row, &run) {
                Some(cell) => run.words.into_iter().for_each(|word| cell.push(word)),
                None => rows.push(vec![run]),
            },
            None => rows.push(vec![run]),
        }
    }
    rows.into_iter()
        .filter_map(|cells| TextRow::from_cells(join_cells(cells)))
        .collect()
}

/// Whether the run is to the right of the row, on the row's first line.
fn follows(row: &[TextRun], run: &TextRun) -> bool {
    let on_its_line = row
        .first()
        .is_some_and(|first| first.shares_line(run.direction, run.frame));
    let to_its_right = row
        .last()
        .is_some_and(|last| run.frame.x0 > last.frame.x1 - 0.3 * last.size);
    on_its_line && to_its_right
}

/// The cell that the run continues. A line below the first cell of a row is usually a row of its
/// own, unless its words continue the cell's.
fn find_cell_above<'r>(row: &'r mut [TextRun], run: &TextRun) -> Option<&'r mut TextRun> {
    let is_row = row.len() > 1;
    let first_cell = usize::from(!(is_row && continues_sentence(&run.text())));
    row.iter_mut()
        .skip(first_cell)
        .find(|cell| continues_cell(cell, run))
}

fn continues_sentence(text: &str) -> bool {
    text.starts_with(|c: char| c.is_lowercase() || c == '(')
}

/// Whether the run is the next line of a cell: close below it, with the same left edge. Columns of
/// numbers are aligned like this too, but each number is a row of its own.
fn continues_cell(cell: &TextRun, run: &TextRun) -> bool {
    let size = cell.size.max(run.size);
    let gap = run.frame.y0 - cell.frame.y1;
    let aligned = (run.frame.x0 - cell.frame.x0).abs() < 0.4 * size;
    let close = gap > -0.4 * size && gap < 0.6 * size;
    cell.direction == run.direction && aligned && close && has_letters(cell) && has_letters(run)
}

fn has_letters(run: &TextRun) -> bool {
    run.text().chars().any(char::is_alphabetic)
}

/// Joins cells that a gap separates but that belong together: a currency symbol and its amount, an
/// amount and its closing parenthesis, a list marker and its item.
pub fn join_cells(cells: Vec<TextRun>) -> Vec<TextRun> {
    let is_mark = |cell: &&TextRun| is_note_mark(&cell.text());
    let marks = cells.iter().filter(is_mark).count();
    let mut joined: Vec<TextRun> = Vec::new();
    for mut cell in cells {
        let text = cell.text();
        if let Some(sign) = joined
            .last_mut()
            .and_then(|last| last.trailing_currency(&text))
        {
            cell.words.insert(0, sign);
            joined.push(cell);
            continue;
        }
        let first = joined.len() == 1;
        match joined.last_mut() {
            Some(last)
                if belong_together(&last.text(), &text, first)
                    || is_note_of(&last.text(), &text, marks) =>
            {
                for word in cell.words {
                    last.push(word);
                }
            }
            _ => joined.push(cell),
        }
    }
    joined
}

fn belong_together(left: &str, right: &str, left_is_first: bool) -> bool {
    let currency = matches!(
        left,
        "$" | "€" | "£" | "¥" | "US$" | "$(" | "(" | "($" | "CHF" | "EUR" | "USD"
    );
    let closing = matches!(right, ")" | "%" | ")%" | "%)" | "x" | "bps");
    let marker = left_is_first
        && (crate::formats::common::list_marker::is_marker(left)
            || crate::formats::common::list_marker::is_section_number(left))
        && right.chars().next().is_some_and(char::is_alphabetic);
    let leader = is_leader(right);
    currency || closing || marker || leader
}

/// Whether a cell only refers to a note about the words to its left. If several cells of a line do,
/// they stand for values of their columns.
fn is_note_of(left: &str, right: &str, marks: usize) -> bool {
    marks == 1 && is_note_mark(right) && left.chars().any(char::is_alphabetic)
}

/// Whether a text only refers to notes: `(a)`, `(a)(b)`, `*`. A number in parentheses may be a
/// negative amount.
fn is_note_mark(text: &str) -> bool {
    let is_symbols = text.chars().all(|c| matches!(c, '*' | '†' | '‡' | '§'));
    let letters = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let is_letters = letters.is_some_and(|letters| {
        letters.split(")(").all(|mark| {
            let mut chars = mark.chars();
            chars.next().is_some_and(|c| c.is_ascii_lowercase()) && chars.next().is_none()
        })
    });
    !text.is_empty() && (is_symbols || is_letters)
}

/// Whether a text is the sign or the code of a currency.
pub fn is_currency(text: &str) -> bool {
    matches!(
        text,
        "$" | "€" | "£" | "¥" | "US$" | "$(" | "($" | "CHF" | "EUR" | "USD"
    )
}

/// Whether a text is a leader: dots that guide the eye to a number.
fn is_leader(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '.' | '…' | '_' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_a_note_belongs_to_its_label() {
        for (left, right, expected) in [
            ("Average fee per card", "(a)", true),
            ("Average fee per card", "(a)(b)", true),
            ("Hip replacement", "*", true),
            ("Net loss", "(1)", false),
            ("Net loss", "(12)", false),
            ("1,200", "(a)", false),
            ("Ward", "(a) and (b)", false),
            ("Ward", "A", false),
        ] {
            assert_eq!(is_note_of(left, right, 1), expected, "{left}, {right}");
        }
        assert!(!is_note_of("Corporate", "(b)", 2));
    }
}
