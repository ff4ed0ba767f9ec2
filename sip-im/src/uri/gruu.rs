//! Globally routable user agent URIs (RFC 5627): an address of record with a `gr` parameter names one user agent.

use super::Uri;

impl Uri {
    /// Is it one? A URI in a domain that does not make any may have the parameter by chance, so only the domain decides.
    pub fn is_gruu(&self) -> bool {
        self.is_sip() && self.parameter("gr").is_some()
    }

    /// The value of `gr` in a public GRUU, which is the id of the user agent; a temporary one may have the parameter
    /// without value and tells nothing.
    ///
    /// ```
    /// use sip_im::Uri;
    /// let public = Uri::parse("sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")?;
    /// assert_eq!(public.gruu_instance(), Some("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    /// assert_eq!(public.gruu_address(), Some(Uri::parse("sip:alice@example.com")?));
    /// let temporary = Uri::parse("sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr")?;
    /// assert!(temporary.is_gruu() && temporary.gruu_instance().is_none() && temporary.gruu_address().is_none());
    /// # Ok::<(), sip_im::error::ParseError>(())
    /// ```
    pub fn gruu_instance(&self) -> Option<&str> {
        self.parameter("gr").flatten().filter(|_| self.is_sip())
    }

    /// The address of record of a public GRUU.
    //= https://www.rfc-editor.org/rfc/rfc5627#section-3.1.1
    //# If a UA removes the "gr" URI parameter, the result is the AOR.
    pub fn gruu_address(&self) -> Option<Self> {
        self.gruu_instance().map(|_| self.without_parameter("gr"))
    }
}
