//! OLE compound files: a file system in one file, used by Office before 2007 and by Outlook.

use super::encoding::decode_code_page;
use super::whitespace::normalize_whitespace;
use super::xml::DocumentProperties;
use crate::formats::Source;
use std::io::{Cursor, Read};

/// The signature of a compound file.
pub const MAGIC: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
/// Maximum number of bytes read of one stream.
const MAX_STREAM_BYTES: u64 = 128 << 20;
/// Maximum size of the property stream.
const MAX_PROPERTY_BYTES: usize = 1 << 20;
/// Maximum number of properties.
const MAX_PROPERTIES: usize = 200;
const CODE_PAGE_PROPERTY: u32 = 1;
const TITLE_PROPERTY: u32 = 2;

/// An open compound file.
pub type CompoundFile<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

/// Opens the file. Returns `None` if it is not a compound file, or damaged.
pub fn open(source: &Source) -> Option<CompoundFile<'_>> {
    if !source.bytes.starts_with(MAGIC) {
        return None;
    }
    cfb::CompoundFile::open(Cursor::new(source.bytes.as_slice())).ok()
}

/// Whether there is a stream of this name in the root.
pub fn has_stream(source: &Source, stream: &str) -> bool {
    open(source).is_some_and(|file| file.is_stream(format!("/{stream}")))
}

/// Reads a stream. Returns `None` if it does not exist or cannot be read.
pub fn read_stream(file: &mut CompoundFile<'_>, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let stream = file.open_stream(path).ok()?;
    stream.take(MAX_STREAM_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Reads the title from the property stream (MS-OLEPS 2.21, MS-OSHARED 2.3.3.2.1).
pub fn read_properties(source: &Source) -> DocumentProperties {
    let mut found = DocumentProperties::default();
    let bytes =
        open(source).and_then(|mut file| read_stream(&mut file, "/\u{5}SummaryInformation"));
    if let Some(bytes) = bytes.filter(|bytes| bytes.len() <= MAX_PROPERTY_BYTES) {
        found.title = title(&bytes);
    }
    found
}

/// Reads the title from a property set.
fn title(bytes: &[u8]) -> Option<String> {
    let set = usize::try_from(read_u32(bytes, 44)?).ok()?;
    let code_page = find_property(bytes, set, CODE_PAGE_PROPERTY)
        .and_then(|at| read_u32(bytes, at.checked_add(4)?));
    let at = find_property(bytes, set, TITLE_PROPERTY)?;
    // Type 30: a string in the file's code page.
    if read_u32(bytes, at)? != 30 {
        return None;
    }
    let length = usize::try_from(read_u32(bytes, at.checked_add(4)?)?).ok()?;
    let start = at.checked_add(8)?;
    let text = bytes.get(start..start.checked_add(length)?)?;
    let text = decode_code_page(text, code_page.map_or(1252, |page| page & 0xFFFF));
    let text = normalize_whitespace(text.trim_end_matches('\0'));
    (!text.is_empty()).then_some(text)
}

/// The offset of a property in the property set that starts at `set`.
fn find_property(bytes: &[u8], set: usize, wanted: u32) -> Option<usize> {
    let count = usize::try_from(read_u32(bytes, set.checked_add(4)?)?).ok()?;
    for index in 0..count.min(MAX_PROPERTIES) {
        let entry = set.checked_add(8 + index * 8)?;
        let id = read_u32(bytes, entry)?;
        let offset = read_u32(bytes, entry + 4)?;
        if id == wanted {
            return set.checked_add(usize::try_from(offset).ok()?);
        }
    }
    None
}

/// Reads a little-endian number.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}
