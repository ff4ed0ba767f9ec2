//! The kinds `identity` and `privacy`: whom a request is taken to come from, and what of it is told to whom.

use bytes::Bytes;
use serde_json::{Value, json};
use sip_im::codec::{Limits, parse_datagram};
use sip_im::header::PrivacyValue;
use sip_im::identity::{
    PrivacyError, Trust, anonymise, asserted_identity, check_privacy, cross_boundary, wants_anonymity,
};
use sip_im::{Message, Request};

use super::sip::refusal;
use super::{Accepted, Query, Refusal, base64, code_of};

pub(super) fn inspect(query: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let request = match request(octets) {
        Ok(request) => request,
        // Also for who only looks at the value: nobody is taken for the sender.
        Err(refusal) => return Err(refusal.with_value(unknown)),
    };
    let value = match asserted_identity(&request, trust(query.trusted)) {
        Ok(originator) => {
            let asserted: Vec<String> = originator.identities.iter().map(ToString::to_string).collect();
            let privacy: Vec<&str> = originator.privacy.iter().map(PrivacyValue::as_str).collect();
            json!({"asserted": asserted, "anonymous": originator.anonymous, "privacy": privacy, "refused": null})
        }
        Err(error) => unknown(&error.to_string()),
    };
    Ok(value.into())
}

/// No sender, and why.
fn unknown(reason: &str) -> Value {
    json!({"asserted": [], "anonymous": false, "privacy": [], "refused": reason})
}

/// The request as it is forwarded: stripped at the boundaries that it crosses, and anonymous where the next hop is not trusted
/// and the sender wants to be.
pub(super) fn privacy(query: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let mut request = request(octets)?;
    let (from, to) = (trust(query.from_trusted), trust(query.to_trusted));
    if to == Trust::Untrusted {
        // A Privacy that cannot be read asks for everything, and is no reason not to send.
        if let Err(error @ PrivacyError::NotProvided(_)) = check_privacy(&request, &[]) {
            return Err(Refusal::new(code_of(&error), error.reason())
                .at("Privacy")
                .status(error.status().code()));
        }
    }
    let is_anonymous = to == Trust::Untrusted && wants_anonymity(request.headers());
    cross_boundary(&mut request, from, to);
    if is_anonymous {
        anonymise(&mut request).map_err(|error| Refusal::new("invalid", error.to_string()).status(400))?;
    }
    let written: Value = base64(&request.to_bytes());
    Ok(json!({ "written": written }).into())
}

fn trust(trusted: Option<bool>) -> Trust {
    if trusted.unwrap_or_default() {
        Trust::Trusted
    } else {
        Trust::Untrusted
    }
}

fn request(octets: &Bytes) -> Result<Request, Refusal> {
    match parse_datagram(octets.clone(), &Limits::default()) {
        Ok(Message::Request(request)) => Ok(request),
        Ok(Message::Response(_)) => Err(Refusal::new(
            "not_a_request",
            "a response has no sender to be told",
        )),
        Err(error) => Err(refusal(&error)),
    }
}
