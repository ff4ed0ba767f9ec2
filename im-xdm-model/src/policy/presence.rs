//! What a watcher may see of a presence document: the transformations of presence rules (RFC 5025 section 3.3).

use std::collections::BTreeSet;

use super::RuleIds;
use crate::document::Ruleset;
use crate::document::access_rules::PRESENCE_RULES_NAMESPACE as NAMESPACE;
use crate::document::pidf::{Presence, Rpid};
use crate::xml::{Element, Extensions};

/// What a watcher may see. Each rule that applies adds to it; no rule takes anything away.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::pidf::{Basic, Presence, Tuple};
/// use im_xdm_model::policy::View;
///
/// let mut presence = Presence::new("sip:alice@example.com");
/// let mut tuple = Tuple::new("t1");
/// tuple.basic = Some(Basic::Open);
/// presence.tuples.push(tuple);
/// assert_eq!(View::everything().of_presence(presence.clone()), presence);
/// assert!(View::default().of_presence(presence).tuples.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    services: Selection,
    persons: Selection,
    devices: Selection,
    attributes: Attributes,
}

/// Which components of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Selection {
    all: bool,
    /// By which element, and its content.
    by: BTreeSet<(By, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Class,
    Occurrence,
    Device,
    Uri,
    Scheme,
}

/// Which attributes of the components.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Attributes {
    all: bool,
    named: BTreeSet<&'static str>,
    /// Of other namespaces: namespace and name.
    unknown: BTreeSet<(String, String)>,
    user_input: Detail,
}

/// How much of `user-input` is shown (RFC 5025 section 3.3.2.13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    #[default]
    Nothing,
    Bare,
    Thresholds,
    Full,
}

impl View {
    /// All there is.
    pub fn everything() -> Self {
        let all = Selection {
            all: true,
            by: BTreeSet::new(),
        };
        Self {
            services: all.clone(),
            persons: all.clone(),
            devices: all,
            attributes: Attributes {
                all: true,
                ..Attributes::default()
            },
        }
    }

    /// What the rules that apply grant together.
    pub fn granted(rules: &Ruleset, applying: &RuleIds) -> Self {
        let applying: BTreeSet<&str> = applying.iter().collect();
        let mut view = Self::default();
        let rules = rules
            .rules
            .iter()
            .filter(|rule| applying.contains(rule.id.as_str()));
        for transformation in rules.flat_map(|rule| &rule.transformations) {
            view.add(transformation);
        }
        view
    }

    fn add(&mut self, transformation: &Element) {
        if !transformation.name().is_in(NAMESPACE) {
            return;
        }
        let granted = || matches!(transformation.trimmed_text().as_str(), "true" | "1");
        match transformation.name().local() {
            "provide-services" => self.services.add(transformation, "all-services"),
            "provide-persons" => self.persons.add(transformation, "all-persons"),
            "provide-devices" => self.devices.add(transformation, "all-devices"),
            "provide-all-attributes" => self.attributes.all = true,
            "provide-user-input" => {
                let detail = match transformation.trimmed_text().as_str() {
                    "bare" => Detail::Bare,
                    "thresholds" => Detail::Thresholds,
                    "full" => Detail::Full,
                    _ => Detail::Nothing,
                };
                self.attributes.user_input = self.attributes.user_input.max(detail);
            }
            "provide-unknown-attribute" if granted() => {
                if let (Some(name), Some(namespace)) =
                    (transformation.attribute("name"), transformation.attribute("ns"))
                {
                    let unknown = (namespace.to_owned(), name.to_owned());
                    self.attributes.unknown.insert(unknown);
                }
            }
            name if granted() => {
                let known = NAMED
                    .iter()
                    .find(|known| name.strip_prefix("provide-") == Some(known));
                self.attributes.named.extend(known);
            }
            _ => {}
        }
    }

    /// Takes out of a document what the watcher may not see.
    #[must_use]
    pub fn of_presence(&self, mut presence: Presence) -> Presence {
        let attributes = &self.attributes;
        presence.tuples.retain(|tuple| {
            let uri = tuple.contact.as_ref().map(|contact| contact.uri.as_str());
            let keys = [
                (By::Class, tuple.rpid.class.as_deref()),
                (By::Occurrence, Some(tuple.id.as_str())),
                (By::Uri, uri),
                (
                    By::Scheme,
                    uri.and_then(|uri| uri.split_once(':')).map(|(scheme, _)| scheme),
                ),
            ];
            self.services.has(&keys)
        });
        for tuple in &mut presence.tuples {
            if !attributes.has("deviceID") {
                tuple.device_id = None;
            }
            if !attributes.has("note") {
                tuple.notes.clear();
            }
            if !attributes.all {
                tuple
                    .other_status
                    .retain(|element| attributes.has_unknown(element));
            }
            attributes.filter(&mut tuple.rpid, &mut tuple.extensions);
        }
        presence.persons.retain(|person| {
            let keys = [
                (By::Class, person.rpid.class.as_deref()),
                (By::Occurrence, Some(person.id.as_str())),
            ];
            self.persons.has(&keys)
        });
        for person in &mut presence.persons {
            if !attributes.has("note") {
                person.notes.clear();
            }
            attributes.filter(&mut person.rpid, &mut person.extensions);
        }
        presence.devices.retain(|device| {
            let keys = [
                (By::Class, device.rpid.class.as_deref()),
                (By::Occurrence, Some(device.id.as_str())),
                (By::Device, Some(device.device_id.as_str())),
            ];
            self.devices.has(&keys)
        });
        for device in &mut presence.devices {
            if !attributes.has("note") {
                device.notes.clear();
            }
            attributes.filter(&mut device.rpid, &mut device.extensions);
        }
        if !attributes.has("note") {
            presence.notes.clear();
        }
        if !attributes.all {
            presence
                .extensions
                .elements
                .retain(|element| attributes.has_unknown(element));
        }
        presence
    }
}

impl Selection {
    fn add(&mut self, set: &Element, all: &str) {
        for member in set.elements().filter(|member| member.name().is_in(NAMESPACE)) {
            let by = match member.name().local() {
                name if name == all => {
                    self.all = true;
                    continue;
                }
                "class" => By::Class,
                "occurrence-id" => By::Occurrence,
                "deviceID" => By::Device,
                "service-uri" => By::Uri,
                "service-uri-scheme" => By::Scheme,
                _ => continue,
            };
            self.by.insert((by, spelled(by, &member.trimmed_text())));
        }
    }

    fn has(&self, keys: &[(By, Option<&str>)]) -> bool {
        let granted = |(by, value): &(By, Option<&str>)| {
            value.is_some_and(|value| self.by.contains(&(*by, spelled(*by, value))))
        };
        self.all || keys.iter().any(granted)
    }
}

impl Attributes {
    fn has(&self, name: &str) -> bool {
        self.all || self.named.contains(name)
    }

    fn has_unknown(&self, element: &Element) -> bool {
        let name = element.name();
        let namespace = name.namespace().unwrap_or_default();
        self.all
            || self
                .unknown
                .iter()
                .any(|(granted, local)| granted == namespace && local == name.local())
    }

    fn filter(&self, rpid: &mut Rpid, extensions: &mut Extensions) {
        if self.all {
            return;
        }
        extensions.elements.retain(|element| self.has_unknown(element));
        extensions.attributes.clear();
        let Rpid {
            activities,
            class,
            mood,
            place_type,
            privacy,
            relationship,
            service_class,
            sphere,
            status_icon,
            time_offset,
            user_input,
        } = rpid;
        // None of the permissions names it.
        *service_class = None;
        clear_unless(self.has("activities"), activities);
        clear_unless(self.has("class"), class);
        clear_unless(self.has("mood"), mood);
        clear_unless(self.has("place-type"), place_type);
        clear_unless(self.has("privacy"), privacy);
        clear_unless(self.has("relationship"), relationship);
        clear_unless(self.has("sphere"), sphere);
        clear_unless(self.has("status-icon"), status_icon);
        clear_unless(self.has("time-offset"), time_offset);
        clear_unless(self.user_input > Detail::Nothing, user_input);
        if let Some(input) = user_input {
            clear_unless(self.user_input >= Detail::Thresholds, &mut input.idle_threshold);
            clear_unless(self.user_input >= Detail::Full, &mut input.last_input);
        }
    }
}

fn clear_unless<T>(granted: bool, value: &mut Option<T>) {
    if !granted {
        *value = None;
    }
}

/// What is compared: URIs by the canonical form, the rest as it is.
fn spelled(by: By, value: &str) -> String {
    match by {
        By::Uri => {
            sip_im::Uri::parse(value).map_or_else(|_| value.to_owned(), |uri| uri.identity().to_string())
        }
        By::Scheme => value.to_ascii_lowercase(),
        By::Class | By::Occurrence | By::Device => value.to_owned(),
    }
}

/// The attributes that a permission each is for.
const NAMED: [&str; 11] = [
    "activities",
    "class",
    "deviceID",
    "mood",
    "note",
    "place-type",
    "privacy",
    "relationship",
    "sphere",
    "status-icon",
    "time-offset",
];
