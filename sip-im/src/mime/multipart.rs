//! Several parts in one body (RFC 2046 5.1).

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use super::{Limits, MultipartError, MultipartErrorKind, Part};
use crate::codec::scan_fields;
use crate::error::{HeaderErrorKind, ParseErrorKind};
use crate::header::{HeaderName, Headers};
use crate::{ContentType, Entropy, Uri};

/// A multipart body.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::ContentType;
/// use sip_im::mime::{ContentDisposition, Limits, Multipart, Part};
/// let entropy: sip_im::Entropy = Box::new(|out| out.fill(7));
/// let mut entropy = entropy;
/// let list = Part::new(ContentType::parse("application/resource-lists+xml")?)
///     .with_disposition(ContentDisposition::parse("recipient-list")?)
///     .with_body(Bytes::from_static(b"<resource-lists/>"));
/// let text = Part::new(ContentType::text_plain()).with_body(Bytes::from_static(b"Hi"));
/// let (content_type, body) = Multipart::builder().part(text).part(list).build(&mut entropy)?;
/// let read = Multipart::parse(&content_type, &body, &Limits::default())?;
/// assert_eq!(read.parts().len(), 2);
/// assert!(read.parts()[1].is_disposed("recipient-list"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Multipart {
    content_type: ContentType,
    parts: Vec<Part>,
}

/// How the parts of a multipart body belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MultipartKind {
    /// Each is for itself; so is every kind that is not known (RFC 2046 5.1.3, 5.1.7).
    Mixed,
    /// Each says the same, the best one last (RFC 2046 5.1.4).
    Alternative,
    /// One of them, the root, is the whole, and points at the others (RFC 2387).
    Related,
}

impl Multipart {
    /// Cuts a body into its parts; their octets are slices of it.
    ///
    /// # Errors
    ///
    /// Fails when the type has no boundary, when the closing delimiter is missing, or when a part's header fields are
    /// malformed.
    pub fn parse(content_type: &ContentType, body: &Bytes, limits: &Limits) -> Result<Self, MultipartError> {
        if !content_type.type_().eq_ignore_ascii_case("multipart") {
            return Err(MultipartError::new(MultipartErrorKind::NotMultipart, 0));
        }
        let boundary = content_type.parameter("boundary");
        let boundary = boundary.filter(|text| is_boundary(text));
        let boundary = boundary.ok_or(MultipartError::new(MultipartErrorKind::Boundary, 0))?;
        let delimiter = format!("\r\n--{boundary}");
        let finder = memmem::Finder::new(delimiter.as_bytes());
        let mut delimiters = Delimiters { body, finder, at: 0 };
        // The preamble, before the first delimiter, is for nobody.
        let Some(mut open) = delimiters.next() else {
            return Err(MultipartError::new(MultipartErrorKind::NoPart, 0));
        };
        let mut parts = Vec::new();
        while !open.is_last {
            let next = delimiters.next();
            let next = next.ok_or(MultipartError::new(MultipartErrorKind::Unterminated, body.len()))?;
            if parts.len() >= limits.parts {
                return Err(MultipartError::new(MultipartErrorKind::LimitExceeded, open.end));
            }
            let content = body.slice(open.end..next.start.max(open.end));
            parts.push(read_part(&content, open.end, limits)?);
            open = next;
        }
        if parts.is_empty() {
            return Err(MultipartError::new(MultipartErrorKind::NoPart, open.start));
        }
        Ok(Self {
            content_type: content_type.clone(),
            parts,
        })
    }

    /// How the parts belong together.
    pub fn kind(&self) -> MultipartKind {
        let subtype = self.content_type.subtype();
        if subtype.eq_ignore_ascii_case("alternative") {
            MultipartKind::Alternative
        } else if subtype.eq_ignore_ascii_case("related") {
            MultipartKind::Related
        } else {
            MultipartKind::Mixed
        }
    }

    /// The part that the others belong to: of `multipart/related` the one that `start` names, else the first.
    ///
    /// # Errors
    ///
    /// Fails with [`MultipartErrorKind::Root`] when `start` names no part, or when `type` is that of another one.
    //= https://www.rfc-editor.org/rfc/rfc2387#section-3.2
    //# The start parameter, if given, is the content-ID of the compound
    //# object's "root".  If not present the "root" is the first body part in
    //# the Multipart/Related entity.
    pub fn root(&self) -> Result<&Part, MultipartError> {
        let missing = MultipartError::new(MultipartErrorKind::Root, 0);
        let is_related = self.kind() == MultipartKind::Related;
        let root = match self.content_type.parameter("start").filter(|_| is_related) {
            Some(start) => {
                let start = start.trim();
                let id = start.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
                let id = id.unwrap_or(start);
                self.parts
                    .iter()
                    .find(|part| part.content_id().is_some_and(|own| own == id))
            }
            None => self.parts.first(),
        };
        let root = root.ok_or(missing)?;
        //= https://www.rfc-editor.org/rfc/rfc2387#section-3.1
        //# If the value of the type parameter and the root body part's
        //# content-type differ then the User Agent's behavior is undefined.
        match self.content_type.parameter("type").filter(|_| is_related) {
            Some(stated) if !root.content_type().matches(&stated) => Err(missing),
            _ => Ok(root),
        }
    }

    /// Of the parts that say the same, the best one that the caller takes; of other kinds of body none.
    //= https://www.rfc-editor.org/rfc/rfc2046#section-5.1.4
    //# In general, user agents that compose
    //# "multipart/alternative" entities must place the body parts in
    //# increasing order of preference, that is, with the preferred format
    //# last.
    pub fn best(&self, takes: impl FnMut(&&Part) -> bool) -> Option<&Part> {
        let is_alternative = self.kind() == MultipartKind::Alternative;
        self.parts.iter().rev().filter(|_| is_alternative).find(takes)
    }

    /// The part that a `cid` URI points at.
    pub fn named(&self, uri: &Uri) -> Option<&Part> {
        self.parts.iter().find(|part| part.is_named(uri))
    }

    /// The parts, in order; there is at least one.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts by value.
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// Starts a `multipart/mixed` body.
    pub fn builder() -> MultipartBuilder {
        MultipartBuilder {
            kind: MultipartKind::Mixed,
            parts: Vec::new(),
        }
    }
}

/// The parts of a message's body, whether it is multipart or not: a body that is not is one part, no body is none. Parts that
/// are multipart themselves are not cut.
///
/// # Errors
///
/// Fails when a header field that describes the body is malformed, or as [`Multipart::parse`].
pub fn body_parts(headers: &Headers, body: &Bytes, limits: &Limits) -> Result<Vec<Part>, MultipartError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let whole = whole(headers, body)?;
    if whole.is_multipart() {
        return Multipart::parse(whole.content_type(), body, limits).map(Multipart::into_parts);
    }
    Ok(vec![whole])
}

/// A message's body as one part, whatever its type.
pub(super) fn whole(headers: &Headers, body: &Bytes) -> Result<Part, MultipartError> {
    let mut own = Headers::new();
    for name in [
        HeaderName::CONTENT_TYPE,
        HeaderName::CONTENT_DISPOSITION,
        HeaderName::CONTENT_ID,
        HeaderName::CONTENT_ENCODING,
        HeaderName::CONTENT_LANGUAGE,
        HeaderName::CONTENT_TRANSFER_ENCODING,
    ] {
        own.copy_from(headers, &name);
    }
    Part::read(own, body.clone()).map_err(|error| header_error(&error.kind, 0))
}

/// Builds a multipart body; see [`Multipart::builder`].
#[derive(Clone, Debug)]
pub struct MultipartBuilder {
    kind: MultipartKind,
    parts: Vec<Part>,
}

impl MultipartBuilder {
    /// Adds a part.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Makes it `multipart/alternative`; the best part comes last.
    #[must_use]
    pub fn alternative(mut self) -> Self {
        self.kind = MultipartKind::Alternative;
        self
    }

    /// Makes it `multipart/related`; the first part is the root.
    #[must_use]
    pub fn related(mut self) -> Self {
        self.kind = MultipartKind::Related;
        self
    }

    /// Writes the body, with a random boundary that occurs in no part.
    ///
    /// # Errors
    ///
    /// Fails with [`MultipartErrorKind::NoPart`] when no part was added.
    pub fn build(self, entropy: &mut Entropy) -> Result<(ContentType, Bytes), MultipartError> {
        if self.parts.is_empty() {
            return Err(MultipartError::new(MultipartErrorKind::NoPart, 0));
        }
        let mut contents = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let mut out = BytesMut::new();
            part.write(&mut out);
            contents.push(out.freeze());
        }
        let boundary = fresh_boundary(&contents, entropy);
        let mut out = BytesMut::new();
        for content in &contents {
            out.put_slice(format!("--{boundary}\r\n").as_bytes());
            out.put_slice(content);
            out.put_slice(b"\r\n");
        }
        out.put_slice(format!("--{boundary}--\r\n").as_bytes());
        let subtype = match self.kind {
            MultipartKind::Mixed => "mixed",
            MultipartKind::Alternative => "alternative",
            MultipartKind::Related => "related",
        };
        let root = self.parts.first().filter(|_| self.kind == MultipartKind::Related);
        let content_type = ContentType::new("multipart", subtype)
            .and_then(|content_type| content_type.with_parameter("boundary", &boundary))
            .and_then(|content_type| match root.map(Part::content_type) {
                Some(root) => {
                    let root = format!("{}/{}", root.type_(), root.subtype());
                    content_type.with_parameter("type", &root)
                }
                None => Ok(content_type),
            })
            .map_err(|_| MultipartError::new(MultipartErrorKind::Boundary, 0))?;
        Ok((content_type, out.freeze()))
    }
}

/// The entropy decides; a counter ends the search if it gives the same again and again.
fn fresh_boundary(contents: &[Bytes], entropy: &mut Entropy) -> String {
    let mut count: u64 = 0;
    loop {
        let mut random = [0_u8; 16];
        entropy(&mut random);
        let mut boundary = format!("{:032x}", u128::from_be_bytes(random));
        if count > 0 {
            boundary = format!("{boundary}-{count}");
        }
        if !contents
            .iter()
            .any(|content| memmem::find(content, boundary.as_bytes()).is_some())
        {
            return boundary;
        }
        count = count.saturating_add(1);
    }
}

//= https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
//# boundary := 0*69<bchars> bcharsnospace
fn is_boundary(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    !text.is_empty() && text.len() <= 70 && text.bytes().all(is_allowed) && !text.ends_with(' ')
}

/// Finds delimiter lines. Each call goes on after the one before, so the body is read once.
struct Delimiters<'a> {
    body: &'a Bytes,
    finder: memmem::Finder<'a>,
    at: usize,
}

#[derive(Clone, Copy)]
struct Delimiter {
    /// Where its CRLF starts; the CRLF belongs to the delimiter and not to the part before.
    start: usize,
    /// After its line.
    end: usize,
    is_last: bool,
}

impl Delimiters<'_> {
    fn next(&mut self) -> Option<Delimiter> {
        let needle_len = self.finder.needle().len();
        if self.at == 0 {
            // The first one may be at the very start, without a CRLF before it.
            let dashes = self.finder.needle().get(2..).unwrap_or_default();
            let len = dashes.len();
            if self.body.starts_with(dashes)
                && let Some(found) = self.line(0, len)
            {
                return Some(found);
            }
        }
        loop {
            let rest = self.body.get(self.at..)?;
            let start = self.at.checked_add(self.finder.find(rest)?)?;
            let end = start.checked_add(needle_len)?;
            // Two delimiters may share a CRLF when the part between them has no octet at all.
            self.at = end;
            if let Some(found) = self.line(start, end) {
                return Some(found);
            }
        }
    }

    /// Reads the rest of a delimiter line: `--` at the last one, white space, CRLF or the end of the body. A line that goes on
    /// otherwise is content.
    fn line(&mut self, start: usize, end: usize) -> Option<Delimiter> {
        let rest = self.body.get(end..)?;
        let (is_last, rest) = match rest.strip_prefix(b"--") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let after = rest.get(blank..)?;
        let end = self.body.len().checked_sub(after.len())?;
        if after.starts_with(b"\r\n") {
            self.at = end;
            return Some(Delimiter {
                start,
                end: end.saturating_add(2),
                is_last,
            });
        }
        (is_last && after.is_empty()).then_some(Delimiter { start, end, is_last })
    }
}

pub(super) fn read_part(content: &Bytes, offset: usize, limits: &Limits) -> Result<Part, MultipartError> {
    let (head, body) = if content.starts_with(b"\r\n") {
        (Bytes::new(), content.slice(2..))
    } else if let Some(end) = memmem::find(content, b"\r\n\r\n") {
        (
            content.slice(..end.saturating_add(2)),
            content.slice(end.saturating_add(4)..),
        )
    } else if content.is_empty() {
        (Bytes::new(), Bytes::new())
    } else {
        // Header fields and no body: the CRLF of the last line belongs to the delimiter.
        let mut head = BytesMut::from(content.as_ref());
        head.put_slice(b"\r\n");
        (head.freeze(), Bytes::new())
    };
    if head.len() > limits.head_octets {
        return Err(MultipartError::new(MultipartErrorKind::LimitExceeded, offset));
    }
    let lines = scan_fields(&head, limits.header_lines).map_err(|error| {
        MultipartError::new(
            match error.kind {
                crate::codec::MessageErrorKind::Syntax(kind) => MultipartErrorKind::Header(kind),
                _ => MultipartErrorKind::LimitExceeded,
            },
            offset.saturating_add(error.offset),
        )
    })?;
    Part::read(Headers::received(head, lines), body).map_err(|error| header_error(&error.kind, offset))
}

fn header_error(kind: &HeaderErrorKind, offset: usize) -> MultipartError {
    let kind = match kind {
        HeaderErrorKind::Malformed(fault) => fault.kind,
        HeaderErrorKind::Missing => ParseErrorKind::UnexpectedEnd,
        HeaderErrorKind::Repeated => ParseErrorKind::TrailingText,
    };
    MultipartError::new(MultipartErrorKind::Header(kind), offset)
}
