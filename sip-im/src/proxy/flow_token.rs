//! Flow tokens: the name of a flow in a Path or Record-Route, which nobody else can make (RFC 5626 section 5.2).

use core::fmt;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::Entropy;
use crate::digest::Algorithm;
use crate::endpoint::FlowInfo;
use crate::flow::FlowId;

/// Why a text names no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlowTokenError {
    /// It was not made with the key, or was changed since.
    #[error("the flow token was not made here")]
    Forged,
    /// The flow that it names is gone.
    #[error("the flow is gone")]
    Gone,
}

impl FlowTokenError {
    /// What to answer.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-5.3.1
    //# If the flow token has been tampered with, the proxy SHOULD send a 403
    //# (Forbidden) response.  If the flow no longer exists, the proxy SHOULD
    //# send a 430 (Flow Failed) response to the request.
    pub fn status(self) -> crate::StatusCode {
        match self {
            Self::Forged => crate::StatusCode::FORBIDDEN,
            Self::Gone => crate::StatusCode::FLOW_FAILED,
        }
    }
}

/// Makes and reads flow tokens with one key.
///
/// A token names the flow's number and its two ends, so that one from before a restart, with the same key, does not name a flow that
/// has the number by now. It consists of hexadecimal digits: fit for the user part of a URI.
///
/// ```
/// use sip_im::endpoint::{Config, Endpoint, Input};
/// use sip_im::proxy::{FlowTokenError, FlowTokens};
/// use sip_im::{FlowId, Transport};
///
/// let mut endpoint = Endpoint::new(Config::default(), Box::new(|octets: &mut [u8]| octets.fill(7)));
/// let (local, remote) = ("192.0.2.2:5060".parse()?, "192.0.2.1:5060".parse()?);
/// let (flow, transport, now) = (FlowId(1), Transport::Tcp, std::time::Instant::now());
/// endpoint.handle_input(Input::Opened { flow, transport, local, remote, open: None, trusted: false }, now);
///
/// let tokens = FlowTokens::with_key([9; 20]);
/// let token = tokens.mint(flow, endpoint.flow_info(flow).ok_or("open")?);
/// assert_eq!(tokens.read(&token, |flow| endpoint.flow_info(flow)), Ok(flow));
/// assert_eq!(FlowTokens::with_key([8; 20]).read(&token, |flow| endpoint.flow_info(flow)), Err(FlowTokenError::Forged));
/// endpoint.close(flow, now);
/// assert_eq!(tokens.read(&token, |flow| endpoint.flow_info(flow)), Err(FlowTokenError::Gone));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FlowTokens {
    key: [u8; KEY],
}

impl FlowTokens {
    /// With a key of its own.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-5.2
    //# When the proxy boots, it selects a 20-octet
    //# crypto random key called K that only the edge proxy knows.
    pub fn new(entropy: &mut Entropy) -> Self {
        let mut key = [0; KEY];
        entropy(&mut key);
        Self { key }
    }

    /// With a key of the host's, so that tokens are known to be of this proxy after a restart.
    pub fn with_key(key: [u8; KEY]) -> Self {
        Self { key }
    }

    /// Makes the token of a flow.
    pub fn mint(&self, flow: FlowId, info: &FlowInfo) -> String {
        let mut named = [0; NAMED];
        let (number, ends) = named.split_at_mut(NUMBER);
        number.copy_from_slice(&flow.0.to_be_bytes());
        ends.copy_from_slice(&digest_of(info));
        let mut token = String::with_capacity((NAMED.saturating_add(PROOF)).saturating_mul(2));
        for octet in named.iter().chain(&self.proof(&named)) {
            use fmt::Write as _;
            let _ = write!(token, "{octet:02x}");
        }
        token
    }

    /// The flow that a token names; `info` tells what is known of one that is open.
    ///
    /// # Errors
    ///
    /// Fails when the token was not made with the key, or when the flow is gone.
    pub fn read<'a>(
        &self,
        token: &str,
        info: impl FnOnce(FlowId) -> Option<&'a FlowInfo>,
    ) -> Result<FlowId, FlowTokenError> {
        let octets = from_hex(token).ok_or(FlowTokenError::Forged)?;
        let (named, proof) = octets
            .split_first_chunk::<NAMED>()
            .ok_or(FlowTokenError::Forged)?;
        if !is_equal(proof, &self.proof(named)) {
            return Err(FlowTokenError::Forged);
        }
        let (number, ends) = named
            .split_first_chunk::<NUMBER>()
            .ok_or(FlowTokenError::Forged)?;
        let flow = FlowId(u64::from_be_bytes(*number));
        let same = info(flow).is_some_and(|info| digest_of(info) == ends);
        if same { Ok(flow) } else { Err(FlowTokenError::Gone) }
    }

    /// Eighty bits, as the RFC has it.
    fn proof(&self, named: &[u8]) -> [u8; PROOF] {
        let mut proof = [0; PROOF];
        for (place, octet) in proof.iter_mut().zip(Algorithm::Sha256.hmac(&self.key, named)) {
            *place = octet;
        }
        proof
    }
}

impl fmt::Debug for FlowTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowTokens").finish_non_exhaustive()
    }
}

const KEY: usize = 20;
const NUMBER: usize = 8;
const ENDS: usize = 8;
const NAMED: usize = NUMBER + ENDS;
const PROOF: usize = 10;

/// The ends of a flow.
fn digest_of(info: &FlowInfo) -> [u8; ENDS] {
    let text = format!("{} {} {}", info.transport, info.local, info.remote);
    let mut ends = [0; ENDS];
    for (place, octet) in ends.iter_mut().zip(Sha256::digest(text.as_bytes())) {
        *place = octet;
    }
    ends
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != (NAMED + PROOF) * 2 {
        return None;
    }
    let digit = |octet: u8| {
        char::from(octet)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?))
        .collect()
}

/// Compares without telling by its time where the difference is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .fold(0, |all, (one, other)| all | (one ^ other))
            == 0
}
