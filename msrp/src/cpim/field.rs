//! One header field of an envelope, and the namespaces that names belong to (RFC 3862 sections 3.4 and 3.6).

use super::value::unescape;
use super::{CPIM_NAMESPACE, CpimErrorKind, IMDN_NAMESPACE};
use crate::ByteStr;

/// A header field of the first block.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// The URI of the namespace that the name belongs to.
    pub namespace: ByteStr,
    /// The name without prefix.
    pub name: ByteStr,
    /// The parameters, as written, each with its semicolon.
    pub parameters: ByteStr,
    /// The value, as written.
    pub value: ByteStr,
    /// The line that it was read from, without its end.
    pub(super) line: ByteStr,
}

impl Field {
    /// The value of a parameter, without quotes and escapes.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut rest = self.parameters.as_str();
        while let Some(parameter) = rest.strip_prefix(';') {
            let end = end_of_parameter(parameter);
            let (parameter, others) = parameter.split_at_checked(end)?;
            rest = others;
            if let Some((own, value)) = parameter.split_once('=')
                && own.eq_ignore_ascii_case(name)
            {
                let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                return Some(quoted.map_or_else(|| value.to_owned(), unescape));
            }
        }
        None
    }
}

/// Where a parameter ends: at a semicolon or a space that is in no string.
fn end_of_parameter(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b' ' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Splits what follows a name's colon into parameters and value.
fn split_parameters(rest: &str) -> (&str, &str) {
    let mut end = 0_usize;
    while let Some(parameter) = rest.get(end..).and_then(|rest| rest.strip_prefix(';')) {
        end = end.saturating_add(1).saturating_add(end_of_parameter(parameter));
    }
    let (parameters, value) = rest.split_at_checked(end).unwrap_or((rest, ""));
    // The grammar wants one space before the value; some senders leave it out, which hides nothing.
    (parameters, value.strip_prefix(' ').unwrap_or(value))
}

/// The namespaces that are declared, each with its prefix; what comes later counts.
#[derive(Debug, Default)]
pub(super) struct Namespaces(Vec<(ByteStr, ByteStr)>);

impl Namespaces {
    /// Splits a name, and finds the namespace that it belongs to.
    pub(super) fn resolve<'a>(&self, full_name: &'a str) -> Result<(ByteStr, &'a str), CpimErrorKind> {
        let (prefix, name) = full_name.split_once('.').unwrap_or(("", full_name));
        if !is_name(name)
            || !(prefix.is_empty() || is_name(prefix))
            || (full_name.contains('.') && prefix.is_empty())
        {
            return Err(CpimErrorKind::Field);
        }
        let declared = self.0.iter().rev().find(|(own, _)| own == prefix);
        let namespace = match (declared, prefix) {
            (Some((_, uri)), _) => uri.clone(),
            (None, "") => ByteStr::from_static(CPIM_NAMESPACE),
            // Many clients use `imdn.` without declaring it; it can mean nothing else.
            (None, "imdn") => ByteStr::from_static(IMDN_NAMESPACE),
            (None, _) => return Err(CpimErrorKind::Prefix),
        };
        Ok((namespace, name))
    }

    /// Takes a declaration: the value of an `NS` field.
    pub(super) fn declare(&mut self, value: &str) -> Result<(), CpimErrorKind> {
        let (prefix, uri) = value.split_once('<').ok_or(CpimErrorKind::Value)?;
        let uri = uri
            .trim_end_matches(' ')
            .strip_suffix('>')
            .ok_or(CpimErrorKind::Value)?;
        let prefix = prefix.trim_matches(' ');
        if uri.is_empty() || !(prefix.is_empty() || is_name(prefix)) {
            return Err(CpimErrorKind::Value);
        }
        self.0.push((ByteStr::from(prefix), ByteStr::from(uri)));
        Ok(())
    }
}

/// Reads a line of the first block.
pub(super) fn read_field(line: &ByteStr, namespaces: &mut Namespaces) -> Result<Field, CpimErrorKind> {
    let (full_name, rest) = line.split_once(':').ok_or(CpimErrorKind::Field)?;
    let (parameters, value) = split_parameters(rest);
    let (namespace, name) = namespaces.resolve(full_name)?;
    if namespace == CPIM_NAMESPACE && name == "NS" {
        namespaces.declare(value)?;
    }
    Ok(Field {
        namespace,
        name: line.slice_of(name),
        parameters: line.slice_of(parameters),
        value: line.slice_of(value),
        line: line.clone(),
    })
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-^_`|~".contains(&octet))
}
