//! Places by their hashes: one array, so that a look-up among a hundred thousand costs one access to memory that is not at hand.

/// Places, each under the hash of what is there; several may have one hash.
///
/// Which order they stand in depends on how they came and went, and nobody sees it.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Half of the hash, and one more than the place; zero where nothing is. A power of two of them, at least half of them empty.
    buckets: Vec<u64>,
    len: usize,
}

impl Index {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place under a hash that is the one looked for.
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let bucket = self.get(at);
            let place = place_of(bucket)?;
            if half(bucket) == half(hash) && is_it(place) {
                return Some(place);
            }
            at = self.after(at);
        }
    }

    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        if self.len.saturating_add(1).saturating_mul(2) > self.buckets.len() {
            self.grow();
        }
        let Some(next) = place.checked_add(1) else { return };
        self.put(half(hash) << 32 | u64::from(next));
        self.len = self.len.saturating_add(1);
    }

    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let mut gap = self.home(hash);
        loop {
            let bucket = self.get(gap);
            let Some(found) = place_of(bucket) else { return };
            if found == place && half(bucket) == half(hash) {
                break;
            }
            gap = self.after(gap);
        }
        self.len = self.len.saturating_sub(1);
        // What would not be found behind the gap is moved into it.
        let mut at = gap;
        loop {
            at = self.after(at);
            let bucket = self.get(at);
            if bucket == 0 {
                break;
            }
            if self.distance(self.home(bucket), at) >= self.distance(gap, at) {
                self.set(gap, bucket);
                gap = at;
            }
        }
        self.set(gap, 0);
    }

    fn grow(&mut self) {
        let size = self.buckets.len().saturating_mul(2).max(SMALLEST);
        let old = core::mem::replace(&mut self.buckets, vec![0; size]);
        for bucket in old.into_iter().filter(|bucket| *bucket != 0) {
            self.put(bucket);
        }
    }

    fn put(&mut self, bucket: u64) {
        let mut at = self.home(bucket);
        while self.get(at) != 0 {
            at = self.after(at);
        }
        self.set(at, bucket);
    }

    /// Where the search for a hash begins.
    fn home(&self, hash: u64) -> usize {
        let size = u64::try_from(self.buckets.len()).unwrap_or(0);
        usize::try_from(half(hash).wrapping_mul(size) >> 32).unwrap_or(0)
    }

    fn after(&self, at: usize) -> usize {
        let next = at.saturating_add(1);
        if next < self.buckets.len() { next } else { 0 }
    }

    /// How many steps it is from one bucket on to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.buckets.len().wrapping_sub(1)
    }

    fn get(&self, at: usize) -> u64 {
        self.buckets.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, bucket: u64) {
        if let Some(place) = self.buckets.get_mut(at) {
            *place = bucket;
        }
    }
}

/// Buckets at the beginning.
const SMALLEST: usize = 64;

/// The upper half of a hash, or of a bucket.
fn half(hash: u64) -> u64 {
    hash >> 32
}

fn place_of(bucket: u64) -> Option<u32> {
    u32::try_from(bucket & u64::from(u32::MAX)).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn those_of_one_hash_are_told_apart() {
        let mut index = Index::default();
        assert_eq!(index.find(7 << 32, |_| true), None);
        for place in 0..100 {
            index.insert(7 << 32, place);
        }
        assert_eq!(index.find(7 << 32, |place| place == 70), Some(70));
        index.remove(7 << 32, 70);
        index.remove(7 << 32, 70);
        assert_eq!(index.find(7 << 32, |place| place == 70), None);
        assert_eq!(index.find(7 << 32, |place| place == 99), Some(99));
        assert_eq!(index.len, 99);
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_hashes_and_places(steps in proptest::collection::vec((any::<bool>(), 0_u64..24, 0_u32..12), 0..400)) {
            let (mut index, mut model) = (Index::default(), BTreeSet::new());
            for (adds, at, place) in steps {
                // Few homes, at the end of the array too.
                let hash = (at % 6).wrapping_mul(0x3333_3333 << 32).wrapping_add(at << 33);
                if adds && model.insert((hash, place)) {
                    index.insert(hash, place);
                } else if !adds {
                    model.remove(&(hash, place));
                    index.remove(hash, place);
                }
                prop_assert_eq!(index.len, model.len());
                for (hash, place) in &model {
                    prop_assert_eq!(index.find(*hash, |found| found == *place), Some(*place));
                }
            }
            for (hash, place) in model {
                index.remove(hash, place);
                prop_assert_eq!(index.find(hash, |found| found == place), None);
            }
            prop_assert!(index.is_empty() && index.buckets.iter().all(|bucket| *bucket == 0));
        }
    }
}
