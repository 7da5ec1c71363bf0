"""One piece of work in a process of its own, with Polars; see `child.py`. Its store is a folder of Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import reduce
from pathlib import Path

import polars

from .. import rates
from ..chargeback import METERS
from .child import TEXTS, Statement, Task, task, timed

COLUMNS: dict[str, polars.DataType | type[polars.DataType]] = {
    **dict.fromkeys(("event_id", "timestamp", *TEXTS), polars.String),
    **{f"{meter}_tokens": polars.Int64 for meter in METERS},
}

PRICE_KEY = ["provider", "model", "service_tier", "band"]


def main(task: Task) -> None:
    if task.command == "version":
        print(polars.__version__)
        return
    works: dict[str, Callable[[Task], Statement]] = {"load": load, "add": load, "chargeback": chargeback}
    timed(works[task.command](task), lambda: None)


def load(task: Task) -> Statement:
    """Converts the file to Parquet, as a stream. It stands beside those that are there."""
    store = Path(task.store)
    store.mkdir(exist_ok=True)
    usage = selection(task)

    def run() -> list[tuple]:
        usage.sink_parquet(store / f"{Path(task.usage).stem}.parquet")
        return []

    return run


def selection(task: Task) -> polars.LazyFrame:
    """The file's events, with all types given. Timestamps are read as texts first, which is faster here."""
    if task.is_jsonl:
        tags = {"tags": polars.Struct({"user": polars.String})} if task.has_users else {}
        usage = polars.scan_ndjson(task.usage, schema={**COLUMNS, **tags})
        if task.has_users:
            usage = usage.with_columns(polars.col("tags").struct.field("user").alias("user_tag")).drop("tags")
    else:
        users = {"tag.user": polars.String} if task.has_users else {}
        usage = polars.scan_csv(task.usage, schema={**COLUMNS, **users}).rename({name: "user_tag" for name in users})
    instant = polars.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms")
    return usage.with_columns(instant)


def chargeback(task: Task) -> Statement:
    """Adds up by model, tier and prompt band first, then rates the sums in 128 bits."""
    listed = rates.read(Path(task.prices))
    prices = polars.LazyFrame(
        [(rate.provider, rate.model, rate.service_tier, rate.band, *rate.nanos) for rate in listed.rows],
        schema={**dict.fromkeys(PRICE_KEY, polars.String), "band": polars.Int32, **dict.fromkeys(METERS, polars.Int64)},
        orient="row",
    )
    tokens = {meter: polars.col(f"{meter}_tokens") for meter in METERS}
    prompt = tokens["input"] + tokens["cache_read"] + tokens["cache_write"].fill_null(0)
    above = [(prompt > threshold).cast(polars.Int32) for threshold in listed.thresholds]
    band = reduce(lambda one, other: one + other, above, polars.lit(0, polars.Int32))
    begin, end = datetime.fromisoformat(task.begin), datetime.fromisoformat(task.end)
    within = (polars.col("timestamp") >= begin) & (polars.col("timestamp") < end)

    sums = [tokens[meter].sum().cast(polars.Int128).alias(f"{meter}_sum") for meter in METERS]
    femto = [polars.col(f"{meter}_sum") * polars.col(meter).cast(polars.Int128) for meter in METERS]
    rated = (
        polars.scan_parquet(task.store)
        .filter(within)
        .group_by(task.by, "provider", "model", "service_tier", band.alias("band"))
        .agg(polars.len().cast(polars.Int64).alias("events"), *sums)
        .join(prices, on=PRICE_KEY)
        .group_by(task.by)
        .agg(
            polars.col("events").sum(),
            *(polars.col(f"{meter}_sum").sum() for meter in METERS),
            reduce(lambda one, other: one + other, femto).sum().alias("femto"),
        )
        .sort(task.by)
    )
    return lambda: rated.collect(engine="streaming").rows()


if __name__ == "__main__":
    main(task())
