"""One piece of work in a process of its own, with chDB; see `child.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import chdb
from chdb.session import Session

from .. import rates
from ..chargeback import METERS
from .child import TEXTS, Statement, Task, task, timed

COLUMNS = {
    "event_id": "String",
    "timestamp": "DateTime64(3, 'UTC')",
    **dict.fromkeys(TEXTS, "LowCardinality(String)"),
    **{f"{meter}_tokens": "Nullable(Int64)" for meter in METERS},
}


def main(task: Task) -> None:
    if task.command == "version":
        print(chdb.__version__)
        return
    session = Session(task.store)
    works: dict[str, Callable[[Session, Task], Statement]] = {"load": load, "add": add, "chargeback": chargeback}
    timed(works[task.command](session, task), session.close)


def load(session: Session, task: Task) -> Statement:
    """Makes the table; the statement returned fills it."""
    columns = COLUMNS | ({"user_tag": "String"} if task.has_users else {})
    kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    session.query("CREATE DATABASE books")
    session.query(f"CREATE TABLE books.usage_event ({kinds}) ENGINE = MergeTree ORDER BY timestamp")
    return add(session, task)


def add(session: Session, task: Task) -> Statement:
    statement = f"""
        INSERT INTO books.usage_event {selection(task)}
        SETTINGS max_threads = {task.threads}, max_insert_threads = {task.threads},
            input_format_csv_skip_first_lines = 1, date_time_input_format = 'best_effort'"""

    def run() -> list[tuple]:
        session.query(statement)
        return []

    return run


def selection(task: Task) -> str:
    """The columns of the table, from the file."""
    columns, names = dict(COLUMNS), [*COLUMNS]
    if task.has_users:
        columns |= {"tags": "Tuple(user String)"} if task.is_jsonl else {"user_tag": "String"}
        names.append("tags.user" if task.is_jsonl else "user_tag")
    kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    layout = "JSONEachRow" if task.is_jsonl else "CSV"
    return f"SELECT {', '.join(names)} FROM file({quoted(task.usage)}, {layout}, {quoted(kinds)})"


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def chargeback(session: Session, task: Task) -> Statement:
    """Adds up by model, tier and prompt band first, then rates the sums in 128 bits."""
    listed = rates.read(Path(task.prices))
    nanos = ", ".join(f"{meter} Int64" for meter in METERS)
    rows = ", ".join(
        f"({quoted(rate.provider)}, {quoted(rate.model)}, {quoted(rate.service_tier)}, {rate.band}, "
        f"{', '.join(map(str, rate.nanos))})"
        for rate in listed.rows
    )
    key = "provider String, model String, service_tier String, band UInt8"
    band = listed.band("(" + rates.PROMPT.format(cache_write="coalesce(cache_write_tokens, 0)") + ")")
    sums = ", ".join(f"toInt128(coalesce(sum({meter}_tokens), 0)) AS {meter}_sum" for meter in METERS)
    totals = ", ".join(f"sum({meter}_sum)" for meter in METERS)
    femto = " + ".join(f"{meter}_sum * {meter}" for meter in METERS)
    statement = f"""
        SELECT {task.by}, sum(events), {totals}, sum({femto})
        FROM (
            SELECT {task.by}, provider, model, service_tier, toUInt8({band}) AS band, count() AS events, {sums}
            FROM books.usage_event
            WHERE timestamp >= toDateTime64('{task.begin}', 3, 'UTC')
                AND timestamp < toDateTime64('{task.end}', 3, 'UTC')
            GROUP BY {task.by}, provider, model, service_tier, band
        ) AS used
        JOIN values({quoted(f"{key}, {nanos}")}, {rows}) AS price USING (provider, model, service_tier, band)
        GROUP BY {task.by} ORDER BY {task.by}
        SETTINGS max_threads = {task.threads}, output_format_json_quote_64bit_integers = 0"""

    def run() -> list[tuple]:
        printed = session.query(statement, "JSONCompactEachRow").bytes().decode()
        return [tuple(json.loads(line)) for line in printed.splitlines()]

    return run


if __name__ == "__main__":
    main(task())
