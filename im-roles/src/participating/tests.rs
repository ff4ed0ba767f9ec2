//! Behaviour of the machine on its own.
