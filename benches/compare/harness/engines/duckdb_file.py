"""DuckDB on a database file, with and without a primary key."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..engine import Reading, Setting, Work
from .python_package import PythonPackage


class DuckDb(PythonPackage):
    child = "duckdb_child"
    package = "DuckDB"

    def __init__(self, setting: Setting, key: str) -> None:
        super().__init__(setting, f"duckdb-{key}", "usage.duckdb")
        self.has_key = key == "key"
        self.title = "DuckDB with key" if self.has_key else "DuckDB without key"
        # One of them says what reading JSONL costs.
        self.reads_jsonl = not self.has_key

    def other_works(self) -> Mapping[Work, Callable[[], Reading]]:
        if not self.has_key:
            return {}
        month = self.setting.month
        return {
            Work.AGAIN: lambda: self.reading("again", usage=str(month.usage)),
            Work.AGAIN_SHUFFLED: lambda: self.reading("again", usage=str(month.shuffled_jsonl)),
        }
