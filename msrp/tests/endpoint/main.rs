//! Connections and sessions, as a host and a peer see them.
#![cfg(test)]

mod hand;
mod laws;
mod links;
mod pair;
mod peer;
mod reports;
mod sessions;
mod transfer;
