//! The files of Office before 2007, and of Outlook: a small file system in one file.

use super::Source;
use super::sections::plain_spaces;
use super::xml::Properties;
use std::io::{Cursor, Read};

/// What such a file begins with.
pub const SIGN: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
/// The most that is read of one stream.
const STREAM_BYTES: u64 = 128 << 20;
/// The most that is read of a stream with properties.
const PROPERTY_BYTES: usize = 1 << 20;
/// More properties than a file has.
const MOST_PROPERTIES: usize = 200;

/// A file of this kind, open.
pub type File<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

/// Opens the file; `None` where it is of another kind, or broken.
pub fn open(source: &Source) -> Option<File<'_>> {
    if !source.bytes.starts_with(SIGN) {
        return None;
    }
    cfb::CompoundFile::open(Cursor::new(source.bytes.as_slice())).ok()
}

/// Whether a stream of this name stands in the file's root.
pub fn holds(source: &Source, stream: &str) -> bool {
    open(source).is_some_and(|file| file.is_stream(format!("/{stream}")))
}

/// The bytes of a stream.
pub fn stream(file: &mut File<'_>, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let stream = file.open_stream(path).ok()?;
    stream.take(STREAM_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The title, from the stream that Office keeps for it (MS-OLEPS 2.21, MS-OSHARED 2.3.3.2.1).
pub fn properties(source: &Source) -> Properties {
    let mut found = Properties::default();
    let bytes = open(source).and_then(|mut file| stream(&mut file, "/\u{5}SummaryInformation"));
    if let Some(bytes) = bytes.filter(|bytes| bytes.len() <= PROPERTY_BYTES) {
        found.title = title(&bytes);
    }
    found
}

fn title(bytes: &[u8]) -> Option<String> {
    let set = usize::try_from(number(bytes, 44)?).ok()?;
    let count = usize::try_from(number(bytes, set.checked_add(4)?)?).ok()?;
    let entry = |index: usize| {
        let at = set.checked_add(8 + index * 8)?;
        Some((number(bytes, at)?, number(bytes, at + 4)?))
    };
    let find = |wanted: u32| {
        let entries = (0..count.min(MOST_PROPERTIES)).map_while(entry);
        let (_, at) = entries.into_iter().find(|(id, _)| *id == wanted)?;
        set.checked_add(usize::try_from(at).ok()?)
    };
    let code_page = find(1).and_then(|at| number(bytes, at.checked_add(4)?));
    let at = find(2)?;
    // A string of bytes in the file's code page.
    if number(bytes, at)? != 30 {
        return None;
    }
    let length = usize::try_from(number(bytes, at.checked_add(4)?)?).ok()?;
    let start = at.checked_add(8)?;
    let text = bytes.get(start..start.checked_add(length)?)?;
    let text = super::text::in_code_page(text, code_page.map_or(1252, |page| page & 0xFFFF));
    let text = plain_spaces(text.trim_end_matches('\0'));
    (!text.is_empty()).then_some(text)
}

/// Four bytes, the lowest first.
pub fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}
