//! The prefix cache: reuses the KV cache of a prompt for prompts that start in the same way.
//!
//! An entry belongs to a [`CacheNamespace`], and only requests of an equal namespace can use it. A
//! prompt that is processed faster than others reveals that a similar prompt was sent before, and
//! nobody may learn that of prompts whose text they may not read. The part that depends on the system
//! prompt alone is public.

use super::kv_cache::{KvCache, KvPagePool};
use crate::request::CacheNamespace;
use std::sync::Arc;

/// Shorter prefixes are recomputed faster than they are looked up.
const MIN_TOKENS: usize = 16;

/// The maximum of entries, which keeps a lookup short.
const MAX_ENTRIES: usize = 64;

/// Which requests can use an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PrefixVisibility {
    /// All requests.
    Public,
    /// Requests of this namespace.
    Namespace(CacheNamespace),
}

struct CachedPrefix {
    visibility: PrefixVisibility,
    // INVARIANT: as many as `cache` has.
    ids: Vec<u32>,
    cache: KvCache,
    last_used: u64,
}

/// The cached prefixes, in least-recently-used order of eviction.
pub(in crate::decoder) struct PrefixCache {
    pool: Arc<KvPagePool>,
    entries: Vec<CachedPrefix>,
    /// Counts uses.
    clock: u64,
}

impl PrefixCache {
    pub(in crate::decoder) fn new(pool: &Arc<KvPagePool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            entries: Vec::new(),
            clock: 0,
        }
    }

    /// The KV cache of the longest prefix of `ids` that this namespace can use. The last token is never
    /// included, because its state is needed for the next one.
    pub(super) fn find(&mut self, namespace: Option<&CacheNamespace>, ids: &[u32]) -> KvCache {
        let mut best: Option<(usize, &mut CachedPrefix)> = None;
        for entry in &mut self.entries {
            let usable = match &entry.visibility {
                PrefixVisibility::Public => true,
                PrefixVisibility::Namespace(own) => Some(own) == namespace,
            };
            let shared = shared_prefix(&entry.ids, ids);
            if usable && best.as_ref().is_none_or(|(length, _)| shared >= *length) {
                best = Some((shared, entry));
            }
        }
        let Some((shared, entry)) = best.filter(|(shared, _)| *shared >= MIN_TOKENS) else {
            return KvCache::new(&self.pool);
        };
        self.clock += 1;
        entry.last_used = self.clock;
        let mut cache = entry.cache.clone();
        cache.truncate(shared.min(ids.len().saturating_sub(1)));
        cache
    }

    /// Stores the first `ids.len()` tokens of `cache`.
    pub(super) fn insert(&mut self, visibility: PrefixVisibility, ids: &[u32], cache: &KvCache) {
        let covered = self
            .entries
            .iter()
            .any(|entry| entry.visibility == visibility && entry.ids.starts_with(ids));
        if covered || ids.len() < MIN_TOKENS || cache.length() < ids.len() {
            return;
        }
        self.entries
            .retain(|entry| entry.visibility != visibility || !ids.starts_with(&entry.ids));
        while self.entries.len() >= MAX_ENTRIES {
            self.evict_one();
        }
        let mut cache = cache.clone();
        cache.truncate(ids.len());
        self.clock += 1;
        self.entries.push(CachedPrefix {
            visibility,
            ids: ids.to_vec(),
            cache,
            last_used: self.clock,
        });
    }

    /// Evicts entries, the least recently used first, until `pages` pages are free or no entry is left.
    pub(in crate::decoder) fn free_pages(&mut self, pages: usize) {
        while self.pool.free() < pages && !self.entries.is_empty() {
            self.evict_one();
        }
    }

    fn evict_one(&mut self) {
        let entries = self.entries.iter().enumerate();
        let oldest = entries.min_by_key(|(_, entry)| entry.last_used);
        if let Some(index) = oldest.map(|(index, _)| index) {
            self.entries.swap_remove(index);
        }
    }
}

/// The length of the common prefix.
fn shared_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
