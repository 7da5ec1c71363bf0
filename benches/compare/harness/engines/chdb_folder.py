"""chDB, which is ClickHouse as a library: a MergeTree table in a folder. Such a table has no unique key."""

from __future__ import annotations

from ..engine import Setting
from .python_package import PythonPackage


class Chdb(PythonPackage):
    title = "chDB"
    note = "chDB keeps a MergeTree table by time, without a unique key, and does not sync what it inserts."
    child = "chdb_child"
    package = "chDB"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, "chdb", "usage")
