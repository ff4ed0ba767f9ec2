//! From lists to recipients: nesting, duplicates, copy control, and what each recipient may learn of the others.

mod recipients;

pub use recipients::{ListError, Options, Recipient, Recipients, recipients};
