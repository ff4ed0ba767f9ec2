//! The statements.

use std::time::Duration;

use bytes::Bytes;
use im_roles::effect::{DeferredMessage, DocumentListing, DocumentSelector, MailboxQuota, StoredDocument};
use rusqlite::{Connection, OptionalExtension as _, params};
use sip_im::Identity;

use super::Failure;

pub(super) fn fetch_document(
    database: &Connection,
    selector: &DocumentSelector,
) -> Result<Option<StoredDocument>, Failure> {
    let mut statement = database
        .prepare_cached("SELECT etag, text FROM documents WHERE auid = ? AND user = ? AND document = ?")?;
    let row = params![selector.auid, user(selector), selector.document];
    Ok(statement.query_row(row, |row| document(row, 0)).optional()?)
}

pub(super) fn store_document(
    database: &Connection,
    selector: &DocumentSelector,
    expected: Option<&str>,
    document: &StoredDocument,
    groups: &[Identity],
) -> Result<(), Failure> {
    expect(database, selector, expected)?;
    let mut owner = database.prepare_cached(
        "SELECT 1 FROM groups WHERE address = ? AND NOT (auid = ? AND user = ? AND document = ?)",
    )?;
    for group in groups {
        if owner.exists(params![
            group.to_string(),
            selector.auid,
            user(selector),
            selector.document
        ])? {
            return Err(Failure::Conflict);
        }
    }
    forget_groups(database, selector)?;
    database
        .prepare_cached(
            "INSERT OR REPLACE INTO documents (auid, user, document, etag, text) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            selector.auid,
            user(selector),
            selector.document,
            document.etag,
            document.text.as_ref()
        ])?;
    let mut insert = database
        .prepare_cached("INSERT OR IGNORE INTO groups (address, auid, user, document) VALUES (?, ?, ?, ?)")?;
    for group in groups {
        insert.execute(params![
            group.to_string(),
            selector.auid,
            user(selector),
            selector.document
        ])?;
    }
    Ok(())
}

pub(super) fn delete_document(
    database: &Connection,
    selector: &DocumentSelector,
    expected: &str,
) -> Result<(), Failure> {
    expect(database, selector, Some(expected))?;
    forget_groups(database, selector)?;
    database
        .prepare_cached("DELETE FROM documents WHERE auid = ? AND user = ? AND document = ?")?
        .execute(params![selector.auid, user(selector), selector.document])?;
    Ok(())
}

pub(super) fn find_groups(
    database: &Connection,
    addresses: Vec<Identity>,
) -> Result<Vec<(Identity, StoredDocument)>, Failure> {
    let mut statement = database.prepare_cached(
        "SELECT etag, text FROM groups JOIN documents USING (auid, user, document) WHERE address = ?",
    )?;
    let mut found = Vec::new();
    for address in addresses {
        if let Some(document) = statement
            .query_row([address.to_string()], |row| document(row, 0))
            .optional()?
        {
            found.push((address, document));
        }
    }
    Ok(found)
}

pub(super) fn list_documents(
    database: &Connection,
    user: &Identity,
    limit: usize,
) -> Result<Vec<DocumentListing>, Failure> {
    let mut statement = database.prepare_cached(
        "SELECT auid, document, etag, LENGTH(text) FROM documents WHERE user = ? ORDER BY auid, document LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![user.to_string(), limit], |row| {
        let (auid, document): (String, String) = (row.get(0)?, row.get(1)?);
        let octets: i64 = row.get(3)?;
        Ok(DocumentListing::new(
            DocumentSelector::of_user(auid, user.clone(), document),
            row.get::<_, String>(2)?,
            u64::try_from(octets).unwrap_or(0),
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn store_message(
    database: &Connection,
    message: &DeferredMessage,
    quota: MailboxQuota,
) -> Result<(), Failure> {
    let (messages, octets): (i64, i64) = database
        .prepare_cached(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(request)), 0) FROM messages WHERE user = ? AND reference <> ?",
        )?
        .query_row(params![message.user.to_string(), message.reference], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let messages = usize::try_from(messages).unwrap_or(usize::MAX).saturating_add(1);
    let length = u64::try_from(message.request.len()).unwrap_or(u64::MAX);
    let octets = u64::try_from(octets).unwrap_or(u64::MAX).saturating_add(length);
    if messages > quota.messages || octets > quota.octets {
        return Err(Failure::Quota);
    }
    database
        .prepare_cached("INSERT OR REPLACE INTO messages (user, reference, request, arrived, expires) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            message.user.to_string(),
            message.reference,
            message.request.as_ref(),
            micros(message.arrived),
            micros(message.expires),
        ])?;
    Ok(())
}

pub(super) fn list_messages(
    database: &Connection,
    user: &Identity,
    limit: usize,
) -> Result<Vec<DeferredMessage>, Failure> {
    let mut statement = database.prepare_cached(
        "SELECT reference, request, arrived, expires FROM messages WHERE user = ? ORDER BY reference LIMIT ?",
    )?;
    let rows = statement.query_map(
        params![user.to_string(), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            let request: Vec<u8> = row.get(1)?;
            let time = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
            let (reference, arrived, expires) =
                (row.get::<_, String>(0)?, time(row.get(2)?), time(row.get(3)?));
            Ok(DeferredMessage::new(
                user.clone(),
                reference,
                Bytes::from(request),
                arrived,
                expires,
            ))
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn delete_message(database: &Connection, user: &Identity, reference: &str) -> Result<(), Failure> {
    database
        .prepare_cached("DELETE FROM messages WHERE user = ? AND reference = ?")?
        .execute(params![user.to_string(), reference])?;
    Ok(())
}

fn expect(database: &Connection, selector: &DocumentSelector, expected: Option<&str>) -> Result<(), Failure> {
    let stored: Option<String> = database
        .prepare_cached("SELECT etag FROM documents WHERE auid = ? AND user = ? AND document = ?")?
        .query_row(params![selector.auid, user(selector), selector.document], |row| {
            row.get(0)
        })
        .optional()?;
    if stored.as_deref() == expected {
        Ok(())
    } else {
        Err(Failure::Conflict)
    }
}

fn forget_groups(database: &Connection, selector: &DocumentSelector) -> Result<(), Failure> {
    database
        .prepare_cached("DELETE FROM groups WHERE auid = ? AND user = ? AND document = ?")?
        .execute(params![selector.auid, user(selector), selector.document])?;
    Ok(())
}

fn document(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<StoredDocument> {
    let text: Vec<u8> = row.get(first.saturating_add(1))?;
    Ok(StoredDocument::new(
        row.get::<_, String>(first)?,
        Bytes::from(text),
    ))
}

fn user(selector: &DocumentSelector) -> String {
    selector
        .user
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
