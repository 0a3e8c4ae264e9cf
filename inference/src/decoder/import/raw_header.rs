//! The header of a GGUF file as it is stored. It is read before candle's parser, which reports an unknown tensor
//! format as if the file were damaged, and to write another file with the same metadata.

use super::foreign_formats::ForeignFormat;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

/// The names of ggml's tensor formats that candle may not know
/// (<https://github.com/ggml-org/ggml/blob/master/include/ggml.h>).
const FORMAT_NAMES: [(u32, &str); 20] = [
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

/// The maximum length of a key or a name, and the maximum of dimensions.
const MAX_NAME_BYTES: u64 = 1 << 16;
const MAX_DIMENSIONS: u32 = 8;

/// The number of the type of strings.
const STRING: u32 = 8;

/// The largest alignment, so that a file cannot make a converted one large.
const MAX_ALIGNMENT: u64 = 1 << 16;

/// The alignment of tensors if the file does not state one.
const DEFAULT_ALIGNMENT: u64 = 32;

/// A key and its value.
pub(super) struct RawPair {
    pub key: Vec<u8>,
    /// The bytes of both, and of the value's type, in the file.
    pub bytes: Range<u64>,
}

/// A tensor.
#[derive(Clone)]
pub(super) struct RawTensor {
    pub name: Vec<u8>,
    /// The length of a row first.
    pub dims: Vec<u64>,
    /// ggml's number of the format.
    pub format: u32,
    /// Bytes from the start of the data.
    pub offset: u64,
}

/// A header.
pub(super) struct RawHeader {
    pub pairs: Vec<RawPair>,
    pub tensors: Vec<RawTensor>,
    pub alignment: u64,
    /// Where the data of the tensors starts.
    pub data_start: u64,
    /// `general.architecture`, if it is stated.
    pub architecture: Vec<u8>,
    /// The number of pieces of a split model, and which of them this is.
    pub pieces: u64,
    pub piece: u64,
}

/// Why a file cannot be run, for the administrator; `None` if the header names no such reason, or if it
/// is not valid, which the parser reports.
pub(super) fn unsupported_reason(file: &File) -> Option<String> {
    let (header, is_complete) = RawHeader::read_start(file);
    if header.pieces > 1 {
        return Some(format!(
            "it is piece {} of {} of a split model. `cloister models add` with the first piece joins them",
            header.piece + 1,
            header.pieces
        ));
    }
    let formats = header.unknown_formats();
    if !is_complete || formats.is_empty() {
        return None;
    }
    let is_convertible = formats
        .iter()
        .all(|format| ForeignFormat::from_id(*format).is_some());
    let names: Vec<String> = formats.into_iter().map(format_name).collect();
    let names = names.join(" and ");
    Some(if is_convertible {
        format!(
            "its weights are in {names}, for which there is no kernel. `cloister models add` converts them, or \
             use the same model in Q4_K_M"
        )
    } else {
        format!(
            "its weights are in {names}, for which there is no kernel. Use the same model in Q4_K_M, Q5_K_M, \
             Q6_K or Q8_0"
        )
    })
}

fn format_name(id: u32) -> String {
    let name = FORMAT_NAMES.iter().find(|(known, _)| *known == id);
    name.map_or_else(
        || format!("the format {id}"),
        |(_, name)| (*name).to_owned(),
    )
}

impl RawHeader {
    /// Reads a header. An error says only that it is not valid.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        match Self::read_start(file) {
            (header, true) => Ok(header),
            (_, false) => Err(invalid()),
        }
    }

    /// Reads a header up to where it is not valid; the second value says whether all of it is.
    fn read_start(file: &File) -> (Self, bool) {
        let mut reader = HeaderReader {
            reader: BufReader::new(file),
            position: 0,
            header: Self {
                pairs: Vec::new(),
                tensors: Vec::new(),
                alignment: DEFAULT_ALIGNMENT,
                data_start: 0,
                architecture: Vec::new(),
                pieces: 1,
                piece: 0,
            },
        };
        let is_complete = reader.run().is_ok();
        (reader.header, is_complete)
    }

    /// The formats that candle does not read, each once.
    pub(super) fn unknown_formats(&self) -> Vec<u32> {
        let formats = self.tensors.iter().map(|tensor| tensor.format);
        let mut unknown: Vec<u32> = formats.filter(|format| !is_known(*format)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }
}

/// Reads a header. Its counts are bounded by the file: each step reads at least one byte.
struct HeaderReader<'a> {
    reader: BufReader<&'a File>,
    position: u64,
    header: RawHeader,
}

impl HeaderReader<'_> {
    fn run(&mut self) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(0))?;
        let scanned = self.scan();
        self.reader.seek(SeekFrom::Start(0))?;
        scanned
    }

    fn scan(&mut self) -> io::Result<()> {
        if self.bytes::<4>()? != *b"GGUF" {
            return Err(invalid());
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(invalid());
        }
        let (tensors, pairs) = (self.u64()?, self.u64()?);
        for _ in 0..pairs {
            self.pair()?;
        }
        for _ in 0..tensors {
            self.tensor()?;
        }
        let alignment = self.header.alignment;
        let aligned = self.position.checked_next_multiple_of(alignment);
        self.header.data_start = aligned.ok_or_else(invalid)?;
        Ok(())
    }

    fn pair(&mut self) -> io::Result<()> {
        let start = self.position;
        let key = self.name()?;
        let kind = self.u32()?;
        let value = if key == b"general.architecture" && kind == STRING {
            self.header.architecture = self.name()?;
            None
        } else {
            self.value(kind)?
        };
        match key.as_slice() {
            b"split.count" => self.header.pieces = value.unwrap_or(1),
            b"split.no" => self.header.piece = value.unwrap_or(0),
            b"general.alignment" => {
                let alignment = value.filter(|n| (1..=MAX_ALIGNMENT).contains(n));
                self.header.alignment = alignment.ok_or_else(invalid)?;
            }
            _ => {}
        }
        self.header.pairs.push(RawPair {
            key,
            bytes: start..self.position,
        });
        Ok(())
    }

    /// Reads or skips a value; returns it if it is an integer.
    fn value(&mut self, kind: u32) -> io::Result<Option<u64>> {
        const ARRAY: u32 = 9;
        if kind == STRING {
            let length = self.u64()?;
            return self.skip(length).map(|()| None);
        }
        if kind != ARRAY {
            return self.number(kind).map(Some);
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        match kind {
            STRING => {
                for _ in 0..count {
                    let length = self.u64()?;
                    self.skip(length)?;
                }
            }
            // Arrays of arrays exist in no model.
            ARRAY => return Err(invalid()),
            _ => {
                let width = number_width(kind).ok_or_else(invalid)?;
                self.skip(count.checked_mul(width).ok_or_else(invalid)?)?;
            }
        }
        Ok(None)
    }

    fn number(&mut self, kind: u32) -> io::Result<u64> {
        match number_width(kind).ok_or_else(invalid)? {
            1 => Ok(u64::from(self.bytes::<1>().map(u8::from_le_bytes)?)),
            2 => Ok(u64::from(self.bytes::<2>().map(u16::from_le_bytes)?)),
            4 => Ok(u64::from(self.u32()?)),
            _ => self.u64(),
        }
    }

    fn tensor(&mut self) -> io::Result<()> {
        let name = self.name()?;
        let count = self.u32()?;
        if count > MAX_DIMENSIONS {
            return Err(invalid());
        }
        let dims = (0..count).map(|_| self.u64()).collect::<io::Result<_>>()?;
        let format = self.u32()?;
        let offset = self.u64()?;
        self.header.tensors.push(RawTensor {
            name,
            dims,
            format,
            offset,
        });
        Ok(())
    }

    fn name(&mut self) -> io::Result<Vec<u8>> {
        let length = self.u64()?;
        if length > MAX_NAME_BYTES {
            return Err(invalid());
        }
        let mut name = Vec::new();
        let read = self.reader.by_ref().take(length).read_to_end(&mut name)?;
        self.position += read as u64;
        if read as u64 == length {
            Ok(name)
        } else {
            Err(invalid())
        }
    }

    /// Skips bytes, all of which must be in the file.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.reader.by_ref().take(bytes), &mut io::sink())?;
        self.position += skipped;
        if skipped == bytes {
            Ok(())
        } else {
            Err(invalid())
        }
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }
}

/// The bytes of a number of this type; `None` for other types.
fn number_width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Whether candle reads tensors of this format: floats of 16 and 32 bits, `Q4_0` to `Q8_1`, and `Q2_K` to `Q8_K`.
fn is_known(format: u32) -> bool {
    matches!(format, 0..=3 | 6..=15 | 30)
}

fn invalid() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
