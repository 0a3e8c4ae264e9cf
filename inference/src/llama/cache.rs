//! Keys and values of sequences, in pages that are set aside once and used again.
//!
//! A sequence that begins as another did shares that one's pages, and copies a page before it
//! writes into it. A page has a part on the processor, for the layers there, and one on the GPU.

use super::decoder::Shape;
use super::gpu::GpuPages;
use crate::error::{InferenceError, Result};
use crate::kernels::{PAGE, PageView};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All pages that there are.
pub(super) struct Pages {
    shape: Shape,
    on_gpu: Option<Arc<GpuPages>>,
    /// Those that nobody holds: number and floats.
    free: Mutex<Vec<(usize, Box<[f32]>)>>,
    #[cfg(test)]
    all: usize,
}

/// Room for [`PAGE`] tokens of one sequence: for each layer and head of keys, the keys as
/// `[size, PAGE]`, then the values as `[PAGE, size]`. It goes back when it is dropped.
struct Page {
    number: usize,
    floats: Box<[f32]>,
    home: Arc<Pages>,
}

impl Drop for Page {
    fn drop(&mut self) {
        let floats = std::mem::take(&mut self.floats);
        self.home.lock().push((self.number, floats));
    }
}

impl Pages {
    /// Sets `count` pages aside for so many layers of `shape` on the processor, beside as many on the
    /// GPU where it has some. The system gives the memory when a page is first written.
    pub(super) fn new(shape: Shape, count: usize, on_gpu: Option<GpuPages>) -> Arc<Self> {
        let page = |number| (number, vec![0.0; page_floats(shape)].into_boxed_slice());
        Arc::new(Self {
            shape,
            on_gpu: on_gpu.map(Arc::new),
            free: Mutex::new((0..count).map(page).collect()),
            #[cfg(test)]
            all: count,
        })
    }

    /// Pages that nobody holds.
    pub(super) fn free(&self) -> usize {
        self.lock().len()
    }

    /// Pages in all.
    #[cfg(test)]
    pub(super) fn all(&self) -> usize {
        self.all
    }

    fn take(self: &Arc<Self>) -> Result<Page> {
        // The page that was used last is the one that the processor's caches still know.
        let free = self.lock().pop();
        let (number, floats) = free.ok_or(InferenceError::Busy { retry_after_s: 1 })?;
        Ok(Page {
            number,
            floats,
            home: Arc::clone(self),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Box<[f32]>)>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sequence remembers: grows page by page. A clone shares the pages.
#[derive(Clone)]
pub(super) struct Cache {
    home: Arc<Pages>,
    // INVARIANT: at least `length` tokens fit into the pages.
    pages: Vec<Arc<Page>>,
    length: usize,
}

impl Cache {
    pub(super) fn new(home: &Arc<Pages>) -> Self {
        Self {
            home: Arc::clone(home),
            pages: Vec::new(),
            length: 0,
        }
    }

    /// Tokens remembered.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The number of its page at `index`.
    pub(super) fn page_number(&self, index: usize) -> usize {
        self.pages.get(index).map_or(0, |page| page.number)
    }

    /// The pages' parts on the GPU.
    pub(super) fn on_gpu(&self) -> Option<Arc<GpuPages>> {
        self.home.on_gpu.clone()
    }

    /// Forgets all but the first `length` tokens.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.pages.truncate(self.length.div_ceil(PAGE));
    }

    /// Pages that [`Self::reserve`] would have to take.
    pub(super) fn lacking(&self, more: usize) -> usize {
        let needed = (self.length + more).div_ceil(PAGE);
        let written = self.pages.iter().skip(self.length / PAGE);
        let shared = written.filter(|page| Arc::strong_count(page) > 1).count();
        needed.saturating_sub(self.pages.len()) + if more > 0 { shared } else { 0 }
    }

    /// Makes room for `more` tokens, each page written next this sequence's own.
    pub(super) fn reserve(&mut self, more: usize) -> Result<()> {
        let first = self.length / PAGE;
        for page in self.pages.iter_mut().skip(first) {
            if Arc::get_mut(page).is_none() {
                let mut own = self.home.take()?;
                own.floats.copy_from_slice(&page.floats);
                if let Some(on_gpu) = &self.home.on_gpu {
                    on_gpu.copy(page.number, own.number)?;
                }
                *page = Arc::new(own);
            }
        }
        while self.pages.len() * PAGE < self.length + more {
            self.pages.push(Arc::new(self.home.take()?));
        }
        Ok(())
    }

    /// Counts `more` tokens whose keys and values were all written.
    pub(super) fn advance(&mut self, more: usize) {
        self.length = (self.length + more).min(self.pages.len() * PAGE);
    }

    /// Writes one token's keys and values, `[heads, size]` each, at `position` in one layer. Room
    /// must be reserved.
    pub(super) fn write(
        &mut self,
        layer: usize,
        position: usize,
        (keys, values): (&[f32], &[f32]),
    ) {
        let shape = self.home.shape;
        let Some(page) = self.pages.get_mut(position / PAGE).and_then(Arc::get_mut) else {
            return;
        };
        let (size, at) = (shape.head_size, position % PAGE);
        let heads = page
            .floats
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
    pub(super) fn head<'a>(&'a self, layer: usize, head: usize) -> Vec<PageView<'a>> {
        let shape = self.home.shape;
        let start = (layer * shape.kv_heads + head) * part(shape);
        let view = |page: &'a Arc<Page>| {
            let own = page.floats.get(start..start + part(shape))?;
            let (keys, values) = own.split_at(shape.head_size * PAGE);
            Some(PageView { keys, values })
        };
        self.pages.iter().filter_map(view).collect()
    }
}

/// Floats of a page.
pub(super) const fn page_floats(shape: Shape) -> usize {
    shape.layers * shape.kv_heads * part(shape)
}

/// Floats of one head of one layer in a page.
const fn part(shape: Shape) -> usize {
    2 * shape.head_size * PAGE
}
