"""A chargeback as every engine must find it, department by department or user by user, and where two of them differ.

Amounts are whole femto-units (1e-15) of the currency, so that equal means equal.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .measure import Failed

METERS = ("input", "cache_read", "cache_write", "output", "reasoning")
FEMTO = 10**15


@dataclass(frozen=True)
class Totals:
    events: int
    #: In the order of METERS.
    tokens: tuple[int, ...]
    femto: int

    def named(self) -> dict[str, int]:
        tokens = {f"{meter}_tokens": count for meter, count in zip(METERS, self.tokens)}
        return {"events": self.events, **tokens, "amount in 1e-15": self.femto}


#: By department, or by user.
Chargeback = dict[str, Totals]


def from_tokenbook(text: str, by: str) -> Chargeback:
    """Reads the CSV of `tokenbook report chargeback --format csv`, grouped by one column."""
    answer: Chargeback = {}
    try:
        for row in csv.DictReader(io.StringIO(text)):
            group = row[by]
            if int(row["unpriced_events"] or 0):
                raise Failed(f"tokenbook: {group} has {row['unpriced_events']} unpriced events, expected none")
            femto = Fraction(row["amount_exact"]) * FEMTO
            if femto.denominator != 1:
                raise Failed(f"tokenbook: {group}: {row['amount_exact']} is finer than 1e-15")
            tokens = tuple(int(row.get(f"{meter}_tokens") or 0) for meter in METERS)
            answer[group] = Totals(int(row["events"]), tokens, int(femto))
    except (KeyError, ValueError) as error:
        raise Failed(f"tokenbook: the chargeback has no such column or number: {error}") from error
    return answer


#: So many differences are named, the others counted.
NAMED = 20


def differences(events: int, answers: Sequence[tuple[str, Chargeback]]) -> list[str]:
    """What differs from the first answer, and answers that do not hold every event."""
    found: list[str] = []
    if not answers:
        return found
    for title, answer in answers:
        counted = sum(totals.events for totals in answer.values())
        if counted != events:
            found.append(f"{title}: {counted} events, {events} were generated")
    first_title, first = answers[0]
    for title, answer in answers[1:]:
        for group in sorted({*first, *answer}):
            found += _between(group, first_title, first, title, answer)
    found = list(dict.fromkeys(found))
    return found if len(found) <= NAMED else [*found[:NAMED], f"and {len(found) - NAMED:,} more"]


def _between(group: str, one: str, left: Chargeback, other: str, right: Chargeback) -> list[str]:
    if group not in left or group not in right:
        return [f"{group}: missing from {one if group not in left else other}"]
    pairs = zip(left[group].named().items(), right[group].named().values())
    return [
        f"{group}: {name}: {mine} ({one}), {theirs} ({other})" for (name, mine), theirs in pairs if mine != theirs
    ]
