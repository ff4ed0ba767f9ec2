//! Where requests go (RFC 3263): what is looked up, in which order destinations are tried, who is left alone.
#![cfg(test)]

mod machines;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use machines::talk::SECOND;
use machines::{Dice, entropy, epoch, uri};
use proptest::prelude::*;
use sip_im::StatusCode;
use sip_im::Transport::{self, Tcp, Tls, Udp, Wss};
use sip_im::resolve::{
    Answer, Config, Destination, Event, Families, LookupId, Naptr, Outcome, QueryError, Question, Record,
    RecordType, Resolution, ResolveError, Resolver, Srv,
};

/// A zone, and what was asked of it.
#[derive(Default)]
struct Zone {
    records: BTreeMap<Question, Vec<Record>>,
    asked: Vec<(RecordType, String)>,
}

impl Zone {
    fn naptr(mut self, name: &str, order: u16, preference: u16, service: &str, replacement: &str) -> Self {
        let record = Record::Naptr(Naptr {
            order,
            preference,
            flags: "s".to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        });
        self.add(RecordType::Naptr, name, record);
        self
    }

    fn srv(mut self, name: &str, priority: u16, weight: u16, port: u16, target: &str) -> Self {
        let record = Record::Srv(Srv {
            priority,
            weight,
            port,
            target: target.to_owned(),
        });
        self.add(RecordType::Srv, name, record);
        self
    }

    fn address(mut self, name: &str, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let record = if address.is_ipv4() {
            RecordType::A
        } else {
            RecordType::Aaaa
        };
        self.add(record, name, Record::Address(address));
        self
    }

    fn add(&mut self, kind: RecordType, name: &str, record: Record) {
        self.records
            .entry(Question::new(kind, name))
            .or_default()
            .push(record);
    }

    fn serve(&mut self, resolver: &mut Resolver, now: Instant) {
        while let Some(query) = resolver.poll_effect() {
            self.asked
                .push((query.question.record, query.question.name.clone()));
            let result = Ok(self.records.get(&query.question).cloned().unwrap_or_default());
            resolver.handle_answer(Answer { id: query.id, result }, now);
        }
    }

    /// The destinations of a URI.
    fn find(&mut self, resolver: &mut Resolver, text: &str) -> Result<Vec<String>, ResolveError> {
        let now = epoch();
        let found = match resolver.resolve(&uri(text), now)? {
            Resolution::Known(found) => found,
            Resolution::Pending(lookup) => {
                self.serve(resolver, now);
                end(resolver, lookup)?
            }
            other => panic!("{other:?}"),
        };
        assert!(resolver.is_drained(), "{resolver:?}");
        Ok(found.iter().map(text_of).collect())
    }
}

fn end(resolver: &mut Resolver, expected: LookupId) -> Result<Vec<Destination>, ResolveError> {
    match resolver.poll_event() {
        Some(Event::Resolved { lookup, result }) => {
            assert_eq!(lookup, expected);
            result
        }
        other => panic!("no end: {other:?}"),
    }
}

fn text_of(destination: &Destination) -> String {
    format!(
        "{} {} {}",
        destination.transport, destination.host, destination.port
    )
}

fn resolver() -> Resolver {
    Resolver::new(Config::default(), entropy(3))
}

fn with(change: impl FnOnce(&mut Config)) -> Resolver {
    let mut config = Config::default();
    change(&mut config);
    Resolver::new(config, entropy(3))
}

#[test]
fn an_address_is_used_as_it_stands() {
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
    //= type=test
    //# Otherwise, if no transport protocol is specified, but the TARGET is a
    //# numeric IP address, the client SHOULD use UDP for a SIP URI, and TCP
    //# for a SIPS URI.
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4
    //= type=test
    //# We define TARGET as the value of the maddr parameter of the URI, if
    //# present, otherwise, the host value of the hostport component of the
    //# URI.
    let mut zone = Zone::default();
    for (text, expected) in [
        ("sip:a@192.0.2.1", "UDP 192.0.2.1 5060"),
        ("sips:a@192.0.2.1", "TLS 192.0.2.1 5061"),
        ("sip:a@192.0.2.1:5080;transport=tcp", "TCP 192.0.2.1 5080"),
        ("sip:a@192.0.2.1;transport=TLS", "TLS 192.0.2.1 5061"),
        ("sips:a@192.0.2.1;transport=tcp", "TLS 192.0.2.1 5061"),
        ("sip:a@[2001:db8::1]", "UDP 2001:db8::1 5060"),
        ("sip:a@[::ffff:192.0.2.1]", "UDP 192.0.2.1 5060"),
        ("sip:a@b.test;maddr=192.0.2.9", "UDP 192.0.2.9 5060"),
        ("sip:a@192.0.2.1;transport=wss", "WSS 192.0.2.1 443"),
    ] {
        assert_eq!(
            zone.find(&mut resolver(), text),
            Ok(vec![expected.to_owned()]),
            "{text}"
        );
    }
    assert!(zone.asked.is_empty());
    for (text, expected) in [
        ("tel:+15551234", ResolveError::NoHost),
        ("urn:service:sos", ResolveError::NoHost),
        ("sip:a@192.0.2.1;transport=sctp", ResolveError::Transport),
        ("sips:a@192.0.2.1;transport=udp", ResolveError::Transport),
    ] {
        assert_eq!(zone.find(&mut resolver(), text), Err(expected), "{text}");
    }
    assert_eq!(ResolveError::NoHost.status(), StatusCode::UNSUPPORTED_URI_SCHEME);
}

#[test]
fn a_port_leads_to_the_addresses_of_the_name() {
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
    //= type=test
    //# Similarly, if no transport protocol is specified,
    //# and the TARGET is not numeric, but an explicit port is provided, the
    //# client SHOULD use UDP for a SIP URI, and TCP for a SIPS URI.
    let mut zone = Zone::default()
        .address("p.test", "2001:db8::1")
        .address("p.test", "192.0.2.1")
        .address("p.test", "192.0.2.2");
    let found = zone.find(&mut resolver(), "sip:P.Test.:5070");
    let expected = ["UDP 192.0.2.1 5070", "UDP 192.0.2.2 5070", "UDP 2001:db8::1 5070"];
    assert_eq!(found, Ok(expected.map(str::to_owned).to_vec()));
    zone.asked.clear();
    let found = zone.find(&mut with(|c| c.families = Families::V6Only), "sips:p.test:5070");
    assert_eq!(found, Ok(vec!["TLS 2001:db8::1 5070".to_owned()]));
    assert_eq!(zone.asked, [(RecordType::Aaaa, "p.test".to_owned())]);
    let found = zone.find(
        &mut with(|c| c.families = Families::V6First),
        "sip:p.test;transport=ws",
    );
    assert_eq!(found.expect("found")[0], "WS 2001:db8::1 80");
}

fn example() -> Zone {
    Zone::default()
        .naptr("example.com", 50, 50, "SIPS+D2T", "_sips._tcp.example.com.")
        .naptr("example.com", 90, 50, "SIP+D2T", "_sip._tcp.example.com")
        .naptr("example.com", 100, 50, "SIP+D2U", "_sip._udp.example.com.")
        .srv("_sips._tcp.example.com", 0, 1, 5061, "server1.example.com")
        .srv("_sip._tcp.example.com", 0, 1, 5060, "server1.example.com")
        .srv("_sip._tcp.example.com", 1, 2, 5062, "server2.example.com")
        .srv("_sip._udp.example.com", 0, 1, 5060, "server3.example.com")
        .address("server1.example.com", "192.0.2.1")
        .address("server2.example.com", "192.0.2.2")
        .address("server3.example.com", "192.0.2.3")
}

#[test]
fn services_choose_the_transport_and_servers_the_port() {
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
    //= type=test
    //# Second, a client MUST discard any service fields that identify
    //# a resolution service whose value is not "D2X", for values of X that
    //# indicate transport protocols supported by the client.
    let mut zone = example().naptr("example.com", 1, 1, "E2U+sip", "elsewhere.test");
    let without_tls = |c: &mut Config| c.transports = vec![Udp, Tcp];
    let found = zone.find(&mut with(without_tls), "sip:user@example.com");
    assert_eq!(
        found,
        Ok(vec![
            "TCP 192.0.2.1 5060".to_owned(),
            "TCP 192.0.2.2 5062".to_owned()
        ])
    );
    assert_eq!(zone.asked[0], (RecordType::Naptr, "example.com".to_owned()));
    assert_eq!(
        zone.asked[1],
        (RecordType::Srv, "_sip._tcp.example.com".to_owned())
    );
    let found = zone.find(&mut resolver(), "sip:user@example.com");
    assert_eq!(found, Ok(vec!["TLS 192.0.2.1 5061".to_owned()]));
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
    //= type=test
    //# First, a client resolving a SIPS URI MUST discard any services that
    //# do not contain "SIPS" as the protocol in the service field.
    let mut plain = Zone::default()
        .naptr("example.com", 1, 1, "SIP+D2T", "_sip._tcp.example.com")
        .srv("_sip._tcp.example.com", 0, 0, 5060, "server1.example.com")
        .address("server1.example.com", "192.0.2.1")
        .address("example.com", "192.0.2.9");
    let found = plain.find(&mut resolver(), "sips:user@example.com");
    assert_eq!(found, Ok(vec!["TLS 192.0.2.9 5061".to_owned()]));
    assert!(
        !plain
            .asked
            .contains(&(RecordType::Srv, "_sip._tcp.example.com".to_owned()))
    );
}

#[test]
fn without_services_each_transport_is_asked_for_and_without_servers_the_name() {
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
    //= type=test
    //# If no NAPTR records are found, the client constructs SRV queries for
    //# those transport protocols it supports, and does a query for each.
    let mut zone = Zone::default()
        .srv("_sip._udp.b.test", 0, 0, 5090, "s.b.test")
        .address("s.b.test", "192.0.2.4");
    let found = zone.find(&mut resolver(), "sip:b.test");
    assert_eq!(found, Ok(vec!["UDP 192.0.2.4 5090".to_owned()]));
    let asked: Vec<_> = zone.asked.iter().map(|(_, name)| name.as_str()).take(4).collect();
    assert_eq!(
        asked,
        [
            "b.test",
            "_sip._tcp.b.test",
            "_sip._udp.b.test",
            "_sips._tcp.b.test"
        ]
    );
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.2
    //= type=test
    //# If no SRV records were found, the client performs an A or AAAA record
    //# lookup of the domain name.
    let mut bare = Zone::default().address("c.test", "192.0.2.5");
    assert_eq!(
        bare.find(&mut resolver(), "sip:c.test"),
        Ok(vec!["UDP 192.0.2.5 5060".to_owned()])
    );
    assert_eq!(
        bare.find(&mut resolver(), "sips:c.test"),
        Ok(vec!["TLS 192.0.2.5 5061".to_owned()])
    );
    bare.asked.clear();
    let found = bare.find(&mut resolver(), "sip:c.test;transport=tcp");
    assert_eq!(found, Ok(vec!["TCP 192.0.2.5 5060".to_owned()]));
    assert_eq!(
        bare.asked[0],
        (RecordType::Srv, "_sip._tcp.c.test".to_owned()),
        "no NAPTR for a given transport"
    );
    assert_eq!(
        bare.find(&mut resolver(), "sip:nobody.test"),
        Err(ResolveError::NotFound)
    );
    let mut refusing = Zone::default()
        .srv("_sip._udp.d.test", 0, 0, 0, ".")
        .address("d.test", "192.0.2.6");
    assert_eq!(
        refusing.find(&mut resolver(), "sip:d.test"),
        Err(ResolveError::NotFound),
        "decidedly not here"
    );
}

#[test]
fn tls_has_to_prove_the_domain_of_the_uri() {
    let now = epoch();
    let (mut zone, mut resolver) = (example(), resolver());
    let Ok(Resolution::Pending(lookup)) = resolver.resolve(&uri("sips:user@example.com"), now) else {
        panic!("looked up")
    };
    zone.serve(&mut resolver, now);
    let found = end(&mut resolver, lookup).expect("found");
    assert_eq!(
        (found[0].transport, found[0].domain.as_deref()),
        (Tls, Some("example.com"))
    );
}

#[test]
fn next_hops_come_before_everything() {
    let mut resolver = with(|c| c.next_hops = vec![Destination::new(Udp, "edge.test", 5060)]);
    assert!(resolver.set_next_hops(
        "B.test.",
        vec![
            Destination::new(Tcp, "192.0.2.7", 5060),
            Destination::new(Tls, "192.0.2.8", 5061)
        ]
    ));
    let mut zone = example();
    let found = zone.find(&mut resolver, "sip:x@b.test");
    assert_eq!(
        found,
        Ok(vec![
            "TCP 192.0.2.7 5060".to_owned(),
            "TLS 192.0.2.8 5061".to_owned()
        ])
    );
    let found = zone.find(&mut resolver, "sips:x@b.test");
    assert_eq!(
        found,
        Ok(vec!["TLS 192.0.2.8 5061".to_owned()]),
        "what has to be secure stays so"
    );
    assert_eq!(
        zone.find(&mut resolver, "sip:x@example.com"),
        Ok(vec!["UDP edge.test 5060".to_owned()])
    );
    assert!(zone.asked.is_empty());
    assert!(resolver.set_next_hops("b.test", Vec::new()));
    assert_eq!(
        zone.find(&mut resolver, "sip:x@b.test"),
        Ok(vec!["UDP edge.test 5060".to_owned()])
    );
}

#[test]
fn who_asks_for_peace_has_it_and_who_failed_comes_last() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
    //= type=test
    //# A client (proxy or UAC) receiving a 503 (Service Unavailable) SHOULD
    //# attempt to forward the request to an alternate server.  It SHOULD NOT
    //# forward any other requests to that server for the duration specified
    //# in the Retry-After header field, if present.
    let start = epoch();
    let hops = vec![
        Destination::new(Tcp, "192.0.2.1", 5060),
        Destination::new(Tcp, "192.0.2.2", 5060),
    ];
    let mut resolver = with(|c| c.next_hops = hops.clone());
    let order = |resolver: &mut Resolver, at: Instant| match resolver.resolve(&uri("sip:x.test"), at) {
        Ok(Resolution::Known(found)) => Ok(found.iter().map(|d| d.host.clone()).collect::<Vec<_>>()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    resolver.report(&hops[0], Outcome::Failed, start);
    assert_eq!(
        order(&mut resolver, start),
        Ok(vec!["192.0.2.2".to_owned(), "192.0.2.1".to_owned()])
    );
    assert_eq!(
        order(&mut resolver, start + SECOND),
        Ok(vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]),
        "not for longer than the back-off"
    );
    resolver.report(&hops[0], Outcome::Overloaded(Some(30 * SECOND)), start);
    assert_eq!(order(&mut resolver, start), Ok(vec!["192.0.2.2".to_owned()]));
    resolver.report(&hops[1], Outcome::Overloaded(Some(20 * SECOND)), start);
    let refused = Err(ResolveError::Overloaded {
        retry_after: 15 * SECOND,
    });
    assert_eq!(order(&mut resolver, start + 5 * SECOND), refused);
    assert_eq!(
        order(&mut resolver, start + 20 * SECOND),
        Ok(vec!["192.0.2.2".to_owned()])
    );
    resolver.report(&hops[0], Outcome::Served, start);
    assert_eq!(order(&mut resolver, start), Ok(vec!["192.0.2.1".to_owned()]));
    // Each failure doubles the wait, up to five minutes.
    for _ in 0..40 {
        resolver.report(&hops[0], Outcome::Failed, start);
    }
    let last = |at| order(&mut resolver, at).map(|found| found.last().cloned());
    let mut last = last;
    assert_eq!(last(start + 149 * SECOND), Ok(Some("192.0.2.1".to_owned())));
    assert_eq!(last(start + 301 * SECOND), Ok(Some("192.0.2.2".to_owned())));
}

#[test]
fn what_is_held_is_bounded() {
    let start = epoch();
    let mut resolver = with(|c| {
        c.max_lookups = 3;
        c.max_marks = 4;
        c.max_domains = 2;
        c.max_servers = 2;
        c.max_destinations = 3;
        c.max_services = 1;
    });
    for host in 0..3 {
        assert!(
            resolver
                .resolve(&uri(&format!("sip:h{host}.test")), start)
                .is_ok()
        );
    }
    let refused = resolver.resolve(&uri("sip:h9.test"), start);
    assert_eq!(refused, Err(ResolveError::TooManyLookups));
    for host in 0..100_u8 {
        let destination = Destination::new(Udp, &format!("192.0.2.{host}"), 5060);
        resolver.report(&destination, Outcome::Failed, start);
        assert!(resolver.marks() <= 4);
    }
    for domain in 0..10 {
        let taken = resolver.set_next_hops(
            &format!("d{domain}.test"),
            vec![Destination::new(Udp, "192.0.2.1", 1)],
        );
        assert_eq!(taken, domain < 2);
    }
    resolver.handle_timeout(start + 20 * SECOND);
    while resolver.poll_event().is_some() {}
    let mut zone = Zone::default();
    for service in 0..9 {
        zone = zone.naptr(
            "e.test",
            1,
            service,
            "SIP+D2U",
            &format!("_sip._udp.e{service}.test"),
        );
        for server in 0..9 {
            zone = zone.srv(
                &format!("_sip._udp.e{service}.test"),
                server,
                0,
                5060,
                &format!("s{server}.test"),
            );
        }
    }
    for server in 0..9 {
        for address in 0..5 {
            zone = zone.address(&format!("s{server}.test"), &format!("192.0.{server}.{address}"));
        }
    }
    let mut resolver = with(|c| {
        c.max_servers = 2;
        c.max_destinations = 7;
        c.max_services = 1;
    });
    let found = zone.find(&mut resolver, "sip:e.test").expect("found");
    assert_eq!(found.len(), 7);
    assert_eq!(zone.asked.len(), 1 + 1 + 2 * 2);
}

#[test]
fn a_name_server_that_says_nothing_holds_nobody_up_for_long() {
    let start = epoch();
    let mut resolver = resolver();
    let Ok(Resolution::Pending(lookup)) = resolver.resolve(&uri("sip:slow.test:5060"), start) else {
        panic!("looked up")
    };
    let Ok(Resolution::Pending(other)) = resolver.resolve(&uri("sip:slow.test:5070"), start) else {
        panic!("looked up")
    };
    let queries: Vec<_> = std::iter::from_fn(|| resolver.poll_effect()).collect();
    assert_eq!(queries.len(), 2, "both wait for the same two answers");
    assert_eq!(resolver.poll_timeout(), Some(start + 5 * SECOND));
    resolver.handle_timeout(start + 5 * SECOND);
    assert_eq!(end(&mut resolver, lookup), Err(ResolveError::TimedOut));
    assert_eq!(end(&mut resolver, other), Err(ResolveError::TimedOut));
    assert!(resolver.is_drained() && resolver.poll_timeout().is_none());
    for query in queries {
        let result = Ok(vec![Record::Address("192.0.2.1".parse().expect("an address"))]);
        resolver.handle_answer(Answer { id: query.id, result }, start);
    }
    assert!(resolver.poll_event().is_none(), "late answers say nothing");
    // One that is given up asks nothing.
    let Ok(Resolution::Pending(lookup)) = resolver.resolve(&uri("sip:never.test"), start) else {
        panic!("looked up")
    };
    resolver.abandon(lookup);
    assert!(resolver.poll_effect().is_none() && resolver.is_drained());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_lookup_ends_once_whatever_is_answered_and_when(seed in any::<u64>()) {
        let run = || {
            let (start, mut dice) = (epoch_of(seed), Dice::new(seed));
            let mut resolver = Resolver::new(Config::default(), entropy(seed));
            let (mut now, mut log, mut open, mut held) = (start, Vec::new(), 0_u32, Vec::new());
            for _ in 0..60 {
                match dice.below(4) {
                    0 => {
                        let scheme = ["sip", "sips"][usize::try_from(dice.below(2)).expect("small")];
                        let name = format!("{scheme}:n{}.test", dice.below(3));
                        open += u32::from(matches!(resolver.resolve(&uri(&name), now), Ok(Resolution::Pending(_))));
                    }
                    1 => now += Duration::from_millis(dice.below(3000)),
                    2 => {
                        let before = resolver.poll_timeout();
                        resolver.handle_timeout(now);
                        if before.is_none_or(|at| at > now) {
                            prop_assert_eq!(resolver.poll_timeout(), before);
                        }
                        prop_assert!(resolver.poll_timeout().is_none_or(|at| at > now));
                    }
                    _ => {
                        held.extend(std::iter::from_fn(|| resolver.poll_effect()));
                        if !held.is_empty() {
                            let at = usize::try_from(dice.below(held.len() as u64)).expect("small");
                            let query = held[at].clone();
                            // Sometimes twice.
                            if dice.percent(80) {
                                held.remove(at);
                            }
                            resolver.handle_answer(Answer { id: query.id, result: noise(&mut dice) }, now);
                        }
                    }
                }
                while let Some(event) = resolver.poll_event() {
                    log.push(format!("{event:?}"));
                }
            }
            while let Some(at) = resolver.poll_timeout() {
                now = now.max(at);
                resolver.handle_timeout(now);
            }
            while let Some(event) = resolver.poll_event() {
                log.push(format!("{event:?}"));
            }
            prop_assert_eq!(log.len(), usize::try_from(open).expect("small"));
            prop_assert!(resolver.is_drained());
            Ok(log)
        };
        prop_assert_eq!(run()?, run()?);
    }
}

fn epoch_of(_: u64) -> Instant {
    epoch()
}

fn noise(dice: &mut Dice) -> Result<Vec<Record>, QueryError> {
    if dice.percent(20) {
        return Err(QueryError::Failed);
    }
    let names = ["n0.test", "_sip._udp.n1.test", ".", "", "N2.TEST."];
    let name = |dice: &mut Dice| names[usize::try_from(dice.below(5)).expect("small")].to_owned();
    let number = |dice: &mut Dice| u16::try_from(dice.below(4)).expect("small");
    Ok((0..dice.below(5))
        .map(|_| match dice.below(3) {
            0 => Record::Naptr(Naptr {
                order: number(dice),
                preference: number(dice),
                flags: "S".to_owned(),
                service: ["sip+d2u", "SIPS+D2T", "x"][usize::from(number(dice) % 3)].to_owned(),
                replacement: name(dice),
            }),
            1 => Record::Srv(Srv {
                priority: number(dice),
                weight: number(dice),
                port: number(dice),
                target: name(dice),
            }),
            _ => Record::Address(
                ["192.0.2.1", "2001:db8::2", "::ffff:192.0.2.3"][usize::from(number(dice) % 3)]
                    .parse()
                    .expect("an address"),
            ),
        })
        .collect())
}

#[test]
fn a_websocket_is_used_where_it_is_named_only() {
    let mut zone = Zone::default().address("w.test", "192.0.2.1");
    let found = zone.find(&mut resolver(), "sips:w.test;transport=ws");
    assert_eq!(found, Ok(vec![format!("{} 192.0.2.1 443", Wss)]));
    let other: Transport = Wss;
    assert!(!Config::default().transports.contains(&other));
}
