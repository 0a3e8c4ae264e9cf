//! ZIP archives, opened with limits of our own: what an archive says of its sizes is not believed,
//! inflated bytes are counted as they come.

use super::text::decode;
use super::{Failure, Source};
use crate::wire::Refusal;
use std::io::{Cursor, Read};
use zip::result::ZipError;

/// The most that one part may inflate to.
const PART_BYTES: u64 = 128 << 20;
/// The most that all parts together may inflate to.
const ALL_BYTES: u64 = 256 << 20;
/// More parts than any document has.
const MOST_PARTS: usize = 20_000;

/// An archive whose parts are read one by one.
#[derive(Debug)]
pub struct Archive<'a> {
    parts: zip::ZipArchive<Cursor<&'a [u8]>>,
    /// What may still be inflated.
    room: u64,
}

impl<'a> Archive<'a> {
    /// Opens the file.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Failure> {
        let parts = zip::ZipArchive::new(Cursor::new(bytes))
            .map_err(|cause| damaged(&format!("its archive cannot be opened ({cause})")))?;
        if parts.len() > MOST_PARTS {
            return Err(Refusal::Inflates.into());
        }
        let room = ALL_BYTES;
        Ok(Self { parts, room })
    }

    /// The names of its parts.
    pub fn names(&self) -> Vec<String> {
        let names = self.parts.file_names().filter_map(Result::ok);
        names.map(std::borrow::Cow::into_owned).collect()
    }

    /// The bytes of one part; `None` where there is none of this name.
    pub fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let entry = match self.parts.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(reason)) if reason == ZipError::PASSWORD_REQUIRED => {
                return Err(Refusal::Encrypted.into());
            }
            Err(_) => return Err(damaged("a part of its archive cannot be opened")),
        };
        let limit = PART_BYTES.min(self.room);
        let mut bytes = Vec::new();
        match entry.take(limit + 1).read_to_end(&mut bytes) {
            Ok(count) if count as u64 > limit => Err(Refusal::Inflates.into()),
            Ok(count) => {
                self.room -= count as u64;
                Ok(Some(bytes))
            }
            Err(_) => Err(damaged("a part of its archive is broken")),
        }
    }

    /// The characters of one part; none where there is no such part.
    pub fn text(&mut self, name: &str) -> Result<String, Failure> {
        let bytes = self.bytes(name)?.unwrap_or_default();
        if encoding_rs::Encoding::for_bom(&bytes).is_some() {
            return Ok(decode(&bytes));
        }
        let text = String::from_utf8(bytes);
        Ok(text.unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned()))
    }

    /// Inflates every part and forgets it, for a reader that has no limits of its own.
    pub fn measure(&mut self) -> Result<(), Failure> {
        for index in 0..self.parts.len() {
            let Ok(entry) = self.parts.by_index(index) else {
                continue;
            };
            let limit = PART_BYTES.min(self.room);
            let count = std::io::copy(&mut entry.take(limit + 1), &mut std::io::sink());
            let count = count.map_err(|_broken| damaged("a part of its archive is broken"))?;
            if count > limit {
                return Err(Refusal::Inflates.into());
            }
            self.room -= count;
        }
        Ok(())
    }
}

/// Whether the file is an archive with a part of such a name.
pub fn holds(source: &Source, part: impl Fn(&str) -> bool) -> bool {
    source.bytes.starts_with(b"PK\x03\x04")
        && Archive::open(&source.bytes)
            .is_ok_and(|archive| archive.names().iter().any(|name| part(name)))
}

/// What the file says that it is, in the part that OpenDocument begins with.
pub fn mimetype(source: &Source) -> Option<String> {
    if !source.bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let mut archive = Archive::open(&source.bytes).ok()?;
    let bytes = archive.bytes("mimetype").ok()??;
    let text = String::from_utf8(bytes).ok()?;
    Some(text.trim().to_owned())
}

/// A broken file.
pub fn damaged(detail: &str) -> Failure {
    Refusal::Damaged(detail.to_owned()).into()
}
