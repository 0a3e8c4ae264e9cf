//! Plain text, in whatever encoding it was written.

use super::pdf::marker;
use super::sections::Sections;
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
        let blocks = match source.extension().as_str() {
            "csv" => rows(&text),
            "tsv" | "tab" => text.lines().map(|line| row(line, '\t')).collect(),
            _ => blocks(&text),
        };
        for (kind, block) in blocks {
            sections.push(kind, &block);
        }
        send_sections(self.name(), None, sections, sink)
    }
}

/// Sends what a format without drawn pages has read.
pub fn send_sections(
    format: &str,
    title: Option<String>,
    mut sections: Sections,
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    let labels = std::mem::take(&mut sections.labels);
    let pages = sections.finish();
    sink.info(Info {
        format: format.to_owned(),
        title,
        pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
        labels,
        ..Info::default()
    })?;
    for page in pages {
        sink.page(page)?;
    }
    Ok(())
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

/// The rows of a table with commas, or with the semicolons that stand for them where the comma
/// divides whole numbers from fractions.
fn rows(text: &str) -> Vec<(BlockKind, String)> {
    let first = text.lines().next().unwrap_or_default();
    let semicolons = first.matches(';').count() > first.matches(',').count();
    let separator = if semicolons { ';' } else { ',' };
    text.lines().map(|line| row(line, separator)).collect()
}

/// A row with its cells; quotes hold a separator.
fn row(line: &str, separator: char) -> (BlockKind, String) {
    let mut cells = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => cells.push_str(" | "),
            c => cells.push(c),
        }
    }
    (BlockKind::TableRow, cells)
}

/// Paragraphs are set apart by empty lines; a list item begins a block of its own.
fn blocks(text: &str) -> Vec<(BlockKind, String)> {
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
    fn a_table_of_commas_has_rows() {
        let found = rows("Drug;Dose\n\"A; B\";1,5\n");
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["Drug | Dose", "A; B | 1,5"]);
    }

    #[test]
    fn encodings_are_recognised() {
        assert_eq!(decode(b"\xEF\xBB\xBFM\xC3\xBCnze"), "Münze");
        assert_eq!(decode(b"\xFF\xFEM\0u\0"), "Mu");
        let latin = b"Die M\xFCnze geh\xF6rt der gro\xDFen B\xE4uerin in K\xF6ln.";
        assert!(decode(latin).contains("Münze gehört der großen Bäuerin"));
    }
}
