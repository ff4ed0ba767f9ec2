//! When the conditions of a rule hold (RFC 4745 section 7, and OMA's own), made ready to be asked often.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sip_im::{Aliases, Identity, Uri};

use super::Query;
use crate::document::access_rules::EXTENSIONS_NAMESPACE;
use crate::document::{Condition, Except, IdentityMatch};
use crate::xml::{DateTime, Element};

/// The identities that rules name, each with a number.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(HashMap<Identity, u32>);

/// Who asks, and for what.
pub(super) struct Asker<'q, 'a> {
    pub(super) query: &'q Query<'a>,
    /// The identities, aliases folded.
    who: Vec<Identity>,
    /// The numbers of those that a rule names.
    pub(super) numbers: Vec<u32>,
    /// Whether a rule names who asks; worked out only when a rule wants to know.
    pub(super) named: bool,
}

/// A condition of a rule.
#[derive(Debug, Clone)]
pub(super) enum Check {
    Identity(Matcher),
    Sphere(Vec<Box<str>>),
    Validity(Vec<(Since1970, Since1970)>),
    IsListMember,
    OtherIdentity,
    ExternalList(Vec<Box<str>>),
    AnonymousRequest,
    Media(Listed),
    Service(Listed),
    /// Not known, and therefore never true.
    Never,
}

/// The identities that a condition is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Matcher {
    pub(super) ones: HashSet<u32>,
    pub(super) many: Vec<Many>,
}

/// Everybody, or everybody of a domain, with exceptions.
#[derive(Debug, Clone)]
pub(super) struct Many {
    pub(super) domain: Option<Box<str>>,
    except_ones: HashSet<u32>,
    except_domains: HashSet<Box<str>>,
}

/// What a list names, or all but what it names.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    all_except: bool,
    names: Vec<Box<str>>,
}

/// A point in time; `None` before 1970.
type Since1970 = Option<Duration>;

impl Names {
    /// The number of an identity as a rule writes it; `None` when it is no URI, and so nobody's.
    fn number(&mut self, id: &str, aliases: Option<&Aliases>) -> Option<u32> {
        let identity = Uri::parse(id.trim()).ok()?.identity();
        let identity = aliases.map_or_else(|| identity.clone(), |aliases| aliases.fold(&identity));
        let next = u32::try_from(self.0.len()).ok()?;
        Some(*self.0.entry(identity).or_insert(next))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'q, 'a> Asker<'q, 'a> {
    pub(super) fn new(query: &'q Query<'a>, names: &Names) -> Self {
        // A server may know who an anonymous request comes from; the rules may not.
        let asserted = if query.anonymous { &[][..] } else { query.asserted };
        let fold = |one: &Identity| {
            query
                .aliases
                .map_or_else(|| one.clone(), |aliases| aliases.fold(one))
        };
        let who: Vec<Identity> = asserted.iter().map(fold).collect();
        let mut numbers: Vec<u32> = who.iter().filter_map(|one| names.0.get(one).copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Self {
            query,
            who,
            numbers,
            named: false,
        }
    }

    /// The domains of the identities as asserted, and as folded.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        let asserted = if self.query.anonymous {
            &[][..]
        } else {
            self.query.asserted
        };
        let domains = asserted.iter().chain(&self.who).filter_map(Identity::domain);
        domains.map(|domain| domain.trim_end_matches('.'))
    }
}

impl Check {
    pub(super) fn new(condition: &Condition, names: &mut Names, aliases: Option<&Aliases>) -> Self {
        match condition {
            Condition::Identity(matches) => Self::Identity(Matcher::new(matches, names, aliases)),
            Condition::Sphere(tokens) => {
                Self::Sphere(tokens.split_ascii_whitespace().map(Box::from).collect())
            }
            Condition::Validity(intervals) => Self::Validity(
                intervals
                    .iter()
                    .map(|interval| (DateTime::unix(&interval.from), DateTime::unix(&interval.until)))
                    .collect(),
            ),
            Condition::IsListMember => Self::IsListMember,
            Condition::OtherIdentity => Self::OtherIdentity,
            Condition::ExternalList(anchors) => {
                Self::ExternalList(anchors.iter().map(|anchor| Box::from(anchor.as_str())).collect())
            }
            Condition::AnonymousRequest => Self::AnonymousRequest,
            Condition::MediaList(list) => Self::Media(Listed::new(list, "all-media-except", |entry| {
                Some(entry.name().local())
            })),
            Condition::ServiceList(list) => {
                Self::Service(Listed::new(list, "all-services-except", |entry| {
                    entry.attribute("enabler")
                }))
            }
            Condition::Other(_) => Self::Never,
        }
    }

    /// Tells whether the condition says who asks.
    pub(super) fn is_naming(&self) -> bool {
        matches!(
            self,
            Self::Identity(_) | Self::IsListMember | Self::ExternalList(_)
        )
    }

    pub(super) fn holds(&self, asker: &Asker<'_, '_>) -> bool {
        let query = asker.query;
        match self {
            Self::Identity(matcher) => matcher.matches(asker),
            Self::Sphere(tokens) => query
                .sphere
                .is_some_and(|current| tokens.iter().any(|token| token.eq_ignore_ascii_case(current))),
            //= https://www.rfc-editor.org/rfc/rfc4745#section-7.4
            //# The validity condition is
            //# TRUE if the current time is greater than or equal to at least one
            //# <from> child, but less than the <until> child after it.
            Self::Validity(intervals) => intervals.iter().any(|(from, until)| {
                from.is_none_or(|from| from <= query.now) && until.is_some_and(|until| query.now < until)
            }),
            Self::IsListMember => asker.who.iter().any(|who| (query.is_member)(who)),
            Self::OtherIdentity => !asker.who.is_empty() && !asker.named,
            Self::ExternalList(anchors) => anchors
                .iter()
                .any(|anchor| asker.who.iter().any(|who| (query.is_on_list)(anchor, who))),
            Self::AnonymousRequest => query.anonymous,
            Self::Media(list) => list.names(query.media),
            Self::Service(list) => list.names(query.service),
            Self::Never => false,
        }
    }
}

impl Matcher {
    fn new(matches: &[IdentityMatch], names: &mut Names, aliases: Option<&Aliases>) -> Self {
        let mut made = Self::default();
        for one in matches {
            match one {
                IdentityMatch::One { id } => made.ones.extend(names.number(id, aliases)),
                IdentityMatch::Many { domain, except } => {
                    made.many
                        .push(Many::new(domain.as_deref(), except, names, aliases));
                }
                IdentityMatch::Other(_) => {}
            }
        }
        made
    }

    //= https://www.rfc-editor.org/rfc/rfc4745#section-7.1.1
    //# The <identity> condition is considered TRUE if any of its child
    //# elements (e.g., the <one/> and the <many/> elements defined in this
    //# document) evaluate to TRUE
    fn matches(&self, asker: &Asker<'_, '_>) -> bool {
        asker.numbers.iter().any(|number| self.ones.contains(number))
            || self.many.iter().any(|many| many.matches(asker))
    }
}

impl Many {
    fn new(domain: Option<&str>, except: &[Except], names: &mut Names, aliases: Option<&Aliases>) -> Self {
        let domains = except.iter().filter_map(|except| except.domain.as_deref());
        Self {
            // A domain that is none is nobody's, so it is kept as written.
            domain: domain.map(canonical_domain),
            except_domains: domains.map(canonical_domain).collect(),
            except_ones: except
                .iter()
                .filter_map(|except| names.number(except.id.as_deref()?, aliases))
                .collect(),
        }
    }

    fn matches(&self, asker: &Asker<'_, '_>) -> bool {
        let inside = match &self.domain {
            None => !asker.who.is_empty(),
            Some(domain) => asker.domains().any(|known| known == &**domain),
        };
        // One excepted identity is enough: an alias must not get around an exception.
        let is_excepted = || {
            asker
                .numbers
                .iter()
                .any(|number| self.except_ones.contains(number))
                || (!self.except_domains.is_empty()
                    && asker.domains().any(|known| self.except_domains.contains(known)))
        };
        inside && !is_excepted()
    }
}

impl Listed {
    fn new<'e>(list: &'e Element, all_except: &str, name: impl Fn(&'e Element) -> Option<&'e str>) -> Self {
        let exceptions = list.child(EXTENSIONS_NAMESPACE, all_except);
        Self {
            all_except: exceptions.is_some(),
            names: exceptions
                .unwrap_or(list)
                .elements()
                .filter_map(name)
                .map(Box::from)
                .collect(),
        }
    }

    fn names(&self, asked: Option<&str>) -> bool {
        let listed = |asked: &str| self.names.iter().any(|name| name.eq_ignore_ascii_case(asked));
        match asked {
            Some(asked) => listed(asked) != self.all_except,
            // What is not said is on no list, so it is on every list of all but some.
            None => self.all_except,
        }
    }
}

/// The one spelling of a domain: in lower case, without a dot at the end, escapes undone.
fn canonical_domain(domain: &str) -> Box<str> {
    let domain = domain.trim().trim_end_matches('.').to_ascii_lowercase();
    if !domain.contains('%') {
        return domain.into();
    }
    let mut octets = Vec::with_capacity(domain.len());
    let mut bytes = domain.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return domain.into();
        };
        octets.push(u8::try_from(high.saturating_mul(16).saturating_add(low)).unwrap_or_default());
    }
    let decoded = String::from_utf8(octets).unwrap_or(domain);
    decoded.to_ascii_lowercase().into()
}
