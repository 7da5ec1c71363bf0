"""Polars on Parquet files, which take the place of a database: a file each load, and no key."""

from __future__ import annotations

from collections.abc import Mapping

from ..engine import Setting
from .python_package import PythonPackage


class Polars(PythonPackage):
    title = "Polars"
    note = "Polars has no database: it loads into a Parquet file, unsynced, and queries that."
    child = "polars_child"
    package = "Polars"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, "polars", "usage")

    def variables(self) -> Mapping[str, str]:
        return {"POLARS_MAX_THREADS": str(self.setting.threads)}
