//! A small XCAP client: HTTP over TCP, with digest.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use hyper_util::rt::TokioIo;
use msrp::digest::{Challenge, Ha1};
use tokio::net::TcpStream;

use super::Failed;

/// A user's access to the documents.
#[derive(Clone, Debug)]
pub struct XcapClient {
    server: SocketAddr,
    user: String,
    password: String,
}

/// What the server says.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The challenge, if there is one that can be answered.
    challenge: Option<Challenge>,
    /// The body.
    pub body: Bytes,
}

impl XcapClient {
    /// For one user.
    pub fn new(server: SocketAddr, user: &str, password: &str) -> Self {
        Self {
            server,
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Sends a request, and once more when it is challenged.
    ///
    /// # Errors
    ///
    /// Fails when the server cannot be reached or breaks the protocol.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        content: Option<(&str, &str)>,
    ) -> Result<Answer, Failed> {
        let first = self.send(method, target, content, None).await?;
        let Some(challenge) = first.challenge.as_ref().filter(|_| first.status == 401) else {
            return Ok(first);
        };
        let ha1 = Ha1::of_password(challenge.algorithm, &self.user, &challenge.realm, &self.password);
        let body = content.map(|(_, body)| body.as_bytes()).unwrap_or_default();
        let credentials = challenge.answer(&self.user, &ha1, method, target, "0a4f113b", 1, body);
        self.send(method, target, content, Some(credentials.to_string()))
            .await
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        content: Option<(&str, &str)>,
        authorization: Option<String>,
    ) -> Result<Answer, Failed> {
        let stream = TcpStream::connect(self.server).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.server.to_string());
        if let Some((content_type, _)) = content {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let body = content
            .map(|(_, body)| Bytes::from(body.to_owned()))
            .unwrap_or_default();
        let request = request.body(Full::new(body)).map_err(broken)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let challenge = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .find_map(|value| Challenge::parse(value.to_str().ok()?).ok());
        let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
        connection.abort();
        Ok(Answer {
            status,
            challenge,
            body,
        })
    }
}

fn broken(error: impl std::fmt::Display) -> Failed {
    Failed(format!("XCAP over HTTP: {error}"))
}
