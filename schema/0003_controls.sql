-- tokenbook ledger, schema version 3: documents that say how the books are kept, and alerts of budgets.

-- A document such as the limits, as it was given. first_day: the first billing day that it applies to. Of those with one name and
-- a first day on or before a day, the one with the latest first day is in force on that day; the later entry decides between equals.
CREATE TABLE policy (
    entry     INTEGER PRIMARY KEY REFERENCES entry (seq),
    name      TEXT    NOT NULL CHECK (name <> ''),
    document  TEXT    NOT NULL CHECK (document <> ''),
    first_day INTEGER NOT NULL CHECK (first_day BETWEEN 0 AND 65535)
) STRICT;

-- A threshold of a budget that was reached: once for each budget, scope, measure, subject, period, threshold and stated limit.
-- scope: the budget's scope and meters in one spelling. threshold: hundredths of a percent. stated, figure: decimal texts of an
-- amount, or whole numbers. seen: the entry at which it was computed. policy: the entry of the document in force.
CREATE TABLE alert (
    entry     INTEGER NOT NULL REFERENCES entry (seq),
    place     INTEGER NOT NULL CHECK (place >= 1),
    budget    TEXT    NOT NULL CHECK (budget <> ''),
    scope     TEXT    NOT NULL,
    measure   TEXT    NOT NULL CHECK (measure IN ('amount', 'tokens', 'requests')),
    subject   TEXT    NOT NULL,
    first_day INTEGER NOT NULL CHECK (first_day BETWEEN 0 AND 65535),
    last_day  INTEGER NOT NULL CHECK (last_day BETWEEN first_day AND 65535),
    threshold INTEGER NOT NULL CHECK (threshold BETWEEN 1 AND 100000),
    stated    TEXT    NOT NULL CHECK (stated <> ''),
    figure    TEXT    NOT NULL CHECK (figure <> ''),
    seen      INTEGER NOT NULL CHECK (seen BETWEEN 1 AND entry - 1),
    policy    INTEGER NOT NULL REFERENCES policy (entry),
    PRIMARY KEY (entry, place),
    UNIQUE (budget, scope, measure, subject, first_day, last_day, threshold, stated)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER policy_refuses_update BEFORE UPDATE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
CREATE TRIGGER policy_refuses_delete BEFORE DELETE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;
CREATE TRIGGER alert_refuses_update BEFORE UPDATE ON alert BEGIN SELECT RAISE(ABORT, 'alert is append-only'); END;
CREATE TRIGGER alert_refuses_delete BEFORE DELETE ON alert BEGIN SELECT RAISE(ABORT, 'alert is append-only'); END;
