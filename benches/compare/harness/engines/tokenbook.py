"""tokenbook itself, by its command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import chargeback
from ..engine import Engine, Reading, Setting, Work
from ..measure import Failed, Measured, run
from ..month import NEW_EVENTS

INIT = ("init", "--currency", "USD", "--time-zone", "UTC")
REPORT = ("report", "chargeback")
#: The same CSV as REPORT, from the events instead of the daily sums.
RECOMPUTE = ("report", "chargeback", "--recompute")
VERIFY = ("verify",)
#: With SQLite's own checks of the file.
VERIFY_DEEP = ("verify", "--deep")


class Tokenbook(Engine):
    title = "tokenbook"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, "tokenbook")

    def prepare(self) -> str:
        # The program may not be built yet.
        manifest = (self.setting.root / "Cargo.toml").read_text(encoding="utf-8")
        line = next(line for line in manifest.splitlines() if line.startswith("version"))
        self.version = "tokenbook " + line.split('"')[1]
        return self.version

    def load(self, usage: Path) -> Reading:
        self._tokenbook(*INIT)
        self._tokenbook("prices", "import", str(self.setting.month.prices))
        return self._import(usage, self.setting.month.events, 0)

    def add(self, usage: Path) -> Reading:
        return self._import(usage, NEW_EVENTS, 0)

    def chargeback(self, by: str) -> Reading:
        return self._chargeback(REPORT, by)

    def other_works(self) -> Mapping[Work, Callable[[], Reading]]:
        month = self.setting.month
        return {
            Work.AGAIN: lambda: self._import(month.usage, 0, month.events),
            Work.AGAIN_SHUFFLED: self._again_shuffled,
            Work.RECOMPUTE: lambda: self._chargeback(RECOMPUTE, "department"),
            Work.VERIFY: lambda: Reading(self._tokenbook(*VERIFY)),
            Work.VERIFY_DEEP: lambda: Reading(self._tokenbook(*VERIFY_DEEP)),
        }

    def _again_shuffled(self) -> Reading:
        # A file that was imported before is not read again: a blank line more makes it another.
        with self.setting.month.shuffled_jsonl.open("ab") as usage:
            usage.write(b"\n")
        return self._import(self.setting.month.shuffled_jsonl, 0, self.setting.month.events)

    def _import(self, usage: Path, accepted: int, duplicates: int) -> Reading:
        measured = self._tokenbook("import", str(usage))
        expected = f"{accepted:,} accepted + {duplicates:,} duplicates + 0 quarantined"
        if not re.search(rf"\b{re.escape(expected)}\b", measured.output):
            raise Failed(f"tokenbook import {usage.name}: expected {expected}, and it says\n{measured.output}")
        return Reading(measured)

    def _chargeback(self, command: tuple[str, ...], by: str) -> Reading:
        column = "tag.user" if by == "user" else by
        options = ("--by", column, "--period", self.setting.month.period, "--format", "csv")
        measured = self._tokenbook(*command, *options)
        return Reading(measured, answer=chargeback.from_tokenbook(measured.output, column))

    def _tokenbook(self, *arguments: str) -> Measured:
        command = [str(self.setting.programs / "tokenbook"), "--ledger", str(self.folder / "ledger.db")]
        return run([*command, *arguments], environment={"RAYON_NUM_THREADS": str(self.setting.threads)})
