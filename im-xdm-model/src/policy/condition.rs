//! When the conditions of a rule hold (RFC 4745 section 7, and OMA's own).

use sip_im::{Identity, Uri};

use super::Query;
use crate::document::access_rules::EXTENSIONS_NAMESPACE;
use crate::document::{Condition, IdentityMatch, Rule, Ruleset, Validity};
use crate::xml::Element;

/// A query with what is the same for all rules worked out once.
pub(super) struct Asked<'q, 'a> {
    query: &'q Query<'a>,
    who: Vec<Identity>,
    /// Whether a rule of the document names who asks.
    named: bool,
}

impl<'q, 'a> Asked<'q, 'a> {
    pub(super) fn new(rules: &Ruleset, query: &'q Query<'a>) -> Self {
        // A server may know who an anonymous request comes from; the rules may not.
        let asserted = if query.anonymous { &[] } else { query.asserted };
        let who = asserted
            .iter()
            .map(|one| query.aliases.map_or_else(|| one.clone(), |a| a.fold(one)))
            .collect();
        let mut asked = Self {
            query,
            who,
            named: false,
        };
        asked.named = rules.rules.iter().any(|rule| asked.is_named_by(rule));
        asked
    }

    /// Tells whether a rule applies: all its conditions hold.
    pub(super) fn matches(&self, rule: &Rule) -> bool {
        rule.conditions.iter().all(|condition| self.holds(condition))
    }

    /// Tells whether a rule has conditions on identities, and all of them hold.
    fn is_named_by(&self, rule: &Rule) -> bool {
        let naming = |c: &&Condition| {
            matches!(
                c,
                Condition::Identity(_) | Condition::IsListMember | Condition::ExternalList(_)
            )
        };
        let mut conditions = rule.conditions.iter().filter(naming).peekable();
        conditions.peek().is_some() && conditions.all(|condition| self.holds(condition))
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            //= https://www.rfc-editor.org/rfc/rfc4745#section-7.1.1
            //# The <identity> condition is considered TRUE if any of its child
            //# elements (e.g., the <one/> and the <many/> elements defined in this
            //# document) evaluate to TRUE
            Condition::Identity(matches) => matches.iter().any(|one| self.identity(one)),
            Condition::Sphere(tokens) => self.query.sphere.is_some_and(|current| {
                tokens
                    .split_ascii_whitespace()
                    .any(|token| token.eq_ignore_ascii_case(current))
            }),
            Condition::Validity(intervals) => intervals.iter().any(|interval| self.is_now(interval)),
            Condition::IsListMember => self.who.iter().any(|who| (self.query.is_member)(who)),
            Condition::OtherIdentity => !self.who.is_empty() && !self.named,
            Condition::ExternalList(anchors) => anchors
                .iter()
                .any(|anchor| self.who.iter().any(|who| (self.query.is_on_list)(anchor, who))),
            Condition::AnonymousRequest => self.query.anonymous,
            Condition::MediaList(list) => is_listed(list, "all-media-except", |entry| {
                self.query
                    .media
                    .is_some_and(|media| entry.name().local() == media)
            }),
            Condition::ServiceList(list) => is_listed(list, "all-services-except", |entry| {
                self.query.service.is_some_and(|service| {
                    entry
                        .attribute("enabler")
                        .is_some_and(|enabler| enabler.eq_ignore_ascii_case(service))
                })
            }),
            Condition::Other(_) => false,
        }
    }

    fn identity(&self, wanted: &IdentityMatch) -> bool {
        match wanted {
            IdentityMatch::One { id } => self.is(id),
            IdentityMatch::Many { domain, except } => {
                let inside = match domain {
                    None => !self.who.is_empty(),
                    Some(domain) => self.is_in(domain),
                };
                // One excepted identity is enough: an alias must not get around an exception.
                let excepted = except.iter().any(|except| {
                    except.id.as_deref().is_some_and(|id| self.is(id))
                        || except.domain.as_deref().is_some_and(|domain| self.is_in(domain))
                });
                inside && !excepted
            }
            IdentityMatch::Other(_) => false,
        }
    }

    fn is(&self, id: &str) -> bool {
        let Ok(uri) = Uri::parse(id.trim()) else {
            return false;
        };
        let wanted = uri.identity();
        let wanted = self
            .query
            .aliases
            .map_or_else(|| wanted.clone(), |aliases| aliases.fold(&wanted));
        self.who.contains(&wanted)
    }

    /// Tells whether one of the identities as asserted, or as folded, belongs to a domain.
    fn is_in(&self, domain: &str) -> bool {
        let asserted = if self.query.anonymous {
            &[]
        } else {
            self.query.asserted
        };
        asserted
            .iter()
            .chain(&self.who)
            .filter_map(Identity::domain)
            .any(|known| is_same_domain(known, domain))
    }

    fn is_now(&self, interval: &Validity) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc4745#section-7.4
        //# The validity condition is
        //# TRUE if the current time is greater than or equal to at least one
        //# <from> child, but less than the <until> child after it.
        let now = i64::try_from(self.query.now.as_secs()).unwrap_or(i64::MAX);
        interval.from.unix_seconds() <= now && now < interval.until.unix_seconds()
    }
}

/// Tells whether a list names something, or names all but some others.
fn is_listed(list: &Element, all_except: &str, is_it: impl Fn(&Element) -> bool) -> bool {
    match list.child(EXTENSIONS_NAMESPACE, all_except) {
        Some(exceptions) => !exceptions.elements().any(&is_it),
        None => list.elements().any(&is_it),
    }
}

/// Compares domain names: case and a trailing dot do not count, escapes are undone.
fn is_same_domain(known: &str, wanted: &str) -> bool {
    let wanted = wanted.trim().trim_end_matches('.');
    let known = known.trim_end_matches('.');
    if !wanted.contains('%') {
        return known.eq_ignore_ascii_case(wanted);
    }
    let mut octets = Vec::new();
    let mut bytes = wanted.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return false;
        };
        octets.push(u8::try_from(high.saturating_mul(16).saturating_add(low)).unwrap_or_default());
    }
    known.as_bytes().eq_ignore_ascii_case(&octets)
}
