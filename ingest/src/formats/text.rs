//! Plain text, in whatever encoding it was written.

use super::archive::damaged;
use super::pdf::marker;
use super::sections::Sections;
use super::sheets::Sheet;
use super::{Failure, Format, Sink, Source, foreign};
use crate::wire::Info;
use cloister_domain::BlockKind;

/// Plain text.
#[derive(Debug)]
pub struct PlainText;

/// How much of the file is looked at to tell whether it is text.
const SAMPLE: usize = 64 << 10;

impl Format for PlainText {
    fn name(&self) -> &'static str {
        "text"
    }

    fn label(&self) -> &'static str {
        "plain text"
    }

    fn recognises(&self, source: &Source) -> bool {
        is_text(source) && !foreign::is_known(source)
    }

    fn read(
        &self,
        source: &Source,
        _from_page: u32,
        _structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let text = decode(&source.bytes);
        let mut sections = Sections::default();
        match source.extension().as_str() {
            "csv" | "tsv" | "tab" => table(&text, &mut sections)?,
            _ => {
                for (kind, block) in blocks(&text) {
                    sections.push(kind, &block);
                }
            }
        }
        let info = Info {
            format: self.name().to_owned(),
            ..Info::default()
        };
        sections.send(info, sink)
    }
}

/// Whether the file holds characters and not anything else.
pub fn is_text(source: &Source) -> bool {
    let sample = source.head(SAMPLE);
    if encoding_rs::Encoding::for_bom(sample).is_some() {
        return true;
    }
    let strange = sample
        .iter()
        .filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127))
        .count();
    strange * 200 <= sample.len() && !sample.contains(&0)
}

/// The characters of a text file: by its byte order mark, else as UTF-8, else by a guess.
pub fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode(bytes).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut detector = chardetng::EncodingDetector::new();
    detector.feed(bytes, true);
    let guess = detector.guess(None, true);
    guess.decode(bytes).0.into_owned()
}

/// Characters of a Windows code page; those of Western Europe where the page is not known.
pub fn in_code_page(bytes: &[u8], page: u32) -> String {
    let label = match page {
        65001 => "utf-8".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        10000 => "macintosh".to_owned(),
        866 => "ibm866".to_owned(),
        20866 => "koi8-r".to_owned(),
        28591..=28606 => format!("iso-8859-{}", page - 28590),
        _ => format!("windows-{page}"),
    };
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes());
    let encoding = encoding.unwrap_or(encoding_rs::WINDOWS_1252);
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Reads a table of values with a separator between them.
fn table(text: &str, sections: &mut Sections) -> Result<(), Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(text))
        .from_reader(text.as_bytes());
    let mut sheet = Sheet::new(None);
    for (row, record) in (0_u32..).zip(reader.records()) {
        let record = record.map_err(|_cause| damaged("its rows cannot be told apart"))?;
        for (column, cell) in (0_u32..).zip(&record) {
            sheet.cell(row, column, cell)?;
        }
    }
    sheet.write(sections);
    Ok(())
}

/// What separates the values of the first line: commas, tabs, or the semicolons that stand for
/// commas where those divide whole numbers from fractions.
fn separator(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: u8| first.bytes().filter(|b| *b == separator).count();
    let ranked = [b',', b';', b'\t', b'|'].into_iter().rev();
    ranked
        .max_by_key(|separator| count(*separator))
        .unwrap_or(b',')
}

/// Paragraphs are set apart by empty lines; a list item begins a block of its own.
pub fn blocks(text: &str) -> Vec<(BlockKind, String)> {
    let mut found: Vec<(BlockKind, String)> = Vec::new();
    let mut after_gap = true;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() {
            after_gap = true;
            continue;
        }
        if let Some(level) = marker::heading_by_words(line) {
            found.push((BlockKind::Heading(level), line.to_owned()));
            after_gap = true;
            continue;
        }
        let item = marker::begins_item(line);
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
    fn paragraphs_and_items_are_told_apart() {
        let found = blocks("One\ntwo.\n\nThree:\n- four\n  five\n- six\n");
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
    fn a_table_has_rows_whatever_separates_its_values() {
        for text in [
            "Drug;Dose\n\"A; B\";1,5\n",
            "Drug,Dose\n\n\"A; B\",\"1,5\"",
            "Drug\tDose\r\n\"A;\nB\"\t1,5\r\n",
        ] {
            let mut sections = Sections::default();
            assert!(table(text, &mut sections).is_ok());
            let pages = sections.finish();
            let content = &pages.first().expect("a page").page.content;
            assert_eq!(content.text, "Drug | Dose\nA; B | 1,5", "{text}");
            let places = content.blocks.iter().map(|b| b.place.as_deref());
            assert_eq!(places.collect::<Vec<_>>(), [Some("A1:B1"), Some("A2:B2")]);
        }
    }

    #[test]
    fn encodings_are_recognised() {
        assert_eq!(decode(b"\xEF\xBB\xBFM\xC3\xBCnze"), "Münze");
        assert_eq!(decode(b"\xFF\xFEM\0u\0"), "Mu");
        let latin = b"Die M\xFCnze geh\xF6rt der gro\xDFen B\xE4uerin in K\xF6ln.";
        assert!(decode(latin).contains("Münze gehört der großen Bäuerin"));
    }
}
