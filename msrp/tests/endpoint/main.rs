//! Connections and sessions, as a host and a peer see them.
#![cfg(test)]

mod laws;
mod pair;
mod peer;
mod sessions;
