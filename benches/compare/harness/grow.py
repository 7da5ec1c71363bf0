"""The same work at several sizes, as Markdown: a table for each engine, a line for each size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .engine import Results, Setting, Work
from .figures import Show, cell, circumstances, duration, heading, line, memory, plain, ratio, verdict
from .measure import memory_floor

WORKS = (Work.LOAD, Work.REPORT, Work.RECOMPUTE, Work.VERIFY, Work.ADD)


@dataclass(frozen=True)
class Size:
    """What was measured at one size."""

    setting: Setting
    results: list[Results]
    differences: list[str]

    @property
    def events(self) -> int:
        return self.setting.month.events


def events_of(millions: str) -> int:
    """`0.1` is 100,000 events."""
    events = Decimal(millions) * 1_000_000
    if events < 1 or events != events.to_integral_value():
        raise ValueError(millions)
    return int(events)


def markdown(sizes: Sequence[Size], repeat: int) -> str:
    first = sizes[0]
    month = first.setting.month
    users = "" if month.users is None else f" of {month.users:,} users"
    lines = [f"Events{users} in {month.order} order. " + circumstances(first.results, first.setting, repeat), ""]
    for place, result in enumerate(first.results):
        if len(first.results) > 1:
            lines += [f"### {result.title}", ""]
        lines += [*_table([(size, size.results[place]) for size in sizes]), ""]
    answers = sum(len(result.answers()) for result in first.results)
    differences = [f"{size.events:,} events: {difference}" for size in sizes for difference in size.differences]
    return "\n".join([*lines, verdict(answers, differences), ""])


def _table(rows: Sequence[tuple[Size, Results]]) -> list[str]:
    peak = memory(memory_floor())
    first_rate = _rate(*rows[0])
    columns: list[tuple[str, Callable[[Size, Results], float | None], Show]] = [
        ("events", lambda size, _: size.events, plain),
        ("load", _seconds(Work.LOAD), duration),
        ("events/s", _rate, plain),
        ("of the first", lambda size, result: _rate(size, result) / first_rate, ratio),
        ("bytes an event", lambda size, result: result.bytes_on_disk / size.events, plain),
        ("peak: load", _peak(Work.LOAD), peak),
        ("peak: chargeback", _peak(Work.REPORT), peak),
        ("chargeback", _seconds(Work.REPORT), duration),
        ("from every event", _seconds(Work.RECOMPUTE), duration),
        ("verify", _seconds(Work.VERIFY), duration),
        (Work.ADD.value, _seconds(Work.ADD), duration),
    ]
    # A column that this engine has nothing for is left out.
    told = [column for column in columns if any(column[1](size, result) is not None for size, result in rows)]
    return [
        *heading([title for title, _, _ in told]),
        *(line([cell(figure(size, result), show) for _, figure, show in told]) for size, result in rows),
    ]


def _rate(size: Size, result: Results) -> float:
    # Every engine loads.
    return size.events / (result.seconds(Work.LOAD) or 1.0)


def _seconds(work: Work) -> Callable[[Size, Results], float | None]:
    return lambda _, result: result.seconds(work)


def _peak(work: Work) -> Callable[[Size, Results], float | None]:
    return lambda _, result: result.peak_bytes(work)
