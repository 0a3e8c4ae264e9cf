//! What is the same for all layers in one forward pass: positions, KV slots, masks.

use crate::decoder::model::ModelConfig;
use crate::decoder::runtime::SequenceChunk;
use crate::error::Result;
use candle_core::{Device, Tensor};
use cloister_kernels::PAGE_TOKENS;
use std::ops::Range;

/// The chunks of a forward pass, sorted by their number of tokens.
pub(super) struct GpuBatch {
    /// The caller's row of each row of this batch.
    order: Vec<usize>,
    /// The position of each row, `[rows]`.
    pub positions: Tensor,
    /// The KV slot of each row, `[num_kv_heads, rows, head_dim]`.
    pub slots: Tensor,
    pub groups: Vec<ChunkGroup>,
}

/// Chunks with the same number of tokens, whose attention is computed together.
pub(super) struct ChunkGroup {
    /// Its first row in the batch.
    pub first_row: usize,
    pub chunks: usize,
    /// Tokens of each chunk.
    pub tokens: usize,
    /// Keys of each chunk: those of the longest sequence.
    pub key_count: usize,
    /// The KV slots of these keys, `[chunks * key_count]`.
    pub key_slots: Tensor,
    /// For each window: minus infinity where a token does not see a key,
    /// `[1, chunks, 1, tokens, key_count]`.
    masks: Vec<(usize, Tensor)>,
}

impl GpuBatch {
    /// Space must be reserved for every token. `windows` are those of the layers.
    pub(super) fn new(
        chunks: &[SequenceChunk<'_>],
        config: ModelConfig,
        windows: &[usize],
        device: &Device,
    ) -> Result<Self> {
        let mut rows = Vec::with_capacity(chunks.len());
        let mut end = 0;
        for chunk in chunks {
            rows.push((chunk, end..end + chunk.tokens.len()));
            end += chunk.tokens.len();
        }
        rows.retain(|(_, rows)| !rows.is_empty());
        rows.sort_by_key(|(chunk, _)| chunk.tokens.len());
        let mut first_row = 0;
        let mut groups = Vec::new();
        for alike in rows.chunk_by(|(a, _), (b, _)| a.tokens.len() == b.tokens.len()) {
            let chunks: Vec<&SequenceChunk<'_>> = alike.iter().map(|(chunk, _)| *chunk).collect();
            let group = ChunkGroup::new(&chunks, first_row, windows, device)?;
            first_row += group.chunks * group.tokens;
            groups.push(group);
        }
        let mut positions = Vec::with_capacity(first_row);
        let mut slots = Vec::with_capacity(first_row);
        for (chunk, _) in &rows {
            for position in new_positions(chunk) {
                positions.push(to_u32(position));
                slots.push(slot(chunk, position));
            }
        }
        let slots = Tensor::from_vec(slots, (1, first_row, 1), device)?;
        Ok(Self {
            order: rows.into_iter().flat_map(|(_, rows)| rows).collect(),
            positions: Tensor::from_vec(positions, first_row, device)?,
            slots: slots
                .broadcast_as((config.num_kv_heads, first_row, config.head_dim))?
                .contiguous()?,
            groups,
        })
    }

    /// The caller's rows in the order of this batch.
    pub(super) fn gather(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let rows_in_order = self
            .order
            .iter()
            .filter_map(|index| rows.get(index * width..(index + 1) * width));
        rows_in_order.flatten().copied().collect()
    }

    /// Writes this batch's rows in the caller's order.
    pub(super) fn scatter(&self, own: &[f32], rows: &mut [f32], width: usize) {
        for (index, own) in self.order.iter().zip(own.chunks_exact(width)) {
            if let Some(row) = rows.get_mut(index * width..(index + 1) * width) {
                row.copy_from_slice(own);
            }
        }
    }
}

impl ChunkGroup {
    fn new(
        chunks: &[&SequenceChunk<'_>],
        first_row: usize,
        windows: &[usize],
        device: &Device,
    ) -> Result<Self> {
        let tokens = chunks.first().map_or(0, |chunk| chunk.tokens.len());
        let lengths = chunks.iter().map(|chunk| new_positions(chunk).end);
        let key_count = lengths.max().unwrap_or(0);
        // Shorter sequences are padded with their own first key: a mask does not hide what another
        // sequence left in a page if that is not a finite number.
        let mut key_slots = Vec::with_capacity(chunks.len() * key_count);
        for chunk in chunks {
            let length = new_positions(chunk).end;
            for position in 0..key_count {
                key_slots.push(slot(chunk, if position < length { position } else { 0 }));
            }
        }
        let mut masks = Vec::with_capacity(windows.len());
        for &window in windows {
            let values = mask_values(chunks, key_count, window);
            let shape = (1, chunks.len(), 1, tokens, key_count);
            masks.push((window, Tensor::from_vec(values, shape, device)?));
        }
        Ok(Self {
            first_row,
            chunks: chunks.len(),
            tokens,
            key_count,
            key_slots: Tensor::from_vec(key_slots, chunks.len() * key_count, device)?,
            masks,
        })
    }

    /// The mask of one of the layers' windows.
    pub(super) fn mask(&self, window: usize) -> Option<&Tensor> {
        let mut masks = self.masks.iter();
        masks.find(|(own, _)| *own == window).map(|(_, mask)| mask)
    }
}

/// The positions of a chunk's tokens.
fn new_positions(chunk: &SequenceChunk<'_>) -> Range<usize> {
    let first = chunk.cache.length();
    first..first + chunk.tokens.len()
}

/// The KV slot of a position.
fn slot(chunk: &SequenceChunk<'_>, position: usize) -> u32 {
    let page = chunk.cache.page_number(position / PAGE_TOKENS);
    to_u32(page * PAGE_TOKENS + position % PAGE_TOKENS)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it counts tokens in memory, far fewer than 2^32"
)]
fn to_u32(tokens: usize) -> u32 {
    tokens as u32
}

/// `[chunks, tokens, key_count]`: 0 where a token sees a key, minus infinity elsewhere.
fn mask_values(chunks: &[&SequenceChunk<'_>], key_count: usize, window: usize) -> Vec<f32> {
    let mut values = Vec::new();
    for chunk in chunks {
        for position in new_positions(chunk) {
            values.extend((0..key_count).map(|key| {
                let visible = key <= position && position - key < window;
                if visible { 0.0 } else { f32::NEG_INFINITY }
            }));
        }
    }
    values
}
