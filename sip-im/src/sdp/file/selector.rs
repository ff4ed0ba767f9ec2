//! What tells a file from others: name, length, type, hashes.

use core::fmt;

use ::msrp::header::content::is_token;

use crate::header::cursor::decimal;
use crate::sdp::attribute::{read_hash, write_hash};
use crate::{ByteStr, ContentType};

/// Selectors of a file (RFC 5547 6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSelector {
    /// Its name, without escapes. It is what the other end says: see [`FileSelector::local_name`] before it is used.
    pub name: Option<String>,
    /// Its length in octets.
    pub size: Option<u64>,
    /// Its media type.
    pub media_type: Option<ContentType>,
    /// Hashes of all its octets.
    pub hashes: Vec<FileHash>,
}

/// The hash of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileHash {
    /// The function in lower case: `sha-1`.
    pub algorithm: ByteStr,
    /// What it gives.
    pub octets: Vec<u8>,
}

impl FileHash {
    /// The hash that a function gives for the whole file. What is no token as its name is left out when it is written.
    pub fn new(algorithm: &str, octets: &[u8]) -> Self {
        Self {
            algorithm: ByteStr::from(algorithm.to_ascii_lowercase()),
            octets: octets.to_vec(),
        }
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, write_hash(&self.octets))
    }
}

/// Selectors of one attribute, and hashes among them; more is no description.
const MAX_SELECTORS: usize = 16;

impl FileSelector {
    /// Says nothing?
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.size.is_none() && self.media_type.is_none() && self.hashes.is_empty()
    }

    /// Reads the attribute's value.
    pub fn parse(value: &str) -> Option<Self> {
        let mut selector = Self::default();
        let mut rest = value.trim_matches(' ');
        let mut count = 0usize;
        while !rest.is_empty() {
            count = count.saturating_add(1);
            let (name, after) = rest.split_once(':').filter(|_| count <= MAX_SELECTORS)?;
            let length = selector_length(after)?;
            let (own, after) = after.split_at_checked(length)?;
            let is_new = match name {
                "name" => selector.name.replace(read_name(own)?).is_none(),
                "size" => selector.size.replace(decimal(own).ok()?).is_none(),
                "type" => selector.media_type.replace(read_type(own)?).is_none(),
                "hash" => {
                    let (algorithm, hash) = own.split_once(':')?;
                    let octets = read_hash(hash).filter(|_| is_token(algorithm))?;
                    selector.hashes.push(FileHash::new(algorithm, &octets));
                    true
                }
                // A selector of an extension does not change what the others say.
                other => is_token(other),
            };
            if !is_new {
                return None;
            }
            rest = after.trim_start_matches(' ');
        }
        Some(selector)
    }

    /// Does a file with these properties agree with all that is said here? Hashes are compared by function; one that the
    /// other does not have decides nothing.
    pub fn selects(&self, file: &Self) -> bool {
        fn agrees<T: PartialEq>(asked: Option<&T>, own: Option<&T>) -> bool {
            asked.is_none_or(|asked| own == Some(asked))
        }
        let hash_agrees = |asked: &FileHash| {
            let mut same = file
                .hashes
                .iter()
                .filter(|own| own.algorithm == asked.algorithm)
                .peekable();
            same.peek().is_none() || same.any(|own| own.octets == asked.octets)
        };
        let type_agrees = self.media_type.as_ref().is_none_or(|asked| {
            file.media_type
                .as_ref()
                .is_some_and(|own| own.is(asked.type_(), asked.subtype()))
        });
        agrees(self.name.as_ref(), file.name.as_ref())
            && agrees(self.size.as_ref(), file.size.as_ref())
            && type_agrees
            && self.hashes.iter().all(hash_agrees)
    }

    /// The name as a file may be called here: without characters that are a path, a device or a control character somewhere,
    /// not longer than 255 octets, and neither empty nor made of dots alone.
    //= https://www.rfc-editor.org/rfc/rfc5547#section-6
    //# implementations are responsible for
    //# sanitizing the input received from the remote endpoint before
    //# doing a local operation in the local file system,
    pub fn local_name(&self) -> Option<String> {
        let is_unsafe = |character: char| {
            character.is_control()
                || matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        };
        let clean: String = self
            .name
            .as_deref()?
            .chars()
            .map(|character| if is_unsafe(character) { '_' } else { character })
            .collect();
        let clean = clean.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
        let end = (0..=clean.len().min(255))
            .rev()
            .find(|end| clean.is_char_boundary(*end))?;
        let clean = clean.get(..end)?;
        (!clean.is_empty()).then(|| clean.to_owned())
    }
}

impl fmt::Display for FileSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(name) = self.name.as_deref().filter(|name| !name.is_empty()) {
            f.write_str("name:\"")?;
            write_text(f, name, true)?;
            f.write_str("\"")?;
            separator = " ";
        }
        if let Some(media_type) = &self.media_type {
            write!(
                f,
                "{separator}type:{}/{}",
                media_type.type_(),
                media_type.subtype()
            )?;
            for (name, value) in media_type.parameters().iter() {
                write!(f, ";{name}=\"")?;
                write_text(f, &value, false)?;
                f.write_str("\"")?;
            }
            separator = " ";
        }
        if let Some(size) = self.size {
            write!(f, "{separator}size:{size}")?;
            separator = " ";
        }
        for hash in &self.hashes {
            if is_token(&hash.algorithm) && !hash.octets.is_empty() {
                write!(f, "{separator}hash:{hash}")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

/// How long a selector's value is: up to a space that is not between quotes. `None` where a quote is not closed.
fn selector_length(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'"' => is_quoted = !is_quoted,
            b' ' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    (!is_quoted).then_some(text.len())
}

fn read_name(own: &str) -> Option<String> {
    let quoted = own.strip_prefix('"')?.strip_suffix('"')?;
    read_text(quoted).filter(|name| !name.is_empty())
}

/// `type/subtype;name="value"`, whose values are escaped otherwise than those of Content-Type.
fn read_type(own: &str) -> Option<ContentType> {
    let (range, mut rest) = split_first(own);
    let (type_, subtype) = range.split_once('/')?;
    let mut media_type = ContentType::new(type_, subtype).ok()?;
    while let Some(parameter) = rest {
        let (name, after) = parameter.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(after) => after.split_once('"')?,
            // Without quotes, as in Content-Type: some endpoints write it so.
            None => after
                .find(';')
                .and_then(|end| after.split_at_checked(end))
                .unwrap_or((after, "")),
        };
        if media_type.parameter(name).is_some() {
            return None;
        }
        media_type = media_type.with_parameter(name, &read_text(value)?).ok()?;
        let (nothing, more) = split_first(after);
        if !nothing.is_empty() {
            return None;
        }
        rest = more;
    }
    Some(media_type)
}

/// What comes before the first semicolon, and what after it, if there is one.
fn split_first(text: &str) -> (&str, Option<&str>) {
    text.split_once(';')
        .map_or((text, None), |(first, rest)| (first, Some(rest)))
}

/// Undoes the escapes of a filename-string.
fn read_text(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            octets.push(*first);
            rest = after;
            continue;
        }
        let (pair, after) = after.split_at_checked(2)?;
        let pair = core::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.bytes().all(|octet| octet.is_ascii_hexdigit()))?;
        octets.push(u8::from_str_radix(pair, 16).ok()?);
        rest = after;
    }
    String::from_utf8(octets).ok()
}

/// Writes a filename-string; in a name also the characters that are a path somewhere are escaped.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str, is_name: bool) -> fmt::Result {
    for character in text.chars() {
        let is_path = is_name && matches!(character, '/' | '\\' | ':');
        if is_path || character.is_ascii_control() || matches!(character, '"' | '%') {
            write!(f, "%{:02X}", u32::from(character))?;
        } else {
            write!(f, "{character}")?;
        }
    }
    Ok(())
}
