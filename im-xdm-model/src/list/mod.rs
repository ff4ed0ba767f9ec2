//! From lists to recipients: nesting, duplicates, copy control, and what each recipient may learn of the others.

mod recipients;
mod reference;
mod resolver;

pub use recipients::{ListError, Options, Recipient, Recipients, recipients};
pub use resolver::{Fetch, FetchId, ResolveError, Resolver, ResolverConfig};
