//! Status codes of responses and of REPORT requests.

use std::fmt;

/// A status code of three digits (RFC 4975 section 10, RFC 7701 section 10.3).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StatusCode(u16);

impl StatusCode {
    /// The request, or the chunk in it, was taken.
    pub const OK: Self = Self(200);
    /// The request could not be understood.
    pub const BAD_REQUEST: Self = Self(400);
    /// The peer asks to be authenticated first (RFC 4976).
    pub const UNAUTHORIZED: Self = Self(401);
    /// The action is not allowed.
    pub const FORBIDDEN: Self = Self(403);
    /// The recipient of a private message is not there (RFC 7701 section 6.2).
    pub const NOT_FOUND: Self = Self(404);
    /// No answer came in time.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// The sender is to stop sending this message.
    pub const PAYLOAD_TOO_LARGE: Self = Self(413);
    /// The media type is not understood.
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(415);
    /// A parameter is out of bounds: the lifetime asked of a relay, or a nickname's length.
    pub const INTERVAL_OUT_OF_BOUNDS: Self = Self(423);
    /// The nickname is not well formed (RFC 7701 section 7.1).
    pub const MALFORMED_NICKNAME: Self = Self(424);
    /// The nickname is reserved or somebody else's (RFC 7701 section 7.1).
    pub const NICKNAME_IN_USE: Self = Self(425);
    /// The recipient takes no private messages (RFC 7701 section 6.2).
    pub const NO_PRIVATE_MESSAGES: Self = Self(428);
    /// The session does not exist.
    pub const NO_SESSION: Self = Self(481);
    /// The method is not known.
    pub const UNKNOWN_METHOD: Self = Self(501);
    /// The session is bound to another connection already.
    pub const SESSION_ALREADY_BOUND: Self = Self(506);

    /// Creates a status code, if it has three digits.
    ///
    /// ```
    /// use msrp::StatusCode;
    ///
    /// assert_eq!(StatusCode::new(200), Some(StatusCode::OK));
    /// assert_eq!(StatusCode::new(1000), None);
    /// ```
    pub const fn new(code: u16) -> Option<Self> {
        if code <= 999 { Some(Self(code)) } else { None }
    }

    /// Returns the number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Says whether the code reports success.
    pub const fn is_success(self) -> bool {
        matches!(self.0, 200..=299)
    }

    /// Returns the comment that is sent beside the code unless another is given; empty for codes without one.
    pub const fn default_comment(self) -> &'static str {
        match self.0 {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            408 => "Request Timeout",
            413 => "Message Too Large",
            415 => "Unsupported Media Type",
            423 => "Parameter Out Of Bounds",
            424 => "Malformed Nickname",
            425 => "Nickname Reserved Or In Use",
            428 => "Private Messages Not Supported",
            481 => "No Such Session",
            501 => "Unknown Method",
            506 => "Session Already Bound",
            _ => "",
        }
    }
}

/// Writes three digits.
impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}
