"""The result as Markdown: a line for each piece of work, a column for each engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .engine import Results, Setting, Work
from .figures import NOTHING, Show, cell, circumstances, duration, heading, line, memory, plain, ratio, verdict
from .measure import memory_floor


def markdown(results: list[Results], setting: Setting, repeat: int, differences: list[str]) -> str:
    month = setting.month
    users = "" if month.users is None else f" of {month.users:,} users"
    lines = [
        f"{month.events:,} events{users} in {month.order} order, {month.bytes / 1e6:,.0f} MB of CSV. "
        + circumstances(results, setting, repeat),
        "",
        *heading(["what", *(result.title for result in results)]),
    ]
    for row in _rows(results, month.events):
        # Nothing where no engine has anything to say.
        if set(row[1:]) != {NOTHING}:
            lines.append(line(row))
    answers = sum(len(result.answers()) for result in results)
    lines += ["", *_notes(results), verdict(answers, differences), ""]
    return "\n".join(lines)


def _rows(results: list[Results], events: int) -> Iterator[list[str]]:
    for work in Work:
        yield _row(work.value, results, [result.seconds(_stand_in(result, work)) for result in results], duration)
        if work is Work.LOAD_JSONL:
            yield ["events/s from JSONL, of those from CSV", *(cell(_of_csv(result), ratio) for result in results)]
    statements = [result.statement_seconds(Work.REPORT) for result in results]
    yield _row("chargeback, the statement alone", results, statements, duration)
    yield _row("bytes on disk, an event", results, [result.bytes_on_disk / events for result in results], plain)
    show = memory(memory_floor())
    for work in Work:
        peaks = [result.peak_bytes(_stand_in(result, work)) for result in results]
        yield _row(f"peak memory: {work.value}", results, peaks, show)


def _stand_in(result: Results, work: Work) -> Work:
    """What stands in the table for this work; see `_notes` about engines that keep no sums."""
    return Work.REPORT if work is Work.RECOMPUTE and work not in result.readings else work


def _of_csv(result: Results) -> float | None:
    csv, jsonl = result.seconds(Work.LOAD), result.seconds(Work.LOAD_JSONL)
    return csv / jsonl if csv and jsonl else None


def _notes(results: list[Results]) -> list[str]:
    notes = []
    if any(_ours(result) for result in results) and len(results) > 1:
        notes.append("In brackets: how many times tokenbook's figure.")
    if any(not _ours(result) for result in results):
        notes.append("Only tokenbook keeps sums, so one query is the others' answer to both chargebacks.")
    notes += [result.note for result in results if result.note]
    return [" ".join(notes), ""] if notes else []


def _row(what: str, results: list[Results], figures: Sequence[float | None], show: Show) -> list[str]:
    ours = next((figure for figure, result in zip(figures, results) if _ours(result)), None)
    return [what, *(_beside(figure, ours, show, _ours(result)) for figure, result in zip(figures, results))]


def _beside(figure: float | None, ours: float | None, show: Show, is_ours: bool) -> str:
    shown = cell(figure, show)
    if figure is None or is_ours or not ours or "<" in shown + show(ours):
        return shown
    return f"{shown} ({ratio(figure / ours)})"


def _ours(result: Results) -> bool:
    return result.title == "tokenbook"
