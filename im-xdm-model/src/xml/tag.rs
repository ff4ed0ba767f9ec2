//! Start tags: names, attributes, and the namespaces that they declare and use.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::chars::{CLASS_NAME, CLASS_SPACE, CLASS_VALUE, attribute_value, class, is_ncname};
use super::error::{XmlError, XmlErrorKind};
use super::parser::{Head, Parser};
use super::scope::{NamespaceId, Scope};

/// An attribute with its name resolved.
#[derive(Debug)]
pub(crate) struct RawAttribute<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) local: &'a str,
    pub(crate) namespace: NamespaceId,
    pub(crate) value: Cow<'a, str>,
    /// From the white space before the attribute to its closing quote.
    pub(crate) span: Range<usize>,
    /// The value with its quotes.
    pub(crate) value_span: Range<usize>,
    name_at: usize,
}

impl<'a> Parser<'a> {
    /// Reads the start tag that begins here: its name as written, and what it says.
    pub(super) fn tag(&mut self) -> Result<(&'a str, Head<'a>), XmlError> {
        self.attributes.clear();
        self.declarations.clear();
        let start = self.at;
        let (name, prefix, local) = self.qname(start.saturating_add(1), start)?;
        if prefix == "xmlns" {
            return Err(XmlError::new(XmlErrorKind::BadName, start));
        }
        let mut at = start.saturating_add(1).saturating_add(name.len());
        let empty = loop {
            let space = at;
            at = at.saturating_add(self.spaces(at));
            match self.octets(at) {
                [b'>', ..] => {
                    at = at.saturating_add(1);
                    break false;
                }
                [b'/', b'>', ..] => {
                    at = at.saturating_add(2);
                    break true;
                }
                [] => return Err(self.error(XmlErrorKind::Unterminated)),
                _ if at == space => {
                    // Text right after the name is a fault of the name, right after a value one of the attribute.
                    let kind = if self.attributes.is_empty() && self.declarations.is_empty() {
                        XmlErrorKind::BadName
                    } else {
                        XmlErrorKind::BadAttribute
                    };
                    return Err(self.unterminated_or(kind, at));
                }
                [b'/', ..] => return Err(self.unterminated_or(XmlErrorKind::BadAttribute, at)),
                _ => at = self.attribute(space, at)?,
            }
        };
        let unbound = |at| XmlError::new(XmlErrorKind::UnboundPrefix, at);
        let namespace = self.scope.resolve(prefix).ok_or(unbound(start))?;
        self.resolve_attributes()?;
        let head = Head {
            prefix,
            local,
            namespace,
            span: start..at,
            empty,
        };
        Ok((name, head))
    }

    fn octets(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    fn spaces(&self, at: usize) -> usize {
        let octets = self.octets(at);
        octets
            .iter()
            .position(|octet| class(*octet) & CLASS_SPACE == 0)
            .unwrap_or(octets.len())
    }

    /// A tag that never ends is told as that, whatever else is wrong with it.
    fn unterminated_or(&self, kind: XmlErrorKind, at: usize) -> XmlError {
        match memchr(b'>', self.octets(at)) {
            Some(_) => XmlError::new(kind, at),
            None => self.error(XmlErrorKind::Unterminated),
        }
    }

    /// Reads a qualified name: the whole, its prefix (empty for none) and its local part.
    fn qname(&self, at: usize, blamed: usize) -> Result<(&'a str, &'a str, &'a str), XmlError> {
        let octets = self.octets(at);
        let mut colon = None;
        let mut all = 0_u8;
        let mut len = octets.len();
        for (index, &octet) in octets.iter().enumerate() {
            if class(octet) & CLASS_NAME != 0 {
                all |= octet;
            } else if octet == b':' && colon.is_none() {
                colon = Some(index);
            } else {
                len = index;
                break;
            }
        }
        let name = self.text.get(at..at.saturating_add(len)).unwrap_or_default();
        let (prefix, local) = match colon {
            Some(colon) => (
                name.get(..colon).unwrap_or_default(),
                name.get(colon.saturating_add(1)..).unwrap_or_default(),
            ),
            None => ("", name),
        };
        let well_formed = if all.is_ascii() {
            starts_name(local) && (colon.is_none() || starts_name(prefix))
        } else {
            is_ncname(local) && (colon.is_none() || is_ncname(prefix))
        };
        if !well_formed || name.len() > self.limits.name_octets || octets.get(len) == Some(&b':') {
            return Err(self.unterminated_or(XmlErrorKind::BadName, blamed));
        }
        Ok((name, prefix, local))
    }

    /// Reads one attribute or declaration, and returns where it ends.
    fn attribute(&mut self, space: usize, name_at: usize) -> Result<usize, XmlError> {
        let limits = self.limits;
        let (name, prefix, local) = self.qname(name_at, name_at)?;
        let mut at = name_at.saturating_add(name.len());
        at = at.saturating_add(self.spaces(at));
        if !self.octets(at).starts_with(b"=") {
            return Err(self.unterminated_or(XmlErrorKind::BadAttribute, name_at));
        }
        at = at.saturating_add(1);
        at = at.saturating_add(self.spaces(at));
        let Some((&quote @ (b'"' | b'\''), octets)) = self.octets(at).split_first() else {
            return Err(self.unterminated_or(XmlErrorKind::BadAttribute, name_at));
        };
        let (len, plain) = value_length(octets, quote);
        let len = len.ok_or(self.error(XmlErrorKind::Unterminated))?;
        let value_at = at.saturating_add(1);
        let end = value_at.saturating_add(len).saturating_add(1);
        let raw = self
            .text
            .get(value_at..value_at.saturating_add(len))
            .unwrap_or_default();
        if len > limits.text_octets {
            return Err(XmlError::new(XmlErrorKind::TextTooLong, name_at));
        }
        let value = if plain {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(attribute_value(raw).map_err(|inner| {
                let kind = match raw.as_bytes().get(inner) {
                    Some(b'&') => XmlErrorKind::BadReference,
                    _ => XmlErrorKind::BadAttribute,
                };
                XmlError::new(kind, value_at.saturating_add(inner))
            })?)
        };
        if prefix == "xmlns" {
            self.declare(local, &value, name_at)?;
        } else if prefix.is_empty() && local == "xmlns" {
            self.declare("", &value, name_at)?;
        } else if self.attributes.len() >= limits.attributes {
            return Err(XmlError::new(XmlErrorKind::TooManyAttributes, name_at));
        } else {
            self.attributes.push(RawAttribute {
                prefix,
                local,
                namespace: NamespaceId::NONE,
                value,
                span: space..end,
                value_span: at..end,
                name_at,
            });
        }
        Ok(end)
    }

    /// Puts a namespace declaration in scope.
    fn declare(&mut self, prefix: &'a str, namespace: &str, name_at: usize) -> Result<(), XmlError> {
        let wrong = |kind| XmlError::new(kind, name_at);
        if namespace.len() > self.limits.namespace_octets || !Scope::may_bind(prefix, namespace) {
            return Err(wrong(XmlErrorKind::BadNamespace));
        }
        if self.declarations.iter().any(|(known, _)| *known == prefix) {
            return Err(wrong(XmlErrorKind::RepeatedAttribute));
        }
        let id = self
            .scope
            .bind(Cow::Borrowed(prefix), namespace, self.limits.namespaces)
            .ok_or(wrong(XmlErrorKind::TooManyNamespaces))?;
        self.declarations.push((prefix, id));
        Ok(())
    }

    /// Resolves the prefixes of the attributes, and refuses attributes of one name.
    fn resolve_attributes(&mut self) -> Result<(), XmlError> {
        for attribute in &mut self.attributes {
            // No default applies to attributes.
            if !attribute.prefix.is_empty() {
                let unbound = XmlError::new(XmlErrorKind::UnboundPrefix, attribute.name_at);
                attribute.namespace = self.scope.resolve(attribute.prefix).ok_or(unbound)?;
            }
        }
        // At most `Limits::attributes` comparisons for each.
        for (at, attribute) in self.attributes.iter().enumerate().skip(1) {
            let is_known = |known: &RawAttribute<'_>| {
                known.local == attribute.local && known.namespace == attribute.namespace
            };
            if self.attributes.iter().take(at).any(is_known) {
                return Err(XmlError::new(XmlErrorKind::RepeatedAttribute, attribute.name_at));
            }
        }
        Ok(())
    }
}

/// The length of a value up to its quote, and whether it holds nothing that needs a look.
fn value_length(octets: &[u8], quote: u8) -> (Option<usize>, bool) {
    let mut plain = true;
    for (index, &octet) in octets.iter().enumerate() {
        if class(octet) & CLASS_VALUE != 0 {
            if octet == quote {
                return (Some(index), plain);
            }
            plain &= octet == b'"' || octet == b'\'';
        }
    }
    (None, plain)
}

fn starts_name(name: &str) -> bool {
    name.as_bytes()
        .first()
        .is_some_and(|octet| octet.is_ascii_alphabetic() || *octet == b'_')
}

/// Tells whether a text is white space only.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(|octet| class(octet) & CLASS_SPACE != 0)
}
