//! Settings of the messaging service that a user publishes.
//!
//! No public schema of this document exists; the element names are those that clients are known to use. It is read as a
//! document of its own, and as the part of a `poc-settings` document (RFC 4354) that such clients publish.

use bytes::Bytes;

use super::tokens::tokens;
use super::{boolean, elements_only, once, other_than, required_as, truth};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, TreeNode};

/// The namespace of the settings.
pub const NAMESPACE: &str = "urn:oma:xml:im:service-settings";

/// The namespace of the document that the settings may be a part of.
pub const POC_NAMESPACE: &str = "urn:oma:params:xml:ns:poc:poc-settings";

/// The settings of one device, or of all.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::im_settings::{HistoryMode, ImSettings};
/// use im_xdm_model::xml::Limits;
///
/// let mut settings = ImSettings::default();
/// settings.offline_delivery = Some(true);
/// settings.set_history(HistoryMode::Session, true);
/// assert_eq!(ImSettings::parse(&settings.write(), &Limits::default())?, settings);
/// assert!(!settings.keeps_history(HistoryMode::PagerAndLarge));
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ImSettings {
    /// The identifier of the device (`entity`), when the settings are a part of a `poc-settings` document.
    pub entity: Option<String>,
    /// The service that is meant.
    pub service_id: Option<String>,
    /// Whether messages are kept while the user is away (`offline-delivery`).
    pub offline_delivery: Option<bool>,
    /// Whether the user is shown as available (`vis-status`).
    pub visible: Option<bool>,
    /// What is kept of conversations.
    pub history: Vec<HistoryActivation>,
    /// What other namespaces add.
    pub extensions: Extensions,
    /// What else the device says in a `poc-settings` document.
    pub other_settings: Vec<Element>,
    /// The other devices of a `poc-settings` document.
    pub other_entities: Vec<Element>,
}

/// Whether conversations of a kind are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HistoryActivation {
    /// Which conversations.
    pub mode: HistoryMode,
    /// Whether they are kept.
    pub active: bool,
}

tokens! {
    /// Which conversations a history is kept of.
    HistoryMode {
        /// Sessions.
        Session = "session-mode",
        /// Single messages, small and large.
        PagerAndLarge = "pager-large-mode",
    }
}

impl ImSettings {
    /// Tells whether conversations of a kind are kept, which they are not unless the settings say so.
    pub fn keeps_history(&self, mode: HistoryMode) -> bool {
        self.history.iter().any(|one| one.mode == mode && one.active)
    }

    /// Says whether conversations of a kind are kept.
    pub fn set_history(&mut self, mode: HistoryMode, active: bool) {
        self.history.retain(|one| one.mode != mode);
        self.history.push(HistoryActivation { mode, active });
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or holds no settings of messaging.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        if !root.is(POC_NAMESPACE, "poc-settings") {
            super::expect(root, NAMESPACE, "im-settings")?;
            return Self::settings(root);
        }
        let missing = || DocumentError::at(root, DocumentErrorKind::MissingElement("im-settings"));
        let mut read: Option<Self> = None;
        let mut others = Vec::new();
        for entity in root.elements() {
            let settings = entity.child(NAMESPACE, "im-settings");
            let (None, Some(settings), true) = (&read, settings, entity.is(POC_NAMESPACE, "entity")) else {
                others.push(entity.to_element());
                continue;
            };
            let mut found = Self::settings(settings)?;
            found.entity = Some(super::required(entity, "id")?);
            for child in entity
                .elements()
                .filter(|child| !child.is(NAMESPACE, "im-settings"))
            {
                found.other_settings.push(child.to_element());
            }
            read = Some(found);
        }
        let mut read = read.ok_or_else(missing)?;
        read.other_entities = others;
        Ok(read)
    }

    fn settings(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(root, "im-settings")?;
        let mut read = Self::default();
        read.extensions.attributes = other_than(root, &[]);
        for child in root.elements() {
            let active = |name: &'static str| {
                let missing = || DocumentError::at(child, DocumentErrorKind::MissingElement(name));
                required_as(
                    child.child(NAMESPACE, name).ok_or_else(missing)?,
                    "active",
                    boolean,
                )
            };
            match child.name().local() {
                _ if !child.name().is_in(NAMESPACE) => read.extensions.elements.push(child.to_element()),
                "service-id" => once(&mut read.service_id, child.trimmed_text(), child, "service-id")?,
                "deferred-settings" => {
                    once(
                        &mut read.offline_delivery,
                        active("offline-delivery")?,
                        child,
                        "deferred-settings",
                    )?;
                }
                "vis-settings" => once(&mut read.visible, active("vis-status")?, child, "vis-settings")?,
                "hist-settings" => {
                    for one in child.elements().filter(|e| e.is(NAMESPACE, "hist-activation")) {
                        read.history.push(HistoryActivation {
                            mode: required_as(one, "type", HistoryMode::from_value)?,
                            active: required_as(one, "active", boolean)?,
                        });
                    }
                }
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("im-settings"),
                    ));
                }
            }
        }
        Ok(read)
    }

    /// Writes the document, as a part of a `poc-settings` document when there is an entity.
    pub fn write(&self) -> Bytes {
        let settings = self.to_element();
        let Some(id) = &self.entity else {
            return settings.to_bytes();
        };
        let mut entity = Element::known(POC_NAMESPACE, "entity");
        entity.set("id", id.as_str());
        for other in &self.other_settings {
            entity.push(other.clone());
        }
        entity.push(settings);
        let mut root = Element::known(POC_NAMESPACE, "poc-settings");
        root.push(entity);
        for other in &self.other_entities {
            root.push(other.clone());
        }
        root.to_bytes()
    }

    fn to_element(&self) -> Element {
        let mut root = Element::known(NAMESPACE, "im-settings");
        root.extend_attributes(&self.extensions);
        root.push_leaf_if(NAMESPACE, "service-id", self.service_id.as_deref());
        let parts = [
            ("deferred-settings", "offline-delivery", self.offline_delivery),
            ("vis-settings", "vis-status", self.visible),
        ];
        for (part, name, active) in parts {
            if let Some(active) = active {
                let mut setting = Element::known(NAMESPACE, name);
                setting.set("active", truth(active));
                let mut part = Element::known(NAMESPACE, part);
                part.push(setting);
                root.push(part);
            }
        }
        if !self.history.is_empty() {
            let mut part = Element::known(NAMESPACE, "hist-settings");
            for one in &self.history {
                let mut setting = Element::known(NAMESPACE, "hist-activation");
                setting.set("active", truth(one.active));
                setting.set("type", one.mode.as_str());
                part.push(setting);
            }
            root.push(part);
        }
        root.extend_elements(&self.extensions);
        root
    }
}
