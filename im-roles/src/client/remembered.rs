//! Bounded memory of messages: those that came, to know them again, and those sent, to know whose notification comes.

use std::collections::{BTreeMap, VecDeque};

/// A table that forgets what was put in first when it is full.
#[derive(Debug)]
pub(super) struct Remembered<K, V> {
    entries: BTreeMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Ord + Clone, V> Remembered<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    /// Puts an entry in, unless its key is there already; tells whether it was put in.
    pub(super) fn insert(&mut self, key: K, value: V) -> bool {
        if self.capacity == 0 || self.entries.contains_key(&key) {
            return self.capacity == 0;
        }
        while self.entries.len() >= self.capacity {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.entries.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.entries.insert(key, value);
        true
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::Remembered;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut table = Remembered::new(2);
        assert!(table.insert(1, "a"));
        assert!(table.insert(2, "b"));
        assert!(!table.insert(1, "again"));
        assert!(table.insert(3, "c"));
        assert_eq!(table.get(&1), None);
        assert_eq!(table.get(&2), Some(&"b"));
        assert_eq!(table.get(&3), Some(&"c"));
    }

    #[test]
    fn a_table_without_room_takes_everything_for_new() {
        let mut table = Remembered::new(0);
        assert!(table.insert(1, ()));
        assert!(table.insert(1, ()));
        assert_eq!(table.get(&1), None);
    }
}
