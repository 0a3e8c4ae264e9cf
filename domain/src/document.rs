//! What a file becomes: pages with blocks and words, and passages made from them.
//!
//! Positions are kept from extraction to the highlight in the browser. A page's text is stored
//! once; blocks, words, passages and sentences are byte ranges in it.

use crate::account::ReadingAccount;
use crate::ids::{CollectionId, DocumentId, PassageId, RevisionId};
use crate::metadata::{Day, DocumentMetadata};
use crate::text::ByteRange;
use serde::{Deserialize, Serialize};

/// A rectangle on a page as displayed (cropped and rotated), in points of 1/72 inch. The origin is
/// the top left corner, and y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge, at least `x0`.
    pub x1: f32,
    /// Bottom edge, at least `y0`.
    pub y1: f32,
}

impl Rect {
    /// The smallest rectangle that contains both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// Width in points.
    pub fn width(self) -> f32 {
        self.x1 - self.x0
    }

    /// Height in points.
    pub fn height(self) -> f32 {
        self.y1 - self.y0
    }
}

/// The kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "level")]
pub enum BlockKind {
    /// A heading, with its level from 1 for the highest.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// One item of a list, with its marker.
    ListItem,
    /// One row of a table, with cells separated by ` | `.
    TableRow,
    /// A caption of a table or figure.
    Caption,
    /// A running header or footer, or a page number. It is shown, but never searched.
    #[serde(rename = "furniture")]
    RunningHeader,
}

/// A cell of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCell {
    /// Its range in the text of the page, or of the passage.
    pub range: ByteRange,
    /// Its first column, counted from 0.
    pub column: u16,
    /// The number of columns that it covers, at least 1.
    pub span: u16,
}

impl TableCell {
    /// Whether it covers this column.
    pub const fn covers(self, column: u16) -> bool {
        self.column <= column && column - self.column < self.span
    }
}

/// What a row is in its table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// Whether a new table begins with this row. Otherwise the row continues the table of the row
    /// before it, also across pages.
    pub starts_table: bool,
    /// Whether it names columns.
    pub is_header: bool,
    /// Its cells that are not empty, in the order of the columns. The text of a cell that covers
    /// several rows is part of each of them.
    pub cells: Vec<TableCell>,
}

/// A part of a page's text: a heading, a paragraph, a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its kind.
    #[serde(flatten)]
    pub kind: BlockKind,
    /// Its range in the page's text.
    pub range: ByteRange,
    /// Its place in the file, as the program that made the file names it: `Budget!A7:F7`, `slide
    /// 3`, `part 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What it is in its table, if it is a row whose cells are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<TableRow>,
}

/// A word and its box. Only formats with fixed pages have words.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Its range in the page's text.
    pub range: ByteRange,
    /// Its box on the page.
    pub rect: Rect,
}

/// The text of a page, and the positions in it. Blocks are in reading order and do not overlap; the
/// text between them is white space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageText {
    /// The text in reading order. The lines of a paragraph are joined by spaces, and blocks are
    /// separated by line breaks.
    pub text: String,
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// Its words, in the order of the text; empty if the format has no fixed pages.
    pub words: Vec<Word>,
    /// Ranges of words with a low recognition confidence on a scanned page, in the order of the
    /// text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful: Vec<ByteRange>,
}

impl PageText {
    /// The rectangles of `range`, one for each line.
    pub fn rects(&self, range: ByteRange) -> Vec<Rect> {
        let mut lines: Vec<Rect> = Vec::new();
        for word in self.words.iter().filter(|word| word.range.overlaps(range)) {
            match lines.last_mut() {
                Some(line) if on_same_line(*line, word.rect) => *line = line.union(word.rect),
                _ => lines.push(word.rect),
            }
        }
        lines
    }
}

fn on_same_line(line: Rect, next: Rect) -> bool {
    let shared = line.y1.min(next.y1) - line.y0.max(next.y0);
    let gap = next.x0 - line.x1;
    let height = line.height().min(next.height()).max(1.0);
    shared > 0.5 * height && gap < 3.0 * height && next.x0 >= line.x0
}

/// One page of a revision. In formats without fixed pages, it is a sheet, slide or section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its number, counted from 1.
    pub number: u32,
    /// Width as displayed, in points; 0 if the format has no fixed pages.
    pub width: f32,
    /// Height as displayed, in points; 0 if the format has no fixed pages.
    pub height: f32,
    /// Its text.
    #[serde(flatten)]
    pub content: PageText,
}

impl Page {
    /// Whether the page can be rendered as a picture.
    pub fn is_drawn(&self) -> bool {
        self.width > 0.0 && self.height > 0.0
    }
}

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentInfo {
    /// The title, or the file's name if it has none.
    pub title: String,
    /// The format as which it was read: `pdf`, `html`, `markdown`, `text`, `docx`.
    pub format: String,
    /// ISO 639-3 code of its main language, if it was detected.
    pub language: Option<String>,
    /// The day of its last change, according to the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Day>,
    /// The day since which it is in force, by its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_effective: Option<Day>,
    /// Its number of pages.
    pub pages: u32,
    /// Warnings for the administrator, one sentence each.
    pub warnings: Vec<String>,
    /// What was left out of it, and what was not understood.
    #[serde(default)]
    pub account: ReadingAccount,
    /// Its metadata, from the file and from the site.
    #[serde(rename = "labels")]
    pub metadata: DocumentMetadata,
}

/// A part of a passage on one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageSpan {
    /// The page, counted from 1.
    pub page: u32,
    /// The range in that page's text.
    pub range: ByteRange,
}

/// A row of a table in a passage. The rows that name its columns come before it in the passage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRow {
    /// The range of the row in the text of the passage.
    pub range: ByteRange,
    /// What it is in its table. The ranges of its cells are in the text of the passage.
    #[serde(flatten)]
    pub row: TableRow,
}

/// A passage before it has an id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassageDraft {
    /// The texts of its spans, in order, separated by line breaks.
    pub text: String,
    /// The positions of the text.
    pub spans: Vec<PassageSpan>,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// Its sentences, as ranges of `text`, in order, each within one span.
    pub sentences: Vec<ByteRange>,
    /// Its length in the embedder's tokens.
    pub tokens: u32,
    /// Ranges of `text` with a low recognition confidence, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful: Vec<ByteRange>,
    /// The rows of tables whose cells are known, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<PassageRow>,
    /// If it is a row of a table that is a passage of its own for the search: the index of the
    /// passage that contains the row, among the passages of the document.
    #[serde(skip)]
    pub row_of: Option<usize>,
}

impl PassageDraft {
    /// Converts a range of the passage's text to positions on pages.
    pub fn locate(&self, range: ByteRange) -> Vec<PassageSpan> {
        let mut offset = 0;
        let mut found = Vec::new();
        for span in &self.spans {
            let here = ByteRange::new(offset, offset + span.range.len());
            if let Some(shared) = here.intersection(range) {
                let start = span.range.start + (shared.start - offset);
                let piece = ByteRange::new(start, start + shared.len());
                found.push(PassageSpan {
                    page: span.page,
                    range: piece,
                });
            }
            offset = here.end + 1;
        }
        found
    }
}

/// A stored passage, with the document it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// Its id and sequence number.
    pub id: PassageId,
    /// The revision it belongs to.
    pub revision: RevisionId,
    /// The document of that revision.
    pub document: DocumentId,
    /// The collection of that document.
    pub collection: CollectionId,
    /// If it is a row of a table: the passage that contains it and that is shown in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_of: Option<PassageId>,
    /// Its content.
    #[serde(flatten)]
    pub draft: PassageDraft,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_across_two_pages_is_located_on_both() {
        let draft = PassageDraft {
            text: "first part\nsecond part".into(),
            spans: vec![
                PassageSpan {
                    page: 3,
                    range: ByteRange::new(100, 110),
                },
                PassageSpan {
                    page: 4,
                    range: ByteRange::new(0, 11),
                },
            ],
            headings: vec![],
            sentences: vec![],
            tokens: 4,
            doubtful: Vec::new(),
            rows: Vec::new(),
            row_of: None,
        };
        let found = draft.locate(ByteRange::new(6, 17));
        assert_eq!(
            found,
            vec![
                PassageSpan {
                    page: 3,
                    range: ByteRange::new(106, 110)
                },
                PassageSpan {
                    page: 4,
                    range: ByteRange::new(0, 6)
                },
            ]
        );
    }

    #[test]
    fn words_of_one_line_share_a_rectangle() {
        let word = |start, x0: f32, y0: f32| Word {
            range: ByteRange::new(start, start + 4),
            rect: Rect {
                x0,
                y0,
                x1: x0 + 20.0,
                y1: y0 + 10.0,
            },
        };
        let page = PageText {
            text: "aaaa bbbb cccc".into(),
            blocks: vec![],
            words: vec![
                word(0, 10.0, 10.0),
                word(5, 33.0, 10.0),
                word(10, 10.0, 24.0),
            ],
            doubtful: vec![],
        };
        assert_eq!(page.rects(ByteRange::new(0, 14)).len(), 2);
        assert_eq!(page.rects(ByteRange::new(5, 9)).len(), 1);
        assert!(page.rects(ByteRange::new(4, 5)).is_empty());
    }
}
