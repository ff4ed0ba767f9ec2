//! Groups do not nest.

use im_roles::client::{Content, Event, ListEntry};
use sip_im::header::HeaderName;
use sip_im::{ContentType, Method, Request, Uri};

use super::super::{Failed, ROOM, RawClient, World, address, password};
use super::{check, no_message, outcome};

pub(super) async fn run(world: &mut World) -> Result<(), Failed> {
    // A list that names a group.
    let list = vec![
        ListEntry::to(address("bob")?),
        ListEntry::to(Uri::parse(ROOM).map_err(Failed::of)?),
    ];
    let alice = world.party("alice")?;
    alice
        .tell(|client, now| client.explode(list, Content::text("to a group in a list"), now))
        .await?;
    let refused = outcome(alice)
        .await?
        .err()
        .ok_or_else(|| Failed::new("a list with a group in it was accepted"))?;
    check(
        refused.status == Some(403),
        "a list with a group in it is refused with 403",
    )?;
    check(
        refused
            .warning
            .is_some_and(|text| text.contains("isfocus already assigned")),
        "the warning says why",
    )?;

    let mut raw =
        RawClient::connect(world.sip, ("alice", &password("alice")), world.recorder.clone()).await?;

    // A message that was exploded before.
    let body = concat!(
        "--part\r\nContent-Type: text/plain\r\n\r\nexploded twice\r\n",
        "--part\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n",
        "<?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">",
        "<list><entry uri=\"sip:bob@example.com\"/></list></resource-lists>\r\n--part--\r\n"
    );
    let exploder = Uri::sip("exploder", super::super::DOMAIN).map_err(Failed::of)?;
    let kind = ContentType::parse("multipart/mixed;boundary=part").map_err(Failed::of)?;
    let again = request(Method::Message, &exploder)?
        .header(&field("X-IM-Controlling")?, "elsewhere")
        .map_err(Failed::of)?
        .header(&field("Require")?, "recipient-list-message")
        .map_err(Failed::of)?
        .body(&kind, body.into())
        .build()
        .map_err(Failed::of)?;
    refused_for_nesting(&mut raw, again, "a message that was exploded before").await?;

    // A session that has a focus.
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/a1b2c3d4;tcp\r\na=setup:active\r\n\
                 a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n";
    let kind = ContentType::parse("application/sdp").map_err(Failed::of)?;
    let invitation = request(Method::Invite, &Uri::parse(ROOM).map_err(Failed::of)?)?
        .header(
            &field("Contact")?,
            "<sip:alice@127.0.0.1:9;transport=tcp>;isfocus",
        )
        .map_err(Failed::of)?
        .body(&kind, offer.into())
        .build()
        .map_err(Failed::of)?;
    refused_for_nesting(&mut raw, invitation, "a session that has a focus").await?;

    let bob = world.party("bob")?;
    no_message(bob).await?;
    bob.none("an invitation", std::time::Duration::ZERO, |event| {
        matches!(event, Event::Invited { .. } | Event::SessionStarted { .. })
    })
    .await
}

fn field(name: &str) -> Result<HeaderName, Failed> {
    HeaderName::parse(name).map_err(Failed::of)
}

fn request(method: Method, uri: &Uri) -> Result<sip_im::RequestBuilder, Failed> {
    let mut random = [0; 16];
    crate::entropy::fill(&mut random);
    let random = u128::from_be_bytes(random);
    Ok(Request::builder(method, uri.clone())
        .from(&address("alice")?, None, &format!("{:x}", random & 0xffff_ffff))
        .to(uri, None)
        .call_id(&format!("{random:032x}"))
        .cseq(1)
        .max_forwards(70))
}

async fn refused_for_nesting(raw: &mut RawClient, request: Request, what: &str) -> Result<(), Failed> {
    let response = raw.request(request).await?;
    let status = response.status().code();
    check(
        status == 403,
        &format!("{what} is refused with 403 (it was {status})"),
    )?;
    let warning = response
        .headers()
        .value(&HeaderName::WARNING)
        .map(|value| value.to_string());
    check(
        warning.is_some_and(|warning| {
            warning.starts_with("399 ") && warning.contains("isfocus already assigned")
        }),
        &format!("the warning says why {what} is refused"),
    )
}
