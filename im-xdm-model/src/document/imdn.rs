//! Disposition notifications (RFC 5438 section 11).

use bytes::Bytes;

use super::once;
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Extensions, Limits, TreeNode};

/// The namespace of disposition notifications.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";

/// What became of a message.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::imdn::{Imdn, Notification, DeliveryStatus};
/// use im_xdm_model::xml::Limits;
///
/// let mut imdn = Imdn::new("34jk324j", "2008-04-04T12:16:49-05:00".parse()?);
/// imdn.notification = Some(Notification::Delivery(DeliveryStatus::Delivered));
/// assert_eq!(Imdn::parse(&imdn.write(), &Limits::default())?, imdn);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Imdn {
    /// The `Message-ID` of the message.
    pub message_id: String,
    /// When the message was sent, as its `DateTime` header says.
    pub datetime: DateTime,
    /// Who reports.
    pub recipient_uri: Option<String>,
    /// Whom the message was sent to at first.
    pub original_recipient_uri: Option<String>,
    /// The subject of the message.
    pub subject: Option<String>,
    /// What happened; an extension may be all there is.
    pub notification: Option<Notification>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Notification {
    /// It was delivered, or was not.
    Delivery(DeliveryStatus),
    /// It was shown to a person, or was not.
    Display(DisplayStatus),
    /// An intermediary took care of it, or did not.
    Processing(ProcessingStatus),
}

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Returns the name of the element that says so.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

statuses! {
    /// How delivery went.
    DeliveryStatus {
        /// It arrived.
        Delivered = "delivered",
        /// It did not.
        Failed = "failed",
        /// The recipient does not tell.
        Forbidden = "forbidden",
        /// Something else went wrong.
        Error = "error",
    }
}

statuses! {
    /// How displaying went.
    DisplayStatus {
        /// It was shown.
        Displayed = "displayed",
        /// The recipient does not tell.
        Forbidden = "forbidden",
        /// Something went wrong.
        Error = "error",
    }
}

statuses! {
    /// How processing went.
    ProcessingStatus {
        /// An intermediary passed it on.
        Processed = "processed",
        /// An intermediary keeps it for later.
        Stored = "stored",
        /// The intermediary does not tell.
        Forbidden = "forbidden",
        /// Something went wrong.
        Error = "error",
    }
}

impl Notification {
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Delivery(status) => ("delivery-notification", status.as_str()),
            Self::Display(status) => ("display-notification", status.as_str()),
            Self::Processing(status) => ("processing-notification", status.as_str()),
        }
    }
}

impl Imdn {
    /// Makes a notification that does not say yet what happened.
    pub fn new(message_id: impl Into<String>, datetime: DateTime) -> Self {
        Self {
            message_id: message_id.into(),
            datetime,
            recipient_uri: None,
            original_recipient_uri: None,
            subject: None,
            notification: None,
            extensions: Extensions::default(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a disposition notification.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "imdn")?;
        let missing = |name| DocumentError::at(root, DocumentErrorKind::MissingElement(name));
        let (mut message_id, mut datetime) = (None, None);
        let (mut recipient, mut original, mut subject, mut notification) = (None, None, None, None);
        let mut extensions = Extensions::default();
        for child in root.elements() {
            if !child.name().is_in(NAMESPACE) {
                extensions.elements.push(child.to_element());
                continue;
            }
            let text = || child.trimmed_text();
            match child.name().local() {
                "message-id" => once(&mut message_id, text(), child, "message-id")?,
                "datetime" => {
                    let read = child.text().parse::<DateTime>();
                    let read =
                        read.map_err(|_| DocumentError::at(child, DocumentErrorKind::BadValue("datetime")))?;
                    once(&mut datetime, read, child, "datetime")?;
                }
                "recipient-uri" => once(&mut recipient, text(), child, "recipient-uri")?,
                "original-recipient-uri" => once(&mut original, text(), child, "original-recipient-uri")?,
                "subject" => once(&mut subject, child.text().into_owned(), child, "subject")?,
                "delivery-notification" => {
                    let status = status(child, DeliveryStatus::from_name)?;
                    once(
                        &mut notification,
                        Notification::Delivery(status),
                        child,
                        "delivery-notification",
                    )?;
                }
                "display-notification" => {
                    let status = status(child, DisplayStatus::from_name)?;
                    once(
                        &mut notification,
                        Notification::Display(status),
                        child,
                        "display-notification",
                    )?;
                }
                "processing-notification" => {
                    let status = status(child, ProcessingStatus::from_name)?;
                    once(
                        &mut notification,
                        Notification::Processing(status),
                        child,
                        "processing-notification",
                    )?;
                }
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("imdn"),
                    ));
                }
            }
        }
        Ok(Self {
            message_id: message_id
                .filter(|id| !id.is_empty())
                .ok_or_else(|| missing("message-id"))?,
            datetime: datetime.ok_or_else(|| missing("datetime"))?,
            recipient_uri: recipient,
            original_recipient_uri: original,
            subject,
            notification,
            extensions,
        })
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "imdn");
        root.push_leaf(NAMESPACE, "message-id", &self.message_id);
        root.push_leaf(NAMESPACE, "datetime", &self.datetime.to_string());
        root.push_leaf_if(NAMESPACE, "recipient-uri", self.recipient_uri.as_deref());
        root.push_leaf_if(
            NAMESPACE,
            "original-recipient-uri",
            self.original_recipient_uri.as_deref(),
        );
        root.push_leaf_if(NAMESPACE, "subject", self.subject.as_deref());
        if let Some(notification) = self.notification {
            let (name, said) = notification.parts();
            let mut status = Element::known(NAMESPACE, "status");
            status.push(Element::known(NAMESPACE, said));
            let mut element = Element::known(NAMESPACE, name);
            element.push(status);
            root.push(element);
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

/// Reads the one status that a notification holds.
fn status<S>(notification: TreeNode<'_>, from_name: impl Fn(&str) -> Option<S>) -> Result<S, DocumentError> {
    let status = notification
        .child(NAMESPACE, "status")
        .ok_or_else(|| DocumentError::at(notification, DocumentErrorKind::MissingElement("status")))?;
    let bad = || DocumentError::at(status, DocumentErrorKind::BadValue("status"));
    let mut found = status.elements().filter(|e| e.name().is_in(NAMESPACE));
    let said = found
        .next()
        .and_then(|e| from_name(e.name().local()))
        .ok_or_else(bad)?;
    if found.next().is_some() {
        Err(bad())
    } else {
        Ok(said)
    }
}
