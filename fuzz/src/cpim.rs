//! However an envelope is cut, its head is read alike; what is read is written back octet for octet; and what is built of
//! the fields that were read is read as the same.

use bytes::Bytes;
use msrp::cpim::{CpimError, DateTime, Head, HeadParser, Limits, Message, Progress};

use crate::pieces;

/// The first octet says how long the pieces are, the rest is the envelope.
pub fn cpim(data: &[u8]) {
    let Some((octets, step)) = pieces(data) else {
        return;
    };
    let whole = Message::parse(&octets);
    let cut = head_in_pieces(&octets, step);
    match (&whole, &cut) {
        (Ok(message), Ok((head, consumed))) => {
            assert_eq!(message.head(), head, "cutting changes the head");
            assert_eq!(message.content(), &octets.slice(*consumed..));
        }
        (Err(one), Err(other)) => assert_eq!(one.kind, other.kind, "cutting changes the error"),
        _ => panic!("cutting into pieces of {step} changes what is read: {whole:?}, {cut:?}"),
    }
    let Ok(message) = whole else { return };
    assert_eq!(message.to_bytes(), octets, "writing changes what was read");
    if let Some(date) = message.date_time() {
        assert_eq!(DateTime::parse(&date.to_string()).as_ref(), Ok(date));
    }
    rebuild(&message);
}

fn head_in_pieces(octets: &Bytes, step: usize) -> Result<(Head, usize), CpimError> {
    let mut parser = HeadParser::new(Limits::default());
    let mut before = 0;
    for piece in octets.chunks(step) {
        match parser.push(piece)? {
            Progress::Done { head, consumed } => return Ok((*head, before + consumed)),
            _ => before += piece.len(),
        }
    }
    // What is missing is told by the whole only.
    match Message::parse(octets) {
        Err(error) => Err(error),
        Ok(_) => panic!("a whole envelope is not whole in pieces"),
    }
}

/// Builds an envelope of what was read, and reads it.
fn rebuild(message: &Message) {
    let mut builder = Message::builder().content(message.content_type().clone(), message.content().clone());
    if let Some(from) = message.from() {
        builder = builder.from(from.name.as_deref(), &from.uri);
    }
    for to in message.to() {
        builder = builder.to(to.name.as_deref(), &to.uri);
    }
    for cc in message.cc() {
        builder = builder.cc(cc.name.as_deref(), &cc.uri);
    }
    for subject in message.subjects() {
        builder = builder.subject(subject.language.as_deref(), &subject.text);
    }
    if let Some(id) = message.imdn_message_id() {
        builder = builder.imdn_message_id(id);
    }
    for notification in message.disposition_notification() {
        builder = builder.disposition_notification(notification);
    }
    // A language or an identifier that is no token cannot be written.
    let Ok(built) = builder.build() else { return };
    let read = match Message::parse(&built.to_bytes()) {
        Ok(read) => read,
        // Escapes make a field longer, up to the limit.
        Err(error) if error.kind == msrp::cpim::CpimErrorKind::TooLarge => return,
        Err(error) => panic!("what was built cannot be read: {error}"),
    };
    assert_eq!(
        (read.from(), read.to(), read.cc()),
        (message.from(), message.to(), message.cc())
    );
    assert_eq!(read.subjects(), message.subjects());
    assert_eq!(read.imdn_message_id(), message.imdn_message_id());
    assert_eq!(
        read.disposition_notification(),
        message.disposition_notification()
    );
    assert_eq!(read.content(), message.content());
}
