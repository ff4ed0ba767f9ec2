//! Conflict reports: the body of a 409 (RFC 4825 section 11).

use bytes::Bytes;

use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Limits};

/// The namespace of conflict reports.
pub(super) const NAMESPACE: &str = "urn:ietf:params:xml:ns:xcap-error";
/// The media type of conflict reports.
pub const MEDIA_TYPE: &str = "application/xcap-error+xml";

/// Why a request conflicts with the document or the rules of its application usage.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::{Condition, XcapError};
/// use im_xdm_model::xml::Limits;
///
/// let error = XcapError::new(Condition::CannotInsert).with_phrase("another element would be selected");
/// assert_eq!(XcapError::parse(&error.write(), &Limits::default())?, error);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct XcapError {
    /// What is wrong.
    pub condition: Condition,
    /// A text for a person.
    pub phrase: Option<String>,
}

/// The conditions of RFC 4825 section 11.1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Condition {
    /// The body is no well-formed document.
    NotWellFormed,
    /// The body is not one element.
    NotXmlFrag,
    /// What should be inserted into does not exist.
    NoParent {
        /// The URI of the closest element or document that does exist.
        ancestor: Option<String>,
    },
    /// The document would not fit its schema.
    SchemaValidationError,
    /// The body is no attribute value.
    NotXmlAttValue,
    /// A GET afterwards would not give what was put.
    CannotInsert,
    /// The request would not be idempotent.
    CannotDelete,
    /// A value that must be unique would not be.
    UniquenessFailure {
        /// The values at fault.
        exists: Vec<Exists>,
    },
    /// The document would break a rule of the application usage.
    ConstraintFailure,
    /// An extension, carried along.
    Extension(Vec<Element>),
    /// The document would not be UTF-8.
    NotUtf8,
}

/// A value that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Exists {
    /// The relative URI of the attribute or element.
    pub field: String,
    /// Values that could be used instead.
    pub alternatives: Vec<String>,
}

impl Exists {
    /// Names a field.
    pub fn new(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            alternatives: Vec::new(),
        }
    }

    /// Adds a value that could be used instead.
    #[must_use]
    pub fn with_alternative(mut self, value: impl Into<String>) -> Self {
        self.alternatives.push(value.into());
        self
    }
}

impl Condition {
    const fn name(&self) -> &'static str {
        match self {
            Self::NotWellFormed => "not-well-formed",
            Self::NotXmlFrag => "not-xml-frag",
            Self::NoParent { .. } => "no-parent",
            Self::SchemaValidationError => "schema-validation-error",
            Self::NotXmlAttValue => "not-xml-att-value",
            Self::CannotInsert => "cannot-insert",
            Self::CannotDelete => "cannot-delete",
            Self::UniquenessFailure { .. } => "uniqueness-failure",
            Self::ConstraintFailure => "constraint-failure",
            Self::Extension(_) => "extension",
            Self::NotUtf8 => "not-utf-8",
        }
    }

    fn read(element: &Element) -> Option<Self> {
        Some(match element.name().local() {
            "not-well-formed" => Self::NotWellFormed,
            "not-xml-frag" => Self::NotXmlFrag,
            "no-parent" => Self::NoParent {
                ancestor: element.child(NAMESPACE, "ancestor").map(Element::trimmed_text),
            },
            "schema-validation-error" => Self::SchemaValidationError,
            "not-xml-att-value" => Self::NotXmlAttValue,
            "cannot-insert" => Self::CannotInsert,
            "cannot-delete" => Self::CannotDelete,
            "uniqueness-failure" => Self::UniquenessFailure {
                exists: element
                    .elements()
                    .filter(|e| e.is(NAMESPACE, "exists"))
                    .map(|e| Exists {
                        field: e.attribute("field").unwrap_or_default().to_owned(),
                        alternatives: e
                            .elements()
                            .filter(|v| v.is(NAMESPACE, "alt-value"))
                            .map(|v| v.text().into_owned())
                            .collect(),
                    })
                    .collect(),
            },
            "constraint-failure" => Self::ConstraintFailure,
            "extension" => Self::Extension(element.elements().cloned().collect()),
            "not-utf-8" => Self::NotUtf8,
            _ => return None,
        })
    }
}

impl XcapError {
    /// Makes a report without phrase.
    pub fn new(condition: Condition) -> Self {
        Self {
            condition,
            phrase: None,
        }
    }

    /// Adds a text for a person.
    #[must_use]
    pub fn with_phrase(mut self, phrase: impl Into<String>) -> Self {
        self.phrase = Some(phrase.into());
        self
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a conflict report.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let root = Element::parse(input, limits)?;
        if !root.is(NAMESPACE, "xcap-error") {
            return Err(DocumentError::at(
                &root,
                DocumentErrorKind::WrongRoot("xcap-error"),
            ));
        }
        let mut conditions = root.elements();
        let element = conditions
            .next()
            .ok_or_else(|| DocumentError::at(&root, DocumentErrorKind::MissingElement("error-element")))?;
        let condition = Some(element)
            .filter(|e| e.name().is_in(NAMESPACE))
            .and_then(Condition::read);
        match (condition, conditions.next()) {
            (Some(condition), None) => Ok(Self {
                condition,
                phrase: element.attribute("phrase").map(str::to_owned),
            }),
            _ => Err(DocumentError::at(
                &root,
                DocumentErrorKind::UnexpectedElement("xcap-error"),
            )),
        }
    }

    /// Writes the report.
    pub fn write(&self) -> Bytes {
        let mut element = Element::known(NAMESPACE, self.condition.name());
        // The schema has no phrase on extensions.
        if !matches!(self.condition, Condition::Extension(_)) {
            element.set_if("phrase", self.phrase.as_deref());
        }
        match &self.condition {
            Condition::NoParent { ancestor: Some(uri) } => element.push_leaf(NAMESPACE, "ancestor", uri),
            Condition::UniquenessFailure { exists } => {
                for one in exists {
                    let mut child = Element::known(NAMESPACE, "exists");
                    child.set("field", one.field.as_str());
                    for value in &one.alternatives {
                        child.push_leaf(NAMESPACE, "alt-value", value);
                    }
                    element.push(child);
                }
            }
            Condition::Extension(children) => children.iter().cloned().for_each(|c| element.push(c)),
            _ => {}
        }
        let mut root = Element::known(NAMESPACE, "xcap-error");
        root.push(element);
        root.to_bytes()
    }
}

impl From<Condition> for XcapError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}
