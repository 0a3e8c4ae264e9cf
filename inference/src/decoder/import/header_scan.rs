//! A scan of a GGUF header for what this program cannot run, before it is parsed: candle reports an unknown
//! tensor format as if the file were damaged.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

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

/// The key of the number of pieces of a split model.
const SPLIT_COUNT: &str = "split.count";

/// The maximum length of a key or a name, and the maximum of dimensions.
const MAX_NAME_BYTES: u64 = 1 << 16;
const MAX_DIMENSIONS: u32 = 8;

/// Why a file cannot be run, for the administrator; `None` if the header names no such reason, or if it
/// is not valid, which the parser reports.
pub(super) fn unsupported_reason(file: &File) -> Option<String> {
    let mut scan = HeaderScan {
        reader: BufReader::new(file),
        pieces: 1,
        piece: 0,
        unknown_formats: Vec::new(),
    };
    let complete = scan.run().is_ok();
    if scan.pieces > 1 {
        return Some(format!(
            "it is piece {} of {} of a split model. Join the pieces with \
             `llama-gguf-split --merge FIRST-PIECE JOINED.gguf`, and use the joined file",
            scan.piece + 1,
            scan.pieces
        ));
    }
    if !complete || scan.unknown_formats.is_empty() {
        return None;
    }
    let names: Vec<String> = scan
        .unknown_formats
        .iter()
        .map(|id| format_name(*id))
        .collect();
    Some(format!(
        "its weights are in {}, for which there is no kernel. Use the same model in Q4_K_M, Q5_K_M, Q6_K or \
         Q8_0",
        names.join(" and ")
    ))
}

fn format_name(id: u32) -> String {
    let name = FORMAT_NAMES.iter().find(|(known, _)| *known == id);
    name.map_or_else(
        || format!("the format {id}"),
        |(_, name)| (*name).to_owned(),
    )
}

/// The state of a scan. Its counts are bounded by the file: each step reads at least one byte.
struct HeaderScan<'a> {
    reader: BufReader<&'a File>,
    pieces: u64,
    piece: u64,
    unknown_formats: Vec<u32>,
}

impl HeaderScan<'_> {
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
        Ok(())
    }

    fn pair(&mut self) -> io::Result<()> {
        let key = self.name()?;
        let kind = self.u32()?;
        let value = self.value(kind)?;
        if key == SPLIT_COUNT.as_bytes() {
            self.pieces = value.unwrap_or(1);
        } else if key == b"split.no" {
            self.piece = value.unwrap_or(0);
        }
        Ok(())
    }

    /// Reads or skips a value; returns it if it is an integer.
    fn value(&mut self, kind: u32) -> io::Result<Option<u64>> {
        const STRING: u32 = 8;
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
        self.name()?;
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(invalid());
        }
        self.skip(u64::from(dimensions) * 8)?;
        let format = self.u32()?;
        self.u64()?;
        if !is_known(format) && !self.unknown_formats.contains(&format) {
            self.unknown_formats.push(format);
        }
        Ok(())
    }

    fn name(&mut self) -> io::Result<Vec<u8>> {
        let length = self.u64()?;
        if length > MAX_NAME_BYTES {
            return Err(invalid());
        }
        let mut name = Vec::new();
        let read = self.reader.by_ref().take(length).read_to_end(&mut name)?;
        if read as u64 == length {
            Ok(name)
        } else {
            Err(invalid())
        }
    }

    /// Skips bytes, all of which must be in the file.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.reader.by_ref().take(bytes), &mut io::sink())?;
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
