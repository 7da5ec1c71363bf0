-- tokenbook ledger, schema version 2: an alias may name the provider whose prices hold.
--
-- SQLite cannot change a CHECK, so the table is made again. Rows from before name no provider.

CREATE TEMP TABLE aliases_before AS SELECT * FROM model_alias;

DROP TABLE model_alias;

-- A name under which a model is used that prices call otherwise; model is NULL where it is no alias any more.
-- provider is empty for usage of any provider. model_provider: whose prices hold; NULL where they are those of the usage's own
-- provider. alias and model are both * where a provider's models have the prices of the same names of another provider.
-- The same key and start again, with a higher id, replaces.
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

INSERT INTO model_alias (id, entry, line, provider, alias, model, model_provider, valid_from)
SELECT id, entry, line, provider, alias, model, NULL, valid_from FROM aliases_before;

DROP TABLE aliases_before;

CREATE TRIGGER model_alias_refuses_update BEFORE UPDATE ON model_alias BEGIN SELECT RAISE(ABORT, 'model_alias is append-only'); END;
CREATE TRIGGER model_alias_refuses_delete BEFORE DELETE ON model_alias BEGIN SELECT RAISE(ABORT, 'model_alias is append-only'); END;
