//! Conferences.

use std::collections::BTreeMap;

use bytes::Bytes;
use im_roles::client::{Content, Event, ListEntry, RosterEntry, SessionKey};
use sip_im::ContentType;
use sip_im::Uri;

use super::super::{Failed, Party, ROOM, World, address};
use super::session::{say, started};
use super::{check, contains, no_message, text};
use crate::trace::Way;

pub(super) async fn adhoc(world: &mut World) -> Result<(), Failed> {
    let members = vec![ListEntry::to(address("bob")?), ListEntry::to(address("dave")?)];
    let alice = world.party("alice")?;
    alice
        .tell(|client, now| client.group(members, Some("Plans".to_owned()), now))
        .await?;
    let (alice_session, conference) = alice
        .wait("conference", |event| match event {
            Event::SessionStarted { session, peer, .. } => Some(Ok((*session, peer.clone()))),
            Event::Failed { failure, .. } => Some(Err(Failed(format!("no conference: {failure:?}")))),
            _ => None,
        })
        .await??;
    let mut sessions = BTreeMap::from([("alice", alice_session)]);
    for user in ["bob", "dave"] {
        sessions.insert(user, started(world.party(user)?).await?);
    }
    world
        .party("carol")?
        .tell(move |client, now| client.join(conference, true, now))
        .await?;
    sessions.insert("carol", started(world.party("carol")?).await?);

    for (user, session) in &sessions {
        let roster = roster(world.party(user)?, *session, 4).await?;
        let anonymous = roster.iter().filter(|entry| entry.anonymous).count();
        check(anonymous == 1, &format!("{user} sees that one of four hides"))?;
        check(
            roster.iter().any(|entry| entry.uri.contains("alice@")),
            &format!("{user} sees alice"),
        )?;
    }

    for (sender, length) in [("alice", 5), ("bob", 5_000), ("carol", 5_000_000)] {
        let body = body(length);
        let kind = ContentType::parse("text/plain").map_err(Failed::of)?;
        let session = sessions
            .get(sender)
            .copied()
            .ok_or_else(|| Failed::new("no session"))?;
        say(world.party(sender)?, session, Content::new(kind, body.clone())).await?;
        for user in sessions.keys().filter(|user| **user != sender) {
            let received = super::message(world.party(user)?, &format!("message of {length} octets")).await?;
            check(
                received.body == body,
                &format!("{length} octets from {sender} reach {user} intact"),
            )?;
        }
    }
    for user in ["alice", "bob", "dave"] {
        let octets = world.octets(user, Way::Received);
        check(
            octets.iter().map(Vec::len).sum::<usize>() > 5_000_000,
            "the recording holds the large message",
        )?;
        check(
            !contains(&octets, "carol"),
            &format!("not an octet that reaches {user} names carol"),
        )?;
    }
    for (user, session) in sessions {
        world
            .party(user)?
            .tell(move |client, now| client.leave(session, now))
            .await?;
        world
            .party(user)?
            .wait("end", |event| matches!(event, Event::Left { .. }).then_some(()))
            .await?;
    }
    Ok(())
}

pub(super) async fn room(world: &mut World) -> Result<(), Failed> {
    let mut sessions = BTreeMap::new();
    for (user, nickname) in [("alice", "Al"), ("bob", "Bobby"), ("carol", "Caz")] {
        let room = Uri::parse(ROOM).map_err(Failed::of)?;
        let party = world.party(user)?;
        party
            .tell(move |client, now| client.join(room, false, now))
            .await?;
        let session = started(party).await?;
        party
            .tell(move |client, now| client.nickname(session, nickname, now))
            .await?;
        let status = party
            .wait("answer to the nickname", |event| match event {
                Event::Nickname { status, .. } => Some(*status),
                _ => None,
            })
            .await?;
        check(status == 200, &format!("{user} gets the nickname {nickname}"))?;
        sessions.insert(user, session);
    }
    let session = |user: &str| {
        sessions
            .get(user)
            .copied()
            .ok_or_else(|| Failed::new("no session"))
    };
    let (alice, carol) = (session("alice")?, session("carol")?);

    world
        .party("carol")?
        .tell(move |client, now| client.nickname(carol, "Al", now))
        .await?;
    let taken = world
        .party("carol")?
        .wait("answer to the second nickname", |event| match event {
            Event::Nickname { status, .. } => Some(*status),
            Event::Failed { failure, .. } => Some(failure.status.unwrap_or(0)),
            _ => None,
        })
        .await?;
    check(taken == 425, "a nickname that is taken is refused with 425")?;
    let entries = roster(world.party("carol")?, carol, 3).await?;
    check(
        entries
            .iter()
            .any(|entry| entry.nickname.as_deref() == Some("Bobby")),
        "the roster shows nicknames",
    )?;

    let bob = address("bob")?.to_string();
    let whisper = Content::text("just between us");
    world
        .party("alice")?
        .tell(move |client, now| client.say(alice, whisper, Some(&bob), false, now))
        .await?;
    let received = text(world.party("bob")?, "just between us").await?;
    check(received.private, "bob sees that it is private")?;
    no_message(world.party("carol")?).await?;
    check(
        !contains(&world.octets("carol", Way::Received), "just between us"),
        "carol does not get a private message",
    )?;

    for (user, session) in sessions {
        world
            .party(user)?
            .tell(move |client, now| client.leave(session, now))
            .await?;
        world
            .party(user)?
            .wait("end", |event| matches!(event, Event::Left { .. }).then_some(()))
            .await?;
    }
    Ok(())
}

/// Asks for the roster until it has so many users.
async fn roster(party: &mut Party, session: SessionKey, users: usize) -> Result<Vec<RosterEntry>, Failed> {
    party.tell(move |client, now| client.roster(session, now)).await?;
    party
        .wait(&format!("roster of {users}"), |event| match event {
            Event::Roster { users: entries, .. } if entries.len() == users => Some(entries.clone()),
            _ => None,
        })
        .await
}

/// Text without a pattern that chunks of a power of two could line up with.
fn body(length: usize) -> Bytes {
    (0_u32..)
        .flat_map(|line| format!("{line:x} ").into_bytes())
        .take(length)
        .collect()
}
