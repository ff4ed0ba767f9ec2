//! The parsers by themselves, so that time and allocations are theirs and not those of the JSON made of what they give.

use std::hint::black_box;

use ::msrp::codec::{Decoder, Leniency};
use ::msrp::cpim;
use bytes::Bytes;
use im_xdm_model::document::{ResourceLists, Ruleset};
use im_xdm_model::list::{Options, recipients};
use sip_im::ContentType;
use sip_im::codec::{Limits, StreamDecoder, parse_datagram};
use sip_im::digest::AuthParams;
use sip_im::mime::{self, Multipart};
use sip_im::sdp::Session;

use super::{Query, document, pieces};

/// Parses the input of a query, and forgets what came of it.
pub(super) fn parse(query: &Query, octets: &Bytes) {
    let text = || std::str::from_utf8(octets).unwrap_or_default();
    match query.kind.as_str() {
        "cpim" => {
            let _ = black_box(cpim::Message::parse(octets));
        }
        "msrp" => {
            let mut decoder = Decoder::new(::msrp::codec::Limits::default(), Leniency::default());
            for piece in pieces(octets, query.cuts.as_deref()) {
                decoder.push(piece);
                while let Ok(Some(frame)) = decoder.next() {
                    black_box(frame);
                }
            }
        }
        "msrp-session" => super::msrp_session::run(query, octets, |heard| {
            black_box(heard);
        }),
        "msrp-uri" => {
            let _ = black_box(::msrp::Uri::parse(text()));
        }
        "multipart" => {
            if let Some(Ok(content_type)) = query.content_type.as_deref().map(ContentType::parse) {
                let _ = black_box(Multipart::parse(&content_type, octets, &mime::Limits::default()));
            }
        }
        "sdp" | "sdp-answer" => {
            let _ = black_box(Session::parse(octets));
        }
        "identity" | "privacy" | "sip" => {
            let _ = black_box(parse_datagram(octets.clone(), &Limits::default()));
        }
        "sip-auth" => {
            let _ = black_box(AuthParams::parse(text()));
        }
        "sip-stream" => {
            let mut decoder = StreamDecoder::new(Limits::default());
            for piece in pieces(octets, query.cuts.as_deref()) {
                decoder.push(piece);
                while let Ok(Some(item)) = decoder.next() {
                    black_box(item);
                }
            }
        }
        "sip-uri" => {
            let _ = black_box(sip_im::Uri::parse(text()));
        }
        "uri-list" => {
            if let Ok(lists) = ResourceLists::parse(octets, &im_xdm_model::xml::Limits::default()) {
                let _ = black_box(recipients(&lists, &Options::default()));
            }
        }
        "policy" => {
            let _ = black_box(Ruleset::parse(octets, &im_xdm_model::xml::Limits::default()));
        }
        "xcap" => {
            let _ = black_box(super::xcap::run(query, octets));
        }
        other => {
            if let Some(kind) = document::KINDS.iter().find(|kind| kind.name == other) {
                (kind.parse)(octets);
            }
        }
    }
}
