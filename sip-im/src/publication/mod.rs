//! Event state publication (RFC 3903), at both ends.
//!
//! [`Publication`] keeps one piece of event state published; [`Compositor`] holds what many have published, under entity-tags, for as
//! long as it is kept alive.

mod client;
mod compositor;

pub use client::{Publication, PublicationEvent, PublicationState};
pub use compositor::{Compositor, CompositorEvent, Config, Package, PublishOutcome, Published, Resource};
