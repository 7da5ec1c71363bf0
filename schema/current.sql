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

CREATE TABLE batch (
    id             INTEGER PRIMARY KEY,
    import         INTEGER NOT NULL REFERENCES import (id),
    posting_period INTEGER CHECK (posting_period BETWEEN 201501 AND 209912),
    events         INTEGER NOT NULL CHECK (events >= 1),
    digest         BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE batch_day (
    batch  INTEGER NOT NULL REFERENCES batch (id),
    day    INTEGER NOT NULL,
    events INTEGER NOT NULL CHECK (events >= 1),
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (batch, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE column_map (
    id    INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL REFERENCES entry (seq),
    name  TEXT    NOT NULL CHECK (name <> ''),
    map   TEXT    NOT NULL CHECK (map <> '')
) STRICT;

CREATE TABLE cost_import (
    id         INTEGER PRIMARY KEY,
    entry      INTEGER NOT NULL REFERENCES entry (seq),
    source     INTEGER NOT NULL REFERENCES source (id),
    file       TEXT    NOT NULL,
    format     TEXT    NOT NULL,
    options    TEXT    NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    lines      INTEGER NOT NULL CHECK (lines >= 1),
    empty      INTEGER NOT NULL CHECK (empty >= 0),
    duplicates INTEGER NOT NULL CHECK (duplicates BETWEEN 0 AND lines),
    beside     INTEGER NOT NULL CHECK (beside >= 0)
) STRICT;

CREATE TABLE day_seal (
    day    INTEGER PRIMARY KEY,
    digest BLOB    NOT NULL CHECK (length(digest) = 64)
) STRICT;

CREATE TABLE department (
    id          INTEGER PRIMARY KEY,
    entry       INTEGER NOT NULL REFERENCES entry (seq),
    line        INTEGER NOT NULL CHECK (line >= 1),
    name        TEXT    NOT NULL CHECK (name <> ''),
    cost_centre TEXT,
    owner       TEXT,
    account     TEXT,
    active_from INTEGER,
    active_to   INTEGER
) STRICT;

CREATE TABLE entry (
    seq     INTEGER PRIMARY KEY CHECK (seq >= 1),
    kind    INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 63),
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL CHECK (actor <> ''),
    payload BLOB    NOT NULL,
    state   BLOB    NOT NULL CHECK (length(state) = 32),
    prev    BLOB    NOT NULL CHECK (length(prev) = 32),
    hash    BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE event_class (
    id      INTEGER PRIMARY KEY,
    source  INTEGER NOT NULL REFERENCES source (id),
    tag_set INTEGER NOT NULL REFERENCES tag_set (id),
    model   INTEGER NOT NULL REFERENCES model (id),
    tier    INTEGER NOT NULL REFERENCES service_tier (id),
    kind    INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 1),
    prompt  INTEGER NOT NULL CHECK (prompt BETWEEN 0 AND 1 OR prompt BETWEEN 1000 AND 1000000000000),
    outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 3),
    UNIQUE (tag_set, model, source, tier, kind, prompt, outcome)
) STRICT;

CREATE TABLE event_link (
    key      INTEGER PRIMARY KEY,
    original INTEGER NOT NULL CHECK (original <> key)
) STRICT;

CREATE TABLE event_meter (
    key      INTEGER NOT NULL,
    meter    INTEGER NOT NULL REFERENCES meter (code),
    quantity INTEGER NOT NULL,
    PRIMARY KEY (key, meter)
) STRICT, WITHOUT ROWID;

CREATE TABLE id_bucket (
    bucket INTEGER PRIMARY KEY CHECK (bucket BETWEEN 0 AND 131071),
    ids    BLOB    NOT NULL CHECK (length(ids) >= 3)
) STRICT;

CREATE TABLE id_run (
    id  INTEGER PRIMARY KEY,
    ids BLOB    NOT NULL CHECK (length(ids) >= 3)
) STRICT;

CREATE TABLE import (
    id          INTEGER PRIMARY KEY,
    entry       INTEGER NOT NULL REFERENCES entry (seq),
    source      INTEGER NOT NULL REFERENCES source (id),
    file        TEXT    NOT NULL,
    format      TEXT    NOT NULL,
    options     TEXT    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    bytes       INTEGER NOT NULL CHECK (bytes >= 0),
    lines       INTEGER NOT NULL CHECK (lines >= 0),
    header      INTEGER NOT NULL CHECK (header >= 0),
    blank       INTEGER NOT NULL CHECK (blank >= 0),
    accepted    INTEGER NOT NULL CHECK (accepted >= 0),
    duplicates  INTEGER NOT NULL CHECK (duplicates >= 0),
    quarantined INTEGER NOT NULL CHECK (quarantined >= 0),
    first_day   INTEGER,
    last_day    INTEGER,
    CHECK (lines = header + blank + accepted + duplicates + quarantined)
) STRICT;

CREATE TABLE import_overlap (
    import  INTEGER NOT NULL REFERENCES import (id),
    earlier INTEGER NOT NULL REFERENCES import (id),
    events  INTEGER NOT NULL CHECK (events >= 0),
    lines   INTEGER NOT NULL CHECK (lines >= 0),
    PRIMARY KEY (import, earlier),
    CHECK (earlier < import AND events + lines > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    currency    TEXT    NOT NULL CHECK (length(currency) = 3),
    time_zone   TEXT    NOT NULL CHECK (time_zone <> ''),
    tz_database TEXT    NOT NULL CHECK (tz_database <> ''),
    book        TEXT    NOT NULL CHECK (book <> '')
) STRICT;

CREATE TABLE meter (
    code INTEGER PRIMARY KEY CHECK (code BETWEEN 0 AND 254),
    name TEXT    NOT NULL,
    unit TEXT    NOT NULL
) STRICT;

CREATE TABLE migration (
    entry        INTEGER PRIMARY KEY REFERENCES entry (seq),
    from_version INTEGER NOT NULL CHECK (from_version >= 1),
    to_version   INTEGER NOT NULL CHECK (to_version > from_version),
    digest       BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE model (
    id       INTEGER PRIMARY KEY,
    provider TEXT    NOT NULL,
    name     TEXT    NOT NULL CHECK (name <> '')
) STRICT;

CREATE TABLE model_alias (
    id             INTEGER PRIMARY KEY,
    entry          INTEGER NOT NULL REFERENCES entry (seq),
    line           INTEGER NOT NULL CHECK (line >= 1),
    provider       TEXT    NOT NULL,
    alias          TEXT    NOT NULL CHECK (alias <> ''),
    model          TEXT    CHECK (model <> '' AND (model <> alias OR model_provider IS NOT NULL)),
    model_provider TEXT    CHECK (model_provider IS NULL OR model_provider NOT IN ('', provider) AND model IS NOT NULL),
    valid_from     INTEGER NOT NULL,
    CHECK (model <> '*' OR alias = '*'),
    CHECK (alias <> '*' OR provider <> '' AND coalesce(model, '*') = '*')
) STRICT;

CREATE TABLE policy (
    entry     INTEGER PRIMARY KEY REFERENCES entry (seq),
    name      TEXT    NOT NULL CHECK (name <> ''),
    document  TEXT    NOT NULL CHECK (document <> ''),
    first_day INTEGER NOT NULL CHECK (first_day BETWEEN 0 AND 65535)
) STRICT;

CREATE TABLE price (
    id           INTEGER PRIMARY KEY,
    entry        INTEGER NOT NULL REFERENCES entry (seq),
    line         INTEGER NOT NULL CHECK (line >= 1),
    book         TEXT    NOT NULL CHECK (book <> ''),
    provider     TEXT    NOT NULL,
    model        TEXT    NOT NULL CHECK (model <> ''),
    tier         TEXT    NOT NULL CHECK (tier <> ''),
    meter        INTEGER NOT NULL REFERENCES meter (code),
    prompt_above INTEGER NOT NULL CHECK (prompt_above >= 0),
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    rate         INTEGER CHECK (rate >= 0),
    valid_from   INTEGER NOT NULL
) STRICT;

CREATE TABLE provider_cost (
    id         INTEGER PRIMARY KEY,
    import     INTEGER NOT NULL REFERENCES cost_import (id),
    line       INTEGER NOT NULL CHECK (line >= 1),
    key        TEXT    NOT NULL CHECK (key <> ''),
    provider   TEXT    NOT NULL CHECK (provider <> ''),
    item       TEXT    CHECK (item <> ''),
    model      TEXT    CHECK (model <> ''),
    from_at    INTEGER NOT NULL,
    until_at   INTEGER NOT NULL CHECK (until_at > from_at),
    currency   TEXT    NOT NULL CHECK (length(currency) = 3),
    amount     TEXT    NOT NULL CHECK (amount <> ''),
    rounded_to INTEGER CHECK (rounded_to BETWEEN 0 AND 15),
    quantity   TEXT    CHECK (quantity <> ''),
    unit       TEXT    CHECK (unit <> ''),
    CHECK (unit IS NULL OR quantity IS NOT NULL)
) STRICT;

CREATE TABLE quarantine (
    id       INTEGER PRIMARY KEY,
    import   INTEGER NOT NULL REFERENCES import (id),
    line     INTEGER NOT NULL CHECK (line >= 1),
    field    TEXT    NOT NULL,
    what     TEXT    NOT NULL CHECK (what <> ''),
    expected TEXT    NOT NULL,
    event_id TEXT    NOT NULL,
    day      INTEGER,
    kept     TEXT    NOT NULL
) STRICT;

CREATE TABLE quarantine_outcome (
    quarantine INTEGER NOT NULL REFERENCES quarantine (id),
    entry      INTEGER NOT NULL REFERENCES entry (seq),
    outcome    INTEGER NOT NULL CHECK (outcome BETWEEN 1 AND 4),
    reason     TEXT    NOT NULL,
    PRIMARY KEY (entry, quarantine)
) STRICT, WITHOUT ROWID;

CREATE TABLE retracted_event (
    key        INTEGER PRIMARY KEY,
    retraction INTEGER NOT NULL REFERENCES retraction (id)
) STRICT;

CREATE TABLE retraction (
    id          INTEGER PRIMARY KEY,
    entry       INTEGER NOT NULL REFERENCES entry (seq),
    import      INTEGER REFERENCES import (id),
    cost_import INTEGER REFERENCES cost_import (id),
    whole       INTEGER NOT NULL CHECK (whole IN (0, 1)),
    reason      TEXT    NOT NULL CHECK (reason <> ''),
    CHECK ((import IS NULL) <> (cost_import IS NULL) AND (whole = 1 OR import IS NOT NULL))
) STRICT;

CREATE TABLE rule (
    id         INTEGER PRIMARY KEY,
    rule_set   INTEGER NOT NULL REFERENCES rule_set (id),
    line       INTEGER NOT NULL CHECK (line >= 1),
    name       TEXT    NOT NULL CHECK (name <> ''),
    precedence INTEGER NOT NULL CHECK (precedence IN (0, 1))
) STRICT;

CREATE TABLE rule_condition (
    rule     INTEGER NOT NULL REFERENCES rule (id),
    subject  TEXT    NOT NULL CHECK (subject <> ''),
    operator INTEGER NOT NULL CHECK (operator BETWEEN 0 AND 2),
    value    TEXT    NOT NULL CHECK (value <> ''),
    PRIMARY KEY (rule, subject, operator, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_set (
    id         INTEGER PRIMARY KEY,
    entry      INTEGER NOT NULL REFERENCES entry (seq),
    file       TEXT    NOT NULL,
    valid_from INTEGER NOT NULL
) STRICT;

CREATE TABLE rule_share (
    rule        INTEGER NOT NULL REFERENCES rule (id),
    department  TEXT    NOT NULL,
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    part        INTEGER NOT NULL CHECK (part >= 1),
    PRIMARY KEY (rule, department, project, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE seal (
    what   INTEGER NOT NULL,
    span   INTEGER NOT NULL,
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (what, span)
) STRICT, WITHOUT ROWID;

CREATE TABLE service_tier (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL CHECK (name <> '')
) STRICT;

CREATE TABLE source (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL CHECK (name <> '')
) STRICT;

CREATE TABLE tag_set (
    id    INTEGER PRIMARY KEY,
    tags  TEXT    NOT NULL UNIQUE CHECK (json_valid(tags)),
    payer INTEGER NOT NULL REFERENCES tag_set (id)
) STRICT;

CREATE TABLE usage_daily (
    day            INTEGER NOT NULL,
    posting_period INTEGER NOT NULL,
    source         INTEGER NOT NULL,
    tag_set        INTEGER NOT NULL,
    model          INTEGER NOT NULL,
    tier           INTEGER NOT NULL,
    band           INTEGER NOT NULL CHECK (band >= -1),
    events         INTEGER NOT NULL,
    active         INTEGER NOT NULL,
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    input          INTEGER,
    cache_read     INTEGER,
    cache_write    INTEGER,
    cache_write_1h INTEGER,
    output         INTEGER,
    reasoning      INTEGER,
    request        INTEGER,
    PRIMARY KEY (day, posting_period, source, tag_set, model, tier, band),
    CHECK (posting_period <> CAST(strftime('%Y%m', day * 86400, 'unixepoch') AS INTEGER) OR events >= 1 AND active BETWEEN 0 AND events)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_daily_meter (
    day            INTEGER NOT NULL,
    posting_period INTEGER NOT NULL,
    source         INTEGER NOT NULL,
    tag_set        INTEGER NOT NULL,
    model          INTEGER NOT NULL,
    tier           INTEGER NOT NULL,
    band           INTEGER NOT NULL,
    meter          INTEGER NOT NULL,
    quantity       INTEGER NOT NULL,
    PRIMARY KEY (day, posting_period, source, tag_set, model, tier, band, meter)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_event (
    key            INTEGER PRIMARY KEY,
    batch          INTEGER NOT NULL,
    class          INTEGER NOT NULL,
    input          INTEGER CHECK (input >= 0),
    cache_read     INTEGER CHECK (cache_read >= 0),
    cache_write    INTEGER CHECK (cache_write >= 0),
    cache_write_1h INTEGER CHECK (cache_write_1h >= 0),
    output         INTEGER CHECK (output >= 0),
    reasoning      INTEGER CHECK (reasoning >= 0),
    at             INTEGER NOT NULL,
    line           INTEGER NOT NULL CHECK (line >= 0),
    id             TEXT    NOT NULL CHECK (id <> '')
) STRICT;

CREATE TABLE usage_monthly (
    month          INTEGER NOT NULL,
    posting_period INTEGER NOT NULL,
    source         INTEGER NOT NULL,
    tag_set        INTEGER NOT NULL,
    model          INTEGER NOT NULL,
    tier           INTEGER NOT NULL,
    band           INTEGER NOT NULL CHECK (band >= -1),
    events         INTEGER NOT NULL,
    active         INTEGER NOT NULL,
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    input          INTEGER,
    cache_read     INTEGER,
    cache_write    INTEGER,
    cache_write_1h INTEGER,
    output         INTEGER,
    reasoning      INTEGER,
    request        INTEGER,
    PRIMARY KEY (month, posting_period, source, tag_set, model, tier, band),
    CHECK (posting_period <> month OR events >= 1 AND active BETWEEN 0 AND events)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_monthly_meter (
    month          INTEGER NOT NULL,
    posting_period INTEGER NOT NULL,
    source         INTEGER NOT NULL,
    tag_set        INTEGER NOT NULL,
    model          INTEGER NOT NULL,
    tier           INTEGER NOT NULL,
    band           INTEGER NOT NULL,
    meter          INTEGER NOT NULL,
    quantity       INTEGER NOT NULL,
    PRIMARY KEY (month, posting_period, source, tag_set, model, tier, band, meter)
) STRICT, WITHOUT ROWID;

CREATE VIEW price_in_force AS
SELECT book, provider, model, service_tier, meter, prompt_above, currency, nanos_per_million,
       strftime('%Y-%m-%dT%H:%M:%SZ', valid_from / 1000000000, 'unixepoch') AS valid_from,
       strftime('%Y-%m-%dT%H:%M:%SZ', lead(valid_from) OVER (
           PARTITION BY book, provider, model, service_tier, meter, prompt_above ORDER BY valid_from
       ) / 1000000000, 'unixepoch') AS valid_until
FROM (
    SELECT p.book, p.provider, p.model, p.tier AS service_tier, m.name AS meter, p.prompt_above, p.currency,
           p.rate AS nanos_per_million, p.valid_from
    FROM price p
    JOIN meter m ON m.code = p.meter
    WHERE NOT EXISTS (
        SELECT 1 FROM price r
        WHERE r.id > p.id AND r.book = p.book AND r.provider = p.provider AND r.model = p.model AND r.tier = p.tier
          AND r.meter = p.meter AND r.prompt_above = p.prompt_above AND r.valid_from = p.valid_from
    )
);

CREATE VIEW usage AS
SELECT e.id                                   AS event_id,
       CASE c.kind WHEN 0 THEN 'usage' ELSE 'revision' END AS kind,
       s.name                                 AS source,
       date((e.key >> 47) * 86400, 'unixepoch') AS day,
       strftime('%Y-%m-%dT%H:%M:%S', e.nanos / 1000000000, 'unixepoch')
           || printf('.%09dZ', e.nanos % 1000000000) AS timestamp,
       m.provider                             AS provider,
       m.name                                 AS model,
       t.name                                 AS service_tier,
       g.tags ->> '$.department'              AS department,
       g.tags ->> '$.project'                 AS project,
       g.tags ->> '$.environment'             AS environment,
       g.tags                                 AS tags,
       e.input                                AS input_tokens,
       e.cache_read                           AS cache_read_tokens,
       e.cache_write                          AS cache_write_tokens,
       e.cache_write_1h                       AS cache_write_1h_tokens,
       e.output                               AS output_tokens,
       e.reasoning                            AS reasoning_tokens,
       coalesce((SELECT x.quantity FROM event_meter x JOIN meter n ON n.code = x.meter
                 WHERE x.key = e.key AND n.name = 'request'), iif(c.prompt = 0, 1, NULL)) AS requests,
       CASE c.prompt WHEN 0 THEN 'one request' WHEN 1 THEN 'several requests' ELSE 'several requests of at most ' || c.prompt END AS prompt,
       CASE c.outcome WHEN 1 THEN 'completed' WHEN 2 THEN 'failed' WHEN 3 THEN 'cancelled' END AS outcome,
       i.file                                 AS file,
       e.line                                 AS line
FROM (SELECT *, (key >> 47) * 86400000000000 + iif(abs(at) < 2147483648, at * 1000000, at - 4611686018427387904) AS nanos
      FROM usage_event) e
JOIN event_class c ON c.id = e.class
JOIN batch b ON b.id = e.batch
JOIN import i ON i.id = b.import
JOIN source s ON s.id = c.source
JOIN model m ON m.id = c.model
JOIN service_tier t ON t.id = c.tier
JOIN tag_set g ON g.id = c.tag_set
WHERE NOT EXISTS (SELECT 1 FROM retraction r WHERE r.import = b.import AND r.whole = 1)
  AND NOT EXISTS (SELECT 1 FROM retracted_event x WHERE x.key = e.key);

CREATE VIEW usage_by_day AS
SELECT date(d.day * 86400, 'unixepoch')       AS day,
       d.posting_period                       AS posting_period,
       s.name                                 AS source,
       m.provider                             AS provider,
       m.name                                 AS model,
       t.name                                 AS service_tier,
       g.tags ->> '$.department'              AS department,
       g.tags ->> '$.project'                 AS project,
       g.tags ->> '$.environment'             AS environment,
       g.tags                                 AS tags,
       d.band                                 AS prompt_above,
       d.events                               AS events,
       d.input                                AS input_tokens,
       d.cache_read                           AS cache_read_tokens,
       d.cache_write                          AS cache_write_tokens,
       d.cache_write_1h                       AS cache_write_1h_tokens,
       d.output                               AS output_tokens,
       d.reasoning                            AS reasoning_tokens,
       d.request                              AS requests
FROM usage_daily d
JOIN source s ON s.id = d.source
JOIN model m ON m.id = d.model
JOIN service_tier t ON t.id = d.tier
JOIN tag_set g ON g.id = d.tag_set;

CREATE TRIGGER alert_refuses_delete BEFORE DELETE ON alert BEGIN SELECT RAISE(ABORT, 'alert is append-only'); END;

CREATE TRIGGER alert_refuses_update BEFORE UPDATE ON alert BEGIN SELECT RAISE(ABORT, 'alert is append-only'); END;

CREATE TRIGGER batch_day_refuses_delete BEFORE DELETE ON batch_day BEGIN SELECT RAISE(ABORT, 'batch_day is append-only'); END;

CREATE TRIGGER batch_day_refuses_update BEFORE UPDATE ON batch_day BEGIN SELECT RAISE(ABORT, 'batch_day is append-only'); END;

CREATE TRIGGER batch_refuses_delete BEFORE DELETE ON batch BEGIN SELECT RAISE(ABORT, 'batch is append-only'); END;

CREATE TRIGGER batch_refuses_update BEFORE UPDATE ON batch BEGIN SELECT RAISE(ABORT, 'batch is append-only'); END;

CREATE TRIGGER column_map_refuses_delete BEFORE DELETE ON column_map BEGIN SELECT RAISE(ABORT, 'column_map is append-only'); END;

CREATE TRIGGER column_map_refuses_update BEFORE UPDATE ON column_map BEGIN SELECT RAISE(ABORT, 'column_map is append-only'); END;

CREATE TRIGGER cost_import_refuses_delete BEFORE DELETE ON cost_import BEGIN SELECT RAISE(ABORT, 'cost_import is append-only'); END;

CREATE TRIGGER cost_import_refuses_update BEFORE UPDATE ON cost_import BEGIN SELECT RAISE(ABORT, 'cost_import is append-only'); END;

CREATE TRIGGER department_refuses_delete BEFORE DELETE ON department BEGIN SELECT RAISE(ABORT, 'department is append-only'); END;

CREATE TRIGGER department_refuses_update BEFORE UPDATE ON department BEGIN SELECT RAISE(ABORT, 'department is append-only'); END;

CREATE TRIGGER entry_refuses_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END;

CREATE TRIGGER entry_refuses_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END;

CREATE TRIGGER event_class_refuses_delete BEFORE DELETE ON event_class BEGIN SELECT RAISE(ABORT, 'event_class is append-only'); END;

CREATE TRIGGER event_class_refuses_update BEFORE UPDATE ON event_class BEGIN SELECT RAISE(ABORT, 'event_class is append-only'); END;

CREATE TRIGGER event_link_refuses_delete BEFORE DELETE ON event_link BEGIN SELECT RAISE(ABORT, 'event_link is append-only'); END;

CREATE TRIGGER event_link_refuses_update BEFORE UPDATE ON event_link BEGIN SELECT RAISE(ABORT, 'event_link is append-only'); END;

CREATE TRIGGER event_meter_refuses_delete BEFORE DELETE ON event_meter BEGIN SELECT RAISE(ABORT, 'event_meter is append-only'); END;

CREATE TRIGGER event_meter_refuses_update BEFORE UPDATE ON event_meter BEGIN SELECT RAISE(ABORT, 'event_meter is append-only'); END;

CREATE TRIGGER import_overlap_refuses_delete BEFORE DELETE ON import_overlap BEGIN SELECT RAISE(ABORT, 'import_overlap is append-only'); END;

CREATE TRIGGER import_overlap_refuses_update BEFORE UPDATE ON import_overlap BEGIN SELECT RAISE(ABORT, 'import_overlap is append-only'); END;

CREATE TRIGGER import_refuses_delete BEFORE DELETE ON import BEGIN SELECT RAISE(ABORT, 'import is append-only'); END;

CREATE TRIGGER import_refuses_update BEFORE UPDATE ON import BEGIN SELECT RAISE(ABORT, 'import is append-only'); END;

CREATE TRIGGER ledger_refuses_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;

CREATE TRIGGER ledger_refuses_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;

CREATE TRIGGER meter_refuses_delete BEFORE DELETE ON meter BEGIN SELECT RAISE(ABORT, 'meter is append-only'); END;

CREATE TRIGGER meter_refuses_update BEFORE UPDATE ON meter BEGIN SELECT RAISE(ABORT, 'meter is append-only'); END;

CREATE TRIGGER migration_refuses_delete BEFORE DELETE ON migration BEGIN SELECT RAISE(ABORT, 'migration is append-only'); END;

CREATE TRIGGER migration_refuses_update BEFORE UPDATE ON migration BEGIN SELECT RAISE(ABORT, 'migration is append-only'); END;

CREATE TRIGGER model_alias_refuses_delete BEFORE DELETE ON model_alias BEGIN SELECT RAISE(ABORT, 'model_alias is append-only'); END;

CREATE TRIGGER model_alias_refuses_update BEFORE UPDATE ON model_alias BEGIN SELECT RAISE(ABORT, 'model_alias is append-only'); END;

CREATE TRIGGER model_refuses_delete BEFORE DELETE ON model BEGIN SELECT RAISE(ABORT, 'model is append-only'); END;

CREATE TRIGGER model_refuses_update BEFORE UPDATE ON model BEGIN SELECT RAISE(ABORT, 'model is append-only'); END;

CREATE TRIGGER policy_refuses_delete BEFORE DELETE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;

CREATE TRIGGER policy_refuses_update BEFORE UPDATE ON policy BEGIN SELECT RAISE(ABORT, 'policy is append-only'); END;

CREATE TRIGGER price_refuses_delete BEFORE DELETE ON price BEGIN SELECT RAISE(ABORT, 'price is append-only'); END;

CREATE TRIGGER price_refuses_update BEFORE UPDATE ON price BEGIN SELECT RAISE(ABORT, 'price is append-only'); END;

CREATE TRIGGER provider_cost_refuses_delete BEFORE DELETE ON provider_cost BEGIN SELECT RAISE(ABORT, 'provider_cost is append-only'); END;

CREATE TRIGGER provider_cost_refuses_update BEFORE UPDATE ON provider_cost BEGIN SELECT RAISE(ABORT, 'provider_cost is append-only'); END;

CREATE TRIGGER quarantine_outcome_refuses_delete BEFORE DELETE ON quarantine_outcome BEGIN SELECT RAISE(ABORT, 'quarantine_outcome is append-only'); END;

CREATE TRIGGER quarantine_outcome_refuses_update BEFORE UPDATE ON quarantine_outcome BEGIN SELECT RAISE(ABORT, 'quarantine_outcome is append-only'); END;

CREATE TRIGGER quarantine_refuses_delete BEFORE DELETE ON quarantine BEGIN SELECT RAISE(ABORT, 'quarantine is append-only'); END;

CREATE TRIGGER quarantine_refuses_update BEFORE UPDATE ON quarantine BEGIN SELECT RAISE(ABORT, 'quarantine is append-only'); END;

CREATE TRIGGER retracted_event_refuses_delete BEFORE DELETE ON retracted_event BEGIN SELECT RAISE(ABORT, 'retracted_event is append-only'); END;

CREATE TRIGGER retracted_event_refuses_update BEFORE UPDATE ON retracted_event BEGIN SELECT RAISE(ABORT, 'retracted_event is append-only'); END;

CREATE TRIGGER retraction_refuses_delete BEFORE DELETE ON retraction BEGIN SELECT RAISE(ABORT, 'retraction is append-only'); END;

CREATE TRIGGER retraction_refuses_update BEFORE UPDATE ON retraction BEGIN SELECT RAISE(ABORT, 'retraction is append-only'); END;

CREATE TRIGGER rule_condition_refuses_delete BEFORE DELETE ON rule_condition BEGIN SELECT RAISE(ABORT, 'rule_condition is append-only'); END;

CREATE TRIGGER rule_condition_refuses_update BEFORE UPDATE ON rule_condition BEGIN SELECT RAISE(ABORT, 'rule_condition is append-only'); END;

CREATE TRIGGER rule_refuses_delete BEFORE DELETE ON rule BEGIN SELECT RAISE(ABORT, 'rule is append-only'); END;

CREATE TRIGGER rule_refuses_update BEFORE UPDATE ON rule BEGIN SELECT RAISE(ABORT, 'rule is append-only'); END;

CREATE TRIGGER rule_set_refuses_delete BEFORE DELETE ON rule_set BEGIN SELECT RAISE(ABORT, 'rule_set is append-only'); END;

CREATE TRIGGER rule_set_refuses_update BEFORE UPDATE ON rule_set BEGIN SELECT RAISE(ABORT, 'rule_set is append-only'); END;

CREATE TRIGGER rule_share_refuses_delete BEFORE DELETE ON rule_share BEGIN SELECT RAISE(ABORT, 'rule_share is append-only'); END;

CREATE TRIGGER rule_share_refuses_update BEFORE UPDATE ON rule_share BEGIN SELECT RAISE(ABORT, 'rule_share is append-only'); END;

CREATE TRIGGER service_tier_refuses_delete BEFORE DELETE ON service_tier BEGIN SELECT RAISE(ABORT, 'service_tier is append-only'); END;

CREATE TRIGGER service_tier_refuses_update BEFORE UPDATE ON service_tier BEGIN SELECT RAISE(ABORT, 'service_tier is append-only'); END;

CREATE TRIGGER source_refuses_delete BEFORE DELETE ON source BEGIN SELECT RAISE(ABORT, 'source is append-only'); END;

CREATE TRIGGER source_refuses_update BEFORE UPDATE ON source BEGIN SELECT RAISE(ABORT, 'source is append-only'); END;

CREATE TRIGGER tag_set_refuses_delete BEFORE DELETE ON tag_set BEGIN SELECT RAISE(ABORT, 'tag_set is append-only'); END;

CREATE TRIGGER tag_set_refuses_update BEFORE UPDATE ON tag_set BEGIN SELECT RAISE(ABORT, 'tag_set is append-only'); END;

CREATE TRIGGER usage_event_refuses_delete BEFORE DELETE ON usage_event BEGIN SELECT RAISE(ABORT, 'usage_event is append-only'); END;

CREATE TRIGGER usage_event_refuses_update BEFORE UPDATE ON usage_event BEGIN SELECT RAISE(ABORT, 'usage_event is append-only'); END;

