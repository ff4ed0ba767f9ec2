//! The stores as asynchronous traits, one method for each effect.

use std::sync::Arc;

use async_trait::async_trait;
use sip_im::Identity;

use crate::effect::{
    Answer, DeferredMessage, DocumentListing, DocumentSelector, Effect, MailboxQuota, StoreError,
    StoredDocument,
};

/// Where documents are kept. Methods may run at the same time; each does what its effect says.
#[async_trait]
pub trait DocumentSource: Send + Sync {
    /// Serves [`Effect::FetchDocument`].
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be asked; a document that is not there is no error.
    async fn fetch_document(&self, selector: DocumentSelector) -> Result<Option<StoredDocument>, StoreError>;

    /// Serves [`Effect::StoreDocument`].
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the stored document is not the expected one or cannot be written durably.
    async fn store_document(
        &self,
        selector: DocumentSelector,
        expected: Option<String>,
        document: StoredDocument,
        groups: Vec<Identity>,
    ) -> Result<(), StoreError>;

    /// Serves [`Effect::DeleteDocument`].
    ///
    /// # Errors
    ///
    /// As [`DocumentSource::store_document`].
    async fn delete_document(&self, selector: DocumentSelector, expected: String) -> Result<(), StoreError>;

    /// Serves [`Effect::FindGroups`].
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be asked.
    async fn find_groups(
        &self,
        addresses: Vec<Identity>,
    ) -> Result<Vec<(Identity, StoredDocument)>, StoreError>;

    /// Serves [`Effect::ListDocuments`].
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be asked.
    async fn list_documents(&self, user: Identity, limit: usize) -> Result<Vec<DocumentListing>, StoreError>;
}

/// Where messages wait. Methods may run at the same time; each does what its effect says.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Serves [`Effect::StoreMessage`].
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the quota is used up or the message cannot be written durably.
    async fn store_message(&self, message: DeferredMessage, quota: MailboxQuota) -> Result<(), StoreError>;

    /// Serves [`Effect::ListMessages`].
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be asked.
    async fn list_messages(&self, user: Identity, limit: usize) -> Result<Vec<DeferredMessage>, StoreError>;

    /// Serves [`Effect::DeleteMessage`].
    ///
    /// # Errors
    ///
    /// Fails when the deletion is not durable.
    async fn delete_message(&self, user: Identity, reference: String) -> Result<(), StoreError>;
}

/// The stores of a server.
#[derive(Debug)]
pub struct Stores<D, M> {
    documents: Arc<D>,
    messages: Arc<M>,
}

impl<D, M> Clone for Stores<D, M> {
    fn clone(&self) -> Self {
        Self {
            documents: Arc::clone(&self.documents),
            messages: Arc::clone(&self.messages),
        }
    }
}

impl<D: DocumentSource, M: MessageStore> Stores<D, M> {
    /// Puts the two together.
    pub fn new(documents: Arc<D>, messages: Arc<M>) -> Self {
        Self { documents, messages }
    }

    /// Carries an effect out.
    pub async fn perform(self, effect: Effect) -> Answer {
        match effect {
            Effect::FetchDocument { id, selector } => Answer::Document {
                id,
                result: self.documents.fetch_document(selector).await,
            },
            Effect::StoreDocument {
                id,
                selector,
                expected,
                document,
                groups,
            } => Answer::Written {
                id,
                result: self
                    .documents
                    .store_document(selector, expected, document, groups)
                    .await,
            },
            Effect::DeleteDocument {
                id,
                selector,
                expected,
            } => Answer::Written {
                id,
                result: self.documents.delete_document(selector, expected).await,
            },
            Effect::ListDocuments { id, user, limit } => Answer::Documents {
                id,
                result: self.documents.list_documents(user, limit).await,
            },
            Effect::FindGroups { id, addresses } => Answer::Groups {
                id,
                result: self.documents.find_groups(addresses).await,
            },
            Effect::StoreMessage { id, message, quota } => Answer::Written {
                id,
                result: self.messages.store_message(message, quota).await,
            },
            Effect::ListMessages { id, user, limit } => Answer::Messages {
                id,
                result: self.messages.list_messages(user, limit).await,
            },
            Effect::DeleteMessage { id, user, reference } => Answer::Written {
                id,
                result: self.messages.delete_message(user, reference).await,
            },
        }
    }
}
