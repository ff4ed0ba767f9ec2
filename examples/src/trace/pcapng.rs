//! The capture file: pcapng, one section, one Ethernet interface, times in microseconds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

use super::Moment;
use super::frame::{ACK, PAYLOAD_LIMIT, PSH, SYN, Transport, frame};

/// A capture file that is being written.
#[derive(Debug)]
pub(super) struct Capture {
    file: BufWriter<File>,
    /// The next sequence number of each direction of each connection.
    sequences: BTreeMap<(SocketAddr, SocketAddr), u32>,
    packets: u16,
}

impl Capture {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        write_block(&mut file, SECTION_HEADER, &section_header())?;
        write_block(&mut file, INTERFACE_DESCRIPTION, &interface_description())?;
        Ok(Self {
            file,
            sequences: BTreeMap::new(),
            packets: 0,
        })
    }

    pub(super) fn datagram(
        &mut self,
        at: Moment,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let data = data.get(..PAYLOAD_LIMIT).unwrap_or(data);
        self.packet(at, from, to, &Transport::Udp, data, comment)
    }

    /// Octets of a connection, which is opened first when it is new.
    pub(super) fn segment(
        &mut self,
        at: Moment,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        if !self.sequences.contains_key(&(from, to)) {
            self.open(at, from, to)?;
        }
        for part in data.chunks(PAYLOAD_LIMIT) {
            let sequence = self.sequence(from, to);
            let acknowledgement = self.sequence(to, from);
            let transport = Transport::Tcp {
                sequence,
                acknowledgement,
                flags: PSH | ACK,
            };
            self.packet(at, from, to, &transport, part, comment)?;
            let length = u32::try_from(part.len()).unwrap_or(0);
            self.sequences.insert((from, to), sequence.wrapping_add(length));
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// The three-way handshake, begun by the end that has no well-known port.
    fn open(&mut self, at: Moment, from: SocketAddr, to: SocketAddr) -> io::Result<()> {
        let (client, server) = if from.port() < to.port() {
            (to, from)
        } else {
            (from, to)
        };
        let tcp = |sequence, acknowledgement, flags| Transport::Tcp {
            sequence,
            acknowledgement,
            flags,
        };
        self.packet(at, client, server, &tcp(0, 0, SYN), &[], "")?;
        self.packet(at, server, client, &tcp(0, 1, SYN | ACK), &[], "")?;
        self.packet(at, client, server, &tcp(1, 1, ACK), &[], "")?;
        self.sequences.insert((client, server), 1);
        self.sequences.insert((server, client), 1);
        Ok(())
    }

    fn sequence(&self, from: SocketAddr, to: SocketAddr) -> u32 {
        self.sequences.get(&(from, to)).copied().unwrap_or(1)
    }

    fn packet(
        &mut self,
        at: Moment,
        from: SocketAddr,
        to: SocketAddr,
        transport: &Transport,
        data: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        self.packets = self.packets.wrapping_add(1);
        let packet = frame(from, to, transport, data, self.packets);
        let length = u32::try_from(packet.len()).unwrap_or(0);
        let micros = u64::try_from(at.as_micros()).unwrap_or(0);
        let mut body = Vec::with_capacity(packet.len().saturating_add(64));
        body.extend(0_u32.to_le_bytes());
        body.extend(u32::try_from(micros >> 32).unwrap_or(0).to_le_bytes());
        body.extend(u32::try_from(micros & 0xffff_ffff).unwrap_or(0).to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(packet);
        pad(&mut body);
        if !comment.is_empty() {
            option(&mut body, COMMENT, comment.as_bytes());
            option(&mut body, END_OF_OPTIONS, &[]);
        }
        write_block(&mut self.file, ENHANCED_PACKET, &body)
    }
}

fn section_header() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    body.extend((-1_i64).to_le_bytes());
    option(&mut body, USER_APPLICATION, b"im trace");
    option(&mut body, END_OF_OPTIONS, &[]);
    body
}

fn interface_description() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(ETHERNET.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    option(&mut body, INTERFACE_NAME, b"im");
    option(&mut body, TIME_RESOLUTION, &[6]);
    option(&mut body, END_OF_OPTIONS, &[]);
    body
}

fn write_block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len())
        .unwrap_or(0)
        .saturating_add(12)
        .to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(value.get(..usize::from(length)).unwrap_or(value));
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const ETHERNET: u16 = 1;
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const USER_APPLICATION: u16 = 4;
const TIME_RESOLUTION: u16 = 9;
