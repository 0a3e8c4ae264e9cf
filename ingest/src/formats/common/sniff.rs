//! Identifying unsupported files, so that the administrator learns what they are.

use super::ole::MAGIC as OLE_MAGIC;
use crate::formats::Source;
use crate::wire::Refusal;

/// Offset, signature and description of known file types.
const MAGIC_NUMBERS: &[(usize, &[u8], &str)] = &[
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

/// Part names in a ZIP archive that identify its type.
const ZIP_MARKERS: &[(&[u8], &str)] = &[
    (b"word/document", "a Word document (.docx)"),
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
    (b"application/epub", EBOOK),
];

const EBOOK: &str = "an e-book (EPUB)";

/// Explains why a file is not supported.
pub fn explain_refusal(source: &Source) -> Refusal {
    if is_encrypted_office(source) {
        return Refusal::Encrypted;
    }
    let what = describe(source);
    let is_office = ZIP_MARKERS.iter().any(|(_, kind)| *kind == what) && what != EBOOK;
    if is_office {
        // The file's own format did not match, so the archive is incomplete.
        return Refusal::Damaged(format!(
            "it is {what}, and its archive is broken or cut off"
        ));
    }
    Refusal::NotRead(what)
}

/// Whether this is a Word, Excel or PowerPoint file with a password: its encrypted archive is in an
/// OLE compound file.
fn is_encrypted_office(source: &Source) -> bool {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    source.bytes.starts_with(OLE_MAGIC) && source.bytes.windows(name.len()).any(|w| w == name)
}

/// Describes a file: `a ZIP archive`.
pub fn describe(source: &Source) -> String {
    if source.bytes.starts_with(b"PK\x03\x04") {
        return describe_zip(&source.bytes).to_owned();
    }
    if source.bytes.starts_with(OLE_MAGIC) {
        return describe_ole(source).to_owned();
    }
    let found = MAGIC_NUMBERS.iter().find(|(at, sign, _)| {
        let there = source.bytes.get(*at..at + sign.len());
        there == Some(*sign)
    });
    match found {
        Some((_, _, what)) => (*what).to_owned(),
        None => "of an unknown kind".to_owned(),
    }
}

/// Whether [`describe`] recognises the file by its signature.
pub fn is_known(source: &Source) -> bool {
    describe(source) != "of an unknown kind"
}

fn describe_zip(bytes: &[u8]) -> &'static str {
    ZIP_MARKERS
        .iter()
        .find(|(marker, _)| bytes.windows(marker.len()).any(|window| window == *marker))
        .map_or("a ZIP archive", |(_, what)| what)
}

fn describe_ole(source: &Source) -> &'static str {
    match source.extension().as_str() {
        "doc" | "dot" => "an old Word document (.doc; saved as .docx it is read)",
        "xls" | "xlt" => "an old Excel workbook (.xls)",
        "ppt" | "pps" => "an old PowerPoint presentation (.ppt; saved as .pptx it is read)",
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
    fn a_file_is_identified_by_its_content() {
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
            "an old Word document (.doc; saved as .docx it is read)",
        );
        check("x", b"\x00\x01\x02", "of an unknown kind");
    }
}
