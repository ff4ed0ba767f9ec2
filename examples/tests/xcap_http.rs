//! XCAP over HTTP: what becomes of requests on their way to the machine.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

use std::time::Duration;

use examples::net::{Network, Settings, TrustedPeers};
use examples::xcap_http::{self, Server};
use im_roles::flow::{Input, Transmit};
use im_roles::xdms::XcapResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap();
    });
}

async fn server(settings: xcap_http::Settings) -> (Network, Server) {
    let network = Network::new(Settings::default());
    let server = Server::start(([127, 0, 0, 1], 0).into(), settings, &network)
        .await
        .unwrap();
    (network, server)
}

async fn exchange(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_request_reaches_the_machine_and_its_answer_the_client() {
    run(async {
        let (mut network, server) = server(xcap_http::Settings::default()).await;
        let request = "PUT /xcap-root/a/users/sip:a%40b/c?xmlns(x=y) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                       Content-Type: application/xml\r\nIf-Match: \"1\"\r\nIf-Match: \"2\"\r\n\
                       Authorization: Digest x\r\nContent-Length: 4\r\n\r\n<a/>";
        let answer = exchange(&server, request);
        let machine = async {
            let Some(Input::Xcap { id, request }) = network.next(None).await else {
                panic!("no request")
            };
            assert_eq!(request.method, "PUT");
            assert_eq!(request.target, "/xcap-root/a/users/sip:a%40b/c?xmlns(x=y)");
            assert_eq!(request.content_type.as_deref(), Some("application/xml"));
            assert_eq!(request.if_match.as_deref(), Some("\"1\", \"2\""));
            assert_eq!(request.if_none_match, None);
            assert_eq!(request.authorization.as_deref(), Some("Digest x"));
            assert_eq!(request.body, "<a/>");
            assert_eq!(network.unanswered(), 1);
            let mut response = XcapResponse::status(201).with_header("ETag", "\"3\"");
            response.body = "made".into();
            network.transmit(Transmit::Xcap { id, response });
            assert_eq!(network.unanswered(), 0);
        };
        let (answer, ()) = tokio::join!(answer, machine);
        assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\netag: \"3\"\r\n"));
        assert!(answer.ends_with("\r\n\r\nmade"));
    });
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_the_machine_sees_it() {
    run(async {
        let mut settings = xcap_http::Settings::default();
        settings.max_body = 10;
        let (mut network, server) = server(settings).await;
        let body = "x".repeat(11);
        let declared = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{body}");
        let chunked = format!(
            "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{body}\r\n0\r\n\r\n"
        );
        for request in [declared, chunked] {
            let answer = exchange(&server, &request).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        }
        assert!(network.next(Some(std::time::Instant::now())).await.is_none());
    });
}

#[test]
fn heads_beyond_the_limits_and_two_credentials_are_refused() {
    run(async {
        let (mut network, server) = server(xcap_http::Settings::default()).await;
        let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(40_000));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(70));
        let twice =
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n";
        assert!(exchange(&server, &large).await.starts_with("HTTP/1.1 431 "));
        assert!(exchange(&server, &many).await.starts_with("HTTP/1.1 431 "));
        assert!(exchange(&server, twice).await.starts_with("HTTP/1.1 400 "));
        assert!(network.next(Some(std::time::Instant::now())).await.is_none());
    });
}

#[test]
fn an_answer_that_does_not_come_is_a_504() {
    run(async {
        let mut settings = xcap_http::Settings::default();
        settings.answer_timeout = Duration::from_millis(20);
        let (mut network, server) = server(settings).await;
        let answer = exchange(&server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
        assert!(matches!(network.next(None).await, Some(Input::Xcap { .. })));
        assert_eq!(network.unanswered(), 0);
    });
}

#[test]
fn what_a_proxy_asserts_is_told_and_what_others_do_is_not() {
    run(async {
        for (proxies, headers, expected) in [
            (
                "127.0.0.1",
                "X-3GPP-Asserted-Identity: \"sip:a@example.com\"\r\n",
                Some("sip:a@example.com"),
            ),
            (
                "127.0.0.1",
                "X-XCAP-Asserted-Identity: sip:a@example.com\r\n",
                Some("sip:a@example.com"),
            ),
            ("127.0.0.1", "", None),
            (
                "192.0.2.1",
                "X-3GPP-Asserted-Identity: sip:a@example.com\r\n",
                None,
            ),
        ] {
            let mut settings = xcap_http::Settings::default();
            settings.proxies = TrustedPeers::new(vec![proxies.parse().unwrap()]);
            let (mut network, server) = server(settings).await;
            let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
            let answer = exchange(&server, &request);
            let machine = async {
                let Some(Input::Xcap { id, request }) = network.next(None).await else {
                    panic!("no request")
                };
                assert_eq!(request.asserted.as_deref(), expected, "{headers}");
                network.transmit(Transmit::Xcap {
                    id,
                    response: XcapResponse::status(404),
                });
            };
            let (answer, ()) = tokio::join!(answer, machine);
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        }
        let mut settings = xcap_http::Settings::default();
        settings.proxies = TrustedPeers::new(vec!["127.0.0.1".parse().unwrap()]);
        let (_network, server) = server(settings).await;
        let two = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-3GPP-Asserted-Identity: sip:a@example.com\r\n\
                   X-XCAP-Asserted-Identity: sip:b@example.com\r\n\r\n";
        assert!(exchange(&server, two).await.starts_with("HTTP/1.1 400 "));
    });
}

#[test]
fn connections_are_kept_and_bodies_are_asked_for() {
    run(async {
        let (mut network, server) = server(xcap_http::Settings::default()).await;
        let client = async {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            let mut answers = Vec::new();
            let head =
                "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut piece = [0; 1024];
            let read = stream.read(&mut piece).await.unwrap();
            assert!(piece[..read].starts_with(b"HTTP/1.1 100 "));
            stream
                .write_all(b"2\r\n<a\r\n2\r\n/>\r\n0\r\n\r\n")
                .await
                .unwrap();
            let again = "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(again.as_bytes()).await.unwrap();
            stream.read_to_end(&mut answers).await.unwrap();
            String::from_utf8(answers).unwrap()
        };
        let machine = async {
            for body in ["<a/>", ""] {
                let Some(Input::Xcap { id, request }) = network.next(None).await else {
                    panic!("no request")
                };
                assert_eq!(request.body, body);
                network.transmit(Transmit::Xcap {
                    id,
                    response: XcapResponse::status(200),
                });
            }
        };
        let (answers, ()) = tokio::join!(client, machine);
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    });
}

#[test]
fn a_client_that_is_slow_is_left() {
    run(async {
        let mut settings = xcap_http::Settings::default();
        settings.read_timeout = Duration::from_millis(50);
        let (mut network, server) = server(settings).await;
        for request in [
            "GET / HTTP/1.1\r\nHo",
            "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n<",
        ] {
            let answer = exchange(&server, request).await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
                "{answer}"
            );
        }
        assert!(network.next(Some(std::time::Instant::now())).await.is_none());
    });
}
