//! Word documents (.docx): headings, paragraphs, list items and table rows.
//!
//! A .docx is a ZIP archive of XML files. Both are read with limits of our own: an entry is
//! inflated up to a cap, and XML entities beyond the five predefined ones are left out.

use super::sections::Sections;
use super::text::send_sections;
use super::{Failure, Format, Sink, Source};
use crate::wire::Refusal;
use cloister_domain::BlockKind;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;
use std::io::{Cursor, Read};

/// Word documents.
#[derive(Debug)]
pub struct Docx;

/// The most that one part may inflate to.
const PART_BYTES: u64 = 128 << 20;
/// More parts than any document has.
const MOST_PARTS: usize = 20_000;
/// Tables nest this deep at most.
const DEEPEST: usize = 64;

type Archive<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

impl Format for Docx {
    fn name(&self) -> &'static str {
        "docx"
    }

    fn label(&self) -> &'static str {
        "Word (.docx)"
    }

    fn recognises(&self, source: &Source) -> bool {
        source.bytes.starts_with(b"PK\x03\x04")
            && zip::ZipArchive::new(Cursor::new(source.bytes.as_slice()))
                .is_ok_and(|archive| archive.index_for_name("word/document.xml").is_some())
    }

    fn read(
        &self,
        source: &Source,
        _from_page: u32,
        _structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let mut archive = zip::ZipArchive::new(Cursor::new(source.bytes.as_slice()))
            .map_err(|cause| damaged(&format!("its archive cannot be opened ({cause})")))?;
        if archive.len() > MOST_PARTS {
            return Err(Refusal::Inflates.into());
        }
        let document = part(&mut archive, "word/document.xml")?.unwrap_or_default();
        let styles = part(&mut archive, "word/styles.xml")?.unwrap_or_default();
        let core = part(&mut archive, "docProps/core.xml")?.unwrap_or_default();
        let mut body = Body {
            levels: heading_styles(&styles),
            ..Body::default()
        };
        body.walk(&document)?;
        send_sections(self.name(), title(&core), body.sections, sink)
    }
}

fn damaged(detail: &str) -> Failure {
    Refusal::Damaged(detail.to_owned()).into()
}

/// One part of the archive, inflated.
fn part(archive: &mut Archive<'_>, name: &str) -> Result<Option<String>, Failure> {
    let entry = match archive.by_name(name) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(zip::result::ZipError::UnsupportedArchive(_)) => return Err(Refusal::Encrypted.into()),
        Err(_) => return Err(damaged("a part of its archive cannot be opened")),
    };
    let mut bytes = Vec::new();
    let read = entry.take(PART_BYTES + 1).read_to_end(&mut bytes);
    match read {
        Ok(count) if count as u64 > PART_BYTES => Err(Refusal::Inflates.into()),
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(_) => Err(damaged("a part of its archive is broken")),
    }
}

/// The document's title, from its properties.
fn title(core: &str) -> Option<String> {
    let mut reader = Reader::from_str(core);
    let mut inside = false;
    let mut title = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => inside = tag.name().as_ref() == "dc:title",
            Ok(Event::Text(text)) if inside => title.push_str(&text),
            Ok(Event::End(_)) => inside = false,
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let title = title.trim().to_owned();
    (!title.is_empty()).then_some(title)
}

/// The styles that are headings, and their level.
fn heading_styles(styles: &str) -> HashMap<String, u8> {
    let mut reader = Reader::from_str(styles);
    let mut found = HashMap::new();
    let mut style = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => match tag.name().as_ref() {
                "w:style" => style = attribute(&tag, "w:styleId").unwrap_or_default(),
                "w:name" => {
                    let name = attribute(&tag, "w:val").unwrap_or_default().to_lowercase();
                    let level = name.strip_prefix("heading ").and_then(|n| n.parse().ok());
                    let level = level.or((name == "title").then_some(1));
                    found.extend(level.map(|level: u8| (style.clone(), level)));
                }
                "w:outlineLvl" => {
                    let level = attribute(&tag, "w:val").and_then(|n| n.parse::<u8>().ok());
                    if let Some(level) = level.filter(|level| *level < 9) {
                        found.entry(style.clone()).or_insert(level + 1);
                    }
                }
                _ => {}
            },
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).ok()??;
    Some(found.value.into_owned())
}

/// A walk over the document's body that fills one block at a time.
#[derive(Default)]
struct Body {
    sections: Sections,
    levels: HashMap<String, u8>,
    text: String,
    kind: Option<BlockKind>,
    in_text: bool,
    /// Text of the open rows, outermost first.
    rows: Vec<String>,
    tables: usize,
    /// Inside a deletion or a field's instruction, whose text is not the document's.
    unseen: usize,
}

impl Body {
    fn walk(&mut self, document: &str) -> Result<(), Failure> {
        let mut reader = Reader::from_str(document);
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag)) => self.start(&tag)?,
                Ok(Event::Empty(tag)) => self.empty(&tag),
                Ok(Event::End(tag)) => self.end(tag.name().as_ref()),
                Ok(Event::Text(text)) if self.in_text && self.unseen == 0 => {
                    self.text.push_str(&text);
                }
                Ok(Event::GeneralRef(name)) if self.in_text && self.unseen == 0 => {
                    self.text.push_str(entity(&name));
                }
                Ok(Event::Eof) => return Ok(()),
                Ok(_) => {}
                Err(_) => return Err(damaged("its text is not well-formed XML")),
            }
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Failure> {
        match tag.name().as_ref() {
            "w:t" => self.in_text = true,
            "w:del" | "w:instrText" | "w:moveFrom" | "mc:Fallback" => self.unseen += 1,
            "w:tbl" => {
                self.tables += 1;
                if self.tables > DEEPEST {
                    return Err(damaged("its tables are nested too deeply"));
                }
            }
            "w:tr" => self.rows.push(String::new()),
            "w:tc" => {
                if let Some(row) = self.rows.last_mut().filter(|row| !row.is_empty()) {
                    row.push_str(" | ");
                }
            }
            "w:p" => {
                self.kind = None;
                self.text.clear();
            }
            _ => self.empty(tag),
        }
        Ok(())
    }

    fn empty(&mut self, tag: &BytesStart<'_>) {
        match tag.name().as_ref() {
            "w:tab" | "w:br" | "w:cr" if self.unseen == 0 => self.text.push(' '),
            "w:noBreakHyphen" => self.text.push('-'),
            "w:pStyle" => {
                let level = attribute(tag, "w:val").and_then(|id| self.levels.get(&id).copied());
                if let Some(level) = level {
                    self.kind = Some(BlockKind::Heading(level));
                }
            }
            "w:numPr" if self.kind.is_none() => self.kind = Some(BlockKind::ListItem),
            "w:outlineLvl" => {
                let level = attribute(tag, "w:val").and_then(|n| n.parse::<u8>().ok());
                if let Some(level) = level.filter(|level| *level < 9) {
                    self.kind = Some(BlockKind::Heading(level + 1));
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "w:t" => self.in_text = false,
            "w:del" | "w:instrText" | "w:moveFrom" | "mc:Fallback" => {
                self.unseen = self.unseen.saturating_sub(1);
            }
            "w:tbl" => self.tables = self.tables.saturating_sub(1),
            "w:p" => self.paragraph(),
            "w:tr" => self.row(),
            _ => {}
        }
    }

    fn paragraph(&mut self) {
        let text = std::mem::take(&mut self.text);
        if let Some(row) = self.rows.last_mut() {
            if !row.is_empty() && !row.ends_with(" | ") && !text.trim().is_empty() {
                row.push(' ');
            }
            row.push_str(text.trim());
            return;
        }
        let kind = self.kind.take().unwrap_or(BlockKind::Paragraph);
        let bulleted = kind == BlockKind::ListItem && !super::pdf::marker::begins_item(&text);
        if bulleted && !text.trim().is_empty() {
            self.sections.push(kind, &format!("• {text}"));
        } else {
            self.sections.push(kind, &text);
        }
    }

    fn row(&mut self) {
        let Some(row) = self.rows.pop() else {
            return;
        };
        let has_words = row.chars().any(char::is_alphanumeric);
        match self.rows.last_mut() {
            // A table inside a cell is part of the cell.
            Some(outer) if has_words => {
                outer.push(' ');
                outer.push_str(&row);
            }
            None if has_words => self.sections.push(BlockKind::TableRow, &row),
            _ => {}
        }
    }
}

fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => " ",
    }
}
