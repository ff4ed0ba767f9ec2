//! What makes two messages belong to one transaction (RFC 3261 sections 17.1.3 and 17.2.3).

use core::fmt::Write as _;
use std::sync::Arc;

use crate::Method;

/// The start of every branch that is unique by construction.
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

//= https://www.rfc-editor.org/rfc/rfc3261#section-17.1.3
//# A response matches a client transaction under two
//# conditions:

/// The key of a client transaction: its branch, and its method, since a CANCEL has the branch of what it cancels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey {
    branch: String,
    method: Method,
}

impl ClientKey {
    pub(crate) fn new(branch: &str, method: Method) -> Self {
        Self {
            branch: branch.to_ascii_lowercase(),
            method,
        }
    }
}

/// What the key of a server transaction is made from.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'a> {
    /// Of the top Via.
    pub(crate) branch: Option<&'a str>,
    /// Of the top Via, the host in lower case.
    pub(crate) sent_by: (&'a str, Option<u16>),
    /// Of the request; INVITE when an ACK is matched.
    pub(crate) method: &'a Method,
    /// As it is written.
    pub(crate) uri: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) from_tag: Option<&'a str>,
    pub(crate) to_tag: Option<&'a str>,
    pub(crate) sequence: u32,
}

/// The key of a server transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerKey {
    /// The branch is unique.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
    //# 2. the sent-by value in the top Via of the request is equal to the
    //# one in the request that created the transaction, and
    Branch(Arc<str>),
    /// The client is one of RFC 2543, whose branches say nothing.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
    //# The INVITE request matches a transaction if the Request-URI, To tag,
    //# From tag, Call-ID, CSeq, and top Via header field match those of the
    //# INVITE request which created the transaction.
    Legacy(Box<Legacy>),
}

/// What identifies the transaction of an RFC 2543 client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Legacy {
    call_id: String,
    sequence: u32,
    method: Method,
    uri: String,
    from_tag: Option<String>,
    to_tag: Option<String>,
    via: (String, Option<u16>, Option<String>),
}

impl ServerKey {
    /// The key of the transaction that a request belongs to or creates.
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        let host = parts.sent_by.0;
        match parts.branch {
            Some(branch) if has_cookie(branch) => {
                let port = parts.sent_by.1;
                let room = branch.len().saturating_add(host.len()).saturating_add(24);
                let mut text = String::with_capacity(room);
                // Read from its end, it is in no doubt what is what: none of the other parts has a space in it.
                let _ = write!(text, "{branch} {host} ");
                text.make_ascii_lowercase();
                if let Some(port) = port {
                    let _ = write!(text, "{port}");
                }
                let _ = write!(text, " {}", parts.method);
                Self::Branch(Arc::from(text))
            }
            branch => Self::Legacy(Box::new(Legacy {
                call_id: parts.call_id.to_owned(),
                sequence: parts.sequence,
                method: parts.method.clone(),
                uri: parts.uri.to_owned(),
                from_tag: parts.from_tag.map(str::to_owned),
                to_tag: parts.to_tag.map(str::to_owned),
                via: (
                    host.to_ascii_lowercase(),
                    parts.sent_by.1,
                    branch.map(str::to_owned),
                ),
            })),
        }
    }

    /// The key that the ACK for a response with this To tag has, where it differs from the INVITE's own.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
    //# and the To tag of the ACK matches the To tag of the
    //# response sent by the server transaction.
    pub(crate) fn acknowledging(&self, to_tag: Option<&str>) -> Option<Self> {
        match self {
            Self::Branch(_) => None,
            Self::Legacy(legacy) => Some(Self::Legacy(Box::new(Legacy {
                method: Method::Ack,
                to_tag: to_tag.map(str::to_owned),
                ..(**legacy).clone()
            }))),
        }
    }
}

/// Whether a branch promises to be unique.
pub(crate) fn has_cookie(branch: &str) -> bool {
    branch
        .get(..MAGIC_COOKIE.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
        && branch.len() > MAGIC_COOKIE.len()
}

/// What ties the ACK of a 2xx to it: the dialog that the 2xx made, and the sequence number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DialogKey {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    pub(crate) sequence: u32,
}

/// What two requests have in common that are one request which came on two ways.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MergeKey {
    pub(crate) call_id: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) sequence: u32,
    pub(crate) method: Method,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(branch: Option<&'a str>, host: &'a str, method: &'a Method) -> Parts<'a> {
        Parts {
            branch,
            sent_by: (host, Some(5060)),
            method,
            uri: "sip:b@b.test",
            call_id: "c",
            from_tag: Some("f"),
            to_tag: None,
            sequence: 1,
        }
    }

    #[test]
    fn a_branch_with_the_cookie_is_enough_together_with_sent_by_and_method() {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
        //= type=test
        //# 2. the sent-by value in the top Via of the request is equal to the
        //# one in the request that created the transaction, and
        let key = ServerKey::new(&parts(Some("z9hG4bKabc"), "Host.test", &Method::Invite));
        assert_eq!(
            key,
            ServerKey::new(&parts(Some("Z9HG4BKABC"), "host.test", &Method::Invite))
        );
        assert_ne!(
            key,
            ServerKey::new(&parts(Some("z9hG4bKabc"), "other.test", &Method::Invite))
        );
        assert_ne!(
            key,
            ServerKey::new(&parts(Some("z9hG4bKabd"), "host.test", &Method::Invite))
        );
        assert_ne!(
            key,
            ServerKey::new(&parts(Some("z9hG4bKabc"), "host.test", &Method::Cancel))
        );
        assert_eq!(key.acknowledging(Some("t")), None);
    }

    #[test]
    fn without_the_cookie_the_headers_decide() {
        let key = ServerKey::new(&parts(Some("1"), "host.test", &Method::Invite));
        assert_eq!(
            key,
            ServerKey::new(&parts(Some("1"), "host.test", &Method::Invite))
        );
        let mut other = parts(Some("1"), "host.test", &Method::Invite);
        other.sequence = 2;
        assert_ne!(key, ServerKey::new(&other));
        let mut ack = parts(Some("1"), "host.test", &Method::Ack);
        ack.to_tag = Some("t");
        assert_eq!(key.acknowledging(Some("t")), Some(ServerKey::new(&ack)));
        assert!(!has_cookie("z9hG4bK"), "a cookie alone promises nothing");
    }
}
