//! Names for what is not read, so that an administrator learns what the file is.

use super::Source;
use super::ole::SIGN as OLD_OFFICE;
use crate::wire::Refusal;

/// First bytes, where they stand, and what they give away.
const SIGNS: &[(usize, &[u8], &str)] = &[
    (0, b"\x7FELF", "a program"),
    (0, b"MZ", "a Windows program"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xFF\xD8\xFF", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"BM", "a bitmap picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"\x1F\x8B", "a gzip archive"),
    (0, b"7z\xBC\xAF", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\xFD7zXZ", "an xz archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"SQLite format 3", "a SQLite database"),
    (4, b"ftyp", "a video or picture (MP4, HEIC)"),
    (0, b"ID3", "a sound recording"),
    (0, b"OggS", "a sound recording"),
    (0, b"RIFF", "a sound or video recording"),
    (0, b"<?xml", "an XML file"),
];

/// Parts of a ZIP archive that give away what it holds.
const INSIDE_ZIP: &[(&[u8], &str)] = &[
    (b"word/document", "a Word document that cannot be opened"),
    (b"xl/workbook", "an Excel workbook (.xlsx)"),
    (b"ppt/presentation", "a PowerPoint presentation (.pptx)"),
    (b"opendocument.text", "an OpenDocument text (.odt)"),
    (
        b"opendocument.spreadsheet",
        "an OpenDocument spreadsheet (.ods)",
    ),
    (
        b"opendocument.presentation",
        "an OpenDocument presentation (.odp)",
    ),
    (b"application/epub", "an e-book (EPUB)"),
];

/// Why this file is not read.
pub fn refusal(source: &Source) -> Refusal {
    if is_locked_office(source) {
        return Refusal::Encrypted;
    }
    Refusal::NotRead(describe(source))
}

/// Whether this is a Word, Excel or PowerPoint file behind a password: its archive lies encrypted
/// in a file of the older kind.
fn is_locked_office(source: &Source) -> bool {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    source.bytes.starts_with(OLD_OFFICE) && source.bytes.windows(name.len()).any(|w| w == name)
}

/// What this file is: `a ZIP archive`.
pub fn describe(source: &Source) -> String {
    if source.bytes.starts_with(b"PK\x03\x04") {
        return inside_zip(&source.bytes).to_owned();
    }
    if source.bytes.starts_with(OLD_OFFICE) {
        return old_office(source).to_owned();
    }
    let found = SIGNS.iter().find(|(at, sign, _)| {
        let there = source.bytes.get(*at..at + sign.len());
        there == Some(*sign)
    });
    match found {
        Some((_, _, what)) => (*what).to_owned(),
        None => "of an unknown kind".to_owned(),
    }
}

/// Whether this is one of the files that [`describe`] knows by its first bytes.
pub fn is_known(source: &Source) -> bool {
    describe(source) != "of an unknown kind"
}

fn inside_zip(bytes: &[u8]) -> &'static str {
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    INSIDE_ZIP
        .iter()
        .find(|(part, _)| holds(part))
        .map_or("a ZIP archive", |(_, what)| what)
}

fn old_office(source: &Source) -> &'static str {
    match source.extension().as_str() {
        "doc" | "dot" => "an old Word document (.doc)",
        "xls" | "xlt" => "an old Excel workbook (.xls)",
        "ppt" | "pps" => "an old PowerPoint presentation (.ppt)",
        "msg" => "an Outlook message (.msg)",
        _ => "an old Office file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, bytes: &[u8], expected: &str) {
        assert_eq!(describe(&Source::new(bytes.to_vec(), name)), expected);
    }

    #[test]
    fn a_file_is_named_by_its_content() {
        check("scan.pdf", b"\x89PNG\r\n\x1A\n", "a PNG picture");
        check(
            "report",
            b"PK\x03\x04....xl/workbook.xml",
            "an Excel workbook (.xlsx)",
        );
        check("all.zip", b"PK\x03\x04....notes.txt", "a ZIP archive");
        check(
            "a.doc",
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
            "an old Word document (.doc)",
        );
        check("x", b"\x00\x01\x02", "of an unknown kind");
    }
}
