//! What was computed for prompts, kept for prompts that begin alike.
//!
//! An entry belongs to a [`Scope`], and only a request of an equal scope finds it: a prompt that
//! is read sooner than others tells that somebody sent one that begins alike, and nobody may
//! learn that of prompts whose text they may not read. What the system prompt alone decides
//! belongs to everybody.

use super::cache::{Cache, Pages};
use crate::generator::Scope;
use std::sync::Arc;

/// Fewer tokens than this are read again faster than they are looked for.
const LEAST_TOKENS: usize = 16;

/// Entries at most, so that looking through them stays short.
const MOST_ENTRIES: usize = 64;

/// Whose prompts may begin with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody's.
    Everybody,
    /// Those of requests of this scope.
    Scope(Scope),
}

struct Entry {
    audience: Audience,
    // INVARIANT: as many as `cache` holds.
    ids: Vec<u32>,
    cache: Cache,
    used: u64,
}

/// The entries, all on pages of one store.
pub(super) struct Prefixes {
    pages: Arc<Pages>,
    entries: Vec<Entry>,
    /// Counts uses, to know which entry was used longest ago.
    clock: u64,
}

impl Prefixes {
    pub(super) fn new(pages: &Arc<Pages>) -> Self {
        Self {
            pages: Arc::clone(pages),
            entries: Vec::new(),
            clock: 0,
        }
    }

    /// The longest beginning of `ids` that this scope may know of, but for their last token,
    /// which has to be read for what follows it.
    pub(super) fn find(&mut self, scope: Option<&Scope>, ids: &[u32]) -> Cache {
        let known = self
            .entries
            .iter_mut()
            .filter(|entry| match &entry.audience {
                Audience::Everybody => true,
                Audience::Scope(own) => Some(own) == scope,
            });
        let alike = |entry: &Entry| {
            let pairs = entry.ids.iter().zip(ids);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let best = known
            .map(|entry| (alike(entry), entry))
            .max_by_key(|(alike, _)| *alike);
        let mut cache = Cache::new(&self.pages);
        if let Some((alike, entry)) = best
            && alike >= LEAST_TOKENS
        {
            self.clock += 1;
            entry.used = self.clock;
            cache = entry.cache.clone();
            cache.truncate(alike.min(ids.len().saturating_sub(1)));
        }
        cache
    }

    /// Keeps the first `ids.len()` tokens of `cache`.
    pub(super) fn keep(&mut self, audience: Audience, ids: &[u32], cache: &Cache) {
        let within = |short: &[u32], long: &[u32]| long.starts_with(short);
        let mut alike = self
            .entries
            .iter()
            .filter(|entry| entry.audience == audience);
        if ids.len() < LEAST_TOKENS
            || cache.length() < ids.len()
            || alike.any(|entry| within(ids, &entry.ids))
        {
            return;
        }
        self.entries
            .retain(|entry| entry.audience != audience || !within(&entry.ids, ids));
        while self.entries.len() >= MOST_ENTRIES {
            self.forget_one();
        }
        let mut cache = cache.clone();
        cache.truncate(ids.len());
        self.clock += 1;
        self.entries.push(Entry {
            audience,
            ids: ids.to_vec(),
            cache,
            used: self.clock,
        });
    }

    /// Forgets entries, the one used longest ago first, until `pages` pages are free or nothing
    /// is left to forget.
    pub(super) fn make_room(&mut self, pages: usize) {
        while self.pages.free() < pages && !self.entries.is_empty() {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let oldest = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.used);
        if let Some(index) = oldest.map(|(index, _)| index) {
            self.entries.swap_remove(index);
        }
    }
}
