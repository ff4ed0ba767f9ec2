//! Documents and waiting messages in `SQLite`, on a thread of its own.
//!
//! Work that arrives while the disk is busy is committed together, so that many small writes cost one wait for the disk;
//! each is answered only after that wait. The journal is a write-ahead log with `synchronous = FULL`: what was answered
//! `Ok` survives the end of the process and of the machine.

mod ops;
mod schema;

use std::path::Path;

use async_trait::async_trait;
use im_roles::driver::{DocumentSource, MessageStore};
use im_roles::effect::{
    DeferredMessage, DocumentListing, DocumentSelector, MailboxQuota, StoreError, StoredDocument,
};
use rusqlite::Connection;
use sip_im::Identity;
use tokio::sync::{mpsc, oneshot};

/// A store; clones share it. It closes when the last one is dropped.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use examples::store::Store;
/// use im_roles::driver::DocumentSource as _;
/// use im_roles::effect::{DocumentSelector, StoredDocument};
///
/// let store = Store::in_memory()?;
/// let selector = DocumentSelector::global("resource-lists", "index");
/// let document = StoredDocument::new("e1", "<resource-lists/>".into());
/// store.store_document(selector.clone(), None, document.clone(), Vec::new()).await?;
/// assert_eq!(store.fetch_document(selector).await?, Some(document));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be opened, or is no database.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// The file, or its thread, cannot be made.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A later version has written it.
    #[error("the store has version {found}, this program knows versions up to {known}")]
    TooNew {
        /// The version in the file.
        found: i64,
        /// The last version that is known here.
        known: i64,
    },
}

/// A piece of work: runs within a transaction, and gives what is to be done once that is committed, or is not.
type Job = Box<dyn FnOnce(&Connection) -> Finish + Send>;
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Store {
    /// Opens the store in a file, which is created, for this user's eyes only, when it is not there.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be opened or was written by a later version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        create(path)?;
        Self::start(Connection::open(path)?)
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::start(Connection::open_in_memory()?)
    }

    fn start(mut connection: Connection) -> Result<Self, OpenError> {
        schema::prepare(&mut connection)?;
        let (jobs, queue) = mpsc::channel(JOBS);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(&connection, queue))?;
        Ok(Self { jobs })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            let result = separately(database, work).map_err(StoreError::from);
            Box::new(move |committed| {
                // Who asked may have stopped waiting.
                let _ = reply.send(committed.and(result));
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Unavailable)?;
        answer.await.unwrap_or(Err(StoreError::Unavailable))
    }
}

#[async_trait]
impl DocumentSource for Store {
    async fn fetch_document(&self, selector: DocumentSelector) -> Result<Option<StoredDocument>, StoreError> {
        self.run(move |database| ops::fetch_document(database, &selector))
            .await
    }

    async fn store_document(
        &self,
        selector: DocumentSelector,
        expected: Option<String>,
        document: StoredDocument,
        groups: Vec<Identity>,
    ) -> Result<(), StoreError> {
        self.run(move |database| {
            ops::store_document(database, &selector, expected.as_deref(), &document, &groups)
        })
        .await
    }

    async fn delete_document(&self, selector: DocumentSelector, expected: String) -> Result<(), StoreError> {
        self.run(move |database| ops::delete_document(database, &selector, &expected))
            .await
    }

    async fn find_groups(
        &self,
        addresses: Vec<Identity>,
    ) -> Result<Vec<(Identity, StoredDocument)>, StoreError> {
        self.run(move |database| ops::find_groups(database, addresses))
            .await
    }

    async fn list_documents(&self, user: Identity, limit: usize) -> Result<Vec<DocumentListing>, StoreError> {
        self.run(move |database| ops::list_documents(database, &user, limit))
            .await
    }
}

#[async_trait]
impl MessageStore for Store {
    async fn store_message(&self, message: DeferredMessage, quota: MailboxQuota) -> Result<(), StoreError> {
        self.run(move |database| ops::store_message(database, &message, quota))
            .await
    }

    async fn list_messages(&self, user: Identity, limit: usize) -> Result<Vec<DeferredMessage>, StoreError> {
        self.run(move |database| ops::list_messages(database, &user, limit))
            .await
    }

    async fn delete_message(&self, user: Identity, reference: String) -> Result<(), StoreError> {
        self.run(move |database| ops::delete_message(database, &user, &reference))
            .await
    }
}

/// Why a piece of work did not succeed.
#[derive(Debug)]
enum Failure {
    Conflict,
    Quota,
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict => Self::Conflict,
            Failure::Quota => Self::QuotaExceeded,
            Failure::Database(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::DiskFull =>
            {
                Self::QuotaExceeded
            }
            Failure::Database(error) => {
                eprintln!("store: {error}");
                Self::Unavailable
            }
        }
    }
}

fn work(database: &Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < TOGETHER {
            match queue.try_recv() {
                Ok(job) => jobs.push(job),
                Err(_) => break,
            }
        }
        if let Err(error) = database.execute_batch("BEGIN IMMEDIATE") {
            eprintln!("store: {error}");
        }
        let finishes: Vec<Finish> = jobs.into_iter().map(|job| job(database)).collect();
        let committed = database.execute_batch("COMMIT").map_err(|error| {
            eprintln!("store: {error}");
            // Without a transaction there is nothing to take back.
            let _ = database.execute_batch("ROLLBACK");
            StoreError::Unavailable
        });
        for finish in finishes {
            finish(committed);
        }
    }
}

/// Runs one piece of work so that, when it fails, it alone is taken back.
fn separately<T>(
    database: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    database.execute_batch("SAVEPOINT work")?;
    let result = work(database);
    database.execute_batch(if result.is_ok() {
        "RELEASE work"
    } else {
        "ROLLBACK TO work; RELEASE work"
    })?;
    result
}

#[cfg(unix)]
fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
}

#[cfg(not(unix))]
fn create(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map(drop)
}

/// Pieces of work that may wait.
const JOBS: usize = 1024;
/// Pieces of work in one transaction.
const TOGETHER: usize = 128;
