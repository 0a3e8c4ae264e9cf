//! PowerPoint presentations before 2007 (MS-PPT): a tree of records. The text of each slide is in the
//! outline of the document, that of other boxes in the slides.

use crate::formats::common::encoding::decode_code_page;
use crate::formats::common::ole;
use crate::formats::common::sections::Sections;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::{Info, Refusal};
use cloister_domain::BlockKind;

/// Maximum nesting depth of records, and number of texts.
const MAX_DEPTH: usize = 40;
const MAX_TEXTS: usize = 200_000;

// Types of records.
const SLIDE: u16 = 0x03EE;
const NOTES: u16 = 0x03F0;
const MASTER: u16 = 0x03F8;
const SLIDE_LIST: u16 = 0x0FF0;
const SLIDE_IN_LIST: u16 = 0x03F3;
const TEXT_KIND: u16 = 0x0F9F;
const TEXT_CHARS: u16 = 0x0FA0;
const TEXT_BYTES: u16 = 0x0FA8;

/// PowerPoint presentations before 2007.
pub const FORMAT: Format = Format {
    name: "ppt",
    label: "old PowerPoint (.ppt)",
    matches: |source| ole::has_stream(source, "PowerPoint Document"),
    extract,
    render_page: None,
};

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut file = ole::open(source).ok_or_else(broken)?;
    if file.is_stream("/EncryptedSummary") {
        return Err(Refusal::Encrypted.into());
    }
    let bytes = ole::read_stream(&mut file, "/PowerPoint Document").ok_or_else(broken)?;
    let mut reader = PptReader::default();
    reader.records(&bytes, 0);
    let mut sections = Sections::manual();
    for (number, slide) in (1_usize..).zip(&reader.outline) {
        sections.set_location(Some(format!("slide {number}")));
        let title = slide
            .iter()
            .find(|text| text.is_title)
            .map(|text| text.text.clone());
        let title = title.unwrap_or_else(|| format!("Slide {number}"));
        sections.push_block(BlockKind::Heading(1), &title);
        for text in slide.iter().filter(|text| !text.is_title) {
            push_lines(&text.text, &mut sections);
        }
        sections.end_page();
    }
    let known: Vec<&str> = reader
        .outline
        .iter()
        .flatten()
        .map(|text| text.text.as_str())
        .collect();
    let mut others = reader.others;
    others.retain(|text| !known.contains(&text.as_str()));
    others.dedup();
    if !others.is_empty() {
        sections.set_location(Some("boxes and notes".to_owned()));
        sections.push_block(BlockKind::Heading(1), "Boxes and notes");
        for text in &others {
            push_lines(text, &mut sections);
        }
        sections.end_page();
    }
    let mut info: Info = ole::read_properties(source).info(FORMAT.name);
    info.warnings.push(
        "it is an old presentation: the text of its slides is read, and the places of boxes and tables are not"
            .to_owned(),
    );
    sections.send(info, sink)
}

/// The error of a file whose slides are missing.
fn broken() -> Failure {
    Failure::damaged("its slides cannot be found")
}

fn push_lines(text: &str, sections: &mut Sections) {
    for line in text.split(['\r', '\u{b}']) {
        sections.push_block(BlockKind::Paragraph, line);
    }
}

/// A text of a slide.
#[derive(Debug)]
struct SlideText {
    text: String,
    is_title: bool,
}

#[derive(Debug, Default)]
struct PptReader {
    /// The texts of the outline, by slide.
    outline: Vec<Vec<SlideText>>,
    /// Texts in the slides and notes.
    others: Vec<String>,
    in_outline: bool,
    is_title: bool,
    texts: usize,
}

impl PptReader {
    fn records(&mut self, bytes: &[u8], depth: usize) {
        let mut rest = bytes;
        while let Some((header, body)) = rest.split_first_chunk::<8>() {
            let [flags, instance, kind_low, kind_high, a, b, c, d] = *header;
            let kind = u16::from_le_bytes([kind_low, kind_high]);
            let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            // The last record of a file that was cut off has what is left.
            let (record, next) = body.split_at_checked(size).unwrap_or((body, &[]));
            rest = next;
            let number = u16::from_le_bytes([flags, instance]) >> 4;
            if flags & 0x0F == 0x0F {
                self.container(kind, number, record, depth);
            } else {
                self.atom(kind, record);
            }
        }
    }

    fn container(&mut self, kind: u16, number: u16, record: &[u8], depth: usize) {
        // The texts of masters are prompts.
        let is_master = kind == MASTER || kind == SLIDE_LIST && number != 0;
        if depth >= MAX_DEPTH || is_master {
            return;
        }
        let outer = self.in_outline;
        self.in_outline = match kind {
            SLIDE_LIST => true,
            SLIDE | NOTES => false,
            _ => outer,
        };
        self.records(record, depth + 1);
        self.in_outline = outer;
    }

    fn atom(&mut self, kind: u16, record: &[u8]) {
        match kind {
            SLIDE_IN_LIST if self.in_outline => self.outline.push(Vec::new()),
            TEXT_KIND => self.is_title = matches!(record.first(), Some(0 | 6)),
            TEXT_CHARS => {
                let (pairs, _) = record.as_chunks::<2>();
                let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
                self.push(String::from_utf16_lossy(&units));
            }
            TEXT_BYTES => self.push(decode_code_page(record, 1252)),
            _ => {}
        }
    }

    fn push(&mut self, text: String) {
        self.texts += 1;
        if self.texts > MAX_TEXTS || text.trim().is_empty() || text == "*" {
            return;
        }
        let is_title = self.is_title;
        match self.outline.last_mut().filter(|_| self.in_outline) {
            Some(slide) => slide.push(SlideText { text, is_title }),
            None => self.others.push(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, is_container: bool, body: &[u8]) -> Vec<u8> {
        let flags: u16 = if is_container { 0x0F } else { 0 };
        let mut bytes = flags.to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_outline_and_other_boxes_are_read() {
        let list = [
            record(SLIDE_IN_LIST, false, &[0; 20]),
            record(TEXT_KIND, false, &[0, 0, 0, 0]),
            record(TEXT_BYTES, false, b"Rota"),
            record(TEXT_KIND, false, &[1, 0, 0, 0]),
            record(TEXT_BYTES, false, b"North\rSouth"),
        ]
        .concat();
        let slide = record(SLIDE, true, &record(TEXT_BYTES, false, b"A box"));
        let master = record(MASTER, true, &record(TEXT_BYTES, false, b"Click to edit"));
        let file = [
            record(1000, true, &record(SLIDE_LIST, true, &list)),
            slide,
            master,
        ]
        .concat();
        let mut reader = PptReader::default();
        reader.records(&file, 0);
        let texts: Vec<&str> = reader
            .outline
            .iter()
            .flatten()
            .map(|t| t.text.as_str())
            .collect();
        assert_eq!(texts, ["Rota", "North\rSouth"]);
        assert_eq!(reader.others, ["A box"]);
        reader.records(&[0x0F, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF].repeat(1_000), 0);
    }
}
