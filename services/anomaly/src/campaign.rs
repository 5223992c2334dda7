//! Alike texts of many speakers, or of one network: locality-sensitive hashing over sketches.
//!
//! A sketch has four parts, each equal in two texts with a chance of their likeness (MinHash). Texts that share two
//! parts are one cluster; a table from parts to clusters finds them without looking at all (Broder 1997;
//! Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3).

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use lru::LruCache;
use portcullis_core::Sketch;
use serde::{Deserialize, Serialize};

use crate::alert::{Reading, Signal};
use crate::fact::Fact;
use crate::normal::Fading;
use crate::settings::Watching;
use crate::speakers::{hash, seconds};

/// Parts of a sketch that texts of one cluster share.
const SHARED: usize = 2;
/// Clusters remembered for each bot.
const CLUSTERS: usize = 2_048;
/// Speakers counted apart in a cluster; more are not needed to know that they are many.
const SPEAKERS: usize = 64;
/// Seconds in which the recent count halves, and the usual one.
const RECENT: f32 = 300.0;
const USUAL: f32 = 86_400.0;
/// After so many seconds the speakers are counted anew.
const WINDOW: f64 = 600.0;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cluster {
    sketch: u64,
    speakers: BTreeSet<u64>,
    networks: BTreeSet<u64>,
    since: f64,
    recent: Fading,
    usual: Fading,
    stopped: Fading,
    scores: f32,
    members: u32,
}

/// The clusters of one bot.
#[derive(Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(crate) struct Campaigns {
    clusters: LruCache<u64, Cluster>,
    /// From a quarter of a sketch, with its place, to the clusters that have it.
    quarters: LruCache<u32, Vec<u64>>,
    next: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    clusters: Vec<(u64, Cluster)>,
    next: u64,
}

impl Clone for Campaigns {
    fn clone(&self) -> Self {
        Saved::from_campaigns(self).into()
    }
}

impl Saved {
    fn from_campaigns(from: &Campaigns) -> Self {
        let clusters = from.clusters.iter().rev().map(|(id, c)| (*id, c.clone())).collect();
        Self { clusters, next: from.next }
    }
}

impl From<Campaigns> for Saved {
    fn from(from: Campaigns) -> Self {
        Self::from_campaigns(&from)
    }
}

impl From<Saved> for Campaigns {
    fn from(saved: Saved) -> Self {
        let mut campaigns = Self { next: saved.next, ..Self::default() };
        for (id, cluster) in saved.clusters {
            campaigns.enter(id, cluster);
        }
        campaigns
    }
}

impl Default for Campaigns {
    fn default() -> Self {
        let size = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            clusters: LruCache::new(size(CLUSTERS)),
            quarters: LruCache::new(size(4 * CLUSTERS)),
            next: 0,
        }
    }
}

/// The parts, each with its place.
fn quarters(sketch: u64) -> [u32; 4] {
    let mut place = 0;
    Sketch(sketch).quarters().map(|quarter| {
        place += 1;
        place << 16 | u32::from(quarter)
    })
}

impl Campaigns {
    fn enter(&mut self, id: u64, cluster: Cluster) {
        for quarter in quarters(cluster.sketch) {
            let ids = self.quarters.get_or_insert_mut(quarter, Vec::new);
            ids.push(id);
            // a quarter that everything shares finds nothing any more: the oldest go
            if ids.len() > 32 {
                ids.remove(0);
            }
        }
        self.clusters.put(id, cluster);
    }

    fn find(&mut self, sketch: u64) -> Option<u64> {
        for quarter in quarters(sketch) {
            for id in self.quarters.get(&quarter).into_iter().flatten() {
                let near = self
                    .clusters
                    .peek(id)
                    .is_some_and(|cluster| Sketch(cluster.sketch).shared(Sketch(sketch)) >= SHARED);
                if near {
                    return Some(*id);
                }
            }
        }
        None
    }

    /// Takes a message in; says which campaign it belongs to, if it is one.
    pub(crate) fn observe(
        &mut self,
        fact: &Fact,
        watching: &Watching,
    ) -> Option<(u64, Vec<Reading>)> {
        let Sketch(sketch) = fact.sketch.filter(|_| fact.inbound)?;
        let now = seconds(fact);
        let id = self.find(sketch).unwrap_or_else(|| {
            self.next += 1;
            let id = self.next;
            self.enter(id, Cluster { sketch, since: now, ..Cluster::default() });
            id
        });
        let cluster = self.clusters.get_mut(&id)?;
        if now - cluster.since > WINDOW {
            cluster.speakers.clear();
            cluster.networks.clear();
            cluster.since = now;
        }
        for (names, name) in
            [(&mut cluster.speakers, &fact.speaker), (&mut cluster.networks, &fact.network)]
        {
            if let Some(name) = name.as_deref().filter(|_| names.len() < SPEAKERS) {
                names.insert(hash(name));
            }
        }
        cluster.members = cluster.members.saturating_add(1);
        let usual = cluster.usual.add(now, USUAL, 1.0);
        let recent = cluster.recent.add(now, RECENT, 1.0);
        if let Some(score) = fact.score {
            cluster.scores += (score - cluster.scores) / (cluster.members.min(50) as f32);
        }
        if fact.stopped() {
            cluster.stopped.add(now, RECENT, 1.0);
        }
        // what was said earlier that day as well is what people say here
        let is_new = usual - recent < 3.0 * recent;
        let suspicious = cluster.stopped.at(now, RECENT) > 0.2 * recent
            || cluster.scores > 0.3 * watching.score_threshold;
        // harmless words in common need many more speakers to be worth a look
        let least = watching.campaign_speakers as usize * if suspicious { 1 } else { 4 };
        let speakers = cluster.speakers.len();
        (is_new && speakers >= least.min(SPEAKERS)).then(|| {
            let unit = match cluster.networks.len() {
                1 => "speakers of one network",
                _ => "speakers of alike texts",
            };
            let value = speakers as f64;
            (
                id,
                vec![Reading {
                    signal: Signal::Campaign,
                    value,
                    normal: 1.0,
                    size: value,
                    unit: unit.into(),
                }],
            )
        })
    }
}
