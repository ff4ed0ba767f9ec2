//! Messages to one user.

use std::time::Duration;

use im_roles::client::{Client, Event, MessageRequest, Notifications};

use super::super::{Failed, World, address};
use super::{check, no_message, status, text};
use crate::trace::Way;

pub(super) async fn message(world: &mut World) -> Result<(), Failed> {
    let mut request = MessageRequest::text(address("bob")?, "Lunch at noon?");
    request.notifications = Notifications::delivery_and_display();
    let alice = world.party("alice")?;
    alice.tell(|client, now| client.message(request, now)).await?;
    check(status(alice).await? == 200, "the message is accepted with 200")?;

    let received = text(world.party("bob")?, "Lunch at noon?").await?;
    check(
        received
            .from
            .as_ref()
            .is_some_and(|from| from.uri.contains("alice@")),
        "bob sees that it is from alice",
    )?;
    let message_id = received
        .message_id
        .ok_or_else(|| Failed::new("the message has no id"))?;
    notified(world, &message_id, "delivered").await?;

    let shown = message_id.clone();
    world
        .party("bob")?
        .tell(move |client, now| client.displayed(&shown, now))
        .await?;
    notified(world, &message_id, "displayed").await
}

async fn notified(world: &mut World, wanted: &str, state: &str) -> Result<(), Failed> {
    world
        .party("alice")?
        .wait(state, |event| match event {
            Event::Notification {
                message_id, status, ..
            } => (message_id == wanted && status == state).then_some(()),
            _ => None,
        })
        .await
}

pub(super) async fn deferred(world: &mut World) -> Result<(), Failed> {
    let mut dave = world
        .parties
        .remove("dave")
        .ok_or_else(|| Failed::new("dave is not there"))?;
    dave.tell(Client::unregister).await?;
    dave.wait("end of registration", |event| {
        matches!(event, Event::Unregistered { .. }).then_some(())
    })
    .await?;
    dave.stop().await;

    send(world, FIRST).await?;
    let first_date = date(world, FIRST)?;
    world
        .server
        .take()
        .ok_or_else(|| Failed::new("there is no server"))?
        .stop()
        .await?;
    world.start_server().await?;

    // That the registrar has forgotten alice does not keep her from sending; her client finds the server again.
    send(world, SECOND).await?;
    let second_date = date(world, SECOND)?;
    world
        .server
        .take()
        .ok_or_else(|| Failed::new("there is no server"))?
        .kill()
        .await?;
    world.start_server().await?;

    // The dates must be those of sending, so let there be a difference.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let config = world.client("dave")?;
    world.enter("dave", config).await?;
    let dave = world.party("dave")?;
    text(dave, FIRST).await?;
    text(dave, SECOND).await?;
    no_message(dave).await?;
    let octets = world.octets("dave", Way::Received);
    for (body, date) in [(FIRST, first_date), (SECOND, second_date)] {
        let times: usize = octets
            .iter()
            .map(|octets| memchr::memmem::find_iter(octets, body).count())
            .sum();
        check(times == 1, "each message comes once")?;
        let head = octets
            .iter()
            .find_map(|octets| head_before(octets, body))
            .unwrap_or_default();
        check(head.contains(&date), "a message keeps the date of its sending")?;
    }
    for user in ["alice", "bob", "carol"] {
        let party = world.party(user)?;
        party.tell(Client::register).await?;
        party
            .wait("registration", |event| {
                matches!(event, Event::Registered { .. }).then_some(())
            })
            .await?;
    }
    Ok(())
}

async fn send(world: &mut World, text: &'static str) -> Result<(), Failed> {
    let request = MessageRequest::text(address("dave")?, text);
    let alice = world.party("alice")?;
    alice.tell(|client, now| client.message(request, now)).await?;
    check(
        status(alice).await? == 202,
        "a message for a user who is away is accepted with 202",
    )
}

/// The Date line with which alice has sent a text.
fn date(world: &mut World, body: &str) -> Result<String, Failed> {
    let octets = world.octets("alice", Way::Sent);
    let head = octets.iter().find_map(|octets| head_before(octets, body));
    let head = head.ok_or_else(|| Failed::new("alice has sent no such message"))?;
    let line = head.lines().find(|line| line.starts_with("Date:"));
    line.map(str::to_owned)
        .ok_or_else(|| Failed::new("alice's message has no date"))
}

/// The head of the last message that carries a body.
fn head_before(octets: &[u8], body: &str) -> Option<String> {
    let at = memchr::memmem::rfind(octets, body.as_bytes())?;
    let before = octets.get(..at)?;
    let start = memchr::memmem::rfind(before, b"MESSAGE sip:")?;
    before
        .get(start..)
        .map(|head| String::from_utf8_lossy(head).into_owned())
}

const FIRST: &str = "While you were away: the first";
const SECOND: &str = "While you were away: the second";
