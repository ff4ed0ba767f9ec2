//! Names of header fields: the one table of spellings and compact forms.

use core::fmt;
use core::hash::{Hash, Hasher};

use super::octets::is_token_byte;
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// The name of a header field. Comparison ignores case, and a compact form is the same name as the long one.
///
/// ```
/// use sip_im::header::HeaderName;
/// assert_eq!(HeaderName::parse("i")?, HeaderName::CALL_ID);
/// assert_eq!(HeaderName::parse("CALL-ID")?, HeaderName::CALL_ID);
/// assert_eq!(HeaderName::parse("x-other")?, HeaderName::parse("X-Other")?);
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone)]
pub struct HeaderName(Repr);

#[derive(Clone)]
enum Repr {
    Known(Known),
    Other(Box<str>),
}

/// An index into the table below, small enough to be kept for each line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Known(u8);

impl HeaderName {
    /// Reads a name, in its long or compact form and in any case.
    ///
    /// # Errors
    ///
    /// Fails unless the text is a token. White space round the name is not part of it.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if let Some(known) = Known::find(text.as_bytes()) {
            return Ok(Self(Repr::Known(known)));
        }
        if text.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        match text.bytes().position(|byte| !is_token_byte(byte)) {
            Some(offset) => Err(ParseError::new(ParseErrorKind::UnexpectedText, offset)),
            None => Ok(Self(Repr::Other(text.into()))),
        }
    }

    /// The long form in the spelling of its RFC; an unknown name as it was given.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(known) => known.as_str(),
            Repr::Other(text) => text,
        }
    }

    pub(crate) const fn of_known(known: Known) -> Self {
        Self(Repr::Known(known))
    }

    #[inline]
    pub(crate) fn known(&self) -> Option<Known> {
        match &self.0 {
            Repr::Known(known) => Some(*known),
            Repr::Other(_) => None,
        }
    }
}

impl Known {
    /// Its place in the table.
    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// A bit of its own, for the names that come first in the table.
    #[inline]
    pub(crate) fn bit(self) -> Option<u64> {
        1_u64.checked_shl(u32::from(self.0))
    }

    pub(crate) fn find(text: &[u8]) -> Option<Self> {
        if let [byte] = text {
            let lower = byte.to_ascii_lowercase();
            return COMPACT
                .iter()
                .find(|(compact, _)| *compact == lower)
                .map(|(_, known)| *known);
        }
        let mut at = hash(text);
        loop {
            let index = *SLOTS.get(at & SLOT_MASK)?;
            let name = NAMES.get(usize::from(index))?.as_bytes();
            // Most senders spell a name as its RFC does, and that is told sooner.
            if name == text || name.eq_ignore_ascii_case(text) {
                return Some(Self(index));
            }
            at = at.wrapping_add(1);
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Known(a), Repr::Known(b)) => a == b,
            (Repr::Other(a), Repr::Other(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Known(known) => known.hash(state),
            Repr::Other(text) => text
                .bytes()
                .for_each(|byte| state.write_u8(byte.to_ascii_lowercase())),
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&HeaderName> for ByteStr {
    fn from(name: &HeaderName) -> Self {
        match &name.0 {
            Repr::Known(known) => Self::from_static(known.as_str()),
            Repr::Other(text) => Self::from(&**text),
        }
    }
}

macro_rules! names {
    ($($constant:ident $index:literal $name:literal)*) => {
        impl HeaderName {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub const $constant: Self = Self(Repr::Known(Known($index)));
            )*
        }
        const NAMES: &[&str] = &[$($name),*];
    };
}

/// The compact forms that IANA has registered.
const COMPACT: &[(u8, Known)] = &[
    (b'a', Known(16)),
    (b'b', Known(79)),
    (b'c', Known(8)),
    (b'd', Known(84)),
    (b'e', Known(36)),
    (b'f', Known(1)),
    (b'i', Known(3)),
    (b'j', Known(80)),
    (b'k', Known(12)),
    (b'l', Known(7)),
    (b'm', Known(6)),
    (b'n', Known(48)),
    (b'o', Known(19)),
    (b'r', Known(78)),
    (b's', Known(26)),
    (b't', Known(2)),
    (b'u', Known(31)),
    (b'v', Known(0)),
    (b'x', Known(92)),
    (b'y', Known(47)),
];

names! {
    VIA 0 "Via"
    FROM 1 "From"
    TO 2 "To"
    CALL_ID 3 "Call-ID"
    CSEQ 4 "CSeq"
    MAX_FORWARDS 5 "Max-Forwards"
    CONTACT 6 "Contact"
    CONTENT_LENGTH 7 "Content-Length"
    CONTENT_TYPE 8 "Content-Type"
    ROUTE 9 "Route"
    RECORD_ROUTE 10 "Record-Route"
    P_ASSERTED_IDENTITY 11 "P-Asserted-Identity"
    SUPPORTED 12 "Supported"
    REQUIRE 13 "Require"
    ALLOW 14 "Allow"
    ACCEPT 15 "Accept"
    ACCEPT_CONTACT 16 "Accept-Contact"
    USER_AGENT 17 "User-Agent"
    SERVER 18 "Server"
    EVENT 19 "Event"
    EXPIRES 20 "Expires"
    SUBSCRIPTION_STATE 21 "Subscription-State"
    PRIVACY 22 "Privacy"
    AUTHORIZATION 23 "Authorization"
    PROXY_AUTHORIZATION 24 "Proxy-Authorization"
    DATE 25 "Date"
    SUBJECT 26 "Subject"
    ACCEPT_ENCODING 27 "Accept-Encoding"
    ACCEPT_LANGUAGE 28 "Accept-Language"
    ACCEPT_RESOURCE_PRIORITY 29 "Accept-Resource-Priority"
    ALERT_INFO 30 "Alert-Info"
    ALLOW_EVENTS 31 "Allow-Events"
    ANSWER_MODE 32 "Answer-Mode"
    AUTHENTICATION_INFO 33 "Authentication-Info"
    CALL_INFO 34 "Call-Info"
    CONTENT_DISPOSITION 35 "Content-Disposition"
    CONTENT_ENCODING 36 "Content-Encoding"
    CONTENT_ID 37 "Content-ID"
    CONTENT_LANGUAGE 38 "Content-Language"
    CONTENT_TRANSFER_ENCODING 39 "Content-Transfer-Encoding"
    CONTRIBUTION_ID 40 "Contribution-ID"
    CONVERSATION_ID 41 "Conversation-ID"
    ERROR_INFO 42 "Error-Info"
    FEATURE_CAPS 43 "Feature-Caps"
    FLOW_TIMER 44 "Flow-Timer"
    GEOLOCATION 45 "Geolocation"
    HISTORY_INFO 46 "History-Info"
    IDENTITY 47 "Identity"
    IDENTITY_INFO 48 "Identity-Info"
    IN_REPLY_TO 49 "In-Reply-To"
    INFO_PACKAGE 50 "Info-Package"
    JOIN 51 "Join"
    MAX_BREADTH 52 "Max-Breadth"
    MIME_VERSION 53 "MIME-Version"
    MIN_EXPIRES 54 "Min-Expires"
    MIN_SE 55 "Min-SE"
    ORGANIZATION 56 "Organization"
    P_ACCESS_NETWORK_INFO 57 "P-Access-Network-Info"
    P_ASSERTED_SERVICE 58 "P-Asserted-Service"
    P_ASSOCIATED_URI 59 "P-Associated-URI"
    P_CALLED_PARTY_ID 60 "P-Called-Party-ID"
    P_CHARGING_FUNCTION_ADDRESSES 61 "P-Charging-Function-Addresses"
    P_CHARGING_VECTOR 62 "P-Charging-Vector"
    P_PREFERRED_IDENTITY 63 "P-Preferred-Identity"
    P_PREFERRED_SERVICE 64 "P-Preferred-Service"
    P_PROFILE_KEY 65 "P-Profile-Key"
    P_SERVED_USER 66 "P-Served-User"
    P_USER_DATABASE 67 "P-User-Database"
    P_VISITED_NETWORK_ID 68 "P-Visited-Network-ID"
    PATH 69 "Path"
    PERMISSION_MISSING 70 "Permission-Missing"
    PRIORITY 71 "Priority"
    PROXY_AUTHENTICATE 72 "Proxy-Authenticate"
    PROXY_REQUIRE 73 "Proxy-Require"
    RACK 74 "RAck"
    REASON 75 "Reason"
    RECV_INFO 76 "Recv-Info"
    REFER_SUB 77 "Refer-Sub"
    REFER_TO 78 "Refer-To"
    REFERRED_BY 79 "Referred-By"
    REJECT_CONTACT 80 "Reject-Contact"
    REMOTE_PARTY_ID 81 "Remote-Party-ID"
    REPLACES 82 "Replaces"
    REPLY_TO 83 "Reply-To"
    REQUEST_DISPOSITION 84 "Request-Disposition"
    RESOURCE_PRIORITY 85 "Resource-Priority"
    RETRY_AFTER 86 "Retry-After"
    RSEQ 87 "RSeq"
    SECURITY_CLIENT 88 "Security-Client"
    SECURITY_SERVER 89 "Security-Server"
    SECURITY_VERIFY 90 "Security-Verify"
    SERVICE_ROUTE 91 "Service-Route"
    SESSION_EXPIRES 92 "Session-Expires"
    SESSION_ID 93 "Session-ID"
    SESSION_REPLACES 94 "Session-Replaces"
    SIP_ETAG 95 "SIP-ETag"
    SIP_IF_MATCH 96 "SIP-If-Match"
    SUPPRESS_IF_MATCH 97 "Suppress-If-Match"
    TARGET_DIALOG 98 "Target-Dialog"
    TIMESTAMP 99 "Timestamp"
    TRIGGER_CONSENT 100 "Trigger-Consent"
    UNSUPPORTED 101 "Unsupported"
    WARNING 102 "Warning"
    WWW_AUTHENTICATE 103 "WWW-Authenticate"
    P_REFUSED_URI_LIST 104 "P-Refused-URI-List"
    PROXY_AUTHENTICATION_INFO 105 "Proxy-Authentication-Info"
    CONTENT_DESCRIPTION 106 "Content-Description"
    GEOLOCATION_ERROR 107 "Geolocation-Error"
    GEOLOCATION_ROUTING 108 "Geolocation-Routing"
    P_EARLY_MEDIA 109 "P-Early-Media"
    P_PRIVATE_NETWORK_INDICATION 110 "P-Private-Network-Indication"
    CELLULAR_NETWORK_INFO 111 "Cellular-Network-Info"
}

const SLOT_MASK: usize = 511;

/// Where each name is in the table, by its hash; taken slots push a name to the next. There are far more slots than names, and
/// an empty one has an index that no name has.
const SLOTS: [u8; SLOT_MASK + 1] = {
    let mut slots = [u8::MAX; SLOT_MASK + 1];
    let mut index = 0;
    while index < NAMES.len() {
        #[expect(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "the index is less than the length, which is far below 255, and the mask keeps a slot in the table"
        )]
        {
            let mut at = hash(NAMES[index].as_bytes()) & SLOT_MASK;
            while slots[at] != u8::MAX {
                at = (at + 1) & SLOT_MASK;
            }
            slots[at] = index as u8;
        }
        index += 1;
    }
    slots
};

/// Of a name in any case: its length and the octets that tell the names apart best.
const fn hash(name: &[u8]) -> usize {
    let (first, last, middle) = match name {
        [] => return 0,
        [only] => (*only, *only, *only),
        [first, .., last] => match name.split_at_checked(name.len() / 2) {
            Some((_, [middle, ..])) => (*first, *last, *middle),
            _ => (*first, *last, 0),
        },
    };
    let (first, last, middle) = (first | 32, last | 32, middle | 32);
    name.len()
        .wrapping_mul(37)
        .wrapping_add((first as usize).wrapping_mul(7))
        .wrapping_add((last as usize).wrapping_mul(31))
        .wrapping_add((middle as usize).wrapping_mul(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_compact_form_leads_to_its_own_entry() {
        for (index, name) in NAMES.iter().enumerate() {
            let parsed = HeaderName::parse(&name.to_ascii_lowercase()).unwrap();
            assert_eq!(
                parsed.known(),
                Some(Known(u8::try_from(index).unwrap())),
                "{name}"
            );
            assert_eq!(parsed.as_str(), *name);
        }
        for (compact, known) in COMPACT {
            let text = char::from(*compact).to_ascii_uppercase().to_string();
            assert_eq!(HeaderName::parse(&text).unwrap().known(), Some(*known));
        }
    }

    #[test]
    fn a_name_is_a_token() {
        assert!(HeaderName::parse("").is_err());
        assert!(HeaderName::parse("Call-ID ").is_err());
        assert!(HeaderName::parse("a:b").is_err());
        assert!(HeaderName::parse("a\r\nb").is_err());
    }
}
