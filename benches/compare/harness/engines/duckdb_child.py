"""One piece of work in a process of its own, with DuckDB; prints JSON with the seconds of the statement alone.

Usage: duckdb_child version|load|again|chargeback DATABASE THREADS …
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Callable

import duckdb

from .. import rates
from ..chargeback import METERS

COLUMNS = {
    "event_id": "VARCHAR",
    "timestamp": "TIMESTAMP",
    **dict.fromkeys(("provider", "model", "department", "project", "environment", "service_tier"), "VARCHAR"),
    **{f"{meter}_tokens": "BIGINT" for meter in METERS},
}


def main(command: str, database: str, threads: str, *arguments: str) -> None:
    if command == "version":
        print(duckdb.__version__)
        return
    connection = duckdb.connect(database, config={"threads": int(threads), "autoinstall_known_extensions": False})
    works: dict[str, Callable[..., str]] = {"load": load, "again": load_again, "chargeback": chargeback}
    statement = works[command](connection, *arguments)
    began = time.perf_counter()
    rows = connection.execute(statement).fetchall()
    seconds = time.perf_counter() - began
    # Moves what is left in the log to the database file; the whole process counts it, the statement does not.
    connection.close()
    print(json.dumps({"seconds": seconds, "rows": rows if command == "chargeback" else []}))


def load(connection: duckdb.DuckDBPyConnection, key: str, usage: str) -> str:
    """Makes the table; the statement returned fills it. So do the others: what is returned is timed."""
    columns = ", ".join(
        f"{name} {kind} PRIMARY KEY" if name == "event_id" and key == "key" else f"{name} {kind}"
        for name, kind in COLUMNS.items()
    )
    connection.execute(f"CREATE TABLE usage_event ({columns})")
    return f"INSERT INTO usage_event SELECT * FROM {csv(usage)}"


def load_again(_: duckdb.DuckDBPyConnection, usage: str) -> str:
    """Leaves out what is there, without looking whether it says the same."""
    return f"INSERT OR IGNORE INTO usage_event SELECT * FROM {csv(usage)}"


def chargeback(connection: duckdb.DuckDBPyConnection, prices: str, begin: str, end: str) -> str:
    """Adds up by model, tier and prompt band first, then rates the sums: faster than rating every event."""
    listed = rates.read(Path(prices))
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
    return f"""
        WITH used AS (
            SELECT department, provider, model, service_tier, {band} AS band, count(*) AS events, {sums}
            FROM usage_event
            WHERE timestamp >= TIMESTAMP '{begin}' AND timestamp < TIMESTAMP '{end}'
            GROUP BY ALL
        )
        SELECT department, sum(events), {totals}, sum({femto})
        FROM used JOIN price USING (provider, model, service_tier, band)
        GROUP BY department ORDER BY department"""


def csv(usage: str) -> str:
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    path = usage.replace("'", "''")
    return f"read_csv('{path}', header = true, auto_detect = false, columns = {{{kinds}}})"


if __name__ == "__main__":
    main(*sys.argv[1:])
