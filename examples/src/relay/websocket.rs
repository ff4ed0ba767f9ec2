//! The handshake of WebSocket connections (RFC 7977 section 4.1).

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Shakes hands; none if the peer does not speak MSRP over WebSocket, or takes too long.
pub(super) async fn accept(stream: TcpStream) -> Option<WebSocketStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MOST))
        .max_frame_size(Some(MOST));
    let shake = tokio_tungstenite::accept_hdr_async_with_config(stream, answer, Some(config));
    tokio::time::timeout(HANDSHAKE, shake).await.ok()?.ok()
}

//= https://www.rfc-editor.org/rfc/rfc7977#section-4.1
//# The 101 reply from the Server MUST contain "msrp"
//# in its corresponding Sec-WebSocket-Protocol header.
#[expect(clippy::result_large_err, reason = "the library's signature")]
fn answer(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == "msrp");
    if !offered {
        let mut refusal = ErrorResponse::new(Some("the subprotocol msrp is needed".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    let headers = response.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("msrp"));
    //= https://www.rfc-editor.org/rfc/rfc7977#section-7
    //# If the HTTP GET request contains an Origin header, the MSRP WebSocket
    //# Server SHOULD indicate Cross-Origin Resource Sharing [CORS] by adding
    //# an Access-Control-Allow-Origin header to the 101 response.
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    Ok(response)
}

/// The most octets of a message; a chunk that is larger has to be cut by its sender.
const MOST: usize = 1 << 20;
const HANDSHAKE: Duration = Duration::from_secs(10);
