//! What a person may read, as decided for one request.

use crate::ids::CollectionId;
use std::collections::BTreeSet;

/// The collections that one person may read at this moment. `policies` decides it again for each
/// request; `store` returns nothing outside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted {
    // INVARIANT: contains only what the authorisation function allowed. Only `policies` may call
    // `decided`, which the tidy test enforces.
    collections: BTreeSet<CollectionId>,
}

impl Permitted {
    /// Creates it from what the authorisation function allowed.
    pub fn decided(collections: impl IntoIterator<Item = CollectionId>) -> Self {
        Self {
            collections: collections.into_iter().collect(),
        }
    }

    /// Whether this collection may be read.
    pub fn contains(&self, collection: CollectionId) -> bool {
        self.collections.contains(&collection)
    }

    /// The collections, in the order of their ids.
    pub fn collections(&self) -> impl Iterator<Item = CollectionId> + '_ {
        self.collections.iter().copied()
    }

    /// The number of collections.
    pub fn len(&self) -> usize {
        self.collections.len()
    }

    /// Whether nothing may be read.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }
}
