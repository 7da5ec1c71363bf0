//! The tables of the guard file.

/// Version 1: the outbox.
pub(super) const OUTBOX: &str = "\
CREATE TABLE guard (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    ledger     BLOB    NOT NULL CHECK (length(ledger) = 32),
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE message (
    entry    INTEGER NOT NULL,
    place    INTEGER NOT NULL CHECK (place >= 0),
    channel  TEXT    NOT NULL CHECK (channel <> ''),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    next_at  INTEGER,
    done_at  INTEGER,
    failure  TEXT,
    PRIMARY KEY (entry, place, channel)
) STRICT, WITHOUT ROWID;";

/// Version 2: counters, and what they know. `cell` is a billing day of a budget, or the number of a slice of a breaker's window. Instants
/// are nanoseconds since 1970.
pub(super) const COUNTERS: &str = "\
ALTER TABLE guard ADD COLUMN now INTEGER NOT NULL DEFAULT 0;
ALTER TABLE guard ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE guard ADD COLUMN policy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE guard ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
ALTER TABLE guard ADD COLUMN head_hash BLOB NOT NULL DEFAULT x'';
CREATE TABLE holder (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL,
    seen INTEGER NOT NULL
) STRICT;
CREATE TABLE counter (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL CHECK (name <> ''),
    measure TEXT    NOT NULL CHECK (measure IN ('amount', 'tokens', 'requests')),
    scope   TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    form    INTEGER NOT NULL CHECK (form BETWEEN 1 AND 3),
    wanted  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (name, measure, scope, subject, form)
) STRICT;
CREATE TABLE cell (
    counter INTEGER NOT NULL REFERENCES counter (id),
    cell    INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    posted  INTEGER NOT NULL DEFAULT 0,
    granted INTEGER NOT NULL DEFAULT 0,
    extra   INTEGER NOT NULL DEFAULT 0 CHECK (extra >= 0),
    settled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (counter, cell, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease (
    counter INTEGER NOT NULL REFERENCES counter (id),
    holder  INTEGER NOT NULL REFERENCES holder (id),
    amount  INTEGER NOT NULL CHECK (amount >= 0),
    until   INTEGER NOT NULL,
    PRIMARY KEY (counter, holder)
) STRICT, WITHOUT ROWID;
CREATE TABLE bucket (
    counter INTEGER PRIMARY KEY REFERENCES counter (id),
    base    INTEGER NOT NULL,
    full    INTEGER NOT NULL
) STRICT;
CREATE TABLE breaker (
    counter INTEGER PRIMARY KEY REFERENCES counter (id),
    state   INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    since   INTEGER NOT NULL,
    round   INTEGER NOT NULL CHECK (round >= 0),
    cleared INTEGER NOT NULL
) STRICT;
CREATE TABLE probe (
    counter INTEGER NOT NULL REFERENCES counter (id),
    place   INTEGER NOT NULL CHECK (place >= 0),
    until   INTEGER NOT NULL,
    passed  INTEGER NOT NULL CHECK (passed IN (0, 1)),
    PRIMARY KEY (counter, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE tally (
    minute   INTEGER NOT NULL,
    counter  INTEGER NOT NULL REFERENCES counter (id),
    reason   TEXT    NOT NULL,
    requests INTEGER NOT NULL CHECK (requests >= 0),
    PRIMARY KEY (minute, counter, reason)
) STRICT, WITHOUT ROWID;";
