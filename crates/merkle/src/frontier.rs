//! The right edge of a growing tree: all that is needed to add a leaf and to know the root.

use tlog_tiles::tlog::{EMPTY_HASH, Hash, HashReader, node_hash, sub_tree_index};

use crate::TreeError;

/// The complete subtrees of a tree, the largest first: one for each bit of its size that is set.
#[derive(Clone, Default)]
pub struct Frontier {
    size: u64,
    edge: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree of `size` leaves whose hashes are kept somewhere.
    ///
    /// # Errors
    /// What the reader says.
    pub fn restore(size: u64, reader: &impl HashReader) -> Result<Self, TreeError> {
        let edge = match size {
            0 => Vec::new(),
            _ => reader.read_hashes(&sub_tree_index(0, size, Vec::new()))?,
        };
        Ok(Self { size, edge })
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. `keep` gets every hash that is complete now, in the order in which
    /// [`crate::stored_hash_index`] numbers them: the leaf, then its parents upwards.
    pub fn push(&mut self, leaf: Hash, mut keep: impl FnMut(Hash)) {
        keep(leaf);
        let (mut hash, mut rest) = (leaf, self.size);
        while rest & 1 == 1
            && let Some(left) = self.edge.pop()
        {
            hash = node_hash(left, hash);
            keep(hash);
            rest >>= 1;
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// The root of the tree (RFC 6962, section 2.1); of the empty tree, the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut edge = self.edge.iter().rev();
        let Some(last) = edge.next() else { return EMPTY_HASH };
        edge.fold(*last, |right, left| node_hash(*left, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Kept;
    use crate::{leaf_hash, stored_hash_count, tree_hash};

    #[test]
    fn it_grows_as_the_library_says_and_is_restored_at_every_size() {
        let mut kept = Kept(Vec::new());
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root(), EMPTY_HASH);
        for number in 0..300_u64 {
            let expected =
                tlog_tiles::tlog::stored_hashes(number, &number.to_le_bytes(), &kept).unwrap();
            let mut hashes = Vec::new();
            frontier.push(leaf_hash(&number.to_le_bytes()), |hash| hashes.push(hash));
            assert_eq!(hashes, expected);
            kept.0.extend(hashes);
            assert_eq!(kept.0.len() as u64, stored_hash_count(number + 1));
            assert_eq!(frontier.root(), tree_hash(number + 1, &kept).unwrap());
            let restored = Frontier::restore(number + 1, &kept).unwrap();
            assert_eq!((restored.size(), restored.root()), (number + 1, frontier.root()));
        }
    }

    #[test]
    fn roots_are_those_of_rfc_6962() {
        // The test vectors of Certificate Transparency.
        let leaves: [&[u8]; 3] = [b"", &[0x00], &[0x10]];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ];
        let mut frontier = Frontier::new();
        for (leaf, root) in leaves.into_iter().zip(roots) {
            frontier.push(leaf_hash(leaf), |_| {});
            let hex: String = frontier.root().0.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, root);
        }
    }
}
