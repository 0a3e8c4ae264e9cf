//! Joins the pieces of a split GGUF file, and converts formats and experts that candle does not read.

use super::foreign_formats::ForeignFormat;
use super::raw_header::{RawHeader, RawTensor};
use super::tensors::open_gguf;
use crate::error::{InferenceError, Result};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Values that are converted at once.
const STEP_VALUES: u64 = 1 << 20;

/// Bytes that are copied at once.
const STEP_BYTES: u64 = 4 << 20;

/// Pieces of a split model.
const MAX_PIECES: u64 = 1 << 10;

/// Experts of a layer.
const MAX_EXPERTS: u64 = 1 << 8;

/// The architecture whose experts are divided.
const LLAMA: &[u8] = b"llama";

/// The end of the name of a tensor of all experts.
const EXPERTS: &str = "_exps.weight";

/// ggml's number, values and bytes of a block of each format that candle reads.
const KNOWN_FORMATS: [(u32, u64, u64); 15] = [
    (0, 1, 4),
    (1, 1, 2),
    (2, 32, 18),
    (3, 32, 20),
    (6, 32, 22),
    (7, 32, 24),
    (Q8_0, 32, 34),
    (9, 32, 36),
    (10, 256, 84),
    (11, 256, 110),
    (12, 256, 144),
    (Q5_K, 256, 176),
    (14, 256, 210),
    (15, 256, 292),
    (30, 1, 2),
];
const Q8_0: u32 = 8;
const Q5_K: u32 = 13;

/// One file of a model.
struct Piece {
    path: PathBuf,
    file: File,
    header: RawHeader,
}

/// A tensor of the new file, and where it comes from.
struct ConvertedTensor<'a> {
    piece: &'a Piece,
    source: RawTensor,
    format: u32,
    /// Bytes in the new file.
    bytes: u64,
    /// Bytes from the start of the data in the new file.
    offset: u64,
}

/// Whether a file must be converted before it can be run: it is the first piece of a split model, or its
/// formats are among those that [`convert_gguf`] converts.
pub fn needs_conversion(path: &Path) -> Result<bool> {
    let Ok(header) = RawHeader::read(&open_gguf(path)?) else {
        return Ok(false);
    };
    let unknown = header.unknown_formats();
    let has_merged_experts =
        header.architecture == LLAMA && header.tensors.iter().any(RawTensor::has_experts);
    let differs = header.pieces > 1 || !unknown.is_empty() || has_merged_experts;
    Ok(differs
        && unknown
            .iter()
            .all(|format| ForeignFormat::from_id(*format).is_some()))
}

/// Writes one GGUF file that can be run: the pieces of a split model are joined, the experts of a llama get a
/// tensor each, and `IQ4_NL`, `IQ4_XS` and `MXFP4` become `Q5_K`, or `Q8_0` if the rows are too short. Other
/// tensors are copied as they are.
pub fn convert_gguf(first: &Path, target: &Path) -> Result<()> {
    let pieces = open_pieces(first)?;
    let alignment = pieces.first().map_or(32, |piece| piece.header.alignment);
    let mut tensors = Vec::new();
    let mut offset = 0_u64;
    for piece in &pieces {
        let architecture = pieces.first().map(|piece| &piece.header.architecture);
        let sources = piece.header.tensors.iter().map(|source| {
            let is_llama = architecture.is_some_and(|name| name == LLAMA);
            let parts = split_experts(source, is_llama);
            parts.ok_or_else(|| piece.damaged(source))
        });
        for source in sources.collect::<Result<Vec<_>>>()?.concat() {
            let (format, bytes) = target_format(&source).ok_or_else(|| piece.damaged(&source))?;
            let end = offset.checked_add(bytes);
            let aligned = end.and_then(|end| end.checked_next_multiple_of(alignment));
            let next = aligned.ok_or_else(|| piece.damaged(&source))?;
            tensors.push(ConvertedTensor {
                piece,
                source,
                format,
                bytes,
                offset,
            });
            offset = next;
        }
    }
    let file = File::create_new(target).map_err(|source| InferenceError::file(target, source))?;
    let written = write_file(file, &pieces, &tensors, alignment, target);
    if written.is_err() {
        // The error says what went wrong. An incomplete file is of no use.
        drop(std::fs::remove_file(target));
    }
    written
}

/// Opens all pieces of the model whose first piece is given.
fn open_pieces(first: &Path) -> Result<Vec<Piece>> {
    let mut pieces = vec![Piece::open(first)?];
    let count = pieces.first().map_or(1, |piece| piece.header.pieces);
    if count <= 1 {
        return Ok(pieces);
    }
    let name = first.file_name().unwrap_or_default().to_string_lossy();
    let Some(stem) = name.strip_suffix(&piece_suffix(0, count)) else {
        return Err(unsupported(
            format!(
                "it is a piece of a split model. Give the first piece, whose name ends in `{}`",
                piece_suffix(0, count)
            ),
            first,
        ));
    };
    if count > MAX_PIECES {
        return Err(unsupported(format!("it has {count} pieces"), first));
    }
    for number in 1..count {
        let path = first.with_file_name(format!("{stem}{}", piece_suffix(number, count)));
        let piece = Piece::open(&path)?;
        if (piece.header.pieces, piece.header.piece) != (count, number) {
            let reason = format!("it is not piece {} of {count}", number + 1);
            return Err(InferenceError::Damaged { path, reason });
        }
        pieces.push(piece);
    }
    Ok(pieces)
}

/// The error of a file that cannot be run.
fn unsupported(reason: String, path: &Path) -> InferenceError {
    InferenceError::Unsupported {
        path: path.to_owned(),
        reason,
    }
}

/// The end of the name of a piece, which llama.cpp expects.
fn piece_suffix(number: u64, count: u64) -> String {
    format!("-{:05}-of-{count:05}.gguf", number + 1)
}

/// The name of a model without the number of its piece, if it has one.
pub fn name_without_piece(stem: &str) -> &str {
    let split = stem.rsplit_once("-of-").and_then(|(start, count)| {
        let (name, piece) = start.rsplit_once('-')?;
        (is_piece_number(piece) && is_piece_number(count)).then_some(name)
    });
    split.unwrap_or(stem)
}

/// Whether this is a number of five digits.
fn is_piece_number(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A tensor of all experts as one tensor for each of them; `None` if no tensor has its shape.
fn split_experts(source: &RawTensor, is_llama: bool) -> Option<Vec<RawTensor>> {
    if !is_llama || !source.has_experts() {
        return Some(vec![source.clone()]);
    }
    let [columns, rows, experts] = *source.dims.as_slice() else {
        return None;
    };
    let dims = vec![columns, rows];
    let bytes = source_bytes(&dims, source.format)?;
    let name = std::str::from_utf8(&source.name).ok()?;
    let name = name.strip_suffix(EXPERTS)?;
    let parts = (0..experts.min(MAX_EXPERTS)).map(|number| {
        Some(RawTensor {
            name: format!("{name}.{number}.weight").into_bytes(),
            dims: dims.clone(),
            format: source.format,
            offset: source.offset.checked_add(number.checked_mul(bytes)?)?,
        })
    });
    parts.collect()
}

/// The bytes of a tensor in the source.
fn source_bytes(dims: &[u64], format: u32) -> Option<u64> {
    match ForeignFormat::from_id(format) {
        Some(foreign) => block_bytes(
            dims,
            foreign.block_values() as u64,
            foreign.block_bytes() as u64,
        ),
        None => stored_bytes(dims, format),
    }
}

/// The format of a tensor in the new file, and its bytes there; `None` if no tensor has its shape.
fn target_format(source: &RawTensor) -> Option<(u32, u64)> {
    let columns = *source.dims.first()?;
    let format = match ForeignFormat::from_id(source.format) {
        None => source.format,
        Some(_) if columns.is_multiple_of(256) => Q5_K,
        Some(_) => Q8_0,
    };
    Some((format, stored_bytes(&source.dims, format)?))
}

/// The bytes of a tensor in one of the formats that candle reads.
fn stored_bytes(dims: &[u64], format: u32) -> Option<u64> {
    let (_, values, bytes) = KNOWN_FORMATS.iter().find(|(id, _, _)| *id == format)?;
    block_bytes(dims, *values, *bytes)
}

fn block_bytes(dims: &[u64], block_values: u64, block_bytes: u64) -> Option<u64> {
    let (columns, others) = dims.split_first()?;
    if *columns == 0 || !columns.is_multiple_of(block_values) {
        return None;
    }
    let row = (columns / block_values).checked_mul(block_bytes)?;
    others
        .iter()
        .try_fold(row, |bytes, n| bytes.checked_mul(*n))
}

fn write_file(
    file: File,
    pieces: &[Piece],
    tensors: &[ConvertedTensor<'_>],
    alignment: u64,
    target: &Path,
) -> Result<()> {
    let mut out = CountingWriter {
        file: BufWriter::new(file),
        position: 0,
    };
    write_header(&mut out, pieces, tensors, target)?;
    out.pad(alignment)
        .map_err(|source| InferenceError::file(target, source))?;
    let data_start = out.position;
    for tensor in tensors {
        out.pad(alignment)
            .map_err(|source| InferenceError::file(target, source))?;
        debug_assert!(out.position == data_start + tensor.offset);
        tensor.write(&mut out, target)?;
    }
    out.pad(alignment)
        .map_err(|source| InferenceError::file(target, source))?;
    let file = out.file.into_inner();
    let file = file.map_err(|error| InferenceError::file(target, error.into_error()))?;
    file.sync_all()
        .map_err(|source| InferenceError::file(target, source))
}

/// The metadata of the first piece without what is special to pieces, and all tensors.
fn write_header(
    out: &mut CountingWriter,
    pieces: &[Piece],
    tensors: &[ConvertedTensor<'_>],
    target: &Path,
) -> Result<()> {
    let first = pieces.first().into_iter();
    let pairs: Vec<_> = first
        .flat_map(|piece| piece.header.pairs.iter().map(move |pair| (piece, pair)))
        .filter(|(_, pair)| !pair.key.starts_with(b"split.") && pair.key != b"general.file_type")
        .collect();
    out.write(b"GGUF\x03\0\0\0")
        .map_err(|source| InferenceError::file(target, source))?;
    for count in [tensors.len(), pairs.len()] {
        out.write(&(count as u64).to_le_bytes())
            .map_err(|source| InferenceError::file(target, source))?;
    }
    for (piece, pair) in pairs {
        let length = pair.bytes.end - pair.bytes.start;
        piece.copy(pair.bytes.start, length, out, target)?;
    }
    for tensor in tensors {
        let dims = &tensor.source.dims;
        let mut bytes = (tensor.source.name.len() as u64).to_le_bytes().to_vec();
        bytes.extend(&tensor.source.name);
        bytes.extend(u32::try_from(dims.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(dims.iter().flat_map(|n| n.to_le_bytes()));
        bytes.extend(tensor.format.to_le_bytes());
        bytes.extend(tensor.offset.to_le_bytes());
        out.write(&bytes)
            .map_err(|source| InferenceError::file(target, source))?;
    }
    Ok(())
}

impl RawTensor {
    /// Whether it is a tensor of all experts of a layer.
    fn has_experts(&self) -> bool {
        self.name.ends_with(EXPERTS.as_bytes())
    }
}

impl ConvertedTensor<'_> {
    fn write(&self, out: &mut CountingWriter, target: &Path) -> Result<()> {
        let start = self.piece.header.data_start.checked_add(self.source.offset);
        let start = start.ok_or_else(|| self.piece.damaged(&self.source))?;
        match ForeignFormat::from_id(self.source.format) {
            None => self.piece.copy(start, self.bytes, out, target),
            Some(format) => self.convert(format, start, out, target),
        }
    }

    /// Converts some rows at a time.
    fn convert(
        &self,
        format: ForeignFormat,
        mut start: u64,
        out: &mut CountingWriter,
        target: &Path,
    ) -> Result<()> {
        let damaged = || self.piece.damaged(&self.source);
        let (columns, others) = self.source.dims.split_first().ok_or_else(damaged)?;
        let row_bytes = source_bytes(&[*columns], self.source.format).ok_or_else(damaged)?;
        let mut rows: u64 = others.iter().product();
        let step = (STEP_VALUES / (*columns).max(1)).max(1);
        while rows > 0 {
            let count = rows.min(step);
            let bytes = self.piece.read(start, count * row_bytes)?;
            let shape = (to_usize(count)?, to_usize(*columns)?);
            let values = Tensor::from_vec(format.dequantize(&bytes), shape, &Device::Cpu)?;
            let stored = match self.format {
                Q5_K => GgmlDType::Q5K,
                _ => GgmlDType::Q8_0,
            };
            let quantized = QTensor::quantize(&values, stored)?;
            out.write(&quantized.data()?)
                .map_err(|source| InferenceError::file(target, source))?;
            start += count * row_bytes;
            rows -= count;
        }
        Ok(())
    }
}

impl Piece {
    fn open(path: &Path) -> Result<Self> {
        let file = open_gguf(path)?;
        let header = RawHeader::read(&file).map_err(|_invalid| InferenceError::Damaged {
            path: path.to_owned(),
            reason: "its header is not valid".into(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
        })
    }

    /// Bytes of the file, all of which must be in it.
    fn read(&self, start: u64, length: u64) -> Result<Vec<u8>> {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        if start.checked_add(length).is_none_or(|end| end > size) {
            return Err(InferenceError::Damaged {
                path: self.path.clone(),
                reason: "its tensors end after the file".into(),
            });
        }
        let mut bytes = vec![0; to_usize(length)?];
        self.file
            .read_exact_at(&mut bytes, start)
            .map_err(|source| InferenceError::file(&self.path, source))?;
        Ok(bytes)
    }

    fn copy(
        &self,
        mut start: u64,
        mut length: u64,
        out: &mut CountingWriter,
        target: &Path,
    ) -> Result<()> {
        while length > 0 {
            let step = length.min(STEP_BYTES);
            out.write(&self.read(start, step)?)
                .map_err(|source| InferenceError::file(target, source))?;
            start += step;
            length -= step;
        }
        Ok(())
    }

    fn damaged(&self, tensor: &RawTensor) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.clone(),
            reason: format!(
                "no tensor has the shape or the format of `{}`",
                String::from_utf8_lossy(&tensor.name)
            ),
        }
    }
}

/// A file that knows its length.
struct CountingWriter {
    file: BufWriter<File>,
    position: u64,
}

impl CountingWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.position += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Writes zeros up to a multiple of the alignment.
    fn pad(&mut self, alignment: u64) -> std::io::Result<()> {
        let missing = self.position.next_multiple_of(alignment) - self.position;
        self.position += missing;
        std::io::copy(
            &mut std::io::Read::take(std::io::repeat(0), missing),
            &mut self.file,
        )?;
        Ok(())
    }
}

fn to_usize(value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|error| InferenceError::Compute(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_piece_is_not_a_part_of_the_name() {
        let cases = [
            ("model-q4_k_m-00001-of-00003", "model-q4_k_m"),
            ("model-1-of-3", "model-1-of-3"),
            ("model", "model"),
        ];
        for (stem, name) in cases {
            assert_eq!(name_without_piece(stem), name);
        }
    }
}
