//! What is asked of the DNS, and what it answers.

use core::net::IpAddr;

use thiserror::Error;

/// A question that the resolver asks of the host; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain number that the host hands back"
)]
pub struct QueryId(pub u64);

/// What a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new one has to stop the build of a host"
)]
pub enum RecordType {
    /// Services of a domain (RFC 3403).
    Naptr,
    /// Servers of a service (RFC 2782).
    Srv,
    /// Addresses of version 4.
    A,
    /// Addresses of version 6.
    Aaaa,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Question {
    /// What is asked for.
    pub record: RecordType,
    /// The name that is asked about, in lower case, without a final dot.
    pub name: String,
}

impl Question {
    /// Asks for the records of a name.
    pub fn new(record: RecordType, name: &str) -> Self {
        Self {
            record,
            name: canonical(name),
        }
    }
}

/// A question that the host owes one answer to; without one, [`Config::query_timeout`](super::Config::query_timeout) decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// To be handed back with the answer.
    pub id: QueryId,
    /// What to ask.
    pub question: Question,
}

/// A NAPTR record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the record has these fields and no more"
)]
pub struct Naptr {
    /// Records of a lower order come first, and alone count.
    pub order: u16,
    /// Among records of one order, the lower comes first.
    pub preference: u16,
    /// What the replacement is: `s` for a name that has SRV records.
    pub flags: String,
    /// The service, such as `SIP+D2U`.
    pub service: String,
    /// The name to go on with.
    pub replacement: String,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the record has these fields and no more"
)]
pub struct Srv {
    /// Servers of a lower priority come first.
    pub priority: u16,
    /// The share of requests among servers of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The name of the server; `.` when the service is decidedly not there.
    pub target: String,
}

/// One record of an answer. Records that were not asked for are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A service.
    Naptr(Naptr),
    /// A server of a service.
    Srv(Srv),
    /// An address.
    Address(IpAddr),
}

/// Why there is no answer. That a name does not exist is one: no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No server answered.
    #[error("no name server answered")]
    TimedOut,
    /// A server answered that it could not tell.
    #[error("the name server failed")]
    Failed,
}

/// What the host answers a [`Query`]: the records, in the order in which they came, or why there are none to tell of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a host has to be able to make it, and of just this"
)]
pub struct Answer {
    /// Which query.
    pub id: QueryId,
    /// The records; none where the name has none.
    pub result: Result<Vec<Record>, QueryError>,
}

/// A name as it is asked about: names compare without case, and the dot at their end says nothing.
pub(super) fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
