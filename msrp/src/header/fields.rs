//! Where the headers are in the text of a head.

use std::ops::Range;

use smallvec::SmallVec;

use super::{Known, MediaTypeParts, PathParts, known};

/// Where headers are in a text that may not be at hand.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    pub(super) all: SmallVec<[Field; 8]>,
    /// Of each known header which it is of all, from 1; 0 if there is none.
    known: [u16; known::COUNT],
    /// Which known headers are there more than once, a bit each.
    repeated: u16,
    /// Of the only header of that name, if it was read with the head.
    pub(crate) to_path: PathParts,
    pub(crate) from_path: PathParts,
    pub(crate) media_type: Option<MediaTypeParts>,
    /// Whether the `Message-ID` is known to be one.
    pub(crate) message_id: bool,
}

/// Where a header is in the text. A head has at most [`Headers::MAX_OCTETS`](super::Headers::MAX_OCTETS), so that 16 bits
/// tell any place in it, and all four places are written at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field(u64);

impl Field {
    /// A header with the name and the value at these places.
    #[inline]
    pub(crate) fn new(name: Range<usize>, value: Range<usize>) -> Self {
        let place = |octet: usize| u64::try_from(octet).unwrap_or_default() & 0xffff;
        Self(place(name.start) << 48 | place(name.end) << 32 | place(value.start) << 16 | place(value.end))
    }

    /// The same header that many octets further on. No place in a head is beyond 16 bits, so that none flows over into
    /// another.
    #[inline]
    pub(crate) fn moved(self, by: usize) -> Self {
        Self(self.0.wrapping_add(Self::all(by)))
    }

    pub(crate) fn moved_back(self, by: usize) -> Self {
        Self(self.0.wrapping_sub(Self::all(by)))
    }

    #[inline]
    fn all(by: usize) -> u64 {
        (u64::try_from(by).unwrap_or_default() & 0xffff).wrapping_mul(0x0001_0001_0001_0001)
    }

    fn place(self, shift: u32) -> usize {
        usize::from(u16::try_from(self.0 >> shift & 0xffff).unwrap_or_default())
    }

    pub(crate) fn name(self) -> Range<usize> {
        self.place(48)..self.place(32)
    }

    pub(crate) fn value(self) -> Range<usize> {
        self.place(16)..self.place(0)
    }
}

impl Fields {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.known = Default::default();
        self.repeated = 0;
        self.forget_values();
    }

    fn forget_values(&mut self) {
        self.to_path.forget();
        self.from_path.forget();
        self.media_type = None;
        self.message_id = false;
    }

    /// Moves all out, piece by piece: what is copied as a whole soon after it was written in parts is waited for.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            all: std::mem::take(&mut self.all),
            known: self.known,
            repeated: self.repeated,
            to_path: self.to_path,
            from_path: self.from_path,
            media_type: self.media_type,
            message_id: self.message_id,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds a header at the end. What was read of a value counts only if there is no other header of the name.
    #[inline]
    pub(crate) fn push(&mut self, known: Known, field: Field) {
        self.all.push(field);
        if known == Known::Other {
            return;
        }
        let Some(first) = self.known.get_mut(known as usize) else {
            return;
        };
        if *first == 0 {
            *first = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        } else {
            self.repeated |= 1 << known as u32;
            self.forget_values();
        }
    }

    /// The first header of that kind, and whether there are more of them.
    pub(super) fn known(&self, known: Known) -> (Option<Field>, bool) {
        let first = self.known.get(known as usize).copied().unwrap_or_default();
        let field = self.all.get(usize::from(first).wrapping_sub(1)).copied();
        (field, self.repeated >> known as u32 & 1 == 1)
    }

    /// Says whether the first headers are these.
    pub(crate) fn begin_with(&self, known: [Known; 2]) -> bool {
        let place = |known: Known| self.known.get(known as usize).copied();
        known.map(place) == [Some(1), Some(2)]
    }

    /// The first headers, if they are these and each is there once.
    pub(crate) fn beginning(&self, known: [Known; 2]) -> Option<[Field; 2]> {
        let are_single = known.iter().all(|known| !self.known(*known).1);
        let first = self.all.first_chunk::<2>().copied();
        first.filter(|_| are_single && self.begin_with(known))
    }
}
