//! Subscriptions (RFC 6665): one at the [`Notifier`], one at the [`Subscriber`].
//!
//! Both are plain state: they make requests and responses and take those of the other end; sending them is the
//! [endpoint](crate::endpoint)'s.

mod notifier;
mod snapshot;
mod subscriber;
mod template;

pub(crate) use notifier::ends_usage;
pub use notifier::{Notifier, NotifierConfig, NotifierState, SubscribeRefused};
pub use snapshot::{NotifierSnapshot, SubscriberSnapshot};
pub use subscriber::{Again, Subscriber, SubscriberEvent, SubscriberState};
