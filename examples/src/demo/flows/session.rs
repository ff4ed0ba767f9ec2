//! A session of two.

use im_roles::client::{Content, Event, SessionKey};

use super::super::{Failed, Party, World, address};
use super::{check, message, text};

pub(super) async fn run(world: &mut World) -> Result<(), Failed> {
    let bob_address = address("bob")?;
    world
        .party("alice")?
        .tell(|client, now| client.chat(bob_address, now))
        .await?;
    let alice = started(world.party("alice")?).await?;
    let bob = started(world.party("bob")?).await?;

    say(
        world.party("alice")?,
        alice,
        Content::text("Do you have a minute?"),
    )
    .await?;
    text(world.party("bob")?, "Do you have a minute?").await?;
    world
        .party("bob")?
        .tell(move |client, now| client.composing(bob, true, now))
        .await?;
    world
        .party("alice")?
        .wait("notice that bob writes", |event| {
            matches!(event, Event::Composing { active: true, .. }).then_some(())
        })
        .await?;

    let long = (0..20_000)
        .map(|line| line.to_string())
        .collect::<Vec<_>>()
        .join("\r\n");
    say(world.party("bob")?, bob, Content::text(long.clone())).await?;
    let received = message(world.party("alice")?, "long answer").await?;
    check(
        received.body == long.as_bytes(),
        "the long answer arrives to the octet",
    )?;

    world
        .party("alice")?
        .tell(move |client, now| client.leave(alice, now))
        .await?;
    world
        .party("bob")?
        .wait("end of the session", |event| {
            matches!(event, Event::Left { .. }).then_some(())
        })
        .await
}

pub(super) async fn started(party: &mut Party) -> Result<SessionKey, Failed> {
    party
        .wait("session", |event| match event {
            Event::SessionStarted { session, .. } => Some(Ok(*session)),
            Event::Failed { failure, .. } => Some(Err(Failed(format!("no session: {failure:?}")))),
            _ => None,
        })
        .await?
}

pub(super) async fn say(party: &mut Party, session: SessionKey, content: Content) -> Result<(), Failed> {
    party
        .tell(move |client, now| client.say(session, content, None, false, now))
        .await
        .map(drop)
}
