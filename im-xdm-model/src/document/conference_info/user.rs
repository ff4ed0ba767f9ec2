//! Participants and their endpoints (RFC 4575 sections 5.6 to 5.8).

use super::super::tokens::tokens;
use super::super::{boolean, content_of, once, other_than as others, truth};
use super::{NAMESPACE, NICKNAME_NAMESPACE, State, is_own, own};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Extensions, Name, TreeNode};

/// A participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct User {
    /// The address of record, or an anonymous URI below `.invalid` that is unique in the conference.
    pub entity: Option<String>,
    /// Whether this is everything, a change, or the end.
    pub state: State,
    /// What a person is shown.
    pub display_text: Option<String>,
    /// The nickname (RFC 7701 section 7).
    pub nickname: Option<String>,
    /// Whether this is the subscriber's own entry.
    pub own: Option<bool>,
    /// The roles; empty when none are told.
    pub roles: Vec<String>,
    /// The focus of another conference that takes part. It is read to notice nested conferences.
    pub cascaded_focus: Option<String>,
    /// The devices with which the participant takes part.
    pub endpoints: Vec<Endpoint>,
    /// What else there is.
    pub extensions: Extensions,
}

/// A device of a participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Endpoint {
    /// The URI of the device, or another text that is unique for the participant.
    pub entity: Option<String>,
    /// Whether this is everything, a change, or the end.
    pub state: State,
    /// What a person is shown.
    pub display_text: Option<String>,
    /// Who brought the participant in.
    pub referred: Option<Execution>,
    /// How far it is in joining or leaving.
    pub status: Option<EndpointStatus>,
    /// How it joined.
    pub joining_method: Option<JoiningMethod>,
    /// When and why it joined.
    pub joining_info: Option<Execution>,
    /// How it left.
    pub disconnection_method: Option<DisconnectionMethod>,
    /// When and why it left.
    pub disconnection_info: Option<Execution>,
    /// The media it takes part in.
    pub media: Vec<Media>,
    /// What else there is.
    pub extensions: Extensions,
}

/// When, why and by whom something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Execution {
    /// When.
    pub when: Option<DateTime>,
    /// Why.
    pub reason: Option<String>,
    /// By whom.
    pub by: Option<String>,
}

/// A medium of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Media {
    /// Unique for the endpoint.
    pub id: String,
    /// What a person is shown.
    pub display_text: Option<String>,
    /// The media type of the session description, `message` for messaging.
    pub kind: Option<String>,
    /// The direction, from the participant's side.
    pub status: Option<MediaStatus>,
    /// What else there is.
    pub extensions: Extensions,
}

tokens! {
    /// How far an endpoint is in joining or leaving (RFC 4575 section 5.7.3).
    EndpointStatus {
        /// It waits to be called.
        Pending = "pending",
        /// It is being called.
        DialingOut = "dialing-out",
        /// It is calling.
        DialingIn = "dialing-in",
        /// It rings.
        Alerting = "alerting",
        /// It is held.
        OnHold = "on-hold",
        /// It takes part.
        Connected = "connected",
        /// It takes part, but is not heard.
        MutedViaFocus = "muted-via-focus",
        /// It is leaving.
        Disconnecting = "disconnecting",
        /// It has left.
        Disconnected = "disconnected",
    }
}

tokens! {
    /// How an endpoint joined (RFC 4575 section 5.7.4).
    JoiningMethod {
        /// It called.
        DialedIn = "dialed-in",
        /// It was called.
        DialedOut = "dialed-out",
        /// It is the focus itself.
        FocusOwner = "focus-owner",
    }
}

tokens! {
    /// How an endpoint left (RFC 4575 section 5.7.6).
    DisconnectionMethod {
        /// By itself.
        Departed = "departed",
        /// It was removed.
        Booted = "booted",
        /// It could not be reached.
        Failed = "failed",
        /// It was busy.
        Busy = "busy",
    }
}

tokens! {
    /// The direction of a medium (RFC 4575 section 5.8.5).
    MediaStatus {
        /// Both ways.
        Sendrecv = "sendrecv",
        /// Only from the participant.
        Sendonly = "sendonly",
        /// Only to the participant.
        Recvonly = "recvonly",
        /// Neither way.
        Inactive = "inactive",
    }
}

impl User {
    /// Makes a participant of whom only the address is known.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: Some(entity.into()),
            ..Self::default()
        }
    }

    pub(super) fn read(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self {
            state: State::of(element)?,
            ..Self::default()
        };
        read.entity = element.attribute("entity").map(str::to_owned);
        read.nickname = element
            .qualified(NICKNAME_NAMESPACE, "nickname")
            .map(str::to_owned);
        read.own = match element.attribute("yourown") {
            None => None,
            Some(text) => Some(
                boolean(text)
                    .ok_or_else(|| DocumentError::at(element, DocumentErrorKind::BadValue("yourown")))?,
            ),
        };
        read.extensions.attributes = others(element, &["entity", "state", "yourown"]);
        read.extensions
            .attributes
            .retain(|a| !a.name.is(NICKNAME_NAMESPACE, "nickname"));
        for child in element.elements() {
            match own(child) {
                Some("display-text") => {
                    once(
                        &mut read.display_text,
                        child.text().into_owned(),
                        child,
                        "display-text",
                    )?;
                }
                Some("roles") => read.roles.extend(
                    child
                        .elements()
                        .filter(|e| own(*e) == Some("entry"))
                        .map(TreeNode::trimmed_text),
                ),
                Some("cascaded-focus") => {
                    once(
                        &mut read.cascaded_focus,
                        child.trimmed_text(),
                        child,
                        "cascaded-focus",
                    )?;
                }
                Some("endpoint") => read.endpoints.push(Endpoint::read(child)?),
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        // The order in which they are written, so that what is read back is the same.
        read.extensions.elements.sort_by_key(|e| {
            (
                !is_own(e, &["associated-aors"]),
                !is_own(e, &["associated-aors", "languages"]),
            )
        });
        Ok(read)
    }

    pub(super) fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "user");
        element.set_if("entity", self.entity.as_deref());
        if self.state != State::Full {
            element.set("state", self.state.as_str());
        }
        if let Some(nickname) = &self.nickname {
            element.set_attribute(Name::known(NICKNAME_NAMESPACE, "nickname"), nickname);
        }
        element.set_if("yourown", self.own.map(truth));
        element.extend_attributes(&self.extensions);
        element.push_leaf_if(NAMESPACE, "display-text", self.display_text.as_deref());
        let parts = |name| {
            self.extensions
                .elements
                .iter()
                .filter(move |e| is_own(e, &[name]))
        };
        for aors in parts("associated-aors") {
            element.push(aors.clone());
        }
        if !self.roles.is_empty() {
            let mut roles = Element::known(NAMESPACE, "roles");
            for role in &self.roles {
                roles.push_leaf(NAMESPACE, "entry", role);
            }
            element.push(roles);
        }
        for languages in parts("languages") {
            element.push(languages.clone());
        }
        element.push_leaf_if(NAMESPACE, "cascaded-focus", self.cascaded_focus.as_deref());
        for endpoint in &self.endpoints {
            element.push(endpoint.to_element());
        }
        for other in &self.extensions.elements {
            if !is_own(other, &["associated-aors", "languages"]) {
                element.push(other.clone());
            }
        }
        element
    }
}

impl Endpoint {
    /// Makes an endpoint of which only the address is known.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: Some(entity.into()),
            ..Self::default()
        }
    }

    fn read(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self {
            state: State::of(element)?,
            ..Self::default()
        };
        read.entity = element.attribute("entity").map(str::to_owned);
        read.extensions.attributes = others(element, &["entity", "state"]);
        for child in element.elements() {
            match own(child) {
                Some("display-text") => {
                    once(
                        &mut read.display_text,
                        child.text().into_owned(),
                        child,
                        "display-text",
                    )?;
                }
                Some("referred") => once(&mut read.referred, Execution::read(child)?, child, "referred")?,
                Some("status") => {
                    once(
                        &mut read.status,
                        content_of(child, "status", EndpointStatus::from_value)?,
                        child,
                        "status",
                    )?;
                }
                Some("joining-method") => {
                    let method = content_of(child, "joining-method", JoiningMethod::from_value)?;
                    once(&mut read.joining_method, method, child, "joining-method")?;
                }
                Some("joining-info") => {
                    once(
                        &mut read.joining_info,
                        Execution::read(child)?,
                        child,
                        "joining-info",
                    )?;
                }
                Some("disconnection-method") => {
                    let method = content_of(child, "disconnection-method", DisconnectionMethod::from_value)?;
                    once(
                        &mut read.disconnection_method,
                        method,
                        child,
                        "disconnection-method",
                    )?;
                }
                Some("disconnection-info") => {
                    once(
                        &mut read.disconnection_info,
                        Execution::read(child)?,
                        child,
                        "disconnection-info",
                    )?;
                }
                Some("media") => read.media.push(Media::read(child)?),
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "endpoint");
        element.set_if("entity", self.entity.as_deref());
        if self.state != State::Full {
            element.set("state", self.state.as_str());
        }
        element.extend_attributes(&self.extensions);
        element.push_leaf_if(NAMESPACE, "display-text", self.display_text.as_deref());
        push_execution(&mut element, "referred", self.referred.as_ref());
        element.push_leaf_if(NAMESPACE, "status", self.status.map(EndpointStatus::as_str));
        element.push_leaf_if(
            NAMESPACE,
            "joining-method",
            self.joining_method.map(JoiningMethod::as_str),
        );
        push_execution(&mut element, "joining-info", self.joining_info.as_ref());
        let method = self.disconnection_method.map(DisconnectionMethod::as_str);
        element.push_leaf_if(NAMESPACE, "disconnection-method", method);
        push_execution(
            &mut element,
            "disconnection-info",
            self.disconnection_info.as_ref(),
        );
        for media in &self.media {
            element.push(media.to_element());
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Execution {
    fn read(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        for child in element.elements() {
            match own(child) {
                Some("when") => {
                    let when = child.text().parse();
                    let when =
                        when.map_err(|_| DocumentError::at(child, DocumentErrorKind::BadValue("when")))?;
                    once(&mut read.when, when, child, "when")?;
                }
                Some("reason") => once(&mut read.reason, child.text().into_owned(), child, "reason")?,
                Some("by") => once(&mut read.by, child.trimmed_text(), child, "by")?,
                _ => {}
            }
        }
        Ok(read)
    }
}

fn push_execution(element: &mut Element, name: &'static str, execution: Option<&Execution>) {
    let Some(execution) = execution else { return };
    let mut child = Element::known(NAMESPACE, name);
    child.push_leaf_if(
        NAMESPACE,
        "when",
        execution.when.map(|date| date.to_string()).as_deref(),
    );
    child.push_leaf_if(NAMESPACE, "reason", execution.reason.as_deref());
    child.push_leaf_if(NAMESPACE, "by", execution.by.as_deref());
    element.push(child);
}

impl Media {
    /// Makes a medium of a kind.
    pub fn new(id: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind: Some(kind.into()),
            ..Self::default()
        }
    }

    fn read(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self {
            id: super::super::required(element, "id")?,
            ..Self::default()
        };
        read.extensions.attributes = others(element, &["id"]);
        for child in element.elements() {
            match own(child) {
                Some("display-text") => {
                    once(
                        &mut read.display_text,
                        child.text().into_owned(),
                        child,
                        "display-text",
                    )?;
                }
                Some("type") => once(&mut read.kind, child.trimmed_text(), child, "type")?,
                Some("status") => once(
                    &mut read.status,
                    content_of(child, "status", MediaStatus::from_value)?,
                    child,
                    "status",
                )?,
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        read.extensions
            .elements
            .sort_by_key(|e| !is_own(e, &["label", "src-id"]));
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "media");
        element.set("id", self.id.as_str());
        element.extend_attributes(&self.extensions);
        element.push_leaf_if(NAMESPACE, "display-text", self.display_text.as_deref());
        element.push_leaf_if(NAMESPACE, "type", self.kind.as_deref());
        let (before, after): (Vec<_>, Vec<_>) = self
            .extensions
            .elements
            .iter()
            .partition(|e| is_own(e, &["label", "src-id"]));
        for child in before {
            element.push(child.clone());
        }
        element.push_leaf_if(NAMESPACE, "status", self.status.map(MediaStatus::as_str));
        for child in after {
            element.push(child.clone());
        }
        element
    }
}
