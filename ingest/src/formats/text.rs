//! Plain text in any encoding, and tables of separated values.

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::aligned::{self, TextPart};
use crate::formats::common::encoding::{decode_and_name, guessed_encoding, is_text};
use crate::formats::common::list_marker;
use crate::formats::common::sections::Sections;
use crate::formats::common::separated;
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
    let (text, guessed) = decode_and_name(&source.bytes);
    let mut sections = Sections::default();
    if let Some(name) = guessed {
        sections.warn(guessed_encoding(name));
    }
    match source.extension().as_str() {
        "csv" | "tsv" | "tab" | "psv" => separated::read_table(&text, &mut sections)?,
        _ if separated::is_table(&text) => separated::read_table(&text, &mut sections)?,
        _ => {
            for part in aligned::parts(&without_overprint(&text)) {
                match part {
                    TextPart::Text(text) => {
                        for (kind, block) in split_blocks(&text) {
                            sections.push_block(kind, &block);
                        }
                    }
                    TextPart::Table(rows) => rows.iter().for_each(|row| sections.push_row(row)),
                }
            }
        }
    }
    let info = Info {
        format: FORMAT.name.to_owned(),
        ..Info::default()
    };
    sections.send(info, sink)
}

/// The text without letters that a printer prints twice, for bold and underlined text.
fn without_overprint(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('\u{8}') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{8}' {
            plain.push(c);
            continue;
        }
        // Of two letters in one place, the one that is not a line below stays.
        if chars.peek() != Some(&'_') {
            plain.pop();
        } else if plain.chars().next_back().is_some_and(char::is_alphanumeric) {
            chars.next();
        }
    }
    plain.into()
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
}
