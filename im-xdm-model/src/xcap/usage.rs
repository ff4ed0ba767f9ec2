//! Application usages: which documents there are, and what they must look like (RFC 4825 section 5).

use super::directory;
use super::error::{Condition, Exists, XcapError};
use super::uri::{ResourceUri, Tree};
use super::validate;
use crate::xml::{Limits, XmlErrorKind};

/// Checks a document as it would be after a request, given where it is.
pub type Validator = fn(&ResourceUri, &[u8], &Limits) -> Result<(), Violation>;

/// What is known about the documents of one AUID.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Usage {
    /// The name of the usage.
    pub auid: String,
    /// The media type of its documents.
    pub media_type: String,
    /// The namespace of names without prefix in node selectors.
    pub namespace: String,
    /// Whether clients may change documents at all.
    pub writable: bool,
    /// Who may read the documents of the global tree.
    pub global: GlobalReaders,
    /// Checks a document as it would be after the request.
    pub validate: Validator,
}

/// Who may read what concerns everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GlobalReaders {
    /// Every user, as RFC 4825 section 5.7 has it.
    Everybody,
    /// Only privileged users, for the union of what users keep for themselves.
    Privileged,
}

/// Why a document is not acceptable for its usage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// It is not well-formed, or exceeds a limit.
    Xml(XmlErrorKind),
    /// It does not fit the schema.
    Schema,
    /// Values are there twice.
    Unique(Vec<Exists>),
    /// It breaks another rule, told in words.
    Constraint(&'static str),
}

impl From<Violation> for XcapError {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Xml(XmlErrorKind::NotUtf8 | XmlErrorKind::UnsupportedEncoding) => {
                Condition::NotUtf8.into()
            }
            Violation::Xml(kind) if kind.is_limit() || kind == XmlErrorKind::DocumentType => {
                Self::new(Condition::ConstraintFailure).with_phrase(kind.to_string())
            }
            Violation::Xml(kind) => Self::new(Condition::NotWellFormed).with_phrase(kind.to_string()),
            Violation::Schema => Condition::SchemaValidationError.into(),
            Violation::Unique(exists) => Condition::UniquenessFailure { exists }.into(),
            Violation::Constraint(phrase) => Self::new(Condition::ConstraintFailure).with_phrase(phrase),
        }
    }
}

impl Usage {
    /// Makes a usage whose documents may have any content below a root in its namespace.
    pub fn new(auid: impl Into<String>, media_type: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            auid: auid.into(),
            media_type: media_type.into(),
            namespace: namespace.into(),
            writable: true,
            global: GlobalReaders::Everybody,
            validate: validate::anything,
        }
    }

    /// Tells whether a user may do something, by the default policy (RFC 4825 section 5.7).
    ///
    /// Users do as they like with their own documents and read the global ones; `privileged` users change those too.
    /// The comparison is by canonical identity, so that the spelling of a URI decides nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use im_xdm_model::xcap::{Access, ResourceUri, Usages};
    /// use sip_im::Uri;
    ///
    /// let usages = Usages::standard();
    /// let usage = usages.get("resource-lists").ok_or("no such usage")?;
    /// let uri = ResourceUri::parse("", "/resource-lists/users/sip:joe@example.com/index")?;
    /// let joe = Uri::parse("sip:joe@EXAMPLE.com:5060")?.identity();
    /// let bob = Uri::parse("sip:bob@example.com")?.identity();
    /// assert!(usage.may_access(&uri, &joe, false, Access::Write));
    /// assert!(!usage.may_access(&uri, &bob, false, Access::Read));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn may_access(
        &self,
        uri: &ResourceUri,
        who: &sip_im::Identity,
        privileged: bool,
        access: Access,
    ) -> bool {
        //= R-5.3.3-04
        match uri.tree() {
            _ if privileged => true,
            //= https://www.rfc-editor.org/rfc/rfc4825#section-5.7
            //# However, only trusted
            //# users, explicitly provisioned into the server, can modify global
            //# documents.
            Tree::Global => access == Access::Read && self.global == GlobalReaders::Everybody,
            Tree::User(xui) => sip_im::Uri::parse(xui).is_ok_and(|owner| owner.identity() == *who),
        }
    }
}

/// The usages that a server knows.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::Usages;
///
/// let usages = Usages::standard();
/// assert_eq!(usages.get("resource-lists").map(|u| u.media_type.as_str()), Some("application/resource-lists+xml"));
/// assert!(usages.get("unknown").is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Usages(Vec<Usage>);

impl Usages {
    /// No usage but the capabilities of the server, which every server has.
    pub fn none() -> Self {
        let caps = Usage {
            writable: false,
            ..Usage::new(super::CAPS_AUID, super::caps::MEDIA_TYPE, super::caps::NAMESPACE)
        };
        Self(vec![caps])
    }

    /// The usages of an instant messaging service.
    pub fn standard() -> Self {
        use crate::document::{access_rules, deferred, group, resource_lists, rls_services, user_profile};
        let mut usages = Self::none();
        usages.insert(Usage {
            writable: false,
            ..Usage::new(super::DIRECTORY_AUID, directory::MEDIA_TYPE, directory::NAMESPACE)
        });
        for (auid, media_type, namespace, validate) in [
            (
                "resource-lists",
                "application/resource-lists+xml",
                resource_lists::NAMESPACE,
                validate::resource_lists as Validator,
            ),
            (
                "rls-services",
                "application/rls-services+xml",
                rls_services::NAMESPACE,
                validate::rls_services,
            ),
            (
                "org.openmobilealliance.access-rules",
                "application/auth-policy+xml",
                access_rules::NAMESPACE,
                validate::access_rules,
            ),
            (
                "org.openmobilealliance.im-rules",
                "application/auth-policy+xml",
                access_rules::NAMESPACE,
                validate::access_rules,
            ),
            (
                "org.openmobilealliance.groups",
                "application/vnd.oma.poc.groups+xml",
                group::NAMESPACE,
                validate::group,
            ),
            (
                "org.openmobilealliance.deferred-list",
                "application/vnd.oma.im.deferred-list+xml",
                deferred::NAMESPACE,
                validate::deferred_list,
            ),
            (
                "org.openmobilealliance.conv-history",
                "application/vnd.oma.im.history-list+xml",
                deferred::NAMESPACE,
                validate::history_list,
            ),
            (
                "org.openmobilealliance.user-profile",
                "application/vnd.oma.user-profile+xml",
                user_profile::NAMESPACE,
                validate::user_profile,
            ),
            (
                "org.openmobilealliance.pres-rules",
                "application/auth-policy+xml",
                access_rules::NAMESPACE,
                validate::access_rules,
            ),
            //= https://www.rfc-editor.org/rfc/rfc5025#section-9.1
            //# This
            //# specification defines the "pres-rules" AUID within the IETF tree, via
            //# the IANA registration in Section 11.
            (
                "pres-rules",
                "application/auth-policy+xml",
                access_rules::NAMESPACE,
                validate::access_rules,
            ),
        ] {
            usages.insert(Usage {
                validate,
                ..Usage::new(auid, media_type, namespace)
            });
        }
        usages
    }

    /// Adds a usage, or replaces the one of the same AUID.
    pub fn insert(&mut self, usage: Usage) {
        match self.0.iter_mut().find(|known| known.auid == usage.auid) {
            Some(known) => *known = usage,
            None => self.0.push(usage),
        }
    }

    /// Finds a usage.
    pub fn get(&self, auid: &str) -> Option<&Usage> {
        self.0.iter().find(|usage| usage.auid == auid)
    }

    /// Iterates over the usages.
    pub fn iter(&self) -> impl Iterator<Item = &Usage> {
        self.0.iter()
    }
}

/// What a request wants to do with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read it.
    Read,
    /// Change or delete it.
    Write,
}
