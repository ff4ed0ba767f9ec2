//! The part of `XPath` 1.0 that patches select with (RFC 5261 sections 4.1 and 8).

use super::PatchErrorKind as Kind;
use super::tag;
use super::tree::{self, DOCUMENT, Tree};
use crate::xcap::selector::split_steps;
use crate::xml::{XML_NAMESPACE, split_qname};

/// A way to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    id: Option<String>,
    steps: Vec<Step>,
    last: Option<Last>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// `None` for any element.
    name: Option<Expanded>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Position(usize),
    Attribute(Expanded, String),
    Child(Expanded, String),
    Own(String),
}

/// What of an element is selected, when it is not the element.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    Attribute(Expanded),
    Namespace(String),
    Text(Option<usize>),
    Comment(Option<usize>),
    Instruction(Option<String>, Option<usize>),
}

/// A name with its prefix resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) namespace: Option<String>,
    pub(super) local: String,
}

/// The node that a selector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Located {
    Node(usize),
    Attribute(usize, tag::Part),
    /// The declaration of a prefix; `None` when the element does not declare it itself.
    Namespace(usize, Option<tag::Part>),
}

/// The bindings that names in a patch are read with: prefix, empty for the default, and namespace.
pub(super) type Bindings = [(String, String)];

impl Expanded {
    /// Resolves the name of an element, to which the default namespace applies.
    pub(super) fn element(qname: &str, bindings: &Bindings) -> Result<Self, Kind> {
        let (prefix, local) = split_qname(qname).ok_or(Kind::InvalidAttributeValue)?;
        let namespace = match prefix {
            None => bound("", bindings).filter(|namespace| !namespace.is_empty()),
            Some(prefix) => Some(bound(prefix, bindings).ok_or(Kind::InvalidNamespacePrefix)?),
        };
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            local: local.to_owned(),
        })
    }

    /// Resolves the name of an attribute, to which no default applies.
    pub(super) fn attribute(qname: &str, bindings: &Bindings) -> Result<Self, Kind> {
        let (prefix, local) = split_qname(qname).ok_or(Kind::InvalidAttributeValue)?;
        let namespace = match prefix {
            None => None,
            Some(prefix) => Some(bound(prefix, bindings).ok_or(Kind::InvalidNamespacePrefix)?),
        };
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            local: local.to_owned(),
        })
    }

    fn is_element(&self, tree: &Tree<'_>, at: usize) -> bool {
        let Some((prefix, local)) = tree.start(at).and_then(|start| split_qname(tag::name(start))) else {
            return false;
        };
        local == self.local && tree.namespace(at, prefix.unwrap_or_default()) == self.namespace
    }

    /// Finds the attribute of this name.
    pub(super) fn attribute_of(&self, tree: &Tree<'_>, at: usize) -> Option<(tag::Part, String)> {
        let found = tag::attributes(tree.start(at)?).find(|read| {
            split_qname(read.name).is_some_and(|(prefix, local)| {
                let namespace = prefix.and_then(|prefix| tree.namespace(at, prefix));
                local == self.local && namespace == self.namespace
            })
        })?;
        Some((found.part, found.value))
    }
}

/// Finds the namespace that a prefix of a patch means.
pub(super) fn bound<'b>(prefix: &str, bindings: &'b Bindings) -> Option<&'b str> {
    if prefix == "xml" {
        return Some(XML_NAMESPACE);
    }
    let mut known = bindings.iter();
    known
        .find(|(known, _)| known == prefix)
        .map(|(_, namespace)| namespace.as_str())
}

impl Selector {
    /// Reads the value of `sel`.
    pub(super) fn parse(text: &str, bindings: &Bindings, limit: usize) -> Result<Self, Kind> {
        let mut parts = split_steps(text.strip_prefix('/').unwrap_or(text));
        if parts.len() > limit {
            return Err(Kind::TooLarge);
        }
        let mut selector = Self {
            id: None,
            steps: Vec::new(),
            last: None,
        };
        if let Some(argument) = parts.first().and_then(|first| first.strip_prefix("id(")) {
            let id = argument.strip_suffix(')').and_then(unquoted);
            selector.id = Some(id.ok_or(Kind::InvalidAttributeValue)?);
            parts.remove(0);
        }
        if let Some(last) = parts.last() {
            selector.last = Last::parse(last, bindings)?;
        }
        if selector.last.is_some() {
            parts.pop();
        }
        for part in parts {
            selector.steps.push(Step::parse(part, bindings)?);
        }
        if selector.id.is_none() && selector.steps.is_empty() && selector.last.is_none() {
            return Err(Kind::InvalidAttributeValue);
        }
        Ok(selector)
    }

    /// Finds the one node that is selected.
    pub(super) fn locate(&self, tree: &Tree<'_>, visits: &mut usize) -> Result<Located, Kind> {
        let mut contexts = match &self.id {
            None => vec![DOCUMENT],
            Some(id) => vec![element_with_id(tree, id, visits)?],
        };
        for step in &self.steps {
            let mut found = Vec::new();
            for context in contexts {
                step.choose(tree, context, visits, &mut found)?;
            }
            contexts = found;
        }
        let mut located = Vec::new();
        for context in contexts {
            match &self.last {
                None => located.push(Located::Node(context)),
                Some(last) => last.choose(tree, context, visits, &mut located)?,
            }
            if located.len() > 1 {
                break;
            }
        }
        match (located.pop(), located.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(Kind::UnlocatedNode),
        }
    }
}

/// Elements are known by `xml:id` alone, since what a schema says about other attributes is not known here.
fn element_with_id(tree: &Tree<'_>, id: &str, visits: &mut usize) -> Result<usize, Kind> {
    let wanted = Expanded {
        namespace: Some(XML_NAMESPACE.to_owned()),
        local: "id".to_owned(),
    };
    let mut pending = vec![DOCUMENT];
    while let Some(at) = pending.pop() {
        spend(visits)?;
        if wanted
            .attribute_of(tree, at)
            .is_some_and(|(_, value)| value == id)
        {
            return Ok(at);
        }
        pending.extend(tree.children(at));
    }
    Err(Kind::UnsupportedIdFunction)
}

impl Step {
    fn parse(text: &str, bindings: &Bindings) -> Result<Self, Kind> {
        let (name, mut rest) = match text.find('[').and_then(|at| text.split_at_checked(at)) {
            Some(parts) => parts,
            None => (text, ""),
        };
        let name = if name == "*" {
            None
        } else {
            Some(Expanded::element(name, bindings)?)
        };
        let mut conditions = Vec::new();
        while !rest.is_empty() {
            let inner = rest.strip_prefix('[').ok_or(Kind::InvalidAttributeValue)?;
            let (condition, after) = Condition::take(inner, bindings)?;
            conditions.push(condition);
            rest = after;
        }
        Ok(Self { name, conditions })
    }

    fn choose(
        &self,
        tree: &Tree<'_>,
        context: usize,
        visits: &mut usize,
        found: &mut Vec<usize>,
    ) -> Result<(), Kind> {
        let mut candidates = Vec::new();
        for child in tree.children(context) {
            spend(visits)?;
            let is_element = tree.start(*child).is_some();
            if is_element
                && self
                    .name
                    .as_ref()
                    .is_none_or(|name| name.is_element(tree, *child))
            {
                candidates.push(*child);
            }
        }
        for condition in &self.conditions {
            let mut kept = Vec::new();
            for (position, at) in (1_usize..).zip(candidates) {
                if condition.holds(tree, at, position, visits)? {
                    kept.push(at);
                }
            }
            candidates = kept;
        }
        found.append(&mut candidates);
        Ok(())
    }
}

impl Condition {
    /// Takes what stands in brackets, and gives what is left behind them.
    fn take<'t>(text: &'t str, bindings: &Bindings) -> Result<(Self, &'t str), Kind> {
        let malformed = Kind::InvalidAttributeValue;
        if let Some((digits, after)) = text.split_once(']')
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            // A position beyond any document matches nothing.
            return Ok((Self::Position(digits.parse().unwrap_or(usize::MAX)), after));
        }
        let (name, value) = text.split_once('=').ok_or(malformed)?;
        let quote = value
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
            .ok_or(malformed)?;
        let value = value.strip_prefix(quote).ok_or(malformed)?;
        let (value, after) = value.split_once(quote).ok_or(malformed)?;
        let after = after.strip_prefix(']').ok_or(malformed)?;
        let value = value.to_owned();
        let condition = match (name, name.strip_prefix('@')) {
            (".", _) => Self::Own(value),
            (_, Some(name)) => Self::Attribute(Expanded::attribute(name, bindings)?, value),
            (name, None) => Self::Child(Expanded::element(name, bindings)?, value),
        };
        Ok((condition, after))
    }

    fn holds(&self, tree: &Tree<'_>, at: usize, position: usize, visits: &mut usize) -> Result<bool, Kind> {
        spend(visits)?;
        let too_much = Kind::TooLarge;
        match self {
            Self::Position(wanted) => Ok(position == *wanted),
            Self::Attribute(name, wanted) => Ok(name
                .attribute_of(tree, at)
                .is_some_and(|(_, value)| value == *wanted)),
            Self::Own(wanted) => Ok(tree.string_value(at, visits).ok_or(too_much)? == *wanted),
            Self::Child(name, wanted) => {
                for child in tree.children(at) {
                    spend(visits)?;
                    if name.is_element(tree, *child)
                        && tree.string_value(*child, visits).ok_or(too_much)? == *wanted
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Last {
    fn parse(text: &str, bindings: &Bindings) -> Result<Option<Self>, Kind> {
        if let Some(name) = text.strip_prefix('@') {
            return Expanded::attribute(name, bindings).map(|name| Some(Self::Attribute(name)));
        }
        if let Some(prefix) = text.strip_prefix("namespace::") {
            return match split_qname(prefix) {
                Some((None, prefix)) => Ok(Some(Self::Namespace(prefix.to_owned()))),
                _ => Err(Kind::InvalidAttributeValue),
            };
        }
        if let Some(rest) = text.strip_prefix("text()") {
            return position(rest).map(|at| Some(Self::Text(at)));
        }
        if let Some(rest) = text.strip_prefix("comment()") {
            return position(rest).map(|at| Some(Self::Comment(at)));
        }
        if let Some(rest) = text.strip_prefix("processing-instruction(") {
            let (argument, rest) = rest.split_once(')').ok_or(Kind::InvalidAttributeValue)?;
            let target = if argument.is_empty() {
                None
            } else {
                Some(unquoted(argument).ok_or(Kind::InvalidAttributeValue)?)
            };
            return position(rest).map(|at| Some(Self::Instruction(target, at)));
        }
        Ok(None)
    }

    fn choose(
        &self,
        tree: &Tree<'_>,
        context: usize,
        visits: &mut usize,
        located: &mut Vec<Located>,
    ) -> Result<(), Kind> {
        let wanted = match self {
            Self::Attribute(name) => {
                let found = name.attribute_of(tree, context);
                located.extend(found.map(|(part, _)| Located::Attribute(context, part)));
                return Ok(());
            }
            Self::Namespace(prefix) => {
                if tree.namespace(context, prefix).is_some() {
                    let own = tree.start(context).and_then(|start| {
                        let mut read = tag::read(start);
                        read.find(|read| tag::declared_prefix(read.name) == Some(prefix))
                    });
                    located.push(Located::Namespace(context, own.map(|read| read.part)));
                }
                return Ok(());
            }
            Self::Text(position) | Self::Comment(position) | Self::Instruction(_, position) => *position,
        };
        let mut position = 0_usize;
        for child in tree.children(context) {
            spend(visits)?;
            let matches = match (self, tree.kind(*child)) {
                (Self::Text(_), Some(tree::Kind::Text(_)))
                | (Self::Comment(_), Some(tree::Kind::Comment(_)))
                | (Self::Instruction(None, _), Some(tree::Kind::Instruction(_))) => true,
                (Self::Instruction(Some(target), _), Some(tree::Kind::Instruction(text))) => {
                    instruction_target(text) == target
                }
                _ => false,
            };
            if matches {
                position = position.saturating_add(1);
                if wanted.is_none_or(|wanted| wanted == position) {
                    located.push(Located::Node(*child));
                }
            }
        }
        Ok(())
    }
}

/// Returns the target of a processing instruction.
fn instruction_target(text: &str) -> &str {
    let inner = text.strip_prefix("<?").unwrap_or(text);
    let end = inner.find(|c| crate::xml::is_space(c) || c == '?');
    end.and_then(|end| inner.get(..end)).unwrap_or(inner)
}

fn spend(visits: &mut usize) -> Result<(), Kind> {
    *visits = visits.checked_sub(1).ok_or(Kind::TooLarge)?;
    Ok(())
}

/// Reads `[2]`, or nothing.
fn position(text: &str) -> Result<Option<usize>, Kind> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let digits = digits.filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    match digits {
        Some(digits) => Ok(Some(digits.parse().unwrap_or(usize::MAX))),
        None => Err(Kind::InvalidAttributeValue),
    }
}

fn unquoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(quote)).then(|| inner.to_owned())
}
