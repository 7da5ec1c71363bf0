"""A chargeback as every engine must find it, department by department, and where two of them differ.

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


#: By department.
Chargeback = dict[str, Totals]


def from_tokenbook(text: str) -> Chargeback:
    """Reads the CSV of `tokenbook report chargeback --format csv`."""
    answer: Chargeback = {}
    try:
        for row in csv.DictReader(io.StringIO(text)):
            department = row["department"]
            if int(row["unpriced_events"] or 0):
                raise Failed(f"tokenbook: {department} has {row['unpriced_events']} unpriced events, expected none")
            femto = Fraction(row["amount_exact"]) * FEMTO
            if femto.denominator != 1:
                raise Failed(f"tokenbook: {department}: {row['amount_exact']} is finer than 1e-15")
            tokens = tuple(int(row.get(f"{meter}_tokens") or 0) for meter in METERS)
            answer[department] = Totals(int(row["events"]), tokens, int(femto))
    except (KeyError, ValueError) as error:
        raise Failed(f"tokenbook: the chargeback has no such column or number: {error}") from error
    return answer


def differences(events: int, answers: Sequence[tuple[str, Chargeback]]) -> list[str]:
    """What differs from the first answer, and answers that do not hold every event."""
    found: list[str] = []
    for title, answer in answers:
        counted = sum(totals.events for totals in answer.values())
        if counted != events:
            found.append(f"{title}: {counted} events, {events} were generated")
    first_title, first = answers[0]
    for title, answer in answers[1:]:
        for department in sorted({*first, *answer}):
            found += _between(department, first_title, first, title, answer)
    return list(dict.fromkeys(found))


def _between(department: str, one: str, left: Chargeback, other: str, right: Chargeback) -> list[str]:
    if department not in left or department not in right:
        return [f"{department}: missing from {one if department not in left else other}"]
    pairs = zip(left[department].named().items(), right[department].named().values())
    return [
        f"{department}: {name}: {mine} ({one}), {theirs} ({other})" for (name, mine), theirs in pairs if mine != theirs
    ]
