//! The virtual buffer into which the chunks of a message are put (RFC 4975 section 7.3.1).

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

/// There are more pieces than the limits allow.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct TooManyIslands;

/// Octets of a message, in whatever order they come; what comes later replaces what came earlier.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// All there is, while that is one piece: most messages are, and are then not copied.
    single: Option<(u64, Bytes)>,
    /// Pieces that do not overlap, by the place of their first octet. Pieces that touch are not joined: with chunks
    /// in the opposite order that would copy the message over and over.
    islands: BTreeMap<u64, Vec<u8>>,
    octets: u64,
}

impl Assembly {
    /// Returns the number of octets that are here.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Returns the place behind the last octet that is here.
    pub(crate) fn end(&self) -> u64 {
        match (&self.single, self.islands.last_key_value()) {
            (Some((start, data)), _) => start.saturating_add(length(data)),
            (None, Some((start, data))) => start.saturating_add(length(data)),
            (None, None) => 0,
        }
    }

    /// Puts octets into their place. The caller has checked that their end can be counted.
    pub(crate) fn write(&mut self, offset: u64, data: Bytes, islands: usize) -> Result<(), TooManyIslands> {
        if data.is_empty() {
            return Ok(());
        }
        if self.octets == 0 {
            self.octets = length(&data);
            self.single = Some((offset, data));
            return Ok(());
        }
        if let Some((start, first)) = self.single.take() {
            let mut island = Vec::with_capacity(first.len().saturating_add(data.len()));
            island.extend_from_slice(&first);
            self.islands.insert(start, island);
        }
        let mut offset = offset;
        let mut data: &[u8] = &data;
        while !data.is_empty() {
            let next = self
                .islands
                .range((Bound::Excluded(offset), Bound::Unbounded))
                .next();
            let room = next.map_or(u64::MAX, |(start, _)| start.saturating_sub(offset));
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
            let before = self.islands.range_mut(..=offset).next_back();
            let reach = before.and_then(|(start, island)| {
                let inside = usize::try_from(offset.saturating_sub(*start)).ok()?;
                if inside <= island.len() {
                    Some((inside, island))
                } else {
                    None
                }
            });
            let step = match reach {
                Some((inside, island)) if inside < island.len() => {
                    let (_, old) = island.split_at_mut(inside);
                    let step = old.len().min(data.len());
                    copy(old, data, step);
                    step
                }
                Some((_, island)) => {
                    island.extend_from_slice(data.get(..room).unwrap_or_default());
                    self.octets = self.octets.saturating_add(count(room));
                    room
                }
                None => {
                    if self.islands.len() >= islands {
                        return Err(TooManyIslands);
                    }
                    self.islands
                        .insert(offset, data.get(..room).unwrap_or_default().to_vec());
                    self.octets = self.octets.saturating_add(count(room));
                    room
                }
            };
            offset = offset.saturating_add(count(step));
            data = data.get(step..).unwrap_or_default();
        }
        Ok(())
    }

    /// Forgets what lies beyond the end of the message.
    pub(crate) fn truncate(&mut self, total: u64) {
        if self.end() <= total {
            return;
        }
        if let Some((start, data)) = &mut self.single {
            data.truncate(usize::try_from(total.saturating_sub(*start)).unwrap_or(usize::MAX));
            self.octets = length(data);
            return;
        }
        for beyond in self.islands.split_off(&total).into_values() {
            self.octets = self.octets.saturating_sub(length(&beyond));
        }
        if let Some(mut last) = self.islands.last_entry() {
            let keep = usize::try_from(total.saturating_sub(*last.key())).unwrap_or(usize::MAX);
            let island = last.get_mut();
            let cut = island.len().saturating_sub(keep);
            island.truncate(keep);
            self.octets = self.octets.saturating_sub(count(cut));
        }
    }

    /// Says whether every octet of a message of that length is here; nothing beyond it may be.
    pub(crate) fn is_complete(&self, total: u64) -> bool {
        self.octets == total
    }

    /// Gives the message, which is complete.
    pub(crate) fn into_bytes(self) -> Bytes {
        if let Some((_, data)) = self.single {
            return data;
        }
        let mut islands = self.islands.into_values();
        let first = islands.next().unwrap_or_default();
        if islands.len() == 0 {
            return first.into();
        }
        let mut whole = first;
        whole.reserve_exact(
            usize::try_from(self.octets)
                .unwrap_or(0)
                .saturating_sub(whole.len()),
        );
        for island in islands {
            whole.extend_from_slice(&island);
        }
        whole.into()
    }
}

/// Which octets of a message have been there.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// Ranges that neither overlap nor touch: first octet, and the one behind the last.
    ranges: BTreeMap<u64, u64>,
}

impl Coverage {
    /// Returns the place behind the last octet that has been there.
    pub(crate) fn end(&self) -> u64 {
        self.ranges.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// Notes octets from `start` to before `end`.
    pub(crate) fn add(&mut self, start: u64, end: u64, islands: usize) -> Result<(), TooManyIslands> {
        if start >= end {
            return Ok(());
        }
        let (mut start, mut end) = (start, end);
        if let Some((&before, &reach)) = self.ranges.range(..=start).next_back()
            && reach >= start
        {
            if reach >= end {
                return Ok(());
            }
            start = before;
        }
        while let Some((&next, &reach)) = self
            .ranges
            .range((Bound::Excluded(start), Bound::Included(end)))
            .next()
        {
            self.ranges.remove(&next);
            end = end.max(reach);
        }
        if !self.ranges.contains_key(&start) && self.ranges.len() >= islands {
            return Err(TooManyIslands);
        }
        self.ranges.insert(start, end);
        Ok(())
    }

    /// Forgets what lies before a place, and returns to where octets follow on it without a gap.
    pub(crate) fn reach(&mut self, place: u64) -> Option<u64> {
        let mut reached = None;
        while let Some((&start, &end)) = self.ranges.first_key_value() {
            let here = reached.unwrap_or(place);
            if start > here {
                break;
            }
            self.ranges.pop_first();
            if end > here {
                reached = Some(end);
            }
        }
        reached
    }

    /// Says whether every octet of a message of that length has been there.
    pub(crate) fn is_complete(&self, total: u64) -> bool {
        total == 0 || self.ranges.get(&0).is_some_and(|end| *end >= total)
    }
}

fn copy(to: &mut [u8], from: &[u8], length: usize) {
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
}

fn length(data: &[u8]) -> u64 {
    count(data.len())
}

/// A number of octets in memory, which no machine has more of than `u64` counts.
pub(crate) fn count(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_piece_is_not_copied() {
        let data = Bytes::from("hello");
        let mut assembly = Assembly::default();
        assembly.write(0, data.clone(), 1).unwrap();
        assert_eq!(assembly.into_bytes().as_ptr(), data.as_ptr());
    }

    #[test]
    fn pieces_in_the_opposite_order_are_bounded() {
        let mut assembly = Assembly::default();
        for at in (10..20).rev() {
            assembly.write(at, Bytes::from("x"), 10).unwrap();
        }
        assert_eq!(assembly.write(5, Bytes::from("x"), 10), Err(TooManyIslands));
        let mut coverage = Coverage::default();
        for at in 1..=10 {
            coverage.add(at * 2, at * 2 + 1, 10).unwrap();
        }
        assert_eq!(coverage.add(50, 51, 10), Err(TooManyIslands));
        coverage.add(0, 30, 10).unwrap();
        coverage.add(50, 51, 10).unwrap();
    }

    proptest! {
        #[test]
        fn the_last_that_came_wins(
            pieces in prop::collection::vec((0_usize..40, prop::collection::vec(any::<u8>(), 0..20)), 0..20),
            total in 0_usize..60,
        ) {
            let mut assembly = Assembly::default();
            let mut coverage = Coverage::default();
            let mut model = [None; 60];
            for (at, data) in &pieces {
                assembly.write(count(*at), Bytes::from(data.clone()), 100).unwrap();
                coverage.add(count(*at), count(at + data.len()), 100).unwrap();
                for (place, octet) in model[*at..].iter_mut().zip(data) {
                    *place = Some(*octet);
                }
                prop_assert_eq!(assembly.octets(), count(model.iter().flatten().count()));
                prop_assert_eq!(assembly.end(), coverage.end());
            }
            let whole: Option<Vec<u8>> = model[..total].iter().copied().collect();
            prop_assert_eq!(coverage.is_complete(count(total)), whole.is_some());
            assembly.truncate(count(total));
            prop_assert_eq!(assembly.is_complete(count(total)), whole.is_some());
            if let Some(whole) = whole {
                prop_assert_eq!(&assembly.into_bytes()[..], &whole[..]);
            }
        }
    }
}
