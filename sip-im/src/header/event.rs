//! Event and Subscription-State (RFC 6665 8.2).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, Params};
use crate::ByteStr;
use crate::error::ParseError;
use crate::header::cursor::decimal;

/// The event package of a subscription, notification or publication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The package with its templates, such as `presence.winfo`. It compares octet for octet.
    pub package: ByteStr,
    /// All parameters, `id` included.
    pub params: Params,
}

impl Event {
    /// A package without parameters.
    pub fn new(package: &str) -> Self {
        Self {
            package: ByteStr::from(package.to_owned()),
            params: Params::new(),
        }
    }

    /// The same in a buffer of its own, for a value that outlives its message.
    pub(crate) fn detached(&self) -> Self {
        let mut text = String::new();
        // A string takes everything, and what was read is read again.
        let _ = self.write(&mut text);
        Self::parse(&crate::dialog::exact(text)).unwrap_or_else(|_| self.clone())
    }

    /// Tells several subscriptions in one dialog apart.
    pub fn id(&self) -> Option<&str> {
        self.params.get("id").flatten()
    }
}

impl Header for Event {
    const NAME: HeaderName = HeaderName::EVENT;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let (package, params) = token_and_params(&mut cursor)?;
        cursor.finish()?;
        Ok(Self { package, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.package)?;
        self.params.write(out)
    }
}

/// The state of a subscription, in a NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionState {
    /// The state.
    pub state: SubscriptionStateValue,
    /// All parameters: `reason`, `expires`, `retry-after` and others.
    pub params: Params,
}

/// See [`SubscriptionState`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionStateValue {
    /// The subscription is accepted.
    Active,
    /// It is not decided yet.
    Pending,
    /// It is over.
    Terminated,
    /// Another one, to be treated as active (RFC 6665 4.1.3).
    Other(ByteStr),
}

impl SubscriptionState {
    /// An accepted subscription.
    pub fn active(expires: u32) -> Self {
        Self {
            state: SubscriptionStateValue::Active,
            params: Params::new(),
        }
        .with("expires", &expires.to_string())
    }

    /// A subscription that is not decided yet.
    pub fn pending(expires: u32) -> Self {
        Self {
            state: SubscriptionStateValue::Pending,
            params: Params::new(),
        }
        .with("expires", &expires.to_string())
    }

    /// A subscription that is over; the reason is one of RFC 6665 4.1.3, such as `timeout`.
    pub fn terminated(reason: &str) -> Self {
        Self {
            state: SubscriptionStateValue::Terminated,
            params: Params::new(),
        }
        .with("reason", reason)
    }

    /// Why it is over.
    pub fn reason(&self) -> Option<&str> {
        self.params.get("reason").flatten()
    }

    /// In how many seconds it ends.
    pub fn expires(&self) -> Option<u32> {
        self.seconds("expires")
    }

    /// After how many seconds to subscribe again.
    pub fn retry_after(&self) -> Option<u32> {
        self.seconds("retry-after")
    }

    fn seconds(&self, name: &str) -> Option<u32> {
        let number = decimal(self.params.get(name).flatten()?).ok()?;
        Some(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// Line ends are the one thing that a parameter does not take; such a value is left out.
    fn with(mut self, name: &str, value: &str) -> Self {
        let _ = self.params.set(name, Some(value));
        self
    }
}

impl Header for SubscriptionState {
    const NAME: HeaderName = HeaderName::SUBSCRIPTION_STATE;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let (token, params) = token_and_params(&mut cursor)?;
        cursor.finish()?;
        let state = if token.eq_ignore_ascii_case("active") {
            SubscriptionStateValue::Active
        } else if token.eq_ignore_ascii_case("pending") {
            SubscriptionStateValue::Pending
        } else if token.eq_ignore_ascii_case("terminated") {
            SubscriptionStateValue::Terminated
        } else {
            SubscriptionStateValue::Other(token)
        };
        Ok(Self { state, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(match &self.state {
            SubscriptionStateValue::Active => "active",
            SubscriptionStateValue::Pending => "pending",
            SubscriptionStateValue::Terminated => "terminated",
            SubscriptionStateValue::Other(token) => token,
        })?;
        self.params.write(out)
    }
}

pub(super) fn token_and_params(cursor: &mut Cursor<'_>) -> Result<(ByteStr, Params), ParseError> {
    cursor.space();
    let start = cursor.position();
    cursor.token()?;
    let token = cursor.since(start);
    Ok((token, Params::parse(cursor)?))
}
