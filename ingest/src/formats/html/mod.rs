//! HTML: the document tree becomes headings, paragraphs, list items and table rows. Scripts, styles
//! and hidden elements are left out.

mod elements;
mod list;
mod reader;
mod style_sheet;
mod tree;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::{decode, is_text};
use crate::wire::Info;
use reader::HtmlReader;
use style_sheet::StyleSheet;

/// HTML.
pub const FORMAT: Format = Format {
    name: "html",
    label: "HTML",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    if !is_text(source) || matches!(source.extension().as_str(), "md" | "markdown") {
        return false;
    }
    let head = decode(source.head(4096)).to_ascii_lowercase();
    let head = head.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let begins = ["<!doctype html", "<html", "<head", "<body"]
        .iter()
        .any(|sign| head.starts_with(sign));
    let follows_a_preamble =
        (head.starts_with("<?xml") || head.starts_with("<!--")) && head.contains("<html");
    let named = matches!(source.extension().as_str(), "html" | "htm" | "xhtml");
    begins || follows_a_preamble || named && head.contains('<')
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let text = decode_page(&source.bytes);
    let mut builder = BlockBuilder::default();
    let title = read_into(&text, &mut builder)?;
    let info = Info {
        format: FORMAT.name.to_owned(),
        title,
        ..Info::default()
    };
    builder.finish().send(info, sink)
}

/// Reads a page into `builder`, and returns its title.
pub fn read_into(text: &str, builder: &mut BlockBuilder) -> Result<Option<String>, Failure> {
    read_styled_into(text, "", builder)
}

/// Reads a page with further style sheets, `css`, into `builder`, and returns its title.
pub fn read_styled_into(
    text: &str,
    css: &str,
    builder: &mut BlockBuilder,
) -> Result<Option<String>, Failure> {
    let tree = tree::parse(text);
    let mut style_sheet = StyleSheet::new();
    style_sheet.add(css);
    style_sheet.add_page(&tree.document);
    let mut reader = HtmlReader::new(builder, style_sheet);
    reader.node(&tree.document, 0)?;
    Ok(reader.finish())
}

/// Decodes a page in the encoding that it declares.
pub fn decode_page(bytes: &[u8]) -> String {
    let declared = declared_encoding(bytes);
    declared.map_or_else(|| decode(bytes), |e| e.decode(bytes).0.into_owned())
}

/// The encoding declared in a `meta` element, if the bytes are not UTF-8.
fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    if std::str::from_utf8(bytes).is_ok() || encoding_rs::Encoding::for_bom(bytes).is_some() {
        return None;
    }
    let head = String::from_utf8_lossy(bytes.get(..2048).unwrap_or(bytes)).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    encoding_rs::Encoding::for_label(label.as_bytes())
}
