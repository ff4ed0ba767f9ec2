//! The table of open transactions: a message is matched to one by a hash of what its Via says, and a timer by its place.

use core::hash::Hasher;
use std::hash::DefaultHasher;

use super::index::Index;
use super::text::Text;
use crate::Entropy;

/// Transactions, each under a number that is not given twice, and those that have a key also under that.
///
/// The hash is keyed with the host's randomness, so nobody can choose branches that fall together; what finds a transaction is
/// the comparison of the key itself.
#[derive(Debug)]
pub(crate) struct Table<T> {
    places: Vec<Place<T>>,
    /// The place that was left last, which is the one most likely to be at hand.
    free: Option<u32>,
    /// Of places that are not there yet.
    generation: u32,
    len: usize,
    index: Index,
    keyed: DefaultHasher,
}

#[derive(Debug)]
struct Place<T> {
    /// How many have had the place before.
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Taken { hash: u64, key: Option<Text>, value: T },
    Free(Option<u32>),
}

/// A key and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hashed {
    hash: u64,
    key: Text,
}

impl<T> Table<T> {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        let mut secret = [0; 16];
        entropy(&mut secret);
        let mut keyed = DefaultHasher::new();
        keyed.write(&secret);
        Self {
            places: Vec::new(),
            free: None,
            generation: 0,
            len: 0,
            index: Index::default(),
            keyed,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing is found by a key any more.
    pub(crate) fn has_no_keys(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a transaction that is found by its key, if it has one. `None` when there is no number for it.
    pub(crate) fn insert(&mut self, key: Option<Hashed>, value: T) -> Option<u64> {
        let is_keyed = key.is_some();
        let (hash, key) = key.map_or((0, None), |hashed| (hashed.hash, Some(hashed.key)));
        let content = Content::Taken { hash, key, value };
        let (place, generation) = if let Some(place) = self.free {
            let entry = self.places.get_mut(to_usize(place))?;
            if let Content::Free(next) = entry.content {
                self.free = next;
            }
            entry.content = content;
            (place, entry.generation)
        } else {
            let place = u32::try_from(self.places.len()).ok()?;
            let generation = self.generation;
            self.places.push(Place { generation, content });
            (place, generation)
        };
        self.len = self.len.saturating_add(1);
        if is_keyed {
            self.index.insert(hash, place);
        }
        Some(number(place, generation))
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        match self.content(id)? {
            Content::Taken { value, .. } => Some(value),
            Content::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        match self.content_mut(id)? {
            Content::Taken { value, .. } => Some(value),
            Content::Free(_) => None,
        }
    }

    /// The transaction with that key.
    pub(crate) fn find(&self, hashed: &Hashed) -> Option<u64> {
        let Hashed { hash, key } = hashed;
        let content = |place: u32| self.places.get(to_usize(place));
        let place = self.index.find(*hash, |place| {
            content(place).is_some_and(
                |entry| matches!(&entry.content, Content::Taken { key: Some(found), .. } if found == key),
            )
        })?;
        Some(number(place, content(place)?.generation))
    }

    /// Gives a transaction another key, or takes it away.
    pub(crate) fn set_key(&mut self, id: u64, new: Option<Hashed>) {
        let is_keyed = new.is_some();
        let (new_hash, new) = new.map_or((0, None), |hashed| (hashed.hash, Some(hashed.key)));
        let Some(Content::Taken { hash, key, .. }) = self.content_mut(id) else {
            return;
        };
        let old_hash = core::mem::replace(hash, new_hash);
        let old = core::mem::replace(key, new);
        let (place, _) = parts(id);
        if old.is_some() {
            self.index.remove(old_hash, place);
        }
        if is_keyed {
            self.index.insert(new_hash, place);
        }
    }

    /// The key of a transaction, which it has no longer.
    pub(crate) fn take_key(&mut self, id: u64) -> Option<Hashed> {
        let Some(Content::Taken { hash, key, .. }) = self.content_mut(id) else {
            return None;
        };
        let (hash, key) = (*hash, key.take()?);
        self.index.remove(hash, parts(id).0);
        Some(Hashed { hash, key })
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let (place, generation) = parts(id);
        let free = self.free;
        let entry = self.places.get_mut(to_usize(place))?;
        if entry.generation != generation || matches!(entry.content, Content::Free(_)) {
            return None;
        }
        let next = entry.generation.checked_add(1);
        // A place that has used up its numbers is left alone.
        let content = Content::Free(if next.is_some() { free } else { None });
        let old = core::mem::replace(&mut entry.content, content);
        if let Some(next) = next {
            entry.generation = next;
            self.free = Some(place);
            self.generation = self.generation.max(next);
        }
        self.len = self.len.saturating_sub(1);
        let Content::Taken { hash, key, value } = old else {
            return None;
        };
        if key.is_some() {
            self.index.remove(hash, place);
        }
        if self.len == 0 {
            self.shrink();
        }
        Some(value)
    }

    /// Gives back the room that a flood has taken, once it is over.
    fn shrink(&mut self) {
        if self.places.len() <= KEPT || self.generation == u32::MAX {
            return;
        }
        // New places begin with numbers that no old one has given.
        self.places = Vec::new();
        self.free = None;
        self.index = Index::default();
    }

    fn content(&self, id: u64) -> Option<&Content<T>> {
        let (place, generation) = parts(id);
        let entry = self.places.get(to_usize(place))?;
        (entry.generation == generation).then_some(&entry.content)
    }

    fn content_mut(&mut self, id: u64) -> Option<&mut Content<T>> {
        let (place, generation) = parts(id);
        let entry = self.places.get_mut(to_usize(place))?;
        (entry.generation == generation).then_some(&mut entry.content)
    }

    /// Hashes a key.
    pub(crate) fn hashed(&self, key: Text) -> Hashed {
        let mut hasher = self.keyed.clone();
        hasher.write(key.as_bytes());
        Hashed {
            hash: hasher.finish(),
            key,
        }
    }
}

/// As many places are kept when nothing is under way.
const KEPT: usize = 1024;

/// The number of a transaction: its place, and how many had it before.
fn number(place: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(place)
}

/// The place and the generation of a number.
pub(crate) fn parts(id: u64) -> (u32, u32) {
    let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
    (half(id), half(id >> 32))
}

fn to_usize(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Hashes numbers that no peer chooses: those that this library or its host counts out, and hashes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(u64::from(*octet));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_isize(&mut self, number: isize) {
        // That of an enum's variant.
        self.write_u64(u64::try_from(number).unwrap_or(u64::MAX));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: neighbours are spread over the whole range.
        self.0 = (self.0.rotate_left(26) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<u32> {
        let mut entropy: Entropy = Box::new(|octets: &mut [u8]| octets.fill(7));
        Table::new(&mut entropy)
    }

    fn hashed(table: &Table<u32>, name: &str) -> Hashed {
        table.hashed(Text::new(&[name], &[]))
    }

    fn found(table: &Table<u32>, name: &str) -> Option<u32> {
        table.get(table.find(&hashed(table, name))?).copied()
    }

    #[test]
    fn a_number_is_not_given_twice_though_its_place_is() {
        let mut table = table();
        let first = table.insert(Some(hashed(&table, "a")), 1).unwrap();
        assert_eq!(table.remove(first), Some(1));
        let second = table.insert(Some(hashed(&table, "a")), 2).unwrap();
        assert_ne!(first, second);
        assert_eq!(parts(first).0, parts(second).0, "the place is used again");
        assert_eq!(table.get(first), None);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        table.set_key(first, Some(hashed(&table, "b")));
        assert_eq!(
            (found(&table, "a"), found(&table, "b"), table.len()),
            (Some(2), None, 1)
        );
    }

    #[test]
    fn a_place_without_numbers_left_is_left_alone() {
        let mut table = table();
        table.generation = u32::MAX;
        let last = table.insert(None, 1).unwrap();
        assert_eq!(last, u64::from(u32::MAX) << 32);
        table.remove(last);
        table.generation = 5;
        assert_eq!(table.insert(None, 2), Some(5 << 32 | 1));
        assert_eq!((table.get(last), table.len()), (None, 1));
    }

    #[test]
    fn after_a_flood_room_is_given_back_and_numbers_go_on() {
        let mut table = table();
        let many: Vec<u64> = (0..5000)
            .filter_map(|at| table.insert(Some(hashed(&table, &format!("{at}"))), at))
            .collect();
        for id in &many {
            table.remove(*id);
        }
        assert!(table.is_empty() && table.has_no_keys() && table.places.capacity() == 0);
        let next = table.insert(Some(hashed(&table, "1")), 1).unwrap();
        assert!(!many.contains(&next));
        assert_eq!(found(&table, "1"), Some(1));
    }

    #[test]
    fn a_key_can_be_given_and_taken() {
        let mut table = table();
        let id = table.insert(None, 1).unwrap();
        assert!(table.has_no_keys());
        table.set_key(id, Some(hashed(&table, "a")));
        table.set_key(id, Some(hashed(&table, "b")));
        assert_eq!((found(&table, "a"), found(&table, "b")), (None, Some(1)));
        assert_eq!(table.take_key(id), Some(hashed(&table, "b")));
        assert_eq!((table.take_key(id), found(&table, "b")), (None, None));
        assert_eq!(table.get(id), Some(&1));
    }
}
