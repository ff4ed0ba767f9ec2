//! Writing SIP messages that nobody changed, against a copy of the same octets.

use benches::Comparison;
use bytes::{BufMut, Bytes, BytesMut};
use sip_im::codec::{Frame, Limits, parse_datagram};

const HEAD: &str = "MESSAGE sip:bob@biloxi.example SIP/2.0\r\n\
    Via: SIP/2.0/TCP edge.biloxi.example;branch=z9hG4bK7f3a90c1\r\n\
    Via: SIP/2.0/TCP desk.atlanta.example;branch=z9hG4bK77ef4c23;received=192.0.2.7\r\n\
    Max-Forwards: 69\r\n\
    From: <sip:alice@atlanta.example>;tag=a73kszlfl\r\n\
    To: <sip:bob@biloxi.example>\r\n\
    Call-ID: 1j9FpLxk3uxtm8tn@192.0.2.7\r\n\
    CSeq: 1 MESSAGE\r\n\
    Content-Type: text/plain\r\n";

fn main() {
    for (name, length) in [("short MESSAGE", 17), ("MESSAGE of 7 KB", 6_600)] {
        let body = "x".repeat(length);
        let octets = Bytes::from(format!("{HEAD}Content-Length: {length}\r\n\r\n{body}"));
        let mut frame = Frame::new();
        let limits = Limits::default();
        let (Ok(()), Ok(message)) = (
            frame.read(octets.clone(), &limits),
            parse_datagram(octets.clone(), &limits),
        ) else {
            continue;
        };
        let (mut ours, mut copy) = (BytesMut::new(), BytesMut::new());
        let mut memcpy = || {
            copy.clear();
            copy.put_slice(&octets);
            copy.len()
        };
        let mut measure = |what: &str, run: &mut dyn FnMut() -> usize| {
            let label = format!("sip_write/{name}, {what}");
            Comparison::new(&label, octets.len(), 1).run(run, "memcpy", &mut memcpy);
        };
        measure("a frame", &mut || {
            ours.clear();
            frame.write(&mut ours);
            ours.len()
        });
        measure("a message", &mut || {
            ours.clear();
            message.write(&mut ours);
            ours.len()
        });
        measure("a message, shared", &mut || message.to_bytes().len());
    }
}
