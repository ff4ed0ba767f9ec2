//! Reading SIP messages, against httparse on the same text as HTTP, and against other SIP parsers that read the same fields.

use benches::Comparison;
use bytes::Bytes;
use sip_im::Message;
use sip_im::codec::{Frame, Limits, parse_datagram};
use sip_im::header::{CSeq, CallId, Contact, From, RecordRoute, Route, To, Via};

const MESSAGE: &str = "MESSAGE sip:bob@biloxi.example SIP/2.0\r\n\
    Via: SIP/2.0/TCP edge.biloxi.example;branch=z9hG4bK7f3a90c1\r\n\
    Via: SIP/2.0/TCP desk.atlanta.example;branch=z9hG4bK77ef4c23;received=192.0.2.7\r\n\
    Max-Forwards: 69\r\n\
    From: <sip:alice@atlanta.example>;tag=a73kszlfl\r\n\
    To: <sip:bob@biloxi.example>\r\n\
    Call-ID: 1j9FpLxk3uxtm8tn@192.0.2.7\r\n\
    CSeq: 1 MESSAGE\r\n\
    Contact: <sip:alice@desk.atlanta.example;transport=tcp>\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 17\r\n\r\n\
    Is the door open?";

const INVITE: &str = "INVITE sip:factory@im.home.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP icscf.visited.example;branch=z9hG4bK55a1.1, SIP/2.0/UDP scscf.home.example;branch=z9hG4bK55a0.1\r\n\
    Via: SIP/2.0/UDP pcscf.visited.example;branch=z9hG4bK559f.1;received=192.0.2.77\r\n\
    Via: SIP/2.0/TCP [2001:db8:7:1::c1]:1357;comp=sigcomp;branch=z9hG4bKnw83hdk;rport=1357\r\n\
    Max-Forwards: 67\r\n\
    Route: <sip:3f9c1d7a0b5e@as.home.example;lr>, <sip:scscf.home.example;lr>;orig-dialog-id=\"O:739357_926451-71:786jd24\"\r\n\
    Record-Route: <sip:icscf.visited.example;lr>\r\n\
    Record-Route: <sip:scscf.home.example;lr>, <sip:pcscf.visited.example;lr;comp=sigcomp>\r\n\
    P-Asserted-Identity: \"Alice Smith\" <sip:alice@home.example>, <tel:+1-201-555-0123>\r\n\
    P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=234151D0FCE11\r\n\
    P-Charging-Vector: icid-value=\"Byu7+a1bCd2eF3gH4iJ5=023551024\";orig-ioi=home.example\r\n\
    P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session\r\n\
    P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session\r\n\
    Privacy: header;user;id\r\n\
    From: \"Anonymous, \\\"A\\\"\" <sip:alice@home.example;user=phone>;tag=171828\r\n\
    To: <sip:factory@im.home.example>\r\n\
    Call-ID: 3f9c1d7a0b5e4d6c@2001-db8-7-1--c1\r\n\
    CSeq: 127 INVITE\r\n\
    Contact: <sip:alice@home.example;gr=urn:uuid:5f0c2f1e-8b1d-4f0a-9f65-1d2c3b4a5e6f;comp=sigcomp>;+g.oma.sip-im;\
+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session\";q=0.9\r\n\
    Accept-Contact: *;+g.oma.sip-im;require;explicit\r\n\
    Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session\"\r\n\
    Supported: 100rel, precondition, gruu, norefersub, timer, histinfo, recipient-list-invite\r\n\
    Require: recipient-list-invite\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, REFER, MESSAGE, SUBSCRIBE, NOTIFY, INFO, OPTIONS\r\n\
    Accept: application/sdp, message/sipfrag, application/resource-lists+xml\r\n\
    User-Agent: IM-client/OMA1.0 Example-Phone/v2.7\r\n\
    Content-Type: application/sdp\r\n";

const SDP: &str = "v=0\r\no=alice 2890844526 2890844527 IN IP6 2001:db8:7:1::c1\r\ns=-\r\nc=IN IP6 2001:db8:7:1::c1\r\nt=0 0\r\n\
    m=message 7654 TCP/TLS/MSRP *\r\na=accept-types:message/cpim text/plain application/im-iscomposing+xml\r\n\
    a=accept-wrapped-types:*\r\na=path:msrps://pcscf.visited.example:7654/jshA7weztas;tcp\r\na=max-size:131072\r\n\
    a=setup:actpass\r\na=chatroom:nickname private-messages\r\na=msrp-cema\r\na=sendrecv\r\n";

fn main() {
    let invite = format!("{INVITE}Content-Length: {}\r\n\r\n{SDP}", SDP.len());
    let (mut frame, mut peers_frame) = (Frame::new(), Frame::new());
    for (name, text) in [("MESSAGE", MESSAGE.to_owned()), ("IMS INVITE", invite)] {
        let (start, rest) = text.split_once("\r\n").unwrap_or_default();
        let start = start.replace("sip:", "/").replace("SIP/2.0", "HTTP/1.1");
        let http = format!("{start}\r\n{rest}");
        let octets = Bytes::from(text);
        let measure = |what: &str, run: &mut dyn FnMut() -> usize| {
            let label = format!("sip_parse/{name}, {what}");
            Comparison::new(&label, octets.len(), 1).run(run, "httparse", || as_http(&http));
        };
        let label = format!("sip_parse/{name}, typed");
        if sipx(&octets) > 0 {
            Comparison::new(&label, octets.len(), 1).run(
                || typed(&mut peers_frame, &octets),
                "sipx-sip",
                || sipx(&octets),
            );
        }
        if rsip(&octets) > 0 {
            Comparison::new(&label, octets.len(), 1).run(
                || typed(&mut peers_frame, &octets),
                "rsip",
                || rsip(&octets),
            );
        }
        measure("framed", &mut || usize::from(framed(&mut frame, &octets)));
        measure("typed", &mut || typed(&mut frame, &octets));
        measure("checked message", &mut || usize::from(parse(&octets).is_some()));
        measure("checked message, owned types", &mut || owned(&octets));
    }
}

fn framed(frame: &mut Frame, octets: &Bytes) -> bool {
    frame.read(octets.clone(), &Limits::default()).is_ok()
}

fn typed(frame: &mut Frame, octets: &Bytes) -> usize {
    if !framed(frame, octets) {
        return 0;
    }
    let headers = frame.headers();
    headers.views::<Via>().flatten().count()
        + headers.views::<Route>().flatten().count()
        + headers.views::<RecordRoute>().flatten().count()
        + headers.views::<Contact>().flatten().count()
        + usize::from(matches!(headers.view::<From>(), Ok(Some(_))))
        + usize::from(matches!(headers.view::<To>(), Ok(Some(_))))
        + usize::from(matches!(headers.view::<CallId>(), Ok(Some(_))))
        + usize::from(matches!(headers.view::<CSeq>(), Ok(Some(_))))
}

fn parse(octets: &Bytes) -> Option<Message> {
    parse_datagram(octets.clone(), &Limits::default()).ok()
}

fn owned(octets: &Bytes) -> usize {
    let Some(message) = parse(octets) else { return 0 };
    let headers = message.headers();
    headers.all::<Via>().flatten().count()
        + headers.all::<Route>().flatten().count()
        + headers.all::<RecordRoute>().flatten().count()
        + headers.all::<Contact>().flatten().count()
        + usize::from(headers.require::<From>().is_ok())
        + usize::from(headers.require::<To>().is_ok())
        + usize::from(headers.require::<CallId>().is_ok())
        + usize::from(headers.require::<CSeq>().is_ok())
}

/// The same fields by `sipx-sip`; 0 when it refuses the message or one of them.
fn sipx(octets: &Bytes) -> usize {
    use sipx_sip::headers::{CSeq, CallId, ContactValue, From, RecordRoute, Route, To, Via};
    let Ok(message) = sipx_sip::parse_datagram(octets.clone(), &sipx_sip::Limits::default()) else {
        return 0;
    };
    let headers = message.headers();
    let lists = [
        count(headers.typed_all::<Via>()),
        count(headers.typed_all::<Route>()),
        count(headers.typed_all::<RecordRoute>()),
        count(headers.typed_all::<ContactValue>()),
        count(headers.typed::<From>()),
        count(headers.typed::<To>()),
        count(headers.typed::<CallId>()),
        count(headers.typed::<CSeq>()),
    ];
    lists.into_iter().sum::<Option<usize>>().unwrap_or(0)
}

fn count<T, E>(values: impl IntoIterator<Item = Result<T, E>>) -> Option<usize> {
    values.into_iter().map(|value| value.ok().map(|_| 1)).sum()
}

/// The same fields by `rsip`; 0 when it refuses the message or one of them.
fn rsip(octets: &Bytes) -> usize {
    use rsip::Header;
    use rsip::headers::ToTypedHeader;
    use rsip::message::HasHeaders;
    let Ok(message) = rsip::SipMessage::try_from(octets.as_ref()) else {
        return 0;
    };
    let values = message.headers().iter().map(|header| match header {
        Header::Via(value) => value.typed().ok().map(|_| 1),
        Header::Route(value) => value.typed().ok().map(|_| 1),
        Header::RecordRoute(value) => value.typed().ok().map(|_| 1),
        Header::Contact(value) => value.typed().ok().map(|_| 1),
        Header::From(value) => value.typed().ok().map(|_| 1),
        Header::To(value) => value.typed().ok().map(|_| 1),
        Header::CSeq(value) => value.typed().ok().map(|_| 1),
        // A Call-ID is text there, and needs no reading.
        Header::CallId(_) => Some(1),
        _ => Some(0),
    });
    values.sum::<Option<usize>>().unwrap_or(0)
}

fn as_http(text: &str) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(text.as_bytes()) {
        Ok(httparse::Status::Complete(len)) => len,
        _ => 0,
    }
}
