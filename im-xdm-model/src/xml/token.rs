//! What may stand in a comment, a processing instruction and the XML declaration.

use super::chars::{is_ncname, is_space};
use super::error::{XmlError, XmlErrorKind};

pub(super) fn check_comment(raw: &str, at: usize) -> Result<(), XmlError> {
    match raw.strip_prefix("<!--").and_then(|r| r.strip_suffix("-->")) {
        Some(text) if !text.contains("--") && !text.ends_with('-') => Ok(()),
        _ => Err(XmlError::new(XmlErrorKind::BadComment, at)),
    }
}

pub(super) fn check_instruction(raw: &str, at: usize) -> Result<(), XmlError> {
    let target = raw
        .strip_prefix("<?")
        .and_then(|r| r.strip_suffix("?>"))
        .map(|r| r.split_once(is_space).map_or(r, |(target, _)| target));
    match target {
        Some(target) if is_ncname(target) && !target.eq_ignore_ascii_case("xml") => Ok(()),
        _ => Err(XmlError::new(XmlErrorKind::BadInstruction, at)),
    }
}

/// Checks `<?xml version="1.x" encoding="UTF-8" standalone="yes"?>`, whose parts have a fixed order.
pub(super) fn check_declaration(raw: &str, at: usize, is_ascii: bool) -> Result<(), XmlError> {
    let bad = XmlError::new(XmlErrorKind::BadDeclaration, at);
    let mut rest = raw
        .strip_prefix("<?xml")
        .and_then(|r| r.strip_suffix("?>"))
        .ok_or(bad)?;
    let version = declaration_part(&mut rest, "version").ok_or(bad)?;
    let minor = version.strip_prefix("1.").ok_or(bad)?;
    if minor.is_empty() || !minor.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad);
    }
    if let Some(encoding) = declaration_part(&mut rest, "encoding") {
        if !encoding.starts_with(|c: char| c.is_ascii_alphabetic())
            || !encoding
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        {
            return Err(bad);
        }
        // US-ASCII is a part of UTF-8.
        let is_utf8 =
            encoding.eq_ignore_ascii_case("utf-8") || (is_ascii && encoding.eq_ignore_ascii_case("us-ascii"));
        if !is_utf8 {
            return Err(XmlError::new(XmlErrorKind::UnsupportedEncoding, at));
        }
    }
    if let Some(standalone) = declaration_part(&mut rest, "standalone")
        && !matches!(standalone, "yes" | "no")
    {
        return Err(bad);
    }
    if rest.chars().all(is_space) {
        Ok(())
    } else {
        Err(bad)
    }
}

/// Takes ` name = "value"` from the front, if it is there.
fn declaration_part<'t>(rest: &mut &'t str, name: &str) -> Option<&'t str> {
    let trimmed = rest.trim_start_matches(is_space);
    if trimmed.len() == rest.len() {
        return None;
    }
    let after = trimmed
        .strip_prefix(name)?
        .trim_start_matches(is_space)
        .strip_prefix('=')?;
    let after = after.trim_start_matches(is_space);
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, after) = after.strip_prefix(quote)?.split_once(quote)?;
    *rest = after;
    Some(value)
}
