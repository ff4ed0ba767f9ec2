//! Sockets: what is queued is bounded and told of, and nothing is lost.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be unwrapped fails the test"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use examples::net::{Network, Settings, TrustedPeer, TrustedPeers};
use im_roles::flow::{FlowId, Input, Octets, OpenId, Protocol, Transmit, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap();
    });
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn next(network: &mut Network) -> Input {
    network.next(None).await.unwrap()
}

/// A network, and a connection to a listener of the test's own.
async fn connected(settings: Settings) -> (Network, FlowId, TcpStream) {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut network = Network::new(settings);
    open(&mut network, Transport::Tcp, port);
    let (stream, _) = listener.accept().await.unwrap();
    let Input::Opened {
        flow,
        open: Some(OpenId(1)),
        ..
    } = next(&mut network).await
    else {
        panic!("not opened")
    };
    (network, flow, stream)
}

fn open(network: &mut Network, transport: Transport, port: u16) {
    let host = "localhost".to_owned();
    network.transmit(Transmit::Open {
        open: OpenId(1),
        protocol: Protocol::Msrp,
        transport,
        host,
        port,
        domain: None,
    });
}

fn send(network: &mut Network, flow: FlowId, data: Bytes) {
    network.transmit(Transmit::Send {
        flow,
        data: Octets::from(data),
    });
}

#[test]
fn a_slow_peer_blocks_its_flow_and_gets_every_octet_in_the_end() {
    run(async {
        let (mut network, flow, mut peer) = connected(Settings::default()).await;
        let piece: Bytes = (0..16_384)
            .map(|index| u8::try_from(index % 251).unwrap())
            .collect();
        let (mut sent, mut blocked) = (0, false);
        while sent < 2_000 {
            while network.has_room() && !blocked && sent < 2_000 {
                send(&mut network, flow, piece.clone());
                sent += 1;
            }
            if blocked {
                // The peer reads nothing: nothing more can become writable.
                assert!(
                    network
                        .next(Some(Instant::now() + Duration::from_millis(50)))
                        .await
                        .is_none()
                );
                break;
            }
            match network.next(Some(Instant::now())).await {
                Some(Input::Blocked { flow: which }) => {
                    assert_eq!(which, flow);
                    blocked = true;
                }
                Some(Input::Writable { .. }) => blocked = false,
                other => assert!(other.is_none(), "{other:?}"),
            }
            // What the system takes is gone from the queue; until it takes no more, go on.
            if blocked
                && let Some(Input::Writable { .. }) = network
                    .next(Some(Instant::now() + Duration::from_millis(50)))
                    .await
            {
                blocked = false;
            }
        }
        assert!(blocked, "the system's buffers took everything");
        assert!(network.queued() > 0);
        network.transmit(Transmit::Close { flow });

        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), sent * piece.len());
        assert!(got.chunks(piece.len()).all(|chunk| chunk == piece));
        assert_eq!(network.queued(), 0);
    });
}

#[test]
fn a_blocked_flow_becomes_writable_when_its_peer_reads() {
    run(async {
        let (mut network, flow, mut peer) = connected(Settings::default()).await;
        let mut sent = 0;
        let piece = Bytes::from(vec![7; 65_536]);
        let mut blocked = 0;
        // Fill up until the flow stays blocked.
        while blocked < 3 {
            while network.has_room() {
                send(&mut network, flow, piece.clone());
                sent += piece.len();
            }
            assert!(matches!(next(&mut network).await, Input::Blocked { .. }));
            match network
                .next(Some(Instant::now() + Duration::from_millis(100)))
                .await
            {
                Some(Input::Writable { .. }) => {}
                other => {
                    assert!(other.is_none(), "{other:?}");
                    blocked = 3;
                }
            }
        }
        let reader = tokio::spawn(async move {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.unwrap();
            got.len()
        });
        assert!(matches!(next(&mut network).await, Input::Writable { flow: which } if which == flow));
        network.transmit(Transmit::Close { flow });
        assert_eq!(reader.await.unwrap(), sent);
    });
}

#[test]
fn what_never_stops_sending_to_a_blocked_flow_loses_it() {
    run(async {
        let mut settings = Settings::default();
        settings.queue_limit = 1 << 20;
        let (mut network, flow, _peer) = connected(settings).await;
        for _ in 0..200 {
            send(&mut network, flow, Bytes::from(vec![0; 1 << 20]));
        }
        assert!(matches!(
            next(&mut network).await,
            Input::Blocked { .. } | Input::Closed { .. }
        ));
        assert!(matches!(next(&mut network).await, Input::Closed { flow: which } if which == flow));
    });
}

#[test]
fn closing_waits_for_the_last_octets_even_when_the_peer_still_sends() {
    run(async {
        let (mut network, flow, mut peer) = connected(Settings::default()).await;
        peer.write_all(&vec![1; 100_000]).await.unwrap();
        send(&mut network, flow, Bytes::from_static(b"the last words"));
        network.transmit(Transmit::Close { flow });
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"the last words");
    });
}

#[test]
fn the_end_of_a_connection_is_told_once() {
    run(async {
        let (mut network, flow, mut peer) = connected(Settings::default()).await;
        peer.write_all(b"hello").await.unwrap();
        drop(peer);
        assert!(matches!(next(&mut network).await, Input::Received { data, .. } if data == "hello"));
        assert!(matches!(next(&mut network).await, Input::Closed { flow: which } if which == flow));
        send(&mut network, flow, Bytes::from_static(b"to nobody"));
        assert!(
            network
                .next(Some(Instant::now() + Duration::from_millis(50)))
                .await
                .is_none()
        );
    });
}

#[test]
fn what_cannot_be_opened_is_said_so() {
    run(async {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut network = Network::new(Settings::default());
        open(&mut network, Transport::Tcp, port);
        assert!(matches!(
            next(&mut network).await,
            Input::OpenFailed { open: OpenId(1) }
        ));
        open(&mut network, Transport::Tls, port);
        assert!(matches!(
            next(&mut network).await,
            Input::OpenFailed { open: OpenId(1) }
        ));
    });
}

#[test]
fn an_address_is_introduced_before_its_first_datagram_and_keeps_its_flow() {
    run(async {
        let mut settings = Settings::default();
        settings.trusted = TrustedPeers::new(vec!["127.0.0.1".parse::<TrustedPeer>().unwrap()]);
        let mut network = Network::new(settings);
        let server = network
            .listen(Protocol::Sip, Transport::Udp, loopback())
            .await
            .unwrap();
        let peer = UdpSocket::bind(loopback()).await.unwrap();
        peer.send_to(b"one", server).await.unwrap();
        peer.send_to(b"two", server).await.unwrap();
        let Input::Opened {
            flow,
            remote,
            trusted,
            transport,
            open,
            ..
        } = next(&mut network).await
        else {
            panic!("not opened")
        };
        assert_eq!(
            (remote, trusted, transport, open),
            (peer.local_addr().unwrap(), true, Transport::Udp, None)
        );
        for expected in ["one", "two"] {
            let Input::Received { flow: which, data } = next(&mut network).await else {
                panic!("nothing received")
            };
            assert_eq!((which, data), (flow, Bytes::from(expected)));
        }
        send(&mut network, flow, Bytes::from_static(b"three"));
        let mut buffer = [0; 16];
        let (count, from) = peer.recv_from(&mut buffer).await.unwrap();
        assert_eq!((buffer.get(..count), from), (Some(&b"three"[..]), server));
    });
}

#[test]
fn connections_beyond_the_limit_are_closed_as_they_come() {
    run(async {
        let mut settings = Settings::default();
        settings.max_connections = 1;
        let mut network = Network::new(settings);
        let server = network
            .listen(Protocol::Msrp, Transport::Tcp, loopback())
            .await
            .unwrap();
        let _first = TcpStream::connect(server).await.unwrap();
        assert!(matches!(next(&mut network).await, Input::Opened { .. }));
        let mut second = TcpStream::connect(server).await.unwrap();
        let told = network
            .next(Some(Instant::now() + Duration::from_millis(50)))
            .await;
        assert!(told.is_none());
        assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
    });
}
