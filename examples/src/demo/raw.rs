//! Requests that no well-behaved client sends.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use im_roles::flow::Protocol;
use sip_im::auth::Authentication;
use sip_im::codec::{Limits, StreamDecoder, StreamItem};
use sip_im::header::HeaderName;
use sip_im::{Message, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Failed;
use crate::trace::{Line, Recorder, Way};

/// One connection on which requests go out as they are given.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    decoder: StreamDecoder,
    line: Line,
    recorder: Recorder,
    authentication: Authentication,
    requests: u32,
}

impl RawClient {
    /// Connects for a user.
    ///
    /// # Errors
    ///
    /// Fails when the server cannot be reached.
    pub async fn connect(
        server: SocketAddr,
        (user, password): (&str, &str),
        recorder: Recorder,
    ) -> Result<Self, Failed> {
        let stream = TcpStream::connect(server).await?;
        let line = Line::stream(Protocol::Sip, stream.local_addr()?, server);
        recorder.local(line.local(), &format!("{user} (raw)"));
        Ok(Self {
            stream,
            decoder: StreamDecoder::new(Limits::default()),
            line,
            recorder,
            authentication: Authentication::new(user, password, None, crate::entropy::os()),
            requests: 0,
        })
    }

    /// Sends a request, again with credentials when it is challenged, and gives the final response.
    ///
    /// # Errors
    ///
    /// Fails when no final response comes within ten seconds.
    pub async fn request(&mut self, mut request: Request) -> Result<Response, Failed> {
        let response = self.once(&mut request).await?;
        if !matches!(response.status().code(), 401 | 407) {
            return Ok(response);
        }
        let mut request = self
            .authentication
            .answer(&request, &response)
            .map_err(Failed::of)?;
        self.once(&mut request).await
    }

    async fn once(&mut self, request: &mut Request) -> Result<Response, Failed> {
        self.requests = self.requests.wrapping_add(1);
        let mut random = [0; 8];
        crate::entropy::fill(&mut random);
        let branch = format!("z9hG4bK{:016x}", u64::from_be_bytes(random));
        request.headers_mut().remove(&HeaderName::VIA);
        let via = format!("SIP/2.0/TCP {};branch={branch}", self.line.local());
        request
            .headers_mut()
            .push(&HeaderName::VIA, &via)
            .map_err(Failed::of)?;
        let octets = request.to_bytes();
        self.stream.write_all(&octets).await?;
        self.recorder.record(&self.line, Way::Sent, &octets);
        let response = tokio::time::timeout(PATIENCE, self.response()).await;
        let response = response.map_err(|_| Failed::new("no response came to a raw request"))??;
        if *request.method() == sip_im::Method::Invite {
            self.acknowledge(request, &response).await?;
        }
        Ok(response)
    }

    async fn response(&mut self) -> Result<Response, Failed> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            while let Some(item) = self.decoder.next().map_err(Failed::of)? {
                if let StreamItem::Message(Message::Response(response)) = item
                    && response.status().code() >= 200
                {
                    return Ok(response);
                }
            }
            let count = self.stream.read(&mut buffer).await?;
            if count == 0 {
                return Err(Failed::new("the server has closed the connection"));
            }
            let octets = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
            self.recorder.record(&self.line, Way::Received, &octets);
            self.decoder.push(octets);
        }
    }

    /// The ACK to a final response that refuses (RFC 3261 17.1.1.3).
    async fn acknowledge(&mut self, invite: &Request, response: &Response) -> Result<(), Failed> {
        let field = |name: &HeaderName| invite.headers().value(name).map(|value| value.to_string());
        let (via, from, call_id) = (
            field(&HeaderName::VIA),
            field(&HeaderName::FROM),
            field(&HeaderName::CALL_ID),
        );
        let to = response
            .headers()
            .value(&HeaderName::TO)
            .map(|value| value.to_string());
        let number = field(&HeaderName::CSEQ).unwrap_or_default();
        let number = number.split(' ').next().unwrap_or_default();
        let text = format!(
            "ACK {} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            invite.uri(),
            via.unwrap_or_default(),
            from.unwrap_or_default(),
            to.unwrap_or_default(),
            call_id.unwrap_or_default(),
        );
        let octets = Bytes::from(text);
        self.stream.write_all(&octets).await?;
        self.recorder.record(&self.line, Way::Sent, &octets);
        Ok(())
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
