"""How figures are written in the tables, and the sentence that says where they come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from .engine import Results, Setting

NOTHING = "–"

#: A figure as a cell.
Show = Callable[[float], str]


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


def plain(figure: float) -> str:
    return f"{figure:,.0f}"


def memory(floor: int) -> Show:
    """Peaks at the floor are not the program's own; see measure.py."""
    return lambda peak: f"< {floor * 1.1 / 1e6:.0f} MB" if peak < floor * 1.1 else f"{peak / 1e6:,.0f} MB"


def ratio(figure: float) -> str:
    return f"{figure:.2f}" if figure < 1 else f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}"


def cell(figure: float | None, show: Show) -> str:
    return NOTHING if figure is None else show(figure)


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def heading(columns: Sequence[str]) -> list[str]:
    """The first column is text, the others are figures."""
    return [line(columns), line(["---", *("---:" for _ in columns[1:])])]


def circumstances(results: Sequence[Results], setting: Setting, repeat: int) -> str:
    versions = ", ".join(dict.fromkeys(result.version for result in results))
    return (
        f"{versions}; {setting.threads} threads each, on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} × {_processor()}. "
        + (f"Medians of {repeat} loads. " if repeat > 1 else "One load each. ")
        + "Whole processes, wall time."
    )


def verdict(count: int, differences: Sequence[str]) -> str:
    """What is to be said of so many answers."""
    if differences:
        return "**The answers differ:**\n\n" + "\n".join(f"- {difference}" for difference in differences)
    if count < 2:
        return "Nothing was there to compare the answers with."
    return "All answers are equal: events, tokens of each meter and the exact amount of each group."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "processor"
