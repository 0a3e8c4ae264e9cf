//! The Merkle tree of RFC 6962, section 2.1.

use sha2::{Digest, Sha256};
use std::ops::Range;

/// A SHA-256 value of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 || entry)`.
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// An append-only tree. It stores one hash for each one-bit of its size, which is all that the root
/// needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    // INVARIANT: the roots of the perfect subtrees that make up the tree, largest first; one for
    // each one-bit of `size`.
    subtrees: Vec<Hash>,
}

impl Tree {
    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut grown = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                grown = node(&left, &grown);
            }
        }
        self.subtrees.push(grown);
        self.size += 1;
    }

    /// The root over all leaves. The root of an empty tree is the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev();
        let Some(smallest) = from_the_right.next() else {
            return Sha256::digest([]).into();
        };
        from_the_right.fold(*smallest, |right, left| node(left, &right))
    }
}

/// The ranges of leaves whose roots are the inclusion proof of the leaf `index` in a tree of `size` leaves, the
/// nearest first (RFC 6962, section 2.1.1). Empty if the tree has no such leaf, or only this one.
pub fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    if index >= size {
        return ranges;
    }
    let mut subtree = 0..size;
    while subtree.end - subtree.start > 1 {
        let middle = subtree.start + largest_power_below(subtree.end - subtree.start);
        let (left, right) = (subtree.start..middle, middle..subtree.end);
        let (within, beside) = if index < middle {
            (left, right)
        } else {
            (right, left)
        };
        ranges.push(beside);
        subtree = within;
    }
    ranges.reverse();
    ranges
}

/// The root that an inclusion proof leads to, or `None` if the proof has the wrong length.
pub fn root_of_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let ranges = inclusion_ranges(index, size);
    if index >= size || ranges.len() != path.len() {
        return None;
    }
    let root = ranges
        .iter()
        .zip(path)
        .fold(leaf, |below, (range, beside)| {
            if range.start > index {
                node(&below, beside)
            } else {
                node(beside, &below)
            }
        });
    Some(root)
}

/// The largest power of two that is less than `count`, which is at least 2.
fn largest_power_below(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inputs and roots of the reference implementation of RFC 6962 (certificate-transparency,
    /// `merkle_tree_test.cc`).
    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let leaves: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
                0x6e, 0x6f,
            ],
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(tree.root()), empty);
        for (entry, root) in leaves.iter().zip(roots) {
            tree.push(leaf(entry));
            assert_eq!(hex::encode(tree.root()), root, "at {} leaves", tree.size());
        }
    }

    fn root_of_range(range: Range<u64>) -> Hash {
        let mut tree = Tree::default();
        for number in range {
            tree.push(leaf(&number.to_be_bytes()));
        }
        tree.root()
    }

    #[test]
    fn each_leaf_of_each_tree_has_a_proof_that_leads_to_its_root() {
        for size in 1..40 {
            let root = root_of_range(0..size);
            for index in 0..size {
                let ranges = inclusion_ranges(index, size);
                let path: Vec<Hash> = ranges.into_iter().map(root_of_range).collect();
                let proven = leaf(&index.to_be_bytes());
                assert_eq!(root_of_path(proven, index, size, &path), Some(root));
                let other = leaf(b"another entry");
                assert_ne!(root_of_path(other, index, size, &path), Some(root));
                assert_ne!(root_of_path(proven, index + 1, size, &path), Some(root));
            }
        }
    }

    #[test]
    fn a_proof_of_the_wrong_length_leads_nowhere() {
        let root = leaf(b"entry");
        assert_eq!(root_of_path(root, 0, 1, &[]), Some(root));
        assert_eq!(root_of_path(root, 0, 1, &[root]), None);
        assert_eq!(root_of_path(root, 1, 1, &[]), None);
        assert_eq!(root_of_path(root, 0, 0, &[]), None);
    }
}
