//! SIP for instant messaging, sans-IO: messages, transactions, dialogs, subscriptions, MIME, SDP for MSRP, identity and privacy.
#![forbid(unsafe_code)]
