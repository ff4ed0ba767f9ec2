//! Header fields between the servers of IMS: P-Associated-URI, P-Called-Party-ID, P-Access-Network-Info, P-Visited-Network-ID,
//! P-Charging-Function-Addresses (RFC 7315), P-Refused-URI-List (RFC 5318).

use core::fmt;

use super::cursor::{Cursor, is_token_byte, write_quoted};
use super::event::token_and_params;
use super::{Header, HeaderName, NameAddr, Params, Shape};
use crate::error::ParseError;
use crate::{ByteStr, Uri};

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
address! {
    /// A list, or in `members` some of it, that the recipient does not send to (RFC 5318 5).
    PRefusedUriList, P_REFUSED_URI_LIST, List
}

impl PRefusedUriList {
    /// The members that are refused, without quotes.
    pub fn members(&self) -> Option<String> {
        self.name_addr.params.unquoted("members")
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
