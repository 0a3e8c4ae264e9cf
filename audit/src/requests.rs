//! Which entries belong to a request, so that a receipt is found without reading the log.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The positions of entries by the id of their request. It takes about 30 bytes for each entry.
#[derive(Debug, Default)]
pub(crate) struct RequestIndex {
    /// The hash of the request's id, and the position.
    positions: BTreeSet<(u64, u64)>,
}

impl RequestIndex {
    /// Adds an entry. Entries without a request are not found by one.
    pub(crate) fn insert(&mut self, request: Option<&str>, seq: u64) {
        if let Some(request) = request {
            self.positions.insert((hash(request), seq));
        }
    }

    /// The positions of a request's entries, the oldest first. Those of another request whose id has
    /// the same hash may be among them.
    pub(crate) fn positions(&self, request: &str) -> Vec<u64> {
        let hash = hash(request);
        self.positions
            .range((hash, 0)..=(hash, u64::MAX))
            .map(|(_, seq)| *seq)
            .collect()
    }
}

fn hash(request: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    hasher.finish()
}
