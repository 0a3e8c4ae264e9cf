//! Rich text (.rtf): headings by style or outline level, lists with their markers, tables, notes;
//! without what is hidden or was deleted.

mod reader;
mod tokens;

use super::flow::Flow;
use super::{Failure, Format, Sink, Source};
use reader::Reader;

/// Rich text.
#[derive(Debug)]
pub struct Rtf;

/// Reads rich text into `flow`.
pub fn into_flow(bytes: &[u8], flow: &mut Flow) -> Result<(), Failure> {
    let mut reader = Reader::into_flow(std::mem::take(flow));
    let read = reader.read(bytes);
    *flow = reader.flow();
    read
}

impl Format for Rtf {
    fn name(&self) -> &'static str {
        "rtf"
    }

    fn label(&self) -> &'static str {
        "rich text (.rtf)"
    }

    fn recognises(&self, source: &Source) -> bool {
        source.bytes.trim_ascii_start().starts_with(b"{\\rtf")
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        let mut reader = Reader::default();
        reader.read(&source.bytes)?;
        let info = reader.info(self.name());
        reader.flow().finish().send(info, sink)
    }
}
