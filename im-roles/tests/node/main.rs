//! A node as its host sees it: octets and answers in, octets, effects and events out, in virtual time.

mod authentication;
mod deferral;
mod delivery;
mod documents;
mod laws;
mod sessions;
mod world;
