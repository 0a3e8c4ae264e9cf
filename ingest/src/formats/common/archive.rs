//! ZIP archives, read with limits. The sizes that an archive declares are not trusted; decompressed
//! bytes are counted instead.

use super::encoding::decode;
use crate::formats::{Failure, Source};
use crate::wire::Refusal;
use std::collections::HashMap;
use std::io::{Cursor, Read};
use zip::result::ZipError;

/// Maximum decompressed size of one part.
const MAX_PART_BYTES: u64 = 128 << 20;
/// Maximum decompressed size of all parts together.
const MAX_TOTAL_BYTES: u64 = 256 << 20;
/// Maximum number of parts.
const MAX_PARTS: usize = 20_000;

/// An archive whose parts are read one at a time.
#[derive(Debug)]
pub struct Archive<'a> {
    parts: zip::ZipArchive<Cursor<&'a [u8]>>,
    /// The index of each part by its name in lower case, with slashes between folders. Programs find
    /// parts in this way, and some write backslashes.
    index: HashMap<String, usize>,
    /// How many bytes may still be decompressed.
    remaining_bytes: u64,
}

impl<'a> Archive<'a> {
    /// Opens an archive.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Failure> {
        let parts = zip::ZipArchive::new(Cursor::new(bytes))
            .map_err(|cause| Failure::damaged(format!("its archive cannot be opened ({cause})")))?;
        if parts.len() > MAX_PARTS {
            return Err(Refusal::Inflates.into());
        }
        let names = parts
            .file_names()
            .map(|name| name.map(|n| part_key(&n)).unwrap_or_default());
        let index = names
            .enumerate()
            .map(|(index, name)| (name, index))
            .collect();
        Ok(Self {
            parts,
            index,
            remaining_bytes: MAX_TOTAL_BYTES,
        })
    }

    /// The names of its parts.
    pub fn names(&self) -> Vec<String> {
        let names = self.parts.file_names().filter_map(Result::ok);
        names.map(|name| name.replace('\\', "/")).collect()
    }

    /// The bytes of a part, or `None` if there is no part of this name.
    pub fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(index) = self.index.get(&part_key(name)).copied() else {
            return Ok(None);
        };
        let entry = match self.parts.by_index(index) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(reason)) if reason == ZipError::PASSWORD_REQUIRED => {
                return Err(Refusal::Encrypted.into());
            }
            Err(_) => return Err(Failure::damaged("a part of its archive cannot be opened")),
        };
        let limit = MAX_PART_BYTES.min(self.remaining_bytes);
        let mut bytes = Vec::new();
        match entry.take(limit + 1).read_to_end(&mut bytes) {
            Ok(count) if count as u64 > limit => Err(Refusal::Inflates.into()),
            Ok(count) => {
                self.remaining_bytes -= count as u64;
                Ok(Some(bytes))
            }
            Err(_) => Err(Failure::damaged("a part of its archive is broken")),
        }
    }

    /// The text of a part. Empty if there is no such part.
    pub fn text(&mut self, name: &str) -> Result<String, Failure> {
        let bytes = self.bytes(name)?.unwrap_or_default();
        if encoding_rs::Encoding::for_bom(&bytes).is_some() {
            return Ok(decode(&bytes));
        }
        let text = String::from_utf8(bytes);
        Ok(text.unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned()))
    }
}

fn part_key(name: &str) -> String {
    let name = name.replace('\\', "/");
    let name = name.trim_start_matches('/');
    name.strip_prefix("./").unwrap_or(name).to_lowercase()
}

/// Whether the file is an archive that contains a part whose name, in lower case, matches.
pub fn contains_part(source: &Source, part: impl Fn(&str) -> bool) -> bool {
    source.bytes.starts_with(b"PK\x03\x04")
        && Archive::open(&source.bytes)
            .is_ok_and(|archive| archive.names().iter().any(|name| part(&part_key(name))))
}

/// The media type in the part `mimetype`, with which OpenDocument files begin.
pub fn read_mimetype(source: &Source) -> Option<String> {
    if !source.bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let mut archive = Archive::open(&source.bytes).ok()?;
    let bytes = archive.bytes("mimetype").ok()??;
    let text = String::from_utf8(bytes).ok()?;
    Some(text.trim().to_owned())
}
