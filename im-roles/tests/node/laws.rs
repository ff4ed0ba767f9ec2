//! The laws of every machine, on the node.
