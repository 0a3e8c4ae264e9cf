//! Decompression of Outlook's rich text (MS-OXRTFCP): literals, and references into a dictionary.

/// The initial content of the dictionary.
const INITIAL_DICTIONARY: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \
\\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\
\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
/// Size of the dictionary.
const DICTIONARY_BYTES: usize = 4096;
/// Maximum decompressed size.
const MAX_BYTES: usize = 64 << 20;
const COMPRESSED: &[u8] = b"LZFu";
const UNCOMPRESSED: &[u8] = b"MELA";
/// Sizes, compression type and checksum precede the data.
const HEADER_BYTES: usize = 16;

/// Decompresses rich text. Returns nothing if it is not compressed in this way.
pub fn decompress(bytes: &[u8]) -> Vec<u8> {
    let data = bytes.get(HEADER_BYTES..).unwrap_or_default();
    match bytes.get(8..12) {
        Some(UNCOMPRESSED) => data.to_vec(),
        Some(COMPRESSED) => Dictionary::new().decompress(data),
        _ => Vec::new(),
    }
}

struct Dictionary {
    bytes: Vec<u8>,
    at: usize,
    out: Vec<u8>,
}

impl Dictionary {
    fn new() -> Self {
        let mut bytes = INITIAL_DICTIONARY.to_vec();
        bytes.resize(DICTIONARY_BYTES, b' ');
        Self {
            bytes,
            at: INITIAL_DICTIONARY.len(),
            out: Vec::new(),
        }
    }

    fn decompress(mut self, data: &[u8]) -> Vec<u8> {
        let mut data = data.iter().copied();
        while let Some(control) = data.next() {
            for bit in 0..8 {
                if self.out.len() > MAX_BYTES {
                    return self.out;
                }
                let more = if control & (1 << bit) == 0 {
                    data.next().map(|byte| self.write(byte))
                } else {
                    self.reference(&mut data)
                };
                if more.is_none() {
                    return self.out;
                }
            }
        }
        self.out
    }

    /// Copies bytes from the dictionary. Returns `None` at the end of the text, which is a
    /// reference to the current position.
    fn reference(&mut self, data: &mut impl Iterator<Item = u8>) -> Option<()> {
        let (high, low) = (usize::from(data.next()?), usize::from(data.next()?));
        let offset = high << 4 | low >> 4;
        if offset == self.at {
            return None;
        }
        for step in 0..(low & 0xF) + 2 {
            let byte = self
                .bytes
                .get((offset + step) % DICTIONARY_BYTES)
                .copied()?;
            self.write(byte);
        }
        Some(())
    }

    fn write(&mut self, byte: u8) {
        self.out.push(byte);
        if let Some(place) = self.bytes.get_mut(self.at) {
            *place = byte;
        }
        self.at = (self.at + 1) % DICTIONARY_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_decompressed() {
        // MS-OXRTFCP, 4.1.1.
        let packed = [
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5,
            0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42,
            0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0,
            0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let text = decompress(&packed);
        assert_eq!(text, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(decompress(b"short"), b"");
    }
}
