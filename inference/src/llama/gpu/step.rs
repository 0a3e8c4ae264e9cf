//! What all layers need to know of one pass.

use super::super::decoder::{Shape, Span};
use crate::error::Result;
use crate::kernels::PAGE;
use candle_core::{Device, Tensor};
use std::ops::Range;

/// The spans of a pass, arranged so that those with as many tokens are beside each other.
pub(super) struct Step {
    /// Which row of the caller each row of this pass is.
    order: Vec<usize>,
    /// The position of each row, `[rows]`.
    pub positions: Tensor,
    /// Where each row's keys and values go, `[kv_heads, rows, head_size]`.
    pub places: Tensor,
    pub groups: Vec<Group>,
}

/// Spans that have as many tokens, which attend together.
pub(super) struct Group {
    /// Its first row of the pass.
    pub start: usize,
    pub spans: usize,
    /// Tokens of each span.
    pub tokens: usize,
    /// Keys of each span: those of the longest.
    pub reach: usize,
    /// The places of these keys, `[spans * reach]`.
    pub seen: Tensor,
    /// For each window, minus infinity where a token sees no key, `[1, spans, 1, tokens, reach]`.
    masks: Vec<(usize, Tensor)>,
}

impl Step {
    /// Room must be reserved for every token. `windows` are those that layers look through.
    pub(super) fn new(
        spans: &[Span<'_>],
        shape: Shape,
        windows: &[usize],
        device: &Device,
    ) -> Result<Self> {
        let mut rows = Vec::with_capacity(spans.len());
        let mut end = 0;
        for span in spans {
            rows.push((span, end..end + span.tokens.len()));
            end += span.tokens.len();
        }
        rows.retain(|(_, rows)| !rows.is_empty());
        rows.sort_by_key(|(span, _)| span.tokens.len());
        let mut start = 0;
        let mut groups = Vec::new();
        for alike in rows.chunk_by(|(one, _), (other, _)| one.tokens.len() == other.tokens.len()) {
            let spans: Vec<&Span<'_>> = alike.iter().map(|(span, _)| *span).collect();
            let group = Group::new(&spans, start, windows, device)?;
            start += group.spans * group.tokens;
            groups.push(group);
        }
        let (positions, places): (Vec<u32>, Vec<u32>) = rows
            .iter()
            .flat_map(|(span, _)| new_positions(span).map(|at| (number(at), place(span, at))))
            .unzip();
        let places = Tensor::from_vec(places, (1, start, 1), device)?;
        Ok(Self {
            order: rows.into_iter().flat_map(|(_, rows)| rows).collect(),
            positions: Tensor::from_vec(positions, start, device)?,
            places: places
                .broadcast_as((shape.kv_heads, start, shape.head_size))?
                .contiguous()?,
            groups,
        })
    }

    /// The caller's rows in the order of this pass.
    pub(super) fn arranged(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let row = |index: &usize| rows.get(index * width..(index + 1) * width);
        let arranged = self.order.iter().filter_map(row);
        arranged.flatten().copied().collect()
    }

    /// Puts this pass's rows back in the caller's order.
    pub(super) fn put_back(&self, found: &[f32], rows: &mut [f32], width: usize) {
        for (index, found) in self.order.iter().zip(found.chunks_exact(width)) {
            if let Some(row) = rows.get_mut(index * width..(index + 1) * width) {
                row.copy_from_slice(found);
            }
        }
    }
}

impl Group {
    fn new(spans: &[&Span<'_>], start: usize, windows: &[usize], device: &Device) -> Result<Self> {
        let tokens = spans.first().map_or(0, |span| span.tokens.len());
        let reaches = spans.iter().map(|span| new_positions(span).end);
        let reach = reaches.max().unwrap_or(0);
        // Behind a shorter span's end stands its own first key: what other sequences left in a
        // page is not even multiplied with nothing.
        let seen: Vec<u32> = spans
            .iter()
            .flat_map(|span| {
                let own = move |at| if at < new_positions(span).end { at } else { 0 };
                (0..reach).map(move |at| place(span, own(at)))
            })
            .collect();
        let mask = |window: &usize| -> Result<_> {
            let values = mask(spans, reach, *window);
            let dims = (1, spans.len(), 1, tokens, reach);
            Ok((*window, Tensor::from_vec(values, dims, device)?))
        };
        Ok(Self {
            start,
            spans: spans.len(),
            tokens,
            reach,
            seen: Tensor::from_vec(seen, spans.len() * reach, device)?,
            masks: windows.iter().map(mask).collect::<Result<_>>()?,
        })
    }

    /// The mask of a window that the pass was told of.
    pub(super) fn mask(&self, window: usize) -> Option<&Tensor> {
        let mut masks = self.masks.iter();
        masks.find(|(own, _)| *own == window).map(|(_, mask)| mask)
    }
}

/// Positions of a span's tokens.
fn new_positions(span: &Span<'_>) -> Range<usize> {
    let first = span.cache.length();
    first..first + span.tokens.len()
}

/// Where the keys and values of a position are.
fn place(span: &Span<'_>, position: usize) -> u32 {
    let page = span.cache.page_number(position / PAGE);
    number(page * PAGE + position % PAGE)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it counts tokens that are in memory: far fewer than 2^32"
)]
fn number(tokens: usize) -> u32 {
    tokens as u32
}

/// `[spans, tokens, reach]`: 0 where a token sees a key, minus infinity elsewhere.
fn mask(spans: &[&Span<'_>], reach: usize, window: usize) -> Vec<f32> {
    let own = |at: usize| {
        (0..reach).map(move |key| {
            let seen = key <= at && at - key < window;
            if seen { 0.0 } else { f32::NEG_INFINITY }
        })
    };
    let tokens = spans.iter().flat_map(|span| new_positions(span));
    tokens.flat_map(own).collect()
}
