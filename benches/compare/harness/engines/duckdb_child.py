"""One piece of work in a process of its own, with DuckDB; see `child.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from .. import rates
from ..chargeback import METERS
from .child import TEXTS, Statement, Task, task, timed

COLUMNS = {
    "event_id": "VARCHAR",
    "timestamp": "TIMESTAMP",
    **dict.fromkeys(TEXTS, "VARCHAR"),
    **{f"{meter}_tokens": "BIGINT" for meter in METERS},
}


def main(task: Task) -> None:
    if task.command == "version":
        print(duckdb.__version__)
        return
    connection = duckdb.connect(task.store, config={"threads": task.threads, "autoinstall_known_extensions": False})
    works: dict[str, Callable[[duckdb.DuckDBPyConnection, Task], Statement]] = {
        "load": load,
        "add": add,
        "again": load_again,
        "chargeback": chargeback,
    }
    # Closing moves what is left in the log to the database file.
    timed(works[task.command](connection, task), connection.close)


def load(connection: duckdb.DuckDBPyConnection, task: Task) -> Statement:
    """Makes the table; the statement returned fills it."""
    columns = [f"{name} {kind}" for name, kind in COLUMNS.items()]
    if task.has_key:
        columns[0] += " PRIMARY KEY"
    if task.has_users:
        columns.append("user_tag VARCHAR")
    connection.execute(f"CREATE TABLE usage_event ({', '.join(columns)})")
    return add(connection, task)


def add(connection: duckdb.DuckDBPyConnection, task: Task) -> Statement:
    return without_rows(connection, f"INSERT INTO usage_event {selection(task)}")


def load_again(connection: duckdb.DuckDBPyConnection, task: Task) -> Statement:
    """Leaves out what is there, without looking whether it says the same."""
    return without_rows(connection, f"INSERT OR IGNORE INTO usage_event {selection(task)}")


def without_rows(connection: duckdb.DuckDBPyConnection, statement: str) -> Statement:
    def run() -> list[tuple]:
        connection.execute(statement).fetchall()
        return []

    return run


def chargeback(connection: duckdb.DuckDBPyConnection, task: Task) -> Statement:
    """Adds up by model, tier and prompt band first, then rates the sums: faster than rating every event."""
    listed = rates.read(Path(task.prices))
    nanos = ", ".join(f"{meter} BIGINT" for meter in METERS)
    key = "provider VARCHAR, model VARCHAR, service_tier VARCHAR, band INTEGER"
    connection.execute(f"CREATE TEMP TABLE price ({key}, {nanos})")
    marks = ", ".join("?" * (4 + len(METERS)))
    connection.executemany(
        f"INSERT INTO price VALUES ({marks})",
        [[rate.provider, rate.model, rate.service_tier, rate.band, *rate.nanos] for rate in listed.rows],
    )

    band = listed.band("(" + rates.PROMPT.format(cache_write="coalesce(cache_write_tokens, 0)") + ")")
    sums = ", ".join(f"coalesce(sum({meter}_tokens), 0)::HUGEINT AS {meter}_sum" for meter in METERS)
    totals = ", ".join(f"sum({meter}_sum)" for meter in METERS)
    femto = " + ".join(f"{meter}_sum * {meter}" for meter in METERS)
    statement = f"""
        WITH used AS (
            SELECT {task.by}, provider, model, service_tier, {band} AS band, count(*) AS events, {sums}
            FROM usage_event
            WHERE timestamp >= TIMESTAMP '{task.begin}' AND timestamp < TIMESTAMP '{task.end}'
            GROUP BY ALL
        )
        SELECT {task.by}, sum(events), {totals}, sum({femto})
        FROM used JOIN price USING (provider, model, service_tier, band)
        GROUP BY {task.by} ORDER BY {task.by}"""
    return lambda: connection.execute(statement).fetchall()


def selection(task: Task) -> str:
    """The columns of the table, from the file."""
    path, columns = task.usage.replace("'", "''"), dict(COLUMNS)
    if task.has_users:
        columns |= {"tags": 'STRUCT("user" VARCHAR)'} if task.is_jsonl else {"user_tag": "VARCHAR"}
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    if task.is_jsonl:
        names = [*COLUMNS, *(['tags."user"'] if task.has_users else [])]
        reader = f"read_json('{path}', format = 'newline_delimited', columns = {{{kinds}}})"
        return f"SELECT {', '.join(names)} FROM {reader}"
    return f"SELECT * FROM read_csv('{path}', header = true, auto_detect = false, columns = {{{kinds}}})"


if __name__ == "__main__":
    main(task())
