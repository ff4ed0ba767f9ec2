//! Multipart bodies inside one another (RFC 5621 3).

use bytes::Bytes;

use super::multipart::whole;
use super::{Limits, Multipart, MultipartError, MultipartErrorKind, Part};
use crate::header::Headers;

impl Part {
    /// The parts of a part that is multipart itself.
    ///
    /// # Errors
    ///
    /// As [`Multipart::parse`]; a part that is not multipart has none.
    pub fn parts(&self, limits: &Limits) -> Result<Multipart, MultipartError> {
        Multipart::parse(self.content_type(), self.body(), limits)
    }
}

/// The parts of a message's body that are not multipart themselves, in order, however deep they are: all alternatives, and
/// all that belongs to a root. A body that is not multipart is one part, no body is none.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::ContentType;
/// use sip_im::header::Headers;
/// use sip_im::mime::{Limits, leaf_parts};
/// let mut headers = Headers::new();
/// headers.push_typed(&ContentType::parse("multipart/mixed;boundary=a")?)?;
/// let body = "--a\r\nContent-Type: multipart/alternative;boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n\
///             Content-Type: text/html\r\n\r\n<p>rich\r\n--b--\r\n--a\r\n\r\nmore\r\n--a--";
/// let leaves = leaf_parts(&headers, &Bytes::from(body), &Limits::default())?;
/// let bodies: Vec<&[u8]> = leaves.iter().map(|part| part.body().as_ref()).collect();
/// assert_eq!(bodies, [&b"plain"[..], b"<p>rich", b"more"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Fails when a part cannot be read, with [`MultipartErrorKind::LimitExceeded`] when there are too many parts or they are
/// nested too deep. The offset is that in the innermost multipart body.
pub fn leaf_parts(headers: &Headers, body: &Bytes, limits: &Limits) -> Result<Vec<Part>, MultipartError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let too_much = MultipartError::new(MultipartErrorKind::LimitExceeded, 0);
    let mut leaves = Vec::new();
    // Those that are still to be looked at, the next one last, each with how many bodies it is inside of.
    let mut waiting = vec![(whole(headers, body)?, 0_usize)];
    let mut count: usize = 0;
    while let Some((part, depth)) = waiting.pop() {
        if !part.is_multipart() {
            leaves.push(part);
            continue;
        }
        if depth >= limits.depth {
            return Err(too_much);
        }
        let parts = part.parts(limits)?.into_parts();
        count = count.saturating_add(parts.len());
        if count > limits.parts {
            return Err(too_much);
        }
        let deeper = depth.saturating_add(1);
        waiting.extend(parts.into_iter().rev().map(|part| (part, deeper)));
    }
    Ok(leaves)
}
