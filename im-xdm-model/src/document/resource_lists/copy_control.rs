//! Roles of recipients, and who is shown to whom (RFC 5364).

use super::super::{boolean, number};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Name, NameRef, TreeNode};

/// The namespace of copy control.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:copycontrol";

/// The spelling of the copy control namespace in an example of RFC 5366; read, never written.
const MISSPELT: &str = "urn:ietf:params:xml:ns:copyControl";

/// The role of a recipient, from the weakest to the strongest (RFC 5364 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum CopyControl {
    /// A blind copy: other recipients do not learn of it.
    Bcc,
    /// A carbon copy.
    Cc,
    /// A primary recipient.
    To,
}

impl CopyControl {
    /// Returns the value as written in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::To => "to",
            Self::Cc => "cc",
            Self::Bcc => "bcc",
        }
    }

    /// Reads the value of the attribute.
    pub fn from_value(value: &str) -> Option<Self> {
        match value {
            "to" => Some(Self::To),
            "cc" => Some(Self::Cc),
            "bcc" => Some(Self::Bcc),
            _ => None,
        }
    }
}

pub(super) fn is_copy_control(name: NameRef<'_>) -> bool {
    (name.is_in(NAMESPACE) || name.is_in(MISSPELT))
        && matches!(name.local(), "copyControl" | "anonymize" | "count")
}

fn copy_control_attribute<'e>(element: TreeNode<'e>, local: &str) -> Option<&'e str> {
    // Most entries of most lists have a URI and nothing else.
    if element
        .attributes()
        .all(|attribute| attribute.name.namespace().is_none())
    {
        return None;
    }
    element
        .qualified(NAMESPACE, local)
        .or_else(|| element.qualified(MISSPELT, local))
}

pub(super) fn read_copy_control(element: TreeNode<'_>) -> Result<(Option<CopyControl>, bool), DocumentError> {
    let bad = |name| DocumentError::at(element, DocumentErrorKind::BadValue(name));
    let role = match copy_control_attribute(element, "copyControl") {
        None => None,
        Some(value) => Some(CopyControl::from_value(value).ok_or_else(|| bad("copyControl"))?),
    };
    let anonymize = match copy_control_attribute(element, "anonymize") {
        None => false,
        Some(value) => boolean(value).ok_or_else(|| bad("anonymize"))?,
    };
    Ok((role, anonymize))
}

pub(super) fn write_copy_control(element: &mut Element, role: Option<CopyControl>, anonymize: bool) {
    if let Some(role) = role {
        element.set_attribute(Name::known(NAMESPACE, "copyControl"), role.as_str());
    }
    if anonymize {
        element.set_attribute(Name::known(NAMESPACE, "anonymize"), "true");
    }
}

pub(super) fn read_count(element: TreeNode<'_>) -> Result<Option<u32>, DocumentError> {
    match copy_control_attribute(element, "count") {
        None => Ok(None),
        Some(text) => {
            let bad = || DocumentError::at(element, DocumentErrorKind::BadValue("count"));
            number(text).map(Some).ok_or_else(bad)
        }
    }
}

pub(super) fn write_count(element: &mut Element, count: Option<u32>) {
    if let Some(count) = count {
        element.set_attribute(Name::known(NAMESPACE, "count"), count.to_string());
    }
}
