//! Tables: cells with their spans become rows in which each cell has its columns. The text of a
//! cell that covers several rows stands in each of them.

pub use super::table_headers::is_number;
use super::table_headers::{extend_header, mark_headers};
use super::whitespace::normalize_whitespace;
use std::collections::BTreeMap;

/// Maximum number of columns that a cell spans, and of columns of a table.
const MAX_SPAN: usize = 64;
const MAX_COLUMNS: usize = 16_384;
/// A repeated text of more bytes than this is written once.
const MAX_REPEATED_TEXT: usize = 2_000;
/// Bytes that repeated texts may add to a table beside its own text, and the factor of its own text.
const REPEATED_BYTES: usize = 64 << 10;
const REPEATED_FACTOR: usize = 4;

/// A cell as its format describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpannedCell {
    /// Its text.
    pub text: String,
    /// The number of columns that it covers; 0 means 1.
    pub columns: usize,
    /// The number of rows that it covers; 0 means 1.
    pub rows: usize,
    /// Its column, if the format gives it. Otherwise it is in the next column that is free.
    pub column: Option<usize>,
    /// Whether it continues the cell above it.
    pub continues_above: bool,
    /// Whether the format says that it names columns.
    pub is_header: bool,
    /// Whether its text is bold throughout.
    pub is_bold: bool,
}

/// A row as its format describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpannedRow {
    /// Its cells.
    pub cells: Vec<SpannedCell>,
    /// Whether the format says that it names columns.
    pub is_header: bool,
    /// The group of rows that it belongs to. No cell covers rows of two groups.
    pub group: usize,
}

/// A cell in its columns. Its text is normalized and not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellDraft {
    /// Its text.
    pub text: String,
    /// Its first column.
    pub column: usize,
    /// The number of columns that it covers.
    pub span: usize,
}

/// A row whose cells are in their columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowDraft {
    /// Whether a new table begins with it.
    pub starts_table: bool,
    /// Whether it names columns.
    pub is_header: bool,
    /// The cells that are not empty, in the order of the columns.
    pub cells: Vec<CellDraft>,
}

impl RowDraft {
    /// A row with one cell in each column.
    pub fn from_texts<S: AsRef<str>>(texts: &[S]) -> Self {
        let cells = texts.iter().enumerate().filter_map(|(column, text)| {
            let text = normalize_whitespace(text.as_ref());
            let span = 1;
            (!text.is_empty()).then_some(CellDraft { text, column, span })
        });
        Self {
            cells: cells.collect(),
            ..Self::default()
        }
    }

    /// The cell that covers a column.
    pub fn cell_at(&self, column: usize) -> Option<&CellDraft> {
        let mut cells = self.cells.iter();
        cells.find(|cell| cell.column <= column && column < cell.column + cell.span)
    }

    /// Its cells, joined by spaces.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.cells.iter().map(|cell| cell.text.as_str()).collect();
        texts.join(" ")
    }
}

/// A cell that covers rows below its own.
#[derive(Clone, Debug)]
struct HangingCell {
    text: String,
    span: usize,
    rows_left: usize,
}

/// Lays out a table. Rows without text are left out. `lost` is increased for each text that was too
/// long to be repeated.
pub fn lay_out(rows: Vec<SpannedRow>, lost: &mut usize) -> Vec<RowDraft> {
    let own: usize = rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| cell.text.len())
        .sum();
    let mut layout = TableLayout {
        hanging: BTreeMap::new(),
        group: rows.first().map_or(0, |row| row.group),
        budget: REPEATED_BYTES.saturating_add(own.saturating_mul(REPEATED_FACTOR)),
        lost: 0,
    };
    let mut is_bold = Vec::new();
    let mut found: Vec<RowDraft> = Vec::new();
    for row in rows {
        let bold = !row.cells.is_empty()
            && row
                .cells
                .iter()
                .all(|c| c.is_bold || c.text.trim().is_empty());
        let draft = layout.row(row);
        if !draft.cells.is_empty() {
            found.push(draft);
            is_bold.push(bold);
        }
    }
    *lost += layout.lost;
    finish_table(&mut found, &is_bold);
    found
}

/// Marks the first row as the start of the table, and the rows that name columns.
pub fn finish_table(rows: &mut [RowDraft], is_bold: &[bool]) {
    if let Some(first) = rows.first_mut() {
        first.starts_table = true;
    }
    split_at_headers(rows);
    if !rows.iter().any(|row| row.is_header) {
        mark_headers(rows, is_bold);
    }
    extend_header(rows);
    mark_title_above_header(rows);
}

/// A header in the middle of a table starts a table of its own, unless it only names a group of
/// rows.
fn split_at_headers(rows: &mut [RowDraft]) {
    let mut in_header = true;
    for row in rows {
        let names_columns = row.is_header && row.cells.len() > 1;
        if row.is_header && !in_header {
            row.is_header = names_columns;
            row.starts_table = names_columns;
        }
        in_header = row.is_header || in_header && row.cells.len() == 1;
    }
}

/// A single cell above the names of the columns is their title if it covers all of them.
fn mark_title_above_header(rows: &mut [RowDraft]) {
    let header = rows
        .iter()
        .position(|row| row.is_header && row.cells.len() > 1);
    let widest = rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|c| c.column + c.span)
        .max();
    for row in rows.iter_mut().take(header.unwrap_or(0)) {
        row.is_header = row.is_header
            || row
                .cells
                .iter()
                .all(|cell| cell.column == 0 && Some(cell.span) == widest);
    }
}

struct TableLayout {
    /// The cells of rows above that cover this row, by their first column.
    hanging: BTreeMap<usize, HangingCell>,
    group: usize,
    /// Bytes that repeated texts may still have.
    budget: usize,
    lost: usize,
}

impl TableLayout {
    fn row(&mut self, row: SpannedRow) -> RowDraft {
        if row.group != self.group {
            self.group = row.group;
            self.hanging.clear();
        }
        let above = std::mem::take(&mut self.hanging);
        let marked = row.is_header;
        let mut found: BTreeMap<usize, CellDraft> = BTreeMap::new();
        let (mut own, mut headers) = (0, 0);
        let mut next = 0;
        for cell in row.cells {
            let start = cell.column.unwrap_or_else(|| first_free(next, &above));
            if start >= MAX_COLUMNS {
                break;
            }
            let span = cell.columns.clamp(1, MAX_SPAN);
            next = start + span;
            if cell.continues_above {
                if let Some(upper) = above.get(&start) {
                    self.repeat(start, upper, &mut found);
                    self.hanging.insert(start, upper.clone());
                }
                continue;
            }
            let text = normalize_whitespace(&cell.text);
            if !text.is_empty() {
                own += 1;
                headers += usize::from(cell.is_header);
            }
            // A cell that continues in the next row says so there.
            let rows_left = cell.rows.max(1) - 1;
            let hanging = HangingCell {
                text: text.clone(),
                span,
                rows_left,
            };
            self.hanging.insert(start, hanging);
            let draft = CellDraft {
                text,
                column: start,
                span,
            };
            if !draft.text.is_empty() {
                found.insert(start, draft);
            }
        }
        self.continue_cells(above, &mut found);
        // The text of a header cell above is no sign that this row names columns.
        RowDraft {
            starts_table: false,
            is_header: marked || own > 0 && headers == own,
            cells: found.into_values().collect(),
        }
    }

    /// Continues the cells above that cover this row, too.
    fn continue_cells(
        &mut self,
        above: BTreeMap<usize, HangingCell>,
        found: &mut BTreeMap<usize, CellDraft>,
    ) {
        for (start, mut upper) in above {
            if upper.rows_left == 0 || self.hanging.contains_key(&start) {
                continue;
            }
            if !overlaps(found, start, upper.span) {
                self.repeat(start, &upper, found);
            }
            upper.rows_left -= 1;
            self.hanging.insert(start, upper);
        }
    }

    /// Writes the text of a cell above into this row.
    fn repeat(
        &mut self,
        start: usize,
        upper: &HangingCell,
        found: &mut BTreeMap<usize, CellDraft>,
    ) {
        if upper.text.is_empty() {
            return;
        }
        if upper.text.len() > MAX_REPEATED_TEXT.min(self.budget) {
            self.lost += 1;
            return;
        }
        self.budget -= upper.text.len();
        let text = upper.text.clone();
        found.insert(
            start,
            CellDraft {
                text,
                column: start,
                span: upper.span,
            },
        );
    }
}

/// The first column from `next` that no cell of a row above covers.
fn first_free(next: usize, above: &BTreeMap<usize, HangingCell>) -> usize {
    let mut free = next;
    for (start, upper) in above {
        if upper.rows_left > 0 && *start <= free && free < start + upper.span {
            free = start + upper.span;
        }
    }
    free
}

fn overlaps(cells: &BTreeMap<usize, CellDraft>, start: usize, span: usize) -> bool {
    let before = cells.range(..start + span).next_back();
    before.is_some_and(|(column, cell)| column + cell.span > start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str, columns: usize, rows: usize) -> SpannedCell {
        SpannedCell {
            text: text.to_owned(),
            columns,
            rows,
            ..SpannedCell::default()
        }
    }

    fn row(cells: Vec<SpannedCell>) -> SpannedRow {
        SpannedRow {
            cells,
            ..SpannedRow::default()
        }
    }

    fn texts(rows: &[RowDraft]) -> Vec<String> {
        rows.iter()
            .map(|row| {
                let mark = if row.is_header { "# " } else { "" };
                let cells = row
                    .cells
                    .iter()
                    .map(|c| format!("{}@{}+{}", c.text, c.column, c.span));
                format!("{mark}{}", cells.collect::<Vec<_>>().join(" "))
            })
            .collect()
    }

    #[test]
    fn a_label_stands_in_each_row_that_it_covers() {
        let mut lost = 0;
        let found = lay_out(
            vec![
                row(vec![cell("Drug", 1, 2), cell("Dose", 2, 1)]),
                row(vec![cell("Adults", 1, 1), cell("Children", 1, 1)]),
                row(vec![
                    cell("Morphine", 1, 2),
                    cell("5 mg", 1, 1),
                    cell("1 mg", 1, 1),
                ]),
                row(vec![cell("10 mg", 1, 1), cell("2 mg", 1, 1)]),
                row(vec![
                    cell("Codeine", 1, 1),
                    cell("", 1, 1),
                    cell("3 mg", 1, 1),
                ]),
            ],
            &mut lost,
        );
        assert_eq!(
            texts(&found),
            [
                "# Drug@0+1 Dose@1+2",
                "# Drug@0+1 Adults@1+1 Children@2+1",
                "Morphine@0+1 5 mg@1+1 1 mg@2+1",
                "Morphine@0+1 10 mg@1+1 2 mg@2+1",
                "Codeine@0+1 3 mg@2+1",
            ]
        );
        assert_eq!(lost, 0);
        assert!(found.iter().skip(1).all(|row| !row.starts_table));
    }

    #[test]
    fn a_further_row_of_the_header_repeats_its_label() {
        let cells = |texts: &[(usize, &str)]| RowDraft {
            cells: texts
                .iter()
                .map(|(column, text)| CellDraft {
                    text: (*text).to_owned(),
                    column: *column,
                    span: 1,
                })
                .collect(),
            ..RowDraft::default()
        };
        let mut rows = [
            cells(&[(0, "Scan"), (1, "Price")]),
            cells(&[(0, "Scan"), (1, "Weekdays"), (3, "Weekends")]),
            cells(&[
                (0, "Scan"),
                (1, "Plain"),
                (2, "Dye"),
                (3, "Plain"),
                (4, "Dye"),
            ]),
            cells(&[(0, "Knee"), (1, "310"), (2, "420"), (3, "375"), (4, "495")]),
            cells(&[(0, "Head"), (1, "280"), (2, "–"), (3, "350"), (4, "–")]),
        ];
        rows[0].is_header = true;
        finish_table(&mut rows, &[]);
        assert_eq!(
            texts(&rows),
            [
                "# Scan@0+1 Price@1+4",
                "# Scan@0+1 Weekdays@1+2 Weekends@3+2",
                "# Scan@0+1 Plain@1+1 Dye@2+1 Plain@3+1 Dye@4+1",
                "Knee@0+1 310@1+1 420@2+1 375@3+1 495@4+1",
                "Head@0+1 280@1+1 –@2+1 350@3+1 –@4+1",
            ]
        );
    }

    #[test]
    fn a_cell_that_continues_the_one_above_has_its_text() {
        let mut continued = cell("", 1, 1);
        continued.continues_above = true;
        let found = lay_out(
            vec![
                row(vec![cell("A", 1, 1), cell("1", 1, 1)]),
                row(vec![continued.clone(), cell("2", 1, 1)]),
                row(vec![continued, cell("3", 1, 1)]),
            ],
            &mut 0,
        );
        assert_eq!(texts(&found), ["A@0+1 1@1+1", "A@0+1 2@1+1", "A@0+1 3@1+1"]);
    }

    #[test]
    fn repetition_is_bounded() {
        let mut rows = vec![row(vec![
            cell(&"a".repeat(1_900), 1, 60_000),
            cell("b", 1, 1),
        ])];
        rows.extend((0..10_000).map(|_| row(vec![cell("c", 1, 1)])));
        let mut lost = 0;
        let found = lay_out(rows, &mut lost);
        let bytes: usize = found
            .iter()
            .flat_map(|row| &row.cells)
            .map(|c| c.text.len())
            .sum();
        assert!(bytes < 200_000, "{bytes}");
        assert!(lost > 9_000);
    }

    #[test]
    fn headers_are_found_by_their_content() {
        for (rows, expected) in [
            (vec![vec!["Ward", "Beds"], vec!["3B", "12"]], 1),
            (
                vec![vec!["", "2025", "2024"], vec!["Loans", "1,200", "(40)"]],
                1,
            ),
            (vec![vec!["Ward 3B", "12"], vec!["Ward 4A", "9"]], 0),
            (vec![vec!["Apixaban", "5 mg"], vec!["Warfarin", "2 mg"]], 0),
            (
                vec![
                    vec!["Age", "0-30 days", "31-60 days"],
                    vec!["Total", "4", "9"],
                ],
                1,
            ),
            (vec![vec!["Name", "Anna Meier"], vec!["Ward", "Four A"]], 0),
        ] {
            let mut drafts: Vec<RowDraft> = rows.iter().map(|r| RowDraft::from_texts(r)).collect();
            finish_table(&mut drafts, &[]);
            let headers = drafts.iter().filter(|row| row.is_header).count();
            assert_eq!(headers, expected, "{rows:?}");
        }
    }
}
