//! Registration state (RFC 3680), with the GRUUs of contacts (RFC 5628).

use bytes::Bytes;

use super::resource_lists::DisplayName;
use super::state::update_rows;
use super::tokens::tokens;
use super::{DocumentState, Updated, number, once, optional, other_than, required, required_as};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, TreeNode};

/// The namespace of registration state.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:reginfo";

/// The namespace of GRUUs.
pub const GRUU_NAMESPACE: &str = "urn:ietf:params:xml:ns:gruuinfo";

/// Who is registered where, in full or as a change.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::reginfo::{Contact, ContactEvent, ContactState, Registration, Reginfo, RegistrationState};
/// use im_xdm_model::xml::Limits;
///
/// let mut registration = Registration::new("sip:joe@example.com", "a7", RegistrationState::Active);
/// registration.contacts.push(Contact::new("76", "sip:joe@pc.example.com", ContactState::Active, ContactEvent::Registered));
/// let mut info = Reginfo::new(0);
/// info.registrations.push(registration);
/// assert_eq!(Reginfo::parse(&info.write(), &Limits::default())?, info);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Reginfo {
    /// Grows by one with each document of a subscription.
    pub version: u64,
    /// Whether this is everything or a change.
    pub state: DocumentState,
    /// The registrations.
    pub registrations: Vec<Registration>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// An address of record, and where it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Registration {
    /// The address of record.
    pub aor: String,
    /// Unique in the subscription.
    pub id: String,
    /// How far it is.
    pub state: RegistrationState,
    /// The contacts.
    pub contacts: Vec<Contact>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A contact of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Contact {
    /// Unique in the registration.
    pub id: String,
    /// The URI.
    pub uri: String,
    /// Whether it is registered.
    pub state: ContactState,
    /// What brought it there.
    pub event: ContactEvent,
    /// Seconds since it was registered.
    pub duration_registered: Option<u64>,
    /// Seconds until it expires.
    pub expires: Option<u64>,
    /// Seconds after which the device should try again.
    pub retry_after: Option<u64>,
    /// Its preference, from 0 to 1.
    pub q: Option<String>,
    /// The `Call-ID` of the REGISTER request.
    pub call_id: Option<String>,
    /// The last `CSeq` of the REGISTER request.
    pub cseq: Option<u64>,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// Parameters of the `Contact` header field: their names and values.
    pub parameters: Vec<(String, String)>,
    /// The URI that stands for the device, and may be shown.
    pub public_gruu: Option<String>,
    /// A URI that stands for the device without telling whose it is.
    pub temporary_gruu: Option<TemporaryGruu>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A temporary GRUU (RFC 5628 section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TemporaryGruu {
    /// The URI.
    pub uri: String,
    /// The `CSeq` of the REGISTER request that made the first one of the contact.
    pub first_cseq: u64,
}

tokens! {
    /// How far a registration is (RFC 3680 section 5.1).
    RegistrationState {
        /// There never was a contact.
        Init = "init",
        /// There is a contact.
        Active = "active",
        /// There is none any more.
        Terminated = "terminated",
    }
}

tokens! {
    /// Whether a contact is registered.
    ContactState {
        /// It is.
        Active = "active",
        /// It is not any more.
        Terminated = "terminated",
    }
}

tokens! {
    /// What brought a contact where it is (RFC 3680 section 4.3).
    ContactEvent {
        /// A request of the device.
        Registered = "registered",
        /// An administrator.
        Created = "created",
        /// A later request of the device.
        Refreshed = "refreshed",
        /// The registrar: it expires earlier.
        Shortened = "shortened",
        /// Time ran out.
        Expired = "expired",
        /// An administrator: the device should register again.
        Deactivated = "deactivated",
        /// An administrator: the device should register again, but later.
        Probation = "probation",
        /// A request of the device.
        Unregistered = "unregistered",
        /// An administrator: the device should not register again.
        Rejected = "rejected",
    }
}

impl Contact {
    /// Makes a contact.
    pub fn new(
        id: impl Into<String>,
        uri: impl Into<String>,
        state: ContactState,
        event: ContactEvent,
    ) -> Self {
        Self {
            id: id.into(),
            uri: uri.into(),
            state,
            event,
            duration_registered: None,
            expires: None,
            retry_after: None,
            q: None,
            call_id: None,
            cseq: None,
            display_name: None,
            parameters: Vec::new(),
            public_gruu: None,
            temporary_gruu: None,
            extensions: Extensions::default(),
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let missing = || DocumentError::at(element, DocumentErrorKind::MissingElement("uri"));
        let uri = element.child(NAMESPACE, "uri").ok_or_else(missing)?;
        let mut read = Self::new(
            required(element, "id")?,
            uri.trimmed_text(),
            required_as(element, "state", ContactState::from_value)?,
            required_as(element, "event", ContactEvent::from_value)?,
        );
        read.duration_registered = optional(element, "duration-registered", number)?;
        read.expires = optional(element, "expires", number)?;
        read.retry_after = optional(element, "retry-after", number)?;
        read.cseq = optional(element, "cseq", number)?;
        read.q = element.attribute("q").map(str::to_owned);
        read.call_id = element.attribute("callid").map(str::to_owned);
        read.extensions.attributes = other_than(element, ATTRIBUTES);
        let mut uris = None;
        for child in element.elements() {
            let name = child.name();
            match (name.namespace(), name.local()) {
                (Some(NAMESPACE), "uri") => once(&mut uris, (), child, "uri")?,
                (Some(NAMESPACE), "display-name") => {
                    once(
                        &mut read.display_name,
                        DisplayName::from_element(child),
                        child,
                        "display-name",
                    )?;
                }
                (Some(NAMESPACE), "unknown-param") => {
                    read.parameters
                        .push((required(child, "name")?, child.trimmed_text()));
                }
                (Some(GRUU_NAMESPACE), "pub-gruu") => {
                    once(&mut read.public_gruu, required(child, "uri")?, child, "pub-gruu")?;
                }
                (Some(GRUU_NAMESPACE), "temp-gruu") => {
                    let gruu = TemporaryGruu {
                        uri: required(child, "uri")?,
                        first_cseq: required_as(child, "first-cseq", number)?,
                    };
                    once(&mut read.temporary_gruu, gruu, child, "temp-gruu")?;
                }
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "contact");
        element.set("id", self.id.as_str());
        element.set("state", self.state.as_str());
        element.set("event", self.event.as_str());
        let numbers = [
            ("duration-registered", self.duration_registered),
            ("expires", self.expires),
            ("retry-after", self.retry_after),
            ("cseq", self.cseq),
        ];
        for (name, number) in numbers {
            element.set_if(name, number.map(|n| n.to_string()));
        }
        element.set_if("q", self.q.as_deref());
        element.set_if("callid", self.call_id.as_deref());
        element.extend_attributes(&self.extensions);
        element.push_leaf(NAMESPACE, "uri", &self.uri);
        if let Some(name) = &self.display_name {
            element.push(name.to_element(NAMESPACE));
        }
        for (name, value) in &self.parameters {
            let mut parameter = Element::known(NAMESPACE, "unknown-param");
            parameter.set("name", name.as_str());
            parameter.push_text(value);
            element.push(parameter);
        }
        if let Some(uri) = &self.public_gruu {
            let mut gruu = Element::known(GRUU_NAMESPACE, "pub-gruu");
            gruu.set("uri", uri.as_str());
            element.push(gruu);
        }
        if let Some(temporary) = &self.temporary_gruu {
            let mut gruu = Element::known(GRUU_NAMESPACE, "temp-gruu");
            gruu.set("uri", temporary.uri.as_str());
            gruu.set("first-cseq", temporary.first_cseq.to_string());
            element.push(gruu);
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl TemporaryGruu {
    /// Makes a temporary GRUU.
    pub fn new(uri: impl Into<String>, first_cseq: u64) -> Self {
        Self {
            uri: uri.into(),
            first_cseq,
        }
    }
}

impl Registration {
    /// Makes a registration without contacts.
    pub fn new(aor: impl Into<String>, id: impl Into<String>, state: RegistrationState) -> Self {
        Self {
            aor: aor.into(),
            id: id.into(),
            state,
            contacts: Vec::new(),
            extensions: Extensions::default(),
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::new(
            required(element, "aor")?,
            required(element, "id")?,
            required_as(element, "state", RegistrationState::from_value)?,
        );
        read.extensions.attributes = other_than(element, &["aor", "id", "state"]);
        for child in element.elements() {
            if child.is(NAMESPACE, "contact") {
                read.contacts.push(Contact::from_node(child)?);
            } else {
                read.extensions.elements.push(child.to_element());
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "registration");
        element.set("aor", self.aor.as_str());
        element.set("id", self.id.as_str());
        element.set("state", self.state.as_str());
        element.extend_attributes(&self.extensions);
        for contact in &self.contacts {
            element.push(contact.to_element());
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Reginfo {
    /// Makes a full state without registrations.
    pub fn new(version: u64) -> Self {
        Self {
            version,
            state: DocumentState::Full,
            registrations: Vec::new(),
            extensions: Extensions::default(),
        }
    }

    /// Applies a newer document to this state.
    pub fn update(&mut self, newer: &Self) -> Updated {
        //= https://www.rfc-editor.org/rfc/rfc3680#section-5.2
        //# If the value in the document is less than the local
        //# version, the document is discarded without processing.
        let updated = Updated::of(self.version, newer.version, newer.state);
        if updated == Updated::Stale {
            return updated;
        }
        self.version = newer.version;
        if newer.state == DocumentState::Full {
            self.clone_from(newer);
            return updated;
        }
        for registration in &newer.registrations {
            match self
                .registrations
                .iter_mut()
                .find(|known| known.id == registration.id)
            {
                Some(known) => {
                    known.aor.clone_from(&registration.aor);
                    known.state = registration.state;
                    update_rows(&mut known.contacts, &registration.contacts, |row| row.id.clone());
                }
                None => self.registrations.push(registration.clone()),
            }
        }
        updated
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not registration state.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "reginfo")?;
        let mut read = Self::new(required_as(root, "version", number)?);
        read.state = required_as(root, "state", DocumentState::from_value)?;
        read.extensions.attributes = other_than(root, &["version", "state"]);
        for child in root.elements() {
            if child.is(NAMESPACE, "registration") {
                read.registrations.push(Registration::from_node(child)?);
            } else {
                read.extensions.elements.push(child.to_element());
            }
        }
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "reginfo");
        root.set("version", self.version.to_string());
        root.set("state", self.state.as_str());
        root.extend_attributes(&self.extensions);
        for registration in &self.registrations {
            root.push(registration.to_element());
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

const ATTRIBUTES: &[&str] = &[
    "id",
    "state",
    "event",
    "duration-registered",
    "expires",
    "retry-after",
    "q",
    "callid",
    "cseq",
];
