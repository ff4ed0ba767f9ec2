//! The service's warning texts, which clients parse: `Warning: 399 <host> "NNN text"`.

/// A reason for a refusal that goes into the `Warning` header field (RFC 3261 20.43).
///
/// The warn-code stays 399; the service's own number is the first token of the text. Clients match the words,
/// so these are kept to the letter.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ServiceWarning {
    /// The group or list has more members than the server or its document allows.
    TooManyParticipants,
    /// A Controlling function is already in the session: groups do not nest.
    IsfocusAlreadyAssigned,
    /// The group's rules do not allow identity privacy.
    AnonymityNotAllowed,
    /// The group's rules do not allow what was asked.
    FunctionNotAllowed,
    /// The user may not use the service, or may not use it so.
    ServiceNotAuthorised,
    /// No address is left to send to.
    NoDestinations,
    /// The message is larger than the server takes.
    SizeExceeded,
}

impl ServiceWarning {
    /// The quoted text, number first.
    ///
    /// ```
    /// assert_eq!(im_roles::ServiceWarning::SizeExceeded.text(), "133 Size exceeded");
    /// ```
    pub fn text(self) -> &'static str {
        match self {
            Self::TooManyParticipants => "102 Too many participants",
            Self::IsfocusAlreadyAssigned => "104 isfocus already assigned",
            Self::AnonymityNotAllowed => "119 Anonymity not allowed",
            Self::FunctionNotAllowed => "122 Function not allowed",
            Self::ServiceNotAuthorised => "127 Service not authorised",
            Self::NoDestinations => "129 No destinations",
            Self::SizeExceeded => "133 Size exceeded",
        }
    }
}
