//! `winmail.dat`: the Transport Neutral Encapsulation Format (MS-OXTNEF), in which Outlook packs the
//! text and the files of a message.

use super::MailBody;
use super::compressed_rtf::decompress;
use crate::formats::common::encoding::{decode, decode_code_page};

/// The signature of the format.
pub const SIGNATURE: &[u8] = &[0x78, 0x9F, 0x3E, 0x22];
/// Maximum number of attributes, of properties and of files.
const MAX_ENTRIES: usize = 20_000;
const MAX_FILES: usize = 500;

// Attributes.
const SUBJECT: u32 = 0x0001_8004;
const BODY: u32 = 0x0002_800C;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const CODE_PAGE: u32 = 0x0006_9007;
const FILE_BEGINS: u32 = 0x0006_9002;
const FILE_TITLE: u32 = 0x0001_8010;
const FILE_DATA: u32 = 0x0006_800F;
const FILE_PROPERTIES: u32 = 0x0006_9005;

/// What was packed.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: MailBody,
    /// The files, with their names.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Unpacks the message. Returns `None` if the bytes are of another format.
pub fn unpack(bytes: &[u8]) -> Option<Unpacked> {
    let mut reader = ByteReader {
        bytes: bytes.strip_prefix(SIGNATURE)?,
        at: 2,
    };
    let mut found = Unpacked::default();
    let mut page = 1252;
    let mut bodies = (MailBody::Empty, MailBody::Empty, MailBody::Empty);
    for _ in 0..MAX_ENTRIES {
        let Some((id, data)) = reader.attribute() else {
            break;
        };
        match id {
            CODE_PAGE => page = u32_at(data, 0).unwrap_or(1252),
            SUBJECT => found.subject = text_in(data, page),
            BODY => bodies.0 = MailBody::Plain(text_in(data, page)),
            MESSAGE_PROPERTIES => {
                for property in properties(data, page) {
                    match property.id {
                        0x0037 => found.subject = property.text(page),
                        0x1000 => bodies.0 = MailBody::Plain(property.text(page)),
                        0x1013 => bodies.1 = MailBody::Html(decode(&property.value)),
                        0x1009 => bodies.2 = MailBody::Rich(decompress(&property.value)),
                        _ => {}
                    }
                }
            }
            FILE_BEGINS if found.files.len() < MAX_FILES => {
                found.files.push((String::new(), Vec::new()));
            }
            FILE_TITLE | FILE_DATA | FILE_PROPERTIES => {
                if let Some(file) = found.files.last_mut() {
                    set_file(file, id, data, page);
                }
            }
            _ => {}
        }
    }
    found.files.retain(|(_, bytes)| !bytes.is_empty());
    found.body = super::choose_body([bodies.0, bodies.1, bodies.2]);
    Some(found)
}

fn set_file(file: &mut (String, Vec<u8>), id: u32, data: &[u8], page: u32) {
    match id {
        FILE_TITLE if file.0.is_empty() => file.0 = text_in(data, page),
        FILE_DATA => file.1 = data.to_vec(),
        FILE_PROPERTIES => {
            for property in properties(data, page) {
                match property.id {
                    0x3707 => file.0 = property.text(page),
                    0x3704 if file.0.is_empty() => file.0 = property.text(page),
                    // An embedded object begins with the id of its interface.
                    0x3701 if file.1.is_empty() && property.kind == 0x0102 => {
                        file.1 = property.value;
                    }
                    0x3701 if file.1.is_empty() => {
                        file.1 = property.value.get(16..).unwrap_or_default().to_vec();
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn text_in(bytes: &[u8], page: u32) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    decode_code_page(bytes.get(..end).unwrap_or_default(), page)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    crate::formats::common::ole::read_u32(bytes, at)
}

struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        u32_at(self.take(4)?, 0)
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// The next attribute: its id and its data. A checksum follows the data.
    fn attribute(&mut self) -> Option<(u32, &'a [u8])> {
        self.take(1)?;
        let id = self.u32()?;
        let length = self.size()?;
        let data = self.take(length)?;
        self.take(2)?;
        Some((id, data))
    }

    /// A value with its length before it, padded to four bytes.
    fn padded(&mut self) -> Option<&'a [u8]> {
        let length = self.size()?;
        let value = self.take(length)?;
        self.at = self.at.checked_add((4 - length % 4) % 4)?;
        Some(value)
    }
}

/// A property of the message or of a file.
struct Property {
    id: u32,
    kind: u32,
    value: Vec<u8>,
}

impl Property {
    fn text(&self, page: u32) -> String {
        if self.kind == 0x001F {
            let (pairs, _) = self.value.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            return String::from_utf16_lossy(&units)
                .trim_end_matches('\0')
                .to_owned();
        }
        text_in(&self.value, page)
    }
}

fn properties(data: &[u8], _page: u32) -> Vec<Property> {
    let mut reader = ByteReader { bytes: data, at: 0 };
    let count = reader.size().unwrap_or(0).min(MAX_ENTRIES);
    let mut found = Vec::new();
    for _ in 0..count {
        let Some(property) = read_property(&mut reader) else {
            break;
        };
        found.push(property);
    }
    found
}

fn read_property(reader: &mut ByteReader<'_>) -> Option<Property> {
    let tag = reader.u32()?;
    let (kind, id) = (tag & 0xFFFF, tag >> 16);
    if id >= 0x8000 {
        // A named property: the id of its set, and its number or name.
        reader.take(16)?;
        if reader.u32()? == 0 {
            reader.take(4)?
        } else {
            reader.padded()?
        };
    }
    let several = kind & 0x1000 != 0;
    let base = kind & 0x0FFF;
    let fixed = match base {
        0x0002 | 0x0003 | 0x0004 | 0x000A | 0x000B => Some(4),
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
        0x0048 => Some(16),
        _ => None,
    };
    let is_counted = several || fixed.is_none();
    let count = if is_counted {
        reader.size()?.min(MAX_ENTRIES)
    } else {
        1
    };
    let mut value = Vec::new();
    for index in 0..count {
        let one = match fixed {
            Some(size) => reader.take(size)?,
            None => reader.padded()?,
        };
        if index == 0 {
            value = one.to_vec();
        }
    }
    Some(Property {
        id,
        kind: base,
        value,
    })
}
