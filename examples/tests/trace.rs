//! What a capture holds.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be unwrapped fails the test"
)]

mod common;

use std::net::SocketAddr;

use bytes::Bytes;
use common::Folder;
use examples::trace::{Line, Recorder, Way};
use im_roles::flow::Protocol;

/// The packets of a capture, after its blocks were found to be sound.
fn packets(capture: &[u8]) -> Vec<Vec<u8>> {
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0x0a0d_0d0a);
    assert_eq!(word(8), 0x1a2b_3c4d);
    let (mut at, mut kinds, mut packets) = (0, Vec::new(), Vec::new());
    while at < capture.len() {
        let length = usize::try_from(word(at + 4)).unwrap();
        assert_eq!(length % 4, 0);
        assert_eq!(word(at + length - 4), word(at + 4));
        kinds.push(word(at));
        if word(at) == 6 {
            let captured = usize::try_from(word(at + 20)).unwrap();
            assert_eq!(word(at + 20), word(at + 24));
            packets.push(capture[at + 28..at + 28 + captured].to_vec());
        }
        at += length;
    }
    assert_eq!(kinds[..2], [0x0a0d_0d0a, 1]);
    assert!(kinds[2..].iter().all(|kind| *kind == 6));
    packets
}

fn sum(octets: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

/// Protocol, ports, sequence number and payload of an IPv4 packet, after its checksums were found to be right.
fn ipv4(packet: &[u8]) -> (u8, u16, u16, u32, Vec<u8>) {
    assert_eq!(packet[12..14], [8, 0]);
    let ip = &packet[14..];
    assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), ip.len());
    assert_eq!(sum(&ip[..20]), 0xffff);
    let segment = &ip[20..];
    let mut pseudo = ip[12..20].to_vec();
    pseudo.extend([0, ip[9]]);
    pseudo.extend(u16::try_from(segment.len()).unwrap().to_be_bytes());
    pseudo.extend(segment);
    assert_eq!(sum(&pseudo), 0xffff);
    let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    let (sequence, header) = match ip[9] {
        6 => (u32::from_be_bytes(segment[4..8].try_into().unwrap()), 20),
        _ => (0, 8),
    };
    (ip[9], port(0), port(2), sequence, segment[header..].to_vec())
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn a_capture_has_one_message_a_segment_on_the_protocols_ports() {
    let folder = Folder::new("trace");
    let path = folder.path().join("t.pcapng");
    let recorder = Recorder::new();
    recorder.capture_to(&path).unwrap();
    recorder.well_known(at(40_001), Protocol::Sip);
    recorder.well_known(at(40_002), Protocol::Msrp);
    let line = Line::stream(Protocol::Sip, at(50_001), at(40_001));
    let request = "OPTIONS sip:x SIP/2.0\r\nContent-Length: 3\r\n\r\nabc";
    let (first, second) = request.split_at(30);
    recorder.record(&line, Way::Sent, &Bytes::from(first));
    recorder.record(&line, Way::Sent, &Bytes::from(format!("{second}{request}")));
    recorder.record(&line, Way::Received, &Bytes::from("SIP/2.0 200 OK\r\n\r\n"));
    recorder.record(
        &Line::datagram(Protocol::Sip, at(50_003), at(40_001)),
        Way::Received,
        &Bytes::from("odd"),
    );
    let msrp = Line::stream(Protocol::Msrp, at(50_002), at(40_002));
    let large = format!(
        "MSRP aaaa SEND\r\n\r\n{}\r\n-------aaaa$\r\n",
        "x".repeat(100_000)
    );
    recorder.record(&msrp, Way::Sent, &Bytes::from(large.clone()));
    recorder.finish().unwrap();

    let packets = packets(&std::fs::read(&path).unwrap());
    let packets: Vec<_> = packets.iter().map(|packet| ipv4(packet)).collect();
    let data: Vec<_> = packets.iter().filter(|packet| !packet.4.is_empty()).collect();
    assert_eq!(packets.len() - data.len(), 6, "two handshakes");
    let seen: Vec<_> = data
        .iter()
        .map(|(protocol, from, to, _, _)| (*protocol, *from, *to))
        .collect();
    assert_eq!(
        seen,
        [
            (6, 50_001, 5060),
            (6, 50_001, 5060),
            (6, 5060, 50_001),
            (17, 5060, 50_003),
            (6, 50_002, 2855),
            (6, 50_002, 2855)
        ]
    );
    assert_eq!(data[0].4, request.as_bytes());
    assert_eq!(data[1].4, request.as_bytes());
    assert_eq!(data[1].3 - data[0].3, u32::try_from(request.len()).unwrap());
    assert_eq!([data[4].4.clone(), data[5].4.clone()].concat(), large.as_bytes());
    assert_eq!(usize::try_from(data[5].3 - data[4].3).unwrap(), data[4].4.len());
}

#[test]
fn what_two_parties_of_one_process_say_is_recorded_once() {
    let folder = Folder::new("trace-both");
    let path = folder.path().join("t.pcapng");
    let recorder = Recorder::new();
    recorder.capture_to(&path).unwrap();
    recorder.local(at(1), "alice");
    recorder.local(at(2), "bob");
    let octets = Bytes::from("MSRP a1 200 OK\r\n-------a1$\r\n");
    recorder.record(&Line::stream(Protocol::Msrp, at(1), at(2)), Way::Sent, &octets);
    recorder.record(
        &Line::stream(Protocol::Msrp, at(2), at(1)),
        Way::Received,
        &octets,
    );
    recorder.finish().unwrap();
    let packets = packets(&std::fs::read(&path).unwrap());
    assert_eq!(
        packets.iter().filter(|packet| !ipv4(packet).4.is_empty()).count(),
        1
    );
}

#[test]
fn a_message_that_never_ends_is_in_the_capture_all_the_same() {
    let folder = Folder::new("trace-rest");
    let path = folder.path().join("t.pcapng");
    let recorder = Recorder::new();
    recorder.capture_to(&path).unwrap();
    recorder.record(
        &Line::stream(Protocol::Sip, at(1), at(2)),
        Way::Sent,
        &Bytes::from("INVITE sip:"),
    );
    recorder.finish().unwrap();
    let packets = packets(&std::fs::read(&path).unwrap());
    assert!(packets.iter().any(|packet| ipv4(packet).4 == b"INVITE sip:"));
}
