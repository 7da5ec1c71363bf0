"""DuckDB on a database file, with and without a primary key, from the Python package that requirements.txt pins.

DuckDB is imported only in child processes (`duckdb_child.py`), whose Python environment is made here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Callable

from ..chargeback import Totals
from ..engine import Engine, Reading, Setting, Work
from ..measure import Failed, Measured, run


class DuckDb(Engine):
    def __init__(self, setting: Setting, key: str) -> None:
        super().__init__(setting, f"duckdb-{key}")
        self.key = key
        self.title = "DuckDB with key" if key == "key" else "DuckDB without key"
        self.environment = setting.own_folder / "venv"
        self.python = self.environment / "bin" / "python"

    def prepare(self) -> str:
        requirements = self.setting.here / "requirements.txt"
        installed = self.environment / "requirements.txt"
        if not installed.exists() or installed.read_text() != requirements.read_text():
            self._install([sys.executable, "-m", "venv", "--clear", str(self.environment)])
            self._install([str(self.python), "-m", "pip", "install", "--quiet", "-r", str(requirements)])
            installed.write_text(requirements.read_text())
        self.version = "DuckDB " + self._child("version").output.strip()
        return self.version

    def works(self) -> dict[Work, Callable[[], Reading]]:
        usage = str(self.setting.month.usage)
        works = {
            Work.LOAD: lambda: self._reading("load", self.key, usage),
            Work.REPORT: self._chargeback,
        }
        if self.key == "key":
            works[Work.AGAIN] = lambda: self._reading("again", usage)
        return works

    def _chargeback(self) -> Reading:
        month = self.setting.month
        return self._reading("chargeback", str(month.prices), month.begin, month.end)

    def _reading(self, *arguments: str) -> Reading:
        measured = self._child(*arguments)
        printed = json.loads(measured.output)
        answer = {
            department: Totals(events, tuple(tokens), femto)
            for department, events, *tokens, femto in printed.get("rows", [])
        }
        return Reading(measured, printed["seconds"], answer or None)

    def _child(self, command: str, *arguments: str) -> Measured:
        database, threads = str(self.folder / "usage.duckdb"), str(self.setting.threads)
        module = [str(self.python), "-B", "-m", "harness.engines.duckdb_child"]
        return run([*module, command, database, threads, *arguments], folder=self.setting.here)

    def _install(self, command: list[str]) -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            hint = "`--skip duckdb` leaves DuckDB out (Debian's package for venv is python3-venv)"
            raise Failed(f"{' '.join(command)}:\n{done.stdout}{hint}")
