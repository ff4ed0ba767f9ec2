//! The behaviour of an instant messaging service, sans-IO: Participating, Controlling, Deferred, XDMS and Client roles, and the node that composes them.
#![forbid(unsafe_code)]
