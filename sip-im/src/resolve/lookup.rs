//! The steps from a URI to its destinations (RFC 3263 sections 4.1 and 4.2).

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::question::{QueryError, QueryId, Question, Record, RecordType, Srv, canonical};
use super::{Config, Destination, ResolveError, order};
use crate::Entropy;
use crate::flow::Transport;
use crate::uri::{Host, Scheme, Uri};

/// Where the way begins.
#[derive(Debug)]
pub(super) enum Start {
    /// At its end: the URI has an address.
    Known(Destination),
    /// At a name.
    Named { domain: String, lookup: First },
}

/// What is looked up first.
#[derive(Clone, Copy, Debug)]
pub(super) enum First {
    /// The services of the domain: neither transport nor port is given.
    Services { secure: bool },
    /// The servers of one transport: no port is given.
    Servers(Transport),
    /// The addresses of the name.
    Addresses(Transport, u16),
}

/// What a lookup needs next.
#[derive(Debug)]
pub(super) enum Need {
    /// The other answers.
    Nothing,
    /// Answers to these.
    Questions(Vec<Question>),
    /// Nothing more: it is over.
    End(Result<Vec<Destination>, ResolveError>),
}

/// The servers of one transport, when they are known.
#[derive(Debug)]
struct Service {
    transport: Transport,
    name: String,
    servers: Option<Vec<Srv>>,
}

/// The addresses of one server, when they are known.
#[derive(Debug)]
struct Server {
    transport: Transport,
    name: String,
    port: u16,
    v4: Option<Vec<IpAddr>>,
    v6: Option<Vec<IpAddr>>,
}

#[derive(Debug)]
enum Step {
    Naptr { secure: bool },
    Srv(Vec<Service>),
    Addresses(Vec<Server>),
}

/// One way from a name to its destinations.
#[derive(Debug)]
pub(super) struct Lookup {
    domain: String,
    step: Step,
    /// Where it goes when the domain has no services.
    default: Transport,
    /// A query failed that might have led somewhere.
    failed: bool,
    /// The queries that it waits for.
    pub(super) queries: BTreeSet<QueryId>,
}

/// Decides from the URI alone what is to be looked up.
///
//= https://www.rfc-editor.org/rfc/rfc3263#section-4
//# We define TARGET as the value of the maddr parameter of the URI, if
//# present, otherwise, the host value of the hostport component of the
//# URI.
pub(super) fn start(uri: &Uri, config: &Config) -> Result<Start, ResolveError> {
    if !uri.is_sip() {
        return Err(ResolveError::NoHost);
    }
    let secure = uri.scheme() == Scheme::Sips;
    let target = uri.parameter("maddr").flatten().or_else(|| uri.host());
    let target = Host::parse(target.ok_or(ResolveError::NoHost)?).map_err(|_| ResolveError::NoHost)?;
    let asked = match uri.parameter("transport") {
        Some(name) => Some(named_transport(name.unwrap_or_default(), secure)?),
        None => None,
    };
    if asked.is_some_and(|transport| !config.transports.contains(&transport) && !is_web(transport)) {
        return Err(ResolveError::Transport);
    }
    // The certificate is for the domain that the user named, even where a maddr leads elsewhere (RFC 5922 section 7.3).
    let domain = uri.host().map(canonical);
    let default = if secure { Transport::Tls } else { Transport::Udp };
    let numeric = |address: IpAddr| {
        //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
        //# Otherwise, if no transport protocol is specified, but the TARGET is a
        //# numeric IP address, the client SHOULD use UDP for a SIP URI, and TCP
        //# for a SIPS URI.
        let transport = asked.unwrap_or(default);
        let mut destination = Destination::new(
            transport,
            &address.to_canonical().to_string(),
            uri.port().unwrap_or_else(|| transport.default_port()),
        );
        destination.domain = domain.clone().filter(|_| transport.is_secure());
        destination
    };
    let name = match target {
        Host::Address(address) => return Ok(Start::Known(numeric(address))),
        Host::Name(name) => canonical(&name),
    };
    let lookup = match (asked, uri.port()) {
        //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
        //# Similarly, if no transport protocol is specified,
        //# and the TARGET is not numeric, but an explicit port is provided, the
        //# client SHOULD use UDP for a SIP URI, and TCP for a SIPS URI.
        (transport, Some(port)) => First::Addresses(transport.unwrap_or(default), port),
        (Some(transport), None) if is_web(transport) => First::Addresses(transport, transport.default_port()),
        (Some(transport), None) => First::Servers(transport),
        (None, None) => First::Services { secure },
    };
    Ok(Start::Named { domain: name, lookup })
}

/// A WebSocket's port says all there is to say; it is asked for by name only.
fn is_web(transport: Transport) -> bool {
    matches!(transport, Transport::Ws | Transport::Wss)
}

fn named_transport(name: &str, secure: bool) -> Result<Transport, ResolveError> {
    let named = Transport::from_name(name).ok_or(ResolveError::Transport)?;
    match named {
        // TLS is spoken over streams.
        Transport::Udp if secure => Err(ResolveError::Transport),
        Transport::Tcp if secure => Ok(Transport::Tls),
        Transport::Ws if secure => Ok(Transport::Wss),
        other => Ok(other),
    }
}

impl Lookup {
    pub(super) fn new(domain: String, first: First) -> Self {
        let (step, default) = match first {
            First::Services { secure } => (
                Step::Naptr { secure },
                if secure { Transport::Tls } else { Transport::Udp },
            ),
            First::Servers(transport) => {
                let name = order::service_name(transport, &domain).unwrap_or_default();
                let service = Service {
                    transport,
                    name: canonical(&name),
                    servers: None,
                };
                (Step::Srv(vec![service]), transport)
            }
            First::Addresses(transport, port) => {
                let server = Server::new(transport, &domain, port);
                (Step::Addresses(vec![server]), transport)
            }
        };
        Self {
            domain,
            step,
            default,
            failed: false,
            queries: BTreeSet::new(),
        }
    }

    /// What the present step asks.
    pub(super) fn questions(&mut self, config: &Config) -> Vec<Question> {
        match &mut self.step {
            Step::Naptr { .. } => vec![Question::new(RecordType::Naptr, &self.domain)],
            Step::Srv(services) => services
                .iter()
                .map(|service| Question::new(RecordType::Srv, &service.name))
                .collect(),
            Step::Addresses(servers) => {
                let mut questions = Vec::new();
                for server in servers {
                    for (record, known) in [
                        (RecordType::A, &mut server.v4),
                        (RecordType::Aaaa, &mut server.v6),
                    ] {
                        if config.families.asks(record) {
                            questions.push(Question::new(record, &server.name));
                        } else {
                            *known = Some(Vec::new());
                        }
                    }
                }
                questions.sort();
                questions.dedup();
                questions
            }
        }
    }

    /// Takes the answer to a question of the present step.
    pub(super) fn take(
        &mut self,
        question: &Question,
        answer: &Result<Vec<Record>, QueryError>,
        config: &Config,
        entropy: &mut Entropy,
    ) -> Need {
        self.failed |= answer.is_err();
        let records = answer.as_deref().unwrap_or_default();
        match &mut self.step {
            Step::Naptr { secure } => {
                let secure = *secure;
                self.naptr(records, secure, config)
            }
            Step::Srv(services) => {
                for service in services
                    .iter_mut()
                    .filter(|service| service.name == question.name)
                {
                    let servers = records.iter().filter_map(|record| match record {
                        Record::Srv(srv) => Some(srv.clone()),
                        _ => None,
                    });
                    service.servers = Some(servers.take(MAX_RECORDS).collect());
                }
                if services.iter().any(|service| service.servers.is_none()) {
                    return Need::Nothing;
                }
                let services = core::mem::take(services);
                self.servers(services, config, entropy)
            }
            Step::Addresses(servers) => {
                for server in servers.iter_mut().filter(|server| server.name == question.name) {
                    server.take(question.record, records);
                }
                if servers
                    .iter()
                    .any(|server| server.v4.is_none() || server.v6.is_none())
                {
                    return Need::Nothing;
                }
                let servers = core::mem::take(servers);
                Need::End(self.end(servers, config))
            }
        }
    }

    fn naptr(&mut self, records: &[Record], secure: bool, config: &Config) -> Need {
        let records = records
            .iter()
            .filter_map(|record| match record {
                Record::Naptr(naptr) => Some(naptr.clone()),
                _ => None,
            })
            .take(MAX_RECORDS)
            .collect();
        let mut found = order::services(records, &config.transports, secure);
        if found.is_empty() {
            //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
            //# If no NAPTR records are found, the client constructs SRV queries for
            //# those transport protocols it supports, and does a query for each.
            found = config
                .transports
                .iter()
                .filter(|transport| !secure || transport.is_secure())
                .filter_map(|transport| Some((*transport, order::service_name(*transport, &self.domain)?)))
                .collect();
        }
        found.truncate(config.max_services);
        if found.is_empty() {
            return self.addresses_of_domain(config);
        }
        let services = found.into_iter().map(|(transport, name)| Service {
            transport,
            name: canonical(&name),
            servers: None,
        });
        self.step = Step::Srv(services.collect());
        let mut questions = self.questions(config);
        questions.sort();
        questions.dedup();
        Need::Questions(questions)
    }

    fn servers(&mut self, services: Vec<Service>, config: &Config, entropy: &mut Entropy) -> Need {
        let mut servers = Vec::new();
        let mut any = false;
        for service in services {
            let records = service.servers.unwrap_or_default();
            any |= !records.is_empty();
            for record in order::servers(records, entropy) {
                let name = canonical(&record.target);
                // The root is the name for "decidedly not here" (RFC 2782).
                if !name.is_empty() && servers.len() < config.max_servers {
                    servers.push(Server::new(service.transport, &name, record.port));
                }
            }
        }
        if servers.is_empty() {
            return if any {
                Need::End(Err(ResolveError::NotFound))
            } else {
                self.addresses_of_domain(config)
            };
        }
        self.step = Step::Addresses(servers);
        self.ask_addresses(config)
    }

    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.2
    //# If no SRV records were found, the client performs an A or AAAA record
    //# lookup of the domain name.
    fn addresses_of_domain(&mut self, config: &Config) -> Need {
        let transport = self.default;
        let server = Server::new(transport, &self.domain, transport.default_port());
        self.step = Step::Addresses(vec![server]);
        self.ask_addresses(config)
    }

    fn ask_addresses(&mut self, config: &Config) -> Need {
        Need::Questions(self.questions(config))
    }

    fn end(&self, servers: Vec<Server>, config: &Config) -> Result<Vec<Destination>, ResolveError> {
        let mut found: Vec<Destination> = Vec::new();
        for server in servers {
            let addresses = config
                .families
                .sort(server.v4.unwrap_or_default(), server.v6.unwrap_or_default());
            for address in addresses {
                let mut destination = Destination::new(server.transport, &address.to_string(), server.port);
                destination.domain = server.transport.is_secure().then(|| self.domain.clone());
                if found.len() < config.max_destinations && !found.contains(&destination) {
                    found.push(destination);
                }
            }
        }
        match found.is_empty() {
            false => Ok(found),
            true if self.failed => Err(ResolveError::TimedOut),
            true => Err(ResolveError::NotFound),
        }
    }
}

impl Server {
    fn new(transport: Transport, name: &str, port: u16) -> Self {
        Self {
            transport,
            name: name.to_owned(),
            port,
            v4: None,
            v6: None,
        }
    }

    fn take(&mut self, record: RecordType, records: &[Record]) {
        let addresses = records.iter().filter_map(|record| match record {
            Record::Address(address) => Some(address.to_canonical()),
            _ => None,
        });
        let known = match record {
            RecordType::A => &mut self.v4,
            RecordType::Aaaa => &mut self.v6,
            RecordType::Naptr | RecordType::Srv => return,
        };
        let of_version = addresses.filter(|address| address.is_ipv4() == (record == RecordType::A));
        *known = Some(of_version.take(MAX_RECORDS).collect());
    }
}

/// Records of one answer that are looked at: what a DNS message of 4096 octets can hold at the very most.
const MAX_RECORDS: usize = 256;
