//! Words become pieces, which no wide gap divides, and pieces on one line become a row.

use super::words::{PlacedWord, Turn};
use cloister_domain::Rect;

/// A gap of more than this many font sizes divides cells of a table.
const CELL_GAP: f32 = 1.3;

/// Words on one line with ordinary gaps between them.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The words, from left to right.
    pub words: Vec<PlacedWord>,
    /// Their box, turned upright.
    pub frame: Rect,
    /// Their size: the largest.
    pub size: f32,
    /// How they are turned.
    pub turn: Turn,
}

impl Piece {
    fn of(word: PlacedWord) -> Self {
        Self {
            frame: word.frame,
            size: word.size,
            turn: word.turn,
            words: vec![word],
        }
    }

    fn push(&mut self, word: PlacedWord) {
        self.frame = self.frame.union(word.frame);
        self.size = self.size.max(word.size);
        self.words.push(word);
    }

    /// Takes off the currency sign at the end, where it belongs to the amount `next`.
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

    /// Whether this text stands on the same line as `frame`.
    pub fn shares_line(&self, turn: Turn, frame: Rect) -> bool {
        let shared = self.frame.y1.min(frame.y1) - self.frame.y0.max(frame.y0);
        self.turn == turn && shared > 0.4 * self.frame.height().min(frame.height())
    }

    /// The words, one space between them.
    pub fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}

/// Joins words into pieces, in the order in which they were drawn.
pub fn pieces(words: Vec<PlacedWord>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for word in words {
        match pieces.last_mut() {
            Some(piece) if continues(piece, &word) => piece.push(word),
            _ => pieces.push(Piece::of(word)),
        }
    }
    pieces
}

fn continues(piece: &Piece, word: &PlacedWord) -> bool {
    let size = piece.size.max(word.size);
    let gap = word.frame.x0 - piece.frame.x1;
    piece.shares_line(word.turn, word.frame) && gap > -0.3 * size && gap < CELL_GAP * size
}

/// One line of the page: a piece, or the cells of a table's row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The cells, from left to right; at least one.
    pub cells: Vec<Piece>,
    /// Their box, turned upright.
    pub frame: Rect,
    /// Their size: that of most of the letters.
    pub size: f32,
    /// Whether all letters are bold.
    pub bold: bool,
    /// How they are turned.
    pub turn: Turn,
}

impl Row {
    fn of(cells: Vec<Piece>) -> Option<Self> {
        let first = cells.first()?;
        let (turn, mut frame) = (first.turn, first.frame);
        for cell in &cells {
            frame = frame.union(cell.frame);
        }
        let words = || cells.iter().flat_map(|cell| &cell.words);
        let letters: usize = words().map(|word| word.text.len()).sum();
        let weighted: f32 = words().map(|word| word.size * word.text.len() as f32).sum();
        let bold = words().all(|word| word.bold);
        Some(Self {
            frame,
            size: weighted / letters.max(1) as f32,
            bold,
            turn,
            cells,
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

/// Joins pieces that follow each other on one line, and the further lines of a table's cell to
/// that cell: half a row of a table of doses would be worse than none.
pub fn rows(pieces: Vec<Piece>) -> Vec<Row> {
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces {
        match rows.last_mut() {
            Some(row) if follows(row, &piece) => row.push(piece),
            Some(row) => match cell_above(row, &piece) {
                Some(cell) => piece.words.into_iter().for_each(|word| cell.push(word)),
                None => rows.push(vec![piece]),
            },
            None => rows.push(vec![piece]),
        }
    }
    rows.into_iter()
        .filter_map(|cells| Row::of(join_cells(cells)))
        .collect()
}

/// Whether the piece stands to the right of the row, on the line on which the row begins.
fn follows(row: &[Piece], piece: &Piece) -> bool {
    let on_its_line = row
        .first()
        .is_some_and(|first| first.shares_line(piece.turn, piece.frame));
    let to_its_right = row
        .last()
        .is_some_and(|last| piece.frame.x0 > last.frame.x1 - 0.3 * last.size);
    on_its_line && to_its_right
}

/// The cell of which the piece is the next line. A line below the first cell of a row is more often
/// a row of its own, unless its words only go on.
fn cell_above<'r>(row: &'r mut [Piece], piece: &Piece) -> Option<&'r mut Piece> {
    let is_row = row.len() > 1;
    let goes_on = |text: &str| text.starts_with(|c: char| c.is_lowercase() || c == '(');
    row.iter_mut()
        .enumerate()
        .filter(|(index, _)| *index > 0 || is_row && goes_on(&piece.text()))
        .map(|(_, cell)| cell)
        .find(|cell| goes_on_below(cell, piece))
}

/// Whether the piece is the next line of a cell: close below it, beginning where it begins. Columns
/// of figures stand like that too, but each figure is a row's own.
fn goes_on_below(cell: &Piece, piece: &Piece) -> bool {
    let size = cell.size.max(piece.size);
    let gap = piece.frame.y0 - cell.frame.y1;
    let aligned = (piece.frame.x0 - cell.frame.x0).abs() < 0.4 * size;
    let worded = |piece: &Piece| piece.text().chars().any(char::is_alphabetic);
    let close = gap > -0.4 * size && gap < 0.6 * size;
    cell.turn == piece.turn && aligned && close && worded(cell) && worded(piece)
}

/// Puts together what a gap divided and meaning does not: a currency sign and its amount, an
/// amount and its closing parenthesis, a list's marker and its item.
fn join_cells(cells: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
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
            Some(last) if belongs_together(&last.text(), &text, first) => {
                for word in cell.words {
                    last.push(word);
                }
            }
            _ => joined.push(cell),
        }
    }
    joined
}

fn belongs_together(left: &str, right: &str, left_is_first: bool) -> bool {
    let currency = matches!(
        left,
        "$" | "€" | "£" | "¥" | "US$" | "$(" | "(" | "($" | "CHF" | "EUR" | "USD"
    );
    let closing = matches!(right, ")" | "%" | ")%" | "%)" | "x" | "bps");
    let marker = left_is_first
        && (super::marker::is_marker(left) || super::marker::is_section_number(left))
        && right.chars().next().is_some_and(char::is_alphabetic);
    let leader = is_leader(right);
    currency || closing || marker || leader
}

fn is_currency(text: &str) -> bool {
    matches!(
        text,
        "$" | "€" | "£" | "¥" | "US$" | "$(" | "($" | "CHF" | "EUR" | "USD"
    )
}

/// The dots that lead the eye to a number.
fn is_leader(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '.' | '…' | '_' | ' '))
}
