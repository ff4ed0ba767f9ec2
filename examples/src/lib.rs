//! What the hosts share: sockets, stores, XCAP over HTTP, traces.
