//! Ethernet, IP, TCP and UDP around octets that have travelled without a trace of them.

use std::net::{IpAddr, SocketAddr};

/// The transport's header, checksum still to be set.
pub(super) enum Transport {
    Udp,
    Tcp {
        sequence: u32,
        acknowledgement: u32,
        flags: u8,
    },
}

pub(super) const SYN: u8 = 0x02;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// One frame. `payload` must be at most [`PAYLOAD_LIMIT`] octets.
pub(super) fn frame(
    from: SocketAddr,
    to: SocketAddr,
    transport: &Transport,
    payload: &[u8],
    identification: u16,
) -> Vec<u8> {
    let segment = segment(from, to, transport, payload);
    let protocol = match transport {
        Transport::Udp => 17,
        Transport::Tcp { .. } => 6,
    };
    let mut frame = Vec::with_capacity(segment.len().saturating_add(54));
    frame.extend(hardware(to));
    frame.extend(hardware(from));
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend(0x0800_u16.to_be_bytes());
            let mut header = Vec::with_capacity(20);
            header.extend([0x45, 0]);
            header.extend(short(segment.len().saturating_add(20)).to_be_bytes());
            header.extend(identification.to_be_bytes());
            header.extend([0x40, 0, 64, protocol, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = checksum(&[&header]);
            put(&mut header, 10, sum);
            frame.extend(header);
        }
        (source, destination) => {
            frame.extend(0x86dd_u16.to_be_bytes());
            frame.extend([0x60, 0, 0, 0]);
            frame.extend(short(segment.len()).to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(v6(source));
            frame.extend(v6(destination));
        }
    }
    frame.extend(segment);
    frame
}

fn segment(from: SocketAddr, to: SocketAddr, transport: &Transport, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(payload.len().saturating_add(20));
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    let (protocol, sum_at) = match transport {
        Transport::Udp => {
            segment.extend(short(payload.len().saturating_add(8)).to_be_bytes());
            segment.extend([0, 0]);
            (17, 6)
        }
        Transport::Tcp {
            sequence,
            acknowledgement,
            flags,
        } => {
            segment.extend(sequence.to_be_bytes());
            segment.extend(acknowledgement.to_be_bytes());
            segment.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
            (6, 16)
        }
    };
    segment.extend_from_slice(payload);
    let addresses = match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (source, destination) => [v6(source), v6(destination)].concat(),
    };
    let length = short(segment.len()).to_be_bytes();
    let sum = match checksum(&[&addresses, &[0, protocol], &length, &segment]) {
        // With UDP a zero says that there is no checksum.
        0 if protocol == 17 => 0xffff,
        sum => sum,
    };
    put(&mut segment, sum_at, sum);
    segment
}

/// The Internet checksum (RFC 1071) over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let word = match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                [high] => u16::from_be_bytes([*high, 0]),
                _ => 0,
            };
            sum = sum.wrapping_add(u32::from(word));
            sum = (sum & 0xffff).wrapping_add(sum >> 16);
        }
    }
    !u16::try_from(sum & 0xffff).unwrap_or(0)
}

/// A locally administered address, the same for the same port.
fn hardware(address: SocketAddr) -> [u8; 6] {
    let [high, low] = address.port().to_be_bytes();
    [2, 0, 0, 0, high, low]
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn put(octets: &mut [u8], at: usize, value: u16) {
    let [high, low] = value.to_be_bytes();
    if let Some([first, second]) = octets.get_mut(at..at.saturating_add(2)) {
        (*first, *second) = (high, low);
    }
}

/// What fits below the 65,535 octets of an IP packet.
pub(super) const PAYLOAD_LIMIT: usize = 65_495;
