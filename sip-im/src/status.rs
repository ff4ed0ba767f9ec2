//! Status codes of responses (RFC 3261 21 and its extensions).

use core::fmt;

/// A status code, 100 to 699.
///
/// ```
/// use sip_im::{StatusClass, StatusCode};
/// assert_eq!(StatusCode::ACCEPTED.code(), 202);
/// assert_eq!(StatusCode::new(486).map(|code| code.class()), Some(StatusClass::ClientError));
/// assert_eq!(StatusCode::new(99), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

/// The first digit of a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3261 7.2 has six classes, and no code is outside them"
)]
pub enum StatusClass {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
    /// 6xx.
    GlobalFailure,
}

impl StatusCode {
    /// Takes a number from 100 to 699.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The number as it is written.
    pub(crate) fn digits(self) -> [u8; 3] {
        let digit = |part: u16| u8::try_from(part % 10).unwrap_or_default().saturating_add(b'0');
        [digit(self.0 / 100), digit(self.0 / 10), digit(self.0)]
    }

    /// The first digit, which decides when the code itself is unknown (RFC 3261 8.1.3.2).
    pub const fn class(self) -> StatusClass {
        match self.0 {
            0..=199 => StatusClass::Provisional,
            200..=299 => StatusClass::Success,
            300..=399 => StatusClass::Redirection,
            400..=499 => StatusClass::ClientError,
            500..=599 => StatusClass::ServerError,
            _ => StatusClass::GlobalFailure,
        }
    }

    /// Is it 1xx?
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// Is it not 1xx?
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// Is it 2xx?
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// The reason phrase that the registry has for the code; for an unknown code, that of its class.
    pub fn default_reason(self) -> &'static str {
        REASONS
            .iter()
            .find(|(code, _)| *code == self.0)
            .map_or_else(|| self.class().reason(), |(_, reason)| *reason)
    }
}

impl StatusClass {
    fn reason(self) -> &'static str {
        match self {
            Self::Provisional => "Trying",
            Self::Success => "OK",
            Self::Redirection => "Multiple Choices",
            Self::ClientError => "Bad Request",
            Self::ServerError => "Server Internal Error",
            Self::GlobalFailure => "Busy Everywhere",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $reason:literal)*) => {
        const REASONS: &[(u16, &str)] = &[$(($code, $reason)),*];

        impl StatusCode {
            $(
                #[doc = concat!("Status ", stringify!($code), ".")]
                pub const $name: Self = Self($code);
            )*
        }
    };
}

codes! {
    TRYING 100 "Trying"
    RINGING 180 "Ringing"
    CALL_IS_BEING_FORWARDED 181 "Call Is Being Forwarded"
    QUEUED 182 "Queued"
    SESSION_PROGRESS 183 "Session Progress"
    EARLY_DIALOG_TERMINATED 199 "Early Dialog Terminated"
    OK 200 "OK"
    ACCEPTED 202 "Accepted"
    NO_NOTIFICATION 204 "No Notification"
    MULTIPLE_CHOICES 300 "Multiple Choices"
    MOVED_PERMANENTLY 301 "Moved Permanently"
    MOVED_TEMPORARILY 302 "Moved Temporarily"
    USE_PROXY 305 "Use Proxy"
    ALTERNATIVE_SERVICE 380 "Alternative Service"
    BAD_REQUEST 400 "Bad Request"
    UNAUTHORIZED 401 "Unauthorized"
    PAYMENT_REQUIRED 402 "Payment Required"
    FORBIDDEN 403 "Forbidden"
    NOT_FOUND 404 "Not Found"
    METHOD_NOT_ALLOWED 405 "Method Not Allowed"
    NOT_ACCEPTABLE 406 "Not Acceptable"
    PROXY_AUTHENTICATION_REQUIRED 407 "Proxy Authentication Required"
    REQUEST_TIMEOUT 408 "Request Timeout"
    GONE 410 "Gone"
    CONDITIONAL_REQUEST_FAILED 412 "Conditional Request Failed"
    REQUEST_ENTITY_TOO_LARGE 413 "Request Entity Too Large"
    REQUEST_URI_TOO_LONG 414 "Request-URI Too Long"
    UNSUPPORTED_MEDIA_TYPE 415 "Unsupported Media Type"
    UNSUPPORTED_URI_SCHEME 416 "Unsupported URI Scheme"
    UNKNOWN_RESOURCE_PRIORITY 417 "Unknown Resource-Priority"
    BAD_EXTENSION 420 "Bad Extension"
    EXTENSION_REQUIRED 421 "Extension Required"
    SESSION_INTERVAL_TOO_SMALL 422 "Session Interval Too Small"
    INTERVAL_TOO_BRIEF 423 "Interval Too Brief"
    BAD_LOCATION_INFORMATION 424 "Bad Location Information"
    USE_IDENTITY_HEADER 428 "Use Identity Header"
    PROVIDE_REFERRER_IDENTITY 429 "Provide Referrer Identity"
    FLOW_FAILED 430 "Flow Failed"
    ANONYMITY_DISALLOWED 433 "Anonymity Disallowed"
    BAD_IDENTITY_INFO 436 "Bad Identity Info"
    UNSUPPORTED_CREDENTIAL 437 "Unsupported Credential"
    INVALID_IDENTITY_HEADER 438 "Invalid Identity Header"
    FIRST_HOP_LACKS_OUTBOUND_SUPPORT 439 "First Hop Lacks Outbound Support"
    MAX_BREADTH_EXCEEDED 440 "Max-Breadth Exceeded"
    BAD_INFO_PACKAGE 469 "Bad Info Package"
    CONSENT_NEEDED 470 "Consent Needed"
    TEMPORARILY_UNAVAILABLE 480 "Temporarily Unavailable"
    CALL_OR_TRANSACTION_DOES_NOT_EXIST 481 "Call/Transaction Does Not Exist"
    LOOP_DETECTED 482 "Loop Detected"
    TOO_MANY_HOPS 483 "Too Many Hops"
    ADDRESS_INCOMPLETE 484 "Address Incomplete"
    AMBIGUOUS 485 "Ambiguous"
    BUSY_HERE 486 "Busy Here"
    REQUEST_TERMINATED 487 "Request Terminated"
    NOT_ACCEPTABLE_HERE 488 "Not Acceptable Here"
    BAD_EVENT 489 "Bad Event"
    REQUEST_PENDING 491 "Request Pending"
    UNDECIPHERABLE 493 "Undecipherable"
    SECURITY_AGREEMENT_REQUIRED 494 "Security Agreement Required"
    SERVER_INTERNAL_ERROR 500 "Server Internal Error"
    NOT_IMPLEMENTED 501 "Not Implemented"
    BAD_GATEWAY 502 "Bad Gateway"
    SERVICE_UNAVAILABLE 503 "Service Unavailable"
    SERVER_TIMEOUT 504 "Server Time-out"
    VERSION_NOT_SUPPORTED 505 "Version Not Supported"
    MESSAGE_TOO_LARGE 513 "Message Too Large"
    PRECONDITION_FAILURE 580 "Precondition Failure"
    BUSY_EVERYWHERE 600 "Busy Everywhere"
    DECLINE 603 "Decline"
    DOES_NOT_EXIST_ANYWHERE 604 "Does Not Exist Anywhere"
    NOT_ACCEPTABLE_ANYWHERE 606 "Not Acceptable"
    UNWANTED 607 "Unwanted"
}
