//! The laws of every machine, given operations and times in any order.
//!
//! 1. Several inputs or commands without polling in between lose nothing. 2. Same inputs, same outputs. 3. After `handle_timeout`
//!    and a drain the next timeout lies ahead. 4. `handle_timeout` before its time changes nothing. 5. No cut of the octets
//!    matters. 6. What is held stays within the limits.
//!
//! `law` has them for any machine; each of the other files has one machine, and what is more to be true of it. Sessions and the pager
//! have files of their own, `session_laws` and `pager`.
#![cfg(test)]

#[path = "../machines/mod.rs"]
mod machines;

mod compositor;
mod endpoint;
mod issuer;
mod law;
mod publication;
mod recipient;
mod registrar;
mod registration;
mod resolver;
