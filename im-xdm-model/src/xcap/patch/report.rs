//! Reports of patches that could not be applied (RFC 5261 section 5).

use bytes::Bytes;

use super::PatchErrorKind;
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Limits};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:patch-ops-error";

/// The media type of such reports.
pub const MEDIA_TYPE: &str = "application/patch-ops-error+xml";

/// Why a patch could not be applied, as a document.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::patch::{PatchErrorKind, PatchReport};
/// use im_xdm_model::xml::Limits;
///
/// let report = PatchReport::new(PatchErrorKind::InvalidDiffFormat);
/// assert_eq!(PatchReport::parse(&report.write(), &Limits::default())?, report);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PatchReport {
    /// What is wrong.
    pub kind: PatchErrorKind,
    /// A text for a person.
    pub phrase: Option<String>,
    /// The language of the text.
    pub lang: Option<String>,
    /// The operation at fault.
    pub operation: Option<Element>,
}

impl PatchReport {
    /// Makes a report of a kind alone.
    pub fn new(kind: PatchErrorKind) -> Self {
        Self {
            kind,
            phrase: None,
            lang: None,
            operation: None,
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or tells no known error.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let root = Element::parse(input, limits)?;
        let wrong = |kind| DocumentError::at(&root, kind);
        if !root.is(NAMESPACE, "patch-ops-error") {
            return Err(wrong(DocumentErrorKind::WrongRoot("patch-ops-error")));
        }
        let known = root
            .elements()
            .filter(|element| element.name().is_in(NAMESPACE))
            .find_map(|element| Some((element, kind_of(element.name().local())?)));
        let (element, kind) =
            known.ok_or_else(|| wrong(DocumentErrorKind::MissingElement("patch-ops-error")))?;
        Ok(Self {
            kind,
            phrase: element.attribute("phrase").map(str::to_owned),
            lang: element.lang().map(str::to_owned),
            operation: element.elements().next().cloned(),
        })
    }

    /// Writes the report.
    ///
    /// An exceeded limit, for which there is no element, is told as a directive that cannot be fulfilled.
    pub fn write(&self) -> Bytes {
        let mut element = Element::known(NAMESPACE, name_of(self.kind));
        element.set_if("phrase", self.phrase.as_deref());
        if let Some(lang) = &self.lang {
            let name = crate::xml::Name::known(crate::xml::XML_NAMESPACE, "lang");
            element.set_attribute(name, lang.as_str());
        }
        if let Some(operation) = &self.operation {
            element.push(operation.clone());
        }
        let mut root = Element::known(NAMESPACE, "patch-ops-error");
        root.push(element);
        root.to_bytes()
    }
}

const NAMES: &[(&str, PatchErrorKind)] = &[
    ("invalid-attribute-value", PatchErrorKind::InvalidAttributeValue),
    ("invalid-character-set", PatchErrorKind::InvalidCharacterSet),
    ("invalid-diff-format", PatchErrorKind::InvalidDiffFormat),
    (
        "invalid-entity-declaration",
        PatchErrorKind::InvalidEntityDeclaration,
    ),
    ("invalid-namespace-prefix", PatchErrorKind::InvalidNamespacePrefix),
    ("invalid-namespace-uri", PatchErrorKind::InvalidNamespaceUri),
    ("invalid-node-types", PatchErrorKind::InvalidNodeTypes),
    ("invalid-patch-directive", PatchErrorKind::InvalidPatchDirective),
    (
        "invalid-root-element-operation",
        PatchErrorKind::InvalidRootElementOperation,
    ),
    (
        "invalid-xml-prolog-operation",
        PatchErrorKind::InvalidXmlPrologOperation,
    ),
    (
        "invalid-whitespace-directive",
        PatchErrorKind::InvalidWhitespaceDirective,
    ),
    ("unlocated-node", PatchErrorKind::UnlocatedNode),
    ("unsupported-id-function", PatchErrorKind::UnsupportedIdFunction),
    ("unsupported-xml-id", PatchErrorKind::UnsupportedXmlId),
];

fn kind_of(name: &str) -> Option<PatchErrorKind> {
    let mut names = NAMES.iter();
    names.find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

fn name_of(kind: PatchErrorKind) -> &'static str {
    let mut names = NAMES.iter();
    names
        .find(|(_, known)| *known == kind)
        .map_or("invalid-patch-directive", |(name, _)| name)
}
