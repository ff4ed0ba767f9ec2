//! What each octet of a header field may be part of, and runs of octets of one kind.

/// Characters of a token (RFC 3261 25.1).
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    has_class(byte, TOKEN)
}

/// Characters of a word (RFC 3261 25.1), of which Call-IDs are made.
#[inline]
pub(crate) fn is_word_byte(byte: u8) -> bool {
    has_class(byte, WORD)
}

/// gen-value is a token, a host or a quoted string; a host may be an IPv6 address, with or without brackets
/// (RFC 5118 4.5 asks to accept both).
#[inline]
pub(crate) fn is_value_byte(byte: u8) -> bool {
    has_class(byte, VALUE)
}

/// What stands for itself in a quoted string.
#[inline]
pub(crate) fn is_quoted_byte(byte: u8) -> bool {
    has_class(byte, QUOTED)
}

const TOKEN: u8 = 1;
const WORD: u8 = 2;
const VALUE: u8 = 4;
const QUOTED: u8 = 8;

/// What each octet may be part of, in one look.
const CLASSES: [u8; 256] = {
    let mut classes = [QUOTED; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        let is_token = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            );
        let is_word = is_token
            || matches!(
                byte,
                b'(' | b')' | b'<' | b'>' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'{' | b'}'
            );
        let is_value = is_token || matches!(byte, b'[' | b']' | b':');
        let is_quoted = !matches!(byte, b'"' | b'\\' | b'\r' | b'\n');
        #[expect(clippy::indexing_slicing, reason = "an octet is less than 256")]
        {
            classes[byte as usize] = ((is_token as u8) * TOKEN)
                | ((is_word as u8) * WORD)
                | ((is_value as u8) * VALUE)
                | ((is_quoted as u8) * QUOTED);
        }
        byte += 1;
    }
    classes
};

#[inline]
fn has_class(byte: u8, class: u8) -> bool {
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|classes| classes & class != 0)
}

/// Where the run of matching octets that starts at `at` ends.
#[inline]
pub(crate) fn run(text: &[u8], at: usize, matches: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let length = length_of_run(rest, matches);
    #[cfg(test)]
    work::add(length.saturating_add(1));
    // A place in the text.
    at.wrapping_add(length)
}

/// Where the white space that may be at `at` ends.
#[inline]
pub(crate) fn skip_blank(text: &[u8], at: usize) -> usize {
    if is_blank(text.get(at)) {
        run(text, at, |byte| is_blank(Some(&byte)))
    } else {
        at
    }
}

#[inline]
fn is_blank(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'\t'))
}

/// Four octets a turn, since counting a turn costs as much as looking at an octet.
#[inline]
fn length_of_run(octets: &[u8], matches: impl Fn(u8) -> bool) -> usize {
    let mut length: usize = 0;
    let (pieces, rest) = octets.as_chunks::<4>();
    for [first, second, third, fourth] in pieces {
        if !matches(*first) {
            return length;
        }
        if !matches(*second) {
            return length.wrapping_add(1);
        }
        if !matches(*third) {
            return length.wrapping_add(2);
        }
        if !matches(*fourth) {
            return length.wrapping_add(3);
        }
        // The length is at most that of the octets.
        length = length.wrapping_add(4);
    }
    for byte in rest {
        if !matches(*byte) {
            return length;
        }
        length = length.wrapping_add(1);
    }
    length
}

/// Counts the octets and lines that are looked at, for the tests that find out what grows faster than the input.
#[cfg(test)]
pub(crate) mod work {
    use core::cell::Cell;

    std::thread_local! {
        static COUNT: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn add(looked_at: usize) {
        COUNT.with(|count| count.set(count.get() + looked_at));
    }

    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> usize {
        let before = COUNT.get();
        let made = work();
        drop(made);
        COUNT.get() - before
    }
}
