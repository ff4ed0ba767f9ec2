//! Which children of an element before are which after.

use std::collections::HashMap;
use std::ops::Range;

use super::tag;
use super::tree::{Kind, Tree};

/// What the children of an element have to do with each other, in order.
pub(super) enum Matched {
    /// The same element, changed.
    Pair(usize, usize),
    /// These have become those.
    Hunk(Range<usize>, Range<usize>),
}

/// Two versions of a document.
pub(super) struct Align<'t> {
    old: &'t Tree<'t>,
    new: &'t Tree<'t>,
    old_ids: Vec<u32>,
    new_ids: Vec<u32>,
}

impl<'t> Align<'t> {
    pub(super) fn new(old: &'t Tree<'t>, new: &'t Tree<'t>) -> Option<Self> {
        let mut ids = HashMap::new();
        Some(Self {
            old_ids: identify(old, &mut ids)?,
            new_ids: identify(new, &mut ids)?,
            old,
            new,
        })
    }

    /// Matches some children before with some after.
    pub(super) fn matched(
        &self,
        (old_nodes, old): (&[usize], Range<usize>),
        (new_nodes, new): (&[usize], Range<usize>),
    ) -> Vec<Matched> {
        let mut out = Vec::new();
        let mut pending = vec![(old, new, 0_u8, None)];
        while let Some((old, new, phase, pair)) = pending.pop() {
            if let Some((old, new)) = pair {
                out.push(Matched::Pair(old, new));
                continue;
            }
            let (old, new) = self.trimmed((old_nodes, old), (new_nodes, new));
            if old.is_empty() && new.is_empty() {
                continue;
            }
            let anchors = match phase {
                0 => anchors(
                    &old,
                    &new,
                    |at| id_of(&self.old_ids, old_nodes, at),
                    |at| id_of(&self.new_ids, new_nodes, at),
                ),
                1 => anchors(
                    &old,
                    &new,
                    |at| key(self.old, *old_nodes.get(at)?),
                    |at| key(self.new, *new_nodes.get(at)?),
                ),
                _ => {
                    out.push(Matched::Hunk(old, new));
                    continue;
                }
            };
            let next = phase.saturating_add(1);
            let (mut old_from, mut new_from) = (old.start, new.start);
            let mut parts = Vec::new();
            for (old_at, new_at) in anchors {
                parts.push((old_from..old_at, new_from..new_at, next, None));
                if phase == 1 {
                    parts.push((0..0, 0..0, next, Some((old_at, new_at))));
                }
                old_from = old_at.saturating_add(1);
                new_from = new_at.saturating_add(1);
            }
            parts.push((old_from..old.end, new_from..new.end, next, None));
            pending.extend(parts.into_iter().rev());
        }
        out
    }

    /// Leaves out what is the same at both ends.
    fn trimmed(
        &self,
        (old_nodes, mut old): (&[usize], Range<usize>),
        (new_nodes, mut new): (&[usize], Range<usize>),
    ) -> (Range<usize>, Range<usize>) {
        let same = |old, new| {
            let id = id_of(&self.old_ids, old_nodes, old);
            id.is_some() && id == id_of(&self.new_ids, new_nodes, new)
        };
        while !old.is_empty() && !new.is_empty() && same(old.start, new.start) {
            old.start = old.start.saturating_add(1);
            new.start = new.start.saturating_add(1);
        }
        while !old.is_empty() && !new.is_empty() && same(old.end.saturating_sub(1), new.end.saturating_sub(1))
        {
            old.end = old.end.saturating_sub(1);
            new.end = new.end.saturating_sub(1);
        }
        (old, new)
    }
}

/// What a node is, with everything below it: two nodes have the same number if and only if they are written the same.
type Ids<'t> = HashMap<(u8, &'t str, Vec<u32>), u32>;

fn identify<'t>(tree: &'t Tree<'_>, known: &mut Ids<'t>) -> Option<Vec<u32>> {
    let mut ids = vec![0; tree.len()];
    // Children come after their parents.
    for at in (0..tree.len()).rev() {
        let (kind, text) = match tree.kind(at)? {
            Kind::Document => (0, ""),
            Kind::Element { start, .. } => (1, start.as_ref()),
            Kind::Text(text) => (2, text.as_ref()),
            Kind::Comment(text) => (3, text.as_ref()),
            Kind::Instruction(text) => (4, text.as_ref()),
            Kind::Filler(text) => (5, text.as_ref()),
        };
        let below = tree.children(at).iter().map(|child| ids.get(*child).copied());
        let next = u32::try_from(known.len()).ok()?;
        let id = *known
            .entry((kind, text, below.collect::<Option<_>>()?))
            .or_insert(next);
        *ids.get_mut(at)? = id;
    }
    Some(ids)
}

fn id_of(ids: &[u32], nodes: &[usize], at: usize) -> Option<u32> {
    nodes.get(at).and_then(|node| ids.get(*node)).copied()
}

/// What makes an element the same in two versions: its name, and the attribute that tells it from its like.
fn key<'t>(tree: &'t Tree<'_>, at: usize) -> Option<(&'t str, String)> {
    let start = tree.start(at)?;
    let names = ["id", "uri", "name", "ref", "anchor", "entity"];
    let value = names
        .iter()
        .find_map(|name| tag::attributes(start).find(|read| read.name == *name));
    Some((tag::name(start), value.map(|read| read.value).unwrap_or_default()))
}

/// Pairs what is there exactly once before and after, in an order that both have.
fn anchors<K: Eq + std::hash::Hash>(
    old: &Range<usize>,
    new: &Range<usize>,
    old_key: impl Fn(usize) -> Option<K>,
    new_key: impl Fn(usize) -> Option<K>,
) -> Vec<(usize, usize)> {
    // How often before, and where; how often after, and where.
    let mut seen: HashMap<K, (usize, usize, usize)> = HashMap::new();
    for at in new.clone() {
        if let Some(key) = new_key(at) {
            let (count, place, _) = seen.entry(key).or_insert((0, at, 0));
            *count = count.saturating_add(1);
            *place = at;
        }
    }
    for at in old.clone() {
        if let Some(found) = old_key(at).and_then(|key| seen.get_mut(&key)) {
            found.2 = found.2.saturating_add(1);
        }
    }
    let mut pairs = Vec::new();
    for at in old.clone() {
        if let Some((1, place, 1)) = old_key(at).and_then(|key| seen.get(&key).copied()) {
            pairs.push((at, place));
        }
    }
    rising(&pairs)
}

/// The longest part of a sequence in which the second numbers rise.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length the pair that ends the sequence with the smallest number, and for each pair what comes before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    for (index, (_, number)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs.get(*end).is_some_and(|(_, other)| other < number));
        before.push(
            length
                .checked_sub(1)
                .and_then(|shorter| ends.get(shorter))
                .copied(),
        );
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut chain: Vec<(usize, usize)> = Vec::new();
    let mut next = ends.last().copied();
    while let Some(index) = next {
        chain.extend(pairs.get(index));
        next = before.get(index).copied().flatten();
    }
    chain.reverse();
    chain
}
