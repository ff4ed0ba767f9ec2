//! The relay on sockets: over TCP, and over WebSocket.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be unwrapped fails the test"
)]

use examples::relay::{RelayServer, Settings};
use futures::{SinkExt, StreamExt};
use msrp::digest::{Challenge, Ha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

const CLIENT: &str = "msrp://df7jal23ls0d.invalid:2855/98cjs;ws";
const PEER: &str = "msrp://127.0.0.1:9/peer;tcp";

async fn start() -> RelayServer {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap(), "example.com");
    settings.websocket = Some("127.0.0.1:0".parse().unwrap());
    settings.names = vec![".example.com".to_owned()];
    settings
        .passwords
        .insert("alice".to_owned(), "wonderland".to_owned());
    RelayServer::start(settings).await.unwrap()
}

fn auth(id: &str, headers: &str) -> String {
    format!(
        "MSRP {id} AUTH\r\nTo-Path: msrp://relay.example.com;ws\r\nFrom-Path: {CLIENT}\r\n{headers}-------{id}$\r\n"
    )
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}

#[tokio::test]
async fn a_browser_and_a_peer_without_websocket_exchange_messages() {
    let relay = start().await;
    let stream = TcpStream::connect(relay.websocket().unwrap()).await.unwrap();
    let mut request = "ws://relay.example.com/".into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", "sip, msrp".parse().unwrap());
    headers.insert("Origin", "https://www.example.com".parse().unwrap());
    let (mut browser, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "msrp");
    assert_eq!(
        response.headers()["Access-Control-Allow-Origin"],
        "https://www.example.com"
    );

    // RFC 7977 8.1.2; what a browser sends as text is octets.
    browser.send(Message::text(auth("4rsxt9nz", ""))).await.unwrap();
    let refused = browser.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(refused.starts_with("MSRP 4rsxt9nz 401 "), "{refused}");
    let challenge = Challenge::parse(header(&refused, "WWW-Authenticate")).unwrap();
    let ha1 = Ha1::of_password(challenge.algorithm, "alice", &challenge.realm, "wonderland");
    let credentials = challenge.answer(
        "alice",
        &ha1,
        "AUTH",
        "msrp://relay.example.com;ws",
        "zic5ml401prb",
        1,
        b"",
    );
    let again = auth("qy1hsow5", &format!("Authorization: {credentials}\r\n"));
    browser.send(Message::binary(again)).await.unwrap();
    let granted = browser.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(granted.starts_with("MSRP qy1hsow5 200 "), "{granted}");
    let own = header(&granted, "Use-Path").to_owned();
    assert!(
        own.starts_with(&format!("msrp://{}/", relay.tcp())) && own.ends_with(";tcp"),
        "{own}"
    );

    let mut peer = TcpStream::connect(relay.tcp()).await.unwrap();
    let body = "x".repeat(50_000);
    let send = format!(
        "MSRP d93kswow SEND\r\nTo-Path: {own} {CLIENT}\r\nFrom-Path: {PEER}\r\nMessage-ID: 12339sdqwer\r\n\
         Byte-Range: 1-*/50000\r\nContent-Type: text/plain\r\n\r\n{body}\r\n-------d93kswow$\r\n"
    );
    peer.write_all(send.as_bytes()).await.unwrap();
    let mut received = 0;
    loop {
        // RFC 7977 5.1: each chunk in a message of its own.
        let chunk = browser.next().await.unwrap().unwrap().into_text().unwrap();
        let id = chunk.split(' ').nth(1).unwrap().to_owned();
        let (head, rest) = chunk.split_once("\r\n\r\n").unwrap();
        let (octets, flag) = rest.split_once(&format!("\r\n-------{id}")).unwrap();
        assert!(head.contains(&format!("From-Path: {own} {PEER}\r\n")), "{head}");
        assert!(flag == "$\r\n" || flag == "+\r\n", "{flag}");
        received += octets.len();
        if flag == "$\r\n" {
            break;
        }
    }
    assert_eq!(received, body.len());

    let back = format!(
        "MSRP a786hjs2 SEND\r\nTo-Path: {own} {PEER}\r\nFrom-Path: {CLIENT}\r\nMessage-ID: 87652491\r\n\
         Byte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n-------a786hjs2$\r\n"
    );
    browser.send(Message::text(back)).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"$\r\n") || !String::from_utf8_lossy(&heard).contains(" SEND\r\n") {
        assert_ne!(peer.read_buf(&mut heard).await.unwrap(), 0);
    }
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.starts_with("MSRP d93kswow 200 "), "{heard}");
    assert!(
        heard.contains(&format!("To-Path: {PEER}\r\nFrom-Path: {own} {CLIENT}\r\n")),
        "{heard}"
    );
}

#[tokio::test]
async fn who_does_not_speak_msrp_over_websocket_is_refused() {
    let relay = start().await;
    for protocol in [None, Some("sip")] {
        let stream = TcpStream::connect(relay.websocket().unwrap()).await.unwrap();
        let mut request = "ws://relay.example.com/".into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let value = protocol.parse().unwrap();
            request.headers_mut().insert("Sec-WebSocket-Protocol", value);
        }
        let refused = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap_err();
        assert!(matches!(refused, Error::Http(response) if response.status() == 400));
    }
}
