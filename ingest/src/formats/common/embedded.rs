//! Files inside of office documents: documents of other programs, packed files, and pictures.

use super::archive::Archive;
use super::ole;
use super::sections::Sections;
use crate::formats::{Failure, Sink, Source, image};
use cloister_domain::{LossKind, OmissionKind};

/// Maximum number of files that are taken out.
const MAX_FILES: usize = 200;
/// Smaller pictures are signs and logos. In pixels.
const MIN_PICTURE: (u32, u32) = (400, 120);
/// The stream of a packed file (MS-OLEDS 2.3.6).
const PACKED: &str = "/\u{1}Ole10Native";

/// A file with its name.
pub type InnerFile = (String, Vec<u8>);

/// Takes the files out of an office document, and counts what is left out: macros, small pictures,
/// and objects that are not understood.
pub fn take_out(
    archive: &mut Archive<'_>,
    sections: &mut Sections,
) -> Result<Vec<InnerFile>, Failure> {
    let mut found: Vec<InnerFile> = Vec::new();
    let mut names = archive.names();
    names.sort_by_key(|name| (name.len(), name.clone()));
    for name in names {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", &name));
        let folder = folder.to_ascii_lowercase();
        let is_skipped = file.is_empty() || found.len() >= MAX_FILES;
        if file.eq_ignore_ascii_case("vbaProject.bin") {
            sections.account.leave_out(OmissionKind::Macro, 1);
        } else if !is_skipped && folder.ends_with("/embeddings") {
            let bytes = archive.bytes(&name)?.unwrap_or_default();
            found.extend(open_object(file, bytes, sections));
        } else if !is_skipped && (folder.ends_with("/media") || folder == "pictures") {
            let bytes = archive.bytes(&name)?.unwrap_or_default();
            let is_known = found.iter().any(|(_, held)| *held == bytes);
            if is_readable(&bytes) && !is_known {
                found.push((file.to_owned(), bytes));
            } else {
                sections.account.leave_out(OmissionKind::Picture, 1);
            }
        }
    }
    Ok(found)
}

/// Sends the files. Each becomes a document of its own.
pub fn send(files: &[InnerFile], sink: &mut dyn Sink) -> Result<(), Failure> {
    for (name, bytes) in files {
        sink.attachment(name, bytes)?;
    }
    Ok(())
}

/// Whether a picture may show text that can be recognised.
fn is_readable(bytes: &[u8]) -> bool {
    image::size_of_picture(bytes)
        .is_some_and(|(width, height)| width >= MIN_PICTURE.0 && height >= MIN_PICTURE.1)
}

/// An embedded document, or the file that is packed in an object.
fn open_object(file: &str, bytes: Vec<u8>, sections: &mut Sections) -> Option<InnerFile> {
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    if !ending.eq_ignore_ascii_case("bin") {
        return Some((file.to_owned(), bytes));
    }
    let source = Source::new(bytes, file);
    let opened = unpack(&source, stem);
    if opened.is_none() {
        let warning = format!("an object of another program could not be read: `{file}`");
        sections.lose(LossKind::Object, 1, warning);
    }
    opened
}

/// The file in an object: a document of old Office programs, a package, or a packed file.
fn unpack(source: &Source, stem: &str) -> Option<InnerFile> {
    let mut object = ole::open(source)?;
    for (stream, ending) in [
        ("/WordDocument", "doc"),
        ("/Workbook", "xls"),
        ("/Book", "xls"),
        ("/PowerPoint Document", "ppt"),
    ] {
        if object.is_stream(stream) {
            return Some((format!("{stem}.{ending}"), source.bytes.clone()));
        }
    }
    if let Some(packed) = ole::read_stream(&mut object, PACKED) {
        return parse_packed(&packed);
    }
    for stream in ["/Package", "/CONTENTS", "/EmbeddedOdf"] {
        if let Some(content) = ole::read_stream(&mut object, stream) {
            let ending = if content.starts_with(b"%PDF") {
                "pdf"
            } else {
                "dat"
            };
            let is_document = content.starts_with(b"%PDF") || content.starts_with(b"PK");
            return is_document.then(|| (format!("{stem}.{ending}"), content));
        }
    }
    None
}

/// A packed file: its size, its name, its path, and its bytes (MS-OLEDS 2.3.6, and what the packager
/// of Windows writes there).
fn parse_packed(packed: &[u8]) -> Option<InnerFile> {
    let rest = packed.get(6..)?;
    let (name, rest) = split_string(rest)?;
    let (_path, rest) = split_string(rest)?;
    let rest = rest.get(4..)?;
    let length = usize::try_from(ole::read_u32(rest, 0)?).ok()?;
    let rest = rest.get(4_usize.checked_add(length)?..)?;
    let size = usize::try_from(ole::read_u32(rest, 0)?).ok()?;
    let bytes = rest.get(4..4_usize.checked_add(size)?)?;
    (!bytes.is_empty()).then(|| (name, bytes.to_vec()))
}

/// A text that ends with a zero byte, and what follows it.
fn split_string(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let text = super::encoding::decode(bytes.get(..end)?);
    Some((text, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_file_has_its_name() {
        let mut packed = vec![0, 0, 0, 0, 2, 0];
        packed.extend(b"plan.txt\0C:\\plan.txt\0");
        packed.extend([0, 0, 3, 0]);
        packed.extend(5_u32.to_le_bytes());
        packed.extend(b"C:\\a\0");
        packed.extend(4_u32.to_le_bytes());
        packed.extend(b"5 mg");
        let (name, bytes) = parse_packed(&packed).expect("a file");
        assert_eq!(
            (name.as_str(), bytes.as_slice()),
            ("plan.txt", &b"5 mg"[..])
        );
        for length in 0..packed.len() {
            assert_eq!(parse_packed(packed.get(..length).unwrap_or_default()), None);
        }
    }
}
