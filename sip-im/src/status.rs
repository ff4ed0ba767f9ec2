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
    pub const fn default_reason(self) -> &'static str {
        match self.0 {
            100 => "Trying",
            180 => "Ringing",
            181 => "Call Is Being Forwarded",
            182 => "Queued",
            183 => "Session Progress",
            199 => "Early Dialog Terminated",
            200 => "OK",
            202 => "Accepted",
            204 => "No Notification",
            300 => "Multiple Choices",
            301 => "Moved Permanently",
            302 => "Moved Temporarily",
            305 => "Use Proxy",
            380 => "Alternative Service",
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Payment Required",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            410 => "Gone",
            412 => "Conditional Request Failed",
            413 => "Request Entity Too Large",
            414 => "Request-URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Unsupported URI Scheme",
            417 => "Unknown Resource-Priority",
            420 => "Bad Extension",
            421 => "Extension Required",
            422 => "Session Interval Too Small",
            423 => "Interval Too Brief",
            424 => "Bad Location Information",
            428 => "Use Identity Header",
            429 => "Provide Referrer Identity",
            430 => "Flow Failed",
            433 => "Anonymity Disallowed",
            436 => "Bad Identity Info",
            437 => "Unsupported Credential",
            438 => "Invalid Identity Header",
            439 => "First Hop Lacks Outbound Support",
            440 => "Max-Breadth Exceeded",
            469 => "Bad Info Package",
            470 => "Consent Needed",
            480 => "Temporarily Unavailable",
            481 => "Call/Transaction Does Not Exist",
            482 => "Loop Detected",
            483 => "Too Many Hops",
            484 => "Address Incomplete",
            485 => "Ambiguous",
            486 => "Busy Here",
            487 => "Request Terminated",
            488 => "Not Acceptable Here",
            489 => "Bad Event",
            491 => "Request Pending",
            493 => "Undecipherable",
            494 => "Security Agreement Required",
            500 => "Server Internal Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Server Time-out",
            505 => "Version Not Supported",
            513 => "Message Too Large",
            580 => "Precondition Failure",
            600 => "Busy Everywhere",
            603 => "Decline",
            604 => "Does Not Exist Anywhere",
            606 => "Not Acceptable",
            607 => "Unwanted",
            0..=199 => "Trying",
            200..=299 => "OK",
            300..=399 => "Multiple Choices",
            400..=499 => "Bad Request",
            500..=599 => "Server Internal Error",
            _ => "Busy Everywhere",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! codes {
    ($($name:ident $code:literal)*) => {
        impl StatusCode {
            $(
                #[doc = concat!("Status ", stringify!($code), ".")]
                pub const $name: Self = Self($code);
            )*
        }
    };
}

codes! {
    TRYING 100
    RINGING 180
    CALL_IS_BEING_FORWARDED 181
    QUEUED 182
    SESSION_PROGRESS 183
    EARLY_DIALOG_TERMINATED 199
    OK 200
    ACCEPTED 202
    NO_NOTIFICATION 204
    MULTIPLE_CHOICES 300
    MOVED_PERMANENTLY 301
    MOVED_TEMPORARILY 302
    USE_PROXY 305
    ALTERNATIVE_SERVICE 380
    BAD_REQUEST 400
    UNAUTHORIZED 401
    PAYMENT_REQUIRED 402
    FORBIDDEN 403
    NOT_FOUND 404
    METHOD_NOT_ALLOWED 405
    NOT_ACCEPTABLE 406
    PROXY_AUTHENTICATION_REQUIRED 407
    REQUEST_TIMEOUT 408
    GONE 410
    CONDITIONAL_REQUEST_FAILED 412
    REQUEST_ENTITY_TOO_LARGE 413
    REQUEST_URI_TOO_LONG 414
    UNSUPPORTED_MEDIA_TYPE 415
    UNSUPPORTED_URI_SCHEME 416
    UNKNOWN_RESOURCE_PRIORITY 417
    BAD_EXTENSION 420
    EXTENSION_REQUIRED 421
    SESSION_INTERVAL_TOO_SMALL 422
    INTERVAL_TOO_BRIEF 423
    BAD_LOCATION_INFORMATION 424
    USE_IDENTITY_HEADER 428
    PROVIDE_REFERRER_IDENTITY 429
    FLOW_FAILED 430
    ANONYMITY_DISALLOWED 433
    BAD_IDENTITY_INFO 436
    UNSUPPORTED_CREDENTIAL 437
    INVALID_IDENTITY_HEADER 438
    FIRST_HOP_LACKS_OUTBOUND_SUPPORT 439
    MAX_BREADTH_EXCEEDED 440
    BAD_INFO_PACKAGE 469
    CONSENT_NEEDED 470
    TEMPORARILY_UNAVAILABLE 480
    CALL_OR_TRANSACTION_DOES_NOT_EXIST 481
    LOOP_DETECTED 482
    TOO_MANY_HOPS 483
    ADDRESS_INCOMPLETE 484
    AMBIGUOUS 485
    BUSY_HERE 486
    REQUEST_TERMINATED 487
    NOT_ACCEPTABLE_HERE 488
    BAD_EVENT 489
    REQUEST_PENDING 491
    UNDECIPHERABLE 493
    SECURITY_AGREEMENT_REQUIRED 494
    SERVER_INTERNAL_ERROR 500
    NOT_IMPLEMENTED 501
    BAD_GATEWAY 502
    SERVICE_UNAVAILABLE 503
    SERVER_TIMEOUT 504
    VERSION_NOT_SUPPORTED 505
    MESSAGE_TOO_LARGE 513
    PRECONDITION_FAILURE 580
    BUSY_EVERYWHERE 600
    DECLINE 603
    DOES_NOT_EXIST_ANYWHERE 604
    NOT_ACCEPTABLE_ANYWHERE 606
    UNWANTED 607
}
