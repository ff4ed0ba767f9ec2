//! Finding a parameter name that occurs twice, in time linear in the text.

use core::ops::Range;

use crate::error::{ParseError, ParseErrorKind};

/// How many parameters a value or a URI may have. More is no address.
pub(crate) const MAX_PARAMS: usize = 64;

/// The names of the parameters read so far.
///
/// Names that differ in their ends or in length, as nearly all do, are told apart by a bit each. Only when two share theirs is
/// it kept where each name is.
#[derive(Debug, Default)]
pub(crate) struct Names {
    count: usize,
    seen: u64,
    places: Option<[(u32, u32); MAX_PARAMS]>,
}

impl Names {
    /// Takes note of `name`, which stands at `at` of the text; `earlier` tells where the names before it are.
    #[inline]
    pub(crate) fn add<I: Iterator<Item = Range<usize>>>(
        &mut self,
        name: &[u8],
        at: usize,
        text: &[u8],
        earlier: impl FnOnce() -> I,
    ) -> Result<(), ParseError> {
        if self.count >= MAX_PARAMS {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, at));
        }
        let bit = bit_of(name);
        if self.seen & bit != 0 || self.places.is_some() {
            self.compare(name, at, text, earlier)?;
        }
        self.seen |= bit;
        self.count = self.count.saturating_add(1);
        Ok(())
    }
}

impl Names {
    /// Looks at the names themselves.
    #[cold]
    fn compare<I: Iterator<Item = Range<usize>>>(
        &mut self,
        name: &[u8],
        at: usize,
        text: &[u8],
        earlier: impl FnOnce() -> I,
    ) -> Result<(), ParseError> {
        let places = self.places.get_or_insert_with(|| {
            let mut places = [(0, 0); MAX_PARAMS];
            for (place, range) in places.iter_mut().zip(earlier()) {
                *place = span(&range);
            }
            places
        });
        let is_there = places.iter().take(self.count).any(|(start, end)| {
            let earlier = text.get(to_usize(*start)..to_usize(*end));
            earlier.is_some_and(|earlier| earlier.eq_ignore_ascii_case(name))
        });
        if is_there {
            return Err(ParseError::new(ParseErrorKind::RepeatedParameter, at));
        }
        if let Some(place) = places.get_mut(self.count) {
            *place = span(&(at..at.saturating_add(name.len())));
        }
        Ok(())
    }
}

/// A bit that names equal without regard to case share.
#[inline]
fn bit_of(name: &[u8]) -> u64 {
    let [first, .., last] = name else { return 1 };
    let mixed = usize::from(first & 31)
        .wrapping_mul(3)
        .wrapping_add(usize::from(last & 31).wrapping_mul(5))
        .wrapping_add(name.len());
    1_u64 << (mixed & 63)
}

fn span(range: &Range<usize>) -> (u32, u32) {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    (offset(range.start), offset(range.end))
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
