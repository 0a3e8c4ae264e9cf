//! What a person may read, as decided for one request.

use crate::ids::CollectionId;
use std::collections::BTreeSet;

/// The collections that one person may read, now. `policies` decides it anew for each request;
/// `store` hands out nothing that lies outside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted {
    // INVARIANT: holds only what the authorisation function allowed. `policies` calls `decided`,
    // and the tidy test sees to it that nobody else does.
    collections: BTreeSet<CollectionId>,
}

impl Permitted {
    /// What the authorisation function allowed.
    pub fn decided(collections: impl IntoIterator<Item = CollectionId>) -> Self {
        Self {
            collections: collections.into_iter().collect(),
        }
    }

    /// Whether this collection is among them.
    pub fn holds(&self, collection: CollectionId) -> bool {
        self.collections.contains(&collection)
    }

    /// The collections, in order.
    pub fn collections(&self) -> impl Iterator<Item = CollectionId> + '_ {
        self.collections.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.collections.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }
}
