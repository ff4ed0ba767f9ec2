//! XCAP's transport: an HTTP/1.1 server that hands requests to the machine as values.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use im_roles::xdms::{XcapRequest, XcapResponse};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::net::{Network, Sighting, TrustedPeers};

/// How the HTTP server behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Octets of a request's head. Default: 32 KiB.
    pub max_head: usize,
    /// Header fields of a request. Default: 64.
    pub max_fields: usize,
    /// Octets of a request's body; more are answered with 413. Default: 1 MiB.
    pub max_body: usize,
    /// Connections at a time; more wait to be accepted. Default: 1,024.
    pub max_connections: usize,
    /// How long a client may take for a head, a body, or between two requests. Default: 30 s.
    pub read_timeout: Duration,
    /// How long the answer may take before the client is told 504. Default: 30 s.
    pub answer_timeout: Duration,
    /// Proxies whose word is taken for who makes a request; what others say of it is not looked at. Default: none.
    pub proxies: TrustedPeers,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_head: 32 * 1024,
            max_fields: 64,
            max_body: 1024 * 1024,
            max_connections: 1024,
            read_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            proxies: TrustedPeers::default(),
        }
    }
}

/// A running HTTP server; it stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: tokio::task::AbortHandle,
}

impl Server {
    /// Listens, and gives what comes to the network's machine as [`im_roles::flow::Input::Xcap`].
    ///
    /// # Errors
    ///
    /// Fails when the address cannot be bound.
    pub async fn start(address: SocketAddr, settings: Settings, network: &Network) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, Arc::new(settings), network.sightings())).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, settings: Arc<Settings>, machine: mpsc::Sender<Sighting>) {
    let places = Arc::new(Semaphore::new(
        settings.max_connections.clamp(1, Semaphore::MAX_PERMITS),
    ));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, remote)) => {
                let (settings, machine) = (settings.clone(), machine.clone());
                tokio::spawn(async move {
                    let is_proxy = settings.proxies.contains(remote);
                    serve(stream, is_proxy, settings, machine).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, is_proxy: bool, settings: Arc<Settings>, machine: mpsc::Sender<Sighting>) {
    let service = service_fn(|request| {
        let (settings, machine) = (settings.clone(), machine.clone());
        async move { Ok::<_, Infallible>(answer(request, is_proxy, &settings, &machine).await) }
    });
    // A client that breaks the protocol or goes away is nothing to report.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.read_timeout)
        .max_buf_size(settings.max_head.max(LEAST_BUFFER))
        .max_headers(settings.max_fields)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    is_proxy: bool,
    settings: &Settings,
    machine: &mpsc::Sender<Sighting>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    // Hyper reads in large steps and notices a head beyond its buffer late.
    let fields = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    if fields.fold(target.len(), usize::saturating_add) > settings.max_head {
        return closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let mut xcap = XcapRequest::new(head.method.as_str(), target);
    let fields = [
        (AUTHORIZATION, &mut xcap.authorization),
        (CONTENT_TYPE, &mut xcap.content_type),
        (IF_MATCH, &mut xcap.if_match),
        (IF_NONE_MATCH, &mut xcap.if_none_match),
    ];
    for (name, place) in fields {
        match combined(&head.headers, &name) {
            Ok(value) => *place = value,
            Err(()) => return plain(StatusCode::BAD_REQUEST),
        }
    }
    if is_proxy {
        match asserted(&head.headers) {
            Ok(who) => xcap.asserted = who,
            Err(()) => return plain(StatusCode::BAD_REQUEST),
        }
    }
    let body = tokio::time::timeout(
        settings.read_timeout,
        Limited::new(body, settings.max_body).collect(),
    )
    .await;
    xcap.body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return closing(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => return closing(StatusCode::BAD_REQUEST),
        Err(_) => return closing(StatusCode::REQUEST_TIMEOUT),
    };
    let (reply, answer) = oneshot::channel();
    if machine
        .send(Sighting::Xcap { request: xcap, reply })
        .await
        .is_err()
    {
        return plain(StatusCode::SERVICE_UNAVAILABLE);
    }
    match tokio::time::timeout(settings.answer_timeout, answer).await {
        Ok(Ok(answer)) => written(answer),
        Ok(Err(_)) => plain(StatusCode::SERVICE_UNAVAILABLE),
        Err(_) => plain(StatusCode::GATEWAY_TIMEOUT),
    }
}

/// A field's value, repeated lines joined; credentials may come once only.
fn combined(headers: &hyper::HeaderMap, name: &HeaderName) -> Result<Option<String>, ()> {
    let mut values = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().map_err(|_| ()));
    let Some(first) = values.next() else {
        return Ok(None);
    };
    let mut value = first?.to_owned();
    for more in values {
        if name == AUTHORIZATION || name == CONTENT_TYPE {
            return Err(());
        }
        value.push_str(", ");
        value.push_str(more?);
    }
    Ok(Some(value))
}

/// Who a proxy says makes the request; two who differ are nobody.
fn asserted(headers: &hyper::HeaderMap) -> Result<Option<String>, ()> {
    let mut found: Option<&str> = None;
    for name in ASSERTED {
        for value in headers.get_all(name) {
            let value = value.to_str().map_err(|_| ())?.trim();
            let value = value
                .strip_prefix('"')
                .and_then(|v| v.strip_suffix('"'))
                .unwrap_or(value);
            if found.is_some_and(|other| other != value) {
                return Err(());
            }
            found = Some(value);
        }
    }
    Ok(found.map(str::to_owned))
}

fn written(answer: XcapResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// An answer after which the connection is closed, because the request was not read to its end or is too much.
fn closing(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = plain(status);
    response.headers_mut().insert(
        hyper::header::CONNECTION,
        hyper::header::HeaderValue::from_static("close"),
    );
    response
}

/// The header fields in which proxies assert an identity.
const ASSERTED: [HeaderName; 2] = [
    HeaderName::from_static("x-3gpp-asserted-identity"),
    HeaderName::from_static("x-xcap-asserted-identity"),
];
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Hyper takes no smaller buffer.
const LEAST_BUFFER: usize = 8192;
