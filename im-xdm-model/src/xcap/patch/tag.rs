//! The text of a start tag that is known to be well-formed: its name, its attributes, and changing one of them.

use std::ops::Range;

use crate::xml::{attribute_value, is_space};

/// One attribute or namespace declaration in the text of a start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::xcap) struct Part {
    /// From the white space before it to its closing quote.
    pub(in crate::xcap) span: Range<usize>,
    pub(in crate::xcap) name: Range<usize>,
    /// Between the quotes.
    pub(in crate::xcap) value: Range<usize>,
}

/// Returns the qualified name of a start tag, an empty-element tag or an end tag.
pub(in crate::xcap) fn name(tag: &str) -> &str {
    let inner = tag.strip_prefix('<').unwrap_or(tag);
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let end = inner.find(|c| is_space(c) || matches!(c, '/' | '>'));
    end.and_then(|end| inner.get(..end)).unwrap_or(inner)
}

/// Tells whether a tag is an empty-element tag.
pub(in crate::xcap) fn is_empty(tag: &str) -> bool {
    tag.ends_with("/>")
}

/// Lists what stands in a start tag behind its name.
pub(in crate::xcap) fn parts(tag: &str) -> impl Iterator<Item = Part> {
    let mut at = name(tag).len().saturating_add(1);
    std::iter::from_fn(move || {
        let start = at;
        let rest = tag.get(start..)?;
        let name_start =
            start.saturating_add(rest.len().saturating_sub(rest.trim_start_matches(is_space).len()));
        let rest = tag.get(name_start..)?;
        let equals = rest.find('=')?;
        let name_length = rest.get(..equals)?.trim_end_matches(is_space).len();
        let after = rest.get(equals.saturating_add(1)..)?.trim_start_matches(is_space);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let value_start = tag.len().saturating_sub(after.len()).saturating_add(1);
        let length = after.get(1..)?.find(quote)?;
        let value_end = value_start.saturating_add(length);
        at = value_end.saturating_add(1);
        Some(Part {
            span: start..at,
            name: name_start..name_start.saturating_add(name_length),
            value: value_start..value_end,
        })
    })
}

/// An attribute or declaration as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::xcap) struct Read<'t> {
    pub(in crate::xcap) part: Part,
    pub(in crate::xcap) name: &'t str,
    /// The normalised value.
    pub(in crate::xcap) value: String,
}

pub(in crate::xcap) fn read(tag: &str) -> impl Iterator<Item = Read<'_>> {
    parts(tag).filter_map(|part| {
        Some(Read {
            name: tag.get(part.name.clone())?,
            value: attribute_value(tag.get(part.value.clone())?).ok()?,
            part,
        })
    })
}

/// Returns the prefix that a part declares, empty for the default namespace.
pub(in crate::xcap) fn declared_prefix(name: &str) -> Option<&str> {
    if name == "xmlns" {
        Some("")
    } else {
        name.strip_prefix("xmlns:")
    }
}

/// Lists the attributes that are no namespace declarations.
pub(in crate::xcap) fn attributes(tag: &str) -> impl Iterator<Item = Read<'_>> {
    read(tag).filter(|read| declared_prefix(read.name).is_none())
}

/// Lists the namespace declarations: prefix and namespace, both empty where there is none.
pub(in crate::xcap) fn declarations(tag: &str) -> impl Iterator<Item = (&str, String)> {
    let declared = tag.contains("xmlns").then(|| read(tag));
    declared
        .into_iter()
        .flatten()
        .filter_map(|read| Some((declared_prefix(read.name)?, read.value)))
}

/// Adds an attribute or declaration behind all others.
pub(in crate::xcap) fn with(tag: &str, name: &str, value: &str) -> String {
    let end = parts(tag)
        .last()
        .map_or(self::name(tag).len().saturating_add(1), |part| part.span.end);
    let mut out = String::with_capacity(tag.len().saturating_add(name.len()).saturating_add(value.len()));
    out.push_str(tag.get(..end).unwrap_or(tag));
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, '"', &mut out);
    out.push('"');
    out.push_str(tag.get(end..).unwrap_or_default());
    out
}

/// Gives a part another value, between the quotes that it has.
pub(in crate::xcap) fn with_value(tag: &str, part: &Part, value: &str) -> String {
    let before = tag.get(..part.value.start).unwrap_or_default();
    let quote = if before.ends_with('\'') { '\'' } else { '"' };
    let mut out = before.to_owned();
    escape(value, quote, &mut out);
    out.push_str(tag.get(part.value.end..).unwrap_or_default());
    out
}

pub(in crate::xcap) fn without(tag: &str, part: &Part) -> String {
    let mut out = tag.get(..part.span.start).unwrap_or_default().to_owned();
    out.push_str(tag.get(part.span.end..).unwrap_or_default());
    out
}

/// Gives parts and the element itself other names, all at once; the ranges do not overlap.
pub(in crate::xcap) fn renamed(tag: &str, mut names: Vec<(Range<usize>, String)>) -> String {
    names.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(tag.len());
    let mut done = 0;
    for (range, name) in names {
        out.push_str(tag.get(done..range.start).unwrap_or_default());
        out.push_str(&name);
        done = range.end;
    }
    out.push_str(tag.get(done..).unwrap_or_default());
    out
}

/// Turns an empty-element tag into a start tag, and gives the end tag that belongs to it.
pub(in crate::xcap) fn opened(tag: &str) -> (String, String) {
    let start = format!("{}>", tag.strip_suffix("/>").unwrap_or(tag));
    let end = format!("</{}>", name(tag));
    (start, end)
}

/// Writes a value so that it is read as it is, white space included.
fn escape(value: &str, quote: char, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '"' if quote == '"' => out.push_str("&quot;"),
            '\'' if quote == '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_tag_are_found() {
        let tag = "<p:a  x = 'it\"s'\n xmlns:p=\"urn:&lt;p\" y=\"a/>b\" />";
        assert_eq!(name(tag), "p:a");
        assert!(is_empty(tag));
        let found: Vec<_> = attributes(tag).map(|read| (read.name, read.value)).collect();
        assert_eq!(found, [("x", "it\"s".to_owned()), ("y", "a/>b".to_owned())]);
        assert_eq!(
            declarations(tag).collect::<Vec<_>>(),
            [("p", "urn:<p".to_owned())]
        );
        assert_eq!(with("<a />", "b", "\"\n"), "<a b=\"&quot;&#10;\" />");
        let part = parts(tag).next().unwrap();
        assert_eq!(
            with_value("<a b='c'/>", &parts("<a b='c'/>").next().unwrap(), "'"),
            "<a b='&apos;'/>"
        );
        assert_eq!(without(tag, &part), "<p:a\n xmlns:p=\"urn:&lt;p\" y=\"a/>b\" />");
        assert_eq!(
            opened("<a b='/>' />"),
            ("<a b='/>' >".to_owned(), "</a>".to_owned())
        );
        assert!(!is_empty("<a>") && parts("<a>").next().is_none());
    }
}
