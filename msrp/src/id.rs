//! Identifiers: of transactions, of messages and of sessions.

use std::fmt;
use std::sync::Arc;

use crate::Entropy;
use crate::error::IdError;

/// The identifier of a transaction, which also marks where its request or response ends (RFC 4975 section 7.1).
///
/// ```
/// use msrp::TransactionId;
///
/// let id = TransactionId::new("a786hjs2")?;
/// assert_eq!(id.as_str(), "a786hjs2");
/// assert!(TransactionId::new("abc").is_err());
/// # Ok::<(), msrp::IdError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TransactionId {
    // Octets after `length` are zero, so that the derived relations are those of the text.
    octets: [u8; Self::MAX],
    length: u8,
}

impl TransactionId {
    /// The longest identifier, in octets.
    pub const MAX: usize = 32;
    /// The shortest identifier, in octets.
    pub const MIN: usize = 4;

    /// What stands where there is none yet.
    pub(crate) const EMPTY: Self = Self {
        octets: [0; Self::MAX],
        length: 0,
    };

    /// Creates an identifier from its text: 4 to 32 letters, digits or `.-+%=`, beginning with a letter or digit.
    ///
    /// # Errors
    ///
    /// Fails when the text is not of that form.
    pub fn new(text: &str) -> Result<Self, IdError> {
        Self::of_octets(text.as_bytes())
    }

    /// Reads the identifier at the beginning of a text, and says how long it is.
    #[inline]
    pub(crate) fn at_start_of(text: &[u8]) -> Option<(Self, usize)> {
        let is_ident = |octet: u8| IDENT.get(usize::from(octet)).copied().unwrap_or_default();
        let head = text.get(..text.len().min(Self::MAX.saturating_add(1)))?;
        let length = head
            .iter()
            .position(|&octet| !is_ident(octet))
            .unwrap_or(head.len());
        if !(Self::MIN..=Self::MAX).contains(&length) || !head.first()?.is_ascii_alphanumeric() {
            return None;
        }
        Some((Self::copy(head.get(..length)?)?, length))
    }

    fn of_octets(text: &[u8]) -> Result<Self, IdError> {
        check_ident(text)?;
        Self::copy(text).ok_or(IdError::TooLong)
    }

    /// Creates an identifier from 80 random bits.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
    //# The transaction identifier MUST NOT collide with that of other
    //# transactions that exist at the same time.  Therefore, it MUST contain
    //# at least 64 bits of randomness.
    pub fn random(entropy: &mut Entropy) -> Self {
        let text = random_text(entropy);
        Self::copy(&text).unwrap_or(Self {
            octets: [0; Self::MAX],
            length: 0,
        })
    }

    /// Creates an identifier from 80 random bits and a number that is not used twice.
    pub(crate) fn mint(random: [u8; RANDOM], number: u64) -> Self {
        let (octets, length) = minted_text(random, number);
        Self { octets, length }
    }

    /// Returns the number that an identifier was minted with, if it may have been and the number was not 0.
    pub(crate) fn minted_number(&self) -> Option<u64> {
        let digits = self.as_bytes().get(16..).filter(|digits| !digits.is_empty())?;
        digits.iter().rev().try_fold(0_u64, |number, digit| {
            let digit = ALPHABET.iter().position(|letter| letter == digit)?;
            number.checked_mul(32)?.checked_add(u64::try_from(digit).ok()?)
        })
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Returns the octets, with zeros behind them: as many are copied faster than those that there are.
    pub(crate) fn padded(&self) -> (&[u8; Self::MAX], usize) {
        (&self.octets, usize::from(self.length))
    }

    fn copy(text: &[u8]) -> Option<Self> {
        let mut octets = [0; Self::MAX];
        octets.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            octets,
            length: u8::try_from(text.len()).ok()?,
        })
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({})", self.as_str())
    }
}

/// The identifier of a message; all its chunks and reports carry it (RFC 4975 section 7.1.1).
///
/// ```
/// use msrp::MessageId;
///
/// assert_eq!(MessageId::new("12339sdqwer")?.to_string(), "12339sdqwer");
/// # Ok::<(), msrp::IdError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(Text);

/// The text of an identifier. One that the grammar allows is kept in place; a text has one form only.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Text {
    // It has the form of an identifier, not its meaning.
    Short(TransactionId),
    Long(Arc<str>),
}

impl MessageId {
    /// The longest identifier that is accepted from a peer, in octets.
    pub const MAX_RECEIVED: usize = 128;

    /// Creates an identifier from its text: 4 to 32 letters, digits or `.-+%=`, beginning with a letter or digit.
    ///
    /// # Errors
    ///
    /// Fails when the text is not of that form.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check_ident(text.as_bytes())?;
        Ok(Self(Text::of(text)))
    }

    /// Reads an identifier as peers write it: any visible ASCII up to [`MessageId::MAX_RECEIVED`] octets, since some
    /// make them of UUIDs in braces or of mail addresses.
    ///
    /// # Errors
    ///
    /// Fails when the text is empty, too long, or contains other octets.
    pub fn received(text: &str) -> Result<Self, IdError> {
        Self::check_received(text)?;
        Ok(Self(Text::of(text)))
    }

    /// Says what is wrong with an identifier of a peer, if anything is.
    pub(crate) fn check_received(text: &str) -> Result<(), IdError> {
        if text.is_empty() {
            return Err(IdError::TooShort);
        }
        if text.len() > Self::MAX_RECEIVED {
            return Err(IdError::TooLong);
        }
        match text.bytes().position(|octet| !octet.is_ascii_graphic()) {
            Some(offset) => Err(IdError::Unexpected { offset }),
            None => Ok(()),
        }
    }

    /// Makes an identifier with 80 random bits.
    pub fn random(entropy: &mut Entropy) -> Self {
        Self(Text::Short(TransactionId::random(entropy)))
    }

    /// Creates an identifier from 80 random bits and a number that is not used twice.
    pub(crate) fn mint(random: [u8; RANDOM], number: u64) -> Self {
        Self(Text::Short(TransactionId::mint(random, number)))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Short(text) => text.as_str(),
            Text::Long(text) => text,
        }
    }

    /// Returns the octets.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short(text) => text.as_bytes(),
            Text::Long(text) => text.as_bytes(),
        }
    }
}

impl Text {
    fn of(text: &str) -> Self {
        match TransactionId::copy(text.as_bytes()) {
            Some(short) => Self::Short(short),
            None => Self::Long(text.into()),
        }
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.as_str())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identifier of a session in its URI; case-sensitive, and all that keeps strangers out of the session
/// (RFC 4975 sections 6 and 14.1).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Creates an identifier from its text: letters, digits or `-._~+=/`, at least one.
    ///
    /// # Errors
    ///
    /// Fails when the text is not of that form.
    pub fn new(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::TooShort);
        }
        match text.bytes().position(|octet| !is_session_id_octet(octet)) {
            Some(offset) => Err(IdError::Unexpected { offset }),
            None => Ok(Self(text.into())),
        }
    }

    /// Creates an identifier from 80 random bits.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-14.1
    //# Therefore, when an MSRP device generates an MSRP URI to be used in
    //# the initiation of an MSRP session, the session-id component MUST
    //# contain at least 80 bits of randomness.
    pub fn random(entropy: &mut Entropy) -> Self {
        Self(
            std::str::from_utf8(&random_text(entropy))
                .unwrap_or_default()
                .into(),
        )
    }

    /// Creates an identifier from 80 random bits and a number that is not used twice.
    pub(crate) fn mint(random: [u8; RANDOM], number: u64) -> Self {
        Self(TransactionId::mint(random, number).as_str().into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) const fn is_ident_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'+' | b'%' | b'=')
}

/// Which octets an identifier may have.
static IDENT: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut octet = 0_u8;
    while let Some((is_ident, others)) = rest.split_first_mut() {
        *is_ident = is_ident_octet(octet);
        rest = others;
        octet = octet.wrapping_add(1);
    }
    table
};

pub(crate) const fn is_session_id_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'+' | b'=' | b'/')
}

fn check_ident(text: &[u8]) -> Result<(), IdError> {
    if text.len() < TransactionId::MIN {
        return Err(IdError::TooShort);
    }
    if text.len() > TransactionId::MAX {
        return Err(IdError::TooLong);
    }
    if !text.first().is_some_and(u8::is_ascii_alphanumeric) {
        return Err(IdError::Unexpected { offset: 0 });
    }
    match text.iter().position(|&octet| !is_ident_octet(octet)) {
        Some(offset) => Err(IdError::Unexpected { offset }),
        None => Ok(()),
    }
}

/// Five random bits a character.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// How many octets of randomness an identifier is made of.
pub(crate) const RANDOM: usize = 10;

fn random_text(entropy: &mut Entropy) -> [u8; 16] {
    let mut octets = [0; RANDOM];
    entropy(&mut octets);
    letters(octets)
}

/// Five bits make a letter, from the lowest on.
fn letters(random: [u8; RANDOM]) -> [u8; 16] {
    let (first, second) = random.split_at(RANDOM / 2);
    let mut text = [b'a'; 16];
    for (half, places) in [first, second].into_iter().zip(text.chunks_exact_mut(8)) {
        let mut bits = [0; 8];
        if let Some(place) = bits.get_mut(..half.len()) {
            place.copy_from_slice(half);
        }
        for (place, bits) in places.iter_mut().zip(spread(u64::from_le_bytes(bits))) {
            *place = letter(bits);
        }
    }
    text
}

/// Gives each five of forty bits an octet of their own, in three steps instead of one for each.
fn spread(bits: u64) -> [u8; 8] {
    let bits = (bits & 0xf_ffff) | ((bits & 0xff_fff0_0000) << 12);
    let bits = (bits & 0x0000_03ff_0000_03ff) | ((bits & 0x000f_fc00_000f_fc00) << 6);
    let bits = (bits & 0x001f_001f_001f_001f) | ((bits & 0x03e0_03e0_03e0_03e0) << 3);
    bits.to_le_bytes()
}

/// 16 letters that cannot be guessed, and up to 13 that make a number.
fn minted_text(random: [u8; RANDOM], number: u64) -> ([u8; TransactionId::MAX], u8) {
    let mut octets = [0; TransactionId::MAX];
    let mut length = 16_u8;
    if let Some((first, places)) = octets.split_first_chunk_mut() {
        *first = letters(random);
        let mut rest = number;
        for place in places {
            if rest == 0 {
                break;
            }
            *place = letter(u8::try_from(rest & 31).unwrap_or(0));
            length = length.saturating_add(1);
            rest >>= 5;
        }
    }
    (octets, length)
}

fn letter(octet: u8) -> u8 {
    ALPHABET.get(usize::from(octet & 31)).copied().unwrap_or(b'a')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> Entropy {
        let mut next = 0_u8;
        Box::new(move |octets| {
            for octet in octets {
                *octet = next;
                next = next.wrapping_add(1);
            }
        })
    }

    #[test]
    fn identifiers_have_the_form_of_the_grammar() {
        for good in ["abcd", "d93kswow", "1.-+%=", "abcdefghijklmnopqrstuvwxyz012345"] {
            assert_eq!(TransactionId::new(good).unwrap().as_str(), good);
            assert_eq!(MessageId::new(good).unwrap().as_str(), good);
        }
        assert_eq!(TransactionId::new("abc"), Err(IdError::TooShort));
        assert_eq!(
            TransactionId::new("abcdefghijklmnopqrstuvwxyz0123456"),
            Err(IdError::TooLong)
        );
        assert_eq!(TransactionId::new("-abc"), Err(IdError::Unexpected { offset: 0 }));
        assert_eq!(TransactionId::new("ab@d"), Err(IdError::Unexpected { offset: 2 }));
    }

    #[test]
    fn message_ids_of_peers_may_be_of_other_forms() {
        assert!(MessageId::new("{1-2}@host").is_err());
        assert_eq!(MessageId::received("{1-2}@host").unwrap().as_str(), "{1-2}@host");
        assert_eq!(MessageId::received(""), Err(IdError::TooShort));
        assert_eq!(MessageId::received("a b"), Err(IdError::Unexpected { offset: 1 }));
        assert_eq!(MessageId::received(&"a".repeat(129)), Err(IdError::TooLong));
    }

    #[test]
    fn random_identifiers_are_valid_and_differ() {
        let mut entropy = counting();
        let first = TransactionId::random(&mut entropy);
        let second = TransactionId::random(&mut entropy);
        assert!(TransactionId::new(first.as_str()).is_ok());
        assert_ne!(first.as_str(), second.as_str());
        assert!(SessionId::new(SessionId::random(&mut entropy).as_str()).is_ok());
    }

    #[test]
    fn each_bit_has_its_place() {
        assert_eq!(letters([0; RANDOM]), [b'a'; 16]);
        for bit in 0..RANDOM * 8 {
            let mut random = [0; RANDOM];
            random[bit / 8] = 1 << (bit % 8);
            let mut text = [b'a'; 16];
            text[bit / 5] = ALPHABET[1 << (bit % 5)];
            assert_eq!(letters(random), text);
        }
    }

    #[test]
    fn minted_identifiers_differ_even_without_randomness() {
        let ids: Vec<_> = [0, 1, 31, 32, u64::MAX]
            .map(|number| TransactionId::mint([7; RANDOM], number))
            .into();
        for (at, id) in ids.iter().enumerate() {
            assert!(TransactionId::new(id.as_str()).is_ok());
            assert!(!ids[..at].contains(id));
        }
        let numbers = ids.iter().map(TransactionId::minted_number);
        assert_eq!(
            numbers.collect::<Vec<_>>(),
            [None, Some(1), Some(31), Some(32), Some(u64::MAX)]
        );
        for foreign in ["abcd", "aaaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaa9999999999999999"] {
            assert_eq!(TransactionId::new(foreign).unwrap().minted_number(), None);
        }
    }
}
