"""The price list as a small table that SQL can join: whole nano-units for a million tokens, a row for each model,
tier and prompt band.

A band is the number of thresholds, of any model, that a prompt is above. Tokens times such a rate are femto-units.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .chargeback import METERS
from .measure import Failed

NANO = 10**9

PROMPT = "input_tokens + cache_read_tokens + {cache_write}"


@dataclass(frozen=True)
class Rate:
    provider: str
    model: str
    service_tier: str
    band: int
    #: In the order of METERS.
    nanos: tuple[int, ...]


@dataclass(frozen=True)
class Rates:
    thresholds: tuple[int, ...]
    rows: tuple[Rate, ...]

    def band(self, prompt: str) -> str:
        """The band of an SQL expression for the prompt size, as another."""
        cases = [f"CASE WHEN {prompt} > {threshold} THEN 1 ELSE 0 END" for threshold in self.thresholds]
        return " + ".join(cases) or "0"


def read(path: Path) -> Rates:
    # By model and tier, then by threshold, then by meter.
    listed: dict[tuple[str, str, str], dict[int, dict[str, int]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["book"] or row["per"] or row["currency"] != "USD":
                raise Failed(f"{path.name}: a price in another book, unit or currency: {row}")
            nanos = Fraction(row["price"]) * NANO
            if nanos.denominator != 1:
                raise Failed(f"{path.name}: {row['price']} is no whole number of nano-units")
            key = (row["provider"], row["model"], row["service_tier"] or "standard")
            above = int(row["prompt_above"] or 0)
            listed.setdefault(key, {}).setdefault(above, {})[row["meter"]] = int(nanos)

    thresholds = tuple(sorted({above for prices in listed.values() for above in prices} - {0}))
    rows: list[Rate] = []
    for key, prices in listed.items():
        for band, lowest in enumerate((0, *thresholds)):
            highest = max(above for above in prices if above <= lowest)
            rows.append(Rate(*key, band, tuple(prices[highest][meter] for meter in METERS)))
    return Rates(thresholds, tuple(rows))
