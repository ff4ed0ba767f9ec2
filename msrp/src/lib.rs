//! The Message Session Relay Protocol, sans-IO: wire format, connections, sessions and the CPIM envelope.
#![forbid(unsafe_code)]
