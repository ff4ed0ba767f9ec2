//! Users register.

use im_roles::client::Event;
use msrp::digest::Algorithm;

use super::super::{Failed, Party, World};
use super::{check, contains};
use crate::trace::Way;

pub(super) async fn run(world: &mut World) -> Result<(), Failed> {
    let mut config = world.client("alice")?;
    config.algorithms = vec![Algorithm::Sha256];
    world.enter("alice", config).await?;
    let mut config = world.client("bob")?;
    config.algorithms = vec![Algorithm::Md5];
    world.enter("bob", config).await?;
    for user in ["carol", "dave"] {
        let config = world.client(user)?;
        world.enter(user, config).await?;
    }
    check(
        contains(&world.octets("alice", Way::Sent), "algorithm=SHA-256"),
        "alice answers with SHA-256",
    )?;
    check(
        !contains(&world.octets("alice", Way::Sent), "algorithm=MD5"),
        "alice does not answer with MD5",
    )?;
    check(
        contains(&world.octets("bob", Way::Sent), "algorithm=MD5"),
        "bob answers with MD5",
    )?;

    let mut config = world.client("alice")?;
    "a guess".clone_into(&mut config.password);
    let mut mallory = Party::start("mallory", config, world.recorder.clone(), false).await?;
    mallory.tell(im_roles::client::Client::register).await?;
    let refused = mallory
        .wait("refusal", |event| match event {
            Event::Registered { .. } => Some(false),
            Event::Failed { .. } => Some(true),
            _ => None,
        })
        .await?;
    mallory.stop().await;
    check(refused, "a wrong password is refused")?;
    check(
        !contains(&world.octets("mallory", Way::Received), "SIP/2.0 200"),
        "no request with a wrong password is accepted",
    )
}
