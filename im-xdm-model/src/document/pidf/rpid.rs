//! The basics of rich presence (RFC 4480): what somebody does, how and where somebody is.

use super::super::tokens::tokens;
use super::super::{content_of, date, number, optional, other_than};
use super::DisplayName;
use crate::error::DocumentError;
use crate::xml::{DateTime, Element, Extensions, TreeNode, is_space};

/// The namespace of rich presence.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf:rpid";

/// Rich presence of a tuple, a person or a device. An element that comes again, for other times, is an extension of what
/// it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Rpid {
    /// What the person does.
    pub activities: Option<Tokens>,
    /// A word that only the presentity and its rules know.
    pub class: Option<String>,
    /// How the person feels.
    pub mood: Option<Tokens>,
    /// What kind of place the person is at.
    pub place_type: Option<Tokens>,
    /// Which media others nearby may notice.
    pub privacy: Option<Tokens>,
    /// Who is reached, seen from the presentity.
    pub relationship: Option<Tokens>,
    /// What kind of service it is.
    pub service_class: Option<Tokens>,
    /// In which part of life the person is.
    pub sphere: Option<Tokens>,
    /// The URI of an image.
    pub status_icon: Option<String>,
    /// Minutes east of UTC.
    pub time_offset: Option<i32>,
    /// Whether the person uses the device.
    pub user_input: Option<UserInput>,
}

/// Words that say something, with the time for which they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Tokens {
    /// The words, as elements are called: `on-the-phone`, `happy`, `home`.
    pub values: Vec<String>,
    /// What no word is there for.
    pub other: Option<DisplayName>,
    /// Texts about it, in several languages.
    pub notes: Vec<DisplayName>,
    /// Since when.
    pub from: Option<DateTime>,
    /// Until when.
    pub until: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// Whether a device is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UserInput {
    /// Whether it is.
    pub state: UserInputState,
    /// Seconds without use after which it counts as idle.
    pub idle_threshold: Option<u64>,
    /// When it was used last.
    pub last_input: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

tokens! {
    /// Whether a device is used.
    UserInputState {
        /// It is.
        Active = "active",
        /// It has not been for a while.
        Idle = "idle",
    }
}

impl Tokens {
    /// Makes a set of words.
    pub fn of<'w>(values: impl IntoIterator<Item = &'w str>) -> Self {
        Self {
            values: values.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// Tells whether a word is among them.
    pub fn contains(&self, value: &str) -> bool {
        self.values.iter().any(|known| known == value)
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self {
            from: optional(element, "from", date)?,
            until: optional(element, "until", date)?,
            ..Self::default()
        };
        read.extensions.attributes = other_than(element, &["from", "until"]);
        for child in element.elements() {
            match child.name().local() {
                _ if !child.name().is_in(NAMESPACE) => read.extensions.elements.push(child.to_element()),
                "note" => read.notes.push(DisplayName::from_element(child)),
                "other" if read.other.is_none() => read.other = Some(DisplayName::from_element(child)),
                value if child.elements().next().is_none() => read.values.push(value.to_owned()),
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        // A sphere may be told in free words.
        let text = element.text();
        let text = text.trim_matches(is_space);
        if !text.is_empty() && read.other.is_none() {
            read.other = Some(DisplayName::new(text));
        }
        Ok(read)
    }

    fn to_element(&self, name: &'static str) -> Element {
        let mut element = Element::known(NAMESPACE, name);
        element.set_if("from", self.from.map(|at| at.to_string()));
        element.set_if("until", self.until.map(|at| at.to_string()));
        element.extend_attributes(&self.extensions);
        for note in &self.notes {
            element.push(note.to_named(NAMESPACE, "note"));
        }
        for value in &self.values {
            if let Some(child) = Element::named_like(NAMESPACE, value) {
                element.push(child);
            }
        }
        match &self.other {
            Some(other) if name == "sphere" && is_plain(other) => element.push_text(&other.text),
            Some(other) => element.push(other.to_named(NAMESPACE, "other")),
            None => {}
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl UserInput {
    /// Says whether a device is used.
    pub fn new(state: UserInputState) -> Self {
        Self {
            state,
            idle_threshold: None,
            last_input: None,
            extensions: Extensions::default(),
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::new(content_of(element, "user-input", UserInputState::from_value)?);
        read.idle_threshold = optional(element, "idle-threshold", number)?;
        read.last_input = optional(element, "last-input", date)?;
        read.extensions.attributes = other_than(element, &["idle-threshold", "last-input"]);
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "user-input");
        element.set_if("idle-threshold", self.idle_threshold.map(|n| n.to_string()));
        element.set_if("last-input", self.last_input.map(|at| at.to_string()));
        element.extend_attributes(&self.extensions);
        element.push_text(self.state.as_str());
        element
    }
}

impl Rpid {
    /// Tells whether nothing is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes an element of rich presence; `false` when it is none, is not typed here, or came before.
    pub(super) fn take(&mut self, element: TreeNode<'_>) -> Result<bool, DocumentError> {
        if !element.name().is_in(NAMESPACE) {
            return Ok(false);
        }
        let plain = element.elements().next().is_none() && element.attributes().next().is_none();
        match element.name().local() {
            "class" if self.class.is_none() && plain => self.class = Some(element.trimmed_text()),
            "status-icon" if self.status_icon.is_none() && plain => {
                self.status_icon = Some(element.trimmed_text());
            }
            "time-offset" if self.time_offset.is_none() && plain => {
                self.time_offset = Some(content_of(element, "time-offset", |text| {
                    text.trim_matches(is_space).parse().ok()
                })?);
            }
            "user-input" if self.user_input.is_none() => {
                self.user_input = Some(UserInput::from_node(element)?);
            }
            name => {
                let slot = self.tokens().into_iter().find(|(known, _)| *known == name);
                let Some((_, slot @ None)) = slot else {
                    return Ok(false);
                };
                *slot = Some(Tokens::from_node(element)?);
            }
        }
        Ok(true)
    }

    fn tokens(&mut self) -> [(&'static str, &mut Option<Tokens>); 7] {
        [
            ("activities", &mut self.activities),
            ("mood", &mut self.mood),
            ("place-type", &mut self.place_type),
            ("privacy", &mut self.privacy),
            ("relationship", &mut self.relationship),
            ("service-class", &mut self.service_class),
            ("sphere", &mut self.sphere),
        ]
    }

    pub(super) fn push_to(&self, element: &mut Element) {
        let mut tokens = |name, tokens: Option<&Tokens>| {
            if let Some(tokens) = tokens {
                element.push(tokens.to_element(name));
            }
        };
        tokens("activities", self.activities.as_ref());
        tokens("mood", self.mood.as_ref());
        tokens("place-type", self.place_type.as_ref());
        tokens("privacy", self.privacy.as_ref());
        tokens("relationship", self.relationship.as_ref());
        tokens("service-class", self.service_class.as_ref());
        tokens("sphere", self.sphere.as_ref());
        element.push_leaf_if(NAMESPACE, "class", self.class.as_deref());
        element.push_leaf_if(NAMESPACE, "status-icon", self.status_icon.as_deref());
        element.push_leaf_if(
            NAMESPACE,
            "time-offset",
            self.time_offset.map(|n| n.to_string()).as_deref(),
        );
        if let Some(input) = &self.user_input {
            element.push(input.to_element());
        }
    }
}

/// Tells whether a text stays the same when it stands between tags without an element of its own.
fn is_plain(text: &DisplayName) -> bool {
    text.lang.is_none() && !text.text.is_empty() && text.text.trim_matches(is_space).len() == text.text.len()
}
