"""An engine that is a Python package, in the version that requirements.txt pins, in an environment made here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..chargeback import Totals
from ..engine import Engine, Reading, Setting
from ..measure import Failed, Measured, run
from .child import Task


class PythonPackage(Engine):
    #: The module that is started as a process of its own, beside this one.
    child: str
    #: The package's name, for people.
    package: str
    has_key = False

    def __init__(self, setting: Setting, name: str, store: str) -> None:
        super().__init__(setting, name)
        self.environment = setting.own_folder / "venv"
        self.python = self.environment / "bin" / "python"
        self.task = Task("", str(self.folder / store), setting.threads)

    def prepare(self) -> str:
        requirements = self.setting.here / "requirements.txt"
        installed = self.environment / "requirements.txt"
        if not installed.exists() or installed.read_text() != requirements.read_text():
            self._install([sys.executable, "-m", "venv", "--clear", str(self.environment)])
            self._install([str(self.python), "-m", "pip", "install", "--quiet", "-r", str(requirements)])
            installed.write_text(requirements.read_text())
        self.version = f"{self.package} {self._run('version').output.strip()}"
        return self.version

    def load(self, usage: Path) -> Reading:
        return self.reading("load", usage=str(usage))

    def add(self, usage: Path) -> Reading:
        return self.reading("add", usage=str(usage))

    def chargeback(self, by: str) -> Reading:
        month = self.setting.month
        by = "user_tag" if by == "user" else by
        return self.reading("chargeback", prices=str(month.prices), by=by, begin=month.begin, end=month.end)

    def reading(self, command: str, **changes: Any) -> Reading:
        measured = self._run(command, **changes)
        printed = json.loads(measured.output)
        answer = {group: Totals(events, tuple(tokens), femto) for group, events, *tokens, femto in printed["rows"]}
        return Reading(measured, printed["seconds"], answer or None)

    def variables(self) -> Mapping[str, str]:
        """Environment variables the package needs."""
        return {}

    def _run(self, command: str, **changes: Any) -> Measured:
        has_users = self.setting.month.users is not None
        task = replace(self.task, command=command, has_users=has_users, has_key=self.has_key, **changes)
        module = [str(self.python), "-B", "-m", f"harness.engines.{self.child}"]
        return run([*module, task.written()], folder=self.setting.here, environment=self.variables())

    def _install(self, command: list[str]) -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            hint = "`--only tokenbook,sqlite` needs no Python packages (Debian's package for venv is python3-venv)"
            raise Failed(f"{' '.join(command)}:\n{done.stdout}{hint}")
