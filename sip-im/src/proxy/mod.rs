//! What a proxy does to the requests that it passes on (RFC 3261 section 16).
