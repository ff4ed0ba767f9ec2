//! Access rules, put and deleted by XCAP over HTTP.

use im_roles::client::MessageRequest;

use super::super::{Failed, World, XcapClient, address, password};
use super::{check, no_message, outcome, status, text};

pub(super) async fn run(world: &mut World) -> Result<(), Failed> {
    let xcap = XcapClient::new(world.xcap, "bob", &password("bob"));
    let put = xcap.request("PUT", DOCUMENT, Some((KIND, RULES))).await?;
    check(
        put.status == 201,
        &format!(
            "the rules are created (it was {}: {})",
            put.status,
            lossy(&put.body)
        ),
    )?;
    let got = xcap.request("GET", DOCUMENT, None).await?;
    check(
        got.status == 200 && got.body == RULES.as_bytes(),
        "the rules are read back to the octet",
    )?;
    let alien = XcapClient::new(world.xcap, "alice", &password("alice"))
        .request("GET", DOCUMENT, None)
        .await?;
    check(
        matches!(alien.status, 403 | 404),
        "alice may not read bob's rules",
    )?;

    send(world, "blocked").await?;
    let refused = outcome(world.party("alice")?).await?.err();
    check(
        refused.is_some_and(|refused| refused.status == Some(403)),
        "a blocked message is refused with 403",
    )?;
    no_message(world.party("bob")?).await?;

    let deleted = xcap.request("DELETE", DOCUMENT, None).await?;
    check(matches!(deleted.status, 200 | 204), "the rules are deleted")?;
    send(world, "allowed again").await?;
    check(
        status(world.party("alice")?).await? == 200,
        "without rules the message is accepted",
    )?;
    text(world.party("bob")?, "allowed again").await.map(drop)
}

async fn send(world: &mut World, text: &str) -> Result<(), Failed> {
    let request = MessageRequest::text(address("bob")?, text);
    world
        .party("alice")?
        .tell(|client, now| client.message(request, now))
        .await
        .map(drop)
}

fn lossy(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

const DOCUMENT: &str =
    "/xcap-root/org.openmobilealliance.access-rules/users/sip:bob@example.com/access-rules";
const KIND: &str = "application/auth-policy+xml";
const RULES: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<cr:ruleset xmlns:cr=\"urn:ietf:params:xml:ns:common-policy\" xmlns:poc=\"urn:oma:xml:poc:poc-rules\">\n",
    "  <cr:rule id=\"no-alice\">\n",
    "    <cr:conditions><cr:identity><cr:one id=\"sip:alice@example.com\"/></cr:identity></cr:conditions>\n",
    "    <cr:actions><poc:allow-invite>reject</poc:allow-invite></cr:actions>\n",
    "  </cr:rule>\n",
    "</cr:ruleset>\n"
);
