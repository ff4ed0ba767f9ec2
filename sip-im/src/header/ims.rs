//! Header fields between the servers of IMS: P-Associated-URI, P-Called-Party-ID, P-Access-Network-Info, P-Visited-Network-ID,
//! P-Charging-Function-Addresses (RFC 7315), P-Refused-URI-List (RFC 5318).

use core::fmt;

use super::cursor::{Cursor, write_quoted};
use super::event::token_and_params;
use super::octets::is_token_byte;
use super::{Header, HeaderName, NameAddr, Params, Shape};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Scheme, Uri};

macro_rules! address {
    ($(#[$doc:meta])* $type:ident, $name:ident, $shape:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The address with its parameters.
            pub name_addr: NameAddr,
        }

        impl $type {
            /// An address without display name and parameters.
            pub fn new(uri: Uri) -> Self {
                Self { name_addr: NameAddr::new(uri) }
            }

            /// The address.
            pub fn uri(&self) -> &Uri {
                &self.name_addr.uri
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::$shape;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                NameAddr::parse(value).map(|name_addr| Self { name_addr })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                self.name_addr.write(out)
            }
        }
    };
}

address! {
    /// An address of the user who registers (RFC 7315 4.1).
    PAssociatedUri, P_ASSOCIATED_URI, List
}
address! {
    /// The address at which the request came in, before it was sent to a contact (RFC 7315 4.2).
    PCalledPartyId, P_CALLED_PARTY_ID, Single
}
/// A list of addresses that the recipient does not send to (RFC 5318 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PRefusedUriList {
    /// The address of the list with its other parameters.
    pub name_addr: NameAddr,
    /// The `cid` URI of the body that has the members of the list, or some of them.
    pub members: Option<Uri>,
}

impl PRefusedUriList {
    /// A list whose members are not told.
    pub fn new(uri: Uri) -> Self {
        Self {
            name_addr: NameAddr::new(uri),
            members: None,
        }
    }

    /// The address of the list.
    pub fn uri(&self) -> &Uri {
        &self.name_addr.uri
    }
}

impl Header for PRefusedUriList {
    const NAME: HeaderName = HeaderName::P_REFUSED_URI_LIST;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let mut name_addr = NameAddr::read_address(&mut cursor)?;
        let mut members = None;
        let mut others = String::new();
        while cursor.separator(b';') {
            let start = cursor.position();
            let is_members = cursor.token()?.eq_ignore_ascii_case("members");
            let has_value = cursor.separator(b'=');
            if is_members && has_value {
                let uri = read_members(&mut cursor)?;
                if members.replace(uri).is_some() {
                    return Err(ParseError::new(ParseErrorKind::RepeatedParameter, start));
                }
                continue;
            }
            if has_value && cursor.peek() == Some(b'"') {
                cursor.quoted_string()?;
            } else {
                cursor.take_while(|byte| !matches!(byte, b';' | b' ' | b'\t'));
            }
            others.push(';');
            others.push_str(&cursor.since(start));
        }
        cursor.finish()?;
        let others = ByteStr::from(others);
        let mut cursor = Cursor::new(&others);
        name_addr.params = Params::parse(&mut cursor)?;
        cursor.finish()?;
        Ok(Self { name_addr, members })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.name_addr.write(out)?;
        match &self.members {
            Some(members) => write!(out, ";members=\"<{members}>\""),
            None => Ok(()),
        }
    }
}

/// A quoted string by the grammar of RFC 5318 5, without quotes in its examples; both have the URI in angle brackets.
fn read_members(cursor: &mut Cursor<'_>) -> Result<Uri, ParseError> {
    let start = cursor.position();
    let text = if cursor.peek() == Some(b'"') {
        cursor.unquoted_string()?
    } else {
        cursor.take_while(|byte| byte != b'>' && byte != b';');
        cursor.eat(b'>');
        cursor.since(start)
    };
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    let uri = Uri::parse(bare.unwrap_or(&text)).map_err(|error| error.shifted(start))?;
    if uri.scheme() == Scheme::Cid {
        Ok(uri)
    } else {
        Err(ParseError::new(ParseErrorKind::UnexpectedText, start))
    }
}

/// The access network of the user agent (RFC 7315 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PAccessNetworkInfo {
    /// `3GPP-E-UTRAN-FDD`, `IEEE-802.11` or another one.
    pub access_type: ByteStr,
    /// All parameters.
    pub params: Params,
}

impl PAccessNetworkInfo {
    /// An access network; the type is checked when the value is put into a message.
    pub fn new(access_type: &str) -> Self {
        Self {
            access_type: ByteStr::from(access_type.to_owned()),
            params: Params::new(),
        }
    }

    /// Does the network say it, and not the user agent?
    pub fn is_network_provided(&self) -> bool {
        self.params.contains("network-provided")
    }
}

impl Header for PAccessNetworkInfo {
    const NAME: HeaderName = HeaderName::P_ACCESS_NETWORK_INFO;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let (access_type, params) = token_and_params(&mut cursor)?;
        cursor.finish()?;
        Ok(Self { access_type, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.access_type)?;
        self.params.write(out)
    }
}

/// A network that the user agent is a guest of (RFC 7315 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PVisitedNetworkId {
    /// The network, without quotes.
    pub network: ByteStr,
    /// All parameters.
    pub params: Params,
}

impl PVisitedNetworkId {
    /// A network.
    pub fn new(network: &str) -> Self {
        Self {
            network: ByteStr::from(network.to_owned()),
            params: Params::new(),
        }
    }
}

impl Header for PVisitedNetworkId {
    const NAME: HeaderName = HeaderName::P_VISITED_NETWORK_ID;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let network = if cursor.peek() == Some(b'"') {
            cursor.unquoted_string()?
        } else {
            let start = cursor.position();
            cursor.token()?;
            cursor.since(start)
        };
        let params = Params::parse(&mut cursor)?;
        cursor.finish()?;
        Ok(Self { network, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if !self.network.is_empty() && self.network.bytes().all(is_token_byte) {
            out.write_str(&self.network)?;
        } else {
            write_quoted(out, &self.network)?;
        }
        self.params.write(out)
    }
}

/// Where charging records of a session go (RFC 7315 4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PChargingFunctionAddresses {
    /// `ccf`, `ecf`, and the second ones.
    pub params: Params,
}

impl PChargingFunctionAddresses {
    /// The address of the function that collects records of offline charging.
    pub fn collection(&self) -> Option<String> {
        self.params.unquoted("ccf")
    }

    /// The address of the function that is asked in online charging.
    pub fn event(&self) -> Option<String> {
        self.params.unquoted("ecf")
    }
}

impl Header for PChargingFunctionAddresses {
    const NAME: HeaderName = HeaderName::P_CHARGING_FUNCTION_ADDRESSES;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let params = Params::parse_list(&mut cursor, b';')?;
        cursor.finish()?;
        Ok(Self { params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.params.write_separated(out, ";")
    }
}
