//! A stream cut into messages.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;
use thiserror::Error;

use super::head::{self, Found, Head};
use super::{Continuation, Leniency, Limits};
use crate::TransactionId;
use crate::header::Headers;

/// A piece of a stream. Its `Debug` tells a body's length, not its contents.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "a head is taken apart where it comes out; an allocation for each costs more than the move"
)]
pub enum Frame {
    /// A message begins.
    Head(Head),
    /// Octets of its body, at least one; how a body is cut means nothing.
    Body(Bytes),
    /// The message ends.
    End(Continuation),
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(head) => f.debug_tuple("Head").field(head).finish(),
            Self::Body(body) => write!(f, "Body({} octets)", body.len()),
            Self::End(continuation) => f.debug_tuple("End").field(continuation).finish(),
        }
    }
}

/// Why a stream cannot be read on; the connection is of no more use.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// What should begin a message does not.
    #[error("no start line")]
    StartLine,
    /// A head is longer than the limits allow.
    #[error("head is too long")]
    HeadTooLong,
}

/// Cuts a stream into frames.
///
/// ```
/// use bytes::Bytes;
/// use msrp::codec::{Continuation, Decoder, Frame, Leniency, Limits};
///
/// let mut decoder = Decoder::new(Limits::default(), Leniency::default());
/// decoder.push(Bytes::from(concat!(
///     "MSRP d93kswow SEND\r\n",
///     "To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n",
///     "From-Path: msrp://alice.example.com:7777/iau39soe2843z;tcp\r\n",
///     "Message-ID: 12339sdqwer\r\n",
///     "Content-Type: text/plain\r\n\r\n",
///     "Hi, I'm Alice!\r\n",
///     "-------d93kswow$\r\n",
/// )));
/// let Some(Frame::Head(head)) = decoder.next()? else { panic!("no head") };
/// assert_eq!(head.headers.value("Message-ID"), Some("12339sdqwer"));
/// assert_eq!(decoder.next()?, Some(Frame::Body(Bytes::from("Hi, I'm Alice!"))));
/// assert_eq!(decoder.next()?, Some(Frame::End(Continuation::Complete)));
/// assert_eq!(decoder.next()?, None);
/// # Ok::<(), msrp::codec::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    leniency: Leniency,
    finder: Finder<'static>,
    input: Bytes,
    queued: VecDeque<Bytes>,
    state: State,
    found: Found,
    /// The octets of the head that was found, if it was cut.
    carried_head: Option<Bytes>,
}

#[derive(Debug)]
enum State {
    /// Between messages, or in a head.
    Head(HeadScan),
    /// In a body.
    Body(BodyScan),
    /// The end of a message is due, and what says so has been taken from the input.
    Ended(Continuation),
    Failed(DecodeError),
}

/// What comes next. It holds no octets: what is handed out is made where it is to stay, since a copy of what was written
/// a moment ago is waited for.
#[derive(Clone, Copy)]
enum Step {
    /// The head that was found last.
    Head,
    /// So many octets of a body are next, and behind them so many of an end-line.
    Body {
        length: usize,
        end_line: usize,
    },
    /// All that is here is body up to so many octets, and the octets behind are held back.
    Rest {
        length: usize,
    },
    /// What was held back is body.
    Released,
    End(Continuation),
    Nothing,
}

/// How far a head has been looked through.
#[derive(Debug, Default)]
struct HeadScan {
    /// What of it came in earlier pieces.
    carried: BytesMut,
    /// Where its present line begins.
    line: usize,
    /// From where on to look for that line's end.
    from: usize,
    transaction: Option<TransactionId>,
}

#[derive(Debug)]
struct BodyScan {
    transaction: TransactionId,
    /// How many octets are held back because they may begin the end-line. They equal its beginning, so that the
    /// number is enough to tell them.
    held: usize,
    flag: Option<Continuation>,
}

impl Decoder {
    /// Creates a decoder at the start of a stream.
    pub fn new(limits: Limits, leniency: Leniency) -> Self {
        Self {
            limits,
            leniency,
            finder: Finder::new(START),
            input: Bytes::new(),
            queued: VecDeque::new(),
            state: State::Head(HeadScan::default()),
            found: Found::new(),
            carried_head: None,
        }
    }

    /// Takes octets; [`Decoder::next`] is to be called until it gives `None`.
    pub fn push(&mut self, octets: Bytes) {
        if self.input.is_empty() {
            self.input = octets;
        } else {
            self.queued.push_back(octets);
        }
    }

    /// Gives the next frame; none if more octets are needed.
    ///
    /// # Errors
    ///
    /// Fails, and goes on failing, when the stream is not MSRP.
    #[expect(clippy::should_implement_trait, reason = "it is not over when it gives none")]
    pub fn next(&mut self) -> Result<Option<Frame>, DecodeError> {
        match self.step()? {
            Step::Head => Ok(Some(Frame::Head(self.take_head()))),
            Step::Body { length, end_line } => {
                let frame = Frame::Body(self.input.split_to(length.min(self.input.len())));
                self.input.advance(end_line.min(self.input.len()));
                Ok(Some(frame))
            }
            Step::Rest { length } => {
                let mut body = std::mem::take(&mut self.input);
                body.truncate(length);
                Ok(Some(Frame::Body(body)))
            }
            Step::Released => match &mut self.state {
                State::Body(scan) => Ok(Some(Frame::Body(scan.release()))),
                _ => Ok(None),
            },
            Step::End(continuation) => Ok(Some(Frame::End(continuation))),
            Step::Nothing => Ok(None),
        }
    }

    fn step(&mut self) -> Result<Step, DecodeError> {
        loop {
            if self.input.is_empty()
                && let Some(octets) = self.queued.pop_front()
            {
                self.input = octets;
            }
            match &mut self.state {
                State::Head(_) => {
                    if self.find_head()? {
                        return Ok(Step::Head);
                    }
                }
                State::Body(_) => {
                    if let Some(step) = self.next_body() {
                        return Ok(step);
                    }
                }
                State::Ended(continuation) => {
                    let continuation = *continuation;
                    self.state = State::Head(HeadScan::default());
                    return Ok(Step::End(continuation));
                }
                State::Failed(error) => return Err(*error),
            }
            if self.input.is_empty() {
                // The buffer that it was part of is not to be kept alive.
                self.input = Bytes::new();
                if self.queued.is_empty() {
                    return Ok(Step::Nothing);
                }
            }
        }
    }

    /// Says whether the stream is in the middle of a message.
    pub fn is_inside(&self) -> bool {
        match &self.state {
            State::Head(scan) => !scan.carried.is_empty(),
            State::Body(_) | State::Ended(_) => true,
            State::Failed(_) => false,
        }
    }

    /// Looks for a head; says whether it is all there and known.
    fn find_head(&mut self) -> Result<bool, DecodeError> {
        let State::Head(scan) = &mut self.state else {
            return Ok(false);
        };
        if self.leniency.blank_lines && scan.carried.is_empty() {
            while self.input.starts_with(b"\r\n") {
                self.input.advance(2);
            }
        }
        let most = self.limits.head_octets.min(Headers::MAX_OCTETS);
        // A head is read where it lies, in one go if it is whole; only one that is cut is copied, and then no more than
        // a head may have. Of that one the end is found first, so that however it is cut nothing is read twice.
        if scan.carried.is_empty() {
            let text = self.input.get(..self.input.len().min(most)).unwrap_or_default();
            match self.found.find(text, &self.limits, self.leniency) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
        let mut carried = std::mem::take(&mut scan.carried);
        let earlier = carried.len();
        let taken = self.input.len().min(most.saturating_sub(earlier));
        carried.extend_from_slice(self.input.get(..taken).unwrap_or_default());
        if earlier > 0 && self.leniency.blank_lines && carried.starts_with(b"\r\n") {
            // Nothing but a carriage return is carried that may begin a blank line.
            self.input.advance(taken.min(1));
            *scan = HeadScan::default();
            return Ok(false);
        }
        match scan.find_end(&carried, self.leniency.blank_lines) {
            Ok(true) => {}
            Ok(false) => {
                if carried.len() >= most {
                    return Err(self.fail(DecodeError::HeadTooLong));
                }
                scan.carried = carried;
                self.input.clear();
                return Ok(false);
            }
            Err(error) => return Err(self.fail(error)),
        }
        match self.found.find(&carried, &self.limits, self.leniency) {
            Ok(true) => {
                let behind = self.found.consumed.saturating_sub(earlier);
                self.input.advance(behind.min(self.input.len()));
                self.carried_head = Some(carried.freeze());
                Ok(true)
            }
            // The end was found just now.
            Ok(false) => Err(self.fail(DecodeError::HeadTooLong)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Begins the message whose head was found, in the input or in what was carried over.
    fn take_head(&mut self) -> Head {
        self.state = match self.found.end {
            Some(continuation) => State::Ended(continuation),
            None => State::Body(BodyScan {
                transaction: self.found.transaction,
                held: 0,
                flag: None,
            }),
        };
        let Found { length, consumed, .. } = self.found;
        let mut text = match self.carried_head.take() {
            Some(text) => text,
            None => self.input.split_to(consumed.min(self.input.len())),
        };
        text.truncate(length);
        self.found.take(text)
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.state = State::Failed(error);
        self.input = Bytes::new();
        self.queued.clear();
        error
    }

    fn next_body(&mut self) -> Option<Step> {
        let State::Body(scan) = &mut self.state else {
            return None;
        };
        // An end-line that was cut is compared octet by octet.
        while scan.held > 0 {
            let octet = *self.input.first()?;
            if scan.takes(octet) {
                self.input.advance(1);
                if scan.held == scan.length() {
                    let flag = scan.flag?;
                    self.state = State::Head(HeadScan::default());
                    return Some(Step::End(flag));
                }
            } else {
                // No later octet of what is held can begin an end-line: only the first is a carriage return, and one
                // before the last, which this octet would have to follow as a line feed.
                return Some(Step::Released);
            }
        }
        let mut from = 0_usize;
        while let Some(at) = self.input.get(from..).and_then(|rest| self.finder.find(rest)) {
            let start = from.saturating_add(at);
            let rest = self.input.get(start..).unwrap_or_default();
            let matched = scan.matches(rest);
            if matched == scan.length() {
                let flag = scan.flag?;
                if start > 0 {
                    self.state = State::Ended(flag);
                    let (length, end_line) = (start, matched);
                    return Some(Step::Body { length, end_line });
                }
                self.input.advance(matched.min(self.input.len()));
                self.state = State::Head(HeadScan::default());
                return Some(Step::End(flag));
            }
            if matched == rest.len() {
                return self.hold_back(matched);
            }
            from = start.saturating_add(START.len());
        }
        // The beginning of an end-line may be the end of what is here.
        let tail = self.input.len().saturating_sub(START.len() - 1).max(from);
        let held = self.input.get(tail..).unwrap_or_default();
        let held = (0..held.len()).find_map(|at| held.get(at..).filter(|rest| START.starts_with(rest)));
        let held = held.map_or(0, <[u8]>::len);
        self.hold_back(held)
    }

    /// Gives all that is here as body but the last octets, of the number given.
    fn hold_back(&mut self, held: usize) -> Option<Step> {
        if let State::Body(scan) = &mut self.state {
            scan.held = held;
        }
        let length = self.input.len().saturating_sub(held);
        if length == 0 {
            self.input = Bytes::new();
            None
        } else {
            Some(Step::Rest { length })
        }
    }
}

impl HeadScan {
    /// Says whether the head has ended.
    fn find_end(&mut self, text: &[u8], blank_lines: bool) -> Result<bool, DecodeError> {
        while let Some(at) = text.get(self.from..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let after = self.from.saturating_add(at).saturating_add(1);
            self.from = after;
            let Some(line) = text
                .get(self.line..after)
                .and_then(|line| line.strip_suffix(b"\r\n"))
            else {
                // A bare line feed ends no line.
                continue;
            };
            self.line = after;
            match self.transaction {
                None => {
                    let (id, _) = head::split_start_line(line).ok_or(DecodeError::StartLine)?;
                    self.transaction = Some(id);
                }
                Some(transaction) => {
                    if line.is_empty() || head::end_of(line, &transaction).is_some() {
                        return Ok(true);
                    }
                }
            }
        }
        self.from = text.len();
        // What cannot become a start line need not be waited for.
        let begins = text.get(..text.len().min(5)).unwrap_or_default();
        if self.transaction.is_none() && !b"MSRP ".starts_with(begins) && !(blank_lines && begins == b"\r") {
            return Err(DecodeError::StartLine);
        }
        Ok(false)
    }
}

/// What every end-line after a body begins with.
const START: &[u8] = b"\r\n-------";

impl BodyScan {
    /// The length of the end-line with the line end before it.
    fn length(&self) -> usize {
        START.len() + self.transaction.as_bytes().len() + "$\r\n".len()
    }

    /// Returns how many octets of `text` agree with the end-line.
    fn matches(&mut self, text: &[u8]) -> usize {
        let id = self.transaction.as_bytes();
        let Some(rest) = text.get(START.len()..) else {
            return text.len();
        };
        let known = rest.len().min(id.len());
        if rest.get(..known) != id.get(..known) {
            return 0;
        }
        let rest = rest.get(known..).unwrap_or_default();
        let Some((flag, rest)) = rest.split_first() else {
            return text.len();
        };
        let Some(flag) = Continuation::of(*flag) else {
            return 0;
        };
        self.flag = Some(flag);
        let known = rest.len().min(2);
        if rest.get(..known) != b"\r\n".get(..known) {
            return 0;
        }
        self.length().min(text.len())
    }

    /// Holds one more octet back, if it agrees with the end-line.
    fn takes(&mut self, octet: u8) -> bool {
        let id = self.transaction.as_bytes();
        let fits = match self.held.checked_sub(START.len()) {
            None => START.get(self.held) == Some(&octet),
            Some(at) if at < id.len() => id.get(at) == Some(&octet),
            Some(at) if at == id.len() => {
                self.flag = Continuation::of(octet);
                self.flag.is_some()
            }
            Some(at) if at == id.len().saturating_add(1) => octet == b'\r',
            Some(_) => octet == b'\n',
        };
        if fits {
            self.held = self.held.saturating_add(1);
        }
        fits
    }

    /// Gives what was held back, which is body after all.
    fn release(&mut self) -> Bytes {
        let mut held = Vec::with_capacity(self.length());
        held.extend_from_slice(START);
        held.extend_from_slice(self.transaction.as_bytes());
        if let Some(flag) = self.flag {
            let mut octets = [0; 4];
            held.extend_from_slice(flag.flag().encode_utf8(&mut octets).as_bytes());
        }
        held.push(b'\r');
        held.truncate(self.held);
        self.held = 0;
        self.flag = None;
        held.into()
    }
}
