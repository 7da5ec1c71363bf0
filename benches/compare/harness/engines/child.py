"""What a child process of the comparison is asked to do, and how it tells what it took.

Each engine that is a Python package has a child module of its own, so that the package is only loaded there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: A statement, made ready but not yet run; it returns the rows of a chargeback, or nothing.
Statement = Callable[[], list[tuple[Any, ...]]]

#: Columns of text, after the id and the timestamp.
TEXTS = ("provider", "model", "department", "project", "environment", "service_tier")


@dataclass(frozen=True)
class Task:
    #: `version`, `load`, `add`, `again` or `chargeback`.
    command: str
    #: The database file or folder.
    store: str
    threads: int
    #: A CSV, or JSONL by its ending.
    usage: str = ""
    has_users: bool = False
    #: Whether the table has a primary key.
    has_key: bool = False
    #: The grouping of a chargeback: `department` or `user_tag`.
    by: str = "department"
    prices: str = ""
    #: The month's half-open bounds.
    begin: str = ""
    end: str = ""

    @property
    def is_jsonl(self) -> bool:
        return Path(self.usage).suffix == ".jsonl"

    def written(self) -> str:
        return json.dumps(asdict(self))


def task() -> Task:
    """The task that the command line holds as JSON."""
    return Task(**json.loads(sys.argv[1]))


def timed(statement: Statement, close: Callable[[], None]) -> None:
    """Runs a statement and prints its seconds and rows. What closing takes, only the whole process counts."""
    began = time.perf_counter()
    rows = statement()
    seconds = time.perf_counter() - began
    close()
    print(json.dumps({"seconds": seconds, "rows": rows}))
