//! Rich text (.rtf): headings by style or outline level, lists with their markers, tables and
//! notes. Hidden and deleted text is left out.

mod destination;
mod reader;
mod styles;
mod tokens;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::block_builder::BlockBuilder;
use reader::RtfReader;

/// Rich text.
pub const FORMAT: Format = Format {
    name: "rtf",
    label: "rich text (.rtf)",
    matches,
    extract,
    render_page: None,
};

/// Reads rich text into `builder`.
pub fn read_into(bytes: &[u8], builder: &mut BlockBuilder) -> Result<(), Failure> {
    let mut reader = RtfReader::with_builder(std::mem::take(builder));
    let read = reader.parse(bytes);
    *builder = reader.builder();
    read
}

fn matches(source: &Source) -> bool {
    source.bytes.trim_ascii_start().starts_with(b"{\\rtf")
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut reader = RtfReader::default();
    reader.parse(&source.bytes)?;
    let info = reader.info(FORMAT.name);
    reader.builder().finish().send(info, sink)
}
