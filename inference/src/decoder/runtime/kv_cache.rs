//! Keys and values of sequences, in pages that are allocated once and reused.
//!
//! A sequence that starts like another shares its pages, and copies a page before it writes to it. A
//! page has a part on the CPU, for the layers there, and a part on the GPU.

use crate::decoder::gpu::GpuKvPages;
use crate::decoder::model::ModelConfig;
use crate::error::{InferenceError, Result};
use cloister_kernels::{PAGE_TOKENS, PageView};
use parking_lot::Mutex;
use std::sync::Arc;

/// All pages of a model.
pub(in crate::decoder) struct KvPagePool {
    config: ModelConfig,
    gpu: Option<Arc<GpuKvPages>>,
    /// The free pages: number and floats.
    free: Mutex<Vec<(usize, Box<[f32]>)>>,
    #[cfg(test)]
    capacity: usize,
}

/// Memory for [`PAGE_TOKENS`] tokens of one sequence: for each layer and key head, the keys as
/// `[head_dim, PAGE_TOKENS]`, then the values as `[PAGE_TOKENS, head_dim]`. It returns to the pool
/// when it is dropped.
struct KvPage {
    number: usize,
    floats: Box<[f32]>,
    pool: Arc<KvPagePool>,
}

impl Drop for KvPage {
    fn drop(&mut self) {
        let floats = std::mem::take(&mut self.floats);
        self.pool.free.lock().push((self.number, floats));
    }
}

impl KvPagePool {
    /// Allocates `count` pages for the CPU layers of `config`, and as many on the GPU if it has
    /// layers. The system provides the memory when a page is first written.
    pub(in crate::decoder) fn new(
        config: ModelConfig,
        count: usize,
        gpu: Option<GpuKvPages>,
    ) -> Arc<Self> {
        let mut free = Vec::with_capacity(count);
        for number in 0..count {
            free.push((number, vec![0.0; page_floats(config)].into_boxed_slice()));
        }
        Arc::new(Self {
            config,
            gpu: gpu.map(Arc::new),
            free: Mutex::new(free),
            #[cfg(test)]
            capacity: count,
        })
    }

    /// The number of free pages.
    pub(in crate::decoder) fn free(&self) -> usize {
        self.free.lock().len()
    }

    /// The number of all pages.
    #[cfg(test)]
    pub(in crate::decoder) fn capacity(&self) -> usize {
        self.capacity
    }

    fn allocate(self: &Arc<Self>) -> Result<KvPage> {
        // The page that was used last is likely to be in the CPU's caches.
        let free = self.free.lock().pop();
        let (number, floats) = free.ok_or(InferenceError::Busy { retry_after_s: 1 })?;
        Ok(KvPage {
            number,
            floats,
            pool: Arc::clone(self),
        })
    }
}

/// The next tokens of one sequence, and its KV cache.
pub(in crate::decoder) struct SequenceChunk<'a> {
    pub tokens: &'a [u32],
    pub cache: &'a mut KvCache,
}

/// The KV cache of one sequence. It grows page by page, and a clone shares the pages.
#[derive(Clone)]
pub(in crate::decoder) struct KvCache {
    pool: Arc<KvPagePool>,
    // INVARIANT: at least `length` tokens fit into the pages.
    pages: Vec<Arc<KvPage>>,
    length: usize,
}

impl KvCache {
    pub(in crate::decoder) fn new(pool: &Arc<KvPagePool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            pages: Vec::new(),
            length: 0,
        }
    }

    /// Cached tokens.
    pub(in crate::decoder) fn length(&self) -> usize {
        self.length
    }

    /// The number of its page at `index`.
    pub(in crate::decoder) fn page_number(&self, index: usize) -> usize {
        self.pages[index].number
    }

    /// The pages on the GPU.
    pub(in crate::decoder) fn gpu_pages(&self) -> Option<Arc<GpuKvPages>> {
        self.pool.gpu.clone()
    }

    /// Drops all but the first `length` tokens.
    pub(in crate::decoder) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.pages.truncate(self.length.div_ceil(PAGE_TOKENS));
    }

    /// The pages that [`Self::reserve`] would have to allocate.
    pub(in crate::decoder) fn missing_pages(&self, more: usize) -> usize {
        let needed = (self.length + more).div_ceil(PAGE_TOKENS);
        let new = needed.saturating_sub(self.pages.len());
        if more == 0 {
            return new;
        }
        let written = self.pages.iter().skip(self.length / PAGE_TOKENS);
        let shared = written.filter(|page| Arc::strong_count(page) > 1).count();
        new + shared
    }

    /// Makes space for `more` tokens. A shared page that they would be written to is copied.
    pub(in crate::decoder) fn reserve(&mut self, more: usize) -> Result<()> {
        let first = self.length / PAGE_TOKENS;
        for page in self.pages.iter_mut().skip(first) {
            if Arc::get_mut(page).is_none() {
                let mut own = self.pool.allocate()?;
                own.floats.copy_from_slice(&page.floats);
                if let Some(gpu) = &self.pool.gpu {
                    gpu.copy_page(page.number, own.number)?;
                }
                *page = Arc::new(own);
            }
        }
        while self.pages.len() * PAGE_TOKENS < self.length + more {
            self.pages.push(Arc::new(self.pool.allocate()?));
        }
        Ok(())
    }

    /// Counts `more` tokens whose keys and values were all written.
    pub(in crate::decoder) fn advance(&mut self, more: usize) {
        self.length = (self.length + more).min(self.pages.len() * PAGE_TOKENS);
    }

    /// Writes the keys and values of one token, `[heads, head_dim]` each, in one layer. Space for
    /// `position` must be reserved.
    pub(in crate::decoder) fn write(
        &mut self,
        layer: usize,
        position: usize,
        (keys, values): (&[f32], &[f32]),
    ) {
        let config = self.pool.config;
        let page = self.pages.get_mut(position / PAGE_TOKENS);
        let Some(page) = page.and_then(Arc::get_mut) else {
            debug_assert!(false, "position {position} was not reserved");
            return;
        };
        let (head_dim, slot) = (config.head_dim, position % PAGE_TOKENS);
        let heads = page
            .floats
            .chunks_exact_mut(head_floats(config))
            .skip(layer * config.num_kv_heads);
        let vectors = keys
            .chunks_exact(head_dim)
            .zip(values.chunks_exact(head_dim));
        for (head, (key, value)) in heads.zip(vectors) {
            let (keys, values) = head.split_at_mut(head_dim * PAGE_TOKENS);
            for (target, x) in keys.iter_mut().skip(slot).step_by(PAGE_TOKENS).zip(key) {
                *target = *x;
            }
            values[slot * head_dim..(slot + 1) * head_dim].copy_from_slice(value);
        }
    }

    /// One key head of one layer, page by page.
    pub(in crate::decoder) fn head_pages(&self, layer: usize, kv_head: usize) -> Vec<PageView<'_>> {
        let config = self.pool.config;
        let size = head_floats(config);
        let start = (layer * config.num_kv_heads + kv_head) * size;
        let mut views = Vec::with_capacity(self.pages.len());
        for page in &self.pages {
            let head = &page.floats[start..start + size];
            let (keys, values) = head.split_at(config.head_dim * PAGE_TOKENS);
            views.push(PageView { keys, values });
        }
        views
    }
}

/// Floats of a page.
pub(super) const fn page_floats(config: ModelConfig) -> usize {
    config.num_layers * config.num_kv_heads * head_floats(config)
}

/// Floats of one head of one layer in a page.
const fn head_floats(config: ModelConfig) -> usize {
    2 * config.head_dim * PAGE_TOKENS
}
