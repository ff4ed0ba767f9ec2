//! References of lists lead only where they may, once, and to an end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use bytes::Bytes;
use im_xdm_model::document::{CopyControl, Entry, EntryRef, External, Item, List, ResourceLists};
use im_xdm_model::list::{Options, ResolveError, Resolver, ResolverConfig, recipients};
use proptest::prelude::*;

const ROOT: &str = "http://xcap.example.com/root";

fn config() -> ResolverConfig {
    let mut config = ResolverConfig::default();
    config.roots = vec![ROOT.into(), "https://other.example.com".into()];
    config
}

fn anchor(document: usize, list: usize) -> String {
    format!("{ROOT}/resource-lists/users/sip:u@example.com/d{document}/~~/resource-lists/list%5b{list}%5d")
}

fn entry_ref(document: usize, list: usize, entry: usize) -> String {
    format!(
        "resource-lists/users/sip:u@example.com/d{document}/~~/resource-lists/list%5b{list}%5d/entry%5b{entry}%5d"
    )
}

fn list(children: Vec<Item>) -> List {
    let mut list = List::new();
    list.children = children;
    list
}

fn entry(user: usize) -> Item {
    Item::Entry(Entry::new(format!("sip:u{user}@example.com")))
}

/// Answers everything that is asked from a store, the last question first.
fn resolve(
    config: ResolverConfig,
    lists: Vec<List>,
    store: &BTreeMap<String, Bytes>,
) -> (Result<ResourceLists, ResolveError>, usize) {
    let mut resolver = Resolver::new(config, ResourceLists::of(lists));
    let mut fetched = 0;
    loop {
        let mut asked: Vec<_> = std::iter::from_fn(|| resolver.poll_effect()).collect();
        if asked.is_empty() {
            break;
        }
        fetched += asked.len();
        while let Some(fetch) = asked.pop() {
            let text = store.get(fetch.uri.document()).cloned();
            resolver.handle_answer(fetch.id, text.clone());
            // Answers that come twice are ignored.
            resolver.handle_answer(fetch.id, text);
        }
    }
    let result = resolver.poll_event().unwrap();
    assert!(resolver.is_drained() && resolver.poll_event().is_none());
    (result, fetched)
}

fn store(documents: Vec<Vec<List>>) -> BTreeMap<String, Bytes> {
    documents
        .into_iter()
        .enumerate()
        .map(|(at, lists)| (format!("d{at}"), ResourceLists::of(lists).write()))
        .collect()
}

fn uris(lists: &ResourceLists) -> Vec<String> {
    let found = recipients(lists, &Options::default()).unwrap();
    found
        .entries
        .iter()
        .map(|one| one.uri.as_str().to_owned())
        .collect()
}

#[test]
fn references_are_replaced_by_what_they_lead_to() {
    let mut external = External::new(anchor(0, 1));
    external.copy_control = Some(CopyControl::Cc);
    external.anonymize = true;
    let mut reference = EntryRef::new(entry_ref(0, 2, 1));
    reference.copy_control = Some(CopyControl::To);
    let lists = vec![list(vec![
        entry(9),
        Item::External(external),
        Item::EntryRef(reference),
    ])];
    let store = store(vec![vec![
        list(vec![entry(1), list(vec![entry(2)]).into_item()]),
        list(vec![entry(3)]),
    ]]);
    let (resolved, fetched) = resolve(config(), lists, &store);
    let resolved = resolved.unwrap();
    assert_eq!(fetched, 1);
    let found = recipients(&resolved, &Options::default()).unwrap();
    let seen: Vec<_> = found
        .entries
        .iter()
        .map(|one| (one.uri.as_str(), one.copy_control, one.anonymize))
        .collect();
    assert_eq!(
        seen,
        [
            ("sip:u9@example.com", CopyControl::Bcc, false),
            ("sip:u1@example.com", CopyControl::Cc, true),
            ("sip:u2@example.com", CopyControl::Cc, true),
            ("sip:u3@example.com", CopyControl::To, false),
        ]
    );
}

trait IntoItem {
    fn into_item(self) -> Item;
}

impl IntoItem for List {
    fn into_item(self) -> Item {
        Item::List(self)
    }
}

//= https://www.rfc-editor.org/rfc/rfc4826#section-3.1
//= type=test
//# Specifically, it MUST be a relative path reference, where the base
//# URI is equal to the XCAP root URI of the document in which the
//# <entry-ref> appears.
#[test]
fn nothing_outside_of_the_domain_is_fetched() {
    let path = "resource-lists/users/sip:u@example.com/d0/~~/resource-lists/list%5b1%5d";
    for outside in [
        format!("http://evil.example.com/root/{path}"),
        format!("http://xcap.example.com.evil.example/root/{path}"),
        format!("http://xcap.example.com@evil.example/root/{path}"),
        format!("http://xcap.example.com:8080/root/{path}"),
        format!("https://xcap.example.com/root/{path}"),
        format!("http://169.254.169.254/root/{path}"),
        format!("http://xcap.example.com/elsewhere/{path}"),
        format!("http://xcap.example.com/root/../{path}"),
        "http://xcap.example.com/root/other-usage/users/sip:u@example.com/d0/~~/resource-lists/list%5b1%5d"
            .to_owned(),
        "file:///etc/passwd".to_owned(),
        path.to_owned(),
        String::new(),
    ] {
        let (result, fetched) = resolve(
            config(),
            vec![list(vec![Item::External(External::new(&outside))])],
            &store(vec![]),
        );
        assert_eq!((result, fetched), (Err(ResolveError::Outside), 0), "{outside}");
    }
    for outside in [
        anchor(0, 1),
        format!("/{}", entry_ref(0, 1, 1)),
        format!("../{}", entry_ref(0, 1, 1)),
        "resource-lists/users/../../x/~~/resource-lists/list/entry".to_owned(),
        "//evil.example/x".to_owned(),
    ] {
        let (result, fetched) = resolve(
            config(),
            vec![list(vec![Item::EntryRef(EntryRef::new(&outside))])],
            &store(vec![]),
        );
        assert_eq!((result, fetched), (Err(ResolveError::Outside), 0), "{outside}");
    }
    // Another spelling of the same origin is no way around, and no other place.
    let spelt = anchor(0, 1).replace("http://xcap.example.com", "HTTP://XCAP.example.com:80");
    let here = store(vec![vec![list(vec![entry(1)])]]);
    let (result, _) = resolve(
        config(),
        vec![list(vec![Item::External(External::new(spelt))])],
        &here,
    );
    assert_eq!(uris(&result.unwrap()), ["sip:u1@example.com"]);
}

#[test]
fn a_list_inside_itself_adds_nobody() {
    let inner = |next: usize| {
        vec![list(vec![
            entry(next),
            Item::External(External::new(anchor(next, 1))),
        ])]
    };
    let circle = store(vec![inner(1), inner(2), inner(0)]);
    let (resolved, fetched) = resolve(config(), inner(0), &circle);
    assert_eq!(fetched, 3);
    assert_eq!(
        uris(&resolved.unwrap()),
        ["sip:u0@example.com", "sip:u1@example.com", "sip:u2@example.com"]
    );
}

#[test]
fn every_limit_holds() {
    let external = |document| Item::External(External::new(anchor(document, 1)));
    let many = store((0..20).map(|_| vec![list(vec![entry(1)])]).collect());
    let lists = || vec![list((0..20).map(external).collect())];
    let with = |change: &dyn Fn(&mut ResolverConfig)| {
        let mut config = config();
        change(&mut config);
        resolve(config, lists(), &many).0
    };
    assert!(with(&|_| {}).is_ok());
    assert_eq!(
        with(&|config| config.max_documents = 19),
        Err(ResolveError::TooManyDocuments)
    );
    assert_eq!(
        with(&|config| config.max_references = 19),
        Err(ResolveError::TooManyReferences)
    );
    assert_eq!(
        with(&|config| config.max_items = 39),
        Err(ResolveError::TooManyItems)
    );
    assert_eq!(with(&|config| config.max_depth = 1), Err(ResolveError::TooDeep));
    // Each document refers to the next one twice: twice as many at each step.
    let doubling = store(
        (0..20)
            .map(|at| vec![list(vec![external(at + 1), external(at + 1), entry(at)])])
            .collect(),
    );
    let mut config = config();
    config.skip_missing = true;
    assert_eq!(
        resolve(config, vec![list(vec![external(0)])], &doubling).0,
        Err(ResolveError::TooManyItems)
    );
}

#[test]
fn references_to_nothing_fail_the_list_unless_they_may_be_left_out() {
    let here = store(vec![vec![list(vec![entry(1)])]]);
    for reference in [
        Item::External(External::new(anchor(7, 1))),
        Item::External(External::new(anchor(0, 2))),
        Item::External(External::new(format!("{ROOT}/{}", entry_ref(0, 1, 1)))),
        Item::EntryRef(EntryRef::new(entry_ref(0, 1, 2))),
    ] {
        let lists = vec![list(vec![entry(5), reference])];
        assert_eq!(
            resolve(config(), lists.clone(), &here).0,
            Err(ResolveError::Missing)
        );
        let mut lenient = config();
        lenient.skip_missing = true;
        assert_eq!(
            uris(&resolve(lenient, lists, &here).0.unwrap()),
            ["sip:u5@example.com"]
        );
    }
}

/// What a list says: users, and references to the only list of a document or to an entry of it.
#[derive(Debug, Clone)]
enum Said {
    User(usize),
    Inner(Vec<Said>),
    External(usize),
    EntryRef(usize),
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let leaf = prop_oneof![
        (0..6_usize).prop_map(Said::User),
        (0..4_usize).prop_map(Said::External),
        (0..4_usize).prop_map(Said::EntryRef),
    ];
    let one = leaf.prop_recursive(2, 8, 3, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(Said::Inner)
    });
    proptest::collection::vec(one, 0..4)
}

fn items(said: &[Said]) -> Vec<Item> {
    said.iter()
        .map(|one| match one {
            Said::User(user) => entry(*user),
            Said::Inner(inner) => Item::List(list(items(inner))),
            Said::External(document) => Item::External(External::new(anchor(*document, 1))),
            Said::EntryRef(document) => Item::EntryRef(EntryRef::new(entry_ref(*document, 1, 1))),
        })
        .collect()
}

/// The users that a list reaches, by a plain walk.
fn reached(said: &[Said], documents: &[Vec<Said>], inside: &mut Vec<usize>, found: &mut Vec<String>) {
    for one in said {
        match one {
            Said::User(user) => add(*user, found),
            Said::EntryRef(document) => {
                let first = documents
                    .get(*document)
                    .into_iter()
                    .flatten()
                    .find_map(|one| match one {
                        Said::User(user) => Some(*user),
                        _ => None,
                    });
                if let Some(user) = first {
                    add(user, found);
                }
            }
            Said::Inner(inner) => reached(inner, documents, inside, found),
            Said::External(document) if !inside.contains(document) => {
                inside.push(*document);
                let said = documents.get(*document).map(Vec::as_slice).unwrap_or_default();
                reached(said, documents, inside, found);
                inside.pop();
            }
            Said::External(_) => {}
        }
    }
}

fn add(user: usize, found: &mut Vec<String>) {
    let uri = format!("sip:u{user}@example.com");
    if !found.contains(&uri) {
        found.push(uri);
    }
}

proptest! {
    #[test]
    fn lists_reach_whom_a_plain_walk_reaches(start in said(), documents in proptest::collection::vec(said(), 4)) {
        let texts = store(documents.iter().map(|said| vec![list(items(said))]).collect());
        let mut config = config();
        config.skip_missing = true;
        let (resolved, _) = resolve(config, vec![list(items(&start))], &texts);
        let mut wanted = Vec::new();
        reached(&start, &documents, &mut Vec::new(), &mut wanted);
        prop_assert_eq!(uris(&resolved.unwrap()), wanted);
    }
}
