//! A message to a list (RFC 5365).

use im_roles::client::{Content, ListEntry};

use super::super::{Failed, World, address};
use super::{check, contains, no_message, status, text};
use crate::trace::Way;

pub(super) async fn run(world: &mut World) -> Result<(), Failed> {
    let list = vec![
        ListEntry::to(address("bob")?),
        ListEntry::to(sip_im::Uri::parse("sip:bob@EXAMPLE.com:5060").map_err(Failed::of)?),
        ListEntry::to(address("carol")?),
        ListEntry::bcc(address("dave")?),
    ];
    let alice = world.party("alice")?;
    alice
        .tell(|client, now| client.explode(list, Content::text(TEXT), now))
        .await?;
    check(status(alice).await? == 202, "the list is accepted with 202")?;
    for user in ["bob", "carol", "dave"] {
        text(world.party(user)?, TEXT).await?;
    }
    for user in ["bob", "carol", "dave"] {
        no_message(world.party(user)?).await?;
    }
    for user in ["bob", "carol"] {
        let octets = world.octets(user, Way::Received);
        check(contains(&octets, TEXT), "the recording holds the message")?;
        check(!contains(&octets, "dave"), "nobody learns of the blind copy")?;
    }
    Ok(())
}

const TEXT: &str = "Meeting moved to three";
