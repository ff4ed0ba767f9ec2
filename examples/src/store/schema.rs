//! The tables, and how a database of an earlier version gets them.

use rusqlite::Connection;

use super::OpenError;

/// Sets the connection up and brings the database up to date.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), OpenError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    let known = i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction()?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    for version in VERSIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(version)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

/// What each version adds to the one before; only ever appended to.
const VERSIONS: [&str; 1] = ["
    -- The global tree has the empty user.
    CREATE TABLE documents (
        auid TEXT NOT NULL,
        user TEXT NOT NULL,
        document TEXT NOT NULL,
        etag TEXT NOT NULL,
        text BLOB NOT NULL,
        PRIMARY KEY (auid, user, document)
    );
    CREATE TABLE groups (
        address TEXT PRIMARY KEY,
        auid TEXT NOT NULL,
        user TEXT NOT NULL,
        document TEXT NOT NULL,
        FOREIGN KEY (auid, user, document) REFERENCES documents
    );
    CREATE INDEX groups_of_document ON groups (auid, user, document);
    -- Times are microseconds since 1970-01-01T00:00:00Z.
    CREATE TABLE messages (
        user TEXT NOT NULL,
        reference TEXT NOT NULL,
        request BLOB NOT NULL,
        arrived INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        PRIMARY KEY (user, reference)
    );
"];
