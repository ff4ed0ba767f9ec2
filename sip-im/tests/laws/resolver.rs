//! Resolvers, whose name servers answer late, twice or nonsense.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip_im::Transport;
use sip_im::resolve::{
    Answer, Config, Destination, Event, LookupId, Naptr, Outcome, Query, QueryError, QueryId, Record,
    RecordType, Resolution, Resolver, Srv,
};

use crate::law::{Subject, keep, steps};
use crate::machines::{entropy, uri};

const LOOKUPS: usize = 4;
const MARKS: usize = 3;

#[derive(Clone, Debug)]
enum Operation {
    Resolve {
        secure: bool,
        name: u8,
    },
    Abandon {
        which: u8,
    },
    Ask,
    Answer {
        which: u8,
        records: Vec<u8>,
        fails: bool,
        again: bool,
    },
    Report {
        which: u8,
        outcome: u8,
    },
    Direct {
        name: u8,
        hops: u8,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let records = proptest::collection::vec(any::<u8>(), 0..5);
    prop_oneof![
        5 => (any::<bool>(), 0..3_u8).prop_map(|(secure, name)| Operation::Resolve { secure, name }),
        1 => any::<u8>().prop_map(|which| Operation::Abandon { which }),
        2 => Just(Operation::Ask),
        6 => (any::<u8>(), records, proptest::bool::weighted(0.2), proptest::bool::weighted(0.2))
            .prop_map(|(which, records, fails, again)| Operation::Answer { which, records, fails, again }),
        2 => (0..6_u8, 0..4_u8).prop_map(|(which, outcome)| Operation::Report { which, outcome }),
        1 => (0..4_u8, 0..2_u8).prop_map(|(name, hops)| Operation::Direct { name, hops }),
    ]
}

struct Host {
    resolver: Resolver,
    queries: Vec<Query>,
    asked: Vec<QueryId>,
    begun: Vec<LookupId>,
    /// How often each lookup has ended; none for one that was given up.
    ends: BTreeMap<LookupId, Option<u32>>,
}

impl Host {
    fn ask(&mut self) {
        while let Some(query) = self.resolver.poll_effect() {
            assert!(!self.asked.contains(&query.id), "a number is used once");
            self.asked.push(query.id);
            self.queries.push(query);
        }
    }
}

fn pick(len: usize, which: u8) -> Option<usize> {
    usize::from(which).checked_rem(len)
}

fn record(kind: RecordType, seed: u8) -> Record {
    let (low, high) = (u16::from(seed % 3), u16::from(seed / 16));
    match (kind, seed % 7) {
        // Of another kind than was asked for.
        (_, 6) | (RecordType::A, _) => {
            Record::Address(format!("192.0.2.{seed}").parse().expect("an address"))
        }
        (RecordType::Aaaa, _) => Record::Address(format!("2001:db8::{seed}").parse().expect("an address")),
        (RecordType::Srv, _) => Record::Srv(Srv {
            priority: low,
            weight: high,
            port: 5060 + low,
            target: ["a.test", "b.test", ".", "c.test"][usize::from(seed % 4)].to_owned(),
        }),
        (RecordType::Naptr, _) => Record::Naptr(Naptr {
            order: low,
            preference: high,
            flags: "s".to_owned(),
            service: ["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2W"][usize::from(seed % 4)].to_owned(),
            replacement: format!("_sip.n{}.test", seed % 2),
        }),
    }
}

impl Subject for Host {
    type Operation = Operation;
    // Which question is answered depends on which are known.
    const SAME_WHEN_LATE: bool = false;

    fn new(_: Instant) -> Self {
        let mut config = Config::default();
        (config.max_lookups, config.max_marks, config.max_domains) = (LOOKUPS, MARKS, 2);
        (config.max_servers, config.max_destinations) = (3, 4);
        Self {
            resolver: Resolver::new(config, entropy(8)),
            queries: Vec::new(),
            asked: Vec::new(),
            begun: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        match operation {
            Operation::Resolve { secure, name } => {
                let scheme = if *secure { "sips" } else { "sip" };
                let found = self
                    .resolver
                    .resolve(&uri(&format!("{scheme}:n{name}.test")), now);
                if let Ok(Resolution::Pending(lookup)) = &found {
                    self.begun.push(*lookup);
                    assert_eq!(self.ends.insert(*lookup, Some(0)), None, "a number is used once");
                }
                return format!("{found:?}");
            }
            Operation::Abandon { which } => {
                if let Some(at) = pick(self.begun.len(), *which) {
                    let lookup = self.begun[at];
                    self.resolver.abandon(lookup);
                    if self.ends.get(&lookup) == Some(&Some(0)) {
                        self.ends.insert(lookup, None);
                    }
                }
            }
            Operation::Ask => self.ask(),
            Operation::Answer {
                which,
                records,
                fails,
                again,
            } => {
                self.ask();
                let Some(at) = pick(self.queries.len(), *which) else {
                    return String::new();
                };
                let query = self.queries[at].clone();
                if !again {
                    self.queries.remove(at);
                }
                let found = records
                    .iter()
                    .map(|seed| record(query.question.record, *seed))
                    .collect();
                let result = if *fails {
                    Err(QueryError::Failed)
                } else {
                    Ok(found)
                };
                self.resolver.handle_answer(Answer { id: query.id, result }, now);
            }
            Operation::Report { which, outcome } => {
                let place = Destination::new(Transport::Udp, &format!("192.0.2.{which}"), 5060);
                let outcome = match outcome {
                    0 => Outcome::Served,
                    1 => Outcome::Failed,
                    2 => Outcome::Overloaded(None),
                    _ => Outcome::Overloaded(Some(Duration::from_secs(9))),
                };
                self.resolver.report(&place, outcome, now);
            }
            Operation::Direct { name, hops } => {
                let hops =
                    (0..*hops).map(|at| Destination::new(Transport::Udp, &format!("192.0.2.{at}"), 5060));
                let taken = self
                    .resolver
                    .set_next_hops(&format!("n{name}.test"), hops.collect());
                return format!("{taken}");
            }
        }
        String::new()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.resolver.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.resolver.poll_timeout()
    }

    fn drain(&mut self, _: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.resolver.poll_event() {
            told.push(format!("{event:?}"));
            if let Event::Resolved { lookup, .. } = event {
                let count = self.ends.get_mut(&lookup).and_then(Option::as_mut);
                *count.expect("nothing is heard of what was given up") += 1;
            }
        }
        told
    }

    fn look(&self) -> String {
        format!("{:?}", self.resolver)
    }

    fn check_limits(&self) {
        assert!(self.resolver.lookups() <= LOOKUPS && self.resolver.marks() <= MARKS);
        // Each lookup asks for the services, or for the addresses of each server in both families.
        assert!(self.resolver.queries() <= LOOKUPS * 2 * 3);
        assert!(self.resolver.unasked() <= self.resolver.queries());
        if self.resolver.lookups() == 0 {
            assert_eq!(self.resolver.queries(), 0, "for nobody");
        }
    }

    fn settle(&mut self, _: Instant) {}

    fn account(&mut self, _: Instant) {
        assert!(self.resolver.is_drained(), "{:?}", self.resolver);
        assert!(
            self.ends.values().flatten().all(|count| *count == 1),
            "{:?}",
            self.ends
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_resolver_keeps_the_laws(steps in steps(operation(), Duration::from_secs(12))) {
        keep::<Host>(&steps);
    }
}
