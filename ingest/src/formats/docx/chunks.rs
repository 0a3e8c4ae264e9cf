//! Parts of another format that Word takes in when it opens a document (`altChunk`): HTML, saved
//! pages, rich text, plain text and Word documents.

use crate::formats::common::archive::Archive;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock};
use crate::formats::common::encoding::decode;
use crate::formats::text::split_blocks;
use crate::formats::{Failure, html, mail, rtf};
use cloister_domain::BlockKind;

/// Maximum number of documents inside each other.
const MAX_DEPTH: usize = 2;

/// Reads a part. Returns its blocks, and a warning if it cannot be read.
pub fn read_chunk(
    archive: &mut Archive<'_>,
    part: &str,
    depth: usize,
) -> Result<(Vec<BuiltBlock>, Option<String>), Failure> {
    let bytes = archive.bytes(part)?.unwrap_or_default();
    let mut builder = BlockBuilder::default();
    builder.open_float()?;
    let read = read_into(&bytes, part, depth, &mut builder);
    let blocks = builder.take_float();
    let name = part.rsplit('/').next().unwrap_or(part);
    let is_read = read.unwrap_or(false);
    let warning = (!is_read)
        .then(|| format!("text from the part `{name}`, which Word takes in, could not be read"));
    Ok((blocks, warning))
}

/// Returns whether the part is of a format that is read.
fn read_into(
    bytes: &[u8],
    part: &str,
    depth: usize,
    builder: &mut BlockBuilder,
) -> Result<bool, Failure> {
    let extension = part
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"{\\rtf") {
        rtf::read_into(bytes, builder)?;
    } else if start.starts_with(b"PK") {
        if depth >= MAX_DEPTH {
            return Ok(false);
        }
        let mut inner = Archive::open(bytes)?;
        for page in super::read_package(&mut inner, depth + 1)?.finish() {
            let content = page.page.content;
            for block in content.blocks {
                let text = block.range.slice(&content.text).unwrap_or_default();
                // The columns of a row are kept as text.
                let is_row = block.kind == BlockKind::TableRow;
                let kind = if is_row {
                    BlockKind::Paragraph
                } else {
                    block.kind
                };
                builder.begin_paragraph(kind);
                builder.push_text(text);
                builder.end_paragraph();
            }
        }
    } else if matches!(extension.as_str(), "mht" | "mhtml" | "eml")
        || mail::has_header(bytes) && mail::html_of_saved_page(bytes).is_some()
    {
        let Some(page) = mail::html_of_saved_page(bytes) else {
            return Ok(false);
        };
        html::read_into(&page, builder)?;
    } else if matches!(extension.as_str(), "htm" | "html" | "xhtml") || start.starts_with(b"<") {
        html::read_into(&html::decode_page(bytes), builder)?;
    } else {
        for (kind, block) in split_blocks(&decode(bytes)) {
            builder.begin_paragraph(kind);
            builder.push_text(&block);
            builder.end_paragraph();
        }
    }
    Ok(true)
}
