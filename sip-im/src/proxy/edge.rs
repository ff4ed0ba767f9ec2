//! The edge proxy: clients behind the flows that they have opened (RFC 5626 section 5).

use super::context::Branch;
use super::forward::makes_dialog;
use super::stateful::Proxy;
use super::{ProxyError, add_record_route, take_own_route};
use crate::endpoint::Target;
use crate::error::BuildError;
use crate::header::{Contact, HeaderName, Path, Via};
use crate::message::Request;
use crate::uri::Uri;
use crate::{FlowId, Method, StatusCode};

/// What the Route said of this proxy.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The last value that named this proxy.
    pub(super) route: Option<Uri>,
    /// The flow of the client that the request is for.
    pub(super) next: Option<FlowId>,
}

impl Proxy {
    /// Takes off the Route values that lead here. The error is the status to refuse the request with.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-5.3
    //# If the flow in the flow token identified by the topmost Route header
    //# field value matches the source IP address and port of the request,
    //# the request is an "outgoing" request; otherwise, it is an "incoming"
    //# request.
    pub(super) fn take_routes(&self, request: &mut Request, source: FlowId) -> Result<Taken, StatusCode> {
        let mut taken = Taken::default();
        loop {
            let own = take_own_route(request, |uri| self.is_ours(uri)).map_err(|error| error.status())?;
            let Some(own) = own else { return Ok(taken) };
            let name = own.user().map(str::to_owned);
            taken.route = Some(own);
            if !self.config.edge {
                return Ok(taken);
            }
            // A dialog between two clients of this proxy has a value for each.
            if let Some(name) = name {
                let flow = self
                    .tokens
                    .read(&name, |flow| self.endpoint.flow_info(flow))
                    .map_err(super::FlowTokenError::status)?;
                if flow != source {
                    taken.next = Some(flow);
                    return Ok(taken);
                }
            }
        }
    }

    /// Asks for what follows a request to come this way as well, and over the flows that its ends are reached by.
    pub(super) fn record(
        &self,
        copy: &mut Request,
        source: FlowId,
        branch: &Branch,
    ) -> Result<(), ProxyError> {
        let Some(own) = self.config.addresses.first() else {
            return Ok(());
        };
        if self.config.edge && *copy.method() == Method::Register {
            return self.add_path(copy, own, source);
        }
        if !self.config.record_route || !makes_dialog(copy.method()) {
            return Ok(());
        }
        //= https://www.rfc-editor.org/rfc/rfc5626#section-5.3.2
        //# If the edge proxy receives an outgoing dialog-forming request, the
        //# edge proxy can use the presence of the "ob" URI parameter in the
        //# UAC's Contact URI (or topmost Route header field) to determine if the
        //# edge proxy needs to assist in mid-dialog request routing.
        let asking = (self.config.edge && is_outbound(copy)).then_some(source);
        let answering = match branch.next {
            Some(Target::Flow(flow)) if self.config.edge => Some(flow),
            _ => None,
        };
        for flow in [asking, answering].into_iter().flatten() {
            let named = self.named(own, flow)?;
            add_record_route(copy, &named)?;
        }
        if asking.is_none() && answering.is_none() {
            add_record_route(copy, own)?;
        }
        Ok(())
    }

    /// Has the registrar send what is for the client by this proxy, and over the client's flow.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-5.1
    //# In addition, the first node MUST include an
    //# "ob" URI parameter in its Path header field value.  If the edge proxy
    //# is not the first SIP node after the UAC it MUST NOT place an "ob" URI
    //# parameter in a Path header field value.
    fn add_path(&self, copy: &mut Request, own: &Uri, source: FlowId) -> Result<(), ProxyError> {
        let is_first_hop = copy.headers().all::<Via>().count() == 1;
        let with_flow = copy.headers().all::<Contact>().flatten().any(
            |contact| matches!(contact, Contact::Addr(address) if address.params.get("reg-id").is_some()),
        );
        if !is_first_hop || !with_flow {
            return Ok(());
        }
        let path = self
            .named(own, source)?
            .with_parameter("lr", None)
            .and_then(|uri| uri.with_parameter("ob", None))
            .map_err(|error| BuildError::Invalid(HeaderName::PATH, error))?;
        copy.headers_mut().push_front_typed(&Path::new(path))?;
        Ok(())
    }

    /// This proxy's address with the token of a flow. Of one that is gone it is the address alone.
    fn named(&self, own: &Uri, flow: FlowId) -> Result<Uri, ProxyError> {
        let Some(info) = self.endpoint.flow_info(flow) else {
            return Ok(own.clone());
        };
        let token = self.tokens.mint(flow, info);
        let (scheme, rest) = own.as_str().split_once(':').unwrap_or_default();
        let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        Uri::parse(&format!("{scheme}:{token}@{rest}"))
            .map_err(|error| BuildError::Invalid(HeaderName::RECORD_ROUTE, error).into())
    }
}

/// Whether the sender of a request wants to be reached over the flow that it uses.
fn is_outbound(request: &Request) -> bool {
    request
        .headers()
        .all::<Contact>()
        .flatten()
        .any(|contact| matches!(contact, Contact::Addr(address) if address.uri.parameter("ob").is_some()))
}
