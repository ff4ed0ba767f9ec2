//! The store keeps what it has said it keeps.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::Folder;
use examples::store::{OpenError, Store};
use im_roles::driver::{DocumentSource, MessageStore};
use im_roles::effect::{DeferredMessage, DocumentSelector, MailboxQuota, StoreError, StoredDocument};
use sip_im::{Identity, Uri};

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn identity(uri: &str) -> Identity {
    Uri::parse(uri).unwrap().identity()
}

fn message(user: &str, reference: &str, octets: usize) -> DeferredMessage {
    let arrived = Duration::from_micros(1_700_000_000_000_001);
    let expires = arrived + Duration::from_secs(3600);
    DeferredMessage::new(
        identity(user),
        reference,
        Bytes::from(vec![0xff; octets]),
        arrived,
        expires,
    )
}

fn document(etag: &str) -> StoredDocument {
    StoredDocument::new(etag, Bytes::from(format!("<a etag='{etag}'/>")))
}

fn rules_of(user: &str) -> DocumentSelector {
    DocumentSelector::of_user(
        "org.openmobilealliance.access-rules",
        identity(user),
        "access-rules",
    )
}

const ENOUGH: usize = 1000;

fn quota(messages: usize, octets: u64) -> MailboxQuota {
    MailboxQuota::new(messages, octets)
}

//= type=test
//= R-5.3.2-12
#[test]
fn what_was_stored_is_there_after_reopening() {
    let folder = Folder::new("store-reopen");
    let path = folder.path().join("im.db");
    let alice = "sip:alice@example.com";
    run(async {
        let store = Store::open(&path).unwrap();
        store
            .store_message(message(alice, "2", 10), quota(ENOUGH, 1 << 20))
            .await
            .unwrap();
        store
            .store_message(message(alice, "1", 20), quota(ENOUGH, 1 << 20))
            .await
            .unwrap();
        store
            .store_message(message("sip:bob@example.com", "1", 30), quota(ENOUGH, 1 << 20))
            .await
            .unwrap();
        store
            .store_document(rules_of(alice), None, document("e1"), Vec::new())
            .await
            .unwrap();
    });
    run(async {
        let store = Store::open(&path).unwrap();
        let listed = store.list_messages(identity(alice), ENOUGH).await.unwrap();
        assert_eq!(listed, [message(alice, "1", 20), message(alice, "2", 10)]);
        assert_eq!(store.list_messages(identity(alice), 1).await.unwrap().len(), 1);
        assert_eq!(
            store.fetch_document(rules_of(alice)).await.unwrap(),
            Some(document("e1"))
        );
        store
            .delete_message(identity(alice), "1".to_owned())
            .await
            .unwrap();
        store
            .delete_message(identity(alice), "1".to_owned())
            .await
            .unwrap();
        assert_eq!(
            store.list_messages(identity(alice), ENOUGH).await.unwrap(),
            [message(alice, "2", 10)]
        );
    });
}

#[test]
fn a_document_is_written_only_over_what_its_writer_has_seen() {
    run(async {
        let store = Store::in_memory().unwrap();
        let rules = rules_of("sip:alice@example.com");
        let put = |expected: Option<&str>, etag: &str| {
            store.store_document(
                rules.clone(),
                expected.map(str::to_owned),
                document(etag),
                Vec::new(),
            )
        };
        assert_eq!(put(Some("e0"), "e1").await, Err(StoreError::Conflict));
        put(None, "e1").await.unwrap();
        assert_eq!(put(None, "e2").await, Err(StoreError::Conflict));
        assert_eq!(put(Some("e2"), "e3").await, Err(StoreError::Conflict));
        put(Some("e1"), "e2").await.unwrap();
        assert_eq!(
            store.delete_document(rules.clone(), "e1".to_owned()).await,
            Err(StoreError::Conflict)
        );
        assert_eq!(
            store.fetch_document(rules.clone()).await.unwrap(),
            Some(document("e2"))
        );
        store
            .delete_document(rules.clone(), "e2".to_owned())
            .await
            .unwrap();
        assert_eq!(store.fetch_document(rules.clone()).await.unwrap(), None);
        assert_eq!(
            store.delete_document(rules.clone(), "e2".to_owned()).await,
            Err(StoreError::Conflict)
        );
    });
}

#[test]
fn groups_are_found_by_address_and_belong_to_one_document() {
    run(async {
        let store = Store::in_memory().unwrap();
        let of =
            |user: &str| DocumentSelector::of_user("org.openmobilealliance.groups", identity(user), "index");
        let (alice, bob) = (of("sip:alice@example.com"), of("sip:bob@example.com"));
        let (one, two) = (identity("sip:one@example.com"), identity("sip:two@example.com"));
        store
            .store_document(
                alice.clone(),
                None,
                document("e1"),
                vec![one.clone(), two.clone()],
            )
            .await
            .unwrap();
        let found = store
            .find_groups(vec![identity("sip:none@example.com"), two.clone()])
            .await
            .unwrap();
        assert_eq!(found, [(two.clone(), document("e1"))]);

        let taken = store
            .store_document(bob.clone(), None, document("b1"), vec![two.clone()])
            .await;
        assert_eq!(taken, Err(StoreError::Conflict));
        assert_eq!(store.fetch_document(bob.clone()).await.unwrap(), None);

        store
            .store_document(
                alice.clone(),
                Some("e1".to_owned()),
                document("e2"),
                vec![one.clone()],
            )
            .await
            .unwrap();
        store
            .store_document(bob, None, document("b1"), vec![two.clone()])
            .await
            .unwrap();
        store.delete_document(alice, "e2".to_owned()).await.unwrap();
        assert_eq!(
            store.find_groups(vec![one, two.clone()]).await.unwrap(),
            [(two, document("b1"))]
        );
    });
}

#[test]
fn a_mailbox_holds_no_more_than_its_quota() {
    run(async {
        let store = Store::in_memory().unwrap();
        let alice = "sip:alice@example.com";
        store
            .store_message(message(alice, "1", 50), quota(2, 100))
            .await
            .unwrap();
        assert_eq!(
            store.store_message(message(alice, "2", 51), quota(2, 100)).await,
            Err(StoreError::QuotaExceeded)
        );
        store
            .store_message(message(alice, "2", 50), quota(2, 100))
            .await
            .unwrap();
        assert_eq!(
            store.store_message(message(alice, "3", 0), quota(2, 100)).await,
            Err(StoreError::QuotaExceeded)
        );
        store
            .store_message(message(alice, "2", 40), quota(2, 100))
            .await
            .unwrap();
        store
            .store_message(message("sip:bob@example.com", "3", 100), quota(2, 100))
            .await
            .unwrap();
        assert_eq!(
            store.list_messages(identity(alice), ENOUGH).await.unwrap().len(),
            2
        );
    });
}

#[test]
fn many_writes_at_a_time_are_all_kept() {
    let folder = Folder::new("store-many");
    let path = folder.path().join("im.db");
    let alice = "sip:alice@example.com";
    run(async {
        let store = Store::open(&path).unwrap();
        let writes: Vec<_> = (0..300)
            .map(|index| {
                let (store, message) = (store.clone(), message(alice, &format!("{index:03}"), 100));
                tokio::spawn(async move { store.store_message(message, quota(ENOUGH, 1 << 20)).await })
            })
            .collect();
        for write in writes {
            write.await.unwrap().unwrap();
        }
    });
    run(async {
        let store = Store::open(&path).unwrap();
        assert_eq!(
            store.list_messages(identity(alice), ENOUGH).await.unwrap().len(),
            300
        );
    });
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let folder = Folder::new("store-later");
    let path = folder.path().join("im.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 1_000).unwrap();
    drop(database);
    assert!(matches!(
        Store::open(&path),
        Err(OpenError::TooNew { found: 1_000, .. })
    ));
    std::fs::write(&path, b"this is no database, whatever else it may be").unwrap();
    assert!(matches!(Store::open(&path), Err(OpenError::Database(_))));
}

#[cfg(unix)]
#[test]
fn a_new_store_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("store-mode");
    let path = folder.path().join("im.db");
    let _store = Store::open(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
