//! Node selectors: the part of `XPath` that XCAP uses (RFC 4825 sections 6.3 and 6.4).

use std::fmt;

use crate::xml::{XML_NAMESPACE, attribute_value, split_qname};

/// A way to one element, attribute or set of namespace bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSelector {
    steps: Vec<Step>,
    terminal: Option<Terminal>,
}

/// A step to one child element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub(crate) test: NameTest,
    pub(crate) position: Option<usize>,
    pub(crate) attribute: Option<AttributeTest>,
}

/// What a step says about the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameTest {
    Any,
    Named(SelectorName),
}

/// What a step says about an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributeTest {
    pub(crate) name: SelectorName,
    pub(crate) value: String,
}

/// A name with its prefix resolved by the query of the URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectorName {
    pub(crate) prefix: Option<String>,
    /// `None` for a name without prefix: the default document namespace for elements, none for attributes.
    pub(crate) namespace: Option<String>,
    pub(crate) local: String,
}

/// What is selected, when it is not the element.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Terminal {
    /// An attribute.
    Attribute(AttributeName),
    /// The namespace bindings in scope.
    Namespaces,
}

/// The name of a selected attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeName(pub(crate) SelectorName);

/// Why a node selector cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// A step that is none of the known forms.
    #[error("step that is not understood")]
    UnknownStep,
    /// More steps than [`UriLimits::steps`](super::UriLimits::steps).
    #[error("too many steps")]
    TooManySteps,
    /// A prefix that the query does not bind.
    #[error("unbound prefix")]
    UnboundPrefix,
    /// A query that is no sequence of pointer parts.
    #[error("malformed query")]
    BadQuery,
}

impl SelectorError {
    /// Returns the HTTP status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            //= https://www.rfc-editor.org/rfc/rfc4825#section-8
            //# If the URI includes extension-selectors that the server doesn't understand,
            //# it MUST reject the request with a 404 (Not Found).
            Self::UnknownStep | Self::TooManySteps => 404,
            //= https://www.rfc-editor.org/rfc/rfc4825#section-8
            //# If any qualified names are present
            //# that use a namespace prefix, and that prefix is not defined in an
            //# xmlns() expression in the query component of the request URI, the
            //# server MUST reject the request with a 400 response.
            Self::UnboundPrefix | Self::BadQuery => 400,
        }
    }
}

impl NodeSelector {
    /// Reads what follows `~~`, escapes undone.
    pub(crate) fn parse(
        text: &str,
        bindings: &[(String, String)],
        limit: usize,
    ) -> Result<Self, SelectorError> {
        let text = text.strip_prefix('/').ok_or(SelectorError::UnknownStep)?;
        let mut parts = split_steps(text);
        if parts.len() > limit {
            return Err(SelectorError::TooManySteps);
        }
        let terminal = match parts.last() {
            Some(&"namespace::*") => Some(Terminal::Namespaces),
            Some(last) => match last.strip_prefix('@') {
                Some(name) => Some(Terminal::Attribute(AttributeName(SelectorName::parse(
                    name, bindings,
                )?))),
                None => None,
            },
            None => None,
        };
        if terminal.is_some() {
            parts.pop();
        }
        let steps = parts
            .into_iter()
            .map(|part| Step::parse(part, bindings))
            .collect::<Result<Vec<_>, _>>()?;
        if steps.is_empty() {
            return Err(SelectorError::UnknownStep);
        }
        Ok(Self { steps, terminal })
    }

    /// Returns the steps to the element.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns what of the element is selected, when it is not the element.
    pub fn terminal(&self) -> Option<&Terminal> {
        self.terminal.as_ref()
    }
}

impl Step {
    fn parse(text: &str, bindings: &[(String, String)]) -> Result<Self, SelectorError> {
        let (name, mut rest) = match text.find('[').and_then(|at| text.split_at_checked(at)) {
            Some(parts) => parts,
            None => (text, ""),
        };
        let wanted = if name == "*" {
            NameTest::Any
        } else {
            NameTest::Named(SelectorName::parse(name, bindings)?)
        };
        let mut position = None;
        if let Some(inner) = rest.strip_prefix('[')
            && let Some((digits, after)) = inner.split_once(']')
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            // A position beyond any document matches nothing.
            position = Some(digits.parse().unwrap_or(usize::MAX));
            rest = after;
        }
        let mut attribute = None;
        if let Some(inner) = rest.strip_prefix("[@") {
            let (name, value) = inner.split_once('=').ok_or(SelectorError::UnknownStep)?;
            let quote = value
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''))
                .ok_or(SelectorError::UnknownStep)?;
            let (raw, after) = value
                .strip_prefix(quote)
                .and_then(|v| v.split_once(quote))
                .ok_or(SelectorError::UnknownStep)?;
            let value = attribute_value(raw).map_err(|_| SelectorError::UnknownStep)?;
            attribute = Some(AttributeTest {
                name: SelectorName::parse(name, bindings)?,
                value,
            });
            rest = after.strip_prefix(']').ok_or(SelectorError::UnknownStep)?;
        }
        if rest.is_empty() {
            Ok(Self {
                test: wanted,
                position,
                attribute,
            })
        } else {
            Err(SelectorError::UnknownStep)
        }
    }
}

impl SelectorName {
    fn parse(text: &str, bindings: &[(String, String)]) -> Result<Self, SelectorError> {
        let (prefix, local) = split_qname(text).ok_or(SelectorError::UnknownStep)?;
        let namespace = match prefix {
            None => None,
            Some("xml") => Some(XML_NAMESPACE.to_owned()),
            Some(prefix) => Some(
                bindings
                    .iter()
                    .rev()
                    .find(|(known, _)| known == prefix)
                    .map(|(_, namespace)| namespace.clone())
                    .ok_or(SelectorError::UnboundPrefix)?,
            ),
        };
        Ok(Self {
            prefix: prefix.map(str::to_owned),
            namespace,
            local: local.to_owned(),
        })
    }
}

impl fmt::Display for SelectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(prefix) = &self.prefix {
            write!(f, "{prefix}:")?;
        }
        f.write_str(&self.local)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            NameTest::Any => f.write_str("*")?,
            NameTest::Named(name) => write!(f, "{name}")?,
        }
        if let Some(position) = self.position {
            write!(f, "[{position}]")?;
        }
        if let Some(attribute) = &self.attribute {
            let value = attribute
                .value
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;");
            write!(f, "[@{}=\"{value}\"]", attribute.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => write!(f, "@{}", name.0),
            Self::Namespaces => f.write_str("namespace::*"),
        }
    }
}

/// Splits at the slashes that are not inside quotes.
pub(crate) fn split_steps(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quote = None;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '/') => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// Reads the namespace bindings of a query, escapes undone: `xmlns(p=urn:x)xmlns(q=urn:y)`.
pub(crate) fn bindings(query: &str, limit: usize) -> Result<Vec<(String, String)>, SelectorError> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let (scheme, after) = rest.split_once('(').ok_or(SelectorError::BadQuery)?;
        let (data, after) = pointer_data(after).ok_or(SelectorError::BadQuery)?;
        //= https://www.rfc-editor.org/rfc/rfc4825#section-6.4
        //# A server compliant
        //# to this specification MUST ignore any xpointer expressions not from
        //# the xmlns() scheme.
        if scheme == "xmlns" {
            let (prefix, namespace) = data.split_once('=').ok_or(SelectorError::BadQuery)?;
            let (prefix, namespace) = (prefix.trim(), namespace.trim());
            if !matches!(split_qname(prefix), Some((None, _))) || found.len() >= limit {
                return Err(SelectorError::BadQuery);
            }
            found.push((prefix.to_owned(), namespace.to_owned()));
        }
        rest = after.trim_start();
    }
    Ok(found)
}

/// Takes the data of a pointer part up to its closing parenthesis; `^` escapes, other parentheses balance.
fn pointer_data(text: &str) -> Option<(String, &str)> {
    let mut data = String::new();
    let mut depth = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '^' => data.push(
                chars
                    .next()
                    .map(|(_, c)| c)
                    .filter(|c| matches!(c, '^' | '(' | ')'))?,
            ),
            ')' if depth == 0 => return Some((data, text.get(at.saturating_add(1)..)?)),
            _ => {
                match c {
                    '(' => depth = depth.saturating_add(1),
                    ')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                data.push(c);
            }
        }
    }
    None
}
