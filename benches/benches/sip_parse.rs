//! Reading SIP messages, against httparse on the same text as HTTP.

use benches::Comparison;
use bytes::Bytes;
use sip_im::Message;
use sip_im::codec::{Limits, parse_datagram};
use sip_im::header::{CSeq, CallId, Contact, From, RecordRoute, Route, To, Via};

const HEADERS: &str = "Via: SIP/2.0/TCP client.example.com:5060;branch=z9hG4bK74bf9;rport\r\n\
    Max-Forwards: 70\r\n\
    Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n\
    From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\n\
    To: Bob <sip:bob@example.net>\r\n\
    Call-ID: 3848276298220188511@client.example.com\r\n";

fn main() {
    let message = format!(
        "MESSAGE sip:bob@example.net SIP/2.0\r\n{HEADERS}CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n\
         Watson, come here."
    );
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n\
                a=accept-types:message/cpim\r\na=path:msrp://192.0.2.1:9/s;tcp\r\na=setup:actpass\r\n";
    let more: Vec<String> = (0..14)
        .map(|number| format!("X-Extension-{number}: some value of it, with a parameter;p={number}\r\n"))
        .collect();
    let more = more.concat();
    let invite = format!(
        "INVITE sip:bob@example.net SIP/2.0\r\n{HEADERS}CSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.1:5060;transport=tcp>;+g.oma.sip-im\r\n\
         {more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for (name, text) in [("MESSAGE", message), ("INVITE with 25 headers", invite)] {
        let http = text.replacen(" sip:bob@example.net SIP/2.0", " /bob HTTP/1.1", 1);
        let octets = Bytes::from(text);
        let label = format!("sip_parse/{name}, framed");
        Comparison::new(&label, octets.len(), 1).run(
            || parse(&octets).is_some(),
            "httparse",
            || as_http(&http),
        );
        let label = format!("sip_parse/{name}, typed");
        Comparison::new(&label, octets.len(), 1).run(|| typed(&octets), "httparse", || as_http(&http));
    }
}

fn parse(octets: &Bytes) -> Option<Message> {
    parse_datagram(octets.clone(), &Limits::default()).ok()
}

fn typed(octets: &Bytes) -> usize {
    let Some(message) = parse(octets) else { return 0 };
    let headers = message.headers();
    headers.all::<Via>().count()
        + headers.all::<Route>().count()
        + headers.all::<RecordRoute>().count()
        + headers.all::<Contact>().count()
        + usize::from(headers.require::<From>().is_ok())
        + usize::from(headers.require::<To>().is_ok())
        + usize::from(headers.require::<CallId>().is_ok())
        + usize::from(headers.require::<CSeq>().is_ok())
}

fn as_http(text: &str) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(text.as_bytes()) {
        Ok(httparse::Status::Complete(len)) => len,
        _ => 0,
    }
}
