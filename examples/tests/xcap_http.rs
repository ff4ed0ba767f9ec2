//! XCAP over HTTP: what becomes of requests on their way to the machine.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

use std::time::Duration;

use examples::net::{Network, Settings};
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
