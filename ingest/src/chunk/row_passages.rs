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
        let begins_header = |part: &Part<'_>| row.row.is_header && !part.rows.is_empty();
        if row.row.starts_table || parts.last().is_none_or(begins_header) {
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

/// A passage of these rows of `whole`.
fn assemble_rows(
    whole: &PassageDraft,
    header: &[&PassageRow],
    rows: &[&PassageRow],
    tokenizer: &impl CountTokens,
) -> Option<PassageDraft> {
    let mut draft = PassageDraft {
        text: String::new(),
        spans: Vec::new(),
        headings: whole.headings.clone(),
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
        draft.text.push_str(row.range.slice(&whole.text)?);
        draft.spans.extend(whole.locate(row.range));
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
