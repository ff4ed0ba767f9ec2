//! Subscriptions (RFC 6665): one at the notifier, one at the subscriber.
