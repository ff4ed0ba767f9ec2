//! Bodies that come with content codings: undone by the host's decoder, or refused.

use im_roles::client::{DecodeError, Decoder, Event};
use sip_im::header::{AcceptEncoding, ContentEncoding};
use sip_im::{ContentType, Method, Request, Response};

use super::world::World;

/// A coding that writes each octet twice; what is of odd length or differs is broken.
fn doubling() -> Decoder {
    Decoder::new(["x-double"], |coding, octets, most| {
        assert_eq!(coding, "x-double");
        if octets.len() / 2 > most {
            return Err(DecodeError::TooLarge);
        }
        let pairs = octets.chunks(2);
        let single: Option<Vec<u8>> = pairs
            .map(|pair| match pair {
                [one, other] if one == other => Some(*one),
                _ => None,
            })
            .collect();
        single.map(Into::into).ok_or(DecodeError::Malformed)
    })
}

fn doubled(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|octet| [octet, octet]).collect()
}

fn message(world: &mut World, codings: &[&str], body: Vec<u8>) -> Request {
    world
        .incoming(Method::Message, "sip:bob@example.com")
        .header_typed(&ContentEncoding::new(codings.iter().copied()))
        .body(&ContentType::text_plain(), body.into())
        .build()
        .unwrap()
}

fn response(world: &mut World) -> Response {
    world.run();
    world.responses.pop_front().expect("a response").1
}

fn texts(world: &World) -> Vec<&str> {
    let messages = world.events.iter().filter_map(|event| match event {
        Event::MessageReceived(message) => message.text(),
        _ => None,
    });
    messages.collect()
}

fn with_decoder() -> World {
    let mut world = World::new();
    world.register();
    world.client.set_decoder(doubling());
    world
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.3
//= type=test
//# If the request contained content encodings not understood
//# by the UAS, the response MUST contain an Accept-Encoding header field
//# listing the encodings understood by the UAS.
#[test]
fn a_coding_that_is_not_known_is_refused_with_those_that_are() {
    for (decoder, known) in [(None, "identity"), (Some(doubling()), "identity, x-double")] {
        let mut world = World::new();
        world.register();
        if let Some(decoder) = decoder {
            world.client.set_decoder(decoder);
        }
        let request = message(&mut world, &["deflate"], b"anything".to_vec());
        world.send(request);
        let response = response(&mut world);
        assert_eq!(response.status().code(), 415);
        let accepted: AcceptEncoding = response.headers().get().unwrap().unwrap();
        let accepted: Vec<_> = accepted.0.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(accepted.join(", "), known);
        assert_eq!(texts(&world), [""; 0]);
    }
}

#[test]
fn a_coding_that_is_known_is_undone() {
    let mut world = with_decoder();
    let request = message(&mut world, &["X-Double"], doubled("hello"));
    world.send(request);
    assert_eq!(world.status(), 200);
    assert_eq!(texts(&world), ["hello"]);
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-20.12
//= type=test
//# If multiple encodings have been applied to an entity-body, the
//# content codings MUST be listed in the order in which they were
//# applied.
#[test]
fn several_codings_are_undone_from_the_last() {
    let mut world = with_decoder();
    let twice = doubled(&String::from_utf8(doubled("hello")).unwrap());
    let request = message(&mut world, &["x-double", "identity", "x-double"], twice);
    world.send(request);
    assert_eq!(world.status(), 200);
    assert_eq!(texts(&world), ["hello"]);
    let thrice = message(&mut world, &["x-double"; 3], doubled("hello"));
    world.send(thrice);
    assert_eq!(world.status(), 415);
}

#[test]
fn what_is_not_coded_as_it_says_is_a_bad_request() {
    let mut world = with_decoder();
    let request = message(&mut world, &["x-double"], b"hello".to_vec());
    world.send(request);
    assert_eq!(world.status(), 400);
    assert_eq!(texts(&world), [""; 0]);
}

#[test]
fn what_grows_beyond_the_limit_is_refused() {
    let mut world = World::with(|config| config.limits.max_decoded_octets = 4);
    world.register();
    world.client.set_decoder(doubling());
    for (text, status) in [("four", 200), ("fives", 413)] {
        let request = message(&mut world, &["x-double"], doubled(text));
        world.send(request);
        assert_eq!(world.status(), status, "{text}");
    }
    // Nor is a decoder believed that gives more than it was asked for.
    let generous = Decoder::new(["x-double"], |_, octets, _| Ok(octets.to_vec().into()));
    world.client.set_decoder(generous);
    let request = message(&mut world, &["x-double"], b"much more".to_vec());
    world.send(request);
    assert_eq!(world.status(), 413);
    assert_eq!(texts(&world), ["four"]);
}
