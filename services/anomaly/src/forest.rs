//! A robust random cut forest: how much a point displaces what was seen before.
//!
//! After Guha, Mishra, Roy, Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on Streams" (ICML
//! 2016): trees over a sample of the stream, cut at random with a chance in proportion to each dimension's range;
//! points are inserted and forgotten in place, so that a tree is always one that could have been drawn for what
//! it holds. The score is the collusive displacement: the largest, over the ancestors of the point, of the
//! number of points in the sibling over the number in the node.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// A node's place in its tree.
type Id = u32;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Node {
    Leaf {
        point: Vec<f32>,
        /// Equal points share a leaf.
        count: u32,
        up: Option<Id>,
    },
    Cut {
        dimension: usize,
        value: f32,
        left: Id,
        right: Id,
        count: u32,
        low: Vec<f32>,
        high: Vec<f32>,
        up: Option<Id>,
    },
    Free,
}

/// One tree over the points of a sample.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tree {
    nodes: Vec<Node>,
    free: Vec<Id>,
    root: Option<Id>,
}

impl Tree {
    fn node(&self, id: Id) -> &Node {
        self.nodes.get(id as usize).unwrap_or(&Node::Free)
    }

    fn up(&self, id: Id) -> Option<Id> {
        match self.node(id) {
            Node::Leaf { up, .. } | Node::Cut { up, .. } => *up,
            Node::Free => None,
        }
    }

    fn set_up(&mut self, id: Id, to: Option<Id>) {
        match self.nodes.get_mut(id as usize) {
            Some(Node::Leaf { up, .. } | Node::Cut { up, .. }) => *up = to,
            Some(Node::Free) | None => {}
        }
    }

    fn count(&self, id: Id) -> u32 {
        match self.node(id) {
            Node::Leaf { count, .. } | Node::Cut { count, .. } => *count,
            Node::Free => 0,
        }
    }

    fn bounds(&self, id: Id) -> (&[f32], &[f32]) {
        match self.node(id) {
            Node::Leaf { point, .. } => (point, point),
            Node::Cut { low, high, .. } => (low, high),
            Node::Free => (&[], &[]),
        }
    }

    fn put(&mut self, node: Node) -> Id {
        if let Some(id) = self.free.pop() {
            if let Some(place) = self.nodes.get_mut(id as usize) {
                *place = node;
            }
            return id;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as Id
    }

    fn release(&mut self, id: Id) {
        if let Some(place) = self.nodes.get_mut(id as usize) {
            *place = Node::Free;
            self.free.push(id);
        }
    }

    /// Puts `new` where `old` was under `up`.
    fn replace(&mut self, up: Option<Id>, old: Id, new: Id) {
        self.set_up(new, up);
        match up {
            None => self.root = Some(new),
            Some(up) => {
                if let Some(Node::Cut { left, right, .. }) = self.nodes.get_mut(up as usize) {
                    if *left == old {
                        *left = new;
                    } else if *right == old {
                        *right = new;
                    }
                }
            }
        }
    }

    /// Inserts a point (algorithm 2 of the paper) and returns its leaf.
    fn insert(&mut self, point: &[f32], chance: &mut StdRng) -> Id {
        let Some(mut at) = self.root else {
            let leaf = self.put(Node::Leaf { point: point.to_vec(), count: 1, up: None });
            self.root = Some(leaf);
            return leaf;
        };
        if let Some(leaf) = self.find(point) {
            self.grow(leaf, 1);
            return leaf;
        }
        loop {
            let (low, high) = self.bounds(at);
            let low: Vec<f32> = low.iter().zip(point).map(|(a, b)| a.min(*b)).collect();
            let high: Vec<f32> = high.iter().zip(point).map(|(a, b)| a.max(*b)).collect();
            let (dimension, value) = cut(&low, &high, chance);
            let (own_low, own_high) = self.bounds(at);
            let of = |all: &[f32]| all.get(dimension).copied().unwrap_or(0.0);
            let (own_low, own_high, own) = (of(own_low), of(own_high), of(point));
            let left = own <= value;
            if (left && own_low > value) || (!left && own_high <= value) {
                let up = self.up(at);
                let leaf = self.put(Node::Leaf { point: point.to_vec(), count: 1, up: None });
                let (l, r) = if left { (leaf, at) } else { (at, leaf) };
                let count = self.count(at);
                let node = self.put(Node::Cut {
                    dimension,
                    value,
                    left: l,
                    right: r,
                    count,
                    low,
                    high,
                    up,
                });
                self.replace(up, at, node);
                self.set_up(at, Some(node));
                self.set_up(leaf, Some(node));
                self.grow(node, 1);
                self.rebound(up);
                return leaf;
            }
            match self.node(at) {
                Node::Cut { dimension, value, left, right, .. } => {
                    let go = point.get(*dimension).copied().unwrap_or(0.0) <= *value;
                    at = if go { *left } else { *right };
                }
                // a leaf that is not this point is always cut from it, unless rounding joined them
                Node::Leaf { .. } | Node::Free => {
                    self.grow(at, 1);
                    return at;
                }
            }
        }
    }

    /// The leaf that holds this very point.
    fn find(&self, point: &[f32]) -> Option<Id> {
        let mut at = self.root?;
        loop {
            match self.node(at) {
                Node::Cut { dimension, value, left, right, .. } => {
                    let go = point.get(*dimension).copied().unwrap_or(0.0) <= *value;
                    at = if go { *left } else { *right };
                }
                Node::Leaf { point: own, .. } => return (own == point).then_some(at),
                Node::Free => return None,
            }
        }
    }

    /// Adds to the counts from a node up to the root.
    fn grow(&mut self, id: Id, by: i64) {
        let mut at = Some(id);
        while let Some(id) = at {
            if let Some(Node::Leaf { count, .. } | Node::Cut { count, .. }) =
                self.nodes.get_mut(id as usize)
            {
                *count = u32::try_from(i64::from(*count) + by).unwrap_or(0);
            }
            at = self.up(id);
        }
    }

    /// Computes the bounds again from a node up to the root.
    fn rebound(&mut self, from: Option<Id>) {
        let mut at = from;
        while let Some(id) = at {
            let Node::Cut { left, right, .. } = self.node(id) else { break };
            let ((al, ah), (bl, bh)) = (self.bounds(*left), self.bounds(*right));
            let lowest: Vec<f32> = al.iter().zip(bl).map(|(a, b)| a.min(*b)).collect();
            let highest: Vec<f32> = ah.iter().zip(bh).map(|(a, b)| a.max(*b)).collect();
            if let Some(Node::Cut { low, high, .. }) = self.nodes.get_mut(id as usize) {
                *low = lowest;
                *high = highest;
            }
            at = self.up(id);
        }
    }

    /// Forgets one occurrence of a point.
    fn forget(&mut self, point: &[f32]) {
        let Some(leaf) = self.find(point) else { return };
        if self.count(leaf) > 1 {
            self.grow(leaf, -1);
            return;
        }
        match self.up(leaf) {
            None => self.root = None,
            Some(up) => {
                let Node::Cut { left, right, up: above, .. } = *self.node(up) else { return };
                let sibling = if left == leaf { right } else { left };
                self.replace(above, up, sibling);
                self.release(up);
                if let Some(above) = above {
                    self.grow(above, -1);
                }
                self.rebound(above);
            }
        }
        self.release(leaf);
    }

    /// How much forgetting a leaf, with what stands near it, would displace.
    fn displacement(&self, leaf: Id) -> f32 {
        let (mut at, mut most) = (leaf, 0.0f32);
        while let Some(up) = self.up(at) {
            let own = self.count(at).max(1);
            let sibling = self.count(up).saturating_sub(own);
            most = most.max(sibling as f32 / own as f32);
            at = up;
        }
        most
    }
}

/// A dimension by its range, and a place in it.
fn cut(low: &[f32], high: &[f32], chance: &mut StdRng) -> (usize, f32) {
    let ranges = || low.iter().zip(high).map(|(l, h)| (h - l).max(0.0));
    let mut at = chance.random::<f32>() * ranges().sum::<f32>();
    for (dimension, (range, low)) in ranges().zip(low).enumerate() {
        if at < range {
            // below the upper end, so that both sides have something
            return (dimension, (low + at).min(low + range * 0.999_999));
        }
        at -= range;
    }
    (0, low.first().copied().unwrap_or(0.0))
}

/// The forest. Its memory is bounded by trees times sample size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forest {
    trees: Vec<Tree>,
    /// The points of the sample, oldest first; every tree holds all of them, cut differently.
    points: std::collections::VecDeque<Vec<f32>>,
    sample: usize,
    seed: u64,
    drawn: u64,
}

impl Forest {
    /// A forest of `trees` over the last `sample` points, whose chance is seeded.
    pub fn new(trees: usize, sample: usize, seed: u64) -> Self {
        Self {
            trees: vec![Tree::default(); trees.max(1)],
            points: std::collections::VecDeque::new(),
            sample: sample.max(2),
            seed,
            drawn: 0,
        }
    }

    /// Points in the sample.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Takes a point in and returns its score: about 1 for one among many, up to the sample's size for
    /// one that nothing is near. Every point must have the same number of dimensions; each is taken in
    /// steps of 1/256, from -1000 to 1000, so that two points can always be cut apart.
    pub fn score(&mut self, point: &[f32]) -> f32 {
        let step = |value: &f32| {
            if value.is_finite() { (value.clamp(-1e3, 1e3) * 256.0).round() / 256.0 } else { 0.0 }
        };
        let point: Vec<f32> = point.iter().map(step).collect();
        self.drawn += 1;
        let mut chance = StdRng::seed_from_u64(self.seed ^ self.drawn.wrapping_mul(0x9e37_79b9));
        let oldest = if self.points.len() >= self.sample { self.points.pop_front() } else { None };
        let mut sum = 0.0;
        for tree in &mut self.trees {
            if let Some(oldest) = &oldest {
                tree.forget(oldest);
            }
            let leaf = tree.insert(&point, &mut chance);
            sum += tree.displacement(leaf);
        }
        self.points.push_back(point);
        sum / self.trees.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// Counts and bounds of a subtree, computed anew and compared.
    fn holds(tree: &Tree, id: Id, up: Option<Id>) -> u32 {
        assert_eq!(tree.up(id), up);
        match tree.node(id) {
            Node::Leaf { count, .. } => *count,
            Node::Cut { left, right, count, dimension, value, low, high, .. } => {
                let (l, r) = (holds(tree, *left, Some(id)), holds(tree, *right, Some(id)));
                assert_eq!(l + r, *count);
                assert!(tree.bounds(*left).1[*dimension] <= *value);
                assert!(tree.bounds(*right).0[*dimension] > *value);
                for side in [*left, *right] {
                    let (own_low, own_high) = tree.bounds(side);
                    assert!(own_low.iter().zip(low).all(|(own, all)| own >= all));
                    assert!(own_high.iter().zip(high).all(|(own, all)| own <= all));
                }
                *count
            }
            Node::Free => panic!("a free node in the tree"),
        }
    }

    proptest! {
        #[test]
        fn a_tree_stays_a_tree(points in prop::collection::vec(prop::collection::vec(-5i8..5, 3), 1..120)) {
            let mut forest = Forest::new(3, 16, 9);
            for point in &points {
                let point: Vec<f32> = point.iter().map(|n| f32::from(*n)).collect();
                prop_assert!(forest.score(&point) >= 0.0);
                for tree in &forest.trees {
                    prop_assert_eq!(holds(tree, tree.root.unwrap(), None) as usize, forest.points.len());
                }
            }
        }
    }

    #[test]
    fn what_nothing_is_near_scores_highest() {
        let mut forest = Forest::new(40, 256, 1);
        let mut chance = StdRng::seed_from_u64(3);
        let mut usual: f32 = 0.0;
        for n in 0..600 {
            let point: Vec<f32> = (0..4).map(|_| chance.random::<f32>()).collect();
            let score = forest.score(&point);
            if n > 300 {
                usual = usual.max(score);
            }
        }
        // each dimension is within its range or near it, and yet the point is alone
        assert!(forest.score(&[3.0, 3.0, -2.0, 4.0]) > 2.0 * usual);
    }
}
