//! Rich text as Outlook packs it (MS-OXRTFCP): literals, and references to what came before.

/// What the window holds before anything came.
const BEGINNING: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \
\\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\
\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
/// The window's size.
const WINDOW: usize = 4096;
/// The most that is unpacked.
const MOST_BYTES: usize = 64 << 20;
const PACKED: &[u8] = b"LZFu";
const STORED: &[u8] = b"MELA";
/// Sizes, kind and checksum stand before the data.
const HEADER: usize = 16;

/// The rich text; nothing where it is not packed like this.
pub fn unpack(bytes: &[u8]) -> Vec<u8> {
    let data = bytes.get(HEADER..).unwrap_or_default();
    match bytes.get(8..12) {
        Some(STORED) => data.to_vec(),
        Some(PACKED) => Window::new().unpack(data),
        _ => Vec::new(),
    }
}

struct Window {
    bytes: Vec<u8>,
    at: usize,
    out: Vec<u8>,
}

impl Window {
    fn new() -> Self {
        let mut bytes = BEGINNING.to_vec();
        bytes.resize(WINDOW, b' ');
        Self {
            bytes,
            at: BEGINNING.len(),
            out: Vec::new(),
        }
    }

    fn unpack(mut self, data: &[u8]) -> Vec<u8> {
        let mut data = data.iter().copied();
        while let Some(control) = data.next() {
            for bit in 0..8 {
                if self.out.len() > MOST_BYTES {
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

    /// Repeats what stands in the window; one to where the window stands now ends the text.
    fn reference(&mut self, data: &mut impl Iterator<Item = u8>) -> Option<()> {
        let (high, low) = (usize::from(data.next()?), usize::from(data.next()?));
        let offset = high << 4 | low >> 4;
        if offset == self.at {
            return None;
        }
        for step in 0..(low & 0xF) + 2 {
            let byte = self.bytes.get((offset + step) % WINDOW).copied()?;
            self.write(byte);
        }
        Some(())
    }

    fn write(&mut self, byte: u8) {
        self.out.push(byte);
        if let Some(place) = self.bytes.get_mut(self.at) {
            *place = byte;
        }
        self.at = (self.at + 1) % WINDOW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_unpacked() {
        // MS-OXRTFCP, 4.1.1.
        let packed = [
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5,
            0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42,
            0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0,
            0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let text = unpack(&packed);
        assert_eq!(text, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(unpack(b"short"), b"");
    }
}
