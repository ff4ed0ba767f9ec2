//! Canonical identity: one value for all spellings of who someone is.

use core::fmt;
use std::collections::BTreeMap;

use super::{Host, Scheme, Uri, compare, escape, tel};

/// Whom a URI names, in the one spelling that policy, rosters, block lists and de-duplication compare.
///
/// No port, parameter, header, password or display name is part of it; the host is in lower case; `sips`, `im` and `pres`
/// fold to `sip`; an escape that need not be one is undone; a telephone number is `tel` with its digits only, also when it
/// stands in the user part of a SIP URI as a global number or with a `phone-context`. The `user=phone` parameter does not
/// decide that, since then adding or removing it would evade a rule.
///
/// ```
/// use sip_im::Uri;
/// let plain = Uri::parse("sip:alice@example.com")?.identity();
/// for other in ["sips:alice@EXAMPLE.com", "sip:%61lice@example.com:5060;x=y", "im:alice@example.com."] {
///     assert_eq!(Uri::parse(other)?.identity(), plain);
/// }
/// let tel = Uri::parse("tel:+1-555-1234")?.identity();
/// assert_eq!(Uri::parse("sip:+15551234@gw.example.com;user=phone")?.identity(), tel);
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Box<str>);

impl Identity {
    /// One that comes before every other in order.
    pub(crate) fn first() -> Self {
        Self(Box::from(""))
    }

    pub(super) fn of(uri: &Uri) -> Self {
        let text = match uri.scheme() {
            Scheme::Sip | Scheme::Sips | Scheme::Im | Scheme::Pres => of_sip(uri),
            Scheme::Tel => of_tel(uri),
            Scheme::Urn => format!("urn:{}", compare::urn(&escape::canonical(uri.opaque()))),
            _ => {
                let opaque = escape::canonical(uri.opaque());
                format!("{}:{opaque}", uri.scheme_str().to_ascii_lowercase())
            }
        };
        Self(text.into())
    }

    /// The canonical text, itself a URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after `@`, in lower case.
    pub fn domain(&self) -> Option<&str> {
        let (scheme, rest) = self.0.split_once(':')?;
        (scheme == "sip").then(|| rest.rsplit_once('@').map_or(rest, |(_, host)| host))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sets of addresses that name one user, as a host knows them from its subscriptions.
#[derive(Clone, Debug, Default)]
pub struct Aliases(BTreeMap<Identity, Identity>);

impl Aliases {
    /// No aliases.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `alias` names the same user as `of`. Chains are folded at once, and a user stays one if its own main
    /// address is later said to be an alias of another.
    pub fn insert(&mut self, alias: &Uri, of: &Uri) {
        let (alias, main) = (self.fold(&alias.identity()), self.fold(&of.identity()));
        if alias == main {
            return;
        }
        for folded in self.0.values_mut().filter(|folded| **folded == alias) {
            *folded = main.clone();
        }
        self.0.insert(alias, main);
    }

    /// The main identity of the user whom `identity` names.
    #[must_use]
    pub fn fold(&self, identity: &Identity) -> Identity {
        self.0.get(identity).unwrap_or(identity).clone()
    }

    /// How many aliases there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn of_sip(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let host = Host::parse(host).map_or_else(|_| host.to_ascii_lowercase(), |host| host.canonical());
    let Some(user) = uri.user() else {
        return format!("sip:{host}");
    };
    let user = escape::canonical(user);
    let decoded = user.replace("%2B", "+").replace("%3B", ";").replace("%3D", "=");
    if let Some(number) = telephone(&decoded) {
        return number;
    }
    format!("sip:{user}@{host}")
}

fn of_tel(uri: &Uri) -> String {
    telephone(uri.opaque()).unwrap_or_else(|| format!("tel:{}", uri.opaque().to_ascii_lowercase()))
}

/// The identity of a telephone-subscriber: a global number, or a local one with the context it is valid in. An extension
/// reaches another telephone, so it stays.
fn telephone(text: &str) -> Option<String> {
    let mut pieces = text.split(';');
    let number = pieces.next()?;
    let (mut context, mut extension) = (None, None);
    for piece in pieces {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if name.eq_ignore_ascii_case("phone-context") {
            context = Some(value);
        } else if name.eq_ignore_ascii_case("ext") {
            extension = Some(value).filter(|value| tel::is_extension(value));
        }
    }
    let mut out = String::from("tel:");
    if tel::is_global(number) {
        out.push_str(&tel::without_separators(number));
    } else if !tel::is_local(number) {
        return None;
    } else {
        let context = context.filter(|context| tel::is_context(context))?;
        out.push_str(&tel::without_separators(number));
        out.push_str(";phone-context=");
        let context = if context.starts_with('+') {
            tel::without_separators(context)
        } else {
            context.to_ascii_lowercase()
        };
        out.push_str(&context);
    }
    if let Some(extension) = extension {
        out.push_str(";ext=");
        out.push_str(&tel::without_separators(extension));
    }
    Some(out)
}
