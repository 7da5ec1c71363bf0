-- tokenbook ledger, schema version 3: documents that say how the books are kept.

-- A document such as the limits, as it was given. first_day: the first billing day that it applies to. Of those with one name and
-- a first day on or before a day, the one with the latest first day is in force on that day; the later entry decides between equals.
CREATE TABLE policy (
    entry     INTEGER PRIMARY KEY REFERENCES entry (seq),
    name      TEXT    NOT NULL CHECK (name <> ''),
    document  TEXT    NOT NULL CHECK (document <> ''),
    first_day INTEGER NOT NULL CHECK (first_day BETWEEN 0 AND 65535)
) STRICT;

CREATE TRIGGER policy_refuses_update BEFORE UPDATE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
CREATE TRIGGER policy_refuses_delete BEFORE DELETE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
