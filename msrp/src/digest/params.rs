//! The grammar that challenges and credentials share (RFC 7235 2.1).

use std::borrow::Cow;

use crate::header::content::{is_token, unquote};

/// Why a challenge or credentials could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The value does not begin with a scheme.
    #[error("no authentication scheme")]
    NoScheme,
    /// The scheme is another one.
    #[error("not the Digest scheme")]
    OtherScheme,
    /// What follows is not a list of parameters.
    #[error("malformed parameter at byte {offset}")]
    Malformed {
        /// Where, in octets from the start of the value.
        offset: usize,
    },
    /// A parameter is there twice.
    #[error("repeated parameter at byte {offset}")]
    Repeated {
        /// Where, in octets from the start of the value.
        offset: usize,
    },
    /// There are more parameters than anyone needs.
    #[error("too many parameters")]
    TooMany,
    /// A parameter that has to be there is not.
    #[error("no {name} parameter")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// A parameter's value is not one that it can have.
    #[error("bad value of the {name} parameter")]
    Value {
        /// Which.
        name: &'static str,
    },
    /// The algorithm is not one of RFC 7616.
    #[error("unknown algorithm")]
    UnknownAlgorithm,
}

/// A scheme and its parameters, whatever the scheme is.
///
/// ```
/// let params = msrp::digest::AuthParams::parse(r#"Digest username="bob", nc=00000001"#)?;
/// assert_eq!(params.scheme(), "Digest");
/// assert_eq!(params.get("USERNAME").as_deref(), Some("bob"));
/// # Ok::<(), msrp::digest::DigestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuthParams<'a> {
    scheme: &'a str,
    token68: Option<&'a str>,
    params: Vec<(&'a str, &'a str)>,
}

const MAX_PARAMS: usize = 64;

impl<'a> AuthParams<'a> {
    /// Reads a whole header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a scheme with a comma-separated list of parameters or with one value in their place, as Basic has.
    pub fn parse(value: &'a str) -> Result<Self, DigestError> {
        let trimmed = value.trim_start();
        let scheme_len = trimmed.find(is_space).unwrap_or(trimmed.len());
        let (scheme, rest) = trimmed
            .split_at_checked(scheme_len)
            .ok_or(DigestError::NoScheme)?;
        if !is_token(scheme) {
            return Err(DigestError::NoScheme);
        }
        let offset_of = |rest: &str| value.len().saturating_sub(rest.len());
        let mut params: Vec<(&str, &str)> = Vec::new();
        let mut rest = rest.trim_start();
        let value_alone = rest.trim_end();
        if is_token68(value_alone) {
            return Ok(Self {
                scheme,
                token68: Some(value_alone),
                params,
            });
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(',') {
                // RFC 7230 7: a recipient takes empty elements of a list.
                rest = after.trim_start();
                continue;
            }
            let malformed = DigestError::Malformed {
                offset: offset_of(rest),
            };
            let (name, after) = rest.split_once('=').ok_or(malformed)?;
            let name = name.trim_end();
            if !is_token(name) {
                return Err(malformed);
            }
            if params.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                return Err(DigestError::Repeated {
                    offset: offset_of(rest),
                });
            }
            if params.len() >= MAX_PARAMS {
                return Err(DigestError::TooMany);
            }
            let after = after.trim_start();
            let malformed = DigestError::Malformed {
                offset: offset_of(after),
            };
            let len = value_len(after).ok_or(malformed)?;
            let (written, after) = after.split_at_checked(len).ok_or(malformed)?;
            params.push((name, written));
            rest = after.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(DigestError::Malformed {
                    offset: offset_of(rest),
                });
            }
        }
        Ok(Self {
            scheme,
            token68: None,
            params,
        })
    }

    /// The scheme, as written.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The one value that some schemes have in place of parameters.
    pub fn token68(&self) -> Option<&'a str> {
        self.token68
    }

    /// A parameter's value without quotes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.params
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| unquote(value))
    }

    /// Names and values in order, the values without quotes.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        self.params.iter().map(|(name, value)| (*name, unquote(value)))
    }

    pub(super) fn digest(value: &'a str) -> Result<Self, DigestError> {
        let params = Self::parse(value)?;
        if !params.scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::OtherScheme);
        }
        match params.token68 {
            None => Ok(params),
            Some(alone) => Err(DigestError::Malformed {
                offset: value.trim_end().len().saturating_sub(alone.len()),
            }),
        }
    }

    pub(super) fn required(&self, name: &'static str) -> Result<Cow<'a, str>, DigestError> {
        self.get(name).ok_or(DigestError::Missing { name })
    }
}

//= https://www.rfc-editor.org/rfc/rfc7235#section-2.1
//# The token68 syntax allows the 66 unreserved URI characters
//# ([RFC3986]), plus a few others, so that it can hold a base64,
//# base64url (URL and filename safe alphabet), base32, or base16 (hex)
//# encoding, with or without padding, but excluding whitespace
//# ([RFC4648]).
fn is_token68(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let is_in = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
    !text.is_empty() && text.bytes().all(is_in)
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// The length of the token or quoted string that `text` begins with.
fn value_len(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        // Tokens; and, leniently, an unquoted URI or base64 text, which hold no comma.
        let len = text
            .find(|character: char| character == ',' || character == '"' || is_space(character))
            .unwrap_or(text.len());
        return (len > 0).then_some(len);
    }
    let mut escaped = false;
    for (index, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index.checked_add(1),
            0..=8 | 10..=31 | 127 => return None,
            _ => {}
        }
    }
    None
}
