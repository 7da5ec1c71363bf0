//! The outbox: which messages were sent, and when the others are tried again.

use super::{GuardFile, GuardFileError};
use crate::domain::number::EntryId;
use crate::domain::timestamp::Timestamp;
use rusqlite::{OptionalExtension, TransactionBehavior};
use std::collections::BTreeMap;

/// A message: alerts of an entry, or one of them, to a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageKey {
    /// The entry of the alerts.
    pub entry: EntryId,
    /// The alert's place; 0 for all alerts of the entry.
    pub place: u32,
    /// The channel.
    pub channel: String,
}

/// What became of a message so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageState {
    /// How often it was tried.
    pub attempts: usize,
    /// When it is tried again; `None` if never.
    pub next_at: Option<Timestamp>,
    /// When it was sent.
    pub done_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

const FIND: &str =
    "SELECT attempts, next_at, done_at, failure FROM message WHERE entry = ?1 AND place = ?2 AND channel = ?3";
const TAKE: &str = "INSERT INTO message (entry, place, channel, attempts, next_at) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET attempts = excluded.attempts, next_at = excluded.next_at";
const SENT: &str = "UPDATE message SET done_at = ?4, next_at = NULL, failure = NULL \
    WHERE entry = ?1 AND place = ?2 AND channel = ?3";
const FAILED: &str = "UPDATE message SET failure = ?4, next_at = ?5 \
    WHERE entry = ?1 AND place = ?2 AND channel = ?3 AND done_at IS NULL";
const ALL: &str = "SELECT attempts, next_at, done_at, failure, entry, place, channel FROM message";

impl GuardFile {
    /// Takes a message to send it, until an instant. Nobody else takes it before then. Returns the number of the attempt, from 0;
    /// `None` if it is not due, or if it is over.
    pub fn take_message(
        &mut self,
        key: &MessageKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<usize>, GuardFileError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let place = (key.entry.number(), key.place, &key.channel);
        let state = transaction.query_row(FIND, place, state).optional()?;
        let attempt = match state {
            None => 0,
            Some(MessageState { done_at: Some(_), .. } | MessageState { next_at: None, .. }) => return Ok(None),
            Some(MessageState { next_at: Some(next), .. }) if next > now => return Ok(None),
            Some(MessageState { attempts, .. }) => attempts,
        };
        let attempts = i64::try_from(attempt.saturating_add(1)).unwrap_or(i64::MAX);
        transaction.execute(TAKE, (place.0, place.1, place.2, attempts, until.nanos()))?;
        transaction.commit()?;
        Ok(Some(attempt))
    }

    /// Notes that a message was sent.
    pub fn message_sent(&self, key: &MessageKey, now: Timestamp) -> Result<(), GuardFileError> {
        self.connection.execute(SENT, (key.entry.number(), key.place, &key.channel, now.nanos()))?;
        Ok(())
    }

    /// Notes why an attempt failed, and when the next one is due; `None` if there is none.
    pub fn message_failed(&self, key: &MessageKey, why: &str, next: Option<Timestamp>) -> Result<(), GuardFileError> {
        let next = next.map(Timestamp::nanos);
        self.connection.execute(FAILED, (key.entry.number(), key.place, &key.channel, why, next))?;
        Ok(())
    }

    /// Every message that was tried.
    pub fn messages(&self) -> Result<BTreeMap<MessageKey, MessageState>, GuardFileError> {
        let mut statement = self.connection.prepare(ALL)?;
        let mut rows = statement.query([])?;
        let mut messages = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (entry, place, channel) = (EntryId::new(row.get(4)?), row.get(5)?, row.get(6)?);
            messages.insert(MessageKey { entry, place, channel }, state(row)?);
        }
        Ok(messages)
    }
}

fn state(row: &rusqlite::Row<'_>) -> rusqlite::Result<MessageState> {
    let instant = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.and_then(Timestamp::from_nanos));
    Ok(MessageState {
        attempts: usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
        next_at: instant(1)?,
        done_at: instant(2)?,
        failure: row.get(3)?,
    })
}
