//! Which services a contact or a request names: feature tags (RFC 3840, RFC 3841) and service identifiers (RFC 6050).

use crate::error::{HeaderError, ParseError};
use crate::header::{AcceptContact, Contact, NameAddr, PAssertedService, PPreferredService};
use crate::message::Request;

/// The feature tags and service identifiers by which a host knows its service; those of OMA instant messaging by default.
///
/// ```
/// use sip_im::header::{Contact, NameAddr};
/// use sip_im::ims::Services;
/// use sip_im::Uri;
///
/// let services = Services::default();
/// let mut contact = NameAddr::new(Uri::parse("sip:alice@192.0.2.1")?);
/// services.mark(&mut contact)?;
/// assert!(services.is_offered_by(&Contact::Addr(contact)));
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Services {
    /// Feature tags, each with its value if it has one: any of them names the service, the first is what a contact is marked with.
    pub tags: Vec<(String, Option<String>)>,
    /// Service identifiers (`urn:urn-7:3gpp-service…`) that name it in P-Asserted-Service and P-Preferred-Service. None.
    pub identifiers: Vec<String>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            tags: vec![
                ("+g.oma.sip-im".to_owned(), None),
                ("+g.oma.sip-im.large-message".to_owned(), None),
            ],
            identifiers: Vec::new(),
        }
    }
}

impl Services {
    /// Marks a contact as one that offers the service.
    ///
    /// # Errors
    ///
    /// Fails when a tag can't be written.
    pub fn mark(&self, contact: &mut NameAddr) -> Result<(), ParseError> {
        if let Some((tag, value)) = self.tags.first() {
            contact.params.set(tag, value.as_deref())?;
        }
        Ok(())
    }

    /// Whether a contact offers the service.
    pub fn is_offered_by(&self, contact: &Contact) -> bool {
        self.tags.iter().any(|(tag, value)| match value {
            None => contact.has_feature(tag),
            Some(value) => contact
                .params()
                .and_then(|params| params.unquoted(tag))
                .is_some_and(|found| found.split(',').any(|one| one.trim().eq_ignore_ascii_case(value))),
        })
    }

    /// Whether a request is for the service: by the asserted service, the preferred one, or what contacts are asked to offer.
    ///
    /// # Errors
    ///
    /// Fails when a header field is malformed.
    pub fn is_asked_for_by(&self, request: &Request) -> Result<bool, HeaderError> {
        let headers = request.headers();
        for service in headers.all::<PAssertedService>() {
            let service = service?;
            if self.identifiers.iter().any(|known| service.is_within(known)) {
                return Ok(true);
            }
        }
        for service in headers.all::<PPreferredService>() {
            let service = service?;
            if self.identifiers.iter().any(|known| service.is_within(known)) {
                return Ok(true);
            }
        }
        for wish in headers.all::<AcceptContact>() {
            let wish = wish?;
            if self.tags.iter().any(|(tag, _)| wish.has_feature(tag)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
