//! Tables of separated values. What separates the cells is decided by many lines, outside of
//! quotation marks: one comma in a title or in numbers decides nothing.

use super::sections::Sections;
use super::sheets::Sheet;
use crate::formats::Failure;
use cloister_domain::BlockKind;

/// What may separate cells.
const SEPARATORS: [u8; 5] = [b';', b'\t', b'|', b',', b'^'];
/// Number of rows that are examined.
const SAMPLE_ROWS: usize = 300;
/// Number of lines above the names of the columns that may be a title.
const MAX_TITLE_ROWS: usize = 12;
/// A separator with a lower score parts no cells.
const MIN_SCORE: f64 = 0.2;
/// A cell of more bytes than this with line breaks inside was opened by a stray quotation mark.
const MAX_QUOTED_BYTES: usize = 20_000;

/// How a table is separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Separation {
    separator: u8,
    /// The usual number of cells of a row.
    columns: usize,
}

/// Reads a table of separated values.
pub fn read_table(text: &str, sections: &mut Sections) -> Result<(), Failure> {
    let (declared, text) = split_declaration(text);
    let separator = match declared {
        Some(separator) => separator,
        None => detect(text).map_or(b';', |found| found.separator),
    };
    let mut rows = parse_rows(text, separator, true)?;
    let is_swallowed = rows
        .iter()
        .flat_map(|row| &row.cells)
        .any(|cell| cell.len() > MAX_QUOTED_BYTES && cell.contains('\n'));
    if is_swallowed {
        rows = parse_rows(text, separator, false)?;
        sections.warn(
            "a quotation mark of the table is never closed, so quotation marks are read as text",
        );
    }
    let columns = usual_count(&rows);
    let titles = count_titles(&rows, columns);
    for row in rows.iter().take(titles) {
        let line = row
            .line
            .trim()
            .trim_matches([char::from(separator), '"'])
            .trim();
        sections.push_block(BlockKind::Paragraph, line);
    }
    let mut sheet = Sheet::new(None);
    for (index, row) in (0_u32..).zip(&rows).skip(titles) {
        for (column, cell) in (0_u32..).zip(&row.cells) {
            sheet.push_cell(index, column, text_of_formula(cell))?;
        }
    }
    sheet.write_rows(sections);
    Ok(())
}

/// The text of a cell that is written as a formula, so that Excel takes it for no number: `="00123"`.
fn text_of_formula(cell: &str) -> &str {
    let inner = cell.trim().strip_prefix("=\"");
    let inner = inner.and_then(|cell| cell.strip_suffix('"'));
    inner.filter(|text| !text.contains('"')).unwrap_or(cell)
}

/// Whether a text without a telling name is a table: nearly all of its lines have the same number of
/// cells, at least three.
pub fn is_table(text: &str) -> bool {
    let text = sample_of(text);
    [b'\t', b';', b'|'].into_iter().any(|separator| {
        let Ok(rows) = parse_rows(text, separator, true) else {
            return false;
        };
        let filled: Vec<&SeparatedRow> = rows.iter().filter(|row| !row.is_blank()).collect();
        let columns = usual_count(&rows);
        let usual = filled
            .iter()
            .filter(|row| row.cells.len() == columns)
            .count();
        columns > 2 && filled.len() > 2 && usual * 10 >= filled.len() * 9
    })
}

/// The separator that Excel's first line `sep=;` declares, and the text without that line.
fn split_declaration(text: &str) -> (Option<u8>, &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some((first, rest)) = text.split_once('\n') else {
        return (None, text);
    };
    let line = first.trim_end_matches('\r').trim_matches('"');
    let declared = line
        .get(..4)
        .filter(|name| name.eq_ignore_ascii_case("sep="))
        .and_then(|_| match line.as_bytes().get(4..) {
            Some([only]) if only.is_ascii() => Some(*only),
            _ => None,
        });
    match declared {
        Some(separator) => (Some(separator), rest),
        None => (None, text),
    }
}

/// A row, and the line that it was written in.
#[derive(Debug)]
struct SeparatedRow {
    cells: Vec<String>,
    line: String,
}

impl SeparatedRow {
    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }

    /// The number of cells up to the last one that is not empty.
    fn filled(&self) -> usize {
        self.cells
            .iter()
            .rposition(|cell| !cell.trim().is_empty())
            .map_or(0, |last| last + 1)
    }
}

fn parse_rows(text: &str, separator: u8, quoting: bool) -> Result<Vec<SeparatedRow>, Failure> {
    let text = &*without_spaces_before_quotes(text, char::from(separator));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .quoting(quoting)
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut start = 0;
    loop {
        let more = reader.read_record(&mut record);
        if !more.map_err(|_cause| Failure::damaged("its rows cannot be separated"))? {
            return Ok(rows);
        }
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        rows.push(SeparatedRow {
            cells: record.iter().map(str::to_owned).collect(),
            line: if rows.len() < MAX_TITLE_ROWS {
                text.get(start..end).unwrap_or_default().to_owned()
            } else {
                String::new()
            },
        });
        start = end;
    }
}

/// The text without spaces between a separator and a quotation mark: `A, "5, 6"`.
fn without_spaces_before_quotes(text: &str, separator: char) -> std::borrow::Cow<'_, str> {
    if !text.contains(" \"") {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut is_quoted = false;
    // Spaces after a separator, until it is known what follows them.
    let mut spaces: Option<usize> = None;
    for c in text.chars() {
        match spaces {
            Some(count) if c == ' ' => {
                spaces = Some(count + 1);
                continue;
            }
            Some(count) => {
                let retained = if c == '"' { 0 } else { count };
                plain.extend(std::iter::repeat_n(' ', retained));
                spaces = None;
            }
            None => {}
        }
        if c == '"' {
            is_quoted = !is_quoted;
        } else if c == separator && !is_quoted {
            spaces = Some(0);
        }
        plain.push(c);
    }
    plain.into()
}

/// The most frequent number of cells of a row with several.
fn usual_count(rows: &[SeparatedRow]) -> usize {
    let mut counts: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    for row in rows
        .iter()
        .take(SAMPLE_ROWS)
        .filter(|row| row.cells.len() > 1)
    {
        *counts.entry(row.cells.len()).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, rows)| *rows)
        .map_or(1, |(count, _)| count)
}

/// The number of rows above the names of the columns: they have fewer cells, or a comma of a
/// sentence parts them.
fn count_titles(rows: &[SeparatedRow], columns: usize) -> usize {
    if columns < 2 {
        return 0;
    }
    let first = (0..rows.len().min(MAX_TITLE_ROWS)).find(|index| {
        is_regular(rows.get(*index), columns)
            && (index + 1 >= rows.len() || is_regular(rows.get(index + 1), columns))
    });
    let first = first.unwrap_or(0);
    let above = rows.get(..first).unwrap_or_default();
    // A row with more cells than the others is not a title, unless it reads like a sentence.
    let mut titles = above.iter();
    if titles.all(|row| row.filled() < columns || row.line.contains(", ")) {
        return first;
    }
    0
}

/// Whether a row has all columns, and values in at least two.
fn is_regular(row: Option<&SeparatedRow>, columns: usize) -> bool {
    row.is_some_and(|row| row.cells.len() == columns && row.filled() > 1)
}

/// Detects the separator: the one with which most rows have the same number of cells.
fn detect(text: &str) -> Option<Separation> {
    let sample = sample_of(text);
    let mut best: Option<(f64, Separation)> = None;
    for separator in SEPARATORS {
        let Ok(rows) = parse_rows(sample, separator, true) else {
            continue;
        };
        let filled: Vec<&SeparatedRow> = rows.iter().filter(|row| !row.is_blank()).collect();
        let columns = usual_count(&rows);
        if columns < 2 || filled.is_empty() {
            continue;
        }
        let titles = count_titles(&rows, columns);
        let usual = filled
            .iter()
            .filter(|row| row.cells.len() == columns)
            .count();
        let body = filled.len().saturating_sub(titles.min(filled.len() - 1));
        let share = usual.min(body) as f64 / body as f64;
        let broken = broken_numbers(&rows, separator, columns);
        // Two separators that divide every row equally often are told apart by what they divide.
        let score = share - 0.9 * broken + 0.01 * (columns.min(10) as f64);
        if best.is_none_or(|(held, _)| score > held + 1e-9) {
            best = Some((score, Separation { separator, columns }));
        }
    }
    // A comma that only parts the decimals of numbers parts no cells.
    best.filter(|(score, _)| *score > MIN_SCORE)
        .map(|(_, found)| found)
}

/// The beginning of a text, up to the end of a line.
fn sample_of(text: &str) -> &str {
    let end = text
        .match_indices('\n')
        .nth(SAMPLE_ROWS)
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// The share of rows in which the separator stands in a number, as a decimal comma does, or after a
/// word of a sentence.
fn broken_numbers(rows: &[SeparatedRow], separator: u8, columns: usize) -> f64 {
    if separator != b',' {
        return 0.0;
    }
    let mut all = rows.iter().filter(|row| !row.is_blank());
    let is_uniform = rows.len() > 2 && columns > 2 && all.all(|row| row.cells.len() == columns);
    let filled: Vec<&SeparatedRow> = rows.iter().filter(|row| row.cells.len() > 1).collect();
    let broken = filled.iter().filter(|row| {
        let pairs = || row.cells.iter().zip(row.cells.iter().skip(1));
        let decimals = pairs().filter(|pair| is_decimal(*pair)).count();
        let sentences = pairs()
            .filter(|(_, right)| continues_sentence(right))
            .count();
        // All separators of the row are decimal commas, or only every second one is a separator.
        decimals > 0 && (decimals + 1) * 2 >= columns
            || sentences * 2 >= columns && columns < 4 && !is_uniform
    });
    broken.count() as f64 / filled.len().max(1) as f64
}

/// Whether a cell continues a sentence, because a space precedes its text.
fn continues_sentence(right: &str) -> bool {
    right.starts_with(' ') && right.trim_start().len() > 2
}

/// Whether these two cells are the halves of a number with a decimal comma.
fn is_decimal(pair: (&String, &String)) -> bool {
    let (left, right) = pair;
    let before = left.ends_with(|c: char| c.is_ascii_digit());
    let digits = right.chars().take_while(char::is_ascii_digit).count();
    let ends = right
        .chars()
        .nth(digits)
        .is_none_or(|c| !c.is_alphanumeric());
    before && (1..=2).contains(&digits) && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str) -> String {
        let mut sections = Sections::default();
        read_table(text, &mut sections).expect("a table");
        let pages = sections.finish();
        let texts: Vec<String> = pages
            .into_iter()
            .map(|frame| frame.page.content.text)
            .collect();
        texts.join("\n")
    }

    #[test]
    fn the_separator_is_decided_by_many_lines() {
        for (text, expected) in [
            ("Drug;Dose\n\"A; B\";1,5\n", "Drug | Dose\nA; B | 1,5"),
            ("Drug,Dose\n\n\"A; B\",\"1,5\"", "Drug | Dose\nA; B | 1,5"),
            (
                "Drug\tDose\r\n\"A;\nB\"\t1,5\r\n",
                "Drug | Dose\nA; B | 1,5",
            ),
            (
                "Name, first name;Rate\nX, Y;1,5\nZ, W;2,5\n",
                "Name, first name | Rate\nX, Y | 1,5\nZ, W | 2,5",
            ),
            ("1,5;2,5\n3,5;4,5\n", "1,5 | 2,5\n3,5 | 4,5"),
            ("a,b,c\n1,2,3\n4,5,6\n", "a | b | c\n1 | 2 | 3\n4 | 5 | 6"),
            ("Ward,Beds\nA,12\nB,7\n", "Ward | Beds\nA | 12\nB | 7"),
            ("SEP=|\nA|B\n1|2\n", "A | B\n1 | 2"),
            ("Rate\n1,50\n2,75\n", "Rate\n1,50\n2,75"),
        ] {
            assert_eq!(text_of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_title_above_the_names_of_the_columns_is_text() {
        assert_eq!(
            text_of("Fees, from 1 May, all branches\n\nService;Fee\nWire;12,50\nCopy;3,00\n"),
            "Fees, from 1 May, all branches\nService | Fee\nWire | 12,50\nCopy | 3,00"
        );
        assert_eq!(
            text_of("Rota, spring, ward 3\nDay,Team\nMonday,North\nTuesday,South\n"),
            "Rota, spring, ward 3\nDay | Team\nMonday | North\nTuesday | South"
        );
    }

    #[test]
    fn a_text_of_many_regular_lines_is_a_table() {
        assert!(is_table("a\tb\tc\n1\t2\t3\n4\t5\t6\n"));
        assert!(!is_table("One; two.\nThree; four; five.\nSix.\n"));
    }
}
