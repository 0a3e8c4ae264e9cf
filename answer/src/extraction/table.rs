//! Rows of tables whose cells are known: their headers, and what they say in words.

use cloister_domain::{ByteRange, PassageDraft, PassageRow, TableCell};
use cloister_text::Language;
use cloister_text::ranges::{Amount, dimension_of_name, parse_range};
use std::collections::BTreeSet;

/// The row of a passage at this range.
pub(crate) fn row_at(draft: &PassageDraft, range: ByteRange) -> Option<&PassageRow> {
    draft.rows.iter().find(|row| row.range == range)
}

/// The rows that name the columns of `row`, from top to bottom. Empty for a row that names columns
/// itself.
pub(crate) fn header_rows<'d>(draft: &'d PassageDraft, row: &PassageRow) -> Vec<&'d PassageRow> {
    if row.row.is_header {
        return Vec::new();
    }
    let mut header: Vec<&PassageRow> = Vec::new();
    for other in draft
        .rows
        .iter()
        .filter(|other| other.range.end <= row.range.start)
    {
        if other.row.starts_table {
            header.clear();
        }
        if other.row.is_header {
            header.push(other);
        }
    }
    header
}

/// The text of the header of `row`, all levels of it. `None` if it has none.
pub(crate) fn header_text<'d>(draft: &'d PassageDraft, row: &PassageRow) -> Option<&'d str> {
    let header = header_rows(draft, row);
    let (first, last) = (header.first()?, header.last()?);
    ByteRange::new(first.range.start, last.range.end).slice(&draft.text)
}

/// A row as `label: column value; column value`, which models read better than cells.
pub(crate) fn describe_row(draft: &PassageDraft, row: &PassageRow) -> Option<String> {
    let header = header_rows(draft, row);
    let (label, values) = row.row.cells.split_first()?;
    if header.is_empty() || label.column > 0 {
        return None;
    }
    let described: Vec<String> = values
        .iter()
        .map(|cell| {
            let names = column_name(draft, &header, *cell);
            let value = cell.range.slice(&draft.text).unwrap_or_default();
            if names.is_empty() {
                value.to_owned()
            } else {
                format!("{names} {value}")
            }
        })
        .collect();
    let label = label.range.slice(&draft.text)?;
    Some(format!("{label}: {}", described.join("; ")))
}

/// Whether the amounts of a question are in a range that the row states: 1 if they are, -1 if they
/// are in none, 0 if the row states no range that they could be in.
pub(crate) fn range_match(draft: &PassageDraft, row: &PassageRow, amounts: &[Amount]) -> f32 {
    if amounts.is_empty() {
        return 0.0;
    }
    let header = header_rows(draft, row);
    let mut is_outside = false;
    for cell in &row.row.cells {
        let Some(range) = cell.range.slice(&draft.text).and_then(parse_range) else {
            continue;
        };
        let default = dimension_of_name(&column_name(draft, &header, *cell));
        for amount in amounts {
            match range.contains(*amount, default) {
                Some(true) => return 1.0,
                Some(false) => is_outside = true,
                None => {}
            }
        }
    }
    if is_outside { -1.0 } else { 0.0 }
}

/// Whether the question has all words of a cell of the row that is no value, 0.5, and a word of a column's name that
/// is not in that cell, 0.5 more. Also 0.5 if it has the words of the first column's name: `When is
/// the clinic open?` asks for a row of a table of clinics.
pub(crate) fn cell_match(
    draft: &PassageDraft,
    row: &PassageRow,
    question: &BTreeSet<String>,
    language: Language,
) -> f32 {
    let stems = |cell: &TableCell| {
        language.content_stems(cell.range.slice(&draft.text).unwrap_or_default())
    };
    let is_value = |stems: &BTreeSet<String>| {
        stems.is_empty() || stems.iter().any(|stem| stem.chars().any(char::is_numeric))
    };
    let named = row
        .row
        .cells
        .iter()
        .map(stems)
        .filter(|stems| !is_value(stems) && stems.is_subset(question))
        .max_by_key(BTreeSet::len);
    let header = header_rows(draft, row);
    let names = header.iter().flat_map(|level| &level.row.cells);
    let Some(named) = named else {
        let label = label_name_stems(draft, row, language);
        let is_about = !label.is_empty() && label.is_subset(question);
        return if is_about { 0.5 } else { 0.0 };
    };
    let rest: BTreeSet<String> = question.difference(&named).cloned().collect();
    let mut names = names.map(stems);
    if names.any(|name| !name.is_disjoint(&rest)) {
        1.0
    } else {
        0.5
    }
}

/// The stems of the name of the first column, which says what the rows of the table are.
pub(crate) fn label_name_stems(
    draft: &PassageDraft,
    row: &PassageRow,
    language: Language,
) -> BTreeSet<String> {
    header_rows(draft, row)
        .iter()
        .flat_map(|level| &level.row.cells)
        .filter(|cell| cell.column == 0)
        .filter_map(|cell| cell.range.slice(&draft.text))
        .flat_map(|text| language.content_stems(text))
        .collect()
}

/// The names of the first column of a cell, from the highest level to the lowest.
fn column_name(draft: &PassageDraft, header: &[&PassageRow], cell: TableCell) -> String {
    let mut names: Vec<&str> = Vec::new();
    for level in header {
        let named = level.row.cells.iter().find(|name| name.covers(cell.column));
        if let Some(name) = named.and_then(|name| name.range.slice(&draft.text))
            && names.last() != Some(&name)
        {
            names.push(name);
        }
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved_table;
    use cloister_domain::PassageDraft;
    use cloister_text::ranges::amounts;

    fn prices() -> PassageDraft {
        let rows: [&[&str]; 4] = [
            &["Scan", "Weekdays", "", "Weekends", ""],
            &["", "Plain", "Contrast", "Plain", "Contrast"],
            &["Knee", "310", "420", "375", "495"],
            &["Head", "280", "", "350", "460"],
        ];
        let mut draft = retrieved_table(2, &rows).passage.draft;
        for cell in &mut draft.rows[0].row.cells {
            cell.span = if cell.column > 0 { 2 } else { 1 };
        }
        draft
    }

    #[test]
    fn a_row_is_described_by_all_levels_of_its_header() {
        let draft = prices();
        let expected = [
            "Knee: Weekdays Plain 310; Weekdays Contrast 420; Weekends Plain 375; \
             Weekends Contrast 495",
            "Head: Weekdays Plain 280; Weekends Plain 350; Weekends Contrast 460",
        ];
        for (row, expected) in draft.rows[2..].iter().zip(expected) {
            assert_eq!(describe_row(&draft, row).as_deref(), Some(expected));
            let header = header_text(&draft, row).unwrap();
            assert!(
                header.starts_with("Scan") && header.ends_with("Contrast"),
                "{header}"
            );
        }
        assert_eq!(header_text(&draft, &draft.rows[1]), None);
    }

    #[test]
    fn a_row_does_not_have_the_header_of_the_table_above() {
        let rows: [&[&str]; 4] = [
            &["Account", "Basic", "Plus"],
            &["Fee", "2", "4"],
            &["Payment", "Online", "Counter"],
            &["Transfer", "0.20", "Not offered"],
        ];
        let mut draft = retrieved_table(1, &rows).passage.draft;
        draft.rows[2].row.starts_table = true;
        assert_eq!(header_text(&draft, &draft.rows[3]), None);
        draft.rows[2].row.is_header = true;
        let header = header_text(&draft, &draft.rows[3]);
        assert_eq!(header, Some("Payment | Online | Counter"));
        let described = describe_row(&draft, &draft.rows[3]);
        assert_eq!(
            described.as_deref(),
            Some("Transfer: Online 0.20; Counter Not offered")
        );
    }

    #[test]
    fn a_row_matches_if_the_question_names_its_cell_and_its_column() {
        let draft = prices();
        let matches = |question: &str| {
            let stems = Language::ENGLISH.content_stems(question);
            cell_match(&draft, &draft.rows[2], &stems, Language::ENGLISH)
        };
        for (question, expected) in [
            ("What does a knee cost on weekends?", 1.0),
            ("What does a knee cost?", 0.5),
            ("What does a shoulder cost on weekends?", 0.0),
        ] {
            let found = matches(question);
            assert!(
                (found - expected).abs() < f32::EPSILON,
                "{question}: {found}"
            );
        }
    }

    #[test]
    fn a_row_is_for_the_age_in_the_question() {
        let rows: [&[&str]; 3] = [
            &["Medicine", "Age", "Dose"],
            &["Amoxicillin", "1 to 11 months", "125 mg"],
            &["Amoxicillin", "1 to 4 years", "250 mg"],
        ];
        let draft = retrieved_table(1, &rows).passage.draft;
        let matches = |question: &str| -> Vec<f32> {
            let amounts = amounts(question);
            let rows = draft.rows[1..].iter();
            rows.map(|row| range_match(&draft, row, &amounts)).collect()
        };
        assert_eq!(matches("Amoxicillin for a three-year-old?"), [-1.0, 1.0]);
        assert_eq!(matches("Which dose of amoxicillin?"), [0.0, 0.0]);
    }
}
