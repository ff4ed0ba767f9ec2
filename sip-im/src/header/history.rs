//! History-Info (RFC 7044).

use core::fmt;

use super::cursor::decimal;
use super::{Header, HeaderName, NameAddr, Shape};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

/// One target that a request was sent to on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryInfo {
    /// The target, with `index` and what else tells how it came to be one. Headers of the URI may have a Reason and a Privacy.
    pub name_addr: NameAddr,
}

impl HistoryInfo {
    /// A target at this place of the history, such as `1.1`. What is no index fails when it is put into a message.
    pub fn new(uri: Uri, index: &str) -> Self {
        let mut name_addr = NameAddr::new(uri);
        // A line end, which alone is not taken, leaves the value without index, and that is refused.
        let _ = name_addr.params.set("index", Some(index));
        Self { name_addr }
    }

    /// The target.
    pub fn uri(&self) -> &Uri {
        &self.name_addr.uri
    }

    /// The place in the history: numbers with dots between them.
    pub fn index(&self) -> &str {
        self.name_addr.params.get("index").flatten().unwrap_or_default()
    }

    /// Is the entry to be hidden from others than those inside the trust domain, even if the message does not say so?
    pub fn wants_privacy(&self) -> bool {
        self.uri().headers().any(|(name, value)| {
            // Values may be separated by escaped semicolons; what else stands round the word is no reason to tell.
            is_privacy(name) && value.to_ascii_lowercase().contains("history")
        })
    }

    /// Does the entry say anything about its privacy?
    pub fn has_own_privacy(&self) -> bool {
        self.uri().headers().any(|(name, _)| is_privacy(name))
    }

    /// The same entry without what it says about its privacy, for outside the trust domain.
    //= https://www.rfc-editor.org/rfc/rfc7044#section-10.1.2
    //# In any case, the Privacy Service MUST remove the Privacy
    //# header field from the "headers" component of the hi-targeted-to-uris
    //# in the hi-entries prior to forwarding.
    #[must_use]
    pub fn without_own_privacy(&self) -> Self {
        let mut shown = self.clone();
        shown.name_addr.uri = self.uri().with_headers_that(|name, _| !is_privacy(name));
        shown
    }

    /// The same entry without telling who it was; why it came to be one stays.
    //= https://www.rfc-editor.org/rfc/rfc7044#section-10.1.2
    //# The Privacy Service MUST change any
    //# hi-targeted-to-uris in these hi-entries that have not been anonymized
    //# (evidenced by their domain not being "anonymous.invalid") to
    //# anonymous URIs containing a domain of anonymous.invalid
    #[must_use]
    pub fn anonymised(&self) -> Self {
        let mut hidden = self.without_own_privacy();
        hidden.name_addr.display = None;
        let reasons: Vec<String> = hidden
            .uri()
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("Reason"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let question = if reasons.is_empty() { "" } else { "?" };
        let anonymous = format!("sip:anonymous@anonymous.invalid{question}{}", reasons.join("&"));
        if let Ok(anonymous) = Uri::parse(&anonymous) {
            hidden.name_addr.uri = anonymous;
        }
        hidden
    }
}

fn is_privacy(name: &str) -> bool {
    name.eq_ignore_ascii_case("Privacy")
}

impl Header for HistoryInfo {
    const NAME: HeaderName = HeaderName::HISTORY_INFO;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let name_addr = NameAddr::parse(value)?;
        if !value.contains('<') {
            return Err(ParseError::new(ParseErrorKind::NeedsBrackets, 0));
        }
        let index = name_addr
            .params
            .get("index")
            .flatten()
            .ok_or(ParseError::new(ParseErrorKind::MissingParameter, value.len()))?;
        if index.split('.').all(|number| decimal(number).is_ok()) {
            Ok(Self { name_addr })
        } else {
            Err(ParseError::new(ParseErrorKind::UnexpectedText, value.len()))
        }
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.name_addr.write(out)
    }
}
