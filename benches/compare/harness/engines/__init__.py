"""The engines by the name that `--only` and `--skip` take, in the order of the table's columns."""

from __future__ import annotations

from collections.abc import Callable

from ..engine import Engine, Setting
from .chdb_folder import Chdb
from .duckdb_file import DuckDb
from .polars_parquet import Polars
from .sqlite_shell import SqliteShell
from .tokenbook import Tokenbook

ENGINES: dict[str, Callable[[Setting], Engine]] = {
    "tokenbook": Tokenbook,
    "duckdb-key": lambda setting: DuckDb(setting, "key"),
    "duckdb-no-key": lambda setting: DuckDb(setting, "no-key"),
    "chdb": Chdb,
    "polars": Polars,
    "sqlite": SqliteShell,
}
