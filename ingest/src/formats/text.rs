//! Plain text in any encoding, and tables of separated values.

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::list_marker;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::Sheet;
use crate::formats::common::sniff;
use crate::wire::Info;
use cloister_domain::BlockKind;

/// Plain text.
pub const FORMAT: Format = Format {
    name: "text",
    label: "plain text",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    is_text(source) && !sniff::is_known(source)
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let text = decode(&source.bytes);
    let mut sections = Sections::default();
    match source.extension().as_str() {
        "csv" | "tsv" | "tab" => read_table(&text, &mut sections)?,
        _ => {
            for (kind, block) in split_blocks(&text) {
                sections.push_block(kind, &block);
            }
        }
    }
    let info = Info {
        format: FORMAT.name.to_owned(),
        ..Info::default()
    };
    sections.send(info, sink)
}

/// Reads separated values.
fn read_table(text: &str, sections: &mut Sections) -> Result<(), Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(detect_separator(text))
        .from_reader(text.as_bytes());
    let mut sheet = Sheet::new(None);
    for (row, record) in (0_u32..).zip(reader.records()) {
        let record = record.map_err(|_cause| Failure::damaged("its rows cannot be separated"))?;
        for (column, cell) in (0_u32..).zip(&record) {
            sheet.push_cell(row, column, cell)?;
        }
    }
    sheet.write_rows(sections);
    Ok(())
}

/// Detects the separator in the first line: a comma, tab or vertical bar, or a semicolon, which is
/// used in countries with a decimal comma.
fn detect_separator(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let ranked = [b',', b';', b'\t', b'|'].into_iter().rev();
    ranked
        .max_by_key(|separator| first.bytes().filter(|b| b == separator).count())
        .unwrap_or(b',')
}

/// Splits text into blocks. Paragraphs are separated by empty lines; a list item starts a block of
/// its own.
pub fn split_blocks(text: &str) -> Vec<(BlockKind, String)> {
    let mut found: Vec<(BlockKind, String)> = Vec::new();
    let mut after_gap = true;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() {
            after_gap = true;
            continue;
        }
        if let Some(level) = list_marker::heading_by_words(line) {
            found.push((BlockKind::Heading(level), line.to_owned()));
            after_gap = true;
            continue;
        }
        let item = list_marker::begins_item(line);
        match found.last_mut() {
            Some((_, open)) if !after_gap && !item => {
                open.push(' ');
                open.push_str(line);
            }
            _ if item => found.push((BlockKind::ListItem, line.to_owned())),
            _ => found.push((BlockKind::Paragraph, line.to_owned())),
        }
        after_gap = false;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_and_items_are_distinguished() {
        let found = split_blocks("One\ntwo.\n\nThree:\n- four\n  five\n- six\n");
        let expected = [
            (BlockKind::Paragraph, "One two."),
            (BlockKind::Paragraph, "Three:"),
            (BlockKind::ListItem, "- four five"),
            (BlockKind::ListItem, "- six"),
        ];
        let found: Vec<_> = found.iter().map(|(k, t)| (*k, t.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tables_are_read_with_any_separator() {
        for text in [
            "Drug;Dose\n\"A; B\";1,5\n",
            "Drug,Dose\n\n\"A; B\",\"1,5\"",
            "Drug\tDose\r\n\"A;\nB\"\t1,5\r\n",
        ] {
            let mut sections = Sections::default();
            assert!(read_table(text, &mut sections).is_ok());
            let pages = sections.finish();
            let content = &pages.first().expect("a page").page.content;
            assert_eq!(content.text, "Drug | Dose\nA; B | 1,5", "{text}");
            let places = content.blocks.iter().map(|b| b.place.as_deref());
            assert_eq!(places.collect::<Vec<_>>(), [Some("A1:B1"), Some("A2:B2")]);
        }
    }
}
