//! A vector file: codes, which are read at once and have one checksum, and vectors, which are read one at
//! a time and have one each.
//!
//! Layout, little-endian: `CLVEC002`, dimensions `u32`, count `u32`; `count` each of passages
//! `i64` in ascending order, revisions `u32`, corrections `f32`, steps `f32`, `count · dimensions` int8,
//! whole blocks of binary words `u64`; the SHA-256 of all that; then `count` times `dimensions`
//! values `f32` and the CRC-32 of the passage's id and these.

use super::codes::SegmentCodes;
use super::rabitq::Quantizer;
use crate::error::{IndexError, Result};
use crate::files;
use cloister_kernels::codes::BLOCK;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const MAGIC: &[u8; 8] = b"CLVEC002";
const HEADER_BYTES: usize = 16;
const SHA256_BYTES: usize = 32;
const CRC_BYTES: usize = 4;

/// Reads the vectors of a segment.
#[derive(Debug)]
pub(crate) struct VectorReader {
    source: VectorSource,
    path: PathBuf,
    dimensions: usize,
    /// Whether a damaged vector was found.
    corrupted: AtomicBool,
}

#[derive(Debug)]
enum VectorSource {
    /// A file, and the offset of the first vector.
    File(File, u64),
    /// The vectors of an older format.
    Memory(Vec<f32>),
}

impl VectorReader {
    /// Vectors that were already read from the file at `path`.
    pub(crate) fn in_memory(path: &Path, dimensions: usize, values: Vec<f32>) -> Self {
        Self {
            source: VectorSource::Memory(values),
            path: path.to_owned(),
            dimensions,
            corrupted: AtomicBool::new(false),
        }
    }

    /// Reads the vector of `row`, which belongs to `passage`, into `out`.
    pub(crate) fn read(&self, row: usize, passage: i64, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        let (file, start) = match &self.source {
            VectorSource::File(file, start) => (file, *start),
            VectorSource::Memory(values) => {
                let range = row * self.dimensions..(row + 1) * self.dimensions;
                out.extend_from_slice(values.get(range).unwrap_or_default());
                return Ok(());
            }
        };
        let mut bytes = vec![0; self.dimensions * 4 + CRC_BYTES];
        let offset = start + (row * bytes.len()) as u64;
        let read = file.read_exact_at(&mut bytes, offset);
        let (values, checksum) = bytes.split_at(self.dimensions * 4);
        if read.is_err() || checksum != crc(passage, values).to_le_bytes() {
            self.corrupted.store(true, Ordering::Relaxed);
            return Err(IndexError::Damaged(format!(
                "passage `{passage}` in `{}` has changed",
                self.path.display()
            )));
        }
        out.extend(values.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        Ok(())
    }

    /// A description of the damage, if a damaged vector was found.
    pub(crate) fn corruption(&self) -> Option<String> {
        let corrupted = self.corrupted.load(Ordering::Relaxed);
        corrupted.then(|| format!("a vector in `{}` has changed", self.path.display()))
    }
}

fn crc(passage: i64, values: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&passage.to_le_bytes());
    hasher.update(values);
    hasher.finalize()
}

/// Writes a file; returns the SHA-256 of its codes, and a reader for its vectors. `read_vector` returns
/// the vector of each row.
pub(crate) fn write(
    path: &Path,
    dimensions: usize,
    codes: &SegmentCodes,
    mut read_vector: impl FnMut(usize, &mut Vec<f32>) -> Result<()>,
) -> Result<(String, VectorReader)> {
    let code_bytes = to_bytes(dimensions, codes)?;
    let checksum = Sha256::digest(&code_bytes);
    let mut failed = None;
    files::replace_with(path, |file| {
        file.write_all(&code_bytes)?;
        file.write_all(&checksum)?;
        let mut vector = Vec::with_capacity(dimensions);
        for (row, passage) in codes.passages.iter().enumerate() {
            if let Err(error) = read_vector(row, &mut vector) {
                failed = Some(error);
                return Err(std::io::Error::other("a vector cannot be read"));
            }
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            file.write_all(&bytes)?;
            file.write_all(&crc(*passage, &bytes).to_le_bytes())?;
        }
        Ok(())
    })
    .map_err(|error| failed.take().unwrap_or(error))?;
    let file = File::open(path).map_err(|source| files::file_error(path, source))?;
    let start = (code_bytes.len() + SHA256_BYTES) as u64;
    let vectors = vector_reader(path, dimensions, file, start);
    Ok((hex::encode(checksum), vectors))
}

fn vector_reader(path: &Path, dimensions: usize, file: File, start: u64) -> VectorReader {
    VectorReader {
        source: VectorSource::File(file, start),
        path: path.to_owned(),
        dimensions,
        corrupted: AtomicBool::new(false),
    }
}

/// Reads the codes of a file and verifies their checksum, which must be `expected` if it is given.
pub(crate) fn read(
    path: &Path,
    expected: Option<&str>,
    dimensions: usize,
) -> Result<(SegmentCodes, VectorReader)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged("is missing", path));
        }
        Err(source) => return Err(files::file_error(path, source)),
    };
    let metadata = file.metadata();
    let length = metadata
        .map_err(|source| files::file_error(path, source))?
        .len();
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)
        .map_err(|_short| damaged("is cut short", path))?;
    let count =
        row_count(&header, dimensions).ok_or_else(|| damaged("is of another format", path))?;
    let code_length = code_bytes(dimensions, count);
    let vector_length = count as u64 * (dimensions * 4 + CRC_BYTES) as u64;
    if length != (code_length + SHA256_BYTES) as u64 + vector_length {
        return Err(damaged("has another length than it says", path));
    }
    let mut bytes = vec![0; code_length + SHA256_BYTES];
    bytes.splice(..HEADER_BYTES, header);
    let rest = bytes.get_mut(HEADER_BYTES..).unwrap_or_default();
    file.read_exact(rest)
        .map_err(|source| files::file_error(path, source))?;
    let (codes, stored) = bytes.split_at(code_length);
    let computed = Sha256::digest(codes);
    if computed.as_slice() != stored
        || expected.is_some_and(|expected| hex::encode(computed) != expected)
    {
        return Err(damaged("has changed", path));
    }
    let codes = from_bytes(codes, dimensions, count);
    let start = bytes.len() as u64;
    Ok((codes, vector_reader(path, dimensions, file, start)))
}

/// The error of a file that is damaged.
fn damaged(what: &str, path: &Path) -> IndexError {
    IndexError::Damaged(format!("`{}` {what}", path.display()))
}

/// The number of rows; `None` if the header is another format's or for other dimensions.
fn row_count(header: &[u8; HEADER_BYTES], dimensions: usize) -> Option<usize> {
    let (magic, sizes) = header.split_first_chunk::<8>()?;
    let (sizes, _) = sizes.as_chunks::<4>();
    let [stored, count] = [*sizes.first()?, *sizes.get(1)?].map(u32::from_le_bytes);
    let same = magic == MAGIC && usize::try_from(stored).ok()? == dimensions;
    same.then(|| usize::try_from(count).ok()).flatten()
}

fn binary_words(dimensions: usize, count: usize) -> usize {
    count.div_ceil(BLOCK) * Quantizer::words(dimensions) * BLOCK
}

/// The length of the header and the codes.
fn code_bytes(dimensions: usize, count: usize) -> usize {
    HEADER_BYTES + count * (8 + 4 + 4 + 4 + dimensions) + binary_words(dimensions, count) * 8
}

fn to_bytes(dimensions: usize, codes: &SegmentCodes) -> Result<Vec<u8>> {
    let count = codes.passages.len();
    let mut bytes = Vec::with_capacity(code_bytes(dimensions, count));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&to_u32(dimensions)?.to_le_bytes());
    bytes.extend_from_slice(&to_u32(count)?.to_le_bytes());
    bytes.extend(codes.passages.iter().flat_map(|id| id.to_le_bytes()));
    bytes.extend(codes.revisions.iter().flat_map(|id| id.to_le_bytes()));
    bytes.extend(codes.corrections.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(codes.steps.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(codes.int8.iter().map(|x| x.cast_unsigned()));
    bytes.extend(codes.binary.iter().flat_map(|word| word.to_le_bytes()));
    Ok(bytes)
}

/// `bytes` must have the length for `count` rows.
fn from_bytes(bytes: &[u8], dimensions: usize, count: usize) -> SegmentCodes {
    let (_, rest) = bytes.split_at(HEADER_BYTES);
    let (passages, rest) = rest.split_at(count * 8);
    let (revisions, rest) = rest.split_at(count * 4);
    let (corrections, rest) = rest.split_at(count * 4);
    let (steps, rest) = rest.split_at(count * 4);
    let (int8, binary) = rest.split_at(count * dimensions);
    SegmentCodes {
        passages: parse_numbers(passages, i64::from_le_bytes),
        revisions: parse_numbers(revisions, u32::from_le_bytes),
        corrections: parse_numbers(corrections, f32::from_le_bytes),
        steps: parse_numbers(steps, f32::from_le_bytes),
        int8: int8.iter().map(|x| x.cast_signed()).collect(),
        binary: parse_numbers(binary, u64::from_le_bytes),
    }
}

pub(crate) fn parse_numbers<const N: usize, T>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> T,
) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|b| read(*b)).collect()
}

pub(super) fn to_u32(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_too_large| {
        IndexError::Damaged(format!("`{number}` is too large for a file of the index"))
    })
}
