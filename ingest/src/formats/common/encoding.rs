//! Character encodings: whether bytes are text, and their decoding.

use crate::formats::Source;

/// Bytes of a file that are examined to decide whether it is text.
const SAMPLE_BYTES: usize = 64 << 10;

/// Whether the file is text rather than binary data: it has a byte order mark, or no zero bytes and
/// at most one control character in 200 bytes.
pub fn is_text(source: &Source) -> bool {
    let sample = source.head(SAMPLE_BYTES);
    if encoding_rs::Encoding::for_bom(sample).is_some() {
        return true;
    }
    let controls = sample
        .iter()
        .filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127))
        .count();
    controls * 200 <= sample.len() && !sample.contains(&0)
}

/// Decodes a text file: by its byte order mark, else as UTF-8, else by detecting the encoding.
pub fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode(bytes).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut detector = chardetng::EncodingDetector::new();
    detector.feed(bytes, true);
    let guess = detector.guess(None, true);
    guess.decode(bytes).0.into_owned()
}

/// Decodes text in a Windows code page. An unknown code page is read as Windows-1252.
pub fn decode_code_page(bytes: &[u8], code_page: u32) -> String {
    let label = match code_page {
        65001 => "utf-8".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        10000 => "macintosh".to_owned(),
        866 => "ibm866".to_owned(),
        20866 => "koi8-r".to_owned(),
        28591..=28606 => format!("iso-8859-{}", code_page - 28590),
        _ => format!("windows-{code_page}"),
    };
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes());
    let encoding = encoding.unwrap_or(encoding_rs::WINDOWS_1252);
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognised() {
        assert_eq!(decode(b"\xEF\xBB\xBFM\xC3\xBCnze"), "Münze");
        assert_eq!(decode(b"\xFF\xFEM\0u\0"), "Mu");
        let latin = b"Die M\xFCnze geh\xF6rt der gro\xDFen B\xE4uerin in K\xF6ln.";
        assert!(decode(latin).contains("Münze gehört der großen Bäuerin"));
    }
}
