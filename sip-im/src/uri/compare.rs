//! Equality of URIs (RFC 3261 19.1.4, RFC 3966 4).

use super::{Host, Scheme, Uri, escape, tel};

/// Parameters that count even if only one of the URIs has them.
const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

pub(super) fn equivalent(a: &Uri, b: &Uri) -> bool {
    if a.scheme() != b.scheme() {
        return false;
    }
    match a.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Im | Scheme::Pres => sip(a, b),
        Scheme::Tel => tel_numbers(a, b),
        Scheme::Urn => urn(a.opaque()) == urn(b.opaque()),
        _ => a.scheme_str().eq_ignore_ascii_case(b.scheme_str()) && a.opaque() == b.opaque(),
    }
}

/// A URN with its namespace in lower case, and a UUID as a whole (RFC 8141 3.1, RFC 4122 3).
pub(super) fn urn(opaque: &str) -> String {
    match opaque.split_once(':') {
        Some((namespace, rest)) if namespace.eq_ignore_ascii_case("uuid") => {
            format!("uuid:{}", rest.to_ascii_lowercase())
        }
        Some((namespace, rest)) => format!("{}:{rest}", namespace.to_ascii_lowercase()),
        None => opaque.to_owned(),
    }
}

fn sip(a: &Uri, b: &Uri) -> bool {
    same(a.user(), b.user(), false)
        && same(a.password(), b.password(), false)
        && same_host(a.host(), b.host())
        && a.port() == b.port()
        && sip_parameters(a, b)
        && sip_parameters(b, a)
        && headers(a, b)
}

fn same(a: Option<&str>, b: Option<&str>, ignore_case: bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_text(a, b, ignore_case),
        _ => false,
    }
}

fn same_text(a: &str, b: &str, ignore_case: bool) -> bool {
    let (a, b) = (escape::canonical(a), escape::canonical(b));
    if ignore_case {
        a.eq_ignore_ascii_case(&b)
    } else {
        a == b
    }
}

fn same_host(a: Option<&str>, b: Option<&str>) -> bool {
    match (a.map(Host::parse), b.map(Host::parse)) {
        (Some(Ok(Host::Address(a))), Some(Ok(Host::Address(b)))) => a == b,
        (Some(Ok(Host::Name(a))), Some(Ok(Host::Name(b)))) => a.eq_ignore_ascii_case(&b),
        (None, None) => true,
        _ => false,
    }
}

/// Does each parameter of `a` match that of `b`, or may it be ignored?
fn sip_parameters(a: &Uri, b: &Uri) -> bool {
    a.parameters().all(|(name, value)| match find(b, name) {
        Some(other) => same(value, other, true),
        //= https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
        //# A user, ttl, or method uri-parameter appearing in only one
        //# URI never matches, even if it contains the default value.
        None => !NEVER_IGNORED.iter().any(|never| same_text(name, never, true)),
    })
}

#[expect(
    clippy::option_option,
    reason = "absent, without value and with one are three things"
)]
fn find<'a>(uri: &'a Uri, name: &str) -> Option<Option<&'a str>> {
    uri.parameters()
        .find(|(found, _)| same_text(found, name, true))
        .map(|(_, value)| value)
}

/// Do both have the same headers, in any order? Each header of one stands for one of the other.
fn headers(a: &Uri, b: &Uri) -> bool {
    let mut left: Vec<(String, String)> = canonical_headers(a);
    let mut right: Vec<(String, String)> = canonical_headers(b);
    left.sort_unstable();
    right.sort_unstable();
    left == right
}

fn canonical_headers(uri: &Uri) -> Vec<(String, String)> {
    uri.headers()
        .map(|(name, value)| {
            (
                escape::canonical(name).to_ascii_lowercase(),
                escape::canonical(value),
            )
        })
        .collect()
}

fn tel_numbers(a: &Uri, b: &Uri) -> bool {
    let number = |uri: &Uri| tel::without_separators(uri.user().unwrap_or_default());
    number(a) == number(b) && tel_parameters(a, b) && tel_parameters(b, a)
}

fn tel_parameters(a: &Uri, b: &Uri) -> bool {
    a.parameters().all(|(name, value)| match (value, find(b, name)) {
        (None, Some(None)) => true,
        (Some(value), Some(Some(other))) => {
            let is_number = name.eq_ignore_ascii_case("ext")
                || (name.eq_ignore_ascii_case("phone-context") && value.starts_with('+'));
            if is_number {
                tel::without_separators(value) == tel::without_separators(other)
            } else {
                same_text(value, other, true)
            }
        }
        _ => false,
    })
}
