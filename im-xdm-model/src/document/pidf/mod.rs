//! Presence (RFC 3863), with persons and devices (RFC 4479) and the basics of rich presence (RFC 4480).

mod rpid;

use bytes::Bytes;

use super::resource_lists::DisplayName;
use super::tokens::tokens;
use super::{content_of, date, once, optional, other_than, required};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Extensions, Limits, TreeNode};

pub use rpid::{NAMESPACE as RPID_NAMESPACE, Rpid, Tokens, UserInput, UserInputState};

/// The namespace of presence.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf";

/// The namespace of persons and devices.
pub const DATA_MODEL_NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf:data-model";

/// Whether and how somebody can be reached.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::pidf::{Basic, Presence, Tuple};
/// use im_xdm_model::xml::Limits;
///
/// let mut presence = Presence::new("pres:someone@example.com");
/// let mut tuple = Tuple::new("sg89ae");
/// tuple.basic = Some(Basic::Open);
/// presence.tuples.push(tuple);
/// assert_eq!(Presence::parse(&presence.write(), &Limits::default())?, presence);
/// assert!(presence.is_open());
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Presence {
    /// Whose presence it is.
    pub entity: String,
    /// The ways in which the presentity can be reached.
    pub tuples: Vec<Tuple>,
    /// Texts about the presentity, in several languages.
    pub notes: Vec<DisplayName>,
    /// The person.
    pub persons: Vec<Person>,
    /// The devices.
    pub devices: Vec<Device>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A way in which a presentity can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Tuple {
    /// Unique in the document, and an XML name.
    pub id: String,
    /// Whether it is open.
    pub basic: Option<Basic>,
    /// What other namespaces add to the status.
    pub other_status: Vec<Element>,
    /// Rich presence.
    pub rpid: Rpid,
    /// The device that it is on.
    pub device_id: Option<String>,
    /// Where it is reached.
    pub contact: Option<Contact>,
    /// Texts about it, in several languages.
    pub notes: Vec<DisplayName>,
    /// When it changed.
    pub timestamp: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

tokens! {
    /// Whether a tuple can be reached (RFC 3863 section 4.1.4).
    Basic {
        /// It can.
        Open = "open",
        /// It cannot.
        Closed = "closed",
    }
}

/// Where a tuple is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Contact {
    /// The URI.
    pub uri: String,
    /// The preference, from 0 to 1 with three decimals at most.
    pub priority: Option<String>,
}

/// The person that a presentity is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Person {
    /// Unique in the document, and an XML name.
    pub id: String,
    /// Rich presence.
    pub rpid: Rpid,
    /// Texts about the person, in several languages.
    pub notes: Vec<DisplayName>,
    /// When it changed.
    pub timestamp: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A device of a presentity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Device {
    /// Unique in the document, and an XML name.
    pub id: String,
    /// The URN of the device.
    pub device_id: String,
    /// Rich presence.
    pub rpid: Rpid,
    /// Texts about the device, in several languages.
    pub notes: Vec<DisplayName>,
    /// When it changed.
    pub timestamp: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

impl Contact {
    /// Makes a contact without preference.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            priority: None,
        }
    }
}

impl Tuple {
    /// Makes a tuple of which nothing is told.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::new(required(element, "id")?);
        read.extensions.attributes = other_than(element, &["id"]);
        let mut status = None;
        for child in element.elements() {
            let name = child.name();
            match (name.namespace(), name.local()) {
                (Some(NAMESPACE), "status") => {
                    once(&mut status, (), child, "status").and_then(|()| read.status(child))?;
                }
                (Some(NAMESPACE), "contact") => {
                    let contact = Contact {
                        uri: child.trimmed_text(),
                        priority: optional(child, "priority", priority)?,
                    };
                    once(&mut read.contact, contact, child, "contact")?;
                }
                (Some(NAMESPACE), "note") => read.notes.push(DisplayName::from_element(child)),
                (Some(NAMESPACE), "timestamp") => {
                    once(
                        &mut read.timestamp,
                        content_of(child, "timestamp", date)?,
                        child,
                        "timestamp",
                    )?;
                }
                (Some(DATA_MODEL_NAMESPACE), "deviceID") if read.device_id.is_none() => {
                    read.device_id = Some(child.trimmed_text());
                }
                _ if read.rpid.take(child)? => {}
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        let missing = || DocumentError::at(element, DocumentErrorKind::MissingElement("status"));
        status.ok_or_else(missing)?;
        Ok(read)
    }

    fn status(&mut self, element: TreeNode<'_>) -> Result<(), DocumentError> {
        for child in element.elements() {
            if child.is(NAMESPACE, "basic") {
                once(
                    &mut self.basic,
                    content_of(child, "basic", Basic::from_value)?,
                    child,
                    "basic",
                )?;
            } else {
                self.other_status.push(child.to_element());
            }
        }
        Ok(())
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "tuple");
        element.set("id", self.id.as_str());
        element.extend_attributes(&self.extensions);
        let mut status = Element::known(NAMESPACE, "status");
        status.push_leaf_if(NAMESPACE, "basic", self.basic.map(Basic::as_str));
        for other in &self.other_status {
            status.push(other.clone());
        }
        element.push(status);
        self.rpid.push_to(&mut element);
        element.push_leaf_if(DATA_MODEL_NAMESPACE, "deviceID", self.device_id.as_deref());
        element.extend_elements(&self.extensions);
        if let Some(known) = &self.contact {
            let mut contact = Element::known(NAMESPACE, "contact");
            contact.set_if("priority", known.priority.as_deref());
            contact.push_text(&known.uri);
            element.push(contact);
        }
        finish(element, NAMESPACE, &self.notes, self.timestamp)
    }
}

/// The parts that persons and devices have in common.
struct Common {
    id: String,
    rpid: Rpid,
    device_id: Option<String>,
    notes: Vec<DisplayName>,
    timestamp: Option<DateTime>,
    extensions: Extensions,
}

impl Common {
    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self {
            id: required(element, "id")?,
            rpid: Rpid::default(),
            device_id: None,
            notes: Vec::new(),
            timestamp: None,
            extensions: Extensions::default(),
        };
        read.extensions.attributes = other_than(element, &["id"]);
        for child in element.elements() {
            let name = child.name();
            match (name.namespace(), name.local()) {
                (Some(DATA_MODEL_NAMESPACE), "note") => read.notes.push(DisplayName::from_element(child)),
                (Some(DATA_MODEL_NAMESPACE), "timestamp") => {
                    once(
                        &mut read.timestamp,
                        content_of(child, "timestamp", date)?,
                        child,
                        "timestamp",
                    )?;
                }
                (Some(DATA_MODEL_NAMESPACE), "deviceID") => {
                    once(&mut read.device_id, child.trimmed_text(), child, "deviceID")?;
                }
                _ if read.rpid.take(child)? => {}
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }
}

impl Person {
    /// Makes a person of whom nothing is told.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let read = Common::from_node(element)?;
        Ok(Self {
            id: read.id,
            rpid: read.rpid,
            notes: read.notes,
            timestamp: read.timestamp,
            extensions: read.extensions,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(DATA_MODEL_NAMESPACE, "person");
        element.set("id", self.id.as_str());
        element.extend_attributes(&self.extensions);
        self.rpid.push_to(&mut element);
        element.extend_elements(&self.extensions);
        finish(element, DATA_MODEL_NAMESPACE, &self.notes, self.timestamp)
    }
}

impl Device {
    /// Makes a device of which only the URN is told.
    pub fn new(id: impl Into<String>, device_id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            device_id: device_id.into(),
            ..Self::default()
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let read = Common::from_node(element)?;
        let missing = || DocumentError::at(element, DocumentErrorKind::MissingElement("deviceID"));
        Ok(Self {
            id: read.id,
            device_id: read.device_id.ok_or_else(missing)?,
            rpid: read.rpid,
            notes: read.notes,
            timestamp: read.timestamp,
            extensions: read.extensions,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(DATA_MODEL_NAMESPACE, "device");
        element.set("id", self.id.as_str());
        element.extend_attributes(&self.extensions);
        self.rpid.push_to(&mut element);
        element.extend_elements(&self.extensions);
        element.push_leaf(DATA_MODEL_NAMESPACE, "deviceID", &self.device_id);
        finish(element, DATA_MODEL_NAMESPACE, &self.notes, self.timestamp)
    }
}

impl Presence {
    /// Makes a document that tells nothing.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            ..Self::default()
        }
    }

    /// Tells whether there is a way in which the presentity can be reached.
    pub fn is_open(&self) -> bool {
        self.tuples.iter().any(|tuple| tuple.basic == Some(Basic::Open))
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not presence.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "presence")?;
        let mut read = Self::new(required(root, "entity")?);
        read.extensions.attributes = other_than(root, &["entity"]);
        for child in root.elements() {
            let name = child.name();
            match (name.namespace(), name.local()) {
                (Some(NAMESPACE), "tuple") => read.tuples.push(Tuple::from_node(child)?),
                (Some(NAMESPACE), "note") => read.notes.push(DisplayName::from_element(child)),
                (Some(DATA_MODEL_NAMESPACE), "person") => read.persons.push(Person::from_node(child)?),
                (Some(DATA_MODEL_NAMESPACE), "device") => read.devices.push(Device::from_node(child)?),
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "presence");
        root.set("entity", self.entity.as_str());
        root.extend_attributes(&self.extensions);
        for tuple in &self.tuples {
            root.push(tuple.to_element());
        }
        for note in &self.notes {
            root.push(note.to_named(NAMESPACE, "note"));
        }
        for person in &self.persons {
            root.push(person.to_element());
        }
        for device in &self.devices {
            root.push(device.to_element());
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

/// Adds what stands at the end of tuples, persons and devices.
fn finish(
    mut element: Element,
    namespace: &'static str,
    notes: &[DisplayName],
    timestamp: Option<DateTime>,
) -> Element {
    for note in notes {
        element.push(note.to_named(namespace, "note"));
    }
    element.push_leaf_if(
        namespace,
        "timestamp",
        timestamp.map(|at| at.to_string()).as_deref(),
    );
    element
}

/// Reads a preference: 0 or 1, or between them with up to three decimals.
fn priority(text: &str) -> Option<String> {
    let text = text.trim_matches(crate::xml::is_space);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|octet| octet.is_ascii_digit());
    let in_range = whole == "0" || (whole == "1" && decimals.bytes().all(|octet| octet == b'0'));
    (digits && in_range).then(|| text.to_owned())
}
