//! Who watches a resource (RFC 3857, RFC 3858).

use bytes::Bytes;

use super::state::update_rows;
use super::tokens::tokens;
use super::{DocumentState, Updated, number, optional, other_than, required, required_as};
use crate::error::DocumentError;
use crate::xml::{Element, Extensions, Limits, Name, TreeNode, XML_NAMESPACE};

/// The namespace of watcher information.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:watcherinfo";

/// Who watches, in full or as a change.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::watcherinfo::{Watcher, WatcherEvent, WatcherList, WatcherStatus, Watcherinfo};
/// use im_xdm_model::xml::Limits;
///
/// let mut list = WatcherList::new("sip:professor@example.net", "presence");
/// list.watchers.push(Watcher::new("8ajksjda7s", "sip:userA@example.net", WatcherStatus::Active, WatcherEvent::Approved));
/// let mut info = Watcherinfo::new(0);
/// info.lists.push(list);
/// assert_eq!(Watcherinfo::parse(&info.write(), &Limits::default())?, info);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Watcherinfo {
    /// Grows by one with each document of a subscription.
    pub version: u64,
    /// Whether this is everything or a change.
    pub state: DocumentState,
    /// The watchers of each resource and package.
    pub lists: Vec<WatcherList>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// The watchers of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WatcherList {
    /// The URI of the resource.
    pub resource: String,
    /// The event package.
    pub package: String,
    /// The watchers.
    pub watchers: Vec<Watcher>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// Somebody who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Watcher {
    /// Unique among all watchers of the subscription.
    pub id: String,
    /// The URI of the watcher.
    pub uri: String,
    /// What a person is shown.
    pub display_name: Option<String>,
    /// The language of the display name.
    pub lang: Option<String>,
    /// How far the subscription is.
    pub status: WatcherStatus,
    /// What brought it there.
    pub event: WatcherEvent,
    /// Seconds until the subscription expires.
    pub expiration: Option<u64>,
    /// Seconds since the subscription was made.
    pub duration_subscribed: Option<u64>,
    /// Attributes that other namespaces add.
    pub extensions: Extensions,
}

tokens! {
    /// How far a subscription is (RFC 3857 section 4.7.1).
    WatcherStatus {
        /// It waits for the owner.
        Pending = "pending",
        /// It is allowed.
        Active = "active",
        /// It waits for the owner, and the watcher has left.
        Waiting = "waiting",
        /// It has ended.
        Terminated = "terminated",
    }
}

tokens! {
    /// What brought a subscription where it is (RFC 3857 section 4.7.1).
    WatcherEvent {
        /// A SUBSCRIBE request.
        Subscribe = "subscribe",
        /// The owner allowed it.
        Approved = "approved",
        /// It was ended: the watcher should subscribe again.
        Deactivated = "deactivated",
        /// It was ended: the watcher should subscribe again, but later.
        Probation = "probation",
        /// The owner refused it.
        Rejected = "rejected",
        /// Time ran out.
        Timeout = "timeout",
        /// The owner did not decide in time.
        Giveup = "giveup",
        /// The resource is gone.
        Noresource = "noresource",
    }
}

impl Watcher {
    /// Makes a watcher.
    pub fn new(
        id: impl Into<String>,
        uri: impl Into<String>,
        status: WatcherStatus,
        event: WatcherEvent,
    ) -> Self {
        Self {
            id: id.into(),
            uri: uri.into(),
            display_name: None,
            lang: None,
            status,
            event,
            expiration: None,
            duration_subscribed: None,
            extensions: Extensions::default(),
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::new(
            required(element, "id")?,
            element.trimmed_text(),
            required_as(element, "status", WatcherStatus::from_value)?,
            required_as(element, "event", WatcherEvent::from_value)?,
        );
        read.display_name = element.attribute("display-name").map(str::to_owned);
        read.lang = element.lang().map(str::to_owned);
        read.expiration = optional(element, "expiration", number)?;
        read.duration_subscribed = optional(element, "duration-subscribed", number)?;
        read.extensions.attributes = other_than(
            element,
            &[
                "id",
                "status",
                "event",
                "display-name",
                "expiration",
                "duration-subscribed",
            ],
        );
        read.extensions
            .attributes
            .retain(|a| !a.name.is(XML_NAMESPACE, "lang"));
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "watcher");
        element.set("id", self.id.as_str());
        element.set("status", self.status.as_str());
        element.set("event", self.event.as_str());
        element.set_if("display-name", self.display_name.as_deref());
        element.set_if("expiration", self.expiration.map(|n| n.to_string()));
        element.set_if(
            "duration-subscribed",
            self.duration_subscribed.map(|n| n.to_string()),
        );
        if let Some(lang) = &self.lang {
            element.set_attribute(Name::known(XML_NAMESPACE, "lang"), lang);
        }
        element.extend_attributes(&self.extensions);
        element.push_text(&self.uri);
        element
    }
}

impl WatcherList {
    /// Makes a list without watchers.
    pub fn new(resource: impl Into<String>, package: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            package: package.into(),
            watchers: Vec::new(),
            extensions: Extensions::default(),
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::new(required(element, "resource")?, required(element, "package")?);
        read.extensions.attributes = other_than(element, &["resource", "package"]);
        for child in element.elements() {
            if child.is(NAMESPACE, "watcher") {
                read.watchers.push(Watcher::from_node(child)?);
            } else {
                read.extensions.elements.push(child.to_element());
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "watcher-list");
        element.set("resource", self.resource.as_str());
        element.set("package", self.package.as_str());
        element.extend_attributes(&self.extensions);
        for watcher in &self.watchers {
            element.push(watcher.to_element());
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Watcherinfo {
    /// Makes a full state without watchers.
    pub fn new(version: u64) -> Self {
        Self {
            version,
            state: DocumentState::Full,
            lists: Vec::new(),
            extensions: Extensions::default(),
        }
    }

    /// Applies a newer document to this state.
    pub fn update(&mut self, newer: &Self) -> Updated {
        //= https://www.rfc-editor.org/rfc/rfc3858#section-4
        //# If the value
        //# in the document is less than the local version, the document is
        //# discarded without processing.
        let updated = Updated::of(self.version, newer.version, newer.state);
        if updated == Updated::Stale {
            return updated;
        }
        self.version = newer.version;
        if newer.state == DocumentState::Full {
            self.clone_from(newer);
            return updated;
        }
        for list in &newer.lists {
            let is_same =
                |known: &&mut WatcherList| known.resource == list.resource && known.package == list.package;
            match self.lists.iter_mut().find(is_same) {
                Some(known) => update_rows(&mut known.watchers, &list.watchers, |row| row.id.clone()),
                None => self.lists.push(list.clone()),
            }
        }
        updated
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not watcher information.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "watcherinfo")?;
        let mut read = Self::new(required_as(root, "version", number)?);
        read.state = required_as(root, "state", DocumentState::from_value)?;
        read.extensions.attributes = other_than(root, &["version", "state"]);
        for child in root.elements() {
            if child.is(NAMESPACE, "watcher-list") {
                read.lists.push(WatcherList::from_node(child)?);
            } else {
                read.extensions.elements.push(child.to_element());
            }
        }
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "watcherinfo");
        root.set("version", self.version.to_string());
        root.set("state", self.state.as_str());
        root.extend_attributes(&self.extensions);
        for list in &self.lists {
            root.push(list.to_element());
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}
