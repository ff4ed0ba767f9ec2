//! The host's compressor between the flows and everything else (RFC 3486, RFC 5049).

use core::fmt;
use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;

use super::{Endpoint, Event};
use crate::flow::FlowId;
use crate::ims::{Compressor, asks_for_compression};
use crate::message::Request;
use crate::proxy;

/// The compressor, and the flows whose peers take what it makes.
#[derive(Default)]
pub(super) struct Compression {
    compressor: Option<Box<dyn Compressor + Send>>,
    flows: BTreeSet<FlowId>,
}

impl Compression {
    pub(super) fn forget(&mut self, flow: FlowId) {
        if self.flows.remove(&flow)
            && let Some(compressor) = &mut self.compressor
        {
            compressor.forget(flow);
        }
    }
}

impl Endpoint {
    /// Has the host's compressor see what goes out and comes in on the flows that are [marked](Self::compress). A flow is marked by
    /// itself when a request goes over it to a URI with `comp=sigcomp`.
    pub fn set_compressor(&mut self, compressor: Box<dyn Compressor + Send>) {
        self.compression.compressor = Some(compressor);
    }

    /// Marks a flow as one whose peer compresses, or unmarks it; says whether it is open.
    pub fn compress(&mut self, flow: FlowId, on: bool) -> bool {
        let is_open = self.flow_info(flow).is_some();
        if on && is_open {
            self.compression.flows.insert(flow);
        } else {
            self.compression.flows.remove(&flow);
        }
        is_open
    }

    /// Whether the compressor sees what goes over a flow.
    pub fn is_compressed(&self, flow: FlowId) -> bool {
        self.compression.flows.contains(&flow)
    }

    /// Marks a flow if the URI that a request goes to asks for it.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3486#section-4
    //# If the next-hop URI contains the parameter comp=sigcomp, the client
    //# SHOULD compress the request using SigComp as defined in [2].
    pub(super) fn heed_compression(&mut self, flow: FlowId, request: &Request) {
        if self.compression.compressor.is_some()
            && proxy::next_hop(request).is_ok_and(|hop| asks_for_compression(&hop))
        {
            self.compress(flow, true);
        }
    }

    /// What goes out in place of a message.
    pub(super) fn compressed(&mut self, flow: FlowId, message: Bytes) -> Bytes {
        // Keep-alives are as short as they can be.
        let is_keep_alive = message.len() <= 4;
        match &mut self.compression.compressor {
            Some(compressor) if !is_keep_alive && self.compression.flows.contains(&flow) => {
                compressor.compress(flow, message)
            }
            _ => message,
        }
    }

    /// What came in on a flow; nothing if it can't be read, or was no use yet.
    pub(super) fn decompressed(&mut self, flow: FlowId, octets: Bytes, now: Instant) -> Option<Bytes> {
        let most = self.config.max_decompressed;
        let Some(compressor) = &mut self.compression.compressor else {
            return Some(octets);
        };
        if !self.compression.flows.contains(&flow) {
            return Some(octets);
        }
        let result = compressor.decompress(flow, octets, most).and_then(|octets| {
            if octets.len() > most {
                Err(crate::ims::DecompressError::TooLarge)
            } else {
                Ok(octets)
            }
        });
        match result {
            Ok(octets) => Some(octets).filter(|octets| !octets.is_empty()),
            Err(error) => {
                self.emit(Event::NotDecompressed { flow, error });
                let is_stream = self
                    .flow_info(flow)
                    .is_some_and(|info| info.transport.is_stream());
                if is_stream {
                    // Where the next message begins is not known any more.
                    self.close(flow, now);
                }
                None
            }
        }
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("flows", &self.flows.len())
            .finish_non_exhaustive()
    }
}
