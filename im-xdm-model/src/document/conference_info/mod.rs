//! Conference state (RFC 4575), with nicknames (RFC 7701) and the mark of the subscriber's own entry.

mod merge;
mod user;

use bytes::Bytes;

use super::{boolean_of, number, number_of, other_than as others};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, TreeNode};

pub use merge::{MergeError, Merged};
pub use user::{
    DisconnectionMethod, Endpoint, EndpointStatus, Execution, JoiningMethod, Media, MediaStatus, User,
};

/// The namespace of conference state.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";

/// The namespace of nicknames.
pub const NICKNAME_NAMESPACE: &str = "urn:ietf:params:xml:ns:xcon-conference-info";

/// Who takes part in a conference, in full or as a change.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::conference_info::{ConferenceInfo, State, User};
/// use im_xdm_model::xml::Limits;
///
/// let mut info = ConferenceInfo::new("sip:room@example.com", 1);
/// let mut user = User::new("sip:bob@example.com");
/// user.nickname = Some("Bob the great".into());
/// info.users.push(user);
/// assert_eq!(info.state, State::Full);
/// assert_eq!(ConferenceInfo::parse(&info.write(), &Limits::default())?, info);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ConferenceInfo {
    /// The conference URI.
    pub entity: String,
    /// Whether this is everything, a change, or the end.
    pub state: State,
    /// Grows by one with each document of a subscription.
    pub version: Option<u32>,
    /// What the conference is.
    pub description: Option<Description>,
    /// Who holds it, carried along.
    pub host_info: Option<Element>,
    /// The conference as a whole.
    pub conference_state: Option<ConferenceState>,
    /// Whether `users` is everything or a change; `None` when there is no such element.
    pub users_state: Option<State>,
    /// The participants.
    pub users: Vec<User>,
    /// What else there is, sidebars included.
    pub extensions: Extensions,
}

/// Whether an element holds everything, a change, or is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// Everything.
    #[default]
    Full,
    /// What changed.
    Partial,
    /// The element is gone.
    Deleted,
}

impl State {
    /// Returns the value of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Deleted => "deleted",
        }
    }

    fn of(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        match element.attribute("state") {
            None | Some("full") => Ok(Self::Full),
            Some("partial") => Ok(Self::Partial),
            Some("deleted") => Ok(Self::Deleted),
            Some(_) => Err(DocumentError::at(element, DocumentErrorKind::BadValue("state"))),
        }
    }
}

/// What a conference is (RFC 4575 section 5.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Description {
    /// What a person is shown.
    pub display_text: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// More about it.
    pub free_text: Option<String>,
    /// How many may take part.
    pub maximum_user_count: Option<u32>,
    /// What else there is.
    pub extensions: Extensions,
}

/// The conference as a whole (RFC 4575 section 5.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ConferenceState {
    /// How many take part, those who are not shown included.
    pub user_count: Option<u32>,
    /// Whether it has begun.
    pub active: Option<bool>,
    /// Whether it is closed to others.
    pub locked: Option<bool>,
    /// What else there is.
    pub extensions: Extensions,
}

impl ConferenceInfo {
    /// Makes a full state without participants.
    pub fn new(entity: impl Into<String>, version: u32) -> Self {
        Self {
            entity: entity.into(),
            version: Some(version),
            users_state: Some(State::Full),
            ..Self::default()
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not conference state.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "conference-info")?;
        let mut info = Self {
            entity: super::required(root, "entity")?,
            state: State::of(root)?,
            ..Self::default()
        };
        info.version = match root.attribute("version") {
            None => None,
            Some(text) => Some(
                number(text)
                    .ok_or_else(|| DocumentError::at(root, DocumentErrorKind::BadValue("version")))?,
            ),
        };
        info.extensions.attributes = others(root, &["entity", "state", "version"]);
        for child in root.elements() {
            match own(child) {
                Some("conference-description") => {
                    super::once(
                        &mut info.description,
                        Description::read(child)?,
                        child,
                        "conference-description",
                    )?;
                }
                Some("host-info") => {
                    super::once(&mut info.host_info, child.to_element(), child, "host-info")?;
                }
                Some("conference-state") => {
                    super::once(
                        &mut info.conference_state,
                        ConferenceState::read(child)?,
                        child,
                        "conference-state",
                    )?;
                }
                Some("users") => {
                    super::once(&mut info.users_state, State::of(child)?, child, "users")?;
                    for user in child.elements().filter(|e| own(*e) == Some("user")) {
                        info.users.push(User::read(user)?);
                    }
                }
                // RFC 4575 lets subscribers ignore what they do not know, and sidebars are such.
                _ => info.extensions.elements.push(child.to_element()),
            }
        }
        Ok(info)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "conference-info");
        root.set("entity", self.entity.as_str());
        root.set("state", self.state.as_str());
        root.set_if("version", self.version.map(|v| v.to_string()));
        root.extend_attributes(&self.extensions);
        if let Some(description) = &self.description {
            root.push(description.to_element());
        }
        if let Some(host) = &self.host_info {
            root.push(host.clone());
        }
        if let Some(state) = &self.conference_state {
            root.push(state.to_element());
        }
        let users_state = self
            .users_state
            .or((!self.users.is_empty()).then_some(State::Full));
        if let Some(state) = users_state {
            let mut users = Element::known(NAMESPACE, "users");
            if state != State::Full {
                users.set("state", state.as_str());
            }
            for user in &self.users {
                users.push(user.to_element());
            }
            root.push(users);
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

impl Description {
    fn read(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        read.extensions.attributes = others(element, &[]);
        for child in element.elements() {
            let text = || child.text().into_owned();
            match own(child) {
                Some("display-text") => super::once(&mut read.display_text, text(), child, "display-text")?,
                Some("subject") => super::once(&mut read.subject, text(), child, "subject")?,
                Some("free-text") => super::once(&mut read.free_text, text(), child, "free-text")?,
                Some("maximum-user-count") => {
                    let count = number_of(child, "maximum-user-count")?;
                    super::once(&mut read.maximum_user_count, count, child, "maximum-user-count")?;
                }
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        // The order in which they are written, so that what is read back is the same.
        read.extensions
            .elements
            .sort_by_key(|e| !is_own(e, &["keywords", "conf-uris", "service-uris"]));
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "conference-description");
        element.extend_attributes(&self.extensions);
        element.push_leaf_if(NAMESPACE, "display-text", self.display_text.as_deref());
        element.push_leaf_if(NAMESPACE, "subject", self.subject.as_deref());
        element.push_leaf_if(NAMESPACE, "free-text", self.free_text.as_deref());
        // The schema has keywords and URIs before the count, available media and foreign elements after it.
        let (before, after): (Vec<_>, Vec<_>) = self
            .extensions
            .elements
            .iter()
            .partition(|e| is_own(e, &["keywords", "conf-uris", "service-uris"]));
        for child in before {
            element.push(child.clone());
        }
        let count = self.maximum_user_count.map(|n| n.to_string());
        element.push_leaf_if(NAMESPACE, "maximum-user-count", count.as_deref());
        for child in after {
            element.push(child.clone());
        }
        element
    }
}

impl ConferenceState {
    fn read(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        read.extensions.attributes = others(element, &[]);
        for child in element.elements() {
            match own(child) {
                Some("user-count") => {
                    super::once(
                        &mut read.user_count,
                        number_of(child, "user-count")?,
                        child,
                        "user-count",
                    )?;
                }
                Some("active") => {
                    super::once(&mut read.active, boolean_of(child, "active")?, child, "active")?;
                }
                Some("locked") => {
                    super::once(&mut read.locked, boolean_of(child, "locked")?, child, "locked")?;
                }
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "conference-state");
        element.extend_attributes(&self.extensions);
        element.push_leaf_if(
            NAMESPACE,
            "user-count",
            self.user_count.map(|n| n.to_string()).as_deref(),
        );
        element.push_leaf_if(NAMESPACE, "active", self.active.map(super::truth));
        element.push_leaf_if(NAMESPACE, "locked", self.locked.map(super::truth));
        element.extend_elements(&self.extensions);
        element
    }
}

/// Returns the local name of an element of conference state.
fn own(element: TreeNode<'_>) -> Option<&str> {
    element.name().is_in(NAMESPACE).then(|| element.name().local())
}

/// Tells whether an element that is carried along is one of these elements of conference state.
fn is_own(element: &Element, names: &[&str]) -> bool {
    element.name().is_in(NAMESPACE) && names.contains(&element.name().local())
}
