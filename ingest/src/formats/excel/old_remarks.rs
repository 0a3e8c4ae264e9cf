//! Remarks and text boxes of old workbooks (.xls), which calamine does not read: the text of each
//! object is a record of its own (MS-XLS 2.4.329).

use crate::formats::common::encoding::decode_code_page;

const TEXT_OBJECT: u16 = 0x01B6;
const CONTINUE: u16 = 0x003C;
/// Maximum number of texts.
const MAX_TEXTS: usize = 20_000;

/// The texts of the objects in the workbook stream.
pub fn read_texts(stream: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = stream;
    let mut wanted: Option<usize> = None;
    while let Some(([kind_low, kind_high, size_low, size_high], body)) =
        rest.split_first_chunk::<4>()
    {
        let kind = u16::from_le_bytes([*kind_low, *kind_high]);
        let size = usize::from(u16::from_le_bytes([*size_low, *size_high]));
        let Some((record, next)) = body.split_at_checked(size) else {
            break;
        };
        rest = next;
        match kind {
            TEXT_OBJECT => {
                let count = record
                    .get(10..12)
                    .and_then(|two| two.try_into().ok())
                    .map(u16::from_le_bytes);
                wanted = count.map(usize::from).filter(|count| *count > 0);
            }
            CONTINUE => {
                let text = wanted.take().and_then(|count| read_text(record, count));
                found.extend(text.filter(|_| found.len() < MAX_TEXTS));
            }
            _ => wanted = None,
        }
    }
    found
}

/// Characters of one byte or of two, as the first byte says.
fn read_text(record: &[u8], count: usize) -> Option<String> {
    let (flags, bytes) = record.split_first()?;
    let text = if flags & 1 == 0 {
        decode_code_page(bytes.get(..count.min(bytes.len()))?, 28_591)
    } else {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs
            .iter()
            .take(count)
            .map(|pair| u16::from_le_bytes(*pair))
            .collect();
        String::from_utf16_lossy(&units)
    };
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_objects_are_read() {
        let mut stream = Vec::new();
        let mut record = |kind: u16, body: &[u8]| {
            stream.extend(kind.to_le_bytes());
            stream.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
            stream.extend(body);
        };
        let mut object = [0_u8; 18];
        object[10] = 4;
        record(TEXT_OBJECT, &object);
        record(CONTINUE, b"\0Halt");
        record(TEXT_OBJECT, &object);
        record(0x000A, b"");
        record(CONTINUE, b"\0Nope");
        assert_eq!(read_texts(&stream), ["Halt"]);
    }
}
