//! What makes two messages belong to one transaction (RFC 3261 sections 17.1.3 and 17.2.3).

use super::text::Text;
use crate::Method;

/// The start of every branch that is unique by construction.
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

//= https://www.rfc-editor.org/rfc/rfc3261#section-17.1.3
//# A response matches a client transaction under two
//# conditions:

/// The key of a client transaction: its branch, and its method, since a CANCEL has the branch of what it cancels.
pub(crate) fn client_key(branch: &str, method: &str) -> Text {
    Text::new(&[branch, " "], &[method.as_bytes()])
}

/// The key of a server transaction whose branch is unique: branch, sent-by and method; the method is INVITE when an ACK is matched.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
//# 2. the sent-by value in the top Via of the request is equal to the
//# one in the request that created the transaction, and
pub(crate) fn server_key(branch: &str, sent_by: (&str, Option<u16>), method: &str) -> Text {
    let (host, port) = sent_by;
    // Which part is which is in no doubt: neither branch nor host has a space in it, and a port is of one length.
    let [a, b] = port.unwrap_or(0).to_be_bytes();
    let port = [u8::from(port.is_some()), a, b];
    Text::new(&[branch, " ", host, " "], &[&port, method.as_bytes()])
}

/// What identifies the transaction of an RFC 2543 client, whose branches say nothing.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
//# The INVITE request matches a transaction if the Request-URI, To tag,
//# From tag, Call-ID, CSeq, and top Via header field match those of the
//# INVITE request which created the transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Legacy {
    pub(crate) call_id: String,
    pub(crate) sequence: u32,
    pub(crate) method: Method,
    /// As it is written.
    pub(crate) uri: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) to_tag: Option<String>,
    /// Of the top Via: the host in lower case, the port and the branch.
    pub(crate) via: (String, Option<u16>, Option<String>),
}

impl Legacy {
    /// The key of another request of the same transaction.
    pub(crate) fn of(&self, method: Method) -> Self {
        Self {
            method,
            ..self.clone()
        }
    }

    /// The key that the ACK for a response with this To tag has.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
    //# and the To tag of the ACK matches the To tag of the
    //# response sent by the server transaction.
    pub(crate) fn acknowledging(&self, to_tag: Option<&str>) -> Self {
        Self {
            to_tag: to_tag.map(str::to_owned),
            ..self.of(Method::Ack)
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

    #[test]
    fn a_branch_with_the_cookie_is_enough_together_with_sent_by_and_method() {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
        //= type=test
        //# 2. the sent-by value in the top Via of the request is equal to the
        //# one in the request that created the transaction, and
        let key = server_key("z9hG4bKabc", ("Host.test", Some(5060)), "INVITE");
        assert_eq!(key, server_key("Z9HG4BKABC", ("host.test", Some(5060)), "INVITE"));
        for (branch, host, port, method) in [
            ("z9hG4bKabc", "other.test", Some(5060), "INVITE"),
            ("z9hG4bKabc", "host.test", Some(5061), "INVITE"),
            ("z9hG4bKabc", "host.test", None, "INVITE"),
            ("z9hG4bKabd", "host.test", Some(5060), "INVITE"),
            ("z9hG4bKabc", "host.test", Some(5060), "CANCEL"),
            ("z9hG4bKabc", "host.test", Some(5060), "invite"),
        ] {
            assert_ne!(key, server_key(branch, (host, port), method));
        }
        assert_ne!(client_key("z9hG4bKa", "INVITE"), client_key("z9hG4bKa", "CANCEL"));
        assert_eq!(client_key("z9hG4bKa", "INVITE"), client_key("z9hG4bKA", "INVITE"));
    }

    #[test]
    fn without_the_cookie_the_headers_decide() {
        let key = Legacy {
            call_id: String::from("c"),
            sequence: 1,
            method: Method::Invite,
            uri: String::from("sip:b@b.test"),
            from_tag: Some(String::from("f")),
            to_tag: None,
            via: (String::from("host.test"), Some(5060), Some(String::from("1"))),
        };
        let ack = Legacy {
            method: Method::Ack,
            to_tag: Some(String::from("t")),
            ..key.clone()
        };
        assert_eq!(key.acknowledging(Some("t")), ack);
        assert_ne!(key.acknowledging(Some("u")), ack);
        assert_ne!(key.of(Method::Ack), ack);
        assert!(!has_cookie("z9hG4bK"), "a cookie alone promises nothing");
    }
}
