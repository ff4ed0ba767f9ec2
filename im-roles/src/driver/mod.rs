//! The thin asynchronous side: a machine, its stores and its network in one future, under any runtime.
//!
//! All progress lives in the [`Driver`], so [`Driver::next_event`] may be dropped at any point and called again: nothing
//! is lost. Only this folder is asynchronous; what it drives is not.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use async_trait::async_trait;
//! use im_roles::config::Config;
//! use im_roles::driver::{DocumentSource, Driver, Host, MessageStore, Stores, Wake};
//! use im_roles::effect::{
//!     DeferredMessage, DocumentListing, DocumentSelector, MailboxQuota, StoreError, StoredDocument,
//! };
//! use im_roles::{WallClock, flow, node::Node};
//! use sip_im::Identity;
//!
//! struct Nothing;
//!
//! #[async_trait]
//! impl DocumentSource for Nothing {
//!     async fn fetch_document(&self, _: DocumentSelector) -> Result<Option<StoredDocument>, StoreError> {
//!         Ok(None)
//!     }
//!     async fn store_document(
//!         &self,
//!         _: DocumentSelector,
//!         _: Option<String>,
//!         _: StoredDocument,
//!         _: Vec<Identity>,
//!     ) -> Result<(), StoreError> {
//!         Err(StoreError::Unavailable)
//!     }
//!     async fn delete_document(&self, _: DocumentSelector, _: String) -> Result<(), StoreError> {
//!         Err(StoreError::Unavailable)
//!     }
//!     async fn find_groups(&self, _: Vec<Identity>) -> Result<Vec<(Identity, StoredDocument)>, StoreError> {
//!         Ok(Vec::new())
//!     }
//!     async fn list_documents(&self, _: Identity, _: usize) -> Result<Vec<DocumentListing>, StoreError> {
//!         Ok(Vec::new())
//!     }
//! }
//!
//! #[async_trait]
//! impl MessageStore for Nothing {
//!     async fn store_message(&self, _: DeferredMessage, _: MailboxQuota) -> Result<(), StoreError> {
//!         Err(StoreError::Unavailable)
//!     }
//!     async fn list_messages(&self, _: Identity, _: usize) -> Result<Vec<DeferredMessage>, StoreError> {
//!         Ok(Vec::new())
//!     }
//!     async fn delete_message(&self, _: Identity, _: String) -> Result<(), StoreError> {
//!         Ok(())
//!     }
//! }
//!
//! struct Silence;
//!
//! #[async_trait]
//! impl Host for Silence {
//!     fn now(&self) -> Instant {
//!         Instant::now()
//!     }
//!     fn has_room(&self) -> bool {
//!         true
//!     }
//!     fn transmit(&mut self, _: flow::Transmit) {}
//!     async fn next(&mut self, _: Option<Instant>) -> Wake {
//!         Wake::Timeout
//!     }
//! }
//!
//! let clock = WallClock::new(Instant::now(), Duration::ZERO);
//! let mut node = Node::new(Config::new("example.com")?, clock, Box::new(|octets: &mut [u8]| octets.fill(7)));
//! node.shut_down(Instant::now());
//! let stores = Stores::new(Arc::new(Nothing), Arc::new(Nothing));
//! let mut driver = Driver::new(node, Silence, stores);
//! // A runtime would await it; here it is ready at once.
//! let mut next = std::pin::pin!(driver.next_event());
//! let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! assert!(matches!(std::future::Future::poll(next.as_mut(), &mut context), std::task::Poll::Ready(None)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod run;
mod stores;

pub use run::{Driver, Host, Wake};
pub use stores::{DocumentSource, MessageStore, Stores};
