//! A SIP message that is accepted is written as it came, and read again as the same; as a stream it is the same however
//! it is cut; and every typed header field of it can be asked for.

use bytes::Bytes;
use sip_im::codec::{Limits, StreamDecoder, StreamItem, parse_datagram};
use sip_im::{Message, header};

use crate::pieces;

/// The first octet says how long the pieces of the stream are, the rest is the message.
pub fn sip_message(data: &[u8]) {
    let Some((octets, step)) = pieces(data) else {
        return;
    };
    if let Ok(message) = parse_datagram(octets.clone(), &Limits::default()) {
        let written = message.to_bytes();
        let again = parse_datagram(written.clone(), &Limits::default());
        let again = again.unwrap_or_else(|error| panic!("what is written is refused: {error}"));
        assert_eq!(
            again.to_bytes(),
            written,
            "what is written and read is written otherwise"
        );
        assert_eq!(again.body(), message.body(), "the body changes");
        ask_for_everything(&message);
    }
    let whole = read(std::iter::once(octets.clone()));
    let mut offset = 0;
    let cut = read(std::iter::from_fn(|| {
        let end = octets.len().min(offset + step);
        let piece = (offset < end).then(|| octets.slice(offset..end));
        offset = end;
        piece
    }));
    assert_eq!(whole, cut, "cutting into pieces of {step} changes what is read");
}

fn read(stream: impl Iterator<Item = Bytes>) -> Vec<String> {
    let mut decoder = StreamDecoder::new(Limits::default());
    let mut seen = Vec::new();
    for piece in stream {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(StreamItem::Message(message))) => {
                    ask_for_everything(&message);
                    seen.push(format!("{:?}", message.to_bytes()));
                }
                Ok(Some(StreamItem::Malformed { error, .. })) => seen.push(format!("malformed {error}")),
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("closed {error}"));
                    return seen;
                }
            }
        }
    }
    seen.push(format!("incomplete {}", decoder.is_incomplete()));
    seen
}

fn ask_for_everything(message: &Message) {
    let headers = message.headers();
    macro_rules! ask {
        ($($header:ident),+) => { $(headers.all::<header::$header>().for_each(drop);)+ };
    }
    ask!(
        Accept,
        AcceptContact,
        Allow,
        AllowEvents,
        Authorization,
        CSeq,
        CallId,
        Contact,
        ContentLength,
        Date,
        Event,
        Expires,
        From,
        Join,
        MaxForwards,
        MinExpires,
        MinSe,
        PAssertedIdentity,
        PChargingVector,
        PPreferredIdentity,
        PServedUser,
        Path,
        Privacy,
        ProxyAuthenticate,
        ProxyAuthorization,
        ProxyRequire,
        RSeq,
        Reason,
        RecordRoute,
        ReferSub,
        ReferTo,
        ReferredBy,
        RejectContact,
        Replaces,
        Require,
        RetryAfter,
        Route,
        Server,
        ServiceRoute,
        SessionExpires,
        SipEtag,
        SipIfMatch,
        Subject,
        SubscriptionState,
        Supported,
        TargetDialog,
        To,
        Unsupported,
        UserAgent,
        Via,
        Warning,
        WwwAuthenticate
    );
}
