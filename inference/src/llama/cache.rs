//! Keys and values of sequences, in pages that are set aside once and used again.

use super::decoder::Shape;
use crate::kernels::{PAGE, PageView};
use std::sync::Arc;

/// Room for [`PAGE`] tokens of one sequence: for each layer and head of keys, the keys as
/// `[size, PAGE]`, then the values as `[PAGE, size]`.
type Page = Box<[f32]>;

/// What a sequence remembers: grows page by page, and shares none of what it writes.
pub(super) struct Cache {
    // INVARIANT: at least `length` tokens fit into the pages.
    pages: Vec<Arc<Page>>,
    length: usize,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            pages: Vec::new(),
            length: 0,
        }
    }

    /// Tokens remembered.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Makes room for `more` tokens, each page written next this sequence's own.
    pub(super) fn reserve(&mut self, more: usize, shape: Shape) {
        let first = self.length / PAGE;
        for page in self.pages.iter_mut().skip(first) {
            Arc::make_mut(page);
        }
        while self.pages.len() * PAGE < self.length + more {
            let page = vec![0.0; shape.layers * shape.kv_heads * part(shape)];
            self.pages.push(Arc::new(page.into_boxed_slice()));
        }
    }

    /// Counts `more` tokens whose keys and values were all written.
    pub(super) fn advance(&mut self, more: usize) {
        self.length = (self.length + more).min(self.pages.len() * PAGE);
    }

    /// Writes one token's keys and values, `[heads, size]` each, at `position` in one layer. Room
    /// must be reserved.
    pub(super) fn write(
        &mut self,
        shape: Shape,
        layer: usize,
        position: usize,
        (keys, values): (&[f32], &[f32]),
    ) {
        let Some(page) = self.pages.get_mut(position / PAGE).and_then(Arc::get_mut) else {
            return;
        };
        let (size, at) = (shape.head_size, position % PAGE);
        let heads = page
            .chunks_exact_mut(part(shape))
            .skip(layer * shape.kv_heads);
        let vectors = keys.chunks_exact(size).zip(values.chunks_exact(size));
        for (head, (key, value)) in heads.zip(vectors) {
            let (keys, values) = head.split_at_mut(size * PAGE);
            for (place, x) in keys.iter_mut().skip(at).step_by(PAGE).zip(key) {
                *place = *x;
            }
            if let Some(place) = values.get_mut(at * size..(at + 1) * size) {
                place.copy_from_slice(value);
            }
        }
    }

    /// One head of one layer in every page.
    pub(super) fn head<'a>(&'a self, shape: Shape, layer: usize, head: usize) -> Vec<PageView<'a>> {
        let start = (layer * shape.kv_heads + head) * part(shape);
        let view = |page: &'a Arc<Page>| {
            let own = page.get(start..start + part(shape))?;
            let (keys, values) = own.split_at(shape.head_size * PAGE);
            Some(PageView { keys, values })
        };
        self.pages.iter().filter_map(view).collect()
    }
}

/// Floats of one head of one layer in a page.
const fn part(shape: Shape) -> usize {
    2 * shape.head_size * PAGE
}
