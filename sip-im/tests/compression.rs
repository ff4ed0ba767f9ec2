//! The hook for a compressor: what goes out and comes in on the flows that are marked (RFC 3486, RFC 5049).
#![cfg(test)]

mod machines;

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use machines::{answer, entropy, epoch, request, uri};
use sip_im::endpoint::{Config, Endpoint, Event, Input, Target, Transmit};
use sip_im::ims::{Compressor, DecompressError};
use sip_im::{FlowId, Method, StatusCode, Transport};

const FLOW: FlowId = FlowId(1);

/// Repeats of an octet are counted; each message has a mark in front and its length behind that.
#[derive(Default)]
struct Toy {
    /// What came of streams and is no whole message yet.
    pending: BTreeMap<FlowId, Vec<u8>>,
}

fn pack(message: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    for run in message.chunk_by(|one, next| one == next) {
        for part in run.chunks(255) {
            packed.extend([u8::try_from(part.len()).expect("at most 255"), part[0]]);
        }
    }
    packed
}

impl Compressor for Toy {
    fn compress(&mut self, _: FlowId, message: Bytes) -> Bytes {
        let packed = pack(&message);
        let mut octets = vec![0xff];
        octets.extend(u32::try_from(packed.len()).expect("small").to_be_bytes());
        octets.extend(packed);
        octets.into()
    }

    fn decompress(&mut self, flow: FlowId, octets: Bytes, most: usize) -> Result<Bytes, DecompressError> {
        let pending = self.pending.entry(flow).or_default();
        pending.extend_from_slice(&octets);
        let mut message = Vec::new();
        while let Some(first) = pending.first() {
            if *first != 0xff {
                return Err(DecompressError::Malformed);
            }
            let Some(length) = pending.get(1..5) else { break };
            let length = u32::from_be_bytes(length.try_into().expect("four")) as usize;
            let Some(packed) = pending.get(5..5 + length) else {
                break;
            };
            for pair in packed.chunks_exact(2) {
                if message.len() + usize::from(pair[0]) > most {
                    return Err(DecompressError::TooLarge);
                }
                message.extend(std::iter::repeat_n(pair[1], usize::from(pair[0])));
            }
            pending.drain(..5 + length);
        }
        Ok(message.into())
    }

    fn forget(&mut self, flow: FlowId) {
        self.pending.remove(&flow);
    }
}

/// One that does not keep to its limit.
struct Careless;
impl Compressor for Careless {
    fn compress(&mut self, _: FlowId, message: Bytes) -> Bytes {
        message
    }
    fn decompress(&mut self, _: FlowId, _: Bytes, most: usize) -> Result<Bytes, DecompressError> {
        Ok(vec![b' '; most + 1].into())
    }
}

fn end(transport: Transport, compressor: bool, now: Instant) -> Endpoint {
    let mut endpoint = Endpoint::new(Config::default(), entropy(5));
    if compressor {
        endpoint.set_compressor(Box::new(Toy::default()));
    }
    let input = Input::Opened {
        flow: FLOW,
        transport,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "192.0.2.2:5060".parse().expect("an address"),
        open: None,
        trusted: false,
    };
    endpoint.handle_input(input, now);
    while endpoint.poll_event().is_some() {}
    endpoint
}

fn sent(endpoint: &mut Endpoint, now: Instant) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit(now) {
        if let Transmit::Send { data, .. } = transmit {
            all.push(data);
        }
    }
    all
}

fn give(endpoint: &mut Endpoint, data: Bytes, now: Instant) {
    endpoint.handle_input(Input::Received { flow: FLOW, data }, now);
}

#[test]
fn both_ways_of_a_marked_flow_are_compressed_however_a_stream_is_cut() {
    let now = epoch();
    for (transport, cut) in [
        (Transport::Udp, usize::MAX),
        (Transport::Tcp, usize::MAX),
        (Transport::Tcp, 1),
    ] {
        let (mut alice, mut bob) = (end(transport, true, now), end(transport, true, now));
        assert!(alice.compress(FLOW, true) && bob.compress(FLOW, true));
        alice
            .send(request(Method::Options, "c"), Target::Flow(FLOW), now)
            .expect("sent");
        for data in sent(&mut alice, now) {
            assert_eq!(data[0], 0xff);
            for piece in data.chunks(cut.min(data.len())) {
                give(&mut bob, Bytes::copy_from_slice(piece), now);
            }
        }
        let Some(Event::RequestReceived {
            transaction, request, ..
        }) = bob.poll_event()
        else {
            panic!("no request over {transport}")
        };
        bob.respond(transaction, answer(&request, StatusCode::OK), now)
            .expect("answered");
        for data in sent(&mut bob, now) {
            assert_eq!(data[0], 0xff);
            give(&mut alice, data, now);
        }
        assert!(matches!(alice.poll_event(), Some(Event::ResponseReceived { .. })));
    }
}

//= https://www.rfc-editor.org/rfc/rfc3486#section-4
//= type=test
//# If the next-hop URI contains the parameter comp=sigcomp, the client
//# SHOULD compress the request using SigComp as defined in [2].
#[test]
fn a_uri_that_asks_for_compression_marks_the_flow() {
    let now = epoch();
    for (to, compressor, compressed) in [
        ("sip:bob@192.0.2.2;comp=sigcomp", true, true),
        ("sip:bob@192.0.2.2;comp=other", true, false),
        ("sip:bob@192.0.2.2", true, false),
        ("sip:bob@192.0.2.2;comp=sigcomp", false, false),
    ] {
        let mut endpoint = end(Transport::Udp, compressor, now);
        let mut options = request(Method::Options, "c");
        options.set_uri(uri(to));
        endpoint.send(options, Target::Flow(FLOW), now).expect("sent");
        assert_eq!(endpoint.is_compressed(FLOW), compressed, "{to}");
        let data = sent(&mut endpoint, now).remove(0);
        assert_eq!(data.starts_with(b"OPTIONS "), !compressed, "{to}");
        endpoint.close(FLOW, now);
        assert!(!endpoint.is_compressed(FLOW));
    }
}

#[test]
fn an_unmarked_flow_and_a_closed_one_are_left_alone() {
    let now = epoch();
    let mut endpoint = end(Transport::Udp, true, now);
    let plain = request(Method::Options, "c");
    endpoint.send(plain, Target::Flow(FLOW), now).expect("sent");
    assert!(sent(&mut endpoint, now)[0].starts_with(b"OPTIONS "));
    assert!(endpoint.compress(FLOW, true) && endpoint.compress(FLOW, false));
    assert!(!endpoint.is_compressed(FLOW));
    assert!(!endpoint.compress(FlowId(9), true) && !endpoint.is_compressed(FlowId(9)));
}

#[test]
fn what_cannot_be_decompressed_costs_a_datagram_or_a_stream() {
    let now = epoch();
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut endpoint = end(transport, true, now);
        endpoint.compress(FLOW, true);
        give(&mut endpoint, Bytes::from_static(b"\x00\x01\x02"), now);
        let Some(Event::NotDecompressed { flow, error }) = endpoint.poll_event() else {
            panic!("nothing is told")
        };
        assert_eq!((flow, error), (FLOW, DecompressError::Malformed));
        assert_eq!(endpoint.flow_info(FLOW).is_some(), transport == Transport::Udp);
    }
}

#[test]
fn a_bomb_of_zeros_is_not_unpacked() {
    let now = epoch();
    let mut bomb = Toy::default();
    let data = bomb.compress(FLOW, vec![0; 100_000].into());
    assert!(data.len() < 1_000);
    let mut endpoint = end(Transport::Udp, true, now);
    endpoint.compress(FLOW, true);
    give(&mut endpoint, data, now);
    assert!(matches!(
        endpoint.poll_event(),
        Some(Event::NotDecompressed {
            error: DecompressError::TooLarge,
            ..
        })
    ));

    let mut endpoint = end(Transport::Udp, false, now);
    endpoint.set_compressor(Box::new(Careless));
    endpoint.compress(FLOW, true);
    give(&mut endpoint, Bytes::from_static(b"x"), now);
    assert!(matches!(
        endpoint.poll_event(),
        Some(Event::NotDecompressed {
            error: DecompressError::TooLarge,
            ..
        })
    ));
}
