//! Header fields whose value is a number: `CSeq`, `RAck`, Max-Forwards, Max-Breadth, Content-Length, Expires, Min-Expires,
//! Retry-After, `RSeq`, Flow-Timer.

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, Params};
use crate::codec::view::{self, CSeqView, Viewed};
use crate::error::ParseError;
use crate::{ByteStr, Method};

/// The sequence number and method of a request (RFC 3261 20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CSeq {
    /// Less than 2^31.
    pub seq: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// A sequence number, which must be less than 2^31 to be written.
    pub fn new(seq: u32, method: Method) -> Self {
        Self { seq, method }
    }
}

impl Header for CSeq {
    const NAME: HeaderName = HeaderName::CSEQ;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let view = CSeqView::read(&mut cursor)?;
        cursor.finish()?;
        let (seq, method) = (view.seq, Method::parse(view.method)?);
        Ok(Self { seq, method })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{} {}", self.seq, self.method)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident($inner:ty), $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(clippy::exhaustive_structs, reason = "the header field is this number and no more")]
        pub struct $type(pub $inner);

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let mut cursor = Cursor::new(value);
                cursor.space();
                let number = cursor.number()?;
                cursor.finish()?;
                Ok(Self(number))
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                write!(out, "{}", self.0)
            }
        }

        impl Viewed for $type {
            type View<'a> = Self;

            fn view(text: &str, at: usize) -> Result<(Self, usize), ParseError> {
                view::value::<Self, _>(text, at, |cursor| cursor.number().map(Self))
            }
        }
    };
}

number! {
    /// How many more hops the request may take (RFC 3261 20.22).
    MaxForwards(u8), MAX_FORWARDS
}
number! {
    /// The length of the body in octets (RFC 3261 20.14).
    ContentLength(u64), CONTENT_LENGTH
}
number! {
    /// For how many seconds the message or its content is valid (RFC 3261 20.19).
    Expires(u32), EXPIRES
}
number! {
    /// The shortest expiration in seconds that is accepted (RFC 3261 20.23).
    MinExpires(u32), MIN_EXPIRES
}
number! {
    /// The number of a reliable provisional response (RFC 3262 7.1).
    RSeq(u32), RSEQ
}

number! {
    /// Into how many branches at once the request may be split further (RFC 5393 5.3.3).
    MaxBreadth(u32), MAX_BREADTH
}
number! {
    /// After how many seconds without a keep-alive the server takes the flow for dead (RFC 5626 5.4).
    FlowTimer(u32), FLOW_TIMER
}

/// The reliable provisional response that a PRACK acknowledges (RFC 3262 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RAck {
    /// Its `RSeq`.
    pub rseq: u32,
    /// Its `CSeq`.
    pub cseq: CSeq,
}

impl RAck {
    /// A response with these `RSeq` and `CSeq`.
    pub fn new(rseq: u32, cseq: CSeq) -> Self {
        Self { rseq, cseq }
    }
}

impl Header for RAck {
    const NAME: HeaderName = HeaderName::RACK;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let rseq = cursor.number()?;
        let start = cursor.position();
        if !cursor.space() {
            return cursor.unexpected();
        }
        let cseq = CSeq::parse(&cursor.slice(start, value.len())).map_err(|error| error.shifted(start))?;
        Ok(Self { rseq, cseq })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{} ", self.rseq)?;
        self.cseq.write(out)
    }
}

/// When to try again (RFC 3261 20.33).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryAfter {
    /// In this many seconds.
    pub seconds: u32,
    /// Such as `duration`.
    pub params: Params,
}

impl RetryAfter {
    /// In this many seconds.
    pub fn new(seconds: u32) -> Self {
        Self {
            seconds,
            params: Params::new(),
        }
    }
}

impl Header for RetryAfter {
    const NAME: HeaderName = HeaderName::RETRY_AFTER;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let seconds = cursor.number()?;
        cursor.space();
        if cursor.peek() == Some(b'(') {
            cursor.comment()?;
        }
        let params = Params::parse(&mut cursor)?;
        cursor.finish()?;
        Ok(Self { seconds, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", self.seconds)?;
        self.params.write(out)
    }
}
