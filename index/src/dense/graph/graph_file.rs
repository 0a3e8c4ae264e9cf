//! The file of a graph, beside the vector file of its segment.
//!
//! Layout, little-endian: `CLGRA002`; the SHA-256 of the segment's codes; rows `u32`, neighbours per row
//! `u32`, entries `u32`, `ef` `u32`, `ef` with a filter `u32`, comparisons `u32`, recall `f32`, recall with a filter `f32`, length
//! of the refusal `u32`; the refusal in UTF-8; the entries `u32`; the neighbours `u32`, row by row; and the
//! SHA-256 of all that. A refused graph has no entries and no neighbours.

use super::{CertifiedGraph, DEGREE, Graph};
use crate::dense::segment_file::to_u32;
use crate::error::{IndexError, Result};
use crate::files;
use crate::request::GraphCertificate;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;

pub(crate) const EXTENSION: &str = "graph";

const MAGIC: &[u8; 8] = b"CLGRA002";
const SHA256_BYTES: usize = 32;
const NUMBERS: usize = 9;
const HEADER_BYTES: usize = MAGIC.len() + SHA256_BYTES + NUMBERS * 4;

const CUT_SHORT: &str = "is cut short";

/// The maximum length of a refusal.
const MAX_REFUSAL_BYTES: usize = 1000;

/// Writes the graph of the segment whose codes have the SHA-256 `codes`, in hexadecimal.
pub(crate) fn write(path: &Path, codes: &str, certified: &CertifiedGraph) -> Result<()> {
    let certificate = &certified.certificate;
    let (entries, neighbours) = match &certified.graph {
        Some(graph) => (graph.entries.as_slice(), graph.neighbours.as_slice()),
        None => (&[][..], &[][..]),
    };
    let refusal = certificate.refusal.as_deref().unwrap_or_default();
    let refusal: String = refusal.chars().take(MAX_REFUSAL_BYTES / 4).collect();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + neighbours.len() * DEGREE * 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend(decode_sha256(codes)?);
    for number in [certificate.passages, DEGREE, entries.len(), certificate.ef] {
        bytes.extend(to_u32(number)?.to_le_bytes());
    }
    bytes.extend(to_u32(certificate.filtered_ef)?.to_le_bytes());
    bytes.extend(to_u32(certificate.comparisons)?.to_le_bytes());
    bytes.extend(certificate.recall.to_le_bytes());
    bytes.extend(certificate.filtered_recall.to_le_bytes());
    bytes.extend(to_u32(refusal.len())?.to_le_bytes());
    bytes.extend_from_slice(refusal.as_bytes());
    for entry in entries {
        bytes.extend(to_u32(*entry)?.to_le_bytes());
    }
    bytes.extend(
        neighbours
            .iter()
            .flatten()
            .flat_map(|row| row.to_le_bytes()),
    );
    let checksum = Sha256::digest(&bytes);
    files::replace_with(path, |file| {
        file.write_all(&bytes)?;
        file.write_all(&checksum)
    })
}

/// Reads the graph of the segment with `rows` rows, whose codes have the SHA-256 `codes`; `None` if there
/// is no file.
pub(crate) fn read(path: &Path, codes: &str, rows: usize) -> Result<Option<CertifiedGraph>> {
    let Some(bytes) = files::read(path)? else {
        return Ok(None);
    };
    let parsed = parse(&bytes, &decode_sha256(codes)?, rows);
    let parsed = parsed.map_err(|what| IndexError::Damaged(format!("`{}` {what}", path.display())));
    parsed.map(Some)
}

/// The numbers of the header, in their order.
struct GraphHeader {
    rows: usize,
    degree: usize,
    entries: usize,
    ef: usize,
    filtered_ef: usize,
    comparisons: usize,
    recall: f32,
    filtered_recall: f32,
    refusal_bytes: usize,
}

impl GraphHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let numbers: [u32; NUMBERS] = parse_u32(bytes).try_into().ok()?;
        let [
            rows,
            degree,
            entries,
            ef,
            filtered_ef,
            comparisons,
            ..,
            refusal_bytes,
        ] = numbers.map(|number| number as usize);
        let [.., recall, filtered_recall, _] = numbers.map(f32::from_bits);
        Some(Self {
            rows,
            degree,
            entries,
            ef,
            filtered_ef,
            comparisons,
            recall,
            filtered_recall,
            refusal_bytes,
        })
    }
}

fn parse(bytes: &[u8], codes: &[u8], rows: usize) -> Result<CertifiedGraph, &'static str> {
    let (content, checksum) = bytes.split_last_chunk::<SHA256_BYTES>().ok_or(CUT_SHORT)?;
    if Sha256::digest(content).as_slice() != checksum {
        return Err("has changed");
    }
    let (header, rest) = content.split_at_checked(HEADER_BYTES).ok_or(CUT_SHORT)?;
    let (magic, header) = header.split_at_checked(MAGIC.len()).ok_or(CUT_SHORT)?;
    let (stored_codes, numbers) = header.split_at_checked(SHA256_BYTES).ok_or(CUT_SHORT)?;
    if magic != MAGIC {
        return Err("is of another format");
    }
    if stored_codes != codes {
        return Err("is of other codes");
    }
    let header = GraphHeader::parse(numbers).ok_or(CUT_SHORT)?;
    if header.rows != rows || header.degree != DEGREE {
        return Err("is of another segment");
    }
    if header.refusal_bytes > MAX_REFUSAL_BYTES || header.entries > rows {
        return Err("has impossible sizes");
    }
    let (refusal, rest) = rest
        .split_at_checked(header.refusal_bytes)
        .ok_or(CUT_SHORT)?;
    let refusal = String::from_utf8(refusal.to_vec()).map_err(|_bytes| "is no text")?;
    let certificate = GraphCertificate {
        passages: rows,
        ef: header.ef,
        filtered_ef: header.filtered_ef,
        recall: header.recall,
        filtered_recall: header.filtered_recall,
        comparisons: header.comparisons,
        refusal: (!refusal.is_empty()).then_some(refusal),
    };
    let graph = match certificate.refusal {
        Some(_) if header.entries > 0 || !rest.is_empty() => {
            return Err("has a graph and says that there is none");
        }
        Some(_) => None,
        None => Some(parse_graph(rest, rows, header.entries)?),
    };
    Ok(CertifiedGraph { graph, certificate })
}

fn parse_graph(bytes: &[u8], rows: usize, entries: usize) -> Result<Graph, &'static str> {
    let expected = entries
        .checked_add(rows * DEGREE)
        .and_then(|links| links.checked_mul(4));
    if expected != Some(bytes.len()) {
        return Err("has another length than it says");
    }
    let (entries, neighbours) = bytes.split_at_checked(entries * 4).ok_or(CUT_SHORT)?;
    let entries = parse_u32(entries).into_iter().map(|row| row as usize);
    let neighbours = parse_u32(neighbours);
    let neighbours = neighbours.as_chunks::<DEGREE>().0.to_vec();
    Graph::new(neighbours, entries.collect()).ok_or("leads to a row that does not exist")
}

fn parse_u32(bytes: &[u8]) -> Vec<u32> {
    let numbers = bytes.as_chunks::<4>().0.iter();
    numbers.map(|number| u32::from_le_bytes(*number)).collect()
}

fn decode_sha256(codes: &str) -> Result<Vec<u8>> {
    let bytes = hex::decode(codes)
        .ok()
        .filter(|bytes| bytes.len() == SHA256_BYTES);
    bytes.ok_or_else(|| IndexError::Damaged(format!("`{codes}` is no SHA-256")))
}
