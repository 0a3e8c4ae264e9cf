//! Strings of a workbook stream, which may go on in further records.

use super::u16_at;
use crate::formats::common::scripts::{join_struck, write_struck};
use crate::formats::excel::cell_styles::CellFont;

/// Maximum number of runs of one string.
const MAX_RUNS: usize = 4_096;

/// Reads the bytes of a record and of the records that continue it.
#[derive(Debug)]
pub(super) struct RecordReader<'b> {
    chunks: Vec<&'b [u8]>,
    chunk: usize,
    at: usize,
}

/// A string with the fonts of its parts: each begins at a character, and has the number of a font.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RichString {
    pub text: String,
    pub runs: Vec<(usize, usize)>,
}

impl<'b> RecordReader<'b> {
    pub(super) const fn new(chunks: Vec<&'b [u8]>) -> Self {
        Self {
            chunks,
            chunk: 0,
            at: 0,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        loop {
            let chunk = self.chunks.get(self.chunk)?;
            if let Some(byte) = chunk.get(self.at) {
                self.at += 1;
                return Some(*byte);
            }
            self.chunk += 1;
            self.at = 0;
        }
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn long_number(&mut self) -> Option<u32> {
        let (low, high) = (self.number()?, self.number()?);
        Some((u32::from(high) << 16) | u32::from(low))
    }

    /// Skips bytes. Returns `None` at the end.
    pub(super) fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let left = self.chunks.get(self.chunk)?.len().saturating_sub(self.at);
            if left >= count {
                self.at += count;
                return Some(());
            }
            count -= left;
            self.chunk += 1;
            self.at = 0;
        }
        Some(())
    }

    /// Reads a string with its runs (MS-XLS 2.5.293).
    pub(super) fn rich_string(&mut self) -> Option<RichString> {
        let count = usize::from(self.number()?);
        let flags = self.byte()?;
        let run_count = if flags & 8 == 0 {
            0
        } else {
            usize::from(self.number()?)
        };
        let extra = if flags & 4 == 0 {
            0
        } else {
            self.long_number()?
        };
        let text = self.characters(count, flags & 1 != 0)?;
        let mut runs = Vec::new();
        for _ in 0..run_count {
            let run = (usize::from(self.number()?), usize::from(self.number()?));
            if runs.len() < MAX_RUNS {
                runs.push(run);
            }
        }
        self.skip(usize::try_from(extra).ok()?)?;
        Some(RichString { text, runs })
    }

    /// Characters of one byte or of two. A record that continues them says which again.
    fn characters(&mut self, count: usize, mut is_wide: bool) -> Option<String> {
        let mut units: Vec<u16> = Vec::with_capacity(count);
        while units.len() < count {
            let chunk = self.chunks.get(self.chunk)?;
            if self.at >= chunk.len() {
                self.chunk += 1;
                self.at = 0;
                is_wide = self.byte()? & 1 != 0;
                continue;
            }
            let unit = if is_wide {
                self.number()?
            } else {
                u16::from(self.byte()?)
            };
            units.push(unit);
        }
        Some(String::from_utf16_lossy(&units))
    }
}

/// Reads a string of a record: its length, whether it is wide, and its characters.
pub(super) fn plain_string(body: &[u8]) -> Option<String> {
    let count = usize::from(u16_at(body, 0)?);
    characters_at(body, 2, count)
}

/// Reads a flag and so many characters from an offset.
pub(super) fn characters_at(body: &[u8], at: usize, count: usize) -> Option<String> {
    let is_wide = body.get(at)? & 1 != 0;
    let bytes = body.get(at + 1..)?;
    let units: Vec<u16> = if is_wide {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs
            .iter()
            .take(count)
            .map(|pair| u16::from_le_bytes(*pair))
            .collect()
    } else {
        bytes
            .iter()
            .take(count)
            .map(|byte| u16::from(*byte))
            .collect()
    };
    Some(String::from_utf16_lossy(&units))
}

impl RichString {
    /// The text with raised, lowered and struck parts marked.
    pub(super) fn marked(&self, fonts: &[CellFont]) -> String {
        if self.runs.is_empty() {
            return self.text.clone();
        }
        let chars: Vec<char> = self.text.chars().collect();
        let mut marked = String::new();
        let mut from = 0;
        let mut font: Option<CellFont> = None;
        let ends = self.runs.iter().map(|(start, font)| (*start, Some(*font)));
        for (start, next) in ends.chain([(chars.len(), None)]) {
            let piece: String = chars
                .get(from..start.max(from))
                .unwrap_or_default()
                .iter()
                .collect();
            marked.push_str(&mark(&piece, font));
            from = start.max(from);
            font = next.and_then(|next| fonts.get(next).copied());
        }
        join_struck(&marked)
    }
}

fn mark(piece: &str, font: Option<CellFont>) -> String {
    let Some(font) = font else {
        return piece.to_owned();
    };
    let text = font.script.write(piece);
    if font.is_struck {
        write_struck(&text)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::common::scripts::Script;

    #[test]
    fn strings_go_on_in_further_records() {
        let mut first = vec![4, 0, 0];
        first.extend(b"ab");
        let second = [1, b'c', 0, b'd', 0];
        let mut reader = RecordReader::new(vec![&first, &second]);
        assert_eq!(
            reader.rich_string().map(|found| found.text).as_deref(),
            Some("abcd")
        );
        assert_eq!(reader.rich_string(), None);
        let mut cut = RecordReader::new(vec![&first]);
        assert_eq!(cut.rich_string(), None);
    }

    #[test]
    fn parts_of_a_string_have_fonts() {
        let raised = CellFont {
            script: Script::Raised,
            ..CellFont::default()
        };
        let text = RichString {
            text: "109/l".to_owned(),
            runs: vec![(2, 1), (3, 0)],
        };
        assert_eq!(text.marked(&[CellFont::default(), raised]), "10⁹/l");
    }
}
