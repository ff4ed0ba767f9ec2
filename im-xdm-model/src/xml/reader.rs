//! Pull events of a well-formed document with resolved names.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use quick_xml::errors::{Error as TokenError, IllFormedError};
use quick_xml::events::Event as Token;

use super::chars::{attribute_value, is_char, is_ncname, is_space, resolve_reference, split_qname};
use super::error::{XmlError, XmlErrorKind};
use super::limits::Limits;
use super::name::Name;
use super::scope::Scope;
use super::token::{check_comment, check_declaration, check_instruction};

/// One step through a document. Comments and processing instructions are checked and left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A start tag. An empty-element tag is a start followed by an end.
    Start(StartTag),
    /// The end of the element that was opened last and not yet ended.
    End {
        /// Octets of the end tag; empty, at the end of the start tag, for an empty-element tag.
        span: Range<usize>,
    },
    /// Character data with references resolved and line ends normalised; a text may come in several pieces.
    Text(Cow<'a, str>),
}

/// A namespace declaration: the prefix, empty for the default, and the namespace, empty to switch it off.
pub type Declaration = (Box<str>, Box<str>);

/// A start tag with its names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartTag {
    /// The expanded name.
    pub name: Name,
    /// The prefix as written.
    pub prefix: Option<Box<str>>,
    /// The attributes in order, namespace declarations left out.
    pub attributes: Vec<TagAttribute>,
    /// The namespace declarations in order.
    pub declarations: Vec<Declaration>,
    /// Octets of the tag in the input.
    pub span: Range<usize>,
    /// Tells whether this is an empty-element tag.
    pub empty: bool,
}

/// An attribute with its name resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagAttribute {
    /// The expanded name.
    pub name: Name,
    /// The prefix as written.
    pub prefix: Option<Box<str>>,
    /// The normalised value.
    pub value: String,
    /// Octets from the white space before the attribute to its closing quote.
    pub span: Range<usize>,
    /// Octets of the value with its quotes.
    pub value_span: Range<usize>,
}

/// Reads a document, or a fragment of one element, as events.
///
/// This is the codec layer of the crate: events borrow from the input. Documents are read with
/// [`Element::parse`](super::Element::parse) or the type of the document.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::{Event, Limits, Reader};
///
/// let mut reader = Reader::new(b"<a xmlns='urn:x'>text</a>", &Limits::default())?;
/// let Some(Event::Start(tag)) = reader.next_event()? else { panic!("no start tag") };
/// assert!(tag.name.is("urn:x", "a"));
/// # Ok::<(), im_xdm_model::xml::XmlError>(())
/// ```
pub struct Reader<'a> {
    input: &'a str,
    tokens: quick_xml::Reader<&'a [u8]>,
    /// Octets before the part that the tokenizer sees.
    base: usize,
    limits: Limits,
    scope: Scope,
    depth: usize,
    elements: usize,
    stage: Stage,
    pending_end: Option<usize>,
    fragment: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Prolog,
    Root,
    Epilog,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("depth", &self.depth)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Begins to read a document.
    ///
    /// # Errors
    ///
    /// Fails when the input is too large, is not UTF-8 or holds a forbidden character.
    pub fn new(input: &'a [u8], limits: &Limits) -> Result<Self, XmlError> {
        Self::start(input, limits, Scope::new(), false)
    }

    /// Begins to read a fragment of exactly one element, with prefixes bound by what surrounds it.
    pub(crate) fn fragment(
        input: &'a [u8],
        limits: &Limits,
        bindings: &[(Box<str>, Arc<str>)],
    ) -> Result<Self, XmlError> {
        let mut scope = Scope::new();
        for (prefix, namespace) in bindings {
            scope
                .bind(0, prefix, namespace, limits.namespaces)
                .map_err(|()| XmlError::new(XmlErrorKind::TooManyNamespaces, 0))?;
        }
        Self::start(input, limits, scope, true)
    }

    fn start(input: &'a [u8], limits: &Limits, scope: Scope, fragment: bool) -> Result<Self, XmlError> {
        if input.len() > limits.octets {
            return Err(XmlError::new(XmlErrorKind::TooLarge, limits.octets));
        }
        let text =
            std::str::from_utf8(input).map_err(|e| XmlError::new(XmlErrorKind::NotUtf8, e.valid_up_to()))?;
        let rest = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let base = text.len().saturating_sub(rest.len());
        // The tokenizer would skip a second mark in silence, and shift all places after it.
        if rest.starts_with('\u{FEFF}') {
            return Err(XmlError::new(XmlErrorKind::TextOutsideRoot, base));
        }
        if let Some((at, _)) = text.char_indices().find(|(_, c)| !is_char(*c)) {
            return Err(XmlError::new(XmlErrorKind::ForbiddenCharacter, at));
        }
        let mut tokens = quick_xml::Reader::from_str(rest);
        let config = tokens.config_mut();
        config.check_comments = true;
        config.check_end_names = true;
        config.allow_dangling_amp = false;
        config.allow_unmatched_ends = false;
        Ok(Self {
            input: text,
            tokens,
            base,
            limits: *limits,
            scope,
            depth: 0,
            elements: 0,
            stage: Stage::Start,
            pending_end: None,
            fragment,
        })
    }

    /// Returns the next event, `None` at the end of the document.
    ///
    /// # Errors
    ///
    /// Fails where the document stops being well-formed or exceeds a limit; the reader is not to be used after that.
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>, XmlError> {
        if let Some(at) = self.pending_end.take() {
            self.leave();
            return Ok(Some(Event::End { span: at..at }));
        }
        loop {
            let start = self.position();
            let token = self
                .tokens
                .read_event()
                .map_err(|e| XmlError::new(kind_of(&e), start))?;
            let span = start..self.position();
            let raw = self.input.get(span.clone()).unwrap_or_default();
            let first = self.stage == Stage::Start;
            if first {
                self.stage = Stage::Prolog;
            }
            match token {
                Token::Start(_) => return self.open(raw, span, false).map(Some),
                Token::Empty(_) => return self.open(raw, span, true).map(Some),
                Token::End(_) => {
                    self.leave();
                    return Ok(Some(Event::End { span }));
                }
                Token::Text(_) => {
                    if let Some(text) = self.text(raw, start)? {
                        return Ok(Some(Event::Text(text)));
                    }
                }
                Token::GeneralRef(_) => return self.reference(raw, start).map(Some),
                Token::CData(_) => return self.cdata(raw, start).map(Some),
                Token::Comment(_) => check_comment(raw, start)?,
                Token::PI(_) => check_instruction(raw, start)?,
                Token::Decl(_) if first && !self.fragment && start == self.base => {
                    check_declaration(raw, start)?;
                }
                Token::Decl(_) => return Err(XmlError::new(XmlErrorKind::BadDeclaration, start)),
                Token::DocType(_) => return Err(XmlError::new(XmlErrorKind::DocumentType, start)),
                Token::Eof => return self.finish(start),
            }
        }
    }

    fn finish(&self, at: usize) -> Result<Option<Event<'a>>, XmlError> {
        match self.stage {
            Stage::Epilog => Ok(None),
            Stage::Root => Err(XmlError::new(XmlErrorKind::MismatchedTag, at)),
            Stage::Start | Stage::Prolog => Err(XmlError::new(XmlErrorKind::NoRoot, at)),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.tokens.buffer_position())
            .unwrap_or(usize::MAX)
            .saturating_add(self.base)
    }

    fn leave(&mut self) {
        self.scope.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.stage = Stage::Epilog;
        }
    }

    fn text(&self, raw: &'a str, at: usize) -> Result<Option<Cow<'a, str>>, XmlError> {
        if self.stage != Stage::Root {
            return if raw.chars().all(is_space) {
                Ok(None)
            } else {
                Err(XmlError::new(XmlErrorKind::TextOutsideRoot, at))
            };
        }
        match raw.find("]]>") {
            Some(inner) => Err(XmlError::new(XmlErrorKind::CdataEnd, at.saturating_add(inner))),
            None => Ok(Some(normalise_line_ends(raw))),
        }
    }

    fn reference(&self, raw: &'a str, at: usize) -> Result<Event<'a>, XmlError> {
        if self.stage != Stage::Root {
            return Err(XmlError::new(XmlErrorKind::TextOutsideRoot, at));
        }
        raw.strip_prefix('&')
            .and_then(|r| r.strip_suffix(';'))
            .and_then(resolve_reference)
            .map(|c| Event::Text(Cow::Owned(c.to_string())))
            .ok_or(XmlError::new(XmlErrorKind::BadReference, at))
    }

    fn cdata(&self, raw: &'a str, at: usize) -> Result<Event<'a>, XmlError> {
        if self.stage != Stage::Root {
            return Err(XmlError::new(XmlErrorKind::TextOutsideRoot, at));
        }
        raw.strip_prefix("<![CDATA[")
            .and_then(|r| r.strip_suffix("]]>"))
            .map(|text| Event::Text(normalise_line_ends(text)))
            .ok_or(XmlError::new(XmlErrorKind::Unterminated, at))
    }

    fn open(&mut self, raw: &'a str, span: Range<usize>, empty: bool) -> Result<Event<'a>, XmlError> {
        match self.stage {
            Stage::Epilog => return Err(XmlError::new(XmlErrorKind::SecondRoot, span.start)),
            _ => self.stage = Stage::Root,
        }
        self.depth = self.depth.saturating_add(1);
        self.elements = self.elements.saturating_add(1);
        if self.depth > self.limits.depth {
            return Err(XmlError::new(XmlErrorKind::TooDeep, span.start));
        }
        if self.elements > self.limits.elements {
            return Err(XmlError::new(XmlErrorKind::TooManyElements, span.start));
        }
        let inner = raw
            .strip_prefix('<')
            .and_then(|r| r.strip_suffix('>'))
            .and_then(|r| if empty { r.strip_suffix('/') } else { Some(r) })
            .ok_or(XmlError::new(XmlErrorKind::Unterminated, span.start))?;
        let end_of_name = inner.find(is_space).unwrap_or(inner.len());
        let (qname, rest) = inner.split_at_checked(end_of_name).unwrap_or((inner, ""));
        let (prefix, local) = self.qname(qname, span.start)?;
        let raw_attributes =
            self.attributes(rest, span.start.saturating_add(1).saturating_add(end_of_name))?;
        let declarations = self.declare(&raw_attributes)?;
        let namespace = self
            .scope
            .resolve(prefix)
            .map_err(|()| XmlError::new(XmlErrorKind::UnboundPrefix, span.start))?;
        let tag = StartTag {
            name: Name::resolved(namespace, local),
            prefix: prefix.map(Box::from),
            attributes: self.resolve(raw_attributes)?,
            declarations,
            empty,
            span,
        };
        if empty {
            self.pending_end = Some(tag.span.end);
        }
        Ok(Event::Start(tag))
    }

    fn qname<'n>(&self, name: &'n str, at: usize) -> Result<(Option<&'n str>, &'n str), XmlError> {
        if name.len() > self.limits.name_octets {
            return Err(XmlError::new(XmlErrorKind::BadName, at));
        }
        match split_qname(name) {
            Some((Some("xmlns"), _)) | None => Err(XmlError::new(XmlErrorKind::BadName, at)),
            Some(parts) => Ok(parts),
        }
    }

    /// Splits the rest of a tag into attributes; what is neither white space nor an attribute is refused.
    fn attributes(&self, text: &'a str, base: usize) -> Result<Vec<RawAttribute<'a>>, XmlError> {
        let mut found = Vec::new();
        let mut rest = text;
        loop {
            let at = base.saturating_add(text.len().saturating_sub(rest.len()));
            let trimmed = rest.trim_start_matches(is_space);
            if trimmed.is_empty() {
                return Ok(found);
            }
            let name_at = base.saturating_add(text.len().saturating_sub(trimmed.len()));
            let malformed = XmlError::new(XmlErrorKind::BadAttribute, name_at);
            if trimmed.len() == rest.len() {
                return Err(malformed);
            }
            if found.len() >= self.limits.attributes.saturating_add(self.limits.namespaces) {
                return Err(XmlError::new(XmlErrorKind::TooManyAttributes, name_at));
            }
            let (name, after) = trimmed.split_once('=').ok_or(malformed)?;
            let after = after.trim_start_matches(is_space);
            let quote = after
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''))
                .ok_or(malformed)?;
            let value_start = base.saturating_add(text.len().saturating_sub(after.len()));
            let (raw, after) = after
                .strip_prefix(quote)
                .and_then(|r| r.split_once(quote))
                .ok_or(malformed)?;
            let value = attribute_value(raw).map_err(|inner| {
                let kind = match raw.get(inner..).and_then(|r| r.chars().next()) {
                    Some('&') => XmlErrorKind::BadReference,
                    _ => XmlErrorKind::BadAttribute,
                };
                XmlError::new(kind, value_start.saturating_add(1).saturating_add(inner))
            })?;
            let end = base.saturating_add(text.len().saturating_sub(after.len()));
            found.push(RawAttribute {
                name: name.trim_end_matches(is_space),
                value,
                span: at..end,
                value_span: value_start..end,
                name_at,
            });
            rest = after;
        }
    }

    /// Puts the namespace declarations of a tag in scope.
    fn declare(&mut self, attributes: &[RawAttribute<'a>]) -> Result<Vec<Declaration>, XmlError> {
        let mut declared: Vec<Declaration> = Vec::new();
        for attribute in attributes {
            let Some(prefix) = declared_prefix(attribute.name) else {
                continue;
            };
            let wrong = XmlError::new(XmlErrorKind::BadNamespace, attribute.name_at);
            if attribute.name.contains(':') && !is_ncname(prefix)
                || prefix.len() > self.limits.name_octets
                || attribute.value.len() > self.limits.namespace_octets
                || !Scope::may_bind(prefix, &attribute.value)
            {
                return Err(wrong);
            }
            if declared.iter().any(|(known, _)| &**known == prefix) {
                return Err(XmlError::new(XmlErrorKind::RepeatedAttribute, attribute.name_at));
            }
            self.scope
                .bind(self.depth, prefix, &attribute.value, self.limits.namespaces)
                .map_err(|()| XmlError::new(XmlErrorKind::TooManyNamespaces, attribute.name_at))?;
            declared.push((prefix.into(), attribute.value.as_str().into()));
        }
        Ok(declared)
    }

    /// Resolves the names of the attributes that are no declarations, and refuses repeated ones.
    fn resolve(&self, attributes: Vec<RawAttribute<'a>>) -> Result<Vec<TagAttribute>, XmlError> {
        let mut resolved: Vec<TagAttribute> = Vec::new();
        for attribute in attributes {
            if declared_prefix(attribute.name).is_some() {
                continue;
            }
            if resolved.len() >= self.limits.attributes {
                return Err(XmlError::new(XmlErrorKind::TooManyAttributes, attribute.name_at));
            }
            let (prefix, local) = self.qname(attribute.name, attribute.name_at)?;
            let namespace = self
                .scope
                .resolve_attribute(prefix)
                .map_err(|()| XmlError::new(XmlErrorKind::UnboundPrefix, attribute.name_at))?;
            let name = Name::resolved(namespace, local);
            // At most `Limits::attributes` comparisons.
            if resolved.iter().any(|known| known.name == name) {
                return Err(XmlError::new(XmlErrorKind::RepeatedAttribute, attribute.name_at));
            }
            resolved.push(TagAttribute {
                name,
                prefix: prefix.map(Box::from),
                value: attribute.value,
                span: attribute.span,
                value_span: attribute.value_span,
            });
        }
        Ok(resolved)
    }
}

struct RawAttribute<'a> {
    name: &'a str,
    value: String,
    span: Range<usize>,
    value_span: Range<usize>,
    name_at: usize,
}

/// Returns the prefix that an attribute declares, empty for the default namespace.
fn declared_prefix(name: &str) -> Option<&str> {
    if name == "xmlns" {
        Some("")
    } else {
        name.strip_prefix("xmlns:")
    }
}

fn normalise_line_ends(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') {
        Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(raw)
    }
}

fn kind_of(error: &TokenError) -> XmlErrorKind {
    match error {
        TokenError::Syntax(_) => XmlErrorKind::Unterminated,
        TokenError::IllFormed(ill) => match ill {
            IllFormedError::DoubleHyphenInComment => XmlErrorKind::BadComment,
            IllFormedError::UnclosedReference => XmlErrorKind::BadReference,
            IllFormedError::MissingDoctypeName => XmlErrorKind::DocumentType,
            IllFormedError::MissingDeclVersion(_) => XmlErrorKind::BadDeclaration,
            _ => XmlErrorKind::MismatchedTag,
        },
        _ => XmlErrorKind::BadAttribute,
    }
}
