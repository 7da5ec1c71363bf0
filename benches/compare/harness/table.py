"""The result as Markdown: a line for each piece of work, a column for each engine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Callable

from .engine import Reading, Results, Setting, Work
from .measure import memory_floor

NOTHING = "–"


def markdown(results: list[Results], setting: Setting, repeat: int, differences: list[str]) -> str:
    lines = [
        *_heading(results, setting, repeat),
        "",
        *_line(["what", *(result.title for result in results)]),
        *_line(["---", *("---:" for _ in results)]),
    ]
    for row in _rows(results, setting.month.events):
        lines += _line(row)
    lines += ["", *_notes(results), _verdict(results, differences), ""]
    return "\n".join(lines)


def _rows(results: list[Results], events: int) -> Iterator[list[str]]:
    for work in Work:
        yield _row(work.value, results, [_seconds(_readings(result, work)) for result in results], _duration)
    statements = [_statement(_readings(result, Work.REPORT)) for result in results]
    yield _row("chargeback, the statement alone", results, statements, _duration)
    yield _row("bytes on disk, an event", results, [result.bytes_on_disk / events for result in results], _plain)
    show = _memory(memory_floor())
    for work in Work:
        yield _row(f"peak memory: {work.value}", results, [_peak(_readings(result, work)) for result in results], show)


def _line(cells: list[str]) -> list[str]:
    """Nothing where no engine has anything to say."""
    return [] if set(cells[1:]) == {NOTHING} else ["| " + " | ".join(cells) + " |"]


def _heading(results: list[Results], setting: Setting, repeat: int) -> list[str]:
    month = setting.month
    versions = ", ".join(dict.fromkeys(result.version for result in results))
    return [
        f"{month.events:,} events in {month.order} order, {month.bytes / 1e6:,.0f} MB of CSV. {versions}; "
        f"{setting.threads} threads each, on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} × {_processor()}. "
        + (f"Medians of {repeat} loads. " if repeat > 1 else "One load each. ")
        + "Whole processes, wall time."
    ]


def _notes(results: list[Results]) -> list[str]:
    notes = []
    if any(_ours(result) for result in results) and len(results) > 1:
        notes.append("In brackets: how many times tokenbook's figure.")
    if any(not _ours(result) for result in results):
        notes.append("DuckDB and sqlite3 keep no sums, so one query is their answer to both chargebacks.")
    return [" ".join(notes), ""] if notes else []


def _verdict(results: list[Results], differences: list[str]) -> str:
    if differences:
        return "**The answers differ:**\n\n" + "\n".join(f"- {difference}" for difference in differences)
    if len(results) == 1:
        return "Nothing was there to compare the answers with."
    return "All answers are equal: events, tokens of each meter and the exact amount of each department."


def _row(
    what: str,
    results: list[Results],
    figures: list[float | None],
    show: Callable[[float], str],
) -> list[str]:
    ours = next((figure for figure, result in zip(figures, results) if _ours(result)), None)
    return [what, *(_cell(figure, ours, show, _ours(result)) for figure, result in zip(figures, results))]


def _cell(figure: float | None, ours: float | None, show: Callable[[float], str], is_ours: bool) -> str:
    if figure is None:
        return NOTHING
    shown = show(figure)
    if is_ours or not ours or "<" in shown + show(ours):
        return shown
    return f"{shown} ({_ratio(figure / ours)})"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"


def _readings(result: Results, work: Work) -> list[Reading]:
    """What stands in the table for this work; see `_notes` about engines that keep no sums."""
    if work is Work.RECOMPUTE and work not in result.readings:
        work = Work.REPORT
    return result.readings.get(work, [])


def _seconds(readings: list[Reading]) -> float | None:
    return median(reading.measured.seconds for reading in readings) if readings else None


def _statement(readings: list[Reading]) -> float | None:
    timed = [reading.statement_seconds for reading in readings if reading.statement_seconds is not None]
    return median(timed) if timed else None


def _peak(readings: list[Reading]) -> float | None:
    return max(reading.measured.peak_bytes for reading in readings) if readings else None


def _ours(result: Results) -> bool:
    return result.title == "tokenbook"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


def _plain(figure: float) -> str:
    return f"{figure:.0f}"


def _memory(floor: int) -> Callable[[float], str]:
    """Peaks at the floor are not the program's own; see measure.py."""
    return lambda peak: f"< {floor * 1.1 / 1e6:.0f} MB" if peak < floor * 1.1 else f"{peak / 1e6:,.0f} MB"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "processor"
