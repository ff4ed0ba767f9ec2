//! The one pass over a text: tokens of a document that is well-formed, or the place where it is not.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr2, memmem};

use super::chars::{first_forbidden, is_space, resolve_reference};
use super::error::{XmlError, XmlErrorKind};
use super::limits::Limits;
use super::scope::{NamespaceId, Scope};
use super::tag::RawAttribute;
use super::token::{check_comment, check_declaration, check_instruction};

/// Reads tokens. The attributes and declarations of a start tag stay here until the next token is read.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells something of its own about the text or the place in it"
)]
pub(crate) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Where the text begins, after a mark of byte order.
    base: usize,
    pub(super) limits: Limits,
    pub(crate) scope: Scope<'a>,
    open: Vec<Open<'a>>,
    elements: usize,
    seen_root: bool,
    pending_end: bool,
    fragment: bool,
    /// Whether there is a carriage return anywhere, so that line ends need a look.
    has_returns: bool,
    /// Whether `]]>` is anywhere, so that text needs a look.
    has_cdata_end: bool,
    pub(crate) attributes: Vec<RawAttribute<'a>>,
    pub(crate) declarations: Vec<(&'a str, NamespaceId)>,
}

/// An element that has not ended yet.
#[derive(Debug)]
struct Open<'a> {
    name: &'a str,
    /// Bindings in scope outside of it.
    bindings: usize,
}

/// A token; comments, instructions and white space outside the root are checked and left out.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    Start(Head<'a>),
    End { span: Range<usize> },
    Text(Cow<'a, str>),
}

/// The name of a start tag, and where the tag stands.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) local: &'a str,
    pub(crate) namespace: NamespaceId,
    pub(crate) span: Range<usize>,
    pub(crate) empty: bool,
}

/// Checks that a document is well-formed and within the limits.
pub(crate) fn check(input: &[u8], limits: &Limits) -> Result<(), XmlError> {
    let mut parser = Parser::new(input, limits, None)?;
    while parser.next()?.is_some() {}
    Ok(())
}

impl<'a> Parser<'a> {
    /// Begins to read a document, or a fragment of one element in the scope of the given bindings.
    pub(crate) fn new(
        input: &'a [u8],
        limits: &Limits,
        fragment: Option<&[(Box<str>, Arc<str>)]>,
    ) -> Result<Self, XmlError> {
        let mut scope = Scope::new();
        for (prefix, namespace) in fragment.unwrap_or_default() {
            scope
                .bind(Cow::Owned(prefix.to_string()), namespace, limits.namespaces)
                .ok_or(XmlError::new(XmlErrorKind::TooManyNamespaces, 0))?;
        }
        // Places in a tree are kept as 32 bits.
        let most = limits.octets.min(0x7FFF_FFFF);
        if input.len() > most {
            return Err(XmlError::new(XmlErrorKind::TooLarge, most));
        }
        if is_utf16(input) {
            return Err(XmlError::new(XmlErrorKind::UnsupportedEncoding, 0));
        }
        let text = match std::str::from_utf8(input) {
            Ok(text) => text,
            Err(error) => {
                return Err(XmlError::in_octets(
                    XmlErrorKind::NotUtf8,
                    error.valid_up_to(),
                    input,
                ));
            }
        };
        if let Some(at) = first_forbidden(text) {
            return Err(XmlError::new(XmlErrorKind::ForbiddenCharacter, at).within(text));
        }
        let base = if text.starts_with('\u{FEFF}') { 3 } else { 0 };
        Ok(Self {
            text,
            at: base,
            base,
            limits: *limits,
            scope,
            open: Vec::new(),
            elements: 0,
            seen_root: false,
            pending_end: false,
            fragment: fragment.is_some(),
            has_returns: memchr(b'\r', input).is_some(),
            has_cdata_end: memmem::find(input, b"]]>").is_some(),
            attributes: Vec::new(),
            declarations: Vec::new(),
        })
    }

    /// Returns the whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Reads the next token, `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, XmlError> {
        self.advance().map_err(|error| error.within(self.text))
    }

    fn advance(&mut self) -> Result<Option<Token<'a>>, XmlError> {
        if self.pending_end {
            self.pending_end = false;
            self.leave();
            return Ok(Some(Token::End {
                span: self.at..self.at,
            }));
        }
        loop {
            let inside = !self.open.is_empty();
            let mut rest = self.rest();
            if !inside {
                rest = rest.trim_start_matches(is_space);
                self.at = self.text.len().saturating_sub(rest.len());
            }
            match rest.as_bytes() {
                [b'<', b'/', ..] => return self.end_tag().map(Some),
                [b'<', b'!', ..] => {
                    if let Some(text) = self.declared()? {
                        return Ok(Some(Token::Text(text)));
                    }
                }
                [b'<', b'?', ..] => self.instruction()?,
                [b'<', ..] => return self.start_tag().map(Some),
                [] => return self.finish(),
                _ if inside => return self.text_run().map(|text| Some(Token::Text(text))),
                _ => return Err(self.error(XmlErrorKind::TextOutsideRoot)),
            }
        }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn error(&self, kind: XmlErrorKind) -> XmlError {
        XmlError::new(kind, self.at)
    }

    fn finish(&self) -> Result<Option<Token<'a>>, XmlError> {
        if !self.open.is_empty() {
            Err(self.error(XmlErrorKind::MismatchedTag))
        } else if self.seen_root {
            Ok(None)
        } else {
            Err(self.error(XmlErrorKind::NoRoot))
        }
    }

    fn start_tag(&mut self) -> Result<Token<'a>, XmlError> {
        if self.open.is_empty() && self.seen_root {
            return Err(self.error(XmlErrorKind::SecondRoot));
        }
        self.seen_root = true;
        self.elements = self.elements.saturating_add(1);
        if self.open.len() >= self.limits.depth {
            return Err(self.error(XmlErrorKind::TooDeep));
        }
        if self.elements > self.limits.elements {
            return Err(self.error(XmlErrorKind::TooManyElements));
        }
        let bindings = self.scope.len();
        let (name, head) = self.tag()?;
        self.open.push(Open { name, bindings });
        self.pending_end = head.empty;
        self.at = head.span.end;
        Ok(Token::Start(head))
    }

    fn end_tag(&mut self) -> Result<Token<'a>, XmlError> {
        let mismatch = self.error(XmlErrorKind::MismatchedTag);
        let open = self.open.last().ok_or(mismatch)?;
        let after = self.text.get(self.at.saturating_add(2)..).unwrap_or_default();
        let Some(after) = after.strip_prefix(open.name) else {
            let kind = if memchr(b'>', after.as_bytes()).is_some() {
                XmlErrorKind::MismatchedTag
            } else {
                XmlErrorKind::Unterminated
            };
            return Err(self.error(kind));
        };
        let after = match after.as_bytes() {
            [b'>', ..] => after,
            _ => after.trim_start_matches(is_space),
        };
        let start = self.at;
        match after.as_bytes() {
            [b'>', ..] => {
                self.at = self.text.len().saturating_sub(after.len()).saturating_add(1);
                self.leave();
                Ok(Token::End { span: start..self.at })
            }
            [] => Err(self.error(XmlErrorKind::Unterminated)),
            _ => Err(mismatch),
        }
    }

    fn leave(&mut self) {
        if let Some(open) = self.open.pop() {
            self.scope.leave(open.bindings);
        }
    }

    /// Reads character data and references up to the next tag.
    fn text_run(&mut self) -> Result<Cow<'a, str>, XmlError> {
        let rest = self.rest();
        let mut end = memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
        let first = self.character_data(end)?;
        if rest.as_bytes().get(end).is_none_or(|octet| *octet != b'&') {
            return Ok(first);
        }
        let mut text = first.into_owned();
        while self.rest().starts_with('&') {
            let after = self.text.get(self.at.saturating_add(1)..).unwrap_or_default();
            let name = reference_name(after);
            let resolved = after
                .as_bytes()
                .get(name.len())
                .filter(|octet| **octet == b';')
                .and_then(|_| resolve_reference(name));
            text.push(resolved.ok_or(self.error(XmlErrorKind::BadReference))?);
            self.at = self.at.saturating_add(name.len()).saturating_add(2);
            end = memchr2(b'<', b'&', self.rest().as_bytes()).unwrap_or(self.rest().len());
            text.push_str(&self.character_data(end)?);
            self.check_text(text.len())?;
        }
        Ok(Cow::Owned(text))
    }

    /// Takes the next octets as character data.
    fn character_data(&mut self, len: usize) -> Result<Cow<'a, str>, XmlError> {
        let raw = self.rest().get(..len).unwrap_or_default();
        self.check_text(raw.len())?;
        if self.has_cdata_end
            && let Some(inner) = memmem::find(raw.as_bytes(), b"]]>")
        {
            return Err(XmlError::new(
                XmlErrorKind::CdataEnd,
                self.at.saturating_add(inner),
            ));
        }
        self.at = self.at.saturating_add(len);
        Ok(self.line_ends(raw))
    }

    pub(super) fn check_text(&self, len: usize) -> Result<(), XmlError> {
        if len > self.limits.text_octets {
            return Err(self.error(XmlErrorKind::TextTooLong));
        }
        Ok(())
    }

    fn line_ends(&self, raw: &'a str) -> Cow<'a, str> {
        if self.has_returns && raw.contains('\r') {
            Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
        } else {
            Cow::Borrowed(raw)
        }
    }

    /// Reads what begins with `<!`; `Some` for a CDATA section.
    fn declared(&mut self) -> Result<Option<Cow<'a, str>>, XmlError> {
        let rest = self.rest();
        if let Some(after) = rest.strip_prefix("<!--") {
            let end = memmem::find(after.as_bytes(), b"--").ok_or(self.error(XmlErrorKind::Unterminated))?;
            let raw = rest.get(..end.saturating_add(7)).unwrap_or_default();
            check_comment(raw, self.at)?;
            self.at = self.at.saturating_add(raw.len());
            return Ok(None);
        }
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            if self.open.is_empty() {
                return Err(self.error(XmlErrorKind::TextOutsideRoot));
            }
            let end = memmem::find(after.as_bytes(), b"]]>").ok_or(self.error(XmlErrorKind::Unterminated))?;
            self.check_text(end)?;
            self.at = self.at.saturating_add(end).saturating_add(12);
            let text = after.get(..end).unwrap_or_default();
            return Ok(Some(self.line_ends(text)));
        }
        Err(self.error(if rest.starts_with("<!DOCTYPE") {
            XmlErrorKind::DocumentType
        } else {
            XmlErrorKind::UnknownMarkup
        }))
    }

    /// Reads what begins with `<?`.
    fn instruction(&mut self) -> Result<(), XmlError> {
        let rest = self.rest();
        let end = memmem::find(rest.as_bytes(), b"?>").ok_or(self.error(XmlErrorKind::Unterminated))?;
        let raw = rest.get(..end.saturating_add(2)).unwrap_or_default();
        let is_declaration = raw.get(2..).is_some_and(|after| {
            after
                .strip_prefix("xml")
                .is_some_and(|after| after.starts_with(|c| is_space(c) || c == '?'))
        });
        if !is_declaration {
            check_instruction(raw, self.at)?;
        } else if self.at == self.base && !self.fragment {
            check_declaration(raw, self.at, self.text.is_ascii())?;
        } else {
            return Err(self.error(XmlErrorKind::BadDeclaration));
        }
        self.at = self.at.saturating_add(raw.len());
        Ok(())
    }
}

/// The octets after `&` that may be those of a reference.
pub(super) fn reference_name(after: &str) -> &str {
    // The longest is a character reference, whose digits may have zeros before them.
    let end = after
        .bytes()
        .position(|octet| !(octet.is_ascii_alphanumeric() || octet == b'#'))
        .unwrap_or(after.len());
    after.get(..end).unwrap_or_default()
}

/// Tells by its first octets whether a text is in UTF-16 (XML 1.0 appendix F).
fn is_utf16(input: &[u8]) -> bool {
    matches!(
        input,
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b'<', ..] | [b'<', 0, ..]
    )
}
