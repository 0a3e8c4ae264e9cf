//! Rows of tables as passages of their own, so that a search finds them.
//!
//! The vector of a table says what the table is about, not what each row says. A search that finds
//! a row returns the passage that contains the row.

use super::CountTokens;
use cloister_domain::{ByteRange, PassageDraft, PassageRow, TableCell, TableRow};

/// Row passages of a document for each of its other passages, at most. If there are more rows,
/// several adjacent rows share a passage, which bounds the vectors of a document.
const MAX_PER_PASSAGE: usize = 3;
/// Row passages that a document may have, however short it is.
const MIN_BUDGET: usize = 60;

/// The row passages of a document: each has the header of its table and a row, or several rows if
/// there are many. `passages` are all passages of the document.
pub(super) fn row_passages(
    passages: &[PassageDraft],
    tokenizer: &impl CountTokens,
) -> Vec<PassageDraft> {
    let tables: Vec<Vec<Part<'_>>> = passages.iter().map(parts).collect();
    let rows: usize = tables.iter().flatten().map(|part| part.rows.len()).sum();
    let budget = MIN_BUDGET.max(passages.len() * MAX_PER_PASSAGE);
    let group = rows.div_ceil(budget).max(1);
    let mut found = Vec::new();
    for (index, (passage, parts)) in passages.iter().zip(&tables).enumerate() {
        for part in parts.iter().filter(|part| part.rows.len() > group) {
            for rows in part.rows.chunks(group) {
                let draft = assemble_rows(passage, &part.header, rows, tokenizer);
                found.extend(draft.map(|draft| PassageDraft {
                    row_of: Some(index),
                    ..draft
                }));
            }
        }
    }
    found
}

/// The rows of one table in a passage.
#[derive(Default)]
struct Part<'a> {
    header: Vec<&'a PassageRow>,
    rows: Vec<&'a PassageRow>,
}

/// The tables of a passage.
fn parts(passage: &PassageDraft) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for row in &passage.rows {
        if row.row.starts_table
            || parts
                .last()
                .is_none_or(|part| row.row.is_header && !part.rows.is_empty())
        {
            parts.push(Part::default());
        }
        if let Some(part) = parts.last_mut() {
            let list = if row.row.is_header {
                &mut part.header
            } else {
                &mut part.rows
            };
            list.push(row);
        }
    }
    parts
}

/// A passage of these rows of `parent`.
fn assemble_rows(
    parent: &PassageDraft,
    header: &[&PassageRow],
    rows: &[&PassageRow],
    tokenizer: &impl CountTokens,
) -> Option<PassageDraft> {
    let mut draft = PassageDraft {
        text: String::new(),
        spans: Vec::new(),
        headings: parent.headings.clone(),
        sentences: Vec::new(),
        tokens: 0,
        doubtful: Vec::new(),
        rows: Vec::new(),
        row_of: None,
    };
    for row in header.iter().chain(rows) {
        if !draft.text.is_empty() {
            draft.text.push('\n');
        }
        let base = draft.text.len();
        draft.text.push_str(row.range.slice(&parent.text)?);
        draft.spans.extend(parent.locate(row.range));
        draft
            .sentences
            .push(ByteRange::new(base, base + row.range.len()));
        draft.rows.push(rebase_row(row, base));
    }
    draft.tokens = u32::try_from(tokenizer.count(&draft.text)).unwrap_or(u32::MAX);
    Some(draft)
}

/// The row in a text in which it starts at `to`.
fn rebase_row(row: &PassageRow, to: usize) -> PassageRow {
    let from = row.range.start;
    let cells = row.row.cells.iter().map(|cell| TableCell {
        range: super::rebase(cell.range, from, to),
        ..*cell
    });
    PassageRow {
        range: super::rebase(row.range, from, to),
        row: TableRow {
            cells: cells.collect(),
            ..row.row
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::PassageSpan;

    struct Words;

    impl CountTokens for Words {
        fn count(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }
    }

    /// A passage with a sentence and a table. The first row names the columns.
    fn table(rows: &[&str]) -> PassageDraft {
        let mut draft = PassageDraft {
            text: "Emergencies.".into(),
            spans: Vec::new(),
            headings: vec!["Safety".into()],
            sentences: vec![ByteRange::new(0, 12)],
            tokens: 1,
            doubtful: Vec::new(),
            rows: Vec::new(),
            row_of: None,
        };
        for (index, row) in rows.iter().enumerate() {
            draft.text.push('\n');
            let start = draft.text.len();
            draft.text.push_str(row);
            let range = ByteRange::new(start, start + row.len());
            let label = row.find(' ').unwrap_or(row.len());
            draft.rows.push(PassageRow {
                range,
                row: TableRow {
                    starts_table: index == 0,
                    is_header: index == 0,
                    cells: vec![TableCell {
                        range: ByteRange::new(start, start + label),
                        column: 0,
                        span: 1,
                    }],
                },
            });
        }
        draft.spans.push(PassageSpan {
            page: 3,
            range: ByteRange::new(100, 100 + draft.text.len()),
        });
        draft
    }

    #[test]
    fn each_row_is_a_passage_under_its_header() {
        let parent = table(&["Event | First", "Robbery | Obey", "Fire | Leave"]);
        let before = table(&["Event | First", "Flood | Climb"]);
        let found = row_passages(&[before, parent.clone()], &Words);
        let texts: Vec<&str> = found.iter().map(|draft| draft.text.as_str()).collect();
        let expected = [
            "Event | First\nRobbery | Obey",
            "Event | First\nFire | Leave",
        ];
        assert_eq!(texts, expected);
        for draft in &found {
            assert_eq!((draft.row_of, &draft.headings), (Some(1), &parent.headings));
            // What it says is at its place in the document.
            for (span, row) in draft.spans.iter().zip(&draft.rows) {
                let in_parent = ByteRange::new(span.range.start - 100, span.range.end - 100);
                assert_eq!(in_parent.slice(&parent.text), row.range.slice(&draft.text));
                let label = row.row.cells.first().unwrap();
                let label = label.range.slice(&draft.text).unwrap();
                assert!(["Event", "Robbery", "Fire"].contains(&label), "{label}");
            }
        }
    }

    #[test]
    fn many_rows_share_passages() {
        let rows: Vec<String> = (0..500).map(|row| format!("Item {row} | {row}")).collect();
        let mut texts = vec!["Item | Price"];
        texts.extend(rows.iter().map(String::as_str));
        let found = row_passages(&[table(&texts)], &Words);
        assert!(found.len() <= MIN_BUDGET, "{}", found.len());
        let rows: usize = found.iter().map(|draft| draft.rows.len() - 1).sum();
        assert_eq!(rows, 500);
    }
}
