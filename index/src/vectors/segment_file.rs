//! A file of vectors: codes, which are read at once and have one sum, then the vectors, which are
//! read one at a time and have a sum each.
//!
//! Layout, little-endian: `CLVEC002`, dimensions `u32`, count `u32`; `count` each of passages
//! `i64` in growing order, revisions `u32`, reach `f32`, steps `f32`, `count · dimensions` int8,
//! whole blocks of binary words `u64`; the SHA-256 of all that; then `count` times `dimensions`
//! values `f32` and the CRC-32 of the passage's id and these.

use super::kernels::BLOCK;
use super::quantise::Quantiser;
use super::segment::Codes;
use crate::error::{IndexError, Result};
use crate::files;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const MAGIC: &[u8; 8] = b"CLVEC002";
const HEAD: usize = 16;
const SUM: usize = 32;
const CRC: usize = 4;

/// The vectors of a segment, where they are.
#[derive(Debug)]
pub(crate) struct RowFile {
    rows: Rows,
    path: PathBuf,
    dimensions: usize,
    torn: AtomicBool,
}

#[derive(Debug)]
enum Rows {
    /// On the disk, from this byte on.
    File(File, u64),
    /// In memory: those of an older format.
    Memory(Vec<f32>),
}

impl RowFile {
    /// Vectors that were read from the file at `path` already.
    pub(crate) fn in_memory(path: &Path, dimensions: usize, values: Vec<f32>) -> Self {
        Self {
            rows: Rows::Memory(values),
            path: path.to_owned(),
            dimensions,
            torn: AtomicBool::new(false),
        }
    }

    /// The vector of `row`, which belongs to `passage`, into `out`.
    pub(crate) fn read(&self, row: usize, passage: i64, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        let (file, start) = match &self.rows {
            Rows::File(file, start) => (file, *start),
            Rows::Memory(values) => {
                let range = row * self.dimensions..(row + 1) * self.dimensions;
                out.extend_from_slice(values.get(range).unwrap_or_default());
                return Ok(());
            }
        };
        let mut bytes = vec![0; self.dimensions * 4 + CRC];
        let at = start + (row * bytes.len()) as u64;
        let read = file.read_exact_at(&mut bytes, at);
        let (values, sum) = bytes.split_at(self.dimensions * 4);
        if read.is_err() || sum != crc(passage, values).to_le_bytes() {
            self.torn.store(true, Ordering::Relaxed);
            return Err(IndexError::Damaged(format!(
                "passage `{passage}` in `{}` has changed",
                self.path.display()
            )));
        }
        out.extend(values.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        Ok(())
    }

    /// The file, where one of its vectors was found damaged.
    pub(crate) fn torn(&self) -> Option<String> {
        let torn = self.torn.load(Ordering::Relaxed);
        torn.then(|| format!("a vector in `{}` has changed", self.path.display()))
    }
}

fn crc(passage: i64, values: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&passage.to_le_bytes());
    hasher.update(values);
    hasher.finalize()
}

/// Writes the file; returns the SHA-256 of its codes, and its vectors.
pub(crate) fn write(
    path: &Path,
    dimensions: usize,
    codes: &Codes,
    mut row: impl FnMut(usize, &mut Vec<f32>) -> Result<()>,
) -> Result<(String, RowFile)> {
    let resident = to_bytes(dimensions, codes)?;
    let sum = Sha256::digest(&resident);
    let mut failed = None;
    files::write_with(path, |file| {
        file.write_all(&resident)?;
        file.write_all(&sum)?;
        let mut vector = Vec::with_capacity(dimensions);
        for (index, passage) in codes.passages.iter().enumerate() {
            if let Err(error) = row(index, &mut vector) {
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
    let file = File::open(path).map_err(|source| files::at(path, source))?;
    let start = (resident.len() + SUM) as u64;
    Ok((hex::encode(sum), row_file(path, dimensions, file, start)))
}

fn row_file(path: &Path, dimensions: usize, file: File, start: u64) -> RowFile {
    RowFile {
        rows: Rows::File(file, start),
        path: path.to_owned(),
        dimensions,
        torn: AtomicBool::new(false),
    }
}

/// Reads the codes of a file and checks their sum, which must be `expected` where that is known.
pub(crate) fn read(
    path: &Path,
    expected: Option<&str>,
    dimensions: usize,
) -> Result<(Codes, RowFile)> {
    let damaged = |what: &str| IndexError::Damaged(format!("`{}` {what}", path.display()));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged("is missing"));
        }
        Err(source) => return Err(files::at(path, source)),
    };
    let length = file
        .metadata()
        .map_err(|source| files::at(path, source))?
        .len();
    let mut head = [0; HEAD];
    file.read_exact(&mut head)
        .map_err(|_short| damaged("is cut short"))?;
    let count = count_of(&head, dimensions).ok_or_else(|| damaged("is of another format"))?;
    let resident = resident_bytes(dimensions, count);
    let rows = count as u64 * (dimensions * 4 + CRC) as u64;
    if length != (resident + SUM) as u64 + rows {
        return Err(damaged("has another length than it says"));
    }
    let mut bytes = vec![0; resident + SUM];
    bytes.splice(..HEAD, head);
    let rest = bytes.get_mut(HEAD..).unwrap_or_default();
    file.read_exact(rest)
        .map_err(|source| files::at(path, source))?;
    let (resident, sum) = bytes.split_at(resident);
    let found = Sha256::digest(resident);
    if found.as_slice() != sum || expected.is_some_and(|expected| hex::encode(found) != expected) {
        return Err(damaged("has changed"));
    }
    let codes = from_bytes(resident, dimensions, count);
    let start = bytes.len() as u64;
    Ok((codes, row_file(path, dimensions, file, start)))
}

/// The rows that a head tells of, where it is one for vectors of `dimensions`.
fn count_of(head: &[u8; HEAD], dimensions: usize) -> Option<usize> {
    let (magic, sizes) = head.split_first_chunk::<8>()?;
    let (sizes, _) = sizes.as_chunks::<4>();
    let [stored, count] = [*sizes.first()?, *sizes.get(1)?].map(u32::from_le_bytes);
    let same = magic == MAGIC && usize::try_from(stored).ok()? == dimensions;
    same.then(|| usize::try_from(count).ok()).flatten()
}

fn blocks_words(dimensions: usize, count: usize) -> usize {
    count.div_ceil(BLOCK) * Quantiser::words(dimensions) * BLOCK
}

/// Bytes of head and codes.
fn resident_bytes(dimensions: usize, count: usize) -> usize {
    HEAD + count * (8 + 4 + 4 + 4 + dimensions) + blocks_words(dimensions, count) * 8
}

fn to_bytes(dimensions: usize, codes: &Codes) -> Result<Vec<u8>> {
    let count = codes.passages.len();
    let mut bytes = Vec::with_capacity(resident_bytes(dimensions, count));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&small(dimensions)?.to_le_bytes());
    bytes.extend_from_slice(&small(count)?.to_le_bytes());
    bytes.extend(codes.passages.iter().flat_map(|id| id.to_le_bytes()));
    bytes.extend(codes.revisions.iter().flat_map(|id| id.to_le_bytes()));
    bytes.extend(codes.reach.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(codes.steps.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(codes.int8.iter().map(|x| x.cast_unsigned()));
    bytes.extend(codes.binary.iter().flat_map(|word| word.to_le_bytes()));
    Ok(bytes)
}

/// `bytes` have the length that `count` asks for.
fn from_bytes(bytes: &[u8], dimensions: usize, count: usize) -> Codes {
    let (_, rest) = bytes.split_at(HEAD);
    let (passages, rest) = rest.split_at(count * 8);
    let (revisions, rest) = rest.split_at(count * 4);
    let (reach, rest) = rest.split_at(count * 4);
    let (steps, rest) = rest.split_at(count * 4);
    let (int8, binary) = rest.split_at(count * dimensions);
    Codes {
        passages: numbers(passages, i64::from_le_bytes),
        revisions: numbers(revisions, u32::from_le_bytes),
        reach: numbers(reach, f32::from_le_bytes),
        steps: numbers(steps, f32::from_le_bytes),
        int8: int8.iter().map(|x| x.cast_signed()).collect(),
        binary: numbers(binary, u64::from_le_bytes),
    }
}

pub(crate) fn numbers<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|b| read(*b)).collect()
}

fn small(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_too_large| {
        IndexError::Damaged(format!("`{number}` is too large for a vector file"))
    })
}
